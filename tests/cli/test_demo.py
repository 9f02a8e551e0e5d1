"""`svdd demo`: a fair comparison, honestly told."""

import json

import pandas as pd
import pytest

from svdd.cli import demo
from svdd.domains.sequence import measures as evaluation


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
    assert "svdd and best-of-n cannot be told apart by designs of fewer than 8 chains" in result.out
    assert result.out.rstrip().endswith(f"report: {tmp_path / 'demo' / 'report.html'}")
    comparison = pd.read_csv(tmp_path / "demo" / "comparison.csv")
    assert comparison["method"].tolist() == ["pretrained", "best-of-n", "smc", "svdd"]
    assert comparison["network_rows_asked"].tolist() == [8, 16, 16, 12]
    assert comparison["reward_median"].notna().all()
    assert comparison["reward_median_low"].isna().all()  # of 4 chains
    record = json.loads((tmp_path / "demo" / "run.json").read_text())
    assert {"comparison.csv", "report.html", "samples.csv", "samples.fasta"} <= set(record["files"])
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "Comparison" in page
    assert "best-of-n" in page
    assert "already holds a run" in refused(call("demo", "--fast", "--out", tmp_path / "demo"))
