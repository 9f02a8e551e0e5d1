"""Where a method loses, and against which best-of-N it is set, follows from the designs and their costs."""

import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

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


def test_seconds_are_no_cost_where_a_row_was_not_timed(case):
    assert list(case.costs) == ["network_asked", "reward_asked", "seconds"]
    case.table.loc[1, "seconds"] = np.nan
    del case.costs
    assert list(case.costs) == ["network_asked", "reward_asked"]


def test_seconds_are_those_of_the_same_job_case_label_and_size(case, tmp_path):
    tables = importlib.import_module("stronger_tables")
    (tmp_path / "seconds.csv").write_text(
        "job,case,label,size,seconds\na,,svdd,5,1\na,,svdd,10,2\na,x,svdd,5,3\nb,,svdd,5,4\n"
    )
    rows = pd.DataFrame({"label": "svdd", "size": [10, 5, 20], "seconds": 9.0})
    taken = tables.timed_apart(tmp_path, rows.assign(job="a", case=""))
    np.testing.assert_array_equal(taken, [2, 1, np.nan])


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


def test_a_guide_is_gamed_where_it_rises_and_the_judge_falls(case):
    gamed = case.apart.designs["dna", "refine", 100]
    case.apart.designs["dna", "refine", 100] = replace(gamed, judge=gamed.judge - 5)
    assert list(case.gamed()) == ["refine against svdd, filtered"]


def test_a_guide_that_the_judge_follows_is_not_gamed(case):
    assert not list(case.gamed())


def test_a_page_names_the_methods_of_its_job_that_are_not_there(case):
    asked = yaml.safe_load((ROOT / "benchmarks" / "jobs" / "stronger-dna.yaml").read_text())["methods"]
    assert case.missing() == [label for label in asked if label not in {label for label, _ in ROWS}]


def test_the_page_of_proteins_lends_labels_of_its_job(case):
    tables = importlib.import_module("stronger_tables")
    asked = yaml.safe_load((ROOT / "benchmarks" / "jobs" / "protein.yaml").read_text())["methods"]
    assert not set(tables.AS_HERE) - set(asked)
    rows = pd.DataFrame(
        {"label": ["best-of-n, N = M T", "svdd, temperature 0", "svdd, temperature 0"], "size": [5, 5, 10]}
    )
    lent = tables.read_of("protein", rows, steps=43)
    assert lent[["label", "size"]].to_numpy().tolist() == [["best-of-n", 215], ["svdd", 10]]


def test_designs_of_backbones_are_one_row_whose_interval_is_over_domains():
    tables = importlib.import_module("stronger_tables")
    paid = dict.fromkeys(tables.SPENT, 2.0)
    table = pd.DataFrame([{"case": name, "label": "svdd", "size": 5, "steps": 8, "runs": 1, "recovery": share} | paid
                          for name, share in (("a", 0.2), ("b", 0.4))])  # fmt: skip
    designs = pd.DataFrame([{"case": name, "label": "svdd", "size": 5, "seed": 0, "chain": chain, "sample": "A",
                             "reward": level, "judge": level, "elbo": level}
                            for name, level in (("a", 0.0), ("b", 1.0)) for chain in range(8)])  # fmt: skip
    pooled, numbered = tables.pooled(table, designs)
    (row,) = pooled.to_dict("records")
    assert (row["domains"], row["designs"], row["recovery"]) == (2, 16, pytest.approx(0.3))
    assert (row["reward_mean"], row["reward_mean_low"], row["reward_mean_high"]) == (
        0.5,
        0,
        1,
    )  # whole domains are drawn
    assert numbered.groupby("seed")["reward"].nunique().tolist() == [1, 1]


def test_a_backbone_is_read_back_from_the_file_that_is_written(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    backbones = importlib.import_module("backbones")
    files = importlib.import_module("svdd.domains.protein.inverse_folding.structure_files")
    atoms = np.random.default_rng(0).uniform(-99, 99, (20, 4, 3)).round(3)
    made = backbones.one_chain("a", "ARNDCQEGHILKMFPSTWYV", atoms)
    (tmp_path / "a.pdb").write_text(backbones.pdb_text(made, made.native, [0.0] * 20))
    read = files.read_backbone(tmp_path / "a.pdb")
    assert read.native == "ARNDCQEGHILKMFPSTWYV"
    np.testing.assert_allclose(read.atoms, atoms, atol=1e-4)
