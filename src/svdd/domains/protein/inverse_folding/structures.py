"""Structures by their files, or by the name of one that came with the package, and what is designed of them."""

import os
from pathlib import Path

from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone, designed
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.messages import unknown
from svdd.registry import bundled

BACKBONES = ("1yu5", "2ysh")
"""Structures that came with the package: a villin headpiece of 65 residues and a WW domain of 37."""


def designed_backbone(path: str, chains: str = "", design: str = "", tied: str = "") -> DesignedBackbone:
    """A structure and the sites of its designs.

    Args:
        path: of a PDB or mmCIF file, or the name of a bundled structure.
        chains: that are read, with commas between; all protein chains unless given.
        design: chains that are designed; all that are read unless given.
        tied: chains of one sequence; none unless given.

    Raises:
        OSError: if the file cannot be read.
        ValueError: for what is no backbone, an unknown chain, and chains that cannot be tied.
        ImportError: without Biopython.
    """
    backbone = read_backbone(structure_file(path), chains)
    return DesignedBackbone(backbone, designed(backbone, design, tied))


def structure_file(path: str) -> Path:
    """The file of a structure.

    Raises:
        ValueError: for what is neither a file nor the name of a bundled structure.
    """
    given = os.path.expanduser(path)
    if os.path.exists(given):
        return Path(given)
    if path in BACKBONES:
        return bundled("proteinmpnn", f"{path}.pdb")
    raise ValueError(
        f"there is no structure file {path!r}, and it is none that is bundled: {unknown('name', path, BACKBONES)}"
    )
