"""The recipe of the model of molecules, on a few well-known ones: real training and measuring, no quality asked for."""

import gzip
import json

import numpy as np
import pytest
import torch

from recipes import baselines
from recipes.molecule import data, denoiser, recipe
from recipes.trainer import main
from svdd.domains.molecule.model import molecule
from svdd.domains.molecule.selfies import LONGEST, MASK, PAD, VOCABULARY, decode, encode
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

pytestmark = pytest.mark.slow

MOLECULES = [
    "CC(=O)Nc1ccc(O)cc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CN1CCCC1c1cccnc1",
    "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "CCOC(=O)c1ccc(N)cc1",
    "CCN(CC)CCOC(=O)c1ccc(N)cc1",
    "CCOc1ccc(NC(C)=O)cc1",
    "NC(=O)c1cccnc1",
    "NNC(=O)c1ccncc1",
    "Nc1ccc(S(N)(=O)=O)cc1",
    "COc1cc(C=O)ccc1O",
    "CC(C)NCC(O)COc1cccc2ccccc12",
    "CC(N)Cc1ccccc1",
    "OCc1ccccc1O",
    "Cc1ccccc1",
    "O=C(O)c1ccccc1O",
    "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1",
    "CN(C)CCOC(c1ccccc1)c1ccccc1",
    "Clc1ccccc1C1CNCCO1",
    "CC1COc2ccccc2N1C(=O)C",
    "O=c1[nH]cnc2[nH]cnc12",
    "Nc1ncnc2[nH]cnc12",
    "CN1CCN(c2ccccc2)CC1",
    "Fc1ccc(C(=O)N2CCOCC2)cc1",
    "O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1",
    "CC(C)NC(=O)c1ccc(Br)cc1",
    "Cc1nc2ccccc2s1",
    "N#Cc1ccc(OCC2CCCO2)cc1",
]
TINY = {"vocabulary": VOCABULARY, "channels": 8, "blocks": 1, "kernel": 3, "stem_kernel": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """MOSES' three files, one of them gzipped, with one molecule too long for the model and one of foreign atoms."""
    path = tmp_path_factory.mktemp("moses")
    (path / "train.csv").write_text("\n".join(["SMILES", *MOLECULES, "C" * 60, "C[Si](C)C"]) + "\n")
    with gzip.open(path / "moses_test.csv.gz", "wt") as file:
        file.write("\n".join(["SMILES", *MOLECULES[:12]]) + "\n")
    (path / "test_scaffolds.csv").write_text("SMILES,SPLIT\n" + "".join(f"{s},sf\n" for s in MOLECULES[12:22]))
    return path


@pytest.fixture(scope="module")
def molecules(folder, tmp_path_factory):
    return data.read_molecules(folder, tmp_path_factory.mktemp("tokens"))


def test_what_cannot_be_written_is_left_out_and_counted(molecules):
    assert molecules.counts == {"read": 32, "kept": 30, "long": 1, "foreign": 1}
    assert (len(molecules.train), len(molecules.validation)) == (27, 3)
    everything = torch.cat([molecules.train, molecules.validation]).long()
    assert sorted(decode(everything)) == sorted(decode(encode(MOLECULES)))
    assert sum(molecules.lengths()) == 27
    assert len(molecules.lengths()) == LONGEST + 1


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no train\.csv"):
        data.read_smiles(tmp_path, "train")
    (tmp_path / "train.csv").write_text("smile\nC\n")
    with pytest.raises(ValueError, match="has no column SMILES; its columns are smile"):
        data.read_smiles(tmp_path, "train")
    (tmp_path / "train.csv").write_text("SMILES\nC\n")
    with pytest.raises(ValueError, match="1 usable training molecules, too few"):
        data.read_molecules(tmp_path, tmp_path)


def test_the_bound_is_exact_for_a_network_that_knows_nothing(molecules):
    class Even(torch.nn.Module):
        vocabulary = VOCABULARY

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, tokens):
            assert bool((tokens == MASK).any(1).all())  # each row has at least one mask, and no padding is masked
            return self.weight.expand(*tokens.shape, VOCABULARY)

    tokens = molecules.train[:8].long()
    nats = denoiser.row_nats(Even(), tokens, draws=3)
    assert torch.allclose(nats, (tokens != PAD).sum(1) * np.log(PAD))
    assert denoiser.bits_per_symbol(Even(), tokens) == pytest.approx(np.log2(PAD))


def test_training_masks_no_padding_and_learns(molecules):
    with isolated_randomness(0):
        network = SequenceDenoiser(**TINY)
    settings = TrainingSettings(steps=30, learning_rate=1e-2, warm_up=2, average_decay=0.8, evaluate_every=15)
    before = denoiser.bits_per_symbol(network, molecules.validation)
    result = denoiser.train_denoiser(molecules.train, molecules.validation, settings, network=network, batch_size=16)
    assert result.best_value < before - 0.3


def test_markov_chains_leave_padding_out():
    padded = torch.tensor([[0, 1, 0, 1, 0, 1, 2, 2]] * 50 + [[0, 1, 0, 1, 2, 2, 2, 2]] * 50)
    rows = baselines.markov_row_bits(padded, padded[[0, -1]], 1, letters=2)
    assert rows[0] < 0.3
    shuffled = padded.clone()
    shuffled[padded == 2] = 7  # whatever padding is, it changes nothing
    assert np.array_equal(rows, baselines.markov_row_bits(shuffled, shuffled[[0, -1]], 1, letters=2))


def test_the_whole_recipe_writes_a_model_and_its_card(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "DENOISER", TINY)
    sizes = ["--steps", "4", "--batch", "8", "--samples", "40", "--scored", "10"]
    main("molecule", {"molecule": recipe.RECIPE}, ["--data", str(folder), "--out", str(tmp_path), *sizes])
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["quality"]["samples"]["validity"] == 1
    assert card["quality"]["training molecules"]["uniqueness"] == 1
    assert {use["held"] for use in card["held"].values()} == {1.0}
    assert card["bits"]["test"]["others"]["even symbols"]["bits"] == pytest.approx(np.log2(PAD))
    text = (tmp_path / "card.md").read_text()
    assert "1 have more than 48 symbols" in text.replace("\n", " ")
    assert "*c1ccncc1.*C1CCCCO1" in text
    assert (tmp_path / "training.svg").read_text().startswith("<?xml")
    assert (tmp_path / "reference.npz").is_file()
    assert load_network(tmp_path / "denoiser.safetensors").config["channels"] == 8
    made = molecule(weights=str(tmp_path / "denoiser.safetensors"))
    assert sum(made.prior.counts) == 27
