"""Files that came with the package, and masked sequence models from the denoisers among them."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from svdd.chain.denoisers import Network
from svdd.chain.process import Process
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.sequence.alphabets import Alphabet
from svdd.domains.sequence.masked import masked_sequences
from svdd.messages import check_known
from svdd.networks.inference import inference_pass
from svdd.networks.precision import warn_if_slower
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def masked_model(
    name: str,
    alphabet: Alphabet,
    *,
    steps: int,
    length: int,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> Process:
    """Masked diffusion with a time-free denoiser from a weight file, in batches of one shape.

    Args:
        name: of the model and of its folder of bundled files.
        alphabet: what tokens stand for.
        steps: T.
        length: letters of a design.
        weights: a safetensors file to use in place of the bundled one.
        device: where the network runs and the states live.
        precision: of its weights and activations, a name of `PRECISIONS`; logits and draws are float32 or better.

    Raises:
        ValueError: for a file that is not such a network, an unknown precision, or sizes below 1.
    """
    call, batch = batched_denoiser(name, len(alphabet), length, weights, device, precision)
    about = {"name": name, "precision": precision}
    process = masked_sequences(call, alphabet, length=length, steps=steps, about=about, device=device)
    return replace(process, rows_at_once=batch)


def batched_denoiser(
    name: str,
    vocabulary: int,
    length: int,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> tuple[Network, int]:
    """The logits of a time-free denoiser from a weight file, computed in batches of one shape, and their size.

    Args:
        name: of the folder of bundled files.
        vocabulary: V, the tokens it must know.
        length: sites of a row.
        weights: a safetensors file to use in place of the bundled one.
        device: where the network runs; tokens may be elsewhere, and so is the answer then.
        precision: of its weights and activations, a name of `PRECISIONS`; logits are float32.

    Raises:
        ValueError: for a file that is not such a network, or an unknown precision.
    """
    check_known("precision", precision, PRECISIONS)
    path = Path(weights) if weights else bundled(name, "denoiser.safetensors")
    network = load_network(path)
    if not isinstance(network, SequenceDenoiser):
        raise ValueError(f"{path} holds a {type(network).__name__}, not a denoiser of sequences")
    if network.vocabulary != vocabulary:
        raise ValueError(
            f"{path} knows {network.vocabulary} tokens, but {name} has {vocabulary}; give weights made for it"
        )
    forward = inference_pass(network.to(device), PRECISIONS[precision])
    where = network.head.weight.device
    batch = rows_at_once(where, length)
    if where.type == "cpu" and precision != "float32":
        full, masks = inference_pass(network), torch.full((min(batch, 4), length), vocabulary, device=where)
        warn_if_slower(precision, lambda: forward(masks), lambda: full(masks))
    call = FullBatches(forward, batch)

    def logits(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        return call(x.to(where)).to(x.device)

    return logits, batch
