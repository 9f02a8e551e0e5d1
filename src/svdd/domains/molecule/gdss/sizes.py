"""Sizes of molecules: how many heavy atoms to draw."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.rng import Rng
from svdd.user_texts import json_of, text_of_file

# How many molecules have 0, 1, 2, ... heavy atoms, counted in the training parts of ZINC250k (224,568) and QM9 (133,244).
COUNTS = {
    "ZINC250k": (
        0, 0, 0, 0, 0, 0, 3, 5, 13, 67, 178, 654, 1053, 1606, 2532, 3844, 5695, 7863, 10489, 13065, 15906, 18296, 16825,
        18950, 20907, 20537, 17331, 14237, 9057, 6991, 5478, 4320, 3375, 2327, 1553, 925, 358, 126, 2,
    ),
    "QM9": (0, 0, 5, 9, 31, 130, 617, 3199, 18280, 110973),
}  # fmt: skip


def size_law(atoms: int | str | None, data: str, most: int) -> Float[Tensor, " S"]:
    """Probabilities of 0, 1, 2, ... atoms.

    Args:
        atoms: one size, a JSON file with the counts of 0, 1, 2, ... atoms, or None for the sizes of the training set.
        data: the training set.
        most: the largest size there may be.

    Raises:
        ValueError: for a size or counts that make no sense, an unreadable file or an unknown training set.
    """
    if atoms is None and data not in COUNTS:
        raise ValueError(f"sizes of {data} are not known; give atoms=20, say, or a JSON file of counts")
    if isinstance(atoms, bool | float):
        raise ValueError(f"atoms is a whole number, or a JSON file of counts, got {atoms!r}")
    counts: Sequence[float] = COUNTS[data] if atoms is None else _counts(atoms, most)
    weights = torch.tensor(counts, dtype=torch.float64, device="cpu")
    if not bool((weights >= 0).all()) or not float(weights[1 : most + 1].sum()) > 0 or weights[most + 1 :].any():
        raise ValueError(f"molecules have 1 to {most} atoms in this model, got atoms={atoms!r}")
    weights[0] = 0
    return weights / weights.sum()


def _counts(atoms: int | str, most: int) -> list[float]:
    if isinstance(atoms, int):
        return [float(n == atoms) for n in range(most + 1)]
    try:
        return [float(number) for number in json_of(text_of_file(atoms))]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"atoms={str(atoms)!r} is no JSON list of the counts of 0, 1, 2, ... atoms: {error}"
        ) from error


def draw_sizes(law: Float[Tensor, " S"], n: int, rng: Rng) -> Int64[Tensor, " n"]:
    """One size a row, 0, 1, 2, ..., by inverting the cumulative law, which need not come to 1."""
    below = law.cumsum(0)
    return torch.searchsorted(below / below[-1], rng.uniform((n,), dtype=torch.float64), right=True)
