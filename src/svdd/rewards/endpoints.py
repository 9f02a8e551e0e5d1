"""HTTP endpoints as rewards: designs are posted as JSON, scores come back.

A request is `{"designs": [...]}`, its answer `{"scores": [...]}`, one number per design; `null` is an invalid design. Designs
that are no text go out as their domain has it: an image, say, as a PNG in base64, and its prompt, as `prompts`.
"""

import json
import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

from svdd.messages import module_of
from svdd.rewards.outside import AS_THEY_ARE, Outside
from svdd.scoring.reward import RewardError

Number = float | int
_LATER = (429, 500, 502, 503, 504)
# methods of any kind, since a score has no side effects: posting again is safe
_AGAIN = {"backoff_factor": 0.2, "status_forcelist": _LATER, "allowed_methods": None, "raise_on_status": False}


class EndpointError(OSError):
    """An endpoint that cannot be reached, or refuses."""


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
        """The address, and the version that is said to answer there."""
        return f"endpoint {self.address} {self.version}".rstrip()

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
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import TimeoutError as LateError

        self._wait()
        body = json.dumps(asked).encode()
        try:
            answer = self._made().request("POST", self.address, body=body, headers={"Content-Type": "application/json"})
        except HTTPError as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, LateError) and "connect" not in type(reason).__name__.lower():
                raise TimeoutError(f"{self.address} did not answer within {self.timeout:g} s") from None
            raise EndpointError(f"{self.address} cannot be reached: {reason}") from None
        if answer.status != 200:
            raise EndpointError(f"{self.address} answered with status {answer.status}{_beginning(answer.data)}")
        return self._scores(answer.data, len(asked["designs"]))

    def _wait(self) -> None:
        """Until the next request may be made."""
        if self.rate is not None:
            now = time.monotonic()
            time.sleep(max(0.0, self._line.next - now))
            self._line.next = max(now, self._line.next) + 1 / self.rate

    def _made(self) -> Any:
        if self._line.connections is None:
            urllib3 = module_of("http", "urllib3", "an endpoint needs urllib3, which is not installed")
            again = urllib3.Retry(total=self.retries, **_AGAIN)
            self._line.connections = urllib3.PoolManager(timeout=float(self.timeout), retries=again)
        return self._line.connections

    def _scores(self, data: bytes, n: int) -> list[float]:
        try:
            scores = json.loads(data)["scores"]
        except (ValueError, TypeError, KeyError):
            raise RewardError(
                f'{self.address} must answer {{"scores": [...]}}, one a design, but answered{_beginning(data)}'
            ) from None
        if not isinstance(scores, list) or len(scores) != n:
            told = f"{len(scores)} scores" if isinstance(scores, list) else repr(scores)[:80]
            raise RewardError(
                f"{self.address} was given {n} designs and must answer as many scores, but answered {told}"
            )
        for score in scores:
            if score is not None and (isinstance(score, bool) or not isinstance(score, int | float)):
                raise RewardError(f"{self.address} answered {score!r:.40} where a score was due")
        return [-math.inf if score is None else float(score) for score in scores]


def endpoint(
    text: str, batch: int = 64, timeout: Number = 60.0, retries: int = 5, rate: Number | None = None, version: str = ""
) -> Endpoint:
    """An HTTP address as a reward: `http://host/score`.

    Connection errors and the statuses 429, 500, 502, 503 and 504 are tried again with back-off, later if the server says so
    (`Retry-After`).

    Args:
        text: the address.
        batch: designs in a request.
        timeout: seconds for an answer.
        retries: how often a request is made again.
        rate: requests a second, at most; no limit unless given.
        version: of what answers there; a cache keeps versions apart.

    Raises:
        ValueError: for numbers that make no sense.
    """
    if batch < 1 or retries < 0 or not timeout > 0 or (rate is not None and not rate > 0):
        raise ValueError(
            f"an endpoint needs batch of at least 1, retries of at least 0, timeout and rate above 0, "
            f"got {batch}, {retries}, {timeout} and {rate}"
        )
    return Endpoint(text, batch, timeout, retries, rate, str(version))


def _beginning(data: bytes) -> str:
    text = data.decode("utf-8", "replace").strip()
    return f": {text[:120]}" if text else " nothing"
