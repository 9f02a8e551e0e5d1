"""The designs of sequence models: text over an alphabet, written as FASTA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jaxtyping import Int64
from torch import Tensor

from svdd.chain.designs import TextKind
from svdd.domains.sequence.alphabets import Alphabet
from svdd.domains.sequence.fasta import read_fasta
from svdd.registry import domains

if TYPE_CHECKING:
    import pandas as pd

FILE = "samples.fasta"
"""The sequences of a run."""


@dataclass(frozen=True)
class SequenceKind(TextKind):
    """Sequences over an alphabet.

    Args:
        alphabet: what tokens stand for.
        length: letters of each.
        masked: whether the model has masks: then letters can be fixed, and others designed.
        domain: that measures them; unless given, the one of these letters, such as `dna`, or `sequence`.
    """

    alphabet: Alphabet
    length: int
    masked: bool = True
    domain: str = field(default="", kw_only=True)
    decides: ClassVar[tuple[str, ...]] = ("alphabet", "length")
    sitewise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", self.domain or _domain_of(self.alphabet.letters))

    @property
    def whose(self) -> str:
        """What errors call the sequences."""
        return "the model's sequences"

    @property
    def symbols(self) -> int:
        """The letters and the mask."""
        return len(self.alphabet) + 1

    @property
    def mask(self) -> int | None:
        """The token after the letters."""
        return len(self.alphabet) if self.masked else None

    def tokens(self, sequences: Sequence[str], masked: bool = False) -> Int64[Tensor, "n L"]:
        """Sequences as tokens.

        Args:
            sequences: of one length.
            masked: whether they may have masks.

        Raises:
            ValueError: for a foreign letter or a wrong length.
        """
        tokens = self.alphabet.encode(sequences, masked=masked)
        if tokens.shape[1] != self.length:
            raise ValueError(f"{self.whose} have {self.length} letters, but those given have {tokens.shape[1]}")
        return tokens

    def facts(self) -> dict[str, Any]:
        """Domain, letters, mask and length."""
        known = {"mask": self.alphabet.mask} if self.masked else {}
        known |= {"synonyms": self.alphabet.synonyms} if self.alphabet.synonyms else {}
        return {"domain": self.domain, "alphabet": self.alphabet.letters, **known, "length": self.length}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "SequenceKind":
        """The inverse of `facts`."""
        alphabet = Alphabet(facts["alphabet"], facts.get("mask", "N"), facts.get("synonyms", ""))
        return cls(alphabet, facts["length"], "mask" in facts, domain=facts["domain"])

    def write(self, designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
        """Writes samples.fasta, with the reward and every further score of a sequence in its header."""
        records = []
        for row, (name, sequence) in enumerate(zip(ids, designs, strict=True)):
            scores = " ".join(f"{title}={column[row]:.6g}" for title, column in numbers.items())
            records.append(f">{name} {scores}\n{sequence}\n")
        (folder / FILE).write_text("".join(records), encoding="utf-8")

    def read_given(self, path: Path) -> list[str]:
        """The sequences of a FASTA file, or of the folder of a run."""
        return read_fasta(path / FILE if path.is_dir() else path)

    def read(self, table: "pd.DataFrame", folder: Path) -> Any:
        """The column `sample`.

        Raises:
            ValueError: for a foreign letter, and for several lengths.
        """
        sequences = super().read(table, folder)
        self.alphabet.encode(sequences)
        return sequences


def _domain_of(letters: str) -> str:
    """The domain of an alphabet."""
    return next((one.name for one in domains() if one.letters == letters), "sequence")
