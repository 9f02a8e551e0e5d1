"""Poses in three dimensions."""

from typing import Any

from svdd.domains.molecule.figures.poses import ELEMENTS, LIGAND
from svdd.domains.molecule.poses import Poses
from svdd.messages import number
from svdd.report.looks import brief
from svdd.report.viewer import Scene, node, structure

_GREY = "#c5cad1"


def pose_scene(poses: Poses) -> Scene:
    """The best designs in their receptor, one at a time.

    Args:
        poses: of them.
    """
    around = [_shown(0, 0.35, _GREY)] if poses.pocket else []
    titles = [
        f"{brief(name)}, reward {number(reward)}"
        for name, reward in zip(poses.ids, poses.numbers["reward"], strict=True)
    ]
    choices = [(title, [*around, _shown(row, 1.0, LIGAND, focus=True)]) for row, title in enumerate(titles, 1)]
    return Scene("Poses in three dimensions", [poses.pocket, *map(_pdb, poses.molecules)], choices)


def _shown(text: int, size: float, colour: str, *, focus: bool = False) -> dict[str, Any]:
    """Sticks of a text's atoms, carbon in a colour and the others as chemists have them."""
    others = [({"type_symbol": symbol}, shade) for symbol, shade in ELEMENTS.items()]
    looks = [node("color", {"selector": part, "color": shade}) for part, shade in [("all", colour), *others]]
    sticks = {"type": "ball_and_stick", "size_factor": size, "ignore_hydrogens": True}
    return structure(text, node("representation", sticks, looks), *([node("focus", {})] if focus else []))


def _pdb(molecule: Any) -> str:
    from rdkit import Chem

    return str(Chem.MolToPDBBlock(Chem.RemoveHs(molecule)))
