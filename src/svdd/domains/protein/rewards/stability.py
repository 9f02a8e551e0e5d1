"""Rewards of proteins: ensembles that predict the measured stability of miniproteins.

Every reward is a callable that takes a list of sequences and returns one float32 number each.
"""

import math

import torch
from torch import Tensor

from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.domains.sequence.rewards import SequenceReward
from svdd.messages import check
from svdd.networks.weight_files import load_network
from svdd.registry import bundled


class EnsembleReward(SequenceReward):
    r"""The mean of an ensemble, less its spread times a factor.

    reward(x) = mean_k f_k(x) - pessimism * sd_k f_k(x)

    Args:
        network: the ensemble.
        pessimism: weight of the standard deviation over members; 0 is the mean alone.
        name: shown in reports.

    Raises:
        ValueError: for a pessimism that is not a number of at least 0, and for a spread of a single member.
    """

    def __init__(self, network: SequenceEnsemble, *, pessimism: float = 0.0, name: str = "") -> None:
        super().__init__(network, name=name, alphabet=PROTEIN)
        members = network.config["outputs"]
        check(0 <= pessimism < math.inf, f"pessimism must be a number of at least 0, got {pessimism}")
        check(not pessimism or members > 1, f"pessimism needs a spread, but the ensemble has {members} member")
        self.pessimism = pessimism

    def of_outputs(self, outputs: Tensor) -> Tensor:
        """The reward of each row of the members' numbers."""
        mean = outputs.mean(1)
        return mean - self.pessimism * outputs.std(1) if self.pessimism else mean


def miniprotein_stability(*, pessimism: float = 0.0, device: torch.device | str | None = None) -> EnsembleReward:
    r"""Predicted stability of a miniprotein: log10 of the protease EC50 over that of the unfolded chain (1 is stable).

    reward(x) = mean_k f_k(x) - pessimism * sd_k f_k(x)

    over five networks that learned what was measured for designs displayed on yeast (Rocklin et al. 2017). They rank designs
    of 43 residues; point mutations of one protein they rank unevenly, and they do not transfer to natural domains (card:
    pretrained/miniprotein/card.md).

    Args:
        pessimism: how many standard deviations over the networks are taken off, so that designs on which they disagree are
            worth less.
        device: where the networks run.

    Raises:
        ValueError: for a pessimism below 0.
    """
    return _bundled("guide", pessimism, device)


def miniprotein_stability_judge(*, pessimism: float = 0.0, device: torch.device | str | None = None) -> EnsembleReward:
    r"""Predicted stability as of `miniprotein_stability`, from networks trained on other families.

    Decode towards `miniprotein_stability` and report `miniprotein_stability_judge`: they share neither families nor shape,
    so a decoder that exploits the guide's errors shows as a gap between the two. Both learned from one assay.

    Args:
        pessimism: as of the guide.
        device: where the networks run.

    Raises:
        ValueError: for a pessimism below 0.
    """
    return _bundled("judge", pessimism, device)


def _bundled(role: str, pessimism: float, device: torch.device | str | None) -> EnsembleReward:
    network = load_network(bundled("miniprotein", f"stability-{role}.safetensors"))
    assert isinstance(network, SequenceEnsemble), "the bundled oracles are of this kind"
    return EnsembleReward(network.float().to(device), pessimism=pessimism, name=f"miniprotein-stability-{role}")
