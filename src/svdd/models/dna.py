"""The bundled model of human enhancers: masked diffusion over 200-bp sites open in HepG2 or in K562."""

from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

from svdd.alphabets import DNA
from svdd.models.masked import in_full_batches, masked_sequences
from svdd.models.networks import load_network
from svdd.process import Process
from svdd.tree import Tree

_BATCH = 64


def bundled(*parts: str) -> Path:
    """A file that came with the package."""
    return Path(str(files("svdd").joinpath("pretrained", *parts)))


def dna_enhancer(
    steps: int = 128, length: int = 200, weights: str | None = None, device: torch.device | str | None = None
) -> Process:
    """Human regulatory DNA, learned from accessible sites of HepG2 and K562 (card: svdd/pretrained/dna-enhancer/card.md).

    Args:
        steps: T.
        length: base pairs; trained at 200, fully convolutional, so other lengths run too.
        weights: another safetensors file of the same kind of network.
        device: where the network runs.

    Raises:
        ValueError: for a file that is not such a network, or sizes below 1.
    """
    path = Path(weights) if weights else bundled("dna-enhancer", "denoiser.safetensors")
    network = load_network(path).eval().to(device)
    call = in_full_batches(network, _BATCH)

    def logits(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        return call(x.to(device)).to(x.device)

    about = {"name": "dna-enhancer", "domain": "dna"}
    return masked_sequences(logits, DNA, length=length, steps=steps, about=about)
