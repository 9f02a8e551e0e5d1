r"""ProteinMPNN: a graph network that reads a backbone once, and then any number of partly masked sequences on it.

The decoder's first layer of a message is linear in [h_i, e_ij, s_j, h_j]. Only s_j and h_j change with the sequence, so
the other parts are computed once per backbone, and per sequence all projections are of residues, not of pairs; the last
layer of a message is linear too, and goes behind the sum over neighbours.

References:
    Dauparas et al., Robust deep learning-based protein sequence design using ProteinMPNN, Science 378:49 (2022).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, linear

from svdd.domains.protein.inverse_folding.features import CENTRES, PAIRS, POSITIONS, nearest, positions, radial

LETTERS = 21
"""The twenty amino acids in alphabetical order, and X for any other."""
_SCALE = 30  # what sums over neighbours are divided by
_POSITION = 16  # numbers that a position becomes

Nodes = Float[Tensor, "n L C"]


@dataclass(frozen=True)
class Encoded:
    """A backbone as the decoder reads it.

    Args:
        nodes: of the encoder.
        neighbours: of each residue.
        edges: per layer of the decoder what a message is made of, but for the sequence.
        unread: per layer what the encoder's node of a neighbour adds to a message, where its letter is not read.
    """

    nodes: Float[Tensor, "L C"]
    neighbours: Int64[Tensor, "L K"]
    edges: tuple[Float[Tensor, "L K C"], ...]
    unread: tuple[Float[Tensor, "L C"], ...]


class _Feed(nn.Module):
    """The pointwise layers at the end of each block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.W_in, self.W_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, nodes: Float[Tensor, "*n C"]) -> Float[Tensor, "*n C"]:
        return self.W_out(gelu(self.W_in(nodes)))


class _Block(nn.Module):
    """Nodes from the messages of their neighbours.

    Args:
        width: C.
        inputs: parts of width C that a message is made of.
    """

    def __init__(self, width: int, inputs: int) -> None:
        super().__init__()
        self.W1, self.W2, self.W3 = nn.Linear(inputs * width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dense = _Feed(width)

    def updated(self, nodes: Float[Tensor, "*n L C"], first: Float[Tensor, "*n L K C"]) -> Float[Tensor, "*n L C"]:
        """The nodes after messages whose first layer is `first`."""
        told = gelu(self.W2(gelu(first))).sum(-2)
        summed = linear(told, self.W3.weight) + first.shape[-2] * self.W3.bias
        nodes = self.norm1(nodes + summed / _SCALE)
        return self.norm2(nodes + self.dense(nodes))


class _EncoderBlock(_Block):
    """Nodes and edges."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 3)
        self.W11, self.W12, self.W13 = nn.Linear(3 * width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.norm3 = nn.LayerNorm(width)

    def forward(
        self, nodes: Float[Tensor, "L C"], edges: Float[Tensor, "L K C"], neighbours: Int64[Tensor, "L K"]
    ) -> tuple[Float[Tensor, "L C"], Float[Tensor, "L K C"]]:
        nodes = self.updated(nodes, self.W1(_pairs(nodes, edges, neighbours)))
        change = self.W13(gelu(self.W12(gelu(self.W11(_pairs(nodes, edges, neighbours))))))
        return nodes, self.norm3(edges + change)


def _pairs(
    nodes: Float[Tensor, "L C"], edges: Float[Tensor, "L K C"], neighbours: Int64[Tensor, "L K"]
) -> Float[Tensor, "L K D"]:
    """[h_i, e_ij, h_j] of every pair."""
    return torch.cat([nodes[:, None].expand_as(edges), edges, nodes[neighbours]], -1)


class ProteinMPNN(nn.Module):
    """The network, its weights named as they were published.

    Args:
        width: C.
        encoder: layers.
        decoder: layers.
        neighbours: K, of each residue.
    """

    features: Any
    encoder_layers: Any
    decoder_layers: Any

    def __init__(self, width: int = 128, encoder: int = 3, decoder: int = 3, neighbours: int = 48) -> None:
        super().__init__()
        self.most = neighbours
        self.features = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict({"linear": nn.Linear(POSITIONS, _POSITION)}),
                "edge_embedding": nn.Linear(_POSITION + len(PAIRS) * CENTRES, width, bias=False),
                "norm_edges": nn.LayerNorm(width),
            }
        )
        self.W_e, self.W_s, self.W_out = (
            nn.Linear(width, width),
            nn.Embedding(LETTERS, width),
            nn.Linear(width, LETTERS),
        )
        self.encoder_layers = nn.ModuleList(_EncoderBlock(width) for _ in range(encoder))
        self.decoder_layers = nn.ModuleList(_Block(width, 4) for _ in range(decoder))

    @classmethod
    def shaped(cls, weights: Mapping[str, Tensor], neighbours: int) -> "ProteinMPNN":
        """An empty network of the sizes of `weights`, on no device.

        Raises:
            KeyError: if there is no `W_e.weight`.
        """

        def layers(kind: str) -> int:
            return sum(1 for name in weights if name.startswith(f"{kind}_layers.") and name.endswith(".W1.weight"))

        with torch.device("meta"):  # no initial weights, which would draw global random numbers
            return cls(len(weights["W_e.weight"]), layers("encoder"), layers("decoder"), neighbours)

    @torch.no_grad()
    def encode(self, atoms: Float[Tensor, "L 4 3"], index: Int64[Tensor, " L"], chain: Int64[Tensor, " L"]) -> Encoded:
        """Reads a backbone.

        Args:
            atoms: N, CA, C and O of each residue, Angstrom.
            index: the number of each residue along its chain, missing ones counted.
            chain: the number of its chain.
        """
        neighbours = nearest(atoms, self.most)
        where = self.features["embeddings"]["linear"](positions(index, chain, neighbours))
        edges = self.features["edge_embedding"](torch.cat([where, radial(atoms, neighbours)], -1))
        edges = self.W_e(self.features["norm_edges"](edges))
        nodes = torch.zeros(len(atoms), edges.shape[-1], device=edges.device, dtype=edges.dtype)
        for block in self.encoder_layers:
            nodes, edges = block(nodes, edges, neighbours)
        parts = [block.W1.weight.chunk(4, 1) for block in self.decoder_layers]
        return Encoded(
            nodes,
            neighbours,
            tuple(linear(edges, of[1], block.W1.bias) for of, block in zip(parts, self.decoder_layers, strict=True)),
            tuple(linear(nodes, of[3]) for of in parts),
        )

    @torch.no_grad()
    def decode(
        self, backbone: Encoded, letters: Int64[Tensor, "n L"], reads: Bool[Tensor, "n L K"]
    ) -> Float[Tensor, "n L 21"]:
        """Logits of every residue.

        Args:
            backbone: that the sequences are for.
            letters: of each residue; any where it is not read.
            reads: whether residue i reads the letter of its k-th neighbour.
        """
        spelt, nodes = embedding(letters, self.W_s.weight), backbone.nodes.expand(*letters.shape, -1)
        for block, edges, unread in zip(self.decoder_layers, backbone.edges, backbone.unread, strict=True):
            own, _, letter, other = block.W1.weight.chunk(4, 1)
            read = linear(spelt, letter) + linear(nodes, other)
            told = torch.where(reads[..., None], read[:, backbone.neighbours], unread[backbone.neighbours])
            nodes = block.updated(nodes, told + edges + linear(nodes, own)[:, :, None])
        return self.W_out(nodes)
