"""Steps of GDSS: noise, scores, corrector and predictor against their formulas; the process they make."""

import io
import json
import math
from contextlib import nullcontext

import pytest
import torch

import svdd
from support.gdss_checkpoints import random_graphs, write_safetensors
from svdd.chain.given import begun_with
from svdd.chain.process import Particles
from svdd.decoding.decoding import Decoding
from svdd.decoding.planning import forecast
from svdd.domains.molecule.gdss.sizes import COUNTS, draw_sizes, size_law
from svdd.domains.molecule.gdss.steps import (
    VE,
    VP,
    GraphDiffusion,
    GraphNormal,
    GraphScores,
    graph_noise,
    step_size,
)
from svdd.fitting.fingerprint import FingerprintError, take_fingerprint
from svdd.method.table import METHODS
from svdd.method.values import posterior_mean

ZINC = {"x": VP(0.1, 1.0, 1000), "adj": VE(0.2, 1.0, 1000)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gdss")
    zinc = write_safetensors(folder / "zinc.safetensors", kind="zinc", network_x="ScoreNetworkX_GMH")
    return {"qm9": write_safetensors(folder / "qm9.safetensors"), "zinc": zinc}


def loaded(files, kind="qm9", **options):
    return svdd.load(f"gdss:{files[kind]}", **{"precision": "float64"} | options)


# --- noise -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "k", "alpha", "s", "g", "s_adj", "g_adj"),
    [
        (1.0, 999, 0.759572123, 0.650423085, 0.031622777, 1.0, 0.056717833),
        (0.5, 499, 0.921963172, 0.387277562, 0.023442473, 0.447213595, 0.025344562),
        (0.1, 99, 0.992776218, 0.119980754, 0.013754606, 0.234923789, 0.013305063),
        (0.001, 0, 0.999949776, 0.010022223, 0.01, 0.200322147, 0.2),
        (0.0001, 0, 0.999994998, 0.003162981, 0.01, 0.200032191, 0.2),
    ],
)
def test_marginals_and_steps_have_their_published_sizes(t, k, alpha, s, g, s_adj, g_adj):
    assert ZINC["x"].marginal(t) == pytest.approx((alpha, s), abs=1e-9)
    assert ZINC["adj"].marginal(t) == pytest.approx((1.0, s_adj), abs=1e-9)
    assert math.sqrt(ZINC["x"].variance(k, k - 1)) == pytest.approx(g, abs=1e-9)
    assert math.sqrt(ZINC["adj"].variance(k, k - 1)) == pytest.approx(g_adj, abs=1e-9)
    assert ZINC["x"].retained(k, k - 1) == pytest.approx(1 - g**2, abs=1e-9)


def test_small_times_lose_no_digits():
    c = -0.25e-8 * 0.9 - 0.5e-4 * 0.1
    assert VP(0.1, 1.0, 1000).marginal(1e-4)[1] == pytest.approx(math.sqrt(-2 * c - 2 * c**2), rel=1e-9)


@pytest.mark.parametrize("noise", [VP(0.1, 1.0, 50), VE(0.1, 1.0, 50)])
def test_a_coarse_step_is_many_steps(noise):
    kept = math.prod(noise.retained(k, k - 1) for k in range(11, 31))
    assert noise.retained(30, 10) == pytest.approx(kept)
    if isinstance(noise, VE):
        assert noise.variance(30, 10) == pytest.approx(sum(noise.variance(k, k - 1) for k in range(11, 31)))
    else:
        assert noise.variance(30, 10) == pytest.approx(1 - kept)


@pytest.mark.parametrize("steps", [1, 7, 1000, 2000])
def test_the_grid_counts_down_to_its_last_step(steps):
    diffusion = GraphDiffusion(ZINC, steps, 1e-3)
    numbers = [diffusion.number(t) for t in diffusion.times]
    assert numbers == [*range(steps - 1, -1, -1), -1]
    assert diffusion.times[0] == 1
    assert diffusion.times[-1] == 0
    if steps > 1:
        assert diffusion.times[-2] == pytest.approx(1e-3)


def test_noise_is_symmetric_with_unit_variance_on_real_nodes_only():
    flags = random_graphs([4, 2, 3] * 500, 5, 4)["flags"]
    noise = graph_noise(flags, 4, svdd.Rng(0, 1))
    assert torch.equal(noise["adj"], noise["adj"].mT)
    real = flags[:, :, None] * flags[:, None] * (1 - torch.eye(5))
    assert not noise["adj"][real == 0].any()
    assert not noise["x"][flags == 0].any()
    for numbers in (noise["adj"][real == 1], noise["x"][flags == 1].flatten()):
        assert float(numbers.var()) == pytest.approx(1, abs=0.05)


# --- one step ----------------------------------------------------------------------------------------------------


def said(state, seed=1):
    other = random_graphs([int(n) for n in state["flags"].sum(1)], *state["x"].shape[1:], seed=seed)
    return {"x": other["x"], "adj": other["adj"]}


def at(t):
    return torch.tensor(t, dtype=torch.float64)


def test_scores_and_denoised_graphs():
    state, diffusion = random_graphs([5, 3], 5, 4), GraphDiffusion(ZINC, 1000, 1e-4)
    outputs = said(state)
    posterior = diffusion.denoiser(lambda _: outputs)(state, at(0.5), ())
    alpha, s = 0.921963172, 0.387277562
    assert torch.allclose(posterior.score["x"], -outputs["x"] / s)
    assert torch.equal(posterior.score["adj"], outputs["adj"])
    assert torch.allclose(posterior.mode()["x"], (state["x"] - s * outputs["x"]) / alpha)
    assert torch.allclose(posterior.mode()["adj"], state["adj"] + 0.2 * outputs["adj"])
    assert posterior.mode()["flags"] is state["flags"]
    assert posterior.deterministic
    rows = posterior[torch.tensor([1])]
    assert isinstance(rows, GraphScores)
    assert torch.equal(rows.score["x"], posterior.score["x"][1:])


def test_the_predictor_is_its_formula():
    state, diffusion = random_graphs([5, 3], 5, 4), GraphDiffusion(ZINC, 1000, 1e-4)
    posterior = diffusion.denoiser(lambda _: said(state))(state, diffusion.times[400], ())
    kernel = diffusion.transition(state, posterior, diffusion.times[400], diffusion.times[401])
    k = 599
    beta = (0.1 + 0.9 * k / 999) / 1000
    sigma = [0.2 * 5 ** (j / 999) for j in (k - 1, k)]
    x = (2 - math.sqrt(1 - beta)) * state["x"] + beta * posterior.score["x"]
    adj = state["adj"] + (sigma[1] ** 2 - sigma[0] ** 2) * posterior.score["adj"]
    assert torch.allclose(kernel.mean["x"], x, atol=1e-12)
    assert torch.allclose(kernel.mean["adj"], adj, atol=1e-12)
    assert torch.allclose(kernel.std["x"], at([math.sqrt(beta)] * 2))
    assert torch.allclose(kernel.std["adj"], at([math.sqrt(sigma[1] ** 2 - sigma[0] ** 2)] * 2))
    last = diffusion.transition(state, posterior, diffusion.times[-2], diffusion.times[-1])
    assert last.deterministic
    assert torch.allclose(last.mean["adj"], state["adj"] + 0.2**2 * posterior.score["adj"])


def norm(v):
    return math.sqrt(sum(float(number) ** 2 for number in v.flatten()))


@pytest.mark.parametrize("coupled", [False, True])
def test_the_corrector_is_its_formula(coupled):
    state, diffusion = random_graphs([5, 3, 4], 5, 4), GraphDiffusion(ZINC, 1000, 1e-4)
    posterior = diffusion.denoiser(lambda _: said(state))(state, diffusion.times[400], ())
    moved = diffusion.corrector(0.2, 0.9, coupled)(state, posterior, diffusion.times[400], svdd.Rng(3, 3))
    noise = graph_noise(state["flags"], 4, svdd.Rng(3, 3))
    for part, kept in (("x", 1 - (0.1 + 0.9 * 599 / 999) / 1000), ("adj", 1.0)):
        ratios = [norm(noise[part][i]) / norm(posterior.score[part][i]) for i in range(3)]
        if coupled:
            means = [sum(norm(rows[i]) for i in range(3)) for rows in (noise[part], posterior.score[part])]
            ratios = [means[0] / means[1]] * 3
        for i in range(3):
            h = 2 * kept * (0.2 * ratios[i]) ** 2
            expected = state[part][i] + h * posterior.score[part][i] + 0.9 * math.sqrt(2 * h) * noise[part][i]
            assert float((moved[part][i] - expected).abs().max()) < 1e-12
    assert moved["flags"] is state["flags"]


def test_a_graph_without_a_score_does_not_move():
    zero = torch.zeros(2, 3, 3)
    assert step_size(zero, zero, 1.0, 0.2, False).tolist() == [0, 0]
    assert step_size(zero, zero, 1.0, 0.2, True).tolist() == [0, 0]


def test_the_density_counts_each_pair_once_and_padding_never():
    state = random_graphs([4, 2], 5, 4)
    std = {"x": at([0.5, 0.7]), "adj": at([0.2, 0.3])}
    normal = GraphNormal(state, std)
    drawn = normal.sample(3, svdd.Rng(0, 2))
    assert drawn["x"].shape == (6, 5, 4)
    assert drawn["flags"].sum(1).tolist() == [4, 4, 4, 2, 2, 2]
    one = {k: v[[1, 4]] for k, v in drawn.items()}
    expected = [0.0, 0.0]
    for row, n in enumerate((4, 2)):
        places = [("x", i, f) for i in range(n) for f in range(4)]
        places += [("adj", i, j) for i in range(n) for j in range(i)]
        for part, i, j in places:
            s, z = float(std[part][row]), float(one[part][row, i, j] - state[part][row, i, j])
            expected[row] += -((z / s) ** 2) / 2 - math.log(s) - math.log(2 * math.pi) / 2
    assert normal.log_prob(one).tolist() == pytest.approx(expected)
    assert normal.log_prob({**one, "flags": one["flags"].flip(0)}).tolist() == [-math.inf, -math.inf]
    assert torch.equal(normal[torch.tensor([1])].mode()["x"], state["x"][1:])


# --- the process -------------------------------------------------------------------------------------------------


def carbons(designs):
    return [design.count("C") + 0.01 * len(design) if design else -math.inf for design in designs]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qm9", "zinc"])
def test_states_stay_graphs(files, kind):
    process = loaded(files, kind)
    particles = process.start(6, (), svdd.Rng(1, 6))
    flags = particles.x["flags"]
    assert process.steps == 6
    while not particles.final:
        particles = particles.propose(1)
        x = particles.x
        assert torch.equal(x["flags"], flags)
        assert torch.equal(x["adj"], x["adj"].mT)
        assert not x["adj"].diagonal(dim1=1, dim2=2).any()
        assert not (x["x"] * (1 - flags)[:, :, None]).any()
        assert not (x["adj"] * (1 - flags)[:, :, None]).any()
    assert all(isinstance(design, str) for design in process.decode(x))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corrector", "precision"), [(True, "float64"), ("each", "float64"), (False, "float64"), (True, "float32")]
)
def test_a_chain_does_not_depend_on_the_others(files, corrector, precision):
    process = loaded(files, "zinc", corrector=corrector, precision=precision, steps=3)

    def guided(*ids):
        rng, value = svdd.Rng(7, ids), posterior_mean(carbons)
        return svdd.last(svdd.svdd(process, value, chains=len(ids), rng=rng, candidates=2)).particles.x

    together, some, alone = guided(0, 1, 2, 3, 4), guided(4, 2, 0), guided(2)
    for part in ("x", "adj", "flags"):
        assert torch.equal(some[part], together[part][[4, 2, 0]])
        assert torch.equal(alone[part], together[part][[2]])


def test_the_published_step_size_couples_a_batch(files):
    process = loaded(files, langevin="batch", steps=2)
    several, alone = (process.start(n, (), svdd.Rng(0, n)).propose(1).x["adj"][0] for n in (4, 1))
    assert float((several - alone).abs().max()) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corrector", "states"), [(True, 1 + 5 * 3 + 6), ("each", 1 + 5 * 3 + 6 * 3), (False, 1 + 5 * 3)]
)
def test_both_networks_are_counted(files, corrector, states):
    process = loaded(files, corrector=corrector)
    usage = svdd.decode(process, carbons, samples=2, candidates=3).usage
    assert usage.network.asked == 2 * 2 * states
    assert forecast(METHODS["svdd"], {"candidates": 3}, process, posterior_mean).rows == 2 * states


def test_molecules_are_refined_from_given_ones(files):
    """Moves keep the size of a graph; given molecules are the designs before any move."""
    process, molecules = loaded(files), ["CCO", "C1CC1N"]
    none = svdd.decode(begun_with(process, molecules), carbons, method="refine", samples=4, moves=0, progress=False)
    assert none.samples == ["CCO", "NC1CC1"] * 2
    assert none.usage.network.asked == 0
    value, rng = posterior_mean(carbons), svdd.Rng(0, 4)
    step = svdd.last(svdd.refine(begun_with(process, molecules), value, moves=3, fraction=0.5, chains=4, rng=rng))
    assert step.particles.x["flags"].sum(1).tolist() == [3, 3, 4, 4] * 2


def test_graphs_keep_a_state_of_their_path_where_moves_are_exact(files):
    """Ten moves: nine take the last half of the steps again, and keep the size of a graph; the last one takes all."""
    options = {"moves": 10, "fraction": 0.5, "exact": True, "temperature": 1e9}
    run = Decoding(loaded(files, steps=6), carbons, method="refine", samples=3, share=False, **options)
    sizes = [step.particles.x["flags"].sum(1)[::2].tolist() for step in run if step.particles.final]
    assert sizes[:10] == [sizes[0]] * 10
    # the network is asked for the corrector and for the step, and each time both networks
    assert run.usage.network.asked == 3 * 2 * 2 * (6 + 9 * 3 + 6)


def test_graphs_are_noised_as_both_schedules_say(files):
    process, n = loaded(files, steps=50), 2000
    x_0 = {part: leaf.expand(n, *leaf.shape[1:]) for part, leaf in process.encode(["CCO"])[0].items()}
    x_t = process.noising(x_0, x_0, process.times[20], svdd.Rng(0, n))
    diffusion = process.transition.__self__
    for part in ("x", "adj"):
        alpha, std = diffusion.noise[part].marginal(float(process.times[20]))
        noise = x_t[part] - alpha * x_0[part]
        real = noise[:, 0, 1] if part == "adj" else noise[:, 0, 0]
        assert float(real.std()) == pytest.approx(std, rel=5 / math.sqrt(2 * n))
        assert torch.equal(x_t["adj"], x_t["adj"].mT)
        assert float(noise[:, 3:].abs().max()) == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"corrector": False}, "another move"), ({"snr": 0.6}, "another move"), ({"scale_eps": 0.1}, "another move"),
        ({"valency_correction": False}, "valency_correction True, but the run's has False"),
        ({"eps": 1e-2}, "6 steps from t = 1 to 0, but the run's has as many at other times in between"),
        ({"corrector": "each"}, None),
    ],
)  # fmt: skip
def test_a_value_belongs_to_its_corrector(files, changed, said):
    process = loaded(files, steps=6)
    x = process.prior(2, svdd.Rng(0, 2))
    fingerprint = take_fingerprint(process, carbons, x, torch.tensor([1, 3]), x)
    other = loaded(files, steps=6, **changed)
    with pytest.raises(FingerprintError, match=said) if said else nullcontext():
        fingerprint.check(other, carbons)


@pytest.mark.slow
@pytest.mark.parametrize("corrector", [True, "each"])
def test_a_run_goes_on_bit_for_bit(files, corrector):
    def make():
        process = loaded(files, corrector=corrector, precision="float32")
        return Decoding(process, carbons, samples=3, candidates=2, temperature=0.5)

    whole, states = make(), []
    for _ in whole:
        file = io.BytesIO()
        torch.save(whole.state(), file)
        file.seek(0)
        states.append(torch.load(file, weights_only=True))
    for state in states[1:5:2]:
        resumed = make().resume(state)
        for _ in resumed:
            pass
        assert resumed.result().samples == whole.result().samples
        assert torch.equal(resumed.trace.rows(), whole.trace.rows())


@pytest.mark.slow
@pytest.mark.parametrize("value", ["zero", "log-mean-exp", "rollout"])
def test_every_value_works(files, value):
    result = svdd.decode(loaded(files), carbons, method="smc", particles=3, temperature=1.0, value=value, samples=2)
    assert len(result.samples) == 2


def test_what_a_run_writes(files, tmp_path):
    result = svdd.decode(loaded(files), carbons, samples=2, candidates=2)
    folder = result.save(tmp_path / "out")
    assert (folder / "samples.csv").exists()
    assert result.about["name"] == "gdss:qm9.safetensors"
    assert result.kind.domain == "molecule"


def test_one_atom_is_a_graph(files):
    result = svdd.decode(loaded(files, atoms=1), carbons, samples=2, candidates=2)
    assert {*result.samples} <= {"", "C", "N", "O", "F"}


def test_a_corrected_state_is_asked_at_its_own_time(files):
    process = loaded(files, steps=3)
    child = process.start(2, (), svdd.Rng(0, 2)).propose(1)
    posterior = process.denoiser(child.x, process.times[1], ())
    assert torch.equal(child.posterior.score["x"], posterior.score["x"])
    assert torch.equal(Particles(process, 1, child.x).posterior.x["adj"], posterior.x["adj"])


# --- sizes and options -------------------------------------------------------------------------------------------


def test_sizes_follow_the_training_set():
    law = size_law(None, "QM9", 9)
    drawn = draw_sizes(law, 20_000, svdd.Rng(0, 1))
    counts = torch.bincount(drawn, minlength=10) / 20_000
    assert float((counts - law).abs().sum()) < 0.02
    assert sum(COUNTS["ZINC250k"]) == 224_568
    assert sum(COUNTS["QM9"]) == 133_244
    mean = sum(n * count for n, count in enumerate(COUNTS["ZINC250k"])) / 224_568
    assert mean == pytest.approx(23.15, abs=0.1)


def test_sizes_can_be_chosen(files, tmp_path):
    counts = tmp_path / "counts.json"
    counts.write_text(json.dumps([0, 0, 0, 5, 0, 5]))
    start = loaded(files, atoms=str(counts)).start(40, (), svdd.Rng(0, 40))
    assert set(start.x["flags"].sum(1).tolist()) == {3, 5}
    assert set(loaded(files, atoms=7).start(3, (), svdd.Rng(0, 3)).x["flags"].sum(1).tolist()) == {7}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"atoms": 10}, "1 to 9 atoms in this model, got atoms=10"),
        ({"atoms": 0}, "1 to 9 atoms"),
        ({"atoms": "none.json"}, "no JSON list of the counts"),
        ({"precision": "bfloat16"}, "float32"),
        ({"langevin": "graf"}, "did you mean graph"),
        ({"corrector": "eech"}, "did you mean each"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"eps": 1.5}, "eps between 0 and 1"),
        ({"stepz": 3}, "did you mean steps"),
    ],
)
def test_options_that_make_no_sense(files, options, said):
    with pytest.raises(ValueError, match=said):
        loaded(files, **options)
