"""Files of receptors: looked at for what docking needs, and without what AutoDock would not read.

AutoDock takes a PDBQT for its columns: where elements stand in the place of its types, or hydrogens are missing, it docks
without a single hydrogen bond and says nothing.
"""

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from svdd.domains.molecule.docking.boxes import Point
from svdd.domains.molecule.docking.boxes import centre as centre
from svdd.domains.molecule.docking.boxes import shown as shown
from svdd.messages import check
from svdd.user_texts import lines_of_file

ENDINGS = (".pdbqt", ".pdbqt.gz")
_NAMES = (
    "C A N NA O OA P S SA H HD F Cl Br I Si Se At Mg Mn Zn Ca Fe Cu Na K Hg Co U Cd Ni W "
    "G0 G1 G2 G3 CG0 CG1 CG2 CG3"
)  # fmt: skip
TYPES = frozenset(_NAMES.split())
"""What AutoDock Vina knows as types of atoms; case counts."""
_KEPT = ("REMARK", "WARNING", "TER", "END", "ATOM  ", "HETATM")
_RECORDS = (
    "HEADER TITLE COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT JRNL SPLIT CAVEAT OBSLTE SPRSDE DBREF DBREF1 "
    "DBREF2 SEQADV SEQRES MODRES HET HETNAM HETSYN FORMUL HELIX SHEET TURN SSBOND LINK CISPEP SITE CRYST1 ORIGX1 ORIGX2 "
    "ORIGX3 SCALE1 SCALE2 SCALE3 MTRIX1 MTRIX2 MTRIX3 TVECT ANISOU SIGATM SIGUIJ CONECT MASTER MODEL ENDMDL USER"
)
_LEFT_OUT = frozenset(_RECORDS.split())
"""Records of a PDB that say nothing to docking."""
_SMALL = 8  # heavy atoms; of fewer nothing is concluded
_WATERS = 20  # a structure's own water that nobody took out; a few may be meant to stay
_LIGAND, _NEAR = 6, 3.0  # heavy atoms of a molecule, and Angstrom from the middle of the box
_RIGID = "; if it is the protein, write it again as rigid: mk_prepare_receptor.py does, and Open Babel with -xr"
_PREPARE = "mk_prepare_receptor.py --read_pdb FILE.pdb -o NAME -p writes NAME.pdbqt from a structure with its hydrogens"
_PROTEINS = (".pdb", ".ent", ".cif", ".mmcif", ".pqr", ".gro")
_MOLECULES = (".sdf", ".sd", ".mol", ".mol2", ".smi", ".smiles", ".xyz")
_MAPS = (".map", ".fld", ".gpf", ".glg")


class ReceptorWarning(UserWarning):
    """A receptor is docked into as it is, though it may not be what was meant."""


def receptor_text(path: Path) -> str:
    """The text of a receptor's file, as AutoDock reads it: a prepared file as it is.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is something else, or not prepared for docking.
    """
    lines = [line if line.strip() else "" for line in lines_of_file(path)]
    check(any(lines), f"{path} is no receptor in PDBQT: it is empty")
    _check_rigid(lines, path)
    kept = [line for line in lines if line[:6].strip() not in _LEFT_OUT]
    places = [_place(number, line, path) for number, line in enumerate(lines, 1) if _is_atom(line)]
    odd = next((line for line in kept if line and not line.startswith(_KEPT)), None)
    said = "" if odd is None else f": {odd.strip()[:30]!r} in line {lines.index(odd) + 1} is no atom and no remark"
    check(places, f"{path} is no receptor in PDBQT: it has no lines of atoms with three coordinates{said}")
    check(odd is None, f"{path} is no receptor in PDBQT{said}")
    check(len(places) == 1 or len(set(places)) > 1, f"{path} has all of its {len(places)} atoms at {shown(places[0])}")
    _check_types(lines, path)
    _check_residues(lines, path)
    _warn_of_few_hydrogens([line for line in lines if _is_atom(line)], path)
    return "\n".join(kept)


def atoms(text: str) -> list[Point]:
    """Positions of the atoms of a receptor's text, Angstrom."""
    lines = text.split("\n")
    return [(float(line[30:38]), float(line[38:46]), float(line[46:54])) for line in lines if _is_atom(line)]


def check_prepared(name: str) -> None:
    """Says of a file that is no PDBQT how to make one of it, or what it is instead.

    Raises:
        FileNotFoundError: for the name of a file that is not there.
        ValueError: for a file; a name that is none passes.
    """
    ending = Path(name.lower().removesuffix(".gz")).suffix
    check(not Path(name).is_dir(), f"the receptor {name} is a folder; name the .pdbqt file in it")
    if not Path(name).is_file():
        if ending in (*_PROTEINS, *_MOLECULES, *_MAPS) or ".pdbqt" in Path(name).name.lower():
            raise FileNotFoundError(f"there is no receptor {name}")
        return
    if ".pdbqt" in Path(name).name.lower():
        raise ValueError(f"{name} is packed or renamed: a receptor is a file that ends in {' or '.join(ENDINGS)}")
    if ending in _MOLECULES:
        raise ValueError(
            f"{name} is a file of small molecules, and a receptor is what they are docked into: a protein as .pdbqt; {_PREPARE}"
        )
    if ending in _MAPS:
        raise ValueError(
            f"{name} belongs to maps of AutoGrid; give the receptor itself, as .pdbqt: its maps are made here"
        )
    first = f"save it as PDB with its hydrogens, then {_PREPARE}"
    how = f"mk_prepare_receptor.py --read_pdb {name} -o NAME -p writes NAME.pdbqt, if it has its hydrogens"
    raise ValueError(f"{name} is not prepared for docking: {how if ending in ('.pdb', '.ent') else first}")


def _is_atom(line: str) -> bool:
    return line.startswith(("ATOM  ", "HETATM"))


def _check_rigid(lines: Sequence[str], path: Path) -> None:
    words = Counter(line.split()[0] for line in lines if line)
    check(
        not words["BEGIN_RES"],
        f"{path} holds flexible residues, and receptors are rigid here: give the file of the rigid part alone",
    )
    torsions = words["ROOT"] or words["BRANCH"] or words["TORSDOF"]
    check(not torsions, f"{path} is a ligand, with torsions, and no rigid receptor{_RIGID}")
    models = max(words["MODEL"], words["ENDMDL"])
    check(models < 2, f"{path} holds {models} models, and a rigid receptor is one: keep one of them")


def _place(number: int, line: str, path: Path) -> Point:
    try:
        x, y, z = float(line[30:38]), float(line[38:46]), float(line[46:54])
    except ValueError:
        x, y, z = math.nan, math.nan, math.nan
    if not all(map(math.isfinite, (x, y, z))):
        raise ValueError(
            f"{path} is no receptor in PDBQT: it has no lines of atoms with three coordinates in columns 31 to 54 at line "
            f"{number}, {line[:54].strip()!r}"
        )
    return x, y, z


def _check_types(lines: Sequence[str], path: Path) -> None:
    """Looks whether atoms have the types of AutoDock, and polar hydrogens are there."""
    found = {number: line[77:].strip() for number, line in enumerate(lines, 1) if _is_atom(line)}
    kinds = Counter(found.values())
    polar = [kind for kind in kinds if kind[:1] in ("N", "O") and kind.upper() in ("N", "NA", "O", "OA")]
    heavy = sum(count for kind, count in kinds.items() if kind not in ("H", "HD"))
    named = sum(line[12:14].strip() in ("N", "O") for line in lines if _is_atom(line))
    missing = ""
    if not any(found.values()):
        missing = "its atoms have no types (columns 78 and 79), as of a PDB that was renamed"
    elif kinds["O"] and not kinds["OA"]:
        missing = f"its {kinds['O']} oxygens have no type of AutoDock (OA), as of a PDB that was renamed"
    elif heavy >= _SMALL and named and not polar:
        missing = f"{named} of its atoms are nitrogens and oxygens by name, and none by type (N, NA, OA)"
    elif polar and heavy >= _SMALL and not kinds["HD"]:
        missing = "it has no polar hydrogens (type HD)"
    check(not missing, f"{path} is not prepared for docking: {missing}, so no hydrogen bond would count; {_PREPARE}")
    for number, kind in found.items():
        if kind not in TYPES:
            near = f", but {kind.capitalize()}" if kind.capitalize() in TYPES else ""
            raise ValueError(
                f"AutoDock cannot read the receptor {path}: line {number} has the atom type {kind!r}, which it does not "
                f"know{near}"
            )


def _warn_of_few_hydrogens(lines: Sequence[str], path: Path) -> None:
    """Warns of a protein of which a part was left without hydrogens: each residue but proline has one at its nitrogen."""
    residues = sum(line[12:16].strip() == "N" and line[17:20] != "PRO" for line in lines)
    polar = sum(line[77:].strip() == "HD" for line in lines)
    if residues >= _SMALL and polar < residues / 2:
        warnings.warn(
            f"{path} has {polar} polar hydrogens (type HD) for {residues} residues, so most hydrogen bonds would not count; "
            f"{_PREPARE}",
            ReceptorWarning,
            stacklevel=4,
        )


def warn_of_ligand(name: str, text: str, center: Point) -> None:
    """Warns of a molecule in the middle of the box, where the ligand of a structure is if nobody took it out."""
    groups = dict[str, list[Point]]()
    for line in text.split("\n"):
        if line.startswith("HETATM") and line[77:].strip() not in ("H", "HD"):
            groups.setdefault(line[17:27], []).extend(atoms(line))
    for title, places in groups.items():
        if len(places) >= _LIGAND and math.dist(centre(places), center) < _NEAR:
            warnings.warn(
                f"the receptor {name} holds {' '.join(title.split())}, {len(places)} heavy atoms in the middle of the box: "
                "if it is the ligand of the structure, take it out, as nothing can be docked where it is",
                ReceptorWarning,
                stacklevel=3,
            )


def _check_residues(lines: Sequence[str], path: Path) -> None:
    """Looks for atoms at two places, and for water that nobody took out."""
    kept = [line for line in lines if _is_atom(line)]
    places = dict[str, set[str]]()
    for line in kept:
        places.setdefault(line[12:16] + line[17:27], set()).add(line[16])
    for name, letters in places.items():
        if len(letters) > 1:
            raise ValueError(
                f"{path} has the atom {' '.join(name.split())} at {len(letters)} places (alternate locations "
                f"{', '.join(sorted(letters))}), which would all be docked into: keep one of each"
            )
    twice = [line for line, count in Counter(line[12:54] for line in kept).items() if count > 1]
    if twice:
        raise ValueError(
            f"{path} has {len(twice)} of its {len(kept)} atoms twice, as when a file is written behind itself, and each would "
            f"count twice; the first is {' '.join(twice[0][:15].split())}"
        )
    waters = len({line[17:27] for line in kept if line[17:20] in ("HOH", "WAT", "DOD", "H2O")})
    if waters >= _WATERS:
        warnings.warn(
            f"{path} holds {waters} waters, which are walls to a ligand: take out those that a ligand may displace",
            ReceptorWarning,
            stacklevel=2,
        )
