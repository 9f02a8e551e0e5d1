"""Fitting a value: what is collected, refused, counted, measured, saved and read back."""

import json
import math
import shutil
import warnings
from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

import svdd
from support import processes
from svdd.chain.rng import Rng
from svdd.cost.ledger import Usage
from svdd.decoding.alarms import TemperatureWarning
from svdd.decoding.decoding import Decoding
from svdd.decoding.metering import accounted
from svdd.domains.sequence.masked import infill
from svdd.domains.sequence.rewards import gc_content
from svdd.fitting import FittedValue
from svdd.fitting.card import as_text
from svdd.fitting.fingerprint import FingerprintError
from svdd.fitting.losses import linex, soft_backup, squared
from svdd.fitting.predictors import of_network
from svdd.fitting.quality import agreement
from svdd.fitting.rollouts import roll_out
from svdd.method.features import table
from svdd.method.learned_values import Learned
from svdd.networks.attention import TransformerRegressor
from svdd.networks.regressors import ConvolutionalRegressor, PooledRegressor
from svdd.networks.training import isolated_randomness
from svdd.scoring.scorer import Scorer

STEPS = 4
TINY = {"rollouts": 24, "states": 3, "train_steps": 4, "batch": 16, "held_out": 8, "nested": (4, 3), "candidates": 3}
SIZES = {"channels": 8, "kernel": 3, "layers": 1, "hidden": 8}


def dna(steps=STEPS, length=24):
    return svdd.load("dna-enhancer", steps=steps, length=length)


def gc(sequences):
    return [text.count("G") + text.count("C") + 0.01 * text.count("A") for text in sequences]


@pytest.fixture(scope="module")
def value():
    return svdd.fit_value(dna(), gc, network_options=SIZES, **TINY)


@pytest.fixture
def folder(value, tmp_path):
    value.save(tmp_path / "V")
    return tmp_path / "V"


def quick(process=None, reward=processes.reward, **settings):
    tiny = TINY | {"held_out": 0, "candidates": 0, "network": Ridge()}
    return svdd.fit_value(process or processes.masked(), reward, **tiny | settings)


# --- roll-outs ---------------------------------------------------------------------------------------------------


def test_states_are_those_of_unguided_chains_and_labels_are_their_ends():
    process = processes.masked(decode=processes.words)
    kept = roll_out(process, processes.reward, 300, states=2, seed=0, stream=5)
    chain = process.start(300, (), svdd.Rng(0, range(5, 305)))
    assert len(kept) == 600
    assert torch.equal(kept.chain.bincount(), torch.full((300,), 2))
    assert set(kept.step.tolist()) == {0, 1, 2, 3}
    revealed = kept.x < 3
    assert bool((kept.x == kept.finished[kept.chain])[revealed].all()), "a revealed token stays to the end"
    ends = torch.tensor(processes.reward(processes.words(kept.finished)), dtype=torch.float64)
    assert torch.equal(kept.label, ends[kept.chain])
    assert len(chain) == 300


def test_a_chain_does_not_depend_on_how_many_there_are():
    few, many = (roll_out(processes.mixed(), processes.reward, n, states=2, seed=3, stream=0) for n in (5, 300))
    assert torch.equal(few.finished["edges"], many.finished["edges"][:5])
    assert torch.equal(few.x["nodes"].sum(), many.x["nodes"][many.chain < 5].sum())


def test_children_come_from_the_kernel_of_their_state_and_cost_no_network_row():
    usage = Usage()
    process, reward = accounted(dna(), usage, {}), Scorer(gc, cost=usage.reward)
    kept = roll_out(process, reward, 20, states=3, seed=0, stream=0, children=4)
    assert usage.network.asked == 20 * STEPS
    parents = kept.x.repeat_interleave(4, 0)
    assert kept.children.shape == parents.shape
    shown = parents < 4
    assert torch.equal(kept.children[shown], parents[shown])
    assert len(kept.children.unique(dim=0)) > len(kept.x.unique(dim=0))


def test_conditioning_goes_round_and_reaches_features():
    seen = []

    def features(x, t, cond):
        seen.append(cond)
        return table(4)(x, t, cond)

    cond = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    fitted = quick(cond=cond, features=features)
    assert sorted(seen[0].unique().tolist()) == [0.0, 2.0]
    result = svdd.decode(processes.masked(), processes.reward, value=fitted, candidates=2, samples=2, cond=cond)
    assert len(result) == 2
    with pytest.raises(ValueError, match="do not see conditioning"):
        quick(cond=cond, network="convolutional")


@pytest.mark.slow
@pytest.mark.parametrize(("length", "network"), [(64, "convolutional"), (65, "pooled")])
def test_unless_named_the_network_suits_the_length(length, network):
    process = svdd.load("dna-enhancer", steps=2, length=length)
    fitted = svdd.fit_value(process, gc, rollouts=16, train_steps=1, held_out=0, candidates=0)
    assert fitted.card["network"] == network


@pytest.mark.slow
def test_forward_noise_only_where_asked_and_told_in_the_card():
    plain, noisy = (quick(dna(), gc, forward_noise=given) for given in (False, True))
    assert plain.card["data"]["source"] == "each as the chain met it"
    assert "forward noise" in noisy.card["data"]["source"]
    with pytest.raises(ValueError, match="masked sequence models"):
        quick(processes.gaussian(), forward_noise=True)


# --- losses ------------------------------------------------------------------------------------------------------


def test_linex_is_stationary_at_the_soft_value_and_like_squares_when_hot():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(4000, generator=generator, dtype=torch.float64)
    for a in (0.5, 2.0):
        f = soft_backup(target[None], a).requires_grad_(True)
        linex(f.expand(4000), target, 1.0, a, 20.0).backward()
        assert float(f.grad[0]) == pytest.approx(0.0, abs=1e-9)
    f = torch.full((4000,), 0.3, dtype=torch.float64)
    assert float(linex(f, target, 1.0, 1e3, 20.0)) == pytest.approx(float(squared(f, target, 1.0)), rel=1e-2)


def test_beyond_the_clip_linex_keeps_its_slope_and_invalid_targets_push_down():
    f = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    linex(f, torch.tensor([50.0, 500.0, -torch.inf], dtype=torch.float64), 1.0, 1.0, 4.0).backward()
    slope = torch.tensor([1 - torch.e**4, 1 - torch.e**4, 1.0], dtype=torch.float64) / 3
    torch.testing.assert_close(f.grad, slope)


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target": "sofft"}, "unknown target 'sofft'; did you mean soft"),
        ({"target": "soft"}, "target soft needs a finite temperature above 0, got None"),
        ({"target": "soft-q", "temperature": 0.0}, "above 0, got 0.0"),
        ({"temperature": -1.0}, "temperature must be above 0, got -1.0"),
        ({"network": "transfomer"}, "unknown network 'transfomer'; did you mean transformer?"),
        ({"network": 3}, "a regressor with fit and predict, got 3"),
        ({"rollouts": 3}, "needs at least 16 roll-outs to learn from, got 3"),
        ({"states": 0}, "states must be at least 1, got 0"),
        ({"held_out": -1}, "held_out must be at least 0"),
        ({"rolouts": 30}, "unknown setting of fit_value 'rolouts'; did you mean rollouts"),
        ({"target": "soft-q", "temperature": 1.0}, "soft-q moves its targets"),
        ({"target": "soft-q", "temperature": 1.0, "forward_noise": True}, "soft-q needs the model's own states"),
        ({"chunks": {"netwrk": 3}}, "unknown component to chunk"),
        ({"reward": lambda x: torch.ones(len(x))}, "the reward is 1 for all 24 roll-outs"),
        ({"reward": lambda x: torch.full((len(x),), -torch.inf)}, "all 24 roll-outs are invalid"),
        ({"invalid": -math.inf}, "invalid is the finite reward that an invalid design counts as, got -inf"),
        ({"network": "pooled", "network_options": {"chanels": 3}}, "the pooled network cannot be made"),
    ],
)
def test_what_cannot_be_fitted_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        quick(**settings)


def partly_invalid(x):
    numbers = processes.reward(x)
    return torch.where(numbers > 2, -torch.inf, numbers)


def test_the_mean_takes_no_invalid_designs_and_the_soft_value_does():
    with pytest.raises(
        ValueError, match=r"roll-outs are invalid \(reward -inf\).*such as invalid=0, or use target soft"
    ):
        quick(reward=partly_invalid)
    assert quick(reward=partly_invalid, target="soft", temperature=1.0).card["data"]["invalid"] > 0


@pytest.mark.parametrize("settings", [{}, {"target": "soft-q", "temperature": 1.0, "network": "pooled"}])
def test_an_invalid_design_counts_as_what_it_is_said_to(settings):
    floored = quick(reward=partly_invalid, invalid=-3, **settings)
    by_hand = quick(reward=lambda x: partly_invalid(x).clamp(min=-3.0), **settings)
    x = processes.masked().start(50, (), Rng(7, range(50))).propose(1).x
    said = [torch.as_tensor(one.predictor(x, torch.tensor(0.5), ())) for one in (floored, by_hand)]
    assert torch.equal(*said)
    data, other = floored.card["data"], by_hand.card["data"]
    assert (data["rewards"], other["invalid"]) == (other["rewards"], 0)
    assert data["invalid"] > 0
    assert f"{data['invalid']} invalid, which counted as -3." in as_text(floored.card, plotted=False)


@pytest.mark.slow
def test_a_fit_that_is_made_again_pays_for_no_design_twice(tmp_path):
    paid = []

    def reward(sequences):
        paid.extend(sequences)
        return gc(sequences)

    reward.identity = "gc"
    settings = {"rollouts": 40, "held_out": 16, "nested": (8, 4), "candidates": 3, "cache": tmp_path / "scores.sqlite"}
    first = quick(dna(), reward, **settings)
    assert len(paid) == len(set(paid)) > 100
    again = quick(dna(), reward, **settings, train_steps=5)
    assert len(paid) == len(set(paid))
    assert first.card["quality"] == again.card["quality"]
    assert again.card["cost"]["reward_rows"] == 0
    assert first.card["break_even"] is again.card["break_even"] is None  # what a file answers has no price


def test_only_networks_of_the_package_are_saved(tmp_path):
    with isolated_randomness(0):
        timeless = _Timeless()
    for network in (Ridge(), timeless):
        with pytest.raises(ValueError, match="only the networks of the package are saved"):
            quick(processes.gaussian(), network=network).save(tmp_path / "V")
    with pytest.raises(ValueError, match="the convolutional network reads rows of tokens"):
        quick(processes.gaussian(), network="convolutional")
    assert not (tmp_path / "V").exists()


class _Timeless(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(2, 1)

    def forward(self, x, t):
        return self.line(x)


# --- the ledger --------------------------------------------------------------------------------------------------


def network(kind, length=24):
    with isolated_randomness(0):
        return {
            "convolutional": lambda: ConvolutionalRegressor(4, length, timed=True, **SIZES),
            "pooled": lambda: PooledRegressor(4, length, channels=8, timed=True),
            "transformer": lambda: TransformerRegressor(4, length, width=8, heads=2, timed=True),
        }[kind]()


@pytest.mark.slow
def test_a_learned_value_costs_t_network_rows_a_chain_and_equal_states_once():
    value = svdd.learned(of_network(network("pooled", length=6)))
    decoding = Decoding(dna(length=6), gc, value=value, candidates=5, samples=6, chunks={"value": 7})
    for _ in decoding:
        pass
    usage = decoding.usage
    assert usage.network.asked == STEPS * 6
    assert usage.value.asked == (STEPS - 1) * 5 * 6
    assert 0 < usage.value.rows < usage.value.asked, "candidates of a masked model repeat"
    assert usage.value.calls >= usage.value.rows / 7
    assert usage.reward.asked == 5 * 6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["convolutional", "pooled", "transformer"])
def test_batches_chunks_and_sharing_change_nothing(kind):
    value = Learned(of_network(network(kind)))
    plain, other = (
        svdd.decode(dna(), gc, value=value, candidates=4, temperature=0.5, samples=9, **more)
        for more in ({}, {"batch": 4, "chunks": {"value": 5, "network": 3}, "share": False})
    )
    assert plain.samples == other.samples
    order = ["chain", "step", "particle"]
    values = [torch.tensor(r.trace.to_frame().sort_values(order)["value"].to_numpy()) for r in (plain, other)]
    assert torch.equal(*values)


def test_values_of_another_kind_do_not_go_in_chunks():
    with pytest.raises(ValueError, match="only a learned value goes in chunks"):
        Decoding(processes.masked(), processes.reward, candidates=2, chunks={"value": 4})


@pytest.mark.slow
def test_other_temperatures_are_told_but_the_argmax_has_none(value):
    soft = replace(value, temperature=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given, temperature in ((soft, 0.5), (soft, 0.0), (value, 0.3)):
            Decoding(dna(), gc, value=given, candidates=2, temperature=temperature)
    with pytest.warns(TemperatureWarning, match="fitted for temperature 0.5, but the run weighs at 0.3"):
        Decoding(dna(), gc, value=soft, candidates=2, temperature=0.3)


# --- anything that predicts --------------------------------------------------------------------------------------


def test_regressors_and_functions_are_values():
    process = processes.masked()
    x = process.start(40, (), svdd.Rng(0, 40)).propose(1).x
    t = process.times[1]
    model = Ridge().fit(table(4)(x, t, ()).numpy(), x.sum(1).double().numpy())
    by_table = svdd.learned(model, processes.reward)
    by_hand = svdd.learned(lambda x, t, cond: model.predict(table(4)(x, t, cond).numpy()), processes.reward)
    for value in (by_table, by_hand):
        assert len(svdd.decode(process, processes.reward, value=value, candidates=3, samples=4)) == 4
    assert torch.equal(torch.as_tensor(by_table.predictor(x, t, ())), torch.as_tensor(by_hand.predictor(x, t, ())))
    with pytest.raises(TypeError, match="needs a function of"):
        svdd.learned(3)


def test_features_are_one_hot_tokens_with_the_mask_and_the_time():
    x = {"edges": torch.tensor([[0, 3], [2, 1]]), "nodes": torch.tensor([[0.5], [-1.0]], dtype=torch.float64)}
    made = table(4)(x, torch.tensor(0.25), ())
    assert made.tolist() == [[1, 0, 0, 0, 0, 0, 0, 1, 0.5, 0.25], [0, 0, 1, 0, 0, 1, 0, 0, -1.0, 0.25]]
    with pytest.raises(ValueError, match="the features of this Ridge are unknown"):
        svdd.learned(Ridge()).predictor(x["edges"], torch.tensor(0.5), ())


def test_without_a_reward_a_value_says_so_at_the_end():
    process = processes.masked(steps=1)
    ends = process.start(2, (), svdd.Rng(0, 2)).propose(1)
    with pytest.raises(ValueError, match=r"give svdd.learned\(predictor, reward\)"):
        svdd.learned(lambda x, t, cond: torch.zeros(len(x)))(ends)


# --- card and folder ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_card_has_quality_by_time_cost_and_break_even(value):
    card = value.card
    assert card["cost"]["network_rows_asked"] == 24 * STEPS == value.usage.network.asked
    assert card["cost"]["reward_rows"] <= 24
    everything, *bins = card["quality"]["roll_outs"]
    assert everything["states"] == 8 * 4 == sum(row["states"] for row in bins)
    assert {"learned", "posterior mean", "mean of draws"} <= everything.keys()
    assert card["quality"]["continuations"][0]["r2_ceiling"] <= 1
    pays = card["break_even"]
    assert pays["posterior_mean_a_design"]["network_rows"] > pays["learned_a_design"]["network_rows"]
    saved = pays["posterior_mean_a_design"]["network_rows"] - pays["learned_a_design"]["network_rows"]
    assert pays["designs"]["network_rows"] == pytest.approx(value.usage.network.rows / saved)
    assert pays["designs_by_formula"] == pytest.approx(24 * STEPS / ((STEPS - 1) * 2))
    json.dumps(card, allow_nan=False)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_value(value):
    again = svdd.fit_value(dna(), gc, network_options=SIZES, **TINY)
    other = svdd.fit_value(dna(), gc, network_options=SIZES, seed=1, **TINY | {"held_out": 0, "candidates": 0})
    x = torch.full((2, 24), 4)
    t = torch.tensor(0.5)
    assert torch.equal(value.predictor(x, t, ()), again.predictor(x, t, ()))
    assert not torch.equal(value.predictor(x, t, ()), other.predictor(x, t, ()))
    assert again.card["quality"] == value.card["quality"]


def test_agreement():
    truth = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    row = agreement(truth * 2 + 1, truth)
    assert row["pearson"] == pytest.approx(1.0)
    assert row["bias"] == pytest.approx(2.0)
    assert row["r2"] == pytest.approx(1 - (1 + 4 + 9) / 2)
    assert agreement(torch.zeros(3).double(), truth)["pearson"] is None
    assert agreement(truth, torch.ones(3).double())["r2"] is None


@pytest.mark.slow
def test_a_saved_value_is_the_same_value(value, folder):
    assert {path.name for path in folder.iterdir()} == {
        "value.safetensors", "card.json", "card.md", "quality.svg", "fingerprint.safetensors",
    }  # fmt: skip
    loaded = svdd.load_value(folder, dna(), gc)
    assert isinstance(loaded, FittedValue)
    assert loaded.card == value.card
    both = [svdd.decode(dna(), gc, value=one, candidates=3, samples=3) for one in (value, loaded)]
    assert both[0].samples == both[1].samples
    assert "R2" in (folder / "card.md").read_text()


@pytest.mark.slow
def test_a_value_holds_for_templates_and_for_the_end_of_its_grid(folder):
    template = infill(dna(), ["ACGT" + "N" * 20])
    svdd.load_value(folder, template, gc)
    late = replace(dna(), times=dna().times[2:])
    svdd.load_value(folder, late, gc)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "reward", "said"),
    [
        (lambda: dna(length=25), gc, "fitted for length 24, but the run's has 25"),
        (lambda: dna(steps=5), gc, "fitted for 4 steps from t = 1 to 0, but the run's has 5 steps"),
        (lambda: svdd.load("toy-masked"), gc, "fitted for name 'dna-enhancer'"),
        (dna, gc_content(), "fitted for another reward"),
        (lambda: replace(dna(), denoiser=lambda x, t, c: _hot(dna(), x, t, c)), gc, "fitted for another model"),
        (lambda: replace(dna(), transition=_remasking()), gc, "fitted for another transition"),
    ],
)
def test_another_process_or_reward_is_refused_unless_forced(folder, process, reward, said):
    with pytest.raises(FingerprintError, match=said):
        svdd.load_value(folder, process(), reward)
    svdd.load_value(folder, process(), reward, force=True)


def _hot(process, x, t, cond):
    posterior = process.denoiser(x, t, cond)
    return type(posterior)((posterior.log_p * 0.8).log_softmax(-1))


def _remasking():
    from svdd.chain.schedules import masked_log_linear
    from svdd.chain.transitions import remasking

    return remasking(masked_log_linear(), 0.3)


@pytest.mark.parametrize("name", ["value.safetensors", "fingerprint.safetensors", "card.json"])
def test_damaged_files_are_told(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=name.split(".")[0]):
        svdd.load_value(folder, dna(), gc)
    path.unlink()
    with pytest.raises((ValueError, FileNotFoundError)):
        svdd.load_value(folder, dna(), gc)


@pytest.mark.slow
def test_folders_are_not_overwritten_unasked(value, folder, tmp_path):
    with pytest.raises(FileExistsError, match="already holds a value"):
        value.save(folder)
    value.save(folder, force=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    for force in (False, True):
        with pytest.raises(FileExistsError, match="holds files that are not a value"):
            value.save(tmp_path / "other", force)
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="is not a value that svdd fit-value finished"):
        svdd.load_value(tmp_path / "other", dna(), gc)
