"""The molecules of MOSES: reading them, writing them as tokens once, and splitting them.

MOSES (Polykovskiy et al. 2020, arXiv 1811.12823) is a filtered part of ZINC's clean leads: 1.6 million molecules of 250 to
350 Da, neutral, without stereochemistry. A user gets `train.csv`, `test.csv` and `test_scaffolds.csv`, each with a column
SMILES, from github.com/molecularsets/moses (MIT licence); a prefix such as `moses_` and gzip change nothing.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Generator, Tensor

from svdd.domains.molecule.selfies import LONGEST, PAD, SYMBOLS, symbols_of, tokens_of

__all__ = ["MoleculeData", "encode_molecules", "read_molecules", "read_smiles"]

_CHUNK, _VALIDATION = 20_000, 4096


@dataclass(frozen=True)
class MoleculeData:
    """Molecules as padded tokens.

    Attributes:
        train: Training molecules, uint8, shape (n, 48).
        validation: Molecules held out of training, on which the best weights are chosen.
        counts: How many molecules were read, kept, too long, or written with symbols outside of the vocabulary.
    """

    train: Tensor
    validation: Tensor
    counts: dict[str, int]

    def lengths(self) -> list[int]:
        """How many training molecules have 0, 1, ..., 48 symbols."""
        return torch.bincount((self.train != PAD).sum(dim=1), minlength=LONGEST + 1).tolist()


def read_smiles(path: str | Path, part: str) -> list[str]:
    """The SMILES of one part of MOSES, from `*part.csv` or `*part.csv.gz` in a folder.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no column SMILES.
    """
    import pandas

    files = [f for end in ("csv", "csv.gz") for f in sorted(Path(path).glob(f"*{part}.{end}"))]
    if not files:
        raise FileNotFoundError(
            f"{path} has no {part}.csv or {part}.csv.gz; get it from github.com/molecularsets/moses"
        )
    table = pandas.read_csv(files[0])
    if "SMILES" not in table:
        raise ValueError(f"{files[0]} has no column SMILES; its columns are {', '.join(table.columns)}")
    return [str(smiles) for smiles in table["SMILES"]]


def encode_molecules(smiles: list[str], processes: int = 2) -> tuple[Tensor, dict[str, int]]:
    """Write molecules as tokens, in several processes.

    Args:
        smiles: Canonical SMILES; their order of atoms is the order of the symbols.
        processes: Number of processes.

    Returns:
        uint8 tokens (n, 48) of the molecules that can be kept, and the counts `read`, `kept`, `long` and `foreign`.
    """
    chunks = [smiles[start : start + _CHUNK] for start in range(0, len(smiles), _CHUNK)]
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(_encode_chunk, chunks))
    tokens = numpy.concatenate([numpy.zeros((0, LONGEST), numpy.uint8), *(rows for rows, _, _ in found)])
    counts = {"read": len(smiles), "kept": len(tokens), "long": 0, "foreign": 0}
    for _, long, foreign in found:
        counts["long"] += long
        counts["foreign"] += foreign
    return torch.from_numpy(tokens), counts


def _encode_chunk(smiles: list[str]) -> tuple[numpy.ndarray, int, int]:
    rows = numpy.full((len(smiles), LONGEST), PAD, numpy.uint8)
    kept = long = foreign = 0
    known = set(SYMBOLS)
    for one in smiles:
        symbols = symbols_of(one)
        if not known.issuperset(symbols):
            foreign += 1
        elif len(symbols) > LONGEST:
            long += 1
        else:
            rows[kept, : len(symbols)] = tokens_of(symbols)
            kept += 1
    return rows[:kept], long, foreign


def read_molecules(path: str | Path, out: Path) -> MoleculeData:
    """Read MOSES' training molecules, as tokens that are kept in `out`, and hold 4096, at most a tenth, out at random.

    Args:
        path: Folder with MOSES' files.
        out: Folder with, or for, `tokens.npz`.

    Raises:
        ValueError: If there are fewer than 10 usable molecules.
    """
    cache = out / "tokens.npz"
    if not cache.exists():
        tokens, counts = encode_molecules(read_smiles(path, "train"))
        numpy.savez(cache, tokens=tokens.numpy(), counts=json.dumps(counts))
    with numpy.load(cache) as found:
        tokens, counts = torch.from_numpy(found["tokens"]), json.loads(str(found["counts"]))
    validation = min(_VALIDATION, len(tokens) // 10)
    if not validation:
        raise ValueError(
            f"{path} has {len(tokens)} usable training molecules, too few to hold some out; give at least 10"
        )
    order = torch.randperm(len(tokens), generator=Generator().manual_seed(0))
    return MoleculeData(tokens[order[validation:]], tokens[order[:validation]], counts)
