"""Backbones of proteins, and which of their residues are designed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.messages import check, check_known

CONTEXT = -1
"""The site of a residue that is not designed."""


@dataclass(frozen=True)
class Backbone:
    """Residues with all of N, CA, C and O, chain after chain.

    Args:
        name: of its file, or the bundled one's.
        atoms: N, CA, C and O, Angstrom.
        index: the number of each residue along its chain, missing ones counted.
        chain: the number of its chain.
        chains: their names.
        labels: how the structure numbers each residue, with its insertion code.
        native: its letter, X where it is none of the twenty.
    """

    name: str
    atoms: Float[Tensor, "L 4 3"]
    index: Int64[Tensor, " L"]
    chain: Int64[Tensor, " L"]
    chains: tuple[str, ...]
    labels: tuple[str, ...]
    native: str

    def of(self, chain: str) -> list[int]:
        """The residues of a chain."""
        return (self.chain == self.chains.index(chain)).nonzero().flatten().tolist()


@dataclass(frozen=True)
class Sites:
    """The letters of a design: one per residue that is designed, or per residue that several chains share.

    Args:
        of: per residue of the backbone its site, or `CONTEXT`.
        copies: per site the residues that have its letter, again and again where others have more.
    """

    of: Int64[Tensor, " L"]
    copies: Int64[Tensor, "S m"]

    def share(self) -> Float[Tensor, "S m"]:
        """What each of the copies counts in the mean of its site: those that are there again count nothing."""
        there = self.of[self.of != CONTEXT].bincount()[:, None]
        return (torch.arange(self.copies.shape[1], device="cpu") < there).float() / there

    def means(self, where: torch.device) -> Callable[[Float[Tensor, "n L v"]], Float[Tensor, "n S v"]]:
        """What takes means over the residues of each site, of numbers on a device."""
        copies, share = self.copies.to(where), self.share()[..., None].to(where)
        return lambda numbers: (numbers[:, copies] * share).sum(2)


@dataclass(frozen=True)
class DesignedBackbone:
    """A backbone and the sites of its designs.

    Args:
        backbone: with all its residues.
        sites: of a design.
    """

    backbone: Backbone
    sites: Sites

    @property
    def native(self) -> str:
        """The structure's own letters at the sites, X where they are not known."""
        return "".join(self.backbone.native[residue] for residue in self.sites.copies[:, 0].tolist())

    def letters(self, design: str) -> str:
        """A letter per residue of the backbone: those of a design, and native ones where nothing is designed.

        Raises:
            ValueError: for a design of another length.
        """
        sites = len(self.sites.copies)
        check(
            len(design) == sites,
            f"a design for {self.backbone.name} has {sites} letters, one per designed residue, got {len(design)}",
        )
        pairs = zip(self.sites.of.tolist(), self.backbone.native, strict=True)
        return "".join(native if site == CONTEXT else design[site] for site, native in pairs)

    def changed(self, design: str) -> list[bool]:
        """Per residue of the backbone whether a design has another letter than the structure."""
        return [ours != theirs for ours, theirs in zip(self.letters(design), self.backbone.native, strict=True)]


def named_chains(backbone: Backbone, text: str) -> tuple[str, ...]:
    """Chains by name, with commas between; all if nothing is named.

    Raises:
        ValueError: for a chain that the backbone has not, and for one that is named twice.
    """
    names = tuple(name.strip() for name in text.split(",")) if text else backbone.chains
    for name in names:
        check_known(f"chain of {backbone.name}", name, backbone.chains)
    check(len(set(names)) == len(names), f"each chain is named once, got {text!r}")
    return names


def designed(backbone: Backbone, design: str = "", tied: str = "") -> Sites:
    """The sites of a design.

    Args:
        backbone: that sequences are for.
        design: chains that are designed, with commas between; all unless given.
        tied: chains that have one sequence; none unless given.

    Raises:
        ValueError: for unknown chains, for tied ones of which some are not designed, or of which less than half of the
            residues have the same numbers.
    """
    chains = named_chains(backbone, design)
    together = named_chains(backbone, tied) if tied else ()
    check(
        set(together) <= set(chains), f"the tied chains {tied} must all be among the designed ones, {','.join(chains)}"
    )
    kept = [name for name in chains if name not in together[1:]]
    of_one_sequence = [together if name in together else (name,) for name in kept]
    copies = [residues for names in of_one_sequence for residues in _alike(backbone, names)]
    return _sites(len(backbone.native), copies)


def _alike(backbone: Backbone, names: Sequence[str]) -> list[tuple[int, ...]]:
    """The residues that share a letter, in order: those of one number, of every chain that has it."""
    chains = [{backbone.labels[residue]: residue for residue in backbone.of(name)} for name in names]
    for name, chain in zip(names[1:], chains[1:], strict=True):
        shared, most = len(chains[0].keys() & chain.keys()), max(len(chains[0]), len(chain))
        check(
            2 * shared >= most,
            f"chains {names[0]} and {name} of {backbone.name} cannot be tied: {shared} of {most} residue numbers are in both; "
            "tied chains are copies that are numbered alike",
        )
    numbers = list(dict.fromkeys(label for chain in chains for label in chain))
    if any(list(chain) != numbers for chain in chains):  # some lack residues that others have
        numbers.sort(key=numbered)
    return [tuple(chain[number] for chain in chains if number in chain) for number in numbers]


def numbered(label: str) -> tuple[int, str]:
    """The number of a residue and its insertion code, by which residues stand in a chain."""
    number, insertion = re.fullmatch(r"(-?\d+)(\w?)", label).groups()  # type: ignore[union-attr]
    return int(number), insertion


def _sites(residues: int, copies: Sequence[tuple[int, ...]]) -> Sites:
    most = max(map(len, copies))
    of = torch.full((residues,), CONTEXT, device="cpu")
    for site, members in enumerate(copies):
        of[list(members)] = site
    whole = [[members[i % len(members)] for i in range(most)] for members in copies]
    return Sites(of, torch.tensor(whole, device="cpu"))
