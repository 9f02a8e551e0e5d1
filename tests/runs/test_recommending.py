"""`svdd.plan`: what is timed, which sizes fit, which rule holds, and that a run asks for the rows that were told."""

import re
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

import svdd
from support.processes import gaussian, masked, mixed
from svdd.cost.budget import Budget
from svdd.decoding.planning import Forecast
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences
from svdd.method.advice import RULES, WAYS
from svdd.method.table import METHODS
from svdd.runs import rates as timing
from svdd.runs.rates import rates
from svdd.runs.recommending import states_of

T, SAMPLES = 8, 4


def letters(usual_value="filtered"):
    import torch

    shares = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    process = masked_sequences(lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=12, steps=T)
    return replace(process, usual_value=usual_value)


def without_noise():
    return replace(letters(), noising=None)


def count_g(designs):
    return [float(design.count("G")) for design in designs]


def total(x):
    return x.double().flatten(1).sum(1)


def chosen(made):
    return made.best.settings | {"size": made.best.size}


def by_way(made):
    return dict(zip(WAYS, made.choices, strict=True))


@pytest.mark.parametrize("way", list(WAYS))
def test_a_run_asks_for_the_rows_that_were_told(way):
    budget = {"rewards": SAMPLES * 60, "rows": SAMPLES * 60}
    choice = by_way(svdd.plan(letters(), count_g, budget=budget, samples=SAMPLES))[way]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usage = svdd.decode(letters(), count_g, samples=SAMPLES, progress=False, **choice.settings).usage
    assert choice.asks == Forecast(usage.reward.asked, usage.network.asked)
    assert choice.asks.fits(Budget(**budget))


@pytest.mark.parametrize("way", list(WAYS))
def test_one_size_more_would_not_fit(way):
    budget = Budget(rewards=SAMPLES * 60, rows=SAMPLES * 60)
    choice = by_way(svdd.plan(letters(), count_g, budget=budget, samples=SAMPLES))[way]
    larger = choice.settings | {choice.way.size: choice.size + 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usage = svdd.decode(letters(), count_g, samples=SAMPLES, progress=False, **larger).usage
    assert not Forecast(usage.reward.asked, usage.network.asked).fits(budget)


@pytest.mark.parametrize(
    ("process", "reward", "budget", "expected"),
    [
        (letters(), count_g, {"rewards": SAMPLES * 13}, {"method": "best-of-n", "particles": 13}),
        (letters(), count_g, {"rewards": SAMPLES * 20}, {"method": "refine", "moves": 14, "best_of": 6, "fraction": 0.3}),
        (letters(), count_g, {"rewards": SAMPLES * 30}, {"method": "refine", "moves": 24, "best_of": 6, "fraction": 0.3}),
        (without_noise(), count_g, {"rewards": SAMPLES * 20}, {"method": "best-of-n", "particles": 20}),
        (letters(), count_g, {"rewards": SAMPLES * 200}, {"method": "refine", "moves": 199}),
        (letters(), count_g, {"rewards": SAMPLES * T * 50}, {"method": "svdd", "value": "filtered", "candidates": 50}),
        (letters(), count_g, {"rows": SAMPLES * T}, {"method": "svdd", "value": "filtered", "candidates": 40}),
        (letters(), count_g, None, {"method": "svdd", "value": "filtered", "candidates": 40}),
        (letters("posterior-mean"), count_g, None, {"method": "svdd", "value": "posterior-mean", "candidates": 10}),
        (letters("posterior-mean"), count_g, {"rows": SAMPLES * T}, {"method": "svdd", "value": "filtered", "candidates": 40}),
        (masked(steps=T), total, None, {"method": "svdd", "value": "posterior-mean", "candidates": 10}),
        (gaussian(steps=T), total, None, {"method": "svdd", "value": "posterior-mean", "candidates": 10}),
        (gaussian(steps=T), total, {"rewards": SAMPLES * 50}, {"method": "refine", "moves": 49}),
        (
            gaussian(steps=T, eta=0.0), total, None,
            {"method": "beam", "value": "posterior-mean", "width": 8, "candidates": 1, "narrowing": "psp"},
        ),
    ],
    ids=["13-calls", "20-calls", "30-calls", "20-calls-without-noise", "200-calls", "50-per-step",
         "few-rows", "letters", "letters-by-the-mean", "few-rows-by-the-mean",
         "tokens", "continuous", "50-calls", "deterministic"],
)  # fmt: skip
def test_the_rules(process, reward, budget, expected):
    made = svdd.plan(process, reward, budget=budget, samples=SAMPLES)
    assert made.settings == {"samples": SAMPLES, **expected}
    assert made.reason in {rule.reason for rule in RULES}


def test_few_network_rows_of_continuous_states_are_for_few_particles():
    made = svdd.plan(gaussian(steps=T), total, budget={"rows": SAMPLES * T * 5, "rewards": 10**9}, samples=SAMPLES)
    assert made.best.way is WAYS["pruning"]
    assert by_way(made)["posterior-mean"].size < 10


def test_what_cannot_run_says_why():
    made = by_way(svdd.plan(mixed(steps=T, noising=None), lambda x: x["nodes"].double().sum(1), samples=SAMPLES))
    assert (made["filtered"].size, made["filtered"].note) == (0, "the model's steps are not of tokens")
    assert made["refine"].note == "the model has no forward noise"
    made = by_way(svdd.plan(gaussian(steps=T, eta=0.0), total, samples=SAMPLES))
    assert made["posterior-mean"].note == "the model's steps are deterministic"
    made = by_way(svdd.plan(letters(), count_g, budget={"rows": SAMPLES * T}, samples=SAMPLES))
    assert made["posterior-mean"].note == "does not fit the budget"


def test_a_slow_reward_is_asked_once_and_moves_the_recommendation(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0.1)
    asked = []

    def slow(designs):
        asked.extend(designs)
        time.sleep(0.2 * len(designs))
        return count_g(designs)

    made = svdd.plan(letters(), slow, samples=500)
    assert len(asked) == made.rates.spent.rewards == 1
    assert made.rates.reward == pytest.approx(0.2, rel=0.3)
    assert made.best.way in (WAYS["refine"], WAYS["best-of-n"])  # 36 calls per design, less what the machine is slower
    assert made.best.size <= 36
    assert made.best.seconds <= 3600
    quick = svdd.plan(letters(), slow, samples=500, budget={"seconds": 1000})
    assert quick.best.way is WAYS["best-of-n"]
    assert 1 <= quick.best.size <= 10


def test_what_was_spent_is_counted():
    rows, designs = [], []

    def network(x, t, cond):
        import torch

        rows.append(len(x))
        return torch.zeros(*x.shape, 4).log_softmax(-1)

    def reward(given):
        designs.extend(given)
        return count_g(given)

    process = masked_sequences(network, DNA, length=12, steps=T)
    timed = rates(process, reward, 20)
    assert timed.spent == Forecast(16, sum(rows)) == Forecast(16, 1 + 3 * 20 + 16 * T)
    assert len(designs) == timed.designs == 16
    assert timed.drawn
    assert timed.seconds(Forecast(2, 3)) == pytest.approx(2 * timed.reward + 3 * (timed.network + timed.step))


def test_a_reward_of_whole_batches_is_asked_about_all_at_once():
    sizes = []

    @svdd.groupwise
    def ranked(designs):
        sizes.append(len(designs))
        return count_g(designs)

    assert svdd.plan(letters(), ranked, samples=6).rates.designs == 6
    assert sizes == [6]


def test_a_run_that_begins_with_designs_refines_them():
    from svdd.chain import begun_with

    made = svdd.plan(begun_with(letters(), ["ACGTACGTACGT"]), count_g, samples=SAMPLES)
    assert made.settings == {"samples": SAMPLES, "method": "refine", "moves": 100}
    assert by_way(made)["filtered"].note == "the run begins with finished designs"


def test_a_few_moves_are_better_than_none():
    from svdd.chain import begun_with

    process = begun_with(letters(), ["ACGTACGTACGT"])
    assert svdd.plan(process, count_g, samples=SAMPLES, budget={"rewards": 4 * SAMPLES}).settings["moves"] == 3
    with pytest.raises(ValueError, match="no method runs: the run begins with finished designs"):
        svdd.plan(replace(process, noising=None), count_g)


def test_a_budget_that_covers_nothing_is_one_sentence():
    with pytest.raises(
        ValueError, match="100 network rows do not cover 64 designs of 8 steps, which ask for at least 64 rew"
    ):
        svdd.plan(letters(), count_g, budget={"rows": 100, "rewards": 10**6})
    with pytest.raises(ValueError, match="unknown part of a budget"):
        svdd.plan(letters(), count_g, budget={"reward": 100})
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        svdd.plan(letters(), count_g, samples=0)


def test_it_is_a_table_and_a_call():
    made = svdd.plan("toy-masked", total, model_options={"steps": 3}, samples=SAMPLES)
    frame = made.to_frame()
    assert frame["method"].tolist() == [way.method for way in WAYS.values()]
    assert frame["note"].tolist().count("recommended") == 1
    assert frame["seconds_per_design"].tolist() == pytest.approx((frame["seconds"] / SAMPLES).tolist())
    assert made.command == (
        "svdd.decode('toy-masked', reward, model_options={'steps': 3}, samples=4, method='svdd', value='posterior-mean', "
        "candidates=10)"
    )
    said = repr(made)
    assert said.splitlines()[0] == " | ".join(frame.columns)
    assert made.command in said
    assert "svdd, value posterior-mean, candidates 10: about" in said
    assert "since the budget names neither reward calls nor seconds" in said
    assert len(svdd.decode("toy-masked", total, model_options={"steps": 3}, progress=False, **made.settings)) == SAMPLES


@pytest.mark.parametrize(("way", "given"), WAYS.items())
def test_ways_are_of_the_method_table(way, given):
    method = METHODS[given.method]
    assert {given.size, *given.options} <= set(method.options)
    assert method.sizes[given.size].fewest <= given.usual <= given.most
    assert any(rule.way == way for rule in RULES)


def test_the_table_of_the_docs_is_that_of_the_rules():
    page = (Path(__file__).parents[2] / "docs" / "choosing.md").read_text(encoding="utf-8")
    table = page.partition("| R | model | size that fits the budget | recommended |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    told = [(int(re.search(r"\d+", size)[0]), re.match("`([a-z-]+)`", way)[1], calls) for calls, _, size, way in rows]
    calls = ["any" if rule.calls == float("inf") else f"up to {rule.calls:,}" for rule in RULES]
    rules = [(rule.least, WAYS[rule.way].method) for rule in RULES]
    assert told == [(*rule, call) for rule, call in zip(rules, calls, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reward", "states"),
    [("rna-utr", "mrl", "letters"), ("molecule", "qed", "tokens"), ("image-small", "brightness", "continuous")],
)
def test_bundled_models(model, reward, states):
    if model == "molecule":
        pytest.importorskip("rdkit")
    if model == "image-small":
        pytest.importorskip("diffusers")
    options = {"steps": 4}
    made = svdd.plan(model, reward, model_options=options, samples=2, budget={"rewards": 100})
    assert states_of(svdd.load(model, **options)) == states
    assert made.rates.network > 0
    assert made.best.asks.rewards <= 100
    usage = svdd.decode(model, reward, model_options=options, progress=False, **made.settings).usage
    assert made.best.asks == Forecast(usage.reward.asked, usage.network.asked)
