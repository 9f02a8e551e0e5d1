"""The bundled model of 5' untranslated regions: masked diffusion over the 50 letters before a start codon."""

from pathlib import Path

import torch

from svdd.chain.process import Process
from svdd.domains.sequence.alphabets import RNA
from svdd.domains.sequence.bundled_models import masked_model
from svdd.domains.sequence.uniform import timed, uniform_sequences
from svdd.networks.timed import TimedSequenceDenoiser
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

LENGTH = 50
"""Letters of a design, as of every 5'UTR of the library."""


def rna_utr(
    steps: int = 64,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> Process:
    """5'UTRs of 50 letters, learned from a random reporter library (card: pretrained/rna-utr/card.md).

    The length is fixed: the network knows the composition of every position, and the oracles read 50 letters.

    Args:
        steps: T.
        weights: another safetensors file of the same kind of network.
        device: where the network runs.
        precision: `float32`, or `bfloat16`; a warning says where it is slower.

    Raises:
        ValueError: for a file that is not such a network, an unknown precision, or steps below 1.
    """
    return masked_model("rna-utr", RNA, steps=steps, length=LENGTH, weights=weights, device=device, precision=precision)


def rna_utr_uniform(
    steps: int = 64, weights: str | Path | None = None, device: torch.device | str | None = None
) -> Process:
    """5'UTRs of 50 letters under uniform noise (card: pretrained/rna-utr-uniform/card.md).

    Args:
        steps: T.
        weights: another safetensors file of the same kind of network.
        device: where the network runs.

    Raises:
        ValueError: for a file that is not such a network, or steps below 1.
    """
    path = Path(weights) if weights else bundled("rna-utr-uniform", "denoiser.safetensors")
    network = load_network(path)
    if not isinstance(network, TimedSequenceDenoiser):
        raise ValueError(f"{path} holds a {type(network).__name__}, not a denoiser that is told the time")
    call, about = timed(network.to(device)), {"name": "rna-utr-uniform"}
    return uniform_sequences(call, RNA, length=network.length, steps=steps, about=about, device=device)
