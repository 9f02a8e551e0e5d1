"""States live where the network lives, and a step costs few copies and waits: on a stand-in for an accelerator."""

from dataclasses import replace

import pytest
import torch

import svdd
from domains.sequence.test_mdlm import KINDS, random_weights
from support import gdss_checkpoints
from support.stand_in_device import StandIn
from svdd.chain.given import begun_with
from svdd.cost import batches
from svdd.decoding.decoding import Decoding
from svdd.domains.molecule.gdss import process as graphs
from svdd.domains.molecule.model import with_fragment
from svdd.domains.rna.rewards import stability
from svdd.domains.sequence.alphabets import RNA
from svdd.domains.sequence.masked import elbo_per_site, from_sequences, infill, masked_sequences
from svdd.domains.sequence.uniform import uniform_elbo_per_site

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the stand-in takes the place of a missing CUDA")
CUDA = "cuda:0"
RUN = {"samples": 4, "progress": False}


@pytest.fixture(autouse=True)
def sizes_of_the_cpu(monkeypatch):
    """Batches of an accelerator are larger, and another shape may round otherwise."""
    monkeypatch.setattr(batches, "_SITES_ON_ACCELERATOR", batches._SITES_ON_CPU)
    monkeypatch.setattr(graphs, "_PAIRS_ON_ACCELERATOR", graphs._PAIRS_ON_CPU)


def reward(designs):
    return [text.count("G") + text.count("C") + 0.01 * len(set(text[:9])) for text in map(str, designs)]


def utr(device, steps=6, **options):
    return svdd.load("rna-utr", steps=steps, device=device, **options)


def told(result):
    rows = result.samples if isinstance(result.samples, list) else result.samples.tolist()
    return rows, result.rewards.tolist()


def assert_same_there(make, used=reward, **settings):
    """Designs and rewards on the stand-in are those of the CPU, and states are on it."""
    settings = RUN | settings
    expected = told(svdd.decode(make("cpu"), used, **settings))
    with StandIn():
        process = make(CUDA)
        assert process.device == torch.device(CUDA)
        assert told(svdd.decode(process, used, **settings)) == expected


METHODS = {
    "svdd": {"candidates": 3, "value": "posterior-mean"},
    "svdd at a temperature": {"candidates": 3, "temperature": 0.5, "value": "posterior-mean"},
    "svdd with samples": {"candidates": 2, "value": "log-mean-exp,samples=2"},
    "svdd filtered": {"candidates": 3, "value": "filtered"},
    "svdd filtered with samples": {"candidates": 2, "value": "filtered,samples=2", "temperature": 0.5},
    "svdd screened": {"candidates": 4, "value": "filtered,rescore=2"},
    "svdd with roll-outs": {"candidates": 2, "value": "rollout,steps=2"},
    "smc": {"method": "smc", "particles": 3, "value": "posterior-mean"},
    "smc of a running maximum": {"method": "smc", "particles": 3, "potential": "max", "value": "posterior-mean"},
    "pretrained": {"method": "pretrained"},
    "svdd without sharing": {"candidates": 2, "share": False, "value": "posterior-mean"},
    "svdd in chunks": {"candidates": 2, "chunks": {"network": 3}, "value": "posterior-mean"},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_device_gives_the_designs_of_the_cpu(name):
    assert_same_there(utr, **METHODS[name])


REFINED = {
    "plain": {"best_of": 2, "tries": 2},
    "with all designs": {"returns": "all", "temperature": 0.5},
    "exactly": {"exact": True, "temperature": 0.5},
    "in a population": {"population": 3, "temperature": 0.5},
}


@pytest.mark.parametrize("model", ["rna-utr", "rna-utr-uniform"])
@pytest.mark.parametrize("name", REFINED)
def test_designs_are_refined_on_their_device(model, name):
    settings = {"method": "refine", "moves": 11, "fraction": 0.5} | REFINED[name]
    assert_same_there(lambda device: svdd.load(model, steps=4, device=device), **settings)


@pytest.mark.parametrize("exact", [False, True])
def test_given_designs_are_refined_on_their_device(exact):
    def begun(device):
        return begun_with(infill(utr(device), ["ACG" + "N" * 47, "N" * 49 + "A"]), ["ACGUA" * 10])

    assert_same_there(begun, method="refine", moves=4, fraction=0.5, exact=exact)


MODELS = {
    "letters are fixed": lambda device: infill(utr(device), ["ACG" + "N" * 47, "N" * 49 + "A"]),
    "a sequence is revised": lambda device: from_sequences(utr(device), ["ACGUA" * 10], 0.5),
    "uniform noise": lambda device: svdd.load("rna-utr-uniform", steps=3, device=device),
    "a backbone": lambda device: svdd.load("proteinmpnn", path="2ysh", steps=2, device=device),
    "molecules": lambda device: svdd.load("molecule", steps=4, length=[12, 20], device=device),
    "molecules with a fragment": lambda device: with_fragment(
        svdd.load("molecule", steps=4, device=device), "*c1ccc(F)cc1"
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_bundled_model_lives_on_its_device(name):
    assert_same_there(MODELS[name], samples=2, candidates=2)


@pytest.mark.parametrize("value", ["filtered", "filtered,samples=2", "filtered,rescore=1"])
def test_uniform_noise_is_filtered_on_its_device(value):
    assert_same_there(MODELS["uniform noise"], samples=2, candidates=3, value=value)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_lives_on_its_device(kind, timed, tmp_path):
    torch.save(random_weights(KINDS[kind][0]()), tmp_path / "net.pt")
    options = {"steps": 3, "length": 8, "time_conditioning": timed, "mask_index": 1}
    assert_same_there(lambda device: svdd.load(f"mdlm:{tmp_path}/net.pt", device=device, **options), candidates=2)


def test_graphs_live_on_their_device(tmp_path):
    path = gdss_checkpoints.write_safetensors(tmp_path / "graphs.safetensors")
    assert_same_there(lambda device: svdd.load(f"gdss:{path}", steps=3, atoms=5, device=device), candidates=2)


def test_a_reward_that_is_a_network_on_the_device_gives_the_same_numbers():
    here = stability()
    expected = here(["ACGUA" * 10, "GGGUA" * 9]).tolist()
    with StandIn():
        there = stability(device=CUDA)
        assert there.network.scale.device == torch.device(CUDA)
        assert there(["ACGUA" * 10, "GGGUA" * 9]).tolist() == expected


@pytest.mark.parametrize(("model", "bound"), [("rna-utr", elbo_per_site), ("rna-utr-uniform", uniform_elbo_per_site)])
def test_a_likelihood_bound_is_computed_on_the_device(model, bound):
    sequences = ["ACGUA" * 10, "GGGUA" * 10]
    expected = bound(svdd.load(model, steps=4), sequences, samples=2)
    with StandIn():
        found = bound(svdd.load(model, steps=4, device=CUDA), sequences, samples=2)
    assert found.device.type == "cpu"
    assert found.tolist() == expected.tolist()


def each_step(stand_in, **settings):
    """What a step costs more: the difference of runs of 6 and 14 steps, each after one that has seen every shape."""
    counts = []
    for steps in (6, 14):
        process = utr(CUDA, steps)
        svdd.decode(process, reward, **RUN, **settings)
        before = stand_in.counts
        svdd.decode(process, reward, **RUN, **settings)
        counts.append({name: number - before[name] for name, number in stand_in.counts.items()})
    return {name: (counts[1][name] - counts[0][name]) / 8 for name in counts[0]}


# in: draws, what is remembered, survivors; waits: the states' bytes, the look-ahead; out: these, and two flags on their way
STEP = {"in": 3, "waits": 2, "out": 4}
FILTERED_STEP = {"in": 6, "waits": 5, "out": 6}


@pytest.mark.parametrize(
    ("name", "most"),
    [(name, STEP) for name in ("svdd", "svdd at a temperature", "smc", "pretrained")]
    + [("svdd filtered", FILTERED_STEP)],
)
def test_a_step_costs_so_many_copies_and_waits(name, most):
    with StandIn() as stand_in:
        cost = each_step(stand_in, **METHODS[name])
    assert all(cost[one] <= most[one] for one in most), cost
    assert min(cost.values()) >= 1, "nothing was counted"


def test_a_wait_too_many_is_seen():
    with StandIn() as stand_in:
        plain = each_step(stand_in, **METHODS["svdd"])

        def looked_at(designs):
            torch.ones(2, device=CUDA).sum().item()
            return reward(designs)

        before = stand_in.counts
        svdd.decode(utr(CUDA), looked_at, **RUN, candidates=3)
        extra = stand_in.counts["waits"] - before["waits"]
    assert extra >= 6 * (plain["waits"] + 1)


def bare(network):
    """A network as a user writes it, which moves nothing, on the device where it is."""
    return masked_sequences(network, RNA, length=12, steps=3)


def test_states_beside_the_network_are_refused():
    with StandIn():
        table = torch.zeros(5, 4, device=CUDA)

        def network(x, t, cond):
            return torch.einsum("nlv,vw->nlw", torch.nn.functional.one_hot(x, 5).float(), table)

        there = masked_sequences(network, RNA, length=12, steps=3, device=CUDA)
        assert svdd.decode(there, reward, **RUN).samples[0]
        with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cpu"):
            svdd.decode(bare(network), reward, **RUN)


def states_of(make, other, stop, tmp_path):
    """A run that is saved where `make` puts it, and goes on where `other` does."""
    settings = {"samples": 4, "candidates": 3}
    run = Decoding(make, reward, **settings)
    for done, _ in enumerate(run, 1):
        if done == stop:
            break
    run.save(tmp_path / "state.pt")
    return settings


@pytest.mark.parametrize("first", ["cpu", CUDA])
@pytest.mark.parametrize("start", [lambda process: process, lambda process: infill(process, ["ACG" + "N" * 47])])
def test_a_saved_run_goes_on_elsewhere(first, start, tmp_path):
    expected = told(svdd.decode(start(utr("cpu")), reward, samples=4, candidates=3, progress=False))
    with StandIn():
        second = CUDA if first == "cpu" else "cpu"
        settings = states_of(start(utr(first)), second, 3, tmp_path)
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        assert state["step"]["x"].device.type == "cpu"
        state.pop("streams")
        run = Decoding(start(utr(second)), reward, **settings).resume(state)
        for step in run:
            assert step.particles.x.device == torch.device(second)
        assert told(run.result()) == expected


@pytest.mark.parametrize("broken", ["nan", "forbidden"])
def test_a_network_that_fails_there_is_told_with_the_sentence_of_the_cpu(broken):
    def message(device):
        process = utr(device)

        def denoiser(x, t, cond):
            answer = process.denoiser(x, t, cond)
            if float(t) < 0.5:
                answer.log_p[:] = torch.nan if broken == "nan" else -torch.inf
            return answer

        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared
            svdd.decode(replace(process, denoiser=denoiser), reward, **RUN, candidates=2)
        return str(caught.value)

    expected = message("cpu")
    assert ("NaN at row 0" if broken == "nan" else "every token is forbidden") in expected
    with StandIn():
        assert message(CUDA) == expected


def test_the_stand_in_counts_what_a_device_would_do():
    with StandIn() as device:
        x = torch.arange(6).to(CUDA)
        assert device.counts == {"in": 1, "out": 0, "waits": 0}
        assert x[torch.tensor([1, 0])].cpu().tolist() == [1, 0]
        assert device.counts == {"in": 2, "out": 1, "waits": 1}
        assert bool((x > 4).any())
        assert x[x > 3].tolist() == [4, 5]
        assert device.counts == {"in": 2, "out": 4, "waits": 4}
        flag, event = (x > 9).any().to("cpu", non_blocking=True), torch.cuda.Event()
        event.record()
        x.sum().item()  # a wait for later work
        event.synchronize()
        assert device.counts == {"in": 2, "out": 6, "waits": 5}
        assert not flag
        assert (x * torch.tensor(2)).tolist() == [0, 2, 4, 6, 8, 10]
        x[1:3] = 7
        assert x.tolist() == [0, 7, 7, 3, 4, 5]
        with pytest.raises(RuntimeError, match="at least two devices"):
            x + torch.ones(6)
        with pytest.raises(RuntimeError, match="indices should be"):
            torch.arange(6)[x]
        with pytest.raises(TypeError, match="can't convert cuda:0"):
            x.numpy()
