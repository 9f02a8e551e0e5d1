"""What molecules hand in to evaluations and reports."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from svdd.chain.designs import DesignKind
from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.domains.molecule.chemistry import parsed
from svdd.domains.molecule.designs import MoleculeKind
from svdd.domains.molecule.lists import read_molecules, warn_of_left_out
from svdd.domains.molecule.measures.measures import COLUMNS, MoleculeView, measured_molecules
from svdd.domains.molecule.measures.reference import MoleculeReference, of_molecule_model
from svdd.domains.molecule.poses import POSED, Poses, poses_of
from svdd.messages import described
from svdd.metrics.kit import Figure, Finish, Gallery, Kit, Widget
from svdd.metrics.measures import Chunks, Designs
from svdd.scoring.reward import Reward, able

_POSES = (
    "The best designs where they were docked (thick, green) and the residues within 5 Angstrom (grey), from two sides."
)
_NO_VIEWER = ' To turn them here: pip install "svdd[viewer]"; poses.sdf opens in any other viewer.'


class NoPosesWarning(UserWarning):
    """The best designs could not be posed in their receptor; the designs are safe."""


class MoleculeKit(Kit):
    """Molecules."""

    designs = "molecules"
    columns = COLUMNS
    view = MoleculeView

    def kind(self, facts: Mapping[str, Any]) -> DesignKind:
        """Of molecules."""
        return MoleculeKind()

    def measured(
        self, result: Result, process: Process, judge: Reward | None, judged: str, chunks: Chunks | None = None
    ) -> Designs:
        """With the likelihood bound of the bundled model."""
        return measured_molecules(result, process, judge, judged, chunks)

    def reference(self, model: str, reward: str) -> MoleculeReference | None:
        """The statistics of known molecules that came with the model."""
        return of_molecule_model(model)

    def reference_of(self, path: Path, kind: DesignKind) -> MoleculeReference:
        """The molecules of a file."""
        molecules = read_molecules(path)
        made = MoleculeReference.of(molecules, path.name)
        if made.count < len(molecules):
            warn_of_left_out(path.name, [text for text in molecules if parsed(text) is None], len(molecules))
        return made

    def charts(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """How properties are distributed; nothing without RDKit."""
        if not find_spec("rdkit"):
            return []
        from svdd.domains.molecule.figures.properties import property_histograms
        from svdd.report.figures import figure

        drawn, names = property_histograms(result, baselines)
        return figure("Properties", f"Shares of {', '.join(names)} at each value.", drawn)

    def gallery(self, result: Result) -> Gallery | None:
        """The best molecules, drawn; None without RDKit."""
        if not find_spec("rdkit"):
            return None
        from svdd.domains.molecule.figures.drawings import best_drawn

        return Gallery("Best molecules", best_drawn(result))

    def finish(self, result: Result, reward: Any, folder: Path, tell: Callable[[str], None]) -> Finish:
        """Asks a docking reward how the best designs sit in their receptor; what fails is a warning."""
        if able(reward, "poses") is not None:  # it may take minutes, when all bars are full
            tell(f"asking for the poses of the {min(POSED, len(set(result.samples)))} best designs")
        try:
            poses = poses_of(result, reward)
        except Exception as error:  # a finished run is not lost to a picture of it
            warnings.warn(f"no poses of the designs, {described(error)}", NoPosesWarning, stacklevel=2)
            return Finish()
        if poses is None:
            return Finish()
        poses.save(folder / "poses.sdf")
        return PosedFinish(poses)


@dataclass(frozen=True)
class PosedFinish(Finish):
    """The poses of a run in its report."""

    poses: Poses

    def figures(self) -> list[Figure]:
        """The poses from two sides."""
        from svdd.domains.molecule.figures.poses import pose_drawing
        from svdd.report.figures import figure
        from svdd.report.viewer import has_viewer

        return figure("Poses", _POSES + ("" if has_viewer() else _NO_VIEWER), pose_drawing(self.poses), "broad")

    def widgets(self) -> list[Widget]:
        """The poses in three dimensions, where the viewer is installed."""
        from svdd.domains.molecule.figures.viewer import pose_scene
        from svdd.report.viewer import viewer

        return viewer(pose_scene(self.poses))


KIT = MoleculeKit()
