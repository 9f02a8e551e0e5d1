"""Receptors: where a molecule is docked, by name or from a file, with the box that is searched.

Nothing is bundled: a named receptor is a file in a folder of the user's, or comes with the package `dockstring`.
"""

import hashlib
import importlib.util
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from svdd.messages import check, check_known, unknown
from svdd.user_files import text_of_file

Point = tuple[float, float, float]
ENDINGS = (".pdbqt", ".pdbqt.gz")
FOLDER_VARIABLE = "SVDD_RECEPTORS"
PREPARED = "dockstring"


@dataclass(frozen=True)
class Target:
    """A published docking task: the box (Angstrom) and the score below which a molecule counts as a hit (kcal/mol)."""

    center: Point
    size: Point
    threshold: float


TARGETS: dict[str, Target] = {
    "parp1": Target((26.413, 11.282, 27.238), (18.521, 17.479, 19.995), -10.0),
    "fa7": Target((10.131, 41.879, 32.097), (20.673, 20.198, 21.362), -8.5),
    "5ht1b": Target((-26.602, 5.277, 17.898), (22.5, 22.5, 22.5), -8.7845),
    "braf": Target((84.194, 6.949, -7.081), (22.032, 19.211, 14.106), -10.3),
    "jak2": Target((114.758, 65.496, 11.345), (19.033, 17.929, 20.283), -9.1),
}
"""The five targets of Lee, Jo & Hwang, MOOD, arXiv 2206.07632 (boxes and thresholds as in its code)."""


@dataclass(frozen=True)
class Receptor:
    """A rigid receptor and the box that is searched.

    Args:
        name: what it is called.
        text: PDBQT.
        center: of the box, Angstrom.
        size: edges of the box, Angstrom.
    """

    name: str
    text: str
    center: Point
    size: Point

    @cached_property
    def identity(self) -> str:
        """A hash of the atoms and the box, whatever the receptor is called."""
        return hashlib.sha256(repr((self.text, self.center, self.size)).encode()).hexdigest()[:32]


def receptors_folder(given: str | Path | None = None) -> Path:
    """Where named receptors are looked for: as given, $SVDD_RECEPTORS, or ~/.local/share/svdd/receptors."""
    return Path(given or os.environ.get(FOLDER_VARIABLE) or "~/.local/share/svdd/receptors").expanduser()


def receptor_file(name: str, folder: Path) -> Path | None:
    """The file of a named receptor in a folder, None where there is none."""
    return next((path for ending in ENDINGS if (path := folder / f"{name}{ending}").is_file()), None)


def is_receptor_file(name: str) -> bool:
    """Whether the name of a receptor is that of a file."""
    return name.endswith(ENDINGS)


def find_receptor(
    name: str | Path,
    center: Sequence[float | int] | None = None,
    size: Sequence[float | int] | None = None,
    folder: str | Path | None = None,
) -> Receptor:
    """A receptor with its box.

    Args:
        name: a name of `TARGETS`, `dockstring:EGFR`, or a .pdbqt or .pdbqt.gz file.
        center: of the box, Angstrom; a file needs it, the others have their own.
        size: its edges, Angstrom; likewise.
        folder: where the files of `TARGETS` are; see `receptors_folder`.

    Raises:
        ValueError: for an unknown name, a file that is no receptor, a box that is missing or holds no atom.
        FileNotFoundError: if there is no such file.
        ImportError: if the package `dockstring` is asked for and not installed.
    """
    text, box = _read(str(name), receptors_folder(folder))
    if box is not None:
        center, size = box[0] if center is None else center, box[1] if size is None else size
    if center is None or size is None:
        raise ValueError(
            f"the receptor {name} needs a box: give its center and its size, three numbers in Angstrom each "
            f"(the receptor's own centre is {_shown(_centre(_atoms(text)))})"
        )
    made = Receptor(str(name), text, _point("center", center), _point("size", size))
    _check_box(made)
    return made


def _read(name: str, folder: Path) -> tuple[str, tuple[Point, Point] | None]:
    """The text of a receptor, and its box if it is known."""
    if name in TARGETS:
        path = receptor_file(name, folder)
        if path is None:
            raise FileNotFoundError(
                f"there is no {name}.pdbqt or {name}.pdbqt.gz in {folder}: put it there, or name its folder with "
                f"{FOLDER_VARIABLE} or receptors=... (github.com/SeulLee05/MOOD has the five published ones)"
            )
        return _text(path), (TARGETS[name].center, TARGETS[name].size)
    if name.startswith(f"{PREPARED}:"):
        return _prepared(name.partition(":")[2])
    if is_receptor_file(name):
        if not Path(name).is_file():
            raise FileNotFoundError(f"there is no receptor {name}")
        return _text(Path(name)), None
    if Path(name).is_file():
        raise ValueError(
            f"{name} is not prepared for docking: mk_prepare_receptor.py --read_pdb {name} -o NAME -p writes NAME.pdbqt"
        )
    raise ValueError(f"{unknown('receptor', name, TARGETS)} (or give {PREPARED}:NAME, or a .pdbqt file with its box)")


def prepared_targets() -> dict[str, Path]:
    """The receptors that the package `dockstring` brings.

    Raises:
        ImportError: if it is not installed.
    """
    found = importlib.util.find_spec(PREPARED)  # its data alone: importing it would bring a docking program of its own
    if found is None or not found.submodule_search_locations:
        raise ImportError(f'{PREPARED}:NAME needs dockstring, which is not installed: pip install "svdd[docking]"')
    folder = Path(found.submodule_search_locations[0]) / "resources" / "targets"
    return {path.name.removesuffix("_target.pdbqt"): path for path in sorted(folder.glob("*_target.pdbqt"))}


def _prepared(name: str) -> tuple[str, tuple[Point, Point]]:
    known = prepared_targets()
    check_known(f"receptor of {PREPARED}", name, known)
    lines = known[name].with_name(f"{name}_conf.txt").read_text(encoding="utf-8").splitlines()
    box = {key.strip(): float(value) for key, equals, value in (line.partition("=") for line in lines) if equals}
    center, size = ((box[f"{what}_x"], box[f"{what}_y"], box[f"{what}_z"]) for what in ("center", "size"))
    return _text(known[name]), (center, size)


def _text(path: Path) -> str:
    """The text of a receptor's file.

    Raises:
        ValueError: if it is something else.
    """
    text = text_of_file(path)
    check("ROOT" not in text.splitlines(), f"{path} is a ligand, with torsions, and no rigid receptor")
    check(_atoms(text), f"{path} is no receptor in PDBQT: it has no lines of atoms with three coordinates")
    return text


def _atoms(text: str) -> list[Point]:
    """Positions of a PDBQT's atoms, which have their columns; none if a line is something else."""
    lines = [line for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]
    try:
        return [(float(line[30:38]), float(line[38:46]), float(line[46:54])) for line in lines]
    except ValueError:
        return []


def _point(name: str, given: Sequence[float | int]) -> Point:
    wrong = ValueError(f"{name} is three finite numbers in Angstrom{', above 0' * (name == 'size')}, got {given!r}")
    try:
        x, y, z = (float(one) for one in given)
    except (TypeError, ValueError):
        raise wrong from None
    if not all(map(math.isfinite, (x, y, z))) or (name == "size" and min(x, y, z) <= 0):
        raise wrong
    return x, y, z


def _check_box(receptor: Receptor) -> None:
    atoms, center = _atoms(receptor.text), receptor.center
    half = [edge / 2 for edge in receptor.size]
    if any(all(abs(a - c) <= h for a, c, h in zip(atom, center, half, strict=True)) for atom in atoms):
        return
    nearest = min(math.dist(atom, center) for atom in atoms)
    raise ValueError(
        f"the box round {_shown(center)} holds no atom of the receptor {receptor.name}: the nearest is {nearest:.1f} "
        f"Angstrom from its centre, and the receptor's own centre is {_shown(_centre(atoms))}"
    )


def _centre(atoms: Sequence[Point]) -> Point:
    x, y, z = (sum(along) / len(atoms) for along in zip(*atoms, strict=True))
    return x, y, z


def _shown(point: Point) -> str:
    return "({:.1f}, {:.1f}, {:.1f})".format(*point)
