"""Sapiens, a masked language model of the variable domains of human antibodies: RoBERTa as fairseq writes it."""

import re
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from svdd.chain.process import Process
from svdd.domains.protein.language.layers import Head, NormalisedAfter, Weights
from svdd.domains.protein.language.process import Vocabulary, masked_proteins, warn_of_few_masks
from svdd.domains.protein.language.reading import Opened, assembled, check_heads, count_layers
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.mdlm_settings import setting
from svdd.messages import check
from svdd.user_texts import text_of_file

VOCABULARY = Vocabulary(PROTEIN.letters, first=4, mask=24, before=(0,), after=(2,))
_SYMBOLS, _HEADS, _EPSILON = 25, 8, 1e-5
_FIRST_PLACE = 2  # positions are counted after that of padding, 1
_UNUSED = re.compile(r".*\bversion|.*_float_tensor")


class SapiensNetwork(nn.Module):
    """The network of Sapiens, with learned positions.

    Args:
        symbols: tokens.
        places: rows of the table of positions, the two before the first place among them.
        width: C.
        inner: width of the perceptrons.
        heads: of the attention.
        layers: how many.

    References:
        Prihoda et al., BioPhi: a platform for antibody design, humanization, and humanness evaluation, mAbs 14 (2022).
    """

    def __init__(self, symbols: int, places: int, width: int, inner: int, heads: int, layers: int) -> None:
        super().__init__()
        self.embed_tokens, self.embed_positions = nn.Embedding(symbols, width), nn.Embedding(places, width)
        self.emb_layer_norm = nn.LayerNorm(width, _EPSILON)
        self.layers = nn.ModuleList(NormalisedAfter(width, inner, heads, _EPSILON) for _ in range(layers))
        self.lm_head = Head(width, symbols, _EPSILON)

    def forward(self, tokens: Int64[Tensor, "n L"]) -> Float[Tensor, "n L W"]:
        places = torch.arange(tokens.shape[1], device=tokens.device) + _FIRST_PLACE
        x = self.emb_layer_norm(self.embed_tokens(tokens) + self.embed_positions(places))
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(x)


def read_sapiens(path: str | Path, heads: int | None = None) -> tuple[Any, Path]:
    """The network of a file, and the file.

    Args:
        path: the file, or a folder with one.
        heads: of the attention; as the file says, or 8, unless given.

    Raises:
        ValueError: for a file that cannot be read, and for another network or vocabulary.
    """
    opened = Opened.at(path)
    weights = _named(opened.weights("lm_head.dense.weight", "Sapiens"))
    check(
        {"embed_tokens.weight", "embed_positions.weight", "layers.0.fc1.weight"} <= weights.keys(),
        f"{opened.file} is not Sapiens: it has no learned positions beside fairseq's layers; for ESM-2 give esm:PATH",
    )
    symbols, width = weights["embed_tokens.weight"].shape
    check(symbols == _SYMBOLS, f"{opened.file} knows {symbols:,} tokens, so it is not Sapiens, which knows {_SYMBOLS}")
    _check_vocabulary(opened.file)
    places, inner = len(weights["embed_positions.weight"]), len(weights["layers.0.fc1.weight"])
    heads = (
        heads or setting(opened.settings, ("encoder_attention_heads", "model.encoder_attention_heads"), int) or _HEADS
    )
    check_heads(opened.file, heads, width)
    layers = count_layers(weights)
    made = assembled(opened.file, lambda: SapiensNetwork(symbols, places, width, inner, heads, layers), weights)
    return made, opened.file


def _named(weights: Weights) -> dict[str, Tensor]:
    """Weights by the names of the network; the head has the embeddings where the file leaves its own out."""
    named = {
        name.removeprefix("sentence_encoder."): one for name, one in weights.items() if not _UNUSED.fullmatch(name)
    }
    if "embed_tokens.weight" in named:
        named.setdefault("lm_head.weight", named["embed_tokens.weight"])
    return named


def _check_vocabulary(file: Path) -> None:
    """The dictionary of fairseq beside a file: letters and counts, without the tokens that every dictionary has."""
    beside = file.parent / "dict.txt"
    lines = text_of_file(beside).split("\n") if beside.is_file() else list(PROTEIN.letters)
    letters = [line.split()[0] for line in lines if line.split()]
    check(
        letters == list(PROTEIN.letters), f"{beside} lists other letters than the twenty in the order of the alphabet"
    )


def sapiens(
    path: str | Path,
    steps: int = 128,
    length: int | None = None,
    heads: int | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """Sapiens, of heavy or light variable domains of human antibodies, trained with 15 % of residues masked.

    Designs that begin with masks alone are outside its training, of which a warning tells; it is for parts of a scaffold,
    such as its CDRs. Nothing that the file names is imported or run.

    Args:
        path: the file of one chain, VH or VL.
        steps: T.
        length: residues of a design.
        heads: of the attention; as the file says, or 8, unless given.
        device: where the network runs.

    Raises:
        ValueError: for a file that cannot be read, another network or vocabulary, and a length over its limit.

    References:
        Prihoda et al., BioPhi: a platform for antibody design, humanization, and humanness evaluation, mAbs 14 (2022).
    """
    network, file = read_sapiens(path, heads)
    longest = len(network.embed_positions.weight) - _FIRST_PLACE - len(VOCABULARY.before + VOCABULARY.after)
    made = masked_proteins(
        network, VOCABULARY, name="sapiens", file=file, steps=steps, length=length, longest=longest,
        trained="with 15 % of residues masked", device=device,
    )  # fmt: skip
    warn_of_few_masks(made.about["name"], "15 %")
    return made
