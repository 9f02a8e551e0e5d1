"""Rewards of proteins: what an ensemble answers, and what is refused."""

import re

import pytest
import torch

from svdd.domains.protein import rewards as protein
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.networks.training import isolated_randomness
from svdd.networks.weight_files import load_network, save_network
from svdd.registry import load_reward

SHAPE = {"vocabulary": 20, "channels": 16, "stages": 1, "kernel": 3, "stem_kernel": 3}
NAMES = ("miniprotein-stability", "miniprotein-stability-judge")
DESIGNS = ["GSSEETKVEVRSPEEAIRIVKEAAKRGVEVEVEYNGTRVRVRS", "MKTAYIAKQRQISFVKSHFSRQ", "A" * 43]


@pytest.fixture
def network():
    with isolated_randomness(0):
        return SequenceEnsemble(3, shape=SHAPE).eval()


def test_an_ensemble_is_its_members_each_with_its_scale(network):
    tokens = torch.arange(20).expand(2, 20)
    network.scale.copy_(torch.tensor([1.0, 2, 3]))
    network.shift.copy_(torch.tensor([0.0, 0, 5]))
    found = network(tokens)
    assert found.shape == (2, 3)
    assert torch.allclose(found[:, 2], 3 * network.members[2](tokens)[:, 0] + 5)
    assert not torch.allclose(found[:, 0], network.members[1](tokens)[:, 0])


def test_an_ensemble_has_members():
    with pytest.raises(ValueError, match="outputs must be at least 1, got 0"):
        SequenceEnsemble(0, shape=SHAPE)


def test_an_ensemble_is_one_weight_file(network, tmp_path):
    save_network(network, tmp_path / "ensemble.safetensors")
    again = load_network(tmp_path / "ensemble.safetensors")
    tokens = torch.arange(20)[None]
    assert torch.equal(again(tokens), network(tokens))
    assert again.config == network.config


def test_the_reward_is_the_mean_less_the_spread(network):
    outputs = torch.tensor([[1.0, 2, 3], [2, 2, 2]])
    assert protein.EnsembleReward(network).of_outputs(outputs).tolist() == [2, 2]
    assert protein.EnsembleReward(network, pessimism=0.5).of_outputs(outputs).tolist() == [1.5, 2]


def test_pessimism_takes_off_and_never_adds(network):
    plain, careful = protein.EnsembleReward(network), protein.EnsembleReward(network, pessimism=2.0)
    assert (careful(DESIGNS) < plain(DESIGNS)).all()


@pytest.mark.parametrize("pessimism", [-1.0, float("nan"), float("inf")])
def test_pessimism_is_a_number_of_at_least_zero(network, pessimism):
    with pytest.raises(ValueError, match=f"pessimism must be a number of at least 0, got {pessimism}"):
        protein.EnsembleReward(network, pessimism=pessimism)


def test_a_single_member_has_no_spread():
    with isolated_randomness(0):
        alone = SequenceEnsemble(1, shape=SHAPE).eval()
    assert protein.EnsembleReward(alone)(DESIGNS).shape == (3,)
    with pytest.raises(ValueError, match="the ensemble has 1 member"):
        protein.EnsembleReward(alone, pessimism=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_company_order_or_case(name):
    reward = load_reward(name)
    together = reward(DESIGNS)
    assert together.dtype == torch.float32
    assert torch.equal(together, torch.cat([reward([text.lower()]) for text in DESIGNS]))
    assert reward([]).shape == (0,)
    assert not together.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_options_reach_a_reward_by_its_name(name):
    assert (load_reward(name, pessimism=1.0)(DESIGNS) < load_reward(name)(DESIGNS)).all()


@pytest.mark.parametrize("letter", [*"BZXUO", "-", "*", "."])
def test_letters_outside_the_twenty_are_named(letter):
    said = f"sequence 1 has '{letter}' at position 3; allowed letters are ACDEFGHIKLMNPQRSTVWY"
    with pytest.raises(ValueError, match=re.escape(said)):
        load_reward("miniprotein-stability")(["AAAA", f"AA{letter}A"])


def test_empty_sequences_and_a_single_text_are_named():
    with pytest.raises(ValueError, match="sequence 0 is an empty sequence"):
        load_reward("miniprotein-stability")([""])
    with pytest.raises(ValueError, match="need a list of sequences, got one string"):
        load_reward("miniprotein-stability")("AAAA")


def test_a_helical_design_is_stabler_than_its_scramble_and_than_one_letter():
    """A three-helix bundle as the library has them, against the same residues in the order of the alphabet."""
    bundle = "DEEKLRELAKRAGLPEEVVRRAEELLRRGLDPEEVLRRLKEEA"
    for name in NAMES:
        folded, sorted_, alone = load_reward(name)([bundle, "".join(sorted(bundle)), "G" * 43]).tolist()
        assert folded > sorted_ + 0.3
        assert folded > alone + 0.3
