"""Rewards of changed stability: sums over changes, per site and chain, and what is refused."""

import json
import re
from dataclasses import replace

import numpy
import pytest
import torch

import svdd
from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone, designed
from svdd.domains.protein.inverse_folding.rewards import Additive, ExtrapolationWarning, of_sites
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.inverse_folding.substitutions import (
    GIVEN_OTHERS,
    GROUPS,
    ROLES,
    SubstitutionEnsemble,
    by_proteinmpnn,
    by_surroundings,
    letter_laws,
)
from svdd.domains.protein.inverse_folding.weights import bundled_weights, read_network
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.networks.training import isolated_randomness
from svdd.networks.weight_files import load_network, save_network
from svdd.registry import bundled, held_out, load_reward, twin
from svdd.runs.reward_spec import RewardSpec, ScoreSpec
from svdd.scoring.identity import reward_identity

PDB = bundled("proteinmpnn", "2ysh.pdb")
ONE = read_backbone(PDB)
NATIVE = ONE.native
NAMES = ("ddg", "ddg-judge")


@pytest.fixture(scope="module")
def network():
    return read_network(bundled_weights())


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """Small networks of both roles that nobody trained."""
    home, made = tmp_path_factory.mktemp("ddg"), {}
    for name, numbers in (("ddg", by_proteinmpnn(ONE, network)), ("ddg-judge", by_surroundings(ONE))):
        sizes = {"residues": numbers.residues.shape[-1], "changes": numbers.changes.shape[-1]}
        with isolated_randomness(0):
            ensemble = SubstitutionEnsemble(3, **sizes, width=8)
        ensemble.standardise(numbers)
        made[name] = home / f"{name}.safetensors"
        save_network(ensemble, made[name])
    return made


def mutated(*changes):
    """The native sequence with other letters at some places, counted from 1."""
    letters = list(NATIVE)
    for place, letter in changes:
        letters[place - 1] = letter
    return "".join(letters)


@pytest.mark.parametrize("name", NAMES)
def test_the_native_sequence_has_nothing_and_changes_add_up(files, name):
    reward = load_reward(name, path="2ysh", weights=str(files[name]))
    none, one, other, both = reward(
        [NATIVE, mutated((9, "A")), mutated((20, "D")), mutated((9, "A"), (20, "D"))]
    ).tolist()
    assert none == 0
    assert one != 0 != other
    assert both == pytest.approx(one + other, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_change_is_minus_what_the_networks_say(files, network, name):
    ensemble = load_network(files[name])
    numbers = by_proteinmpnn(ONE, network) if name == "ddg" else by_surroundings(ONE)
    wanted = -ensemble(numbers, torch.tensor([8]), torch.tensor([PROTEIN.letters.index("A")])).mean()
    reward = load_reward(name, path="2ysh", weights=str(files[name]))
    assert float(reward([mutated((9, "A"))])) == pytest.approx(float(wanted), abs=1e-5)


def test_sums_are_of_members_and_their_spread_is_taken_off():
    table = torch.zeros(2, 20, 2)
    table[0, 3], table[1, 4] = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -5.0])
    tokens = torch.tensor([[3, 0], [3, 4], [0, 0]])
    assert Additive(table, 0.0)(tokens).tolist() == [2, -1, 0]
    spread = [2**0.5, 2**0.5, 0.0]
    careful = Additive(table, 0.5)(tokens).tolist()
    assert careful == pytest.approx([2 - 0.5 * spread[0], -1 - 0.5 * spread[1], 0])


@pytest.mark.parametrize("pessimism", [-1.0, float("nan"), float("inf")])
def test_pessimism_is_a_number_of_at_least_zero(files, pessimism):
    with pytest.raises(ValueError, match=f"pessimism must be a number of at least 0, got {pessimism}"):
        load_reward("ddg-judge", path="2ysh", pessimism=pessimism, weights=str(files["ddg-judge"]))


def test_a_single_member_has_no_spread():
    with pytest.raises(ValueError, match="the ensemble has 1 member"):
        Additive(torch.zeros(2, 20, 1), 1.0)


def test_a_change_of_tied_chains_counts_in_each_and_others_do_not():
    both = replace(
        ONE, atoms=torch.cat([ONE.atoms, ONE.atoms + 30]), index=ONE.index.repeat(2), native=NATIVE * 2,
        chain=torch.arange(2).repeat_interleave(37), chains=("A", "B"), labels=ONE.labels * 2,
    )  # fmt: skip
    table = torch.arange(74.0)[:, None, None].expand(74, 20, 1)
    tied = of_sites(DesignedBackbone(both, designed(both, tied="A,B")), table)
    assert tied[:, 0, 0].tolist() == [2 * i + 37 for i in range(37)]
    second = of_sites(DesignedBackbone(both, designed(both, "B")), table)
    assert second[:, 5, 0].tolist() == list(range(37, 74))


def test_unknown_native_letters_count_nothing(files):
    unknown = replace(ONE, native="X" + NATIVE[1:])
    table = load_network(files["ddg-judge"]).table(by_surroundings(unknown))
    assert table[0].eq(0).all()
    own = torch.arange(1, 37)
    assert table[own, PROTEIN.encode([NATIVE[1:]])[0]].eq(0).all()
    assert (table[1:] != 0).float().mean() > 0.9


def test_laws_of_letters_are_those_of_the_model(network):
    """Given the backbone alone, and given all letters but those of every eighth residue."""
    native = PROTEIN.encode([NATIVE])[0]
    alone, given = letter_laws(ONE, native, network)
    process = svdd.load("proteinmpnn", path="2ysh", steps=2)
    masked = torch.full((1, 37), 20)
    assert torch.allclose(alone, process.denoiser(masked, process.times[0], ()).log_p[0], atol=1e-4)
    hidden = native.clone()
    hidden[3::GROUPS] = 20
    wanted = process.denoiser(hidden[None], process.times[0], ()).log_p[0]
    assert torch.allclose(given[3::GROUPS], wanted[3::GROUPS], atol=1e-4)
    changes = by_proteinmpnn(ONE, network).changes[..., GIVEN_OTHERS]
    assert torch.allclose(changes, given - given.gather(1, native[:, None]), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_company_order_or_case(files, name):
    reward = load_reward(name, path="2ysh", weights=str(files[name]))
    designs = [mutated((4, "L")), NATIVE, mutated((30, "K"), (2, "W"), (9, "P"))]
    together = reward(designs)
    assert together.dtype == torch.float32
    assert torch.equal(together, torch.cat([reward([text.lower()]) for text in designs]))
    assert torch.equal(reward(designs[::-1]), together.flip(0))
    assert reward([]).shape == (0,)


def test_designs_that_do_not_fit_are_one_sentence(files):
    reward = load_reward("ddg-judge", path="2ysh", weights=str(files["ddg-judge"]))
    said = "sequence 1 has 36 letters, but ddg-judge is for the 37 designed residues of 2ysh.pdb; give it the structure"
    with pytest.raises(ValueError, match=re.escape(said)):
        reward([NATIVE, NATIVE[1:]])
    for letter in "BZXUO-":
        with pytest.raises(ValueError, match=f"sequence 0 has '{letter}' at position 1; allowed letters are ACDEF"):
            reward([letter + NATIVE[1:]])


def test_structures_and_weights_that_do_not_fit_are_one_sentence(files, tmp_path):
    with pytest.raises(ValueError, match=r"there is no structure file 'nowhere\.pdb'"):
        load_reward("ddg:nowhere.pdb")
    with pytest.raises(ValueError, match=r"unknown protein chain of 2ysh\.pdb 'B'"):
        load_reward("ddg-judge", path="2ysh", chains="B", weights=str(files["ddg-judge"]))
    with pytest.raises(ValueError, match=r"the judge of ddG reads .* give those of the judge"):
        load_reward("ddg-judge", path="2ysh", weights=str(files["ddg"]))
    other = str(bundled("miniprotein", "stability-guide.safetensors"))
    with pytest.raises(ValueError, match="holds a SequenceEnsemble, not the SubstitutionEnsemble that ddg needs"):
        load_reward("ddg", path="2ysh", weights=other)
    lines = [line for line in PDB.read_text().splitlines() if line.startswith("ATOM")]
    (tmp_path / "unknown.pdb").write_text("\n".join(line[:17] + "UNK" + line[20:] for line in lines) + "\n")
    for name in ("ddg", "ddg-judge", "native-recovery"):
        with pytest.raises(
            ValueError, match=f"{name} compares with the native sequence, but no designed residue of unk"
        ):
            load_reward(f"{name}:{tmp_path / 'unknown.pdb'}")


def test_a_structure_stands_behind_the_name(files, tmp_path):
    copy = tmp_path / "2ysh.pdb"
    copy.write_text(PDB.read_text())
    weights = {"weights": str(files["ddg-judge"])}
    behind, option = load_reward(f"ddg-judge:{copy}", **weights), load_reward("ddg-judge", path=str(copy), **weights)
    bundled_one = load_reward("ddg-judge:2ysh", **weights)
    design = [mutated((9, "A"))]
    assert float(behind(design)) == float(option(design)) == float(bundled_one(design))
    assert reward_identity(behind) == reward_identity(option)
    assert reward_identity(behind) != reward_identity(load_reward(f"ddg-judge:{copy}", pessimism=1.0, **weights))
    before = reward_identity(option)
    copy.write_text(PDB.read_text().replace("GLY A   4", "ALA A   4"))
    assert reward_identity(load_reward(f"ddg-judge:{copy}", **weights)) != before


def test_the_judge_of_a_structure_is_of_the_same_structure():
    assert twin("ddg:mine.pdb") == held_out("ddg:mine.pdb") == "ddg-judge:mine.pdb"
    assert held_out("ddg") == "ddg-judge"
    assert twin("hepg2:mine.pdb") == twin("docking:parp1") == twin("mine.py:reward") == ""
    assert ScoreSpec.model_validate("ddg-judge:/some/where/mine.pdb").title == "ddg-judge"
    assert ScoreSpec.model_validate("mine.py:reward").title == "reward"


@pytest.mark.parametrize(
    ("reward", "judge"),
    [
        ({"name": "ddg"}, "ddg-judge"),
        ({"name": "ddg:2ysh", "options": {"chains": "A,B"}}, "ddg-judge:2ysh,chains=A,B"),
        ({"name": "ddg", "options": {"path": "2ysh", "chains": "A,B", "design": "B", "pessimism": 1.0, "weights": "a"}},
         "ddg-judge,path=2ysh,chains=A,B,design=B"),
        ({"name": "miniprotein-stability", "options": {"pessimism": 1.0}}, "miniprotein-stability-judge"),
        ({"name": "mine.py:reward", "options": {"path": "a"}}, ""),
    ],
)  # fmt: skip
def test_a_judge_is_for_what_its_guide_is_for(reward, judge):
    spec = RewardSpec(**reward)
    assert spec.judge() == judge
    made = ScoreSpec.model_validate(judge or "hepg2")
    assert not judge or made.options == {k: v for k, v in spec.options.items() if k not in ("pessimism", "weights")}


def test_a_structure_unlike_those_that_were_learned_from_is_told(tmp_path, recwarn):
    load_reward("ddg-judge:2ysh")
    assert not recwarn.list
    atoms = [line for line in PDB.read_text().splitlines() if line.startswith("ATOM")]
    (tmp_path / "two.pdb").write_text("\n".join([*atoms, *(f"{line[:21]}B{line[22:]}" for line in atoms)]))
    (tmp_path / "short.pdb").write_text("\n".join(atoms[: 4 * 31]))
    for file, said in (("two", "has 74 in 2 chains: take"), ("short", "has 31 in 1 chain: take")):
        with pytest.warns(
            ExtrapolationWarning, match=f"learned from single chains of 32 to 72 residues, and {file}.pdb {said}"
        ):
            load_reward(f"ddg-judge:{tmp_path / file}.pdb")


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::svdd.domains.protein.inverse_folding.rewards.ExtrapolationWarning"
)  # of two chains
def test_a_run_for_one_chain_of_two_is_judged_by_that_chain(tmp_path):
    atoms = [line for line in PDB.read_text().splitlines() if line.startswith("ATOM")]
    apart = [f"{line[:21]}B{line[22:30]}{float(line[30:38]) + 60:8.3f}{line[38:]}" for line in atoms[: 4 * 20]]
    (tmp_path / "mine.pdb").write_text("\n".join([*atoms, *apart]))
    part = {"path": str(tmp_path / "mine.pdb"), "design": "B"}
    job = {
        "model": "proteinmpnn", "model_options": part, "reward": "ddg", "reward_options": part, "samples": 16, "steps": 2,
        "method": "pretrained",
    }  # fmt: skip
    svdd.run(job, tmp_path / "run", progress=False)
    judge = "ddg-judge,path={path},design={design}".format(**part)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["evaluation"]["judge"] == judge
    assert record["evaluation"]["judge_mean"] == pytest.approx(record["evaluation"]["judge_mean"])
    assert svdd.hedge(tmp_path / "run").judge == judge
    again = svdd.evaluate([tmp_path / "run"], tmp_path / "evaluated", judge=judge)
    assert again.table["judge_mean"].tolist() == pytest.approx([record["evaluation"]["judge_mean"]])


def test_recovery_is_the_share_of_native_letters():
    reward = load_reward("native-recovery:2ysh")
    assert reward([NATIVE, mutated((1, "W"))]).tolist() == pytest.approx([1, 36 / 37])


@pytest.mark.parametrize("name", NAMES)
def test_a_charge_in_the_core_costs_and_one_outside_does_not(name):
    """Of villin's headpiece (PDB 1yu5) the phenylalanines of the core, against residues that point away from it."""
    reward = load_reward(name, path="1yu5")
    native = reward.structure.native
    numbers = by_surroundings(reward.structure.backbone).residues[:, 2]
    order = [i for i in numbers.argsort().tolist() if native[i] not in "GP"]
    outside, inside = order[:5], [i for i in order[::-1] if native[i] in "FLVIMW"][:5]

    def with_d(place):
        return native[:place] + "D" + native[place + 1 :]

    buried, exposed = (numpy.mean(reward([with_d(i) for i in places]).tolist()) for places in (inside, outside))
    assert buried < -1.5
    assert exposed > buried + 1
    assert reward([native]).item() == 0


def test_roles_read_different_numbers(network):
    guide, judge = ROLES["guide"](ONE, network=network), ROLES["judge"](ONE)
    assert guide.residues.shape[1] == judge.residues.shape[1] + 40
    assert guide.changes.shape[2] == judge.changes.shape[2] + 2


@pytest.mark.slow
def test_a_run_is_guided_judged_and_written(tmp_path):
    (tmp_path / "mine.pdb").write_text(PDB.read_text())
    job = {
        "model": f"proteinmpnn:{tmp_path / 'mine.pdb'}", "reward": f"ddg:{tmp_path / 'mine.pdb'}", "candidates": 4,
        "samples": 4, "steps": 4, "scores": [f"native-recovery:{tmp_path / 'mine.pdb'}"],
    }  # fmt: skip
    result = svdd.run(job, tmp_path / "run", progress=False)
    assert set(result.scores) == {"native-recovery"}
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["evaluation"]["judge"] == f"ddg-judge:{tmp_path / 'mine.pdb'}"
    assert "structures.pdb" in record["files"]
    free = svdd.decode(f"proteinmpnn:{tmp_path / 'mine.pdb'}", f"ddg:{tmp_path / 'mine.pdb'}", method="pretrained",
                       samples=4, progress=False, model_options={"steps": 4})  # fmt: skip
    assert result.rewards.mean() > free.rewards.mean()
