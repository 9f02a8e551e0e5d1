"""The bundled model of 5' untranslated regions: masked diffusion over the 50 letters before a start codon."""

import torch

from svdd.alphabets import RNA
from svdd.models.bundled import masked_model
from svdd.process import Process

LENGTH = 50
"""Letters of a design, as of every 5'UTR of the library."""


def rna_utr(
    steps: int = 128,
    weights: str | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> Process:
    """5'UTRs of 50 letters, learned from a random reporter library (card: svdd/pretrained/rna-utr/card.md).

    The length is fixed: the network knows the composition of every position, and the oracles read 50 letters.

    Args:
        steps: T.
        weights: another safetensors file of the same kind of network.
        device: where the network runs.
        precision: `float32`, or `bfloat16`: faster on a processor that has it.

    Raises:
        ValueError: for a file that is not such a network, an unknown precision, or steps below 1.
    """
    return masked_model(
        "rna-utr", "rna", RNA, steps=steps, length=LENGTH, weights=weights, device=device, precision=precision
    )
