"""From a protein language model to a process: the twenty amino acids and the mask among its tokens, and the ends of a row."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from svdd.chain.process import Process
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import masked_sequences


class FewMasksWarning(UserWarning):
    """A model was trained with few masks, and may be asked to begin with masks alone."""


@dataclass(frozen=True)
class Vocabulary:
    """Where the amino acids stand among the tokens of a model.

    Args:
        order: the twenty letters as the model numbers them.
        first: the number of the first letter.
        mask: the number of the mask.
        before: tokens that begin a row.
        after: tokens that end it.
    """

    order: str
    first: int
    mask: int
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """The model's tokens for our twenty letters and the mask."""
        return [self.first + self.order.index(letter) for letter in PROTEIN.letters] + [self.mask]


class TwentyLetters(nn.Module):
    """A network of a larger vocabulary that is given the amino acids and the mask, and answers for the amino acids alone.

    What else a vocabulary has (X, B, U, Z, O, gaps, ends) gets no probability, so no design can hold it.
    """

    numbers: Tensor

    def __init__(self, network: nn.Module, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.network, self.before, self.after = network, vocabulary.before, vocabulary.after
        self.register_buffer("numbers", torch.tensor(vocabulary.numbers, device="cpu"))

    @torch.no_grad()
    def forward(self, x: Int64[Tensor, "n L"]) -> Float[Tensor, "n L 20"]:
        first, last = (x.new_tensor(ends).expand(len(x), -1) for ends in (self.before, self.after))
        logits = self.network(torch.cat([first, self.numbers[x], last], 1))
        return logits[:, len(self.before) : len(self.before) + x.shape[1], self.numbers[:-1]]


def masked_proteins(
    network: nn.Module,
    vocabulary: Vocabulary,
    *,
    name: str,
    file: Path,
    steps: int,
    length: int | None,
    longest: int | None,
    trained: str,
    device: torch.device | str | None,
) -> Process:
    """Masked diffusion over the twenty amino acids by a network that ignores time, in ancestral steps.

    Args:
        network: tokens (n, L) to logits (n, L, W).
        vocabulary: of it.
        name: of the kind of checkpoint, such as `esm`.
        file: of the weights.
        steps: T.
        length: residues of a design.
        longest: the most residues that the model can take; None for any number.
        trained: how much was masked in training, for people.
        device: where the network runs.

    Raises:
        ValueError: without a length, and for one below 1 or over the model's limit.
    """
    if length is None:
        raise ValueError(f"{name}:PATH does not say how long its designs are; give length=100, say")
    if longest is not None and length > longest:
        raise ValueError(f"{file} takes at most {longest} residues, got length {length}")
    whole = TwentyLetters(network, vocabulary).to(device)
    where = whole.numbers.device
    batches = FullBatches(whole, rows_at_once(where, length + len(vocabulary.before + vocabulary.after)))

    def call(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        return batches(x.to(where)).to(x.device)

    about = {"name": _called(name, file), "trained": trained}
    return masked_sequences(call, PROTEIN, length=length, steps=steps, about=about, device=device)


def _called(name: str, file: Path) -> str:
    """What a checkpoint is called: its file, or the folder of a file that has the same name in every folder of transformers."""
    of_folder = file.name.startswith(("model.", "model-", "pytorch_model"))
    return f"{name}:{file.absolute().parent.name if of_folder else file.name}"


def warn_of_few_masks(name: str, share: str) -> None:
    """Tells the user that a model saw few masks at a time.

    Args:
        name: what the checkpoint is called.
        share: of residues that were masked.
    """
    warnings.warn(
        f"{name} was trained with {share} of residues masked, so designs that begin with masks alone are outside its "
        "training; keep most residues, by --template or --fix", FewMasksWarning, stacklevel=3,
    )  # fmt: skip
