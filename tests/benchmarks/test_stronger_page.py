"""Where a method loses, and against which best-of-N it is set, follows from the designs and their costs."""

import importlib

import numpy as np
import pandas as pd
import pytest

from support.places import ROOT

LOW, HIGH = np.linspace(0.0, 1.0, 16), np.linspace(5.0, 6.0, 16)
ROWS = {  # label, size: rewards of the judge, network rows, reward calls
    ("pretrained", 1): (LOW, 32, 1),
    ("best-of-n", 10): (LOW + 1e-4, 320, 10),
    ("best-of-n", 320): (LOW[:4], 10240, 320),
    ("svdd", 10): (HIGH, 311, 320),
    ("filtered", 10): (HIGH[::-1], 32, 320),
    ("refine", 100): (HIGH + 3, 332, 101),
}


@pytest.fixture
def case(monkeypatch):
    """Six rows of 16 sequences each, but for a best-of-N whose pool ended after 4."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    page, differences = importlib.import_module("stronger_page"), importlib.import_module("differences")
    table, designs = [], {}
    for (label, size), (judge, network, calls) in ROWS.items():
        paid = {"network_asked": network, "reward_asked": calls, "seconds": 1.0}
        table.append({"label": label, "size": size, "steps": 32, "runs": 1, "designs": len(judge)} | paid
                     | {"reward_mean": judge.mean(), "judge_mean": judge.mean()})  # fmt: skip
        designs["dna", label, size] = differences.Designs(
            ["ACGT"] * len(judge), [0] * len(judge), list(range(len(judge))), judge, judge, judge, seeds=(0,)
        )
    return page.Stronger("dna", pd.DataFrame(table), differences.Differences(designs))


def test_a_method_loses_to_what_is_higher_and_costs_no_more(case):
    lost = {row["label"]: case.best_above(row, "network_asked") for row in case.rows[:2]}
    assert lost == {"pretrained": "filtered", "best-of-n": "refine (and 2 more)"}
    lost = {row["label"]: case.best_above(row, "reward_asked") for row in case.rows}
    assert lost | {"svdd": "refine", "filtered": "refine", "refine": "-", "pretrained": "-"} == lost


def test_too_few_designs_are_compared_with_nothing(case):
    _, few = case.at("best-of-n")
    assert {case.best_above(few, cost) for cost in ("network_asked", "reward_asked", "seconds")} == {"-"}
    assert case._against_best(case.at("svdd")[0], "reward_asked") == "-"


def test_a_method_stands_against_the_best_of_n_of_its_own_cost(case):
    svdd, filtered = case.at("svdd")[0], case.at("filtered")[0]
    assert case._against_best(svdd, "network_asked").startswith("N = 10: 5 (")
    assert case._against_best(filtered, "network_asked").startswith("N = 1: 5 (")


def test_differences_are_those_of_the_means_with_an_interval_around_them(case):
    apart, low, high = case.between(case.at("refine")[0], case.at("svdd")[0], "judge_mean")
    assert (
        apart == pytest.approx(3) and low == pytest.approx(3) and high == pytest.approx(3)
    )  # the same chains are drawn
    apart, low, high = case.between(case.at("filtered")[0], case.at("svdd")[0], "judge_mean")
    assert apart == pytest.approx(0, abs=1e-12) and low < apart < high
