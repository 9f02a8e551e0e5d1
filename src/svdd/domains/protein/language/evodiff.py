"""EvoDiff's order-agnostic models of proteins (OA_DM): dilated convolutions over the bare sequence, without time.

Each training row hides a random number of residues, weighted so that the loss is the bound of masked diffusion.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from svdd.chain.process import Process
from svdd.domains.protein.language.process import Vocabulary, masked_proteins
from svdd.domains.protein.language.reading import Opened, assembled
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check

VOCABULARY = Vocabulary(PROTEIN.letters, first=0, mask=28)
_SYMBOLS = 31
_PERIOD = 8  # layers after which dilations begin again: 1, 2, 4, ..., 128
_SIGN = "embedder.up_embedder.conv.weight"
_LAYER = re.compile(r"embedder\.layers\.(\d+)\.")
_KIN = {
    "d3pm": "a D3PM model, which is told the time and has other noise",
    "carp": "CARP, a masked language model of 30 letters",
    "lrar": "a model that writes from left to right",
    "msa": "a model of alignments",
}


class _Pointwise(nn.Module):
    """A convolution, under the name that the files have for it."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, out, 1)

    def forward(self, x: Float[Tensor, "n L C"]) -> Float[Tensor, "n L D"]:
        return functional.linear(x, self.conv.weight[:, :, 0], self.conv.bias)


class _Block(nn.Module):
    """A wide convolution between two pointwise ones, each after a normalisation and the exact GELU, added to its input."""

    def __init__(self, width: int, inner: int, kernel: int, dilation: int) -> None:
        super().__init__()
        norm, narrow = nn.LayerNorm, (_Pointwise(width, inner), _Pointwise(inner, width))
        self.sequence1 = nn.Sequential(norm(width), nn.GELU(), narrow[0], norm(inner), nn.GELU())
        self.conv = nn.Conv1d(inner, inner, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.sequence2 = nn.Sequential(norm(inner), nn.GELU(), narrow[1])

    def forward(self, x: Float[Tensor, "n L C"]) -> Float[Tensor, "n L C"]:
        mixed = self.conv(self.sequence1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.sequence2(mixed)


class ByteNet(nn.Module):
    """The network of EvoDiff's sequence models.

    Args:
        symbols: tokens.
        embedded: width of the embeddings.
        width: C.
        inner: width of the convolutions.
        kernel: of them.
        layers: how many.

    References:
        Alamdari et al., Protein generation with evolutionary diffusion: sequence is all you need, bioRxiv 2023.09.11.556673.
        Yang et al., Convolutions are competitive with transformers for protein sequence pretraining, Cell Systems 15 (2024).
    """

    def __init__(self, symbols: int, embedded: int, width: int, inner: int, kernel: int, layers: int) -> None:
        super().__init__()
        blocks = (_Block(width, inner, kernel, 2 ** (i % _PERIOD)) for i in range(layers))
        self.embedder = nn.ModuleDict(
            {
                "embedder": nn.Embedding(symbols, embedded),
                "up_embedder": _Pointwise(embedded, width),
                "layers": nn.ModuleList(blocks),
            }
        )
        self.last_norm = nn.LayerNorm(width)
        self.decoder = _Pointwise(width, symbols)

    def forward(self, tokens: Int64[Tensor, "n L"]) -> Float[Tensor, "n L W"]:
        parts: Any = self.embedder
        x = parts["up_embedder"](parts["embedder"](tokens))
        for block in parts["layers"]:
            x = block(x)
        return self.decoder(self.last_norm(x))


def read_evodiff(path: str | Path) -> tuple[nn.Module, Path]:
    """The network of a file, and the file.

    Raises:
        ValueError: for a file that cannot be read, and for another network, noise or vocabulary.
    """
    opened = Opened.at(path)
    _check_kind(opened.file, opened.settings)
    weights = opened.weights(_SIGN, "EvoDiff's convolutions")
    timed = [name for name in weights if "time" in name]
    check(not timed, _sentence(opened.file, _KIN["d3pm"]))
    sizes = _sizes(opened.file, weights)
    check(
        sizes["symbols"] == _SYMBOLS,
        f"{opened.file} knows {sizes['symbols']} tokens{', as CARP does' if sizes['symbols'] == 30 else ''}; "
        f"evodiff:PATH reads models of {_SYMBOLS}",
    )
    return assembled(opened.file, lambda: ByteNet(**sizes), weights), opened.file


def _sentence(file: Path, kind: str) -> str:
    return f"{file} is {kind}; evodiff:PATH reads order-agnostic models alone (oaar-38M, oaar-640M)"


def _check_kind(file: Path, settings: Mapping[str, Any]) -> None:
    """Models of other noise have the same weights: only names tell them apart."""
    said = " ".join([file.name, *(value for value in settings.values() if isinstance(value, str))])
    words = set(re.split(r"[^a-z0-9]+", said.lower()))
    found = [kind for sign, kind in _KIN.items() if sign in words]
    if found:
        raise ValueError(_sentence(file, found[0]))


def _sizes(file: Path, weights: Mapping[str, Tensor]) -> dict[str, int]:
    try:
        symbols, embedded = weights["embedder.embedder.weight"].shape
        inner, _, kernel = weights["embedder.layers.0.conv.weight"].shape
    except (KeyError, ValueError) as error:
        raise ValueError(f"{file} is not a network of EvoDiff: {error}; get it whole") from error
    layers = len({found[1] for found in map(_LAYER.match, weights) if found})
    width = len(weights[_SIGN])
    return {
        "symbols": symbols,
        "embedded": embedded,
        "width": width,
        "inner": inner,
        "kernel": kernel,
        "layers": layers,
    }


def evodiff(
    path: str | Path, steps: int = 128, length: int | None = None, device: torch.device | str | None = None
) -> Process:
    """EvoDiff's order-agnostic diffusion of natural proteins (OA_DM_38M, OA_DM_640M), decoded in ancestral steps.

    Nothing that the file names is imported or run.

    Args:
        path: the file, such as `oaar-38M.tar`, which is a file of torch.save.
        steps: T.
        length: residues of a design.
        device: where the network runs.

    Raises:
        ValueError: for a file that cannot be read, and for another network, noise or vocabulary.

    References:
        Alamdari et al., Protein generation with evolutionary diffusion: sequence is all you need, bioRxiv 2023.09.11.556673.
    """
    network, file = read_evodiff(path)
    return masked_proteins(
        network, VOCABULARY, name="evodiff", file=file, steps=steps, length=length, longest=None,
        trained="with every share of residues masked", device=device,
    )  # fmt: skip
