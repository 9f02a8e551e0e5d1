"""Callbacks: a user's function sees a call as if it had no candidates, and cannot change what steering chooses.

It is written for the rows of its own prompts, so it is given those: of each image the first candidate. What it gives back for
them, such as other embeddings, is that of all candidates. Latents are compared with a copy: they may be changed in place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

_STEP_END, _OLD = "callback_on_step_end", "callback"
_INPUTS = f"{_STEP_END}_tensor_inputs"
_CHANGED = "the callback changed the latents, which steering chooses; leave it out, or let it only look"


def watched(given: dict[str, Any], chains: int, slots: int) -> dict[str, Any]:
    """A call's arguments, whose callbacks see the rows of their own prompts and only look at latents.

    Args:
        given: the arguments.
        chains: images that the call is for.
        slots: rows of each.
    """
    rows, callback, old = _Rows(chains, slots), given.get(_STEP_END), given.get(_OLD)
    changed: dict[str, Any] = {}
    if callback is not None:
        changed[_STEP_END] = partial(_step_end, rows, callback)
        if hasattr(callback, "tensor_inputs"):  # of diffusers' own kind, which pipelines look for by its class
            changed[_INPUTS] = callback.tensor_inputs
    if old is not None:
        changed[_OLD] = partial(_after_step, rows, old)
    return given | changed


def same(now: Any, before: Tensor) -> bool:
    """Whether a tensor has the numbers of another, NaN where it has NaN, whatever its precision."""
    if not isinstance(now, Tensor) or now.shape != before.shape:
        return False
    now = now.to(before)
    return bool(((now == before) | (now.isnan() & before.isnan())).all())


@dataclass(frozen=True)
class _Rows:
    """The rows of a call: in blocks, such as that of negative prompts, image by image, candidate by candidate."""

    chains: int
    slots: int

    def of_prompts(self, value: Any) -> Any:
        """The rows that the call would have without candidates; other things as they are."""
        if self.slots == 1 or not self._has_rows(value):
            return value
        return value.unflatten(0, (-1, self.chains, self.slots))[:, :, 0].flatten(0, 1).clone()

    def _has_rows(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.ndim > 0 and len(value) % (self.chains * self.slots) == 0

    def of_all(self, name: str, value: Any, full: Any) -> Any:
        """What a callback gave back, with rows for all candidates.

        Args:
            name: of the argument.
            value: for the rows of prompts.
            full: what was there for all.

        Raises:
            ValueError: for rows that are not those of the images.
        """
        if self.slots == 1 or not isinstance(value, Tensor) or not self._has_rows(full) or len(value) == len(full):
            return value
        if len(value) % self.chains:
            raise ValueError(
                f"the callback gave back {name} with {len(value)} rows for {self.chains} images, which cannot be shared out "
                "to their candidates; give back rows of every image, or give steer chunks={'network': 1}"
            )
        return value.repeat_interleave(self.slots, 0)


def _step_end(
    rows: _Rows, callback: Callable[..., Any], pipe: Any, step: int, timestep: Any, given: Mapping[str, Any]
) -> dict[str, Any]:
    """What the callback answers, for all candidates."""
    seen = {name: rows.of_prompts(value) for name, value in given.items()}
    before = {name: value.clone() for name, value in seen.items() if isinstance(value, Tensor)}
    answer = {**seen, **(callback(pipe, step, timestep, dict(seen)) or {})}
    if "latents" in answer and not ("latents" in before and same(answer["latents"], before["latents"])):
        raise ValueError(_CHANGED)
    kept = [name for name, value in before.items() if same(answer[name], value)]
    changed = {name: rows.of_all(name, value, given.get(name)) for name, value in answer.items() if name not in kept}
    for name in changed.keys() & seen.keys():
        _write_through(given[name], seen[name], answer[name], changed[name])
    return {**changed, **{name: given[name] for name in kept}}


def _write_through(full: Any, seen: Any, answer: Any, changed: Any) -> None:
    """What was changed in place is changed for all candidates, also where the pipeline does not read the answer."""
    if answer is seen and isinstance(full, Tensor) and changed is not full and changed.shape == full.shape:
        full.copy_(changed)


def _after_step(rows: _Rows, callback: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The older kind of callback, which is given latents and gives nothing back."""
    seen = [value.clone() if isinstance(value, Tensor) else value for value in map(rows.of_prompts, given)]
    answer = callback(*seen, **named)
    pairs = zip(seen, map(rows.of_prompts, given), strict=True)
    if not all(same(now, before) for now, before in pairs if isinstance(before, Tensor)):
        raise ValueError(_CHANGED)
    return answer
