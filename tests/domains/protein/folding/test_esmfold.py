"""ESMFold as a reward, on a tiny network of transformers with random weights."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import EsmConfig, EsmForMaskedLM

import svdd
from support.tiny_esmfold import ENCODER, tiny_esmfold
from svdd.domains.protein.folding.esmfold import predicted_tm
from svdd.domains.protein.structures import structures_of
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.registry import load_reward
from svdd.scoring.identity import reward_identity

DESIGNS = ["ACDEFGHIKLMNPQRSTVWY", "MKTAYIAKQRQISF", "WWYF", "GGGGGGGGGGGGGG", "A"]
HEAVY = {"G": 4, "A": 5, "S": 6, "C": 6, "W": 14}


@pytest.fixture(scope="module")
def network():
    return tiny_esmfold()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    home = tmp_path_factory.mktemp("esmfold")
    network.save_pretrained(home)
    return home


@pytest.fixture(scope="module")
def plddt(folder):
    return load_reward(f"esmfold:{folder}")


def test_scores_are_those_of_transformers_design_by_design(network, folder, plddt):
    ptm = load_reward(f"esmfold:{folder}", score="ptm")
    folded = [network.infer([text]) for text in DESIGNS]
    means = [float(one.plddt[one.atom37_atom_exists > 0].mean()) for one in folded]
    assert plddt(DESIGNS).tolist() == pytest.approx(means, abs=1e-5)
    assert ptm(DESIGNS).tolist() == pytest.approx([float(one.ptm) for one in folded], abs=1e-5)
    assert max(means) - min(means) > 0.01
    assert float(ptm(DESIGNS).std()) > 1e-3


def test_a_batch_has_a_ptm_per_design(network):
    """The one number that transformers has for a batch is that of its best design."""
    folded = network.infer([DESIGNS[1], DESIGNS[3]])
    found = predicted_tm(folded.ptm_logits)
    assert found.shape == (2,)
    assert float(found.max()) == pytest.approx(float(folded.ptm), abs=1e-5)
    assert float(found.min()) < float(folded.ptm) - 1e-4


def test_ptm_of_an_error_that_is_known():
    """All mass on the bin of errors up to half an Angstrom, and on the last one."""
    centre, scale = 31 / 62 * 0.5, 1.24 * 85 ** (1 / 3) - 1.8
    logits = torch.full((2, 100, 100, 64), -1e9)
    logits[0, :, :, 0], logits[1, :, :, 63] = 0, 0
    last = 31 / 62 * 63.5
    expected = [1 / (1 + (one / scale) ** 2) for one in (centre, last)]
    assert predicted_tm(logits).tolist() == pytest.approx(expected, rel=1e-5)


def test_scores_do_not_depend_on_company_order_or_case(plddt):
    together = plddt(DESIGNS)
    assert together.dtype == torch.float32
    assert torch.equal(together, torch.cat([plddt([text.lower()]) for text in DESIGNS]))
    assert torch.equal(plddt(DESIGNS[::-1]), together.flip(0))
    assert float(together.min()) >= 0
    assert float(together.max()) <= 1


def test_the_structure_has_all_atoms_and_plddt_for_b_factors(plddt):
    text = "GASCW"
    (pdb,) = plddt.structures([text])
    atoms = [line for line in pdb.splitlines() if line.startswith("ATOM")]
    assert len(atoms) == sum(HEAVY[letter] for letter in text)
    names = [line[17:20] for line in atoms if line[12:16].strip() == "CA"]
    assert names == ["GLY", "ALA", "SER", "CYS", "TRP"]
    factors = [float(line[60:66]) for line in atoms]
    assert sum(factors) / len(factors) == pytest.approx(100 * float(plddt([text])), abs=0.01)


def test_biopython_reads_the_structure(plddt, tmp_path):
    from Bio.PDB import PDBParser

    path = tmp_path / "one.pdb"
    path.write_text(plddt.structures(["MKTAYIAK"])[0])
    (chain,) = PDBParser(QUIET=True).get_structure("one", path).get_chains()
    assert [residue.id[1] for residue in chain] == list(range(1, 9))


@pytest.mark.slow
def test_a_run_is_guided_and_its_best_designs_fold(plddt):
    result = svdd.decode("miniprotein", plddt, samples=3, candidates=2, model_options={"steps": 2}, progress=False)
    found = structures_of(result, plddt)
    assert found.sequences == [result.samples[row] for row in result.rewards.argsort(descending=True)]
    assert found.numbers["reward"] == sorted(result.rewards.tolist(), reverse=True)
    assert len(found) == len(found.pdb) == 3
    assert all(set(text) <= set(PROTEIN.letters) for text in found.sequences)
    assert result.breakdown is not None
    assert result.usage.reward.rows > 0


def test_a_component_folds_and_a_reward_that_does_not_has_no_structures(plddt):
    from svdd.rewards import weighted_sum

    result = svdd.Result(["ACDEF", "ACDEF", "WYFFW"], torch.tensor([1.0, 1.0, -torch.inf]).double(), [0, 1, 2])
    found = structures_of(result, weighted_sum({"length": lambda designs: [5.0] * len(designs), "fold": plddt}))
    assert found.sequences == ["ACDEF"]
    assert structures_of(result, lambda designs: [0.0] * len(designs)) is None


def test_its_identity_is_that_of_its_files_and_score(folder, network, plddt, tmp_path):
    network.save_pretrained(tmp_path)
    same, other = load_reward(f"esmfold:{tmp_path}"), load_reward(f"esmfold:{folder}", score="ptm")
    assert reward_identity(same) == reward_identity(plddt) != reward_identity(other)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {**weights, "ptm_head.bias": weights["ptm_head.bias"] + 1}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    assert reward_identity(load_reward(f"esmfold:{tmp_path}")) != reward_identity(plddt)


def test_files_of_torch_are_read_as_data_and_nothing_global_changes(network, folder, plddt, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    state = torch.get_rng_state()
    found = load_reward(f"esmfold:{tmp_path}")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found(DESIGNS), plddt(DESIGNS))


def test_the_contact_head_may_be_missing_and_nothing_else(folder, plddt, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("esm.contact_head.")}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    state = torch.get_rng_state()
    assert torch.equal(load_reward(f"esmfold:{tmp_path}")(DESIGNS), plddt(DESIGNS))
    assert torch.equal(torch.get_rng_state(), state)
    del kept["ptm_head.weight"]
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"1 of its weights are missing or have another shape, such as ptm_head\.weight"
    ):
        load_reward(f"esmfold:{tmp_path}")


def test_what_is_no_esmfold_is_one_sentence(folder, tmp_path):
    with pytest.raises(
        ValueError, match="names a local folder of transformers, and there is none at facebook/esmfold_v1"
    ):
        load_reward("esmfold:facebook/esmfold_v1")
    with pytest.raises(ValueError, match=f"ESMFold cannot be loaded from {re.escape(str(tmp_path))}"):
        load_reward(f"esmfold:{tmp_path}")
    with torch.random.fork_rng(devices=[]):
        EsmForMaskedLM(EsmConfig(**ENCODER)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="does not fold; for ESM-2 as a model give esm:PATH"):
        load_reward(f"esmfold:{tmp_path}")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="of its weights are missing or have another shape, such as "):
        load_reward(f"esmfold:{tmp_path}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "pae"}, "unknown score of ESMFold 'pae'; known are plddt, ptm"),
        ({"batch": 0}, "batch is at least 1 sequence, got 0"),
        ({"chunk": 0}, "chunk is at least 1 row, got 0"),
    ],
)
def test_wrong_options_are_one_sentence(folder, options, message):
    with pytest.raises(ValueError, match=message):
        load_reward(f"esmfold:{folder}", **options)


def test_chunks_change_memory_and_not_scores(folder, plddt):
    found = load_reward(f"esmfold:{folder}", chunk=3, batch=1)(DESIGNS)
    assert torch.allclose(found, plddt(DESIGNS), atol=1e-5)


def test_letters_outside_the_twenty_are_named(plddt):
    with pytest.raises(ValueError, match="sequence 0 has 'X' at position 2"):
        plddt(["AXA"])
    with pytest.raises(ValueError, match="sequence 0 has '-' at position 2"):
        plddt.structures(["A-A"])
