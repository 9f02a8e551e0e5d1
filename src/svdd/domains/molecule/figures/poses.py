"""Drawings of poses: the ligand and the pocket round it, seen from two sides, drawn like the report's other figures."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy import ndarray

from svdd.domains.molecule.poses import Poses, positions
from svdd.messages import number
from svdd.report.looks import GREY, brief
from svdd.report.plots import as_svg

DRAWN = 3
SIDES = {"from the front": (0, 1, 2), "from above": (0, 2, 1)}
LIGAND = "#0f766e"
ELEMENTS = {
    "N": "#1d4ed8", "O": "#b91c1c", "S": "#a16207", "P": "#c2410c",
    "F": "#65a30d", "CL": "#65a30d", "BR": "#9a3412", "I": "#7e22ce",
}  # fmt: skip
"""Colours of atoms other than carbon."""
_BONDED = 1.9  # Angstrom, between heavy atoms
_MARGIN = 4.0


def pose_drawing(poses: Poses) -> str:
    """The best poses, each along the two axes across its longest one, as SVG."""
    shown = min(DRAWN, len(poses))
    figure = Figure(figsize=(10, 3.4 * shown), layout="constrained")
    panels = figure.subplots(shown, 2, squeeze=False)
    places = positions(poses.pocket)
    for row in range(shown):
        title = f"{brief(poses.ids[row])}, reward {number(poses.numbers['reward'][row])}"
        for axes, (side, plane) in zip(panels[row], SIDES.items(), strict=True):
            _draw(axes, poses.molecules[row], places, plane)
            axes.set_title(f"{title}, {side}", fontsize="medium", parse_math=False)
    return as_svg(figure)


def _draw(axes: Any, molecule: Any, pocket: Float[ndarray, "m 3"], plane: tuple[int, int, int]) -> None:
    from rdkit import Chem

    ligand = Chem.RemoveHs(molecule)
    atoms = ligand.GetConformer().GetPositions()
    centre = atoms.mean(0)
    turn = np.linalg.svd(atoms - centre, full_matrices=True)[2].T[:, list(plane)]
    drawn, around = (atoms - centre) @ turn, (pocket - centre) @ turn
    low, high = drawn[:, :2].min(0) - _MARGIN, drawn[:, :2].max(0) + _MARGIN
    _sticks(axes, around[around[:, 2] < 0], 1)
    pairs = [[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] for bond in ligand.GetBonds()]
    axes.add_collection(LineCollection(list(drawn[pairs, :2]), colors=LIGAND, linewidths=3, capstyle="round", zorder=2))
    symbols = [atom.GetSymbol().upper() for atom in ligand.GetAtoms()]
    marked = [row for row, symbol in enumerate(symbols) if symbol in ELEMENTS]
    axes.scatter(*drawn[marked, :2].T, s=45, color=[ELEMENTS[symbols[row]] for row in marked], linewidths=0, zorder=3)
    _sticks(axes, around[around[:, 2] >= 0], 4)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.axis("off")


def _sticks(axes: Any, places: Float[ndarray, "m 3"], layer: int) -> None:
    """The bonds of the pocket behind or before the ligand; those before it are paler."""
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    pairs = np.argwhere(np.triu(apart < _BONDED, 1))
    pale = 0.8 if layer == 1 else 0.35
    axes.add_collection(LineCollection(list(places[pairs, :2]), colors=GREY, linewidths=1, alpha=pale, zorder=layer))
