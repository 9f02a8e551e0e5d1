"""AutoDock Vina in this process: one receptor, its maps computed once, one ligand after the other.

Nothing of the rest of the library is imported, so that a worker process holds AutoDock and RDKit alone.
"""

import importlib.util
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from svdd.domains.molecule.docking.ligands import NO_TYPE, Undockable, ligand
from svdd.domains.molecule.docking.receptors import Receptor
from svdd.scoring.reward import Invalid

OLDEST = (1, 2, 7)
"""Releases before it count the unbound energy wrongly: 2 kcal/mol and the order of molecules change with the seed."""
NEEDED = ("vina", "meeko", "rdkit", "scipy", "gemmi")
_POSES = 9
_RANGE = 3.0  # kcal/mol above the best
_TRUSTED = 0.5  # kcal/mol between the internal energy of the pose that is reported and the one it is compared with


@dataclass(frozen=True)
class Search:
    """How hard to look.

    Args:
        exhaustiveness: independent runs of the search, whose best pose counts.
        seed: of the search and of the conformer.
        max_torsions: rotatable bonds that a molecule may have.

    Raises:
        ValueError: for an exhaustiveness below 1, and a negative seed or number of bonds.
    """

    exhaustiveness: int = 1
    seed: int = 0
    max_torsions: int = 20

    def __post_init__(self) -> None:
        for name, least in (("exhaustiveness", 1), ("seed", 0), ("max_torsions", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is a whole number from {least} on, got {value!r}")


@dataclass(frozen=True)
class Pose:
    """How a ligand fits best.

    Args:
        score: predicted binding free energy, kcal/mol.
        pdbqt: the ligand where it was put.
    """

    score: float
    pdbqt: str


def check_installed() -> str:
    """The version of AutoDock Vina.

    Raises:
        ImportError: if a package is missing, or AutoDock Vina is too old.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f'docking needs {missing[0]}, which is not installed: pip install "svdd[docking]"')
    try:
        found = version("vina")
    except PackageNotFoundError:  # built by hand or by a distribution
        import vina

        found = str(vina.__version__)
    wanted = ".".join(map(str, OLDEST))
    if tuple(int(part) for part in found.split(".")[:3] if part.isdigit()) < OLDEST:
        raise ImportError(
            f'AutoDock Vina {found} reports wrong energies, docking needs {wanted} or later: pip install "vina>={wanted}"'
        )
    return found


class AutoDock:
    """A receptor with its maps.

    Args:
        receptor: where to dock.
        search: how hard to look.

    Raises:
        ImportError: without AutoDock Vina or Meeko.
        ValueError: if AutoDock cannot read the receptor.

    Cost:
        a second or two, once.
    """

    def __init__(self, receptor: Receptor, search: Search) -> None:
        check_installed()
        from vina import Vina

        self.search = search
        # seed 0 asks AutoDock for a random one
        self._vina = Vina(sf_name="vina", cpu=1, seed=search.seed + 1, verbosity=0)
        file, path = tempfile.mkstemp(prefix="svdd-", suffix=".pdbqt")
        try:
            with os.fdopen(file, "w", encoding="utf-8") as written:
                written.write(receptor.text)
            self._vina.set_receptor(path)
            self._vina.compute_vina_maps(list(receptor.center), list(receptor.size))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"AutoDock cannot read the receptor {receptor.name}: {_reason(error)}") from error
        finally:
            Path(path).unlink()

    def dock(self, smiles: str) -> Pose:
        """The best pose of a molecule.

        Args:
            smiles: canonical.

        Raises:
            Undockable: if it cannot be prepared, has an atom that AutoDock has no type for, or fits nowhere.
        """
        prepared = ligand(smiles, self.search.seed, self.search.max_torsions)
        try:
            self._vina.set_ligand_from_string(prepared)
        except TypeError as error:
            raise Undockable(NO_TYPE) from error
        self._vina.dock(exhaustiveness=self.search.exhaustiveness, n_poses=_POSES)
        return _best(self._vina.energies(_POSES, _RANGE), self._vina.poses(_POSES, _RANGE))


def _reason(error: Exception) -> str:
    """What AutoDock said, without what the binding to Python adds."""
    said = " ".join(str(error).split())
    for binding in ("Additional information:", "Wrong number or type of arguments"):
        said = said.partition(binding)[0]
    return said[:200].strip() or "it gives no reason"


def _best(energies: Any, poses: str) -> Pose:
    """The lowest of all poses, which AutoDock does not always name first.

    Raises:
        Undockable: if there is no pose, or its energy cannot be trusted.
    """
    rows = [[float(one) for one in row] for row in energies]
    if not rows:
        raise Undockable("no pose in the box")
    best = min(range(len(rows)), key=lambda row: rows[row][0])
    score, _, inside, _, unbound = rows[best]
    if not math.isfinite(score):
        raise Undockable("no finite energy")
    if abs(inside - unbound) > _TRUSTED:
        raise Undockable("an internal energy that is not the unbound one")
    return Pose(score, "MODEL" + poses.split("MODEL")[best + 1])


@dataclass(frozen=True)
class Request:
    """A molecule whose pose is wanted too.

    Args:
        smiles: canonical.
        path: where to write the pose.
    """

    smiles: str
    path: str


class Docker:
    """Docks whatever it is asked for; a copy in another process computes its maps when it arrives there."""

    def __init__(self, receptor: Receptor, search: Search) -> None:
        self.receptor, self.search = receptor, search
        self._autodock: AutoDock | None = None

    def __reduce__(self) -> Any:
        return _arrived, (self.receptor, self.search)

    def start(self) -> AutoDock:
        """AutoDock, started once, with all that a first ligand would have to wait for."""
        if self._autodock is None:
            self._autodock = AutoDock(self.receptor, self.search)
            ligand("C")
        return self._autodock

    def __call__(self, asked: Sequence[str | Request]) -> list[float]:
        """Scores in kcal/mol, lower is better; `Invalid` for a molecule that cannot be docked."""
        return [self._one(one) for one in asked]

    def _one(self, asked: str | Request) -> float:
        smiles = asked if isinstance(asked, str) else asked.smiles
        try:
            pose = self.start().dock(smiles)
        except Undockable as error:
            return Invalid(str(error))
        if isinstance(asked, Request):
            Path(asked.path).write_text(pose.pdbqt, encoding="utf-8")
        return pose.score


def _arrived(receptor: Receptor, search: Search) -> Docker:
    docker = Docker(receptor, search)
    docker.start()
    return docker


def tried_out() -> str:
    """The version of AutoDock Vina, after a docking of a second or two.

    Raises:
        ImportError: if a package is missing or too old.
        ValueError: if it does not dock.
    """
    found = check_installed()
    atom = "ATOM      1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00    -0.411 OA\n"
    AutoDock(Receptor("water", atom, (0.0, 0.0, 0.0), (8.0, 8.0, 8.0)), Search()).dock("CO")
    return found
