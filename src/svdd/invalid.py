"""Invalid designs: what a reward answers in the place of a number, with the reason."""

from typing import Any


class Invalid(float):
    """-inf that says why: in a list of numbers, the answer for a design that has none.

    A run counts its invalid designs by reason: `result.breakdown.invalid`.

    Args:
        why: a few words, the same for all designs of a kind.
    """

    why: str

    def __new__(cls, why: str) -> "Invalid":
        """-inf, with its reason."""
        made = super().__new__(cls, "-inf")
        made.why = why
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What a copy in another process is made from."""
        return (self.why,)

    def __repr__(self) -> str:
        return f"Invalid({self.why!r})"
