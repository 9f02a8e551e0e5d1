r"""ESM-2 and DPLM, two trainings of one network: from folders of transformers, files of fair-esm, and of DPLM's trainer.

A pre-normalised transformer with rotary positions. With `token_dropout` the embedding of a mask is zero, and all of a row is
multiplied by $(1 - 0.12) / (1 - k / L)$, where k of its L tokens, both ends among them, are masks.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from svdd.chain.process import Process
from svdd.domains.protein.language.esm_files import EsmFile, read_esm
from svdd.domains.protein.language.layers import Head, NormalisedBefore
from svdd.domains.protein.language.process import Vocabulary, masked_proteins, warn_of_few_masks
from svdd.domains.protein.language.reading import assembled, count_layers
from svdd.domains.sequence.mdlm_networks import rotated

VOCABULARY = Vocabulary("LAGVSERTIDPKQNFYMHWC", first=4, mask=32, before=(0,), after=(2,))
_SEEN = 1 - 0.15 * 0.8  # of tokens in training: 15 % were to be predicted, and 80 % of those masked


class EsmNetwork(nn.Module):
    """The network of ESM-2.

    Args:
        symbols: tokens.
        width: C.
        inner: width of the perceptrons.
        heads: of the attention.
        layers: how many.
        epsilon: of the normalisations.
        token_dropout: whether masks have no embedding, and the others are scaled for it.

    References:
        Lin et al., Evolutionary-scale prediction of atomic-level protein structure with a language model, Science 379 (2023).
    """

    def __init__(
        self, symbols: int, width: int, inner: int, heads: int, layers: int, epsilon: float, token_dropout: bool
    ) -> None:
        super().__init__()
        self.token_dropout = token_dropout
        self.embed_tokens = nn.Embedding(symbols, width)
        self.layers = nn.ModuleList(NormalisedBefore(width, inner, heads, epsilon, rotated) for _ in range(layers))
        self.emb_layer_norm_after = nn.LayerNorm(width, epsilon)
        self.lm_head = Head(width, symbols, epsilon)

    def forward(self, tokens: Int64[Tensor, "n L"]) -> Float[Tensor, "n L W"]:
        x = self.embed_tokens(tokens)
        x = _without_masks(x, tokens == VOCABULARY.mask) if self.token_dropout else x
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.emb_layer_norm_after(x))


def _without_masks(x: Float[Tensor, "n L C"], masked: Tensor) -> Float[Tensor, "n L C"]:
    scale = _SEEN / (1 - masked.float().mean(1))
    return x.masked_fill(masked[..., None], 0) * scale[:, None, None]


def _network(found: EsmFile) -> nn.Module:
    symbols, width = found.weights["embed_tokens.weight"].shape
    sizes: dict[str, Any] = {"symbols": symbols, "width": width, "inner": len(found.weights["layers.0.fc1.weight"])}
    sizes |= {"heads": found.heads, "layers": count_layers(found.weights)}
    sizes |= {"epsilon": found.epsilon, "token_dropout": found.token_dropout}
    return assembled(found.file, lambda: EsmNetwork(**sizes), found.weights)


def esm(
    path: str | Path,
    steps: int = 128,
    length: int | None = None,
    heads: int | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """ESM-2 and its kin, trained with 15 % of residues masked, as masked diffusion over proteins.

    Designs that begin with masks alone are outside its training, of which a warning tells; it is for templates.
    Nothing that the file names is imported or run.

    Args:
        path: a folder of transformers, or a file of fair-esm.
        steps: T.
        length: residues of a design.
        heads: of the attention, if the file does not say.
        device: where the network runs.

    Raises:
        ValueError: for a file that cannot be read, another kind of network or vocabulary, and a length over its limit.

    References:
        Lin et al., Evolutionary-scale prediction of atomic-level protein structure with a language model, Science 379 (2023).
    """
    found = read_esm("esm", path, heads)
    made = masked_proteins(
        _network(found), VOCABULARY, name="esm", file=found.file, steps=steps, length=length, longest=found.longest,
        trained="with 15 % of residues masked", device=device,
    )  # fmt: skip
    warn_of_few_masks(made.about["name"], "15 %")
    return made


def dplm(
    path: str | Path,
    steps: int = 128,
    length: int | None = None,
    heads: int | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """DPLM, a masked diffusion model of natural proteins, decoded in ordinary ancestral steps.

    Its own sampler, which ranks and masks letters again, is another chain and is not here. Nothing that the file names is
    imported or run.

    Args:
        path: a folder of transformers, or a checkpoint of its trainer.
        steps: T.
        length: residues of a design.
        heads: of the attention, if the file does not say.
        device: where the network runs.

    Raises:
        ValueError: for a file that cannot be read, another kind of network or vocabulary, and a length over its limit.

    References:
        Wang et al., Diffusion language models are versatile protein learners, arXiv 2402.18567.
    """
    found = read_esm("dplm", path, heads)
    return masked_proteins(
        _network(found), VOCABULARY, name="dplm", file=found.file, steps=steps, length=length, longest=found.longest,
        trained="with every share of residues masked", device=device,
    )  # fmt: skip
