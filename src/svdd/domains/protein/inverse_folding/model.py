r"""ProteinMPNN as a masked diffusion over the sequence of a backbone.

It was trained to write a sequence letter by letter in random orders, and so knows $p(x_i | x_{visible})$ for every set of
visible letters: that is what a masked diffusion asks. One pass of the decoder answers for all masked residues, since a
masked residue reads every visible letter and nobody reads its own.

What visible residues read of one another is a choice. In a fixed order each reads those before it, which is the published
network to the last digit; free of order each reads all others, so that no order is preferred.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.chain.process import Process
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.protein.inverse_folding.backbones import CONTEXT, Backbone, Sites
from svdd.domains.protein.inverse_folding.designs import BackboneKind
from svdd.domains.protein.inverse_folding.network import ProteinMPNN
from svdd.domains.protein.inverse_folding.structures import designed_backbone
from svdd.domains.protein.inverse_folding.weights import bundled_weights, read_network
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import masked_sequences
from svdd.messages import check_known
from svdd.registry.option_paths import PathWhere

_MASK = len(PROTEIN)

Reading = Callable[[Int64[Tensor, "L K"], Bool[Tensor, "n L"]], Bool[Tensor, "n L K"]]


def free_of_order(neighbours: Int64[Tensor, "L K"], visible: Bool[Tensor, "n L"]) -> Bool[Tensor, "n L K"]:
    """Every residue reads all visible letters but its own."""
    own = torch.arange(len(neighbours), device=neighbours.device)[:, None]
    return visible[:, neighbours] & (neighbours != own)


def ascending(neighbours: Int64[Tensor, "L K"], visible: Bool[Tensor, "n L"]) -> Bool[Tensor, "n L K"]:
    """Masked residues read all visible letters; visible ones those that stand before them in the file."""
    own = torch.arange(len(neighbours), device=neighbours.device)[:, None]
    return visible[:, neighbours] & (~visible[..., None] | (neighbours < own))


READINGS: dict[str, Reading] = {"free": free_of_order, "ascending": ascending}


def proteinmpnn(
    path: Annotated[str, PathWhere(os.path.exists)] = "1yu5",
    steps: int = 32,
    chains: str = "",
    design: str = "",
    tied: str = "",
    order: str = "free",
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """Sequences for the backbone of a protein, by ProteinMPNN: all its residues, or some of its chains.

    A design is the letters of the designed residues, chain after chain. Other chains of the file are seen with their native
    letters. Residues without all of N, CA, C and O are left out, with a warning. The encoder runs once.

    Args:
        path: a structure, PDB or mmCIF, or the name of a bundled one: 1yu5 or 2ysh.
        steps: T.
        chains: that are read, with commas between, such as `A,B`; all protein chains unless given.
        design: chains that are designed; all that are read unless given.
        tied: chains of one sequence, such as those of a symmetric oligomer: a design has it once, and its logits are the
            mean over the chains.
        order: what visible residues read of one another: `free`, or `ascending`, as the published network does.
        weights: a file of ProteinMPNN, vanilla or soluble, to use in place of the bundled v_48_020.
        device: where the network runs.

    Raises:
        OSError: if there is no such file.
        ValueError: for a structure without a whole backbone, an unknown chain, chains that cannot be tied, an unknown
            order, a file of other weights, or steps below 1.
        ImportError: without Biopython.

    Cost:
        1 row per state: one pass of the decoder, whatever the number of masks.

    References:
        Dauparas et al., Robust deep learning-based protein sequence design using ProteinMPNN, Science 378:49 (2022).
    """
    check_known("order", order, READINGS)
    structure = designed_backbone(path, chains, design, tied)
    network = read_network(weights or bundled_weights()).to(device)
    call, batch = conditionals(network, structure.backbone, structure.sites, READINGS[order])
    name, length = structure.backbone.name, len(structure.sites.copies)
    about = {"name": f"proteinmpnn:{name}", "order": order}
    process = masked_sequences(call, PROTEIN, length=length, steps=steps, about=about, device=device)
    kind = BackboneKind(PROTEIN, length, native=structure.native, backbone=name, structure=structure)
    return replace(process, kind=kind, rows_at_once=batch)


def conditionals(
    network: ProteinMPNN, backbone: Backbone, sites: Sites, reading: Reading
) -> tuple[Callable[[Tensor, Tensor, Tree], Tensor], int]:
    """Logits of the twenty amino acids at every site given the visible ones, and how many states go at once.

    Args:
        network: on its device.
        backbone: is read once, here.
        sites: of a design.
        reading: who reads whose letter.
    """
    where = network.W_out.weight.device
    encoded = network.encode(*(one.to(where) for one in (backbone.atoms, backbone.index, backbone.chain)))
    native = PROTEIN.encode([backbone.native], masked=True)[0].to(where)
    of, means = sites.of.to(where), sites.means(where)

    def forward(tokens: Int64[Tensor, "n S"]) -> Float[Tensor, "n S 20"]:
        letters = torch.where(of == CONTEXT, native, tokens[:, of])
        visible = (of == CONTEXT) | (letters != _MASK)
        logits = network.decode(encoded, letters, reading(encoded.neighbours, visible))
        return means(logits[..., :_MASK])

    batch = rows_at_once(where, encoded.neighbours.numel())
    call = FullBatches(forward, batch)

    def answers(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        return call(x.to(where)).to(x.device)

    return answers, batch
