"""Layers of the transformers of ESM and Sapiens, with the parameter names of fairseq, from which both come."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Activations = Float[Tensor, "n L C"]
Weights = Mapping[str, Tensor]


class Attention(nn.Module):
    """Attention of every site to every site.

    Args:
        width: C.
        heads: that divide it.
        placed: what tells queries and keys their places, or leaves them as they are.
    """

    def __init__(self, width: int, heads: int, placed: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.heads, self.placed = heads, placed
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Activations) -> Activations:
        query, key, value = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(self.placed(query), self.placed(key), value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and a perceptron with the exact GELU; subclasses say where they are normalised."""

    def __init__(
        self, width: int, inner: int, heads: int, epsilon: float, placed: Callable[[Tensor], Tensor] = lambda x: x
    ) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, placed)
        self.self_attn_layer_norm = nn.LayerNorm(width, epsilon)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width, epsilon)

    def perceptron(self, x: Activations) -> Activations:
        """Of each site."""
        return self.fc2(functional.gelu(self.fc1(x)))


class NormalisedBefore(Layer):
    """The layer of ESM-2: what is added is computed from normalised sites."""

    def forward(self, x: Activations) -> Activations:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.perceptron(self.final_layer_norm(x))


class NormalisedAfter(Layer):
    """The layer of RoBERTa: each sum is normalised."""

    def forward(self, x: Activations) -> Activations:
        x = self.self_attn_layer_norm(x + self.self_attn(x))
        return self.final_layer_norm(x + self.perceptron(x))


class Head(nn.Module):
    """Logits of all symbols; `weight` may be a copy of the embeddings."""

    def __init__(self, width: int, symbols: int, epsilon: float) -> None:
        super().__init__()
        self.dense, self.layer_norm = nn.Linear(width, width), nn.LayerNorm(width, epsilon)
        self.weight, self.bias = nn.Parameter(torch.empty(symbols, width)), nn.Parameter(torch.empty(symbols))

    def forward(self, x: Activations) -> Float[Tensor, "n L W"]:
        return functional.linear(self.layer_norm(functional.gelu(self.dense(x))), self.weight, self.bias)
