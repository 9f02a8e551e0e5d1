"""Comparisons from Python and from files: labels, sizes, fitted values, and one pool of unguided samples."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from svdd.cost.ledger import Cost, Usage
from svdd.runs.compare_request import Entry, Request, request_of
from svdd.runs.comparison import make_plan, run_plan
from svdd.runs.pool import share_of
from svdd.runs.reading import FinishedRun
from svdd.runs.watching import RunStopped, Watch

JOB = {"model": "rna-utr", "reward": "gc-content", "steps": 3, "samples": 4, "candidates": 3, "temperature": 0.1}
FIT = {"rollouts": 16, "states": 2, "train_steps": 4, "held_out": 0, "nested": [0, 0], "candidates": 0}
FILE = """
job: {model: rna-utr, reward: gc-content, steps: 64, samples: 8, candidates: 3, value: posterior-mean}
match: none
seeds: 2
sizes: [2, 5]
pool: 40
judge: no-uaug
methods:
  pretrained:
  best-of-n:
  svdd, cold: {method: svdd, temperature: 0}
  svdd, warm: {method: svdd, temperatures: [0.1, 1], sizes: [3]}
  svdd, long: {method: svdd, value: "log-mean-exp,samples=2"}
variants:
  fast: {job: {steps: 3}, sizes: [2]}
"""


class StopAt(Watch):
    """Stops a comparison after some steps of its runs."""

    def __init__(self, steps):
        self.left = steps

    def stops(self):
        self.left -= 1
        return self.left == 0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No reports, and bounds of the likelihood from few draws, for tests of something else."""
    monkeypatch.setattr("svdd.report.html.write_report", lambda result, folder, **more: None)
    monkeypatch.setattr("svdd.domains.sequence.measures.ELBO_SAMPLES", 2)


@pytest.fixture
def compared(tmp_path):
    """Makes a comparison; keywords are settings of a request."""

    def run(job=JOB, watch=None, force=False, **settings):
        given = {"match": "none", "seeds": 1, "judge": ""} | settings
        return run_plan(make_plan(Request(job, tmp_path / "c", **given), force), force, watch or Watch())

    return run


def written(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "seed-" in str(path)}


def test_a_file_holds_the_job_and_the_comparison(tmp_path):
    (tmp_path / "all.yaml").write_text(FILE)
    request = request_of(tmp_path / "all.yaml", tmp_path / "c")
    assert request.job["steps"] == 64
    assert (request.match, request.seeds, request.pool, request.judge) == ("none", 2, 40, "no-uaug")
    assert request.entries()[:3] == [
        Entry("pretrained", sizes=[2, 5]),
        Entry("best-of-n", sizes=[2, 5]),
        Entry("svdd", "svdd, cold", {"temperature": 0}, [2, 5]),
    ]
    fast = request_of(tmp_path / "all.yaml", tmp_path / "c", "fast", seeds=1)
    assert (fast.job["steps"], fast.job["samples"], fast.sizes, fast.seeds) == (3, 8, [2], 1)
    plan = make_plan(request)
    assert [label for label, _ in plan.rows] == [
        "pretrained", "best-of-n, N = 2", "best-of-n, N = 5", "svdd, cold, M = 2", "svdd, cold, M = 5",
        "svdd, warm, temperature 0.1", "svdd, warm, temperature 1", "svdd, long, M = 2", "svdd, long, M = 5",
    ]  # fmt: skip
    assert plan.rows[3][1].folder == "svdd-cold-M2-a0"
    assert [row.share for _, row in plan.rows[:2]] == pytest.approx([64 / (1 + 63 * 3), 128 / (1 + 63 * 3)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("job: {}\nseed: 3", "unknown setting of a comparison 'seed'; did you mean seeds"),
        ("job: {}\nvariants: {fast: {}}", "unknown variant 'fst'; did you mean fast"),
    ],
)
def test_a_file_with_something_unknown_is_refused(tmp_path, text, said):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        request_of(tmp_path / "c.yaml", tmp_path / "c", "fst" if "variants" in text else "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"methods": {"a": {"method": "sdd"}}}, "did you mean svdd"),
        ({"methods": {"a": {"method": "svdd", "widht": 3}}}, "did you mean width"),
        ({"methods": {"a b": {"method": "svdd"}, "a-b": {"method": "svdd"}}}, "would share the folder a-b-M3-a0.1"),
        ({"methods": ["svdd"], "sizes": [0]}, "sizes are at least 1"),
        ({"methods": ["svdd"], "pool": -1}, "a pool at least 0, got 0"),
        ({"methods": {"svdd": {"fit": {"rollout": 9}}}}, "did you mean rollouts"),
        ({"match": "rows"}, "unknown cost to match 'rows'"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(compared, tmp_path, settings, said):
    with pytest.raises(ValueError, match=said):
        compared(**settings)
    assert not list(tmp_path.rglob("seed-*"))


def test_a_size_of_ones_own_is_kept_beside_a_match(tmp_path):
    methods = {"best-of-n": {}, "small": {"method": "best-of-n", "particles": 2}, "smc": {"sizes": [1, 4]}}
    job = JOB | {"value": "posterior-mean"}
    rows = dict(make_plan(Request(job, tmp_path, methods, judge="")).rows)
    assert [row.job.particles for row in rows.values()] == [2, 2, 1, 4]
    assert list(rows) == ["best-of-n", "small", "smc, N = 1", "smc, N = 4"]


@pytest.mark.slow
def test_a_value_is_fitted_once_and_its_cost_stands_in_the_table(compared, tmp_path, monkeypatch):
    methods = {
        "svdd": {}, "learned": {"method": "svdd", "fit": FIT, "sizes": [2, 3]},
        "soft": {"method": "svdd", "fit": FIT | {"target": "soft", "temperature": 0.1}},
    }  # fmt: skip
    table = compared(methods=methods).table.set_index("label")
    assert [label for label in table.index if label != "soft"][1:] == ["learned, M = 2", "learned, M = 3"]
    assert table["method"].tolist() == ["svdd"] * 4
    learned = table[table.index.str.startswith("learned")]
    assert learned["fit_reward_rows"].between(1, 16).all()
    assert (learned["fit_network_rows"] > 0).all()
    assert (learned["fit_seconds"] > 0).all()
    assert table["fit_seconds"].isna().tolist() == [True, False, False, False]
    assert (learned["network_rows_asked"] == 3 * 4).all()  # T a design, whatever M
    run = json.loads((tmp_path / "c" / "learned-M2-a0.1" / "seed-0" / "run.json").read_text())
    assert run["job"]["value"] == str(tmp_path / "c" / "values" / "learned")
    monkeypatch.setattr("svdd.fitting.fit_value", lambda *given, **more: pytest.fail("fitted again"))
    before = written(tmp_path / "c")
    again = compared(methods=methods).table.set_index("label")
    assert written(tmp_path / "c") == before
    pd.testing.assert_frame_equal(again, table)
    changed = methods | {"learned": {"method": "svdd", "fit": FIT | {"train_steps": 5}}}
    with pytest.raises(FileExistsError, match="values/learned holds a value of other settings"):
        compared(methods=changed)


@pytest.mark.slow
def test_best_of_n_of_every_n_is_read_from_one_pool(compared, tmp_path):
    methods = {"pretrained": {}, "best-of-n": {"sizes": [2, 5, 12]}, "svdd": {}}
    made = compared(methods=methods, pool=24, seeds=2, judge="no-uaug")
    table = made.table.set_index("label")
    for seed in (0, 1):
        pool = FinishedRun.read(tmp_path / "c" / "pool" / f"seed-{seed}").result
        assert len(pool) == 24
        for each, designs in ((2, 4), (5, 4), (12, 2)):
            run = FinishedRun.read(tmp_path / "c" / f"best-of-n-N{each}" / f"seed-{seed}").result
            blocks = pool.rewards[: each * designs].view(designs, each)
            assert torch.equal(run.rewards, blocks.amax(1))
            index = [i * each + int(block.argmax()) for i, block in enumerate(blocks)]
            assert run.samples == [pool.samples[i] for i in index]
            assert run.scores["no-uaug"].tolist() == [-float(s.count("AUG")) for s in run.samples]
            asked = pool.usage.network.asked
            assert run.usage.network.asked == pytest.approx(asked * each * designs / 24, abs=1)
    assert FinishedRun.read(tmp_path / "c" / "pretrained" / "seed-1").result.samples == pool.samples[:4]
    assert table.loc["best-of-n, N = 12", "designs"] == 4
    assert table.loc[["pretrained", "best-of-n, N = 5"], "reward_rows_asked"].tolist() == [8, 40]


@pytest.mark.slow
def test_best_of_n_of_the_pool_is_that_of_the_method(compared, tmp_path):
    """The chains of a pool are those of a run, so its first ones are what the pretrained model gives alone."""
    compared(methods=["pretrained"], pool=12)
    pooled = FinishedRun.read(tmp_path / "c" / "pretrained" / "seed-0").result.samples
    compared(methods=["pretrained"], force=True)
    assert FinishedRun.read(tmp_path / "c" / "pretrained" / "seed-0").result.samples == pooled


def test_a_pool_that_is_too_small_is_refused(compared):
    with pytest.raises(ValueError, match="best-of-n with N = 9 needs a pool of 9 samples or more, got 8"):
        compared(methods={"best-of-n": {"sizes": [9]}}, pool=8)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 5, 8])
def test_a_comparison_with_a_pool_and_a_value_goes_on_to_the_same_table(compared, tmp_path, steps):
    methods = {"best-of-n": {"sizes": [2]}, "svdd": {}, "learned": {"method": "svdd", "fit": FIT}}
    with pytest.raises(RunStopped):
        compared(methods=methods, pool=8, watch=StopAt(steps))
    (found,) = (tmp_path / "c" / "values").glob("*.json")
    fitted = found.stat().st_mtime_ns
    mine = compared(methods=methods, pool=8).table
    assert found.stat().st_mtime_ns == fitted
    whole = compared(methods=methods, pool=8, force=True).table
    same = [name for name in mine if not name.endswith(("seconds", "_asked", "_computed"))]  # a stop costs some rows
    pd.testing.assert_frame_equal(mine[same], whole[same])


def test_a_share_is_of_whole_rows_and_of_seconds():
    usage = Usage(network=Cost(rows=10, hits=5, calls=3, seconds=4.0), seconds=8.0, peak_memory_mb=7.0)
    half = share_of(usage, 0.5)
    assert half.network == Cost(5, 2, 2, 2.0)
    assert (half.seconds, half.peak_memory_mb) == (4.0, 7.0)


def test_a_job_is_given_as_a_record_or_as_a_file(tmp_path):
    from svdd.runs.job import make_job

    (tmp_path / "job.yaml").write_text("\n".join(f"{name}: {value}" for name, value in JOB.items()))
    for job in (JOB, make_job(JOB | {"out": "x"}), tmp_path / "job.yaml"):
        (row,) = make_plan(Request(job, Path(tmp_path / "c"), ["svdd"], judge="")).rows
        assert row[1].job.candidates == 3


def test_a_job_without_sizes_is_compared_at_those_of_the_method_table(tmp_path):
    job = {"model": "dna-enhancer", "reward": "gc-content", "steps": 4, "length": 24, "samples": 4}
    for value, particles in ((None, 1), ("posterior-mean", 7)):  # candidates of the usual value cost no network row
        plan = make_plan(Request(job | {"value": value}, tmp_path / str(value), ["svdd", "best-of-n"], seeds=1))
        assert [row["sizes"] for row in plan.table] == ["M = 10", f"N = {particles}"]
        assert plan.table[0]["folder"].startswith("svdd-M10")
