"""`svdd run`: what it writes, what it prints, and that the library gives the same designs."""

import json

import pandas as pd
import pytest

import svdd
from svdd.method.table import METHODS
from svdd.runs import running as runs
from svdd.runs.job import make_job, read_settings

pytestmark = pytest.mark.usefixtures("quick_report")

SIZES = {
    "pretrained": {}, "best-of-n": {"particles": 3}, "svdd": {"candidates": 3, "temperature": 0.5},
    "svdd-r": {"particles": 3, "candidates": 2, "temperature": 1, "replace": "all"}, "smc": {"particles": 3},
    "refine": {"moves": 3}, "bfs": {"particles": 3}, "amc": {"particles": 3, "narrowing": "linear"},
    "nested-is": {"particles": 2, "candidates": 2}, "beam": {"width": 2, "candidates": 2},
    "blocks": {"candidates": 2, "block_length": 2},
}  # fmt: skip
FILES = {
    "best.csv", "job.yaml", "report.html", "run.json", "evaluation.csv",
    "samples.csv", "samples.fasta", "samples.parquet", "steps.parquet",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs(run, tmp_path, method):
    result = run(method=method, **SIZES[method])
    assert result.status == 0, result.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {".svdd"}
    assert len(pd.read_csv(tmp_path / "out" / "samples.csv")) == 6


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_a_run_begins_with_the_designs_of_another(run, tmp_path):
    assert run(out="first").status == 0
    result = run(method="refine", moves=0, start=tmp_path / "first", out="second")
    assert result.status == 0, result.err
    first, second = (pd.read_csv(tmp_path / out / "samples.csv")["sample"].tolist() for out in ("first", "second"))
    assert first == second


@pytest.mark.slow
def test_all_particles_come_with_their_weights_by_flag_and_by_file(run, tmp_path):
    assert run(method="smc", particles=3, tempering="adaptive", returns="all").status == 0
    written = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert list(written)[:6] == ["id", "chain", "sample", "reward", "valid", "log_weight"]
    assert written["chain"].tolist() == [0, 0, 0, 1, 1, 1]
    again = runs.run_job(make_job(read_settings(tmp_path / "out" / "job.yaml") | {"out": str(tmp_path / "again")}))
    assert again["settings"]["tempering"] == "adaptive"
    assert (tmp_path / "again" / "samples.csv").read_bytes() == (tmp_path / "out" / "samples.csv").read_bytes()
    back = svdd.read(tmp_path / "out")
    assert back.log_w.tolist() == pytest.approx(written["log_weight"].tolist())
    assert back.best_scored(2)["reward"].iloc[0] >= float(back.rewards.max())


@pytest.mark.slow
def test_the_folder_is_what_the_library_gives(run, model, tmp_path):
    assert run("--score", f"{model}:other", seed=3, temperature=0.2, steps=8).status == 0
    process, score = svdd.load(f"{model}:model", steps=8), svdd.registry.load_reward(f"{model}:score")
    result = svdd.decode(process, score, samples=6, candidates=3, seed=3, temperature=0.2)
    written = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert list(written.columns) == ["id", "chain", "sample", "reward", "valid", "other"]
    assert written["sample"].tolist() == result.samples
    assert written["reward"].tolist() == result.rewards.tolist()
    assert written["other"].tolist() == [float(sample.count("A")) for sample in result.samples]


@pytest.mark.slow
def test_run_json_holds_all_settings(run, model, tmp_path):
    record = json.loads(run("--json", "--quiet", seed=3).out)
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    assert written.pop("schema") == 1
    assert record == written | {"folder": str(tmp_path / "out")}
    assert record["job"]["seed"] == 3
    assert record["job"]["method"] == "svdd"
    assert record["settings"]["reward"] == f"{model}:score"
    assert record["usage"]["network"]["rows"] > 0
    assert set(record["files"]) == FILES
    assert {"svdd", "torch"} <= set(record["versions"])


def test_the_summary_names_the_cost_and_the_folder(run, tmp_path):
    said = run().out
    assert "6 designs: reward median" in said
    assert "network rows" in said
    assert str(tmp_path / "out") in said


def test_quiet_says_nothing_on_the_way(run):
    assert run("--quiet").err == ""


def test_progress_without_a_terminal_is_plain_lines(run):
    assert "svdd: decoding: 6 of 6, best " in run().err


def test_progress_on_a_terminal_is_a_bar(run, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert run().status == 0


@pytest.mark.slow
def test_batches_and_chunks_change_nothing(run, tmp_path, contents):
    assert run(out="a").status == run("--chunk", "network=2", "--chunk", "reward=3", out="b", batch=4).status == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.slow
def test_an_existing_run_is_kept_unless_forced(run, refused, tmp_path, contents):
    run(seed=1)
    first = contents(tmp_path / "out")
    assert "already holds a run of another job, which differs in seed; choose another folder" in refused(run(seed=2))
    assert contents(tmp_path / "out") == first
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert run("--force", seed=2).status == 0
    assert contents(tmp_path / "out") != first
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert "notes.txt" not in json.loads((tmp_path / "out" / "run.json").read_text())["files"]


def test_force_spares_a_folder_that_is_not_a_run(run, refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "samples.csv").write_text("precious")
    assert "not a run" in refused(run("--force"))
    assert (tmp_path / "out" / "samples.csv").read_text() == "precious"


@pytest.mark.slow
def test_force_removes_only_files_of_the_folder_itself(run, tmp_path):
    run()
    (tmp_path / "precious").write_text("mine")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    record["files"] += ["../precious", 3, "older.sdf"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(record))
    (tmp_path / "out" / "older.sdf").write_text("of the older run")
    assert run("--force").status == 0
    assert (tmp_path / "precious").exists()
    assert not (tmp_path / "out" / "older.sdf").exists()


@pytest.mark.slow
def test_a_run_that_fails_at_once_leaves_no_folder_and_spares_the_older_run(run, refused, tmp_path, contents):
    refused(run(reward="nan"))
    assert not (tmp_path / "out").exists()
    run()
    before = contents(tmp_path / "out")
    refused(run("--force", reward="nan"))
    assert contents(tmp_path / "out") == before


def test_warnings_are_one_line_each(run):
    said = run(method="svdd-r", particles=3, candidates=2, replace="all").err
    notes = [line for line in said.splitlines() if line.startswith("svdd: note: ")]
    assert len(notes) == 1
    assert "nested-is" in notes[0]


def test_a_fixed_part_is_in_every_design(run, tmp_path):
    assert run("--fix", "3:ACGT", "--fix", "12:a").status == 0
    designs = pd.read_csv(tmp_path / "out" / "samples.csv")["sample"]
    assert all(design[2:6] == "ACGT" and design[11] == "A" for design in designs)


@pytest.mark.slow
def test_templates_and_starts(run, tmp_path):
    (tmp_path / "templates.fasta").write_text(">one\nACGTNN\nNNNNNN\n>two\nNNNNNNNNNNGG\n")
    assert run(template=tmp_path / "templates.fasta").status == 0
    designs = pd.read_csv(tmp_path / "out" / "samples.csv")["sample"]
    assert all(design.startswith("ACGT") for design in designs[::2])
    assert all(design.endswith("GG") for design in designs[1::2])
    (tmp_path / "start.fasta").write_text(">one\nAAAAAAAAAAAA\n")
    assert run(out="b", start=tmp_path / "start.fasta", noise=0.25).status == 0
    revised = pd.read_csv(tmp_path / "b" / "samples.csv")["sample"]
    assert 0.4 < sum(design.count("A") for design in revised) / (12 * len(revised)) < 1


def test_a_model_of_numbers_runs(call, model, tmp_path):
    (tmp_path / "numbers.py").write_text("def far(x):\n    return x[:, 0]\n")
    words = ("--model", "toy-gaussian", "--steps", 4, "--reward", f"{tmp_path / 'numbers.py'}:far", "--candidates", 3)
    assert call("run", *words, "--samples", 5, "--out", tmp_path / "out").status == 0
    assert (tmp_path / "out" / "samples.safetensors").exists()
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.slow
def test_the_state_is_saved_on_the_way(run, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(runs, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(runs.Decoding, "save", lambda self, path: saved.append(path))
    assert run().status == 0
    assert saved == [tmp_path / "out" / "state.pt"] * 6


@pytest.mark.slow
def test_a_run_says_whose_code_it_will_run(run, model):
    said = run("--score", "gc-content").err
    assert f"running {model}:model, which the job names" in said
    assert f"running {model}:score, which the job names" in said
    assert "running gc-content" not in said
