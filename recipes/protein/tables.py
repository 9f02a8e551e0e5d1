"""Tables of protein sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from svdd.domains.sequence.alphabets import PROTEIN

if TYPE_CHECKING:
    import pandas

__all__ = ["read_table"]


def read_table(path: Path, columns: Sequence[str], lengths: str = "+") -> pandas.DataFrame:
    """The rows whose `sequence`, in upper case, is of the twenty letters.

    Args:
        path: A CSV, gzipped or not; or a folder, of which the first with the columns is taken.
        columns: That it must have, `sequence` among them.
        lengths: How many letters, as a regular expression repeats them.

    Raises:
        FileNotFoundError: If there is no such table.
    """
    import pandas

    for file in sorted(path.glob("*.csv*")) if path.is_dir() else [path]:
        if file.is_file() and set(columns) <= set(pandas.read_csv(file, nrows=0).columns):
            table = pandas.read_csv(file)
            table["sequence"] = table["sequence"].str.upper()
            return table[table["sequence"].str.fullmatch(f"[{PROTEIN.letters}]{lengths}").fillna(False).astype(bool)]
    raise FileNotFoundError(f"{path} has no table with columns {', '.join(columns)}")
