"""All designs that chains of moves were at: what they weigh, how many are kept, and that nothing of it is lost on the way."""

import math

import pandas as pd
import pytest
import torch

from exact import refine_checks
from exact.tools import assert_mean
from support.processes import PROCESSES, masked, reward
from svdd import Decoding, Rng, decode, posterior_mean, refine
from svdd.decoding import visited
from svdd.decoding.decoding import BudgetWarning
from svdd.decoding.saving import read_state

OPTIONS = {"moves": 24, "fraction": 0.5, "temperature": 0.5}


def everything(**settings):
    given = {"method": "refine", "samples": 3, "returns": "all", "progress": False} | OPTIONS
    return decode(masked(), reward, **(given | settings))


def path(chains=3, **options):
    """The reward of the design that each chain is at, after each move."""
    steps = refine(masked(), posterior_mean(reward), chains=chains, rng=Rng(0, chains), **(OPTIONS | options))
    return torch.stack([step.value[:, 0] for step in steps if step.particles.final], 1)


def test_weights_are_the_moves_that_a_chain_stayed():
    result = everything()
    for chain, rewards in enumerate(path()):
        rows = [row for row, of in enumerate(result.chain) if of == chain]
        again = result.rewards[rows].repeat_interleave(result.log_w[rows].exp().round().long())
        assert torch.equal(again, rewards)
    torch.testing.assert_close(result.rewards, reward(result.samples))


@pytest.mark.parametrize("moves", [23, 24, 61])
def test_a_long_chain_keeps_few_designs_and_counts_every_second_move(moves, monkeypatch):
    monkeypatch.setattr(visited, "MOST", 4)
    result = everything(moves=moves, temperature=5.0)
    counts = torch.tensor(result.chain).bincount()
    assert int(counts.max()) <= 2 * 4
    rewards = path(moves=moves, temperature=5.0)
    weights = result.log_w.exp().round().long()
    stride = next(s for s in (2, 4, 8, 16) if bool((weights % s == 0).all() and (weights % (2 * s) != 0).any()))
    for chain in range(3):
        rows = [row for row, of in enumerate(result.chain) if of == chain]
        again = result.rewards[rows].repeat_interleave(weights[rows] // stride)
        assert torch.equal(again, rewards[chain, ::stride])


def test_averages_over_all_designs_are_those_of_the_laws_that_a_chain_has():
    refine_checks.weighted_designs_have_the_average_of_their_laws()


def test_a_population_is_returned_with_its_weights():
    """Averages by weight over the rows of all chains are those of the tilted law, where moves keep it."""
    m, a, n, chains = refine_checks.model("enumerable_b"), 0.5, 4, 1500
    options = {"population": n, "moves": 5, "fraction": 1.0, "temperature": a, "samples": chains, "returns": "all"}
    result = decode(m.process, m.reward, method="refine", seed=3, progress=False, **options)
    assert result.chain == [chain for chain in range(chains) for _ in range(n)]
    assert torch.equal(result.rewards, m.reward(result.samples))
    w, apart = result.log_w.exp().view(chains, n), result.rewards.view(chains, n) - float(m.tilted(a) @ m.rewards)
    assert_mean((w * apart).mean(1), 0.0)
    assert_mean(w.mean(1) / math.exp(m.log_z(a)), 1.0)
    assert list(result.to_frame().columns)[-1] == "log_weight"


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("most", [3, 100])
def test_a_run_goes_on_where_it_stopped(name, most, tmp_path, monkeypatch):
    monkeypatch.setattr(visited, "MOST", most)
    settings = {"method": "refine", "samples": 4, "batch": 2, "returns": "all", "temperature": 2.0, "moves": 9}

    def run():
        return Decoding(PROCESSES[name](), reward, **settings)

    whole = run()
    list(whole)
    for stop in (3, 4, 5, 8, 13, 15, 22):
        part = run()
        for _, _ in zip(range(stop), part, strict=False):
            pass
        part.save(tmp_path / "state.pt")
        again = run().resume(read_state(tmp_path / "state.pt", "start anew"))
        list(again)
        pd.testing.assert_frame_equal(again.result().to_frame(), whole.result().to_frame(), check_exact=True)


def test_a_run_that_its_budget_stops_returns_what_its_chains_were_at():
    calls = []

    def slow(designs):
        calls.append(designs)
        if len(calls) == 5:
            guard._until = 0
        return reward(designs)

    run = Decoding(masked(), slow, method="refine", samples=3, returns="all", budget={"seconds": 1000}, **OPTIONS)
    guard = run.scoring.guard
    with pytest.warns(BudgetWarning):
        list(run)
    weights = run.result().log_w.exp()
    assert float(weights.sum()) == pytest.approx(3 * len(calls), abs=3.01)


def test_the_designs_of_a_chain_are_rows_of_the_table():
    table = everything().to_frame()
    assert len(table) > 3
    assert table["id"].is_unique
    assert list(table.columns[:5]) == ["id", "chain", "sample", "reward", "valid"]
    assert table["log_weight"].map(float).ge(0).all()
