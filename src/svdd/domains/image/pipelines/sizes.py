"""Sizes: how many rows a method needs of a pipeline, and how many of them go at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from svdd.method.loop import Count
from svdd.method.narrowing import widest
from svdd.method.table import Counts, Method

STEPS = 1000
"""Steps for which sizes that depend on the step are looked at, where their number is not known."""


def most_of(name: str, count: Count, steps: int = STEPS) -> int:
    """The largest of a number that may depend on the step."""
    most = max(map(count, range(steps))) if callable(count) else count
    if not isinstance(most, int) or most < 1:
        raise ValueError(f"{name} must be whole and at least 1, got {most!r}")
    return most


def check_numbers(seed: int, batch: int | None, chunks: Mapping[str, int]) -> None:
    """Looks at the numbers of a run: its seed, prompts at once, and rows at once.

    Raises:
        ValueError: for one that is too small.
    """
    if seed < 0:
        raise ValueError(f"seed is a whole number of at least 0, got {seed}")
    if batch is not None and batch < 1:
        raise ValueError(f"batch is at least 1 prompt at once, got {batch}")
    if chunks.get("network", 1) < 1:
        raise ValueError(f"chunks of the network are at least 1 row at once, got {chunks['network']}")


def slots_of(method: Method, options: Mapping[str, Any], steps: int) -> int:
    """The most rows that a method with these options asks for, of one chain at one time."""

    def most(counts: Counts) -> int:
        given = [most_of(name, options[name], steps) for name in method.sizes_of(counts) if name in options]
        return max([1, *given])

    particles = widest(options.get("narrowing", "none"), most("particles"))
    return particles * max(most("children"), most("noises"))


@dataclass(frozen=True)
class Sizes:
    """How much goes at once.

    Args:
        batch: prompts.
        rows: latents in a call of the network.
    """

    batch: int | None
    rows: int | None

    def chains(self, prompts: int, images: int) -> int:
        """Images at once, whole prompts.

        Raises:
            ValueError: if a call of the network has no room for the images of a prompt.
        """
        room = prompts if self.rows is None else min(prompts, max(1, self.rows // images))
        size = (self.batch or room) * images
        if self.rows is not None and self.rows < min(size, prompts * images):
            raise ValueError(
                f"the network takes {self.rows} rows at once, but one candidate of each of {size} images is {size} rows; give "
                "a smaller batch, or fewer num_images_per_prompt"
            )
        return size

    def parts(self, slots: int, chains: int) -> list[range]:
        """The slots of each call that so many chains need."""
        size = slots if self.rows is None else max(1, min(slots, self.rows // chains))
        return [range(i, min(i + size, slots)) for i in range(0, slots, size)]
