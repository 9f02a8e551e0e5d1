"""What is added to a finished run of proteins: its best designs on their backbone, and as a network folds them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.decoding.result import Result
from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone
from svdd.domains.protein.inverse_folding.designs import BackboneKind, best_rows, placed
from svdd.domains.protein.structures import FOLDED, Structures, structures_of
from svdd.messages import described
from svdd.metrics.kit import Figure, Finish, Widget
from svdd.scoring.reward import able

TURNED = 3
"""Designs on their backbone that the viewer holds."""
_CHANGED = "What the best design changes of the letters of the structure (left), and how often the designs change each (right)."
_PREDICTED = "The best designs as the folding network predicts them, coloured by its confidence in each residue."
_NO_VIEWER = ' To turn it here: pip install "svdd[viewer]"; {file} opens in any other viewer.'


class NoStructuresWarning(UserWarning):
    """The best designs could not be folded; the designs are safe."""


@dataclass(frozen=True)
class StructureFinish(Finish):
    """The structures of a run in its report.

    Args:
        result: the run.
        folded: predicted structures of its best designs; None where no reward folds.
    """

    result: Result
    folded: Structures | None = None

    def figures(self) -> list[Figure]:
        """The best designs as they are predicted to fold."""
        if self.folded is None:
            return []
        from svdd.domains.protein.figures.panels import folded_drawing
        from svdd.report.figures import figure

        return figure("Predicted structures", _said(_PREDICTED, "folded.pdb"), folded_drawing(self.folded), "broad")

    def widgets(self) -> list[Widget]:
        """The structures to be turned, where the viewer is installed."""
        from svdd.domains.protein.figures.panels import structure_scene
        from svdd.report.viewer import viewer

        scene = structure_scene(_placed(self.result), self.folded)
        return viewer(scene) if scene.texts else []


def change_figures(result: Result) -> list[Figure]:
    """What designs change of their backbone, where that is known."""
    structure = structure_of(result)
    if structure is None:
        return []
    from svdd.domains.protein.figures.panels import change_drawing
    from svdd.report.figures import figure

    return figure("Structure", _said(_CHANGED, "structures.pdb"), change_drawing(structure, result), "broad")


def finish_with_structures(result: Result, reward: Any, folder: Path, tell: Callable[[str], None]) -> Finish:
    """Asks a reward that folds sequences for the structures of the best designs; what fails is a warning.

    Arguments as `svdd.metrics.kit.Kit.finish`.
    """
    if able(reward, "structures") is not None:  # it may take minutes, when all bars are full
        tell(f"folding the {min(FOLDED, len(set(result.samples)))} best designs")
    try:
        folded = structures_of(result, reward)
        _check_drawable(folded)
    except Exception as error:  # a finished run is not lost to a picture of it
        warnings.warn(f"no structures of the designs, {described(error)}", NoStructuresWarning, stacklevel=3)
        folded = None
    if folded is not None:
        folded.save(folder / "folded.pdb")
    return StructureFinish(result, folded)


def _check_drawable(folded: Structures | None) -> None:
    from svdd.domains.protein.figures.traces import trace_of

    for text in folded.pdb if folded else ():
        trace_of(text)


def structure_of(result: Result) -> DesignedBackbone | None:
    """The backbone that designs are for; None where there is none, or only its name is known."""
    return result.kind.structure if isinstance(result.kind, BackboneKind) else None


def _placed(result: Result) -> Structures:
    """The best designs on their backbone."""
    structure = structure_of(result)
    if structure is None:
        return Structures([], [], [], {"reward": []})
    rows = best_rows(result.samples, result.rewards.tolist(), TURNED)
    designs, rewards = [result.samples[row] for row in rows], [float(result.rewards[row]) for row in rows]
    texts = [placed(structure, design) for design in designs]
    return Structures([result.ids[row] for row in rows], designs, texts, {"reward": rewards})


def _said(words: str, file: str) -> str:
    from svdd.report.viewer import has_viewer

    return words if has_viewer() else words + _NO_VIEWER.format(file=file)
