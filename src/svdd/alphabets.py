"""Alphabets: text to tokens and back, in one piece for many sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor


@dataclass(frozen=True)
class Alphabet:
    """The letters that tokens 0 to V - 1 stand for; token V is the mask.

    Args:
        letters: upper-case ASCII, one a token.
        mask: how a masked site is written.
    """

    letters: str
    mask: str = "N"

    def __len__(self) -> int:
        """V, without the mask."""
        return len(self.letters)

    def encode(self, sequences: Sequence[str], masked: bool = False) -> Int64[Tensor, "n L"]:
        """Tokens of sequences of one length; lower case counts as upper case.

        Args:
            sequences: at least one, all of one length.
            masked: whether the mask's letter is allowed.

        Raises:
            ValueError: for no sequences, mixed lengths or a letter outside the alphabet; it names the sequence.
        """
        if not sequences or not sequences[0]:
            raise ValueError("got an empty sequence" if sequences else "got no sequences")
        length = len(sequences[0])
        for row, sequence in enumerate(sequences):
            if len(sequence) != length:
                raise ValueError(
                    f"sequence {row} has {len(sequence)} letters but sequence 0 has {length}; all must have one length"
                )
        allowed = self.letters + (self.mask if masked else "")
        table = np.full(256, 255, np.uint8)
        for token, letter in enumerate(allowed):
            table[[ord(letter), ord(letter.lower())]] = token
        text = np.frombuffer("".join(sequences).encode("ascii", "replace"), np.uint8)
        tokens = table[text].reshape(len(sequences), length)
        if (tokens == 255).any():
            row, site = (int(i) for i in np.argwhere(tokens == 255)[0])
            raise ValueError(
                f"sequence {row} has {sequences[row][site]!r} at position {site + 1}; allowed letters are {allowed}"
            )
        return torch.from_numpy(tokens.astype(np.int64))

    def decode(self, tokens: Int64[Tensor, "n L"]) -> list[str]:
        """The sequences that tokens spell, masked sites as the mask's letter."""
        table = np.frombuffer((self.letters + self.mask).encode(), np.uint8)
        text = table[tokens.cpu().numpy()].tobytes().decode("ascii")
        n, length = tokens.shape
        return [text[i * length : (i + 1) * length] for i in range(n)]


DNA = Alphabet("ACGT")
