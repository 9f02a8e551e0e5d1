"""Binding of trastuzumab to HER2 by the ten varied residues of its CDR-H3: networks that learned from a sorted library.

Every reward is a callable that takes a list of sequences and returns one number each. A sequence is those ten residues alone,
or a longer one, such as a whole VH, in which they stand between `CSR` and `YWG`.
"""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.weight_files import load_network
from svdd.registry import bundled
from svdd.scoring.reward import Invalid

RESIDUES = 10
"""Varied positions, 95 to 101 by Kabat."""
BEFORE, AFTER = "CSR", "YWG"
"""What stands before and after them in trastuzumab."""
NATIVE = "WGGDGFYAMD"
"""Those of trastuzumab."""
_PLACE = re.compile(f"(?={BEFORE}(.{{{RESIDUES}}}){AFTER})")
_NOT_THERE = f"no {RESIDUES} residues between {BEFORE} and {AFTER}"


class Her2Binding:
    """Log-odds of binding by a network; see `her2_binding`.

    Args:
        network: of tokens of ten residues to one number.
        name: shown in reports.
    """

    def __init__(self, network: ConvolutionalRegressor, *, name: str = "") -> None:
        self.network, self.name = network, name
        self.batches = FullBatches(network, rows_at_once(network.scale.device, RESIDUES))

    def __call__(self, sequences: Sequence[str]) -> list[float]:
        """One number per sequence, `Invalid` for one without ten residues between the flanks, or with several such places.

        Raises:
            ValueError: for an empty sequence, and for a letter outside the twenty.
        """
        PROTEIN.check(sequences)
        found = [varied(text) for text in sequences]
        loops = [loop for loop in found if not isinstance(loop, Invalid)]
        numbers = iter(self._log_odds(PROTEIN.encode(loops)).tolist() if loops else [])
        return [loop if isinstance(loop, Invalid) else next(numbers) for loop in found]

    def _log_odds(self, tokens: Int64[Tensor, "n 10"]) -> Float[Tensor, " n"]:
        with torch.inference_mode():
            return self.batches(tokens.to(self.network.scale.device))[:, 0].float().cpu()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def varied(sequence: str) -> str | Invalid:
    """The ten varied residues of a sequence.

    Args:
        sequence: ten residues, or more of an antibody.
    """
    if len(sequence) == RESIDUES:
        return sequence
    places: list[str] = _PLACE.findall(sequence.upper())
    if len(places) != 1:
        return Invalid(f"several places between {BEFORE} and {AFTER}" if places else _NOT_THERE)
    return places[0]


def her2_binding(*, device: torch.device | str | None = None) -> Her2Binding:
    """Log-odds that a CDR-H3 of trastuzumab binds HER2 (nats; library about -6 to 4): above 0 it is more likely than not.

    reward(x) = log P(binds | x) - log P(does not | x)

    among variants of the library of Mason et al. 2021, of which a quarter was found to bind. A design is the ten varied
    residues, or a longer sequence with one place `CSR..........YWG`; one without is invalid (-inf). All else of the antibody is
    taken for trastuzumab's, whatever it is. It says yes or no and nothing of how strongly (card:
    pretrained/her2-binding/card.md).

    Args:
        device: where the network runs.

    References:
        Mason et al., Nat. Biomed. Eng. 5:600, 2021.
    """
    return _bundled("guide", "her2-binding", device)


def her2_binding_judge(*, device: torch.device | str | None = None) -> Her2Binding:
    """Log-odds as of `her2_binding` (nats), from a network of another shape that was trained on other variants.

    Decode towards `her2_binding` and report `her2_binding_judge`: no choice of residues 2, 3, 6 and 7 is in the training of
    both, so a decoder that exploits the guide's errors shows as a gap between the two. Both learned from one assay.

    Args:
        device: where the network runs.
    """
    return _bundled("judge", "her2-binding-judge", device)


def _bundled(role: str, name: str, device: torch.device | str | None) -> Her2Binding:
    network = load_network(bundled("her2-binding", f"{role}.safetensors"))
    assert isinstance(network, ConvolutionalRegressor), "the bundled oracles are of this kind"
    return Her2Binding(network.float().to(device), name=name)
