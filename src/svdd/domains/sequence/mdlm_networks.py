"""The two denoisers of public masked diffusion checkpoints, with the parameter names and order of their files.

Both take tokens, the mask among them, and the total noise sigma = -log alpha_t; a network trained without time is always
given sigma = 0. Both return logits for all symbols.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from svdd.networks.sequences import one_hot

Weights = Mapping[str, Tensor]
Tokens = Int64[Tensor, "n L"]
Logits = Float[Tensor, "n L W"]

_DILATIONS = (1, 1, 4, 16, 64)
_ROTARY_BASE = 10_000.0


def _count(weights: Weights, before: str, after: str) -> int:
    """How many layers there are: names `before` i `after` for i = 0, 1, ..."""
    return sum(1 for name in weights if name.startswith(before) and name.endswith(after))


class FourierFeatures(nn.Module):
    """Sines and cosines of a number, at frequencies drawn before training."""

    W: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("W", torch.empty(width // 2))

    def forward(self, t: Float[Tensor, " k"]) -> Float[Tensor, "k C"]:
        angle = 2 * torch.pi * t[:, None] * self.W
        return torch.cat([angle.sin(), angle.cos()], -1)


class DilatedDenoiser(nn.Module):
    """The convolutional denoiser of DNA and RNA diffusion models: one wide stem, dilated residual layers, a pointwise head.

    A layer adds the time embedding, normalises, convolves and rectifies; each of the dilations 1, 1, 4, 16, 64 is used by as
    many consecutive layers as there are stacks.

    Args:
        symbols: tokens and mask.
        width: of the hidden layers.
        kernel: odd width of the convolutions.
        stacks: layers of each dilation.

    References:
        Stark et al., Dirichlet flow matching with applications to DNA sequence design, arXiv 2402.05841.
        Wang et al., Fine-tuning discrete diffusion models via reward optimization, arXiv 2410.13643.
    """

    def __init__(self, symbols: int, width: int, kernel: int, stacks: int) -> None:
        super().__init__()
        self.symbols, self.layers = symbols, len(_DILATIONS) * stacks
        dilations = [dilation for dilation in _DILATIONS for _ in range(stacks)]

        def convolution(channels: int, dilation: int = 1) -> nn.Conv1d:
            return nn.Conv1d(channels, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)

        self.linear = convolution(symbols)
        self.time_embedder = nn.Sequential(FourierFeatures(width), nn.Linear(width, width))
        self.convs = nn.ModuleList(convolution(width, dilation) for dilation in dilations)
        self.time_layers = nn.ModuleList(nn.ModuleDict({"dense": nn.Linear(width, width)}) for _ in dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in dilations)
        self.final_conv = nn.Sequential(nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, symbols, 1))

    @classmethod
    def shaped(cls, weights: Weights, heads: int | None = None) -> "DilatedDenoiser":
        """An empty network of the sizes of `weights`.

        Raises:
            ValueError: if the layers are not five of each kind, or the stem is not a convolution.
        """
        stem, layers = weights["linear.weight"], _count(weights, "convs.", ".weight")
        if stem.ndim != 3 or layers % len(_DILATIONS):
            raise ValueError(
                f"the stem has shape {tuple(stem.shape)} and there are {layers} convolutions; only a convolutional stem and "
                f"a multiple of {len(_DILATIONS)} dilated convolutions can be read"
            )
        width, symbols, kernel = stem.shape
        return cls(symbols, width, kernel, layers // len(_DILATIONS))

    def forward(self, tokens: Tokens, sigma: Float[Tensor, ""]) -> Logits:
        time = functional.relu(self.time_embedder(sigma[None]))
        hidden = functional.relu(self.linear(one_hot(tokens, self.symbols, self.linear.weight)))
        layers: Any = zip(self.convs, self.time_layers, self.norms, strict=True)
        for convolution, embed, norm in layers:
            shifted = hidden + embed["dense"](time)[:, :, None]
            hidden = hidden + functional.relu(convolution(norm(shifted.transpose(1, 2)).transpose(1, 2)))
        return self.final_conv(hidden).transpose(1, 2)


def rotated(x: Float[Tensor, "n heads L d"]) -> Float[Tensor, "n heads L d"]:
    """Rotary positions: feature i of the first half turns with feature i of the second."""
    half = x.shape[-1] // 2
    frequency = _ROTARY_BASE ** -(torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] * frequency
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale) + shift


class _Block(nn.Module):
    """Attention and a perceptron, each normalised, shifted, scaled and gated by the noise level."""

    def __init__(self, width: int, conditioning: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, bias=False)
        self.attn_qkv = nn.Linear(width, 3 * width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.norm2 = nn.LayerNorm(width, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(approximate="tanh"), nn.Linear(ratio * width, width)
        )
        self.adaLN_modulation = nn.Linear(conditioning, 6 * width)

    def forward(self, x: Float[Tensor, "n L C"], level: Float[Tensor, "1 c"]) -> Float[Tensor, "n L C"]:
        shift, scale, gate, shift_2, scale_2, gate_2 = self.adaLN_modulation(level).chunk(6, -1)
        x = x + gate * self.attn_out(self._attended(_modulated(self.norm1(x), shift, scale)))
        return x + gate_2 * self.mlp(_modulated(self.norm2(x), shift_2, scale_2))

    def _attended(self, x: Float[Tensor, "n L C"]) -> Float[Tensor, "n L C"]:
        n, length, width = x.shape
        split = self.attn_qkv(x).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(rotated(query), rotated(key), value)
        return mixed.transpose(1, 2).reshape(n, length, width)


class DiffusionTransformer(nn.Module):
    """The transformer of masked diffusion language models: rotary positions, and the noise level in every layer.

    Args:
        symbols: tokens and mask.
        width: of the hidden layers.
        conditioning: width of the noise embedding.
        heads: of the attention.
        blocks: how many layers.
        frequencies: features of the noise level.
        ratio: of the perceptron's width to `width`.

    References:
        Sahoo et al., Simple and effective masked diffusion language models, arXiv 2406.07524.
        Peebles and Xie, Scalable diffusion models with transformers, arXiv 2212.09748.
    """

    def __init__(
        self, symbols: int, width: int, conditioning: int, heads: int, blocks: int, frequencies: int, ratio: int
    ) -> None:
        super().__init__()
        self.symbols, self.frequencies, self.layers = symbols, frequencies, blocks
        self.vocab_embed = nn.ParameterDict({"embedding": torch.empty(symbols, width)})
        embedding = (nn.Linear(frequencies, conditioning), nn.SiLU(), nn.Linear(conditioning, conditioning))
        self.sigma_map = nn.ModuleDict({"mlp": nn.Sequential(*embedding)})
        self.blocks = nn.ModuleList(_Block(width, conditioning, heads, ratio) for _ in range(blocks))
        head = {
            "norm_final": nn.LayerNorm(width, bias=False),
            "linear": nn.Linear(width, symbols),
            "adaLN_modulation": nn.Linear(conditioning, 2 * width),
        }
        self.output_layer = nn.ModuleDict(head)

    @classmethod
    def shaped(cls, weights: Weights, heads: int | None = None) -> "DiffusionTransformer":
        """An empty network of the sizes of `weights`.

        Args:
            weights: of the file; its rotary frequencies, if there, tell the number of heads.
            heads: of the attention, where they do not.

        Raises:
            ValueError: if the number of heads is not known, or does not divide the width.
        """
        symbols, width = weights["vocab_embed.embedding"].shape
        if "rotary_emb.inv_freq" in weights:
            told = width // (2 * len(weights["rotary_emb.inv_freq"]))
            if heads not in (None, told):
                raise ValueError(
                    f"its rotary frequencies are those of {told} attention heads, so heads={heads} is wrong; leave it out"
                )
            heads = told
        if heads is None:
            raise ValueError("the file does not say how many attention heads the network has; give heads=12, say")
        if heads < 1 or width % (2 * heads):
            raise ValueError(f"{heads} attention heads do not divide a width of {width} into even parts")
        conditioning, frequencies = weights["sigma_map.mlp.0.weight"].shape
        blocks = _count(weights, "blocks.", ".norm1.weight")
        ratio = len(weights["blocks.0.mlp.0.weight"]) // width
        return cls(symbols, width, conditioning, heads, blocks, frequencies, ratio)

    def forward(self, tokens: Tokens, sigma: Float[Tensor, ""]) -> Logits:
        level = functional.silu(self.sigma_map["mlp"](self._noise_features(sigma)))
        x = self.vocab_embed["embedding"][tokens]
        for block in self.blocks:
            x = block(x, level)
        head: Any = self.output_layer
        return head["linear"](_modulated(head["norm_final"](x), *head["adaLN_modulation"](level).chunk(2, -1)))

    def _noise_features(self, sigma: Float[Tensor, ""]) -> Float[Tensor, "1 f"]:
        half = self.frequencies // 2
        frequency = 10_000.0 ** -(torch.arange(half, device=sigma.device, dtype=sigma.dtype) / half)
        angle = sigma * frequency
        return torch.cat([angle.cos(), angle.sin()])[None]
