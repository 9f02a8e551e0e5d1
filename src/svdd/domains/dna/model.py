"""The bundled model of human enhancers: masked diffusion over 200-bp sites open in HepG2 or in K562."""

from pathlib import Path

import torch

from svdd.chain.process import Process
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.bundled_models import masked_model


def dna_enhancer(
    steps: int = 32,
    length: int = 200,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> Process:
    """Human regulatory DNA, learned from accessible sites of HepG2 and K562 (card: pretrained/dna-enhancer/card.md).

    Args:
        steps: T.
        length: base pairs; trained at 200, fully convolutional, so other lengths run too.
        weights: another safetensors file of the same kind of network.
        device: where the network runs.
        precision: `float32`, or `bfloat16`: log-probabilities to 0.02; a warning says where it is slower.

    Raises:
        ValueError: for a file that is not such a network, an unknown precision, or sizes below 1.
    """
    return masked_model(
        "dna-enhancer", DNA, steps=steps, length=length, weights=weights, device=device, precision=precision
    )
