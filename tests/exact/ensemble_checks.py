"""Checks of ensembles: what an ensemble is worth where its members disagree, from the numbers of its members."""

import torch

from svdd.domains.protein.rewards import EnsembleReward
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.networks.training import isolated_randomness

SHAPE = {"vocabulary": 20, "channels": 16, "stages": 1, "kernel": 3, "stem_kernel": 3}
DESIGNS = ["GSSEETKVEVRSPEEAIRIV", "MKTAYIAKQRQISFVKSHFS", "WWWWWWWWWWWWWWWWWWWW", "ACDEFGHIKLMNPQRSTVWY"]


def disagreement_is_taken_off():
    """The mean less so many standard deviations, of what each member says when it is asked alone."""
    with isolated_randomness(0), torch.no_grad():
        network = SequenceEnsemble(4, shape=SHAPE).eval()
        network.scale.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        network.shift.copy_(torch.tensor([0.0, 1.0, -1.0, 2.0]))
        tokens = PROTEIN.encode(DESIGNS)
        alone = torch.stack([member(tokens)[:, 0] for member in network.members], 1) * network.scale + network.shift
    squares = (alone - alone.mean(1, keepdim=True)).square().sum(1)
    for pessimism in (0.0, 0.5, 3.0):
        expected = alone.mean(1) - pessimism * (squares / 3).sqrt()
        found = EnsembleReward(network, pessimism=pessimism)(DESIGNS)
        assert torch.allclose(found, expected.float(), atol=1e-4), (pessimism, found, expected)
