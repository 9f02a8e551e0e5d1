"""Alphabets: text to tokens and back, in one piece for many sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from svdd.messages import letter_name

_FOREIGN = 255


@dataclass(frozen=True)
class Alphabet:
    """The letters that tokens 0 to V - 1 stand for; token V is the mask.

    Args:
        letters: upper-case ASCII, one a token.
        mask: how a masked site is written.
        synonyms: pairs of a letter that is read and the letter it stands for, end to end ("TU": T is read as U).
    """

    letters: str
    mask: str = "N"
    synonyms: str = ""

    def __len__(self) -> int:
        """V, without the mask."""
        return len(self.letters)

    def check(self, sequences: Sequence[str], masked: bool = False) -> None:
        """Does nothing if all letters are in the alphabet; lengths may differ.

        Raises:
            ValueError: for one string in place of a list, no sequences, an empty one or a foreign letter.
        """
        self._codes(sequences, masked)

    def encode(self, sequences: Sequence[str], masked: bool = False) -> Int64[Tensor, "n L"]:
        """Tokens of sequences of one length; lower case counts as upper case.

        Args:
            sequences: at least one, all of one length.
            masked: whether the mask's letter is allowed.

        Raises:
            ValueError: as `check`, and for mixed lengths; it names the sequence.
        """
        codes = self._codes(sequences, masked)
        for row, sequence in enumerate(sequences):
            if len(sequence) != len(sequences[0]):
                raise ValueError(
                    f"sequence {row} has {len(sequence)} letters but sequence 0 has {len(sequences[0])}; "
                    "all must have one length"
                )
        return torch.from_numpy(codes.reshape(len(sequences), -1).astype(np.int64))

    def _codes(self, sequences: Sequence[str], masked: bool) -> UInt8[np.ndarray, " letters"]:
        """The tokens of all sequences end to end."""
        if isinstance(sequences, str):
            raise ValueError("need a list of sequences, got one string")
        if not isinstance(sequences, list | tuple) or not all(isinstance(s, str) for s in sequences):
            raise ValueError(f"need a list of sequences, got a {type(sequences).__name__} that is not made of text")
        if not len(sequences):
            raise ValueError("got no sequences")
        for row, sequence in enumerate(sequences):
            if not sequence:
                raise ValueError(f"sequence {row} is an empty sequence")
        allowed = self.letters + (self.mask if masked else "")
        table = np.full(256, _FOREIGN, np.uint8)
        for token, letter in enumerate(allowed):
            table[[ord(letter), ord(letter.lower())]] = token
        for read, meant in zip(self.synonyms[::2], self.synonyms[1::2], strict=True):
            table[[ord(read), ord(read.lower())]] = self.letters.index(meant)
        codes = table[np.frombuffer("".join(sequences).encode("latin-1", "replace"), np.uint8)]
        if (codes == _FOREIGN).any():
            place = int((codes == _FOREIGN).argmax())
            ends = np.cumsum([len(sequence) for sequence in sequences])
            row = int((ends > place).argmax())
            site = place - int(ends[row]) + len(sequences[row])
            letter = sequences[row][site]
            named = repr(letter) if letter.isascii() else letter_name(letter)
            raise ValueError(f"sequence {row} has {named} at position {site + 1}; allowed letters are {allowed}")
        return codes

    def decode(self, tokens: Int64[Tensor, "n L"]) -> list[str]:
        """The sequences that tokens spell, masked sites as the mask's letter."""
        table = np.frombuffer((self.letters + self.mask).encode(), np.uint8)
        text = table[tokens.cpu().numpy()].tobytes().decode("ascii")
        n, length = tokens.shape
        return [text[i * length : (i + 1) * length] for i in range(n)]


DNA = Alphabet("ACGT")
RNA = Alphabet("ACGU", synonyms="TU")
"""RNA is often written with the letters of DNA: T is read as U, and U is written."""
PROTEIN = Alphabet("ACDEFGHIKLMNPQRSTVWY", mask="X")
"""The twenty amino acids; X, which stands for any of them in files, is the mask."""
