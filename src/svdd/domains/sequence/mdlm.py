r"""Checkpoints of masked diffusion (MDLM and its kin) from other projects, as processes.

They share the SUBS parameterisation, log-linear noise $\alpha_t = 1 - (1 - \epsilon) t$ with $\epsilon = 10^{-3}$, and two
networks, which are told apart by the names of their weights: the dilated convolutions of the DNA and RNA models, and the
transformer of the language models.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svdd.chain.denoisers import Network, from_logits
from svdd.chain.process import Process
from svdd.chain.schedules import masked_log_linear, time_grid
from svdd.chain.transitions import masked_ancestral
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.sequence.alphabets import DNA, RNA, Alphabet
from svdd.domains.sequence.masked import masked_sequences
from svdd.domains.sequence.mdlm_networks import DiffusionTransformer, DilatedDenoiser
from svdd.networks.foreign_files import Checkpoint, check_names, few, read_checkpoint

# A weight that only this network has.
_NETWORKS: dict[str, Any] = {"convs.0.weight": DilatedDenoiser, "vocab_embed.embedding": DiffusionTransformer}
_RECOMPUTED = {"rotary_emb.inv_freq"}
_SMALLEST = 1e-3


def mdlm(
    path: str | Path,
    steps: int = 128,
    length: int | None = None,
    alphabet: str | None = None,
    mask_index: int | None = None,
    ema: bool = True,
    time_conditioning: bool | None = None,
    heads: int | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """A masked diffusion checkpoint of another project: MDLM's transformer, or the CNN of DNA and RNA models.

    Nothing that the file names is imported or run. Sizes come from the weights; what they cannot tell comes from the
    configuration in the file or beside it (config.json), or from these options.

    Args:
        path: a `.ckpt`, `.pt`, `.pth`, `.bin` or `.safetensors` file, or a folder with one of them.
        steps: T.
        length: of a design, in tokens; what the network was trained at, if the file says.
        alphabet: letters of tokens 0 to V - 1; ACGT if V is 4. Without letters a design is a row of token numbers.
        mask_index: the mask's number in the file; the last one unless given.
        ema: take the moving average of the weights where the file has one, as MDLM's evaluation does.
        time_conditioning: whether the network was trained with time, if the file does not say.
        heads: attention heads of a transformer, if the file does not say.
        device: where the network runs.

    Raises:
        ValueError: for a file that cannot be read, weights that are missing, unknown or do not fit, another kind of
            training, and sizes that nobody gives.

    References:
        Sahoo et al., Simple and effective masked diffusion language models, arXiv 2406.07524.
    """
    checkpoint = read_checkpoint(path)
    timed = _timed(checkpoint, time_conditioning)
    length = length or checkpoint.setting("model.length", "model_length")
    if not isinstance(length, int):
        raise ValueError(f"{checkpoint.path} does not say how long its designs are; give length=200, say")
    network, averaged = _network(checkpoint, ema, heads)
    symbols = network.symbols
    call = _renumbered(_noise_conditioned(network.to(device), length, timed), mask_index, symbols)
    about = {"name": f"mdlm:{checkpoint.path.name}", "weights": "average" if averaged else "last"}
    letters = _alphabet(alphabet, symbols - 1)
    survival = masked_log_linear(_SMALLEST)
    if letters is not None:
        return masked_sequences(
            call, letters, length=length, steps=steps, survival=survival, time_independent=not timed, about=about,
        )  # fmt: skip
    return Process(
        prior=lambda n, rng: torch.full((n, length), symbols - 1),
        denoiser=from_logits(call, symbols - 1),
        transition=masked_ancestral(survival),
        times=time_grid(steps),
        time_independent=not timed,
        about={**about, "length": length, "steps": steps},
    )


def _timed(checkpoint: Checkpoint, given: bool | None) -> bool:
    """Whether the network is told the noise level; refuses other kinds of training."""
    kind = checkpoint.setting("parameterization")
    if kind not in (None, "subs"):
        raise ValueError(f"{checkpoint.path} was trained with the {kind!r} parameterisation; only 'subs' can be loaded")
    timed = checkpoint.setting("time_conditioning") if given is None else given
    if not isinstance(timed, bool):
        raise ValueError(
            f"{checkpoint.path} does not say whether its network was trained with time; give time_conditioning=False, as "
            "the released MDLM, DNA and RNA models were, or True"
        )
    noise = checkpoint.setting("noise.type")
    if timed and noise not in (None, "loglinear"):
        raise ValueError(f"{checkpoint.path} was trained with time and {noise!r} noise; only 'loglinear' can be loaded")
    return timed


def _network(checkpoint: Checkpoint, ema: bool, heads: int | None) -> tuple[Any, bool]:
    """The network with its weights, and whether they are the moving average."""
    kind, weights = _of_network(checkpoint)
    told = checkpoint.setting("model.n_heads", "n_heads")
    if heads is None and isinstance(told, int):
        heads = told
    try:
        with torch.device("meta"):  # no initial weights, which would draw global random numbers
            network = kind.shaped(weights, heads)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{checkpoint.path}: {error}") from error
    weights = {name: value.float() for name, value in weights.items() if name not in _RECOMPUTED}
    if ema and checkpoint.average is not None:
        weights |= _averaged(network, checkpoint)
    check_names(checkpoint.path, type(network).__name__, network.state_dict(), weights)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(f"the weights of {checkpoint.path} do not fit one another: {error}") from error
    return network.eval().requires_grad_(False), ema and checkpoint.average is not None


def _of_network(checkpoint: Checkpoint) -> tuple[Any, dict[str, Tensor]]:
    """The kind of network, and its own weights without the prefix they have in the file."""
    found = {
        name.removesuffix(sign): kind
        for sign, kind in _NETWORKS.items()
        for name in checkpoint.weights
        if name == sign or name.endswith(f".{sign}")
    }
    prefix = next((p for p in ("backbone.", "", *found) if p in found), None)
    if prefix is None:
        raise ValueError(
            f"{checkpoint.path} has none of {few(_NETWORKS)}, so it is neither network that can be read; it has "
            f"{few(checkpoint.weights)}"
        )
    own = {k.removeprefix(prefix): v for k, v in checkpoint.weights.items() if k.startswith(prefix)}
    return found[prefix], own


def _averaged(network: nn.Module, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The moving average by name: the file lists it in the order of the trained parameters."""
    own, average = dict(network.named_parameters()), checkpoint.average or []
    shapes = [tuple(value.shape) if isinstance(value, Tensor) else None for value in average]
    if shapes != [tuple(parameter.shape) for parameter in own.values()]:
        raise ValueError(
            f"the moving average in {checkpoint.path} ({len(average)} tensors) does not fit the network's {len(own)} "
            "parameters; give ema=False to use the last weights"
        )
    return {name: value.float() for name, value in zip(own, average, strict=True)}


def _alphabet(letters: str | None, vocabulary: int) -> Alphabet | None:
    if letters is None:
        return DNA if vocabulary == len(DNA) else None
    if len(letters) != vocabulary or len(set(letters)) < vocabulary or not letters.isascii():
        raise ValueError(f"alphabet must be {vocabulary} different letters, the mask not among them, got {letters!r}")
    mask = next(sign for sign in "NX*-?" if sign not in letters.upper())
    return next((known for known in (DNA, RNA) if known.letters == letters), Alphabet(letters, mask))


def _noise_conditioned(network: Any, length: int, timed: bool) -> Network:
    """A network at the noise level of t, or always at none, on batches of one shape."""
    where = next(network.parameters()).device
    batches = FullBatches(network, rows_at_once(where, length))
    survival = masked_log_linear(_SMALLEST)

    @torch.no_grad()
    def call(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        sigma = -survival(t).log() if timed else torch.zeros(())
        level = sigma.to(where, torch.float32)
        return batches(x.to(where), level).to(x.device)

    return call


def _renumbered(call: Network, mask_index: int | None, symbols: int) -> Network:
    """The same network for tokens that are numbered with the mask last."""
    if mask_index is None or mask_index == symbols - 1:
        return call
    if not 0 <= mask_index < symbols:
        raise ValueError(
            f"mask_index must be one of the network's {symbols} symbols, 0 to {symbols - 1}, got {mask_index}"
        )
    theirs = torch.tensor([*range(mask_index), *range(mask_index + 1, symbols), mask_index])
    return lambda x, t, cond: call(theirs[x], t, cond)[..., theirs]
