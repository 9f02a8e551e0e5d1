"""Receptors: where a molecule is docked, by name or from a file, with the box that is searched.

Nothing is bundled: a named receptor is a file in a folder of the user's, or comes with the package `dockstring`.
"""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from svdd.domains.molecule.docking.boxes import Point, check_box, point, warn_of_width
from svdd.domains.molecule.docking.receptor_files import (
    ENDINGS,
    atoms,
    centre,
    check_prepared,
    receptor_text,
    shown,
    warn_of_ligand,
)
from svdd.messages import check_known, unknown
from svdd.user_texts import lines_of_file

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
    """The file of a named receptor in a folder, its ending in any case; None where there is none."""
    files = {path.name.lower(): path for path in sorted(folder.glob("*"), reverse=True) if path.is_file()}
    return next((files[f"{name}{ending}"] for ending in ENDINGS if f"{name}{ending}" in files), None)


def is_receptor_file(name: str) -> bool:
    """Whether the name of a receptor is that of a file."""
    return name.lower().endswith(ENDINGS)


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
        ValueError: for an unknown name, a file that is no receptor or not prepared, a box that is missing, too large or too
            small, or holds no atom.
        FileNotFoundError: if there is no such file.
        ImportError: if the package `dockstring` is asked for and not installed.
    """
    text, box = _read(str(name), receptors_folder(folder))
    chosen = size is not None
    if box is not None:
        center, size = box[0] if center is None else center, box[1] if size is None else size
    if center is None or size is None:
        raise ValueError(
            f"the receptor {name} needs a box: give its center and its size, three numbers in Angstrom each "
            f"(the receptor's own centre is {shown(centre(atoms(text)))})"
        )
    made = Receptor(str(name), text, point("center", center), point("size", size))
    check_box(made.name, atoms(text), made.center, made.size)
    if chosen:  # boxes that come with a receptor are as published
        warn_of_width(made.size)
    if box is None:
        warn_of_ligand(made.name, text, made.center)
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
        return receptor_text(path), (TARGETS[name].center, TARGETS[name].size)
    if name.startswith(f"{PREPARED}:"):
        return _prepared(name.partition(":")[2])
    if is_receptor_file(name):
        if not Path(name).is_file():
            raise FileNotFoundError(f"there is no receptor {name}")
        return receptor_text(Path(name)), None
    check_prepared(name)
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
    lines = lines_of_file(known[name].with_name(f"{name}_conf.txt"))
    box = {key.strip(): float(value) for key, equals, value in (line.partition("=") for line in lines) if equals}
    center, size = ((box[f"{what}_x"], box[f"{what}_y"], box[f"{what}_z"]) for what in ("center", "size"))
    return receptor_text(known[name]), (center, size)
