"""`svdd demo`: a fair comparison, honestly told."""

import pandas as pd
import pytest

from svdd.cli import demo
from svdd.domains.sequence import measures as evaluation
from svdd.runs.comparison import make_plan


@pytest.mark.parametrize(("variant", "steps", "size"), [("fast", 12, 2), ("", 32, 5), ("full", 128, 10)])
def test_the_methods_are_given_equal_network_rows(variant, steps, size, tmp_path):
    rows = {row.name: row for _, row in make_plan(demo.demo_request(tmp_path / "demo", variant)).rows}
    designs = rows["svdd"].job.samples
    assert {row.job.samples for row in rows.values()} == {designs}
    assert rows["best-of-n"].asks.rows == rows["smc"].asks.rows == designs * steps * size
    assert rows["svdd"].asks.rows == designs * (1 + (steps - 1) * size)
    assert rows["filtered"].asks.rows == designs * steps
    assert 0.99 < rows["refine"].asks.rows / rows["svdd"].asks.rows <= 1
    assert rows["smc"].job.temperature == 0.5
    assert rows["svdd"].job.temperature == 0


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A demo of 4 designs in 2 steps."""
    text = demo.FILE.read_text().replace("steps: 12, samples: 8", "steps: 2, samples: 4")
    monkeypatch.setattr(demo, "FILE", tmp_path / "demo.yaml")
    demo.FILE.write_text(text)
    monkeypatch.setattr(evaluation, "ELBO_SAMPLES", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_demo_writes_a_comparison_and_goes_on_where_it_was(call, tmp_path):
    out = tmp_path / "demo"
    result = call("demo", "--fast", "--out", out)
    assert result.status == 0, result.err
    assert "4 designs a method, T = 2 steps, svdd with M = 2 candidates" in result.out
    assert "What came out" in result.out
    assert "What it cost" in result.out
    assert "svdd and best-of-n cannot be told apart by designs of fewer than 8 chains" in result.out
    assert result.out.rstrip().endswith(f"report: {out / 'report.html'}")
    comparison = pd.read_csv(out / "comparison.csv")
    assert comparison["method"].tolist() == ["pretrained", "best-of-n", "smc", "svdd", "svdd", "refine"]
    assert comparison["network_rows_asked"].tolist() == [8, 16, 16, 12, 8, 52]
    assert comparison["reward_median"].notna().all()
    assert comparison["reward_median_low"].isna().all()  # of 4 chains
    page = (out / "report.html").read_text()
    assert "Methods compared at given sizes" in page
    assert "best-of-n" in page
    for cost in ("network rows", "reward calls"):
        assert f"Held-out reward and {cost}" in page
    designs = (out / "svdd-M2-a0" / "seed-0" / "samples.csv").stat().st_mtime_ns
    again = call("demo", "--fast", "--out", out)
    assert again.status == 0, again.err
    assert "svdd: run " not in again.err
    assert (out / "svdd-M2-a0" / "seed-0" / "samples.csv").stat().st_mtime_ns == designs


def test_fast_and_full_exclude_each_other(call, refused, tmp_path):
    assert "exclude each other" in refused(call("demo", "--fast", "--full", "--out", tmp_path / "demo"))
