"""`svdd demo`: a fair comparison, honestly told."""

import json

import pandas as pd
import pytest

from svdd.cli import demo
from svdd.domains.sequence import measures as evaluation
from svdd.runs import verdicts as comparing


def row(**changed):
    names = ("reward_median", "judge_median", "elbo_per_base")
    base = {f"{name}{end}": value for name in names for end, value in (("", 1.0), ("_low", 0.5), ("_high", 1.5))}
    return base | {"diversity": 0.5, "correlation_3mer": 0.9} | changed


def table(**svdd):
    methods = {"pretrained": row(), "best-of-n": row(), "svdd": row(**svdd)}
    return pd.DataFrame([{"method": name} | values for name, values in methods.items()])


def test_svdd_is_called_better_only_where_the_intervals_part():
    better = comparing.verdicts(table(reward_median=3.0, reward_median_low=2.0, reward_median_high=4.0))
    assert better[0].startswith("By the reward, svdd does better than best-of-n")
    assert better[1].startswith("By the held-out judge, best-of-n does as well as svdd")


def test_overlapping_intervals_show_no_difference_whatever_the_medians():
    alike = comparing.verdicts(table(reward_median=1.4, reward_median_low=1.3, reward_median_high=1.9))
    assert alike[0].startswith("By the reward, best-of-n does as well as svdd")


def test_best_of_n_is_called_better_where_it_is():
    worse = comparing.verdicts(table(judge_median=0.1, judge_median_low=0.0, judge_median_high=0.2))
    assert worse[1].startswith("By the held-out judge, best-of-n does better than svdd")


def test_the_price_in_naturalness_is_told():
    dearer = comparing.verdicts(table(elbo_per_base=-2.0, elbo_per_base_low=-2.5, elbo_per_base_high=-1.5))
    assert "less natural than its own samples" in dearer[2]
    drifted = comparing.verdicts(table(correlation_3mer=0.4))
    assert "3-mers correlate 0.40 against 0.90" in drifted[2]


@pytest.mark.parametrize("sizes", [demo.FAST, demo.USUAL, demo.FULL])
def test_the_methods_are_given_equal_network_rows(sizes, tmp_path):
    planned = demo.jobs(sizes, tmp_path)
    rows = {"best-of-n": sizes.steps * planned["best-of-n"].particles, "smc": sizes.steps * planned["smc"].particles}
    svdd_rows = 1 + (sizes.steps - 1) * planned["svdd"].candidates
    assert set(rows.values()) == {svdd_rows + sizes.candidates - 1}
    assert {job.samples for job in planned.values()} == {sizes.designs}


@pytest.mark.slow
def test_the_demo_writes_a_run_with_its_comparison(call, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "FAST", demo.Sizes(designs=4, steps=2, candidates=2))
    monkeypatch.setattr(evaluation, "ELBO_SAMPLES", 2)
    result = call("demo", "--fast", "--out", tmp_path / "demo")
    assert result.status == 0, result.err
    assert "4 designs a method, T = 2 steps, svdd with M = 2 candidates" in result.out
    assert "best-of-n does" in result.out or "better than best-of-n" in result.out
    assert result.out.rstrip().endswith(f"report: {tmp_path / 'demo' / 'report.html'}")
    comparison = pd.read_csv(tmp_path / "demo" / "comparison.csv")
    assert comparison["method"].tolist() == ["pretrained", "best-of-n", "smc", "svdd"]
    assert comparison["network_rows_asked"].tolist() == [8, 16, 16, 12]
    assert (comparison["reward_median_low"] <= comparison["reward_median"]).all()
    record = json.loads((tmp_path / "demo" / "run.json").read_text())
    assert {"comparison.csv", "report.html", "samples.csv", "samples.fasta"} <= set(record["files"])
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "Comparison" in page
    assert "best-of-n" in page
    assert "already holds a run" in refused(call("demo", "--fast", "--out", tmp_path / "demo"))
