r"""How single substitutions change the stability of a fold: what a network reads of each, and an ensemble that answers.

A substitution is a residue of a backbone and the letter that comes in the place of its native one. The guide reads what
ProteinMPNN says of both letters and the surroundings, the judge the surroundings alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from svdd.domains.protein.inverse_folding.backbones import Backbone
from svdd.domains.protein.inverse_folding.model import free_of_order
from svdd.domains.protein.inverse_folding.network import ProteinMPNN
from svdd.domains.protein.inverse_folding.surroundings import properties, surroundings
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import needs
from svdd.networks.bases import Scaled
from svdd.networks.sequences import check_sizes

LETTERS = len(PROTEIN)
MATRICES = ("BLOSUM62", "STR", "RISLER")
GROUPS = 8
"""Passes that give each residue its law given the letters of others: one hides every eighth residue."""
GIVEN_OTHERS = 1
"""The number of a change, by the guide, that says how likelier its letter is than the native one given all others."""
_FARTHEST = 5.0  # standard deviations from the mean, for backbones unlike those of the training
_NARROWEST = 0.05


@dataclass(frozen=True)
class Substitutions:
    """All substitutions of a backbone as numbers.

    Args:
        native: the letter of each residue, 20 where it is none of the twenty.
        residues: numbers of each residue.
        changes: numbers of each residue and letter.
    """

    native: Int64[Tensor, " L"]
    residues: Float[Tensor, "L F"]
    changes: Float[Tensor, "L 20 P"]

    def to(self, device: torch.device | str) -> Substitutions:
        """The same on a device."""
        return Substitutions(*(one.to(device) for one in (self.native, self.residues, self.changes)))


def by_surroundings(backbone: Backbone) -> Substitutions:
    """What coordinates and letters alone say."""
    native = PROTEIN.encode([backbone.native], masked=True)[0]
    known = properties()
    alike = torch.cat([exchanges(), torch.zeros(1, LETTERS, len(MATRICES), device="cpu", dtype=torch.float32)])[native]
    changes = torch.cat([known[None, :LETTERS] - known[native][:, None], alike], 2)
    return Substitutions(native, surroundings(backbone), changes)


def exchanges() -> Float[Tensor, "20 20 m"]:
    """How often amino acids stand for one another in relatives, by tables of Biopython.

    Raises:
        ImportError: without Biopython.
    """
    try:
        from Bio.Align import substitution_matrices
    except ImportError:
        raise ImportError(needs("tables of substitutions", "biopython", "sequences")) from None
    tables = [substitution_matrices.load(name) for name in MATRICES]
    found = [[[table[one, other] for table in tables] for other in PROTEIN.letters] for one in PROTEIN.letters]
    return torch.tensor(found, dtype=torch.float32, device="cpu")


def by_proteinmpnn(backbone: Backbone, network: ProteinMPNN) -> Substitutions:
    """What ProteinMPNN says, given the backbone alone and given every other letter too, beside the surroundings.

    Args:
        backbone: is read once.
        network: on its device.
    """
    plain = by_surroundings(backbone)
    said = letter_laws(backbone, plain.native, network)
    own = plain.native.clamp(max=LETTERS - 1)[:, None]
    gains = [one - one.gather(1, own) for one in said]
    return Substitutions(
        plain.native,
        torch.cat([*said, plain.residues], 1),
        torch.cat([torch.stack(gains, 2), plain.changes], 2),
    )


def letter_laws(
    backbone: Backbone, native: Int64[Tensor, " L"], network: ProteinMPNN
) -> tuple[Float[Tensor, "L 20"], Float[Tensor, "L 20"]]:
    """Log-probabilities of the letters of each residue: given the backbone alone, and given the native letters of others.

    Given others: a pass hides every eighth residue, which reads all that are not hidden, so that eight passes do for all.

    Args:
        backbone: is read once.
        native: letters.
        network: on its device.
    """
    where = network.W_out.weight.device
    encoded = network.encode(*(one.to(where) for one in (backbone.atoms, backbone.index, backbone.chain)))
    own = torch.arange(len(native), device=where)
    hidden = torch.stack([torch.ones_like(own, dtype=torch.bool), *(own % GROUPS == group for group in range(GROUPS))])
    letters = native.to(where).expand(len(hidden), -1)
    logits = network.decode(encoded, letters, free_of_order(encoded.neighbours, ~hidden))
    known = logits[..., :LETTERS].log_softmax(-1).cpu()
    own = own.cpu()
    return known[0], known[1 + own % GROUPS, own]


class SubstitutionEnsemble(Scaled):
    """Several small networks that were trained for the ddG of single substitutions.

    output_k = scale_k * member_k(residue, change, native letter, new letter) + shift_k, kcal/mol, positive for less stable

    Args:
        outputs: Members, each of which gives one number.
        residues: Numbers of each residue.
        changes: Numbers of each change.
        width: Channels.
        dropout: While it is trained.

    Raises:
        ValueError: If a size is not positive.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, outputs: int = 5, *, residues: int, changes: int, width: int = 96, dropout: float = 0.3) -> None:
        check_sizes(outputs=outputs, residues=residues, changes=changes, width=width)
        super().__init__(
            {"outputs": outputs, "residues": residues, "changes": changes, "width": width, "dropout": dropout}
        )
        self.register_buffer("centre", torch.zeros(residues + changes))
        self.register_buffer("spread", torch.ones(residues + changes))
        self.members = nn.ModuleList(_member(residues + changes + 2 * LETTERS, width, dropout) for _ in range(outputs))

    def standardise(self, numbers: Substitutions) -> None:
        """Learns the mean and the spread of the numbers of substitutions."""
        for start, each in ((0, numbers.residues), (numbers.residues.shape[-1], numbers.changes.flatten(0, 1))):
            place = slice(start, start + each.shape[-1])
            self.centre[place], self.spread[place] = each.mean(0), each.std(0).clamp(min=_NARROWEST)

    def forward(
        self, numbers: Substitutions, residue: Int64[Tensor, " n"], letter: Int64[Tensor, " n"]
    ) -> Float[Tensor, "n k"]:
        """Each member's ddG.

        Args:
            numbers: of a backbone, or of several.
            residue: that is changed.
            letter: that comes in its place.
        """
        read = self._read(numbers, residue, letter)
        return self.in_units(torch.cat([member(read) for member in self.members], 1))

    def of_member(
        self, member: int, numbers: Substitutions, residue: Int64[Tensor, " n"], letter: Int64[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """What one member answers, before its scale and shift."""
        return self.members[member](self._read(numbers, residue, letter))[:, 0]  # type: ignore[no-any-return]

    def _read(
        self, numbers: Substitutions, residue: Int64[Tensor, " n"], letter: Int64[Tensor, " n"]
    ) -> Float[Tensor, "n D"]:
        given = torch.cat([numbers.residues[residue], numbers.changes[residue, letter]], 1)
        given = ((given - self.centre) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        letters = [one_hot(one, LETTERS + 1)[:, :LETTERS].to(given) for one in (numbers.native[residue], letter)]
        return torch.cat([given, *letters], 1)

    @torch.inference_mode()
    def table(self, numbers: Substitutions) -> Float[Tensor, "L 20 k"]:
        """The ddG of every substitution; 0 for the native letter itself, and where it is not known."""
        count = len(numbers.native)
        places = torch.arange(count, device=self.scale.device)
        letters = torch.arange(LETTERS, device=self.scale.device)
        found = self(numbers, places.repeat_interleave(LETTERS), letters.repeat(count)).unflatten(0, (count, LETTERS))
        changed = (numbers.native[:, None] != letters) & (numbers.native < LETTERS)[:, None]
        return found * changed[..., None]


def _member(inputs: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.GELU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, 1),
    )  # fmt: skip


ROLES: Mapping[str, Callable[..., Substitutions]] = {"guide": by_proteinmpnn, "judge": by_surroundings}
"""What each oracle reads of a backbone."""
