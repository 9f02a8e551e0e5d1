"""The bundled model of human enhancers: masked diffusion over 200-bp sites open in HepG2 or in K562."""

from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

from svdd.accounting import in_full_batches
from svdd.alphabets import DNA
from svdd.models.inference import inference_pass
from svdd.models.masked import masked_sequences
from svdd.models.networks import SequenceDenoiser
from svdd.models.weight_files import load_network
from svdd.process import Process
from svdd.tree import Tree

_SITES_ON_CPU, _SITES_ON_ACCELERATOR = 3200, 100_000  # activations of 3200 sites stay in a core's cache


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
    network = load_network(path)
    if not isinstance(network, SequenceDenoiser):
        raise ValueError(f"{path} holds a {type(network).__name__}, not a denoiser of sequences")
    forward = inference_pass(network.to(device))
    where = network.head.weight.device
    sites = _SITES_ON_CPU if where.type == "cpu" else _SITES_ON_ACCELERATOR
    call = in_full_batches(forward, max(1, sites // max(length, 1)))

    def logits(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        return call(x.to(where)).to(x.device)

    about = {"name": "dna-enhancer", "domain": "dna"}
    return masked_sequences(logits, DNA, length=length, steps=steps, about=about)
