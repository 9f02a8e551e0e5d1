"""The bundled model of miniproteins: masked diffusion over 43 residues."""

from pathlib import Path

import torch

from svdd.chain.process import Process
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.bundled_models import masked_model

LENGTH = 43
"""Residues of a design, as of nine tenths of the library."""


def miniprotein(
    steps: int = 43,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> Process:
    """Miniproteins of 43 residues, learned from a library of computed designs (card: pretrained/miniprotein/card.md).

    The length is fixed: padding shows the network both ends, so it knows the place of each residue.

    Args:
        steps: T; residues number 43, so that many steps reveal about one each.
        weights: another safetensors file of the same kind of network.
        device: where the network runs.
        precision: `float32`, or `bfloat16`; a warning says where it is slower.

    Raises:
        ValueError: for a file that is not such a network, an unknown precision, or steps below 1.
    """
    return masked_model(
        "miniprotein", PROTEIN, steps=steps, length=LENGTH, weights=weights, device=device, precision=precision
    )
