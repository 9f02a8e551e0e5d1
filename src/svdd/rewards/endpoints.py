"""HTTP endpoints as rewards: designs are posted as JSON, scores come back.

A request is `{"designs": [...]}`, its answer `{"scores": [...]}`, one number per design; `null` is an invalid design. Designs
that are no text go out as their domain has it: an image, say, as a PNG in base64, and its prompt, as `prompts`.
"""

import json
import math
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from svdd.cost.clock import wait
from svdd.messages import check, module_of
from svdd.rewards.headers import check_address, check_headers, filled_in, open_headers, without_keys
from svdd.rewards.outside import AS_THEY_ARE, Outside
from svdd.scoring.reward import RewardError
from svdd.user_texts import json_of

Number = float | int
_LATER = (429, 500, 502, 503, 504)
_BACK_OFF = 0.2
"""Seconds before a request is made again the second time, twice as many each time after that."""
_LONG = 5.0
"""Seconds of a wait that people are told of."""


class EndpointError(OSError):
    """An endpoint that cannot be reached, or refuses."""


class EndpointWarning(UserWarning):
    """An endpoint asks a run to wait."""


class _Passing(EndpointError):
    """What may be over in a moment.

    Args:
        said: in words.
        seconds: that the server asks for.
    """

    def __init__(self, said: str, seconds: float = 0.0) -> None:
        super().__init__(said)
        self.seconds = seconds


@dataclass
class _Line:
    """What all requests to an address share."""

    connections: Any = None
    next: float = 0.0  # when another request may be made


@dataclass
class Endpoint:
    """An address that scores designs; see `endpoint`."""

    address: str
    batch: int = 64
    timeout: Number = 60.0
    retries: int = 5
    rate: Number | None = None
    version: str = ""
    patience: Number = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    outside: Outside = AS_THEY_ARE
    _line: _Line = field(default_factory=_Line, repr=False, compare=False)

    @property
    def at_once(self) -> int:
        """Designs in a request."""
        return self.batch

    @property
    def named(self) -> tuple[str, dict[str, Any]]:
        """What answers there, as far as that is known."""
        return self.address, {"version": self.version}

    @property
    def identity(self) -> str:
        """The address, the version that is said to answer there, and headers that are no keys."""
        plain = open_headers(self.headers)
        return f"endpoint {self.address} {self.version} {sorted(plain.items()) if plain else ''}".rstrip()

    def sent_as(self, outside: Outside) -> "Endpoint":
        """The same address, over the same connections, for designs that go out in a form of their own."""
        return replace(self, outside=outside)

    def __call__(self, designs: Any) -> list[float]:
        """One score a design, in the order given."""
        asked = self.outside.message(designs)
        rows = range(0, len(asked["designs"]), self.batch)
        parts = [{name: of[i : i + self.batch] for name, of in asked.items()} for i in rows]
        return [score for part in parts for score in self._post(part)]

    def close(self) -> None:
        """Closes the connections; a later call opens new ones."""
        if self._line.connections is not None:
            self._line.connections.clear()
            self._line.connections = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_line": _Line()}  # connections stay in their process

    def _post(self, asked: dict[str, list[Any]]) -> list[float]:
        body = json.dumps(asked).encode()
        for attempt in range(self.retries):
            try:
                return self._scores(self._request(body), len(asked["designs"]))
            except _Passing as trouble:
                self._pause(attempt, str(trouble), trouble.seconds)
            except TimeoutError as trouble:
                self._pause(attempt, str(trouble))
        return self._scores(self._request(body), len(asked["designs"]))

    def _request(self, body: bytes) -> bytes:
        """What the server answers with status 200.

        Raises:
            EndpointError: for another status, and where nobody answers.
            TimeoutError: for no answer in time.
        """
        connections = self._made()
        from urllib3 import exceptions

        self._keep_to_the_rate()
        headers = {"Content-Type": "application/json", **filled_in(self.headers)}
        try:
            answer = connections.request(
                "POST", self.address, body=body, headers=headers, retries=False, redirect=False
            )
        except exceptions.ReadTimeoutError:
            raise TimeoutError(f"{self.address} did not answer within {self.timeout:g} s") from None
        except exceptions.HTTPError as error:
            raise _Passing(f"{self.address} cannot be reached: {error}") from None
        sentence = f"{self.address} answered with status {answer.status}"
        moved = answer.headers.get("Location") if 300 <= answer.status < 400 else None
        if moved is not None:
            raise EndpointError(f"{sentence}: it has moved, give {self._clean(moved)}")
        if answer.status in _LATER:
            raise _Passing(sentence + self._beginning(answer.data), _retry_after(answer))
        if answer.status != 200:
            raise EndpointError(sentence + self._beginning(answer.data))
        return bytes(answer.data)

    def _pause(self, attempt: int, trouble: str, seconds: float = 0.0) -> None:
        """Waits before a request is made again, as long as the server asks but no longer than `patience`."""
        wanted = max(seconds, _BACK_OFF * 2**attempt if attempt else 0.0)
        pause = min(wanted, self.patience)
        if wanted > _LONG:
            asks = f" and asks to wait {seconds:,.0f} s" if seconds else ""
            warnings.warn(
                f"{trouble}{asks}; the run waits {pause:,.3g} s before it asks again (patience={self.patience:g})",
                EndpointWarning,
                stacklevel=2,
            )
        wait(pause, self.address)

    def _keep_to_the_rate(self) -> None:
        """Waits until the next request may be made."""
        if self.rate is not None:
            now = time.monotonic()
            wait(max(0.0, self._line.next - now), self.address)
            self._line.next = max(now, self._line.next) + 1 / self.rate

    def _made(self) -> Any:
        if self._line.connections is None:
            urllib3 = module_of("http", "urllib3", "an endpoint needs urllib3, which is not installed")
            self._line.connections = urllib3.PoolManager(timeout=float(self.timeout))
        return self._line.connections

    def _beginning(self, data: bytes) -> str:
        text = self._clean(data.decode("utf-8", "replace").strip())
        return f": {text[:120]}" if text else " nothing"

    def _clean(self, text: str) -> str:
        return without_keys(text, self.headers)

    def _scores(self, data: bytes, n: int) -> list[float]:
        try:
            scores = json_of(data)["scores"]
        except (ValueError, TypeError, KeyError):
            raise RewardError(
                f'{self.address} must answer {{"scores": [...]}}, one a design, but answered{self._beginning(data)}'
            ) from None
        told = f"{len(scores)} scores" if isinstance(scores, list) else self._clean(repr(scores))[:80]
        if not isinstance(scores, list) or len(scores) != n:
            raise RewardError(
                f"{self.address} was given {n} designs and must answer as many scores, but answered {told}"
            )
        for score in scores:
            if score is not None and (isinstance(score, bool) or not isinstance(score, int | float)):
                raise RewardError(f"{self.address} answered {self._clean(repr(score)):.40} where a score was due")
        return [-math.inf if score is None else float(score) for score in scores]


def endpoint(
    text: str,
    batch: int = 64,
    timeout: Number = 60.0,
    retries: int = 5,
    rate: Number | None = None,
    version: str = "",
    patience: Number | None = None,
    headers: Mapping[str, Any] | None = None,
) -> Endpoint:
    """An HTTP address as a reward: `http://host/score`.

    Connection errors and the statuses 429, 500, 502, 503 and 504 are tried again with back-off, later if the server says so
    (`Retry-After`). A run with a budget of seconds does not wait beyond it.

    Args:
        text: the address; it is written into files and reports, so it holds no key.
        batch: designs in a request.
        timeout: seconds for an answer.
        retries: how often a request is made again.
        rate: requests a second, at most; no limit unless given.
        version: of what answers there; a cache keeps versions apart.
        patience: seconds that are waited before a request is made again, at most, whatever the server asks for; as many
            as `timeout` unless given.
        headers: of every request. `$NAME` in a value stands for an environment variable, which is read when a request is
            made: keys are given so, and never written.

    Raises:
        ValueError: for numbers that make no sense, and for an address or a header with a key written out.
    """
    longest = timeout if patience is None else patience
    check(
        batch >= 1 and retries >= 0 and timeout > 0 and (rate is None or rate > 0) and longest > 0,
        "an endpoint needs batch of at least 1, retries of at least 0, timeout, rate and patience above 0, "
        f"got {batch}, {retries}, {timeout}, {rate} and {patience}",
    )
    check_address(text)
    check_headers(headers or {})
    return Endpoint(text, batch, timeout, retries, rate, str(version), longest, dict(headers or {}))


def _retry_after(answer: Any) -> float:
    """The seconds that a server asks to wait; 0 where it does not say."""
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    with suppress(InvalidHeader):
        return float(Retry().get_retry_after(answer) or 0.0)
    return 0.0
