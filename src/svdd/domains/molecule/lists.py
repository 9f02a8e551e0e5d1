"""Lists of molecules that users give: SMILES on lines or in a column of a table, and SDF."""

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from svdd.domains.molecule.chemistry import chem, read
from svdd.messages import check
from svdd.user_texts import lines_of_file

_SDF = (".sdf", ".sd", ".mol")
_TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
ENDINGS = (".smi", ".smiles", ".ism", ".can", ".txt", *_TABLES, *_SDF)
"""Of files of molecules, before `.gz`, in any case."""
_SHEETS = "save the sheet as CSV with a column smiles"
_FRAMES = "write its SMILES as CSV with a column smiles"
_PLACES = "it does not say the bonds of small molecules: save the molecules as SDF or as SMILES"
_HOW = (
    "write the molecules as SMILES, one a line, into a file that ends in .smi, or as a table with a column smiles into one "
    "that ends in .csv or .tsv"
)
_OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _SHEETS),
    **dict.fromkeys((".parquet", ".feather", ".pkl", ".npy", ".json", ".jsonl", ".yaml", ".db", ".h5"), _FRAMES),
    **dict.fromkeys((".pdb", ".pdbqt", ".xyz", ".cif"), _PLACES),
    **dict.fromkeys((".mol2", ".mae", ".cdx", ".cdxml", ".rdf"), "save the molecules as SDF or as SMILES"),
    **dict.fromkeys((".inchi", ".selfies", ".fasta", ".fa", ".sma", ".smarts"), "write the molecules as SMILES"),
    **dict.fromkeys((".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz"), "unpack it and name the file in it"),
}
"""What to do about files of other kinds, which people have molecules in too."""
_COLUMNS = ("sample", "mol", "molecule", "structure", "smi")
_ABOUT = re.compile(r"(?<![a-z ])(len|length|count|hash|id|valid|source|type|n|num|is)(?![a-z])")
"""Words in the titles of columns that may say something of SMILES and not hold them: taken last."""
_SEPARATORS = ",;\t|"
_COMMENT = re.compile(r"^#(?![,;\t|]) *")  # a column may be titled #
_HASHED = re.compile(r"#\s*(canonical_)?smiles(\s*[,;\t|].*|\s+\w+)?\s*$", re.IGNORECASE)
"""Titles behind a sign of comments, and no comment."""
_FOREIGN = {
    "InChI": re.compile(r"InChI=|[A-Z]{14}-[A-Z]{10}-[A-Z]$"),
    "SELFIES": re.compile(r"(\[[=#]?(?:Br|Cl|[BCNOPSFI]|Branch\d|Ring\d)(?:@*H\d)?\]){2,}$"),
    "FASTA": re.compile(">"),
    "JSON": re.compile(r"[{]|\[[{\"']"),
    "MOL2": re.compile("@<TRIPOS>"),
    "PDB": re.compile("(HEADER|ATOM|HETATM|REMARK|COMPND|CRYST1)$"),
}
"""What lists of something else begin with."""


class LeftOutWarning(UserWarning):
    """Some of what a user gave is no molecule, and is left out."""


def is_molecule_file(text: str) -> bool:
    """Whether a text is the name of a file of molecules, also of one that is not read, and no SMILES."""
    return text.lower().removesuffix(".gz").endswith((*ENDINGS, *_OTHERS))


def read_molecules(path: Path) -> list[str]:
    """The SMILES of a file: the first word of every line, a column of a table, or the molecules of an SDF.

    Args:
        path: .smi, .smiles or .txt; .csv or .tsv with a column whose title has the word smiles, also that of a run's
            samples.csv, whatever separates the columns; or .sdf. Each in any case, and packed with gzip too.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is a file of another kind, or there is no molecule in it.
    """
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    how = _OTHERS.get(ending, _HOW)
    check(ending in ENDINGS, f"{path} is no file of SMILES: {how}")
    lines = lines_of_file(path)
    found = _of_sdf(lines, path) if ending in _SDF else _of_text(lines, path, _TABLES.get(ending, ""))
    check(found, f"{path} holds no SMILES")
    return found


def warn_of_left_out(name: str, left_out: Sequence[str], count: int, what: str = "not a SMILES") -> None:
    """Warns of what is no molecule, naming the first."""
    if left_out:
        warnings.warn(
            f"{name}: {len(left_out):,} of {count:,} are left out, as they are no molecules; the first is "
            f"{left_out[0][:60]!r} ({what})",
            LeftOutWarning,
            stacklevel=3,
        )


def _of_sdf(lines: Sequence[str], path: Path) -> list[str]:
    from rdkit import rdBase

    ends = any(line.startswith("M  END") for line in lines)
    check(ends, f"{path} is no SDF, whose molecules end with 'M  END', and so is no file of SMILES: {_HOW}")
    text = "\n".join(lines)
    with rdBase.BlockLogs():
        supplier = chem().SDMolSupplier()
        supplier.SetData(text if text.rstrip().endswith("$$$$") else f"{text.rstrip()}\n$$$$\n")
        molecules = list(supplier)
    read = [molecule if molecule is not None and molecule.GetNumAtoms() else None for molecule in molecules]
    broken = [f"record {number}" for number, molecule in enumerate(read, 1) if molecule is None]
    warn_of_left_out(str(path), broken, len(read), "RDKit reads no molecule in it")
    return [chem().MolToSmiles(molecule) for molecule in read if molecule is not None]


def _of_text(lines: Sequence[str], path: Path, separator: str) -> list[str]:
    kept = [line for line in lines if line.strip()]
    if kept and re.fullmatch(r"sep=(.)", kept[0].strip('\r\ufeff"')):  # by which Excel tells it to itself
        kept = kept[1:]
    head = next((row for row, line in enumerate(kept) if not _COMMENT.match(line) or _HASHED.match(line)), len(kept))
    kept = [_COMMENT.sub("", kept[head]), *kept[head + 1 :]] if head < len(kept) else []
    _check_smiles(kept, path)
    try:
        title = _titled(kept[0], separator) if kept else None
        return _listed(kept, path, separator, title)
    except csv.Error as error:
        raise ValueError(f"{path} is not a table ({error})") from None


def _listed(lines: Sequence[str], path: Path, separator: str, title: tuple[str, int] | None) -> list[str]:
    if title is None and separator:
        names = ", ".join(_titles(lines[0], separator)) if lines else "no columns"
        raise ValueError(f"{path} needs a column smiles, got {names}; its first line must name the columns")
    if title is None:
        _check_apart(lines, path)
        return [word for line in lines if not line.startswith("#") for word in _words(line)[:1]]
    found = list(_column(lines[1:], *title))
    of_run = _titles(lines[0], title[0])[title[1]] == "sample"  # of ours, where an empty cell is an invalid design
    without = [f"record {number}" for number, smiles in enumerate(found, 1) if not smiles and not of_run]
    warn_of_left_out(str(path), without, len(found), "its cell of SMILES is empty or missing")
    return [smiles for smiles in found if smiles]


def _check_apart(lines: Sequence[str], path: Path) -> None:
    """Looks whether a whole list is in one line, where what follows the first molecule would be taken for its name."""
    words = _words(lines[0]) if len(lines) == 1 else []
    if len(words) > 2 and all(read(word) is not None for word in words):
        raise ValueError(f"{path} has {len(words)} molecules in one line: write one per line")


def _check_smiles(lines: Sequence[str], path: Path) -> None:
    first = lines[0].split()[0].strip("\"'") if lines else ""
    kind = next((kind for kind, begins in _FOREIGN.items() if begins.match(first)), "")
    kind = "SDF, so let its name end in .sdf" if any("V2000" in line or "V3000" in line for line in lines[:5]) else kind
    check(not kind, f"{path} is no file of SMILES: it begins with {first[:30]!r} and looks like {kind}")


def _titled(line: str, separator: str) -> tuple[str, int] | None:
    """What separates the titles of a table, and the place of the one of SMILES; None where the line has no titles.

    Where a file is no table by its ending, a first line is one of titles only if that is plain.
    """
    found = list[tuple[int, str, int]]()
    for one in dict.fromkeys([separator or " ", *_SEPARATORS]):
        titles = _titles(line, one)
        named = [row for row, title in enumerate(titles) if title == "smiles"]
        like = [row for row, title in enumerate(titles) if "smiles" in title]
        like.sort(key=lambda row: bool(_ABOUT.search(titles[row])))
        others = [titles.index(name) for name in _COLUMNS if name in titles]
        places = [*named, *like, *(row for row in others if separator or not row)]
        found += [(len(titles), one, place) for place in places[:1]]
    if not found:
        return None
    _, best, place = max(found, key=lambda each: each[0])
    return best, place


def _titles(line: str, separator: str) -> list[str]:
    cells = line.split() if separator == " " else next(csv.reader([line], delimiter=separator))
    return [cell.strip(" \t\"'").lower() for cell in cells]


def _column(lines: Sequence[str], separator: str, place: int) -> Iterator[str]:
    """The SMILES of every row that is not blank, empty where it has none."""
    rows = map(_words, lines) if separator == " " else csv.reader(lines, delimiter=separator)
    for row in rows:
        if any(map(str.strip, row)):
            yield "".join(row[place].split()[:1]) if len(row) > place else ""


def _words(line: str) -> list[str]:
    return [word for word in re.split(rf"[\s{_SEPARATORS}\"]+", line) if word]
