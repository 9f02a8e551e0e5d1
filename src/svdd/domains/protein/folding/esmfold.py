r"""ESMFold: the structure of a sequence without relatives, and how sure the network is of it, through transformers.

pLDDT is what the network expects of the agreement of each atom's surroundings with the true ones, pTM of the whole fold:

$$\mathrm{pTM} = \max_i \frac{1}{L} \sum_j \sum_b p_{ijb} \frac{1}{1 + (c_b / d_0)^2}$$

with p the law of the error of residue j in the frame of residue i over bins of centres $c_b$, 0 to 31 Angstrom, and
$d_0 = 1.24 \sqrt[3]{\max(L, 19) - 15} - 1.8$.
"""

from collections.abc import Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.defaults import as_usual
from svdd.cost.batches import FullBatches
from svdd.domains.protein.folding.weights import read_esmfold, weight_files
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check, check_known
from svdd.scoring.identity import file_hash

SCORES = ("plddt", "ptm")
"""Columns of what the network says of a design."""
_ORDER = "ARNDCQEGHILKMFPSTWYV"  # of the amino acids, as AlphaFold numbers them
_LARGEST_ERROR = 31.0  # Angstrom


class EsmFold:
    """What ESMFold says of sequences; see `esmfold`.

    Args:
        network: of transformers.
        folder: it is from.
        score: `plddt` or `ptm`.
        batch: sequences of one length that go at once.
    """

    def __init__(self, network: Any, folder: str | Path, score: str, batch: int) -> None:
        self.network, self.folder, self.score = network, Path(folder), score
        self.at_once = 8 * batch  # a run that is killed loses the scores of at most so many
        self.batches = FullBatches(self._scores, batch)
        self.numbers = torch.tensor([_ORDER.index(letter) for letter in PROTEIN.letters], device=network.device)

    @as_usual
    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return one float32 score per sequence, on the CPU, in the order given.

        Raises:
            ValueError: for an empty sequence, and for a letter outside the twenty.
        """
        PROTEIN.check(sequences)
        found = torch.empty(len(sequences), device="cpu", dtype=torch.float32)
        order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
        for _, group in groupby(order, key=lambda row: len(sequences[row])):
            rows = list(group)
            tokens = PROTEIN.encode([sequences[row] for row in rows]).to(self.network.device)
            found[rows] = self.batches(tokens)[:, SCORES.index(self.score)].cpu()
        return found

    @as_usual
    def structures(self, sequences: Sequence[str]) -> list[str]:
        """The structure of each sequence as PDB text, with the pLDDT of each atom (0 to 100) as its B-factor.

        Cost: one folding per sequence, once more.
        """
        PROTEIN.check(sequences)
        return [self._structure(PROTEIN.encode([text]).to(self.network.device)) for text in sequences]

    @property
    def named(self) -> tuple[str, dict[str, Any]]:
        """What it was made from."""
        return f"esmfold:{self.folder}", {"score": self.score}

    @property
    def identity(self) -> str:
        """What decides a score: the files of the folder, and the release of transformers, whose code folds."""
        files = [(file.name, file_hash(file)) for file in weight_files(self.folder)]
        return f"esmfold {self.score} transformers {version('transformers')} {files}"

    def __repr__(self) -> str:
        return f"esmfold({str(self.folder)!r}, score={self.score!r})"

    def _folded(self, tokens: Int64[Tensor, "n L"]) -> Any:
        with torch.inference_mode():
            return self.network(self.numbers[tokens])

    def _scores(self, tokens: Int64[Tensor, "n L"]) -> Float[Tensor, "n 2"]:
        folded = self._folded(tokens)
        there = folded.atom37_atom_exists.float()
        plddt = (folded.plddt.float() * there).sum((1, 2)) / there.sum((1, 2))
        return torch.stack([plddt, predicted_tm(folded.ptm_logits.float())], 1)

    def _structure(self, tokens: Int64[Tensor, "1 L"]) -> str:
        folded = self._folded(tokens)
        folded["plddt"] = 100 * folded.plddt
        (text,) = self.network.output_to_pdb(folded)
        return str(text)


def predicted_tm(logits: Float[Tensor, "n L L b"]) -> Float[Tensor, " n"]:
    """The pTM of each of n designs of one length, 0 to 1, from the logits of its errors.

    The `ptm` of transformers is one number for a batch, that of its best design.
    """
    length, bins = logits.shape[-2:]
    step = _LARGEST_ERROR / (bins - 2)
    centres = step * (torch.arange(bins, device=logits.device) + 0.5)
    scale = 1.24 * (max(length, 19) - 15) ** (1 / 3) - 1.8
    terms = logits.softmax(-1) @ (1 / (1 + (centres / scale) ** 2))
    return terms.mean(2).amax(1)


def esmfold(
    path: str | Path,
    score: str = "plddt",
    *,
    batch: int = 4,
    chunk: int | None = None,
    device: torch.device | str | None = None,
) -> EsmFold:
    """How sure ESMFold is of the fold of a protein (0 to 1): higher is surer; from 0.7 on a backbone counts as confident.

    reward(x) = mean pLDDT over the atoms of x, or pTM

    It is a network's confidence and no measurement: a reward that is followed far finds sequences that please it, so judge
    by something else. Nothing is fetched. Its structures can be asked for, by `structures`.

    Args:
        path: a local folder of transformers with the weights of ESMFold (facebook/esmfold_v1, 8 GB). `esmfold:` may stand
            before it.
        score: `plddt`, or `ptm`, which is low while domains are badly placed to each other.
        batch: sequences of one length that are folded at once.
        chunk: rows of the pair representation at a time, which saves memory for long proteins; as the folder says unless
            given.
        device: where it computes; a CPU takes minutes per sequence.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for a folder without ESMFold, another score, and sizes below 1.

    Cost:
        one pass of the network, with its recycles, per different sequence; memory and time grow with the cube of the length.

    References:
        Lin et al., Evolutionary-scale prediction of atomic-level protein structure with a language model, Science 379 (2023).
    """
    check_known("score of ESMFold", score, SCORES)
    check(batch >= 1, f"batch is at least 1 sequence, got {batch}")
    check(chunk is None or chunk >= 1, f"chunk is at least 1 row, got {chunk}")
    folder = str(path).removeprefix("esmfold:")
    network = read_esmfold(folder, device)
    if chunk is not None:
        network.trunk.set_chunk_size(chunk)
    return EsmFold(network, folder, score, batch)
