r"""Checkpoints of masked diffusion (MDLM and its kin) from other projects, as processes.

They share the SUBS parameterisation, log-linear noise $\alpha_t = 1 - (1 - \epsilon) t$ with $\epsilon = 10^{-3}$, and two
networks, which are told apart by the names of their weights: the dilated convolutions of the DNA and RNA models, and the
transformer of the language models.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svdd.chain.denoisers import Network, from_logits
from svdd.chain.noising import MaskedNoise
from svdd.chain.process import Process
from svdd.chain.schedules import masked_log_linear, time_grid
from svdd.chain.transitions import masked_ancestral
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.sequence.alphabets import DNA, RNA, Alphabet
from svdd.domains.sequence.masked import masked_sequences
from svdd.domains.sequence.mdlm_networks import DiffusionTransformer, DilatedDenoiser
from svdd.domains.sequence.mdlm_settings import (
    HEADS,
    LENGTHS,
    MASKS,
    TIMED,
    Told,
    check_settings,
    contradicted,
    said,
    setting,
    telling,
)
from svdd.networks.foreign_files import configuration_beside, few, read_content, weight_files
from svdd.networks.foreign_layouts import Layout, by_name, layout
from svdd.networks.foreign_settings import settings_of
from svdd.networks.foreign_weights import check_names, single

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
    checkpoint = _read(path)
    said_timed = setting(checkpoint.settings, TIMED, bool) if time_conditioning is None else time_conditioning
    length = length or setting(checkpoint.settings, LENGTHS, int)
    told = Told(checkpoint.settings, steps, bool(said_timed), length)
    check_settings(
        checkpoint.file, told
    )  # first, because what follows asks for options, which another model does not need
    timed = _timed(checkpoint.file, said_timed)
    if length is None:
        raise ValueError(f"{checkpoint.file} does not say how long its designs are; give length=200, say")
    network, notes = _network(checkpoint, ema, heads)
    symbols, mask = network.symbols, _mask(checkpoint, mask_index, network.symbols)
    unknown = check_settings(checkpoint.file, replace(told, symbols=symbols, layers=network.layers))
    _say(checkpoint.file, unknown, notes)
    options = {"time_conditioning": time_conditioning, "heads": heads, "mask_index": mask_index}
    _say_contradicted(checkpoint, options)
    call = _renumbered(_noise_conditioned(network.to(device), length, timed), mask, symbols, device)
    about = {"name": f"mdlm:{checkpoint.file.name}"} | notes
    about |= {"settings_not_known": said(unknown)} if unknown else {}
    letters = _alphabet(alphabet, symbols - 1)
    survival = masked_log_linear(_SMALLEST)
    if letters is not None:
        return masked_sequences(
            call, letters, length=length, steps=steps, survival=survival, time_independent=not timed, about=about,
            device=device,
        )  # fmt: skip
    return Process(
        prior=lambda n, rng: torch.full((n, length), symbols - 1, device=device or "cpu"),
        denoiser=from_logits(call, symbols - 1),
        transition=masked_ancestral(survival),
        times=time_grid(steps),
        time_independent=not timed,
        noising=MaskedNoise(symbols - 1, survival),
        about={**about, "length": length, "steps": steps},
    )


class UnreadWarning(UserWarning):
    """A checkpoint holds something that is not known here, and is not used."""


@dataclass(frozen=True)
class _Checkpoint:
    """A file, where the network is in it, and what it says of its training."""

    file: Path
    found: Layout
    settings: dict[str, Any]


def _read(path: str | Path) -> _Checkpoint:
    files = weight_files(path)
    content = read_content(files)
    found = layout(files[0], content, _NETWORKS, "network that can be read")
    return _Checkpoint(files[0], found, settings_of(content, configuration_beside(files[0])))


def _timed(file: Path, timed: bool | None) -> bool:
    if timed is None:
        raise ValueError(
            f"{file} does not say whether its network was trained with time; give time_conditioning=False, as "
            "the released MDLM, DNA and RNA models were, or True"
        )
    return timed


def _mask(checkpoint: _Checkpoint, given: int | None, symbols: int) -> int:
    """The mask's number: as given, as the file says, or the last."""
    mask = setting(checkpoint.settings, MASKS, int) if given is None else given
    mask = symbols - 1 if mask is None else mask
    if not 0 <= mask < symbols:
        raise ValueError(f"mask_index must be one of the network's {symbols} symbols, 0 to {symbols - 1}, got {mask}")
    return mask


def _network(checkpoint: _Checkpoint, ema: bool, heads: int | None) -> tuple[Any, dict[str, Any]]:
    """The network with its weights, and which they are."""
    part, file = checkpoint.found.part, checkpoint.file
    heads = setting(checkpoint.settings, HEADS, int) if heads is None else heads
    try:
        with torch.device("meta"):  # no initial weights, which would draw global random numbers
            network = _NETWORKS[part.sign].shaped(part.weights, heads)
    except (KeyError, ValueError, IndexError) as error:
        lacks = (
            f"it has no {error}, so it is cut short, or one of several shards" if isinstance(error, KeyError) else error
        )
        raise ValueError(f"{file}: {lacks}") from error
    weights, stored = single({name: one for name, one in part.weights.items() if name not in _RECOMPUTED}, file)
    average = by_name(checkpoint.found, dict(network.named_parameters())) if ema else {}
    weights |= single(average, file)[0]
    check_names(file, type(network).__name__, network.state_dict(), weights)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(f"the weights of {file} do not fit one another: {error}") from error
    notes = {"weights": "average" if average or checkpoint.found.averaged else "last"}
    notes |= {"stored_as": stored} if stored else {}
    notes |= {"not_read": few(checkpoint.found.unread)} if checkpoint.found.unread and ema else {}
    return network.eval().requires_grad_(False), notes


def _say(file: Path, unknown: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
    """Tells the user what is in a file and was not understood."""
    if "not_read" in notes:
        warnings.warn(
            f"{file} holds what may be a moving average ({notes['not_read']}), in a form that is not known; the "
            f"{notes['weights']} weights are used", UnreadWarning, stacklevel=3,
        )  # fmt: skip
    if telling(unknown):
        warnings.warn(
            f"{file} says {said(telling(unknown))}, which is not known here and was not used; look whether it is masked "
            "diffusion of the kind that docs/checkpoints.md describes", UnreadWarning, stacklevel=3,
        )  # fmt: skip


def _say_contradicted(checkpoint: _Checkpoint, options: Mapping[str, Any]) -> None:
    """Tells the user which options are not what a file says: they are taken, and one of the two is wrong."""
    for name, told in contradicted(checkpoint.settings, options).items():
        warnings.warn(
            f"{checkpoint.file} says {name} = {told!r}, and the option {name}={options[name]!r} is taken; leave it out, unless "
            "the file is wrong", UnreadWarning, stacklevel=3,
        )  # fmt: skip


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
        sigma = -float(survival(t).log()) if timed else 0.0
        level = torch.full((), sigma, dtype=torch.float32, device=where)
        return batches(x.to(where), level).to(x.device)

    return call


def _renumbered(call: Network, mask: int, symbols: int, device: torch.device | str | None) -> Network:
    """The same network for tokens that are numbered with the mask last."""
    if mask == symbols - 1:
        return call
    theirs = torch.tensor([*range(mask), *range(mask + 1, symbols), mask], device=device or "cpu")
    return lambda x, t, cond: call(theirs.to(x.device)[x], t, cond)[..., theirs.to(x.device)]
