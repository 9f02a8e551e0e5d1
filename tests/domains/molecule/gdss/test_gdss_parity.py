"""The published checkpoints of GDSS against golden numbers computed with the original networks and update rules.

Neither comes with a licence, so neither is here: SVDD_GDSS_DIR names a folder with `gdss_{zinc250k,zinc250k_v2,qm9}.pth`,
perhaps their `.safetensors`, and `gdss_golden.npz`. What can be tested without them is in tests/test_gdss_*.py.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from svdd.chain.process import Particles
from svdd.chain.rng import Rng
from svdd.chain.tree import take
from svdd.domains.molecule.gdss.files import read_graph_checkpoint
from svdd.domains.molecule.gdss.graphs import (
    decode_graphs,
    encode_graphs,
    graphs_as_bonded,
    smiles_of,
    valid_without_correction,
)
from svdd.domains.molecule.gdss.process import gdss, graphs_of_sizes, score_networks
from svdd.domains.molecule.gdss.steps import step_size

FOLDER = Path(os.environ.get("SVDD_GDSS_DIR", ""))
pytestmark = [
    pytest.mark.skipif(not os.environ.get("SVDD_GDSS_DIR"), reason="SVDD_GDSS_DIR names no folder"),
    pytest.mark.slow,
]

SHA256 = {
    "zinc250k": "a7674d23823052110cf5d97b09744ba78bd54dc3562c6a49ede7ba015b6014e4",
    "zinc250k_v2": "eece95ad54a98737e0a4da4b9fc968d974748f3a25103544bd606b344cabf1a7",
    "qm9": "2502b7bc30b9bd9ffbcd3777721e04e449582de3564b8e3d70fbce89b48b56bc",
}
CASES = ("t1", "t0.5", "t0.1", "t0.001", "tmix")
PARTS = ("x", "adj")
FLOAT64 = 1e-9


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "gdss_golden.npz", allow_pickle=False) as file:
        yield file


def path(name):
    return str(FOLDER / f"gdss_{name}.pth")


def numbers(golden, key, dtype=torch.float64):
    return torch.from_numpy(golden[key]).to(dtype)


def graphs(golden, name, case, dtype=torch.float64):
    state = {part: numbers(golden, f"{name}/{case}/{part}", dtype) for part in PARTS}
    return state | {"flags": numbers(golden, f"{name}/flags", dtype)}


def far(made, expected):
    return float((made.double() - expected).abs().max())


class Given(Rng):
    """The stream that the golden trajectories were drawn from."""

    def __init__(self, seed):
        self.ids, self._draws = [0], np.random.RandomState(seed)

    def normal(self, shape, dtype=torch.float32, device=None):
        return torch.from_numpy(self._draws.standard_normal(tuple(shape))).to(dtype)


class Noises(Rng):
    """Two given noises, of nodes and of pairs."""

    def __init__(self, *draws):
        self.ids, self._draws = [0], list(draws)

    def normal(self, shape, dtype=torch.float32, device=None):
        made = self._draws.pop(0)
        assert tuple(made.shape) == tuple(shape)
        return made


@pytest.mark.parametrize("name", SHA256)
def test_both_forms_hold_the_same(name):
    assert hashlib.sha256(Path(path(name)).read_bytes()).hexdigest() == SHA256[name]
    original = read_graph_checkpoint(path(name))
    converted = FOLDER / f"gdss_{name}.safetensors"
    if converted.is_file():
        other = read_graph_checkpoint(converted)
        assert all(torch.equal(original.x[key], other.x[key]) for key in original.x)
        assert all(torch.equal(original.adj[key], other.adj[key]) for key in original.adj)


@pytest.mark.parametrize("name", SHA256)
def test_molecules_are_encoded(golden, name):
    x = golden[f"{name}/enc_x"]
    state = encode_graphs([str(text) for text in golden[f"{name}/smiles"]], *x.shape[1:])
    assert np.array_equal(state["x"].numpy(), x)
    assert np.array_equal(state["adj"].numpy(), golden[f"{name}/enc_adj"])
    assert np.array_equal(state["flags"].numpy(), golden[f"{name}/flags"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SHA256)
def test_networks_scores_and_denoised_graphs(golden, name, case):
    process, key = gdss(path(name), precision="float64"), f"{name}/{case}/"
    state = graphs(golden, name, case)
    for row, t in enumerate(numbers(golden, key + "t")):
        posterior = process.denoiser(take(state, torch.tensor([row])), t, ())
        for part in PARTS:
            assert far(posterior.score[part][0], numbers(golden, f"{key}score_{part}")[row]) < FLOAT64
            assert far(posterior.mode()[part][0], numbers(golden, f"{key}x0_{part}")[row]) < FLOAT64


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SHA256)
def test_single_precision(golden, name, case):
    """Within 1e-5 of max(1, |value|), but for a few bonds near t = 0, where the networks magnify rounding."""
    networks, key = (
        score_networks(read_graph_checkpoint(path(name)), torch.float32, torch.device("cpu")),
        f"{name}/{case}/",
    )
    outputs = networks(graphs(golden, name, case, torch.float32))
    for part, golden_name in (("x", "net_x"), ("adj", "score_adj")):
        expected = numbers(golden, key + golden_name)
        error = (outputs[part].double() - expected).abs() / expected.abs().clamp(min=1)
        assert float(error.max()) < 1e-4
        assert float((error > 1e-5).double().mean()) < 1e-3


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SHA256)
def test_predictor_and_corrector(golden, name, case):
    process, key = gdss(path(name), precision="float64"), f"{name}/{case}/"
    state, times = graphs(golden, name, case), numbers(golden, key + "t")
    places = [999 - int(float(t) * 999) for t in times]  # of the time in the grid
    for row, place in enumerate(places):
        one = take(state, torch.tensor([row]))
        posterior = process.denoiser(one, times[row], ())
        kernel = process.transition(one, posterior, process.times[place], process.times[place + 1])
        for part in PARTS:
            assert far(kernel.mean[part][0], numbers(golden, f"{key}pred_{part}_mean")[row]) < FLOAT64
            if place < 999:  # the noise of the last step is thrown away
                assert far(kernel.std[part], numbers(golden, f"{key}G_{part}")[row]) < FLOAT64


@pytest.mark.parametrize("case", CASES[:3])
@pytest.mark.parametrize("name", SHA256)
def test_one_whole_step(golden, name, case):
    """All six graphs as one batch, with the published step size and given noises."""
    process, key = gdss(path(name), precision="float64", langevin="batch"), f"{name}/{case}/"
    state, t = graphs(golden, name, case), numbers(golden, key + "t")[0]
    place = 999 - int(float(t) * 999)
    noise = {kind: {part: numbers(golden, f"{key}{kind}_{part}") for part in PARTS} for kind in ("zc", "zp")}
    rng = Noises(*noise["zc"].values(), *noise["zp"].values())
    posterior = process.denoiser(state, t, ())
    beta = 0.0 if name == "qm9" else (0.1 + 0.9 * (999 - place) / 999) / 1000
    for part, retained in (("x", 1 - beta), ("adj", 1.0)):
        h = step_size(posterior.score[part], noise["zc"][part], retained, 0.2, True)
        assert far(h, numbers(golden, f"{key}step_{part}")) < FLOAT64
    moved = process.move(state, posterior, process.times[place], rng)
    kernel = process.transition(moved, process.denoiser(moved, t, ()), process.times[place], process.times[place + 1])
    after = kernel.sample(1, rng)
    for part in PARTS:
        assert far(moved[part], numbers(golden, f"{key}corr_{part}")) < FLOAT64
        assert far(kernel.mean[part], numbers(golden, f"{key}pc_{part}_mean")) < FLOAT64
        assert far(after[part], numbers(golden, f"{key}pc_{part}")) < FLOAT64


@torch.no_grad()
def trajectory(golden, name, run, precision):
    """The loop's own chain on the golden stream."""
    key = f"{name}/{run}/"
    process = gdss(path(name), steps=int(golden[key + "N"]), langevin="batch", precision=precision)
    checkpoint, rng = read_graph_checkpoint(path(name)), Given(int(golden[key + "seed"]))
    sizes, dtype = torch.from_numpy(golden[key + "natoms"]), getattr(torch, precision)
    start = graphs_of_sizes(sizes, checkpoint.nodes, checkpoint.features, dtype, rng)
    particles = Particles(process, 0, start, rng=rng)
    while not particles.final:
        particles = particles.propose(1)
    return process, particles.x


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", FLOAT64), ("float32", 5e-5)])
@pytest.mark.parametrize("name", SHA256)
def test_short_trajectories(golden, name, precision, tolerance):
    _, state = trajectory(golden, name, "short", precision)
    for part in PARTS:
        assert far(state[part], numbers(golden, f"{name}/short/{part}_mean")) < tolerance


@pytest.mark.timeout(1800)  # minutes, beside other tests
@pytest.mark.parametrize("name", SHA256)
def test_whole_trajectories(golden, name):
    """1000 steps in double precision: graphs to 1e-8, and the same molecules."""
    process, state = trajectory(golden, name, "full", "float64")
    for part in PARTS:
        assert far(state[part], numbers(golden, f"{name}/full/{part}_mean")) < 1e-8
    assert process.decode(state) == [str(text) for text in golden[f"{name}/full/smiles"]]
    assert valid_without_correction(state).tolist() == golden[f"{name}/full/ok"].tolist()


@pytest.mark.parametrize("key", [*(f"{name}/decode" for name in SHA256), "stress_zinc250k", "stress_qm9"])
def test_decoding(golden, key):
    from rdkit import Chem

    state = {part: numbers(golden, f"{key}/{part}", torch.float32) for part in PARTS}
    expected, valid = golden[f"{key}/smiles"], golden[f"{key}/valid"]
    assert decode_graphs(state) == [Chem.CanonSmiles(str(text)) if text else "" for text in expected]
    assert valid_without_correction(state).tolist() == valid.tolist()
    whole = [smiles_of(made, whole=True) if made.valid else "" for made in graphs_as_bonded(state)]
    assert whole == [Chem.CanonSmiles(str(text)) if text else "" for text in golden[f"{key}/smiles_raw"]]
    uncorrected = decode_graphs(state, valency_correction=False)
    assert [text != "" for text in uncorrected] == [bool(ok) for ok in valid]
