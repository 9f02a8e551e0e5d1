"""The likelihood of sequences by ProteinMPNN: a law over sequences, by the chain rule of the masked model."""

import re
from itertools import product

import pytest
import torch

import svdd
from svdd.domains.protein.inverse_folding import likelihood as likelihood_module
from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone, designed
from svdd.domains.protein.inverse_folding.likelihood import Likelihood, ranks
from svdd.domains.protein.inverse_folding.model import ascending, conditionals
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.inverse_folding.structures import designed_backbone
from svdd.domains.protein.inverse_folding.weights import bundled_weights, read_network
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.registry import bundled, load_reward
from svdd.scoring.identity import reward_identity

MASK = 20


@pytest.fixture(scope="module")
def network():
    return read_network(bundled_weights())


@pytest.fixture
def peptide(tmp_path):
    """The WW domain with its last two residues as a chain of their own."""
    lines = [line for line in bundled("proteinmpnn", "2ysh.pdb").read_text().splitlines() if line.startswith("ATOM")]
    last = sorted({int(line[22:26]) for line in lines})[-2:]
    moved = [line[:21] + "B" + line[22:] if int(line[22:26]) in last else line for line in lines]
    (tmp_path / "peptide.pdb").write_text("\n".join(moved) + "\n")
    return str(tmp_path / "peptide.pdb")


def mass(network, structure, orders):
    """The sum of the probabilities of all sequences of two letters, per number of orders."""
    tokens = torch.tensor(list(product(range(20), repeat=2)))
    return float((2 * Likelihood(network, structure, orders)(tokens).double()).exp().sum())


def test_it_is_a_law_over_sequences(network, peptide):
    assert mass(network, designed_backbone(peptide, design="B"), 1) == pytest.approx(1, abs=1e-4)


def reads_itself(rank, neighbours):
    return rank[neighbours] <= rank[:, None]


def reads_all(rank, neighbours):
    return neighbours >= 0


def reads_after(rank, neighbours):
    return (rank[neighbours] > rank[:, None]) | (rank[neighbours] < 0)


@pytest.mark.parametrize("bug", [reads_itself, reads_all])
def test_planted_bugs_in_who_reads_whom_are_no_law(network, peptide, monkeypatch, bug):
    monkeypatch.setattr(likelihood_module, "before", bug)
    assert abs(mass(network, designed_backbone(peptide, design="B"), 1) - 1) > 1e-2


@pytest.mark.parametrize("bug", [None, reads_after])
def test_it_is_the_chain_rule_of_the_masked_model(network, monkeypatch, bug):
    """Letter by letter, each given those before it: the masked model in the published order, L passes for one."""
    backbone = read_backbone(bundled("proteinmpnn", "2ysh.pdb"))
    structure = DesignedBackbone(backbone, designed(backbone))
    monkeypatch.setattr(likelihood_module, "ranks", lambda structure, orders: torch.arange(37)[None])
    if bug:
        monkeypatch.setattr(likelihood_module, "before", bug)
    call, _ = conditionals(network, backbone, structure.sites, ascending)
    letters = PROTEIN.encode([backbone.native])
    steps = letters.repeat(37, 1)
    steps[torch.ones(37, 37).triu().bool()] = MASK
    own = torch.arange(37)
    wanted = call(steps, torch.tensor(1.0), ())[own, own].log_softmax(-1)[own, letters[0]].mean()
    found = Likelihood(network, structure, 1)(letters)[0]
    assert (abs(float(found - wanted)) < 1e-4) == (bug is None)


def test_orders_are_always_the_same_and_context_comes_first(peptide):
    structure = designed_backbone(peptide, design="A")
    found = ranks(structure, 3)
    assert torch.equal(found, ranks(structure, 3))
    assert (found[:, -2:] < 0).all()
    assert all(sorted(one.tolist()) == list(range(35)) for one in found[:, :-2])
    assert not torch.equal(found[0], found[1])


def test_copies_of_a_site_do_not_read_one_another(tmp_path):
    lines = [line for line in bundled("proteinmpnn", "2ysh.pdb").read_text().splitlines() if line.startswith("ATOM")]
    other = [f"{line[:21]}B{line[22:30]}{float(line[30:38]) + 12:8.3f}{line[38:]}" for line in lines]
    (tmp_path / "dimer.pdb").write_text("\n".join(lines + other) + "\n")
    structure = designed_backbone(str(tmp_path / "dimer.pdb"), tied="A,B")
    (rank,) = ranks(structure, 1)
    assert torch.equal(rank[:37], rank[37:])
    reward = load_reward(f"proteinmpnn-likelihood:{tmp_path / 'dimer.pdb'}", tied="A,B", orders=1)
    assert reward([structure.native]).shape == (1,)


def test_the_native_sequence_is_likelier_than_its_scramble():
    reward = load_reward("proteinmpnn-likelihood", path="2ysh")
    native = reward.structure.native
    known, scrambled = reward([native, "".join(sorted(native))]).tolist()
    assert scrambled < known - 0.5
    assert -2.5 < known < 0


def test_other_weights_are_another_reward(network, tmp_path):
    """A file as it is published, of another noise level: here the bundled weights with other biases."""
    state = dict(network.state_dict())
    state["W_out.bias"] = state["W_out.bias"] + torch.linspace(-1, 1, 21)
    torch.save({"num_edges": 48, "noise_level": 0.1, "model_state_dict": state}, tmp_path / "v_48_010.pt")
    plain = load_reward("proteinmpnn-likelihood", path="2ysh")
    other = load_reward("proteinmpnn-likelihood", path="2ysh", weights=str(tmp_path / "v_48_010.pt"))
    native = plain.structure.native
    assert abs(float(plain([native]) - other([native]))) > 1e-3
    assert reward_identity(plain) != reward_identity(other)
    process = svdd.load("proteinmpnn", path="2ysh", steps=2, weights=tmp_path / "v_48_010.pt")
    assert process.kind.native == native
    (tmp_path / "v_48_030.pt").write_bytes((tmp_path / "v_48_010.pt").read_bytes())
    said = "must hold one weight file (.safetensors, .ckpt, .pt, .pth, .bin), but has v_48_010.pt, v_48_030.pt"
    with pytest.raises(ValueError, match=re.escape(said)):
        load_reward("proteinmpnn-likelihood", path="2ysh", weights=str(tmp_path))


def test_orders_are_at_least_one():
    with pytest.raises(ValueError, match="orders must be at least 1, got 0"):
        load_reward("proteinmpnn-likelihood", orders=0)
