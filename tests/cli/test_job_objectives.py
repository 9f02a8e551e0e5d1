"""Objectives in job files: columns, resumed runs, comparisons, worker processes, and one sentence for what is wrong."""

import json
import re

import pandas as pd
import pytest
import yaml

from support.places import DOCS
from svdd.registry import load_reward
from svdd.runs.job import make_job
from svdd.runs.make import placed_reward

pytestmark = pytest.mark.usefixtures("quick_report")

BASE = {"model": "toy-masked", "out": "o"}


@pytest.fixture
def job(model, tmp_path):
    """Writes a job whose objective has two components of the user's file; gives its path."""

    def written(name="job", first="score", **changes):
        parts = {
            "g": {"reward": f"{model}:{first}", "ramp": {"zero": 0, "one": 12}, "weight": 2},
            "a": {"reward": f"{model}:other", "sigmoid": {"middle": 3}},
            "gc": {"reward": "gc-content", "must": True, "at_least": -0.45},
        }
        settings = {
            "model": f"{model}:model",
            "objective": {"combine": "geometric-mean", "parts": parts},
            "candidates": 3,
            "samples": 6,
            "batch": 3,
            "out": str(tmp_path / name),
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(settings | changes, sort_keys=False))
        return path

    return written


@pytest.mark.slow
def test_every_component_is_a_column_and_the_run_says_what_each_cost(call, job, model, tmp_path):
    done = call("run", job(), "--score", f"{model}:slow")
    assert done.status == 0, done.err
    frame = pd.read_csv(tmp_path / "job" / "samples.csv")
    assert list(frame) == ["id", "chain", "sample", "reward", "valid", "g", "a", "gc", "slow"]
    assert frame["g"].tolist() == [design.count("G") for design in frame["sample"]]
    record = json.loads((tmp_path / "job" / "run.json").read_text())
    costs = record["breakdown"]["components"]
    asked = [costs[name]["rows"] for name in ("g", "a", "gc")]
    assert asked == [record["usage"]["reward"]["rows"]] * 3
    assert f"g {costs['g']['rows'] + costs['g']['hits']:,} asked, {costs['g']['rows']:,} computed" in done.out
    assert make_job(record["job"]).record() == record["job"]
    assert done.err.count("which the job names") == 4  # the model, two components, a score


@pytest.mark.slow
def test_an_objective_may_stand_in_a_file_of_its_own(call, job, model, tmp_path, contents):
    objective = yaml.safe_load(job().read_text())["objective"]
    (tmp_path / "goal.yaml").write_text(yaml.safe_dump(objective, sort_keys=False))
    words = ("--model", f"{model}:model", "--candidates", 3, "--samples", 6, "--batch", 3)
    flags = call("run", *words, "--objective", tmp_path / "goal.yaml", "--out", tmp_path / "flags")
    assert flags.status == 0, flags.err
    assert call("run", job()).status == 0
    assert contents(tmp_path / "flags") == contents(tmp_path / "job")


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bytes(call, job, model, tmp_path, contents):
    assert call("run", job("whole")).status == 0
    text, path = model.read_text(), job("parts", first="stopping")
    model.write_text(text.replace('"call": -1', '"call": 4'))
    assert call("run", path).status == 130
    model.write_text(text)
    assert call("resume", tmp_path / "parts").status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_methods_are_compared_towards_an_objective(call, job, tmp_path, refused):
    words = ("--methods", "pretrained,svdd", "--seeds", 1, "--out", tmp_path / "table")
    done = call("compare", job(), *words)
    assert done.status == 0, done.err
    assert pd.read_csv(tmp_path / "table" / "comparison.csv")["method"].tolist() == ["pretrained", "svdd"]
    said = refused(call("compare", job(), *words[:-1], tmp_path / "other", "--judge", "gc-content"))
    assert "gc-content guides these runs, so it cannot judge them" in said


@pytest.mark.slow
def test_a_component_may_have_worker_processes(call, job, model, tmp_path, contents):
    settings = yaml.safe_load(job().read_text())
    assert call("run", job()).status == 0
    settings["objective"]["parts"]["g"] |= {"workers": 1, "batch": 4, "timeout": 30}
    settings["out"] = str(tmp_path / "apart")
    (tmp_path / "apart.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    done = call("run", tmp_path / "apart.yaml")
    assert done.status == 0, done.err
    assert contents(tmp_path / "apart") == contents(tmp_path / "job")


@pytest.mark.slow
def test_a_users_own_objective_is_a_reward_by_name(call, model, tmp_path):
    goal = """
from svdd.rewards import ramp, weighted_sum

def g(designs):
    return [float(design.count("G")) for design in designs]

def bad(designs):
    return 1 / 0

goal = weighted_sum({"g": ramp(g, 0, 12)})
broken = weighted_sum({"g": g, "bad": bad})
"""
    (tmp_path / "goals.py").write_text(goal)
    words = ("--model", f"{model}:model", "--candidates", 2, "--samples", 2, "--cache", tmp_path / "scores.sqlite")
    done = call("run", *words, "--reward", f"{tmp_path}/goals.py:goal", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "g" in pd.read_csv(tmp_path / "out" / "samples.csv")
    broken = call("run", *words, "--reward", f"{tmp_path}/goals.py:broken", "--out", tmp_path / "broken")
    assert broken.status == 2
    assert "the component bad of the reward" in broken.err
    assert "raised ZeroDivisionError" in broken.err


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"parts": {"qed": {"wieght": 2}}}, r"objective.parts.qed: unknown setting 'wieght'; did you mean weight"),
        ({"parts": {"qed": {"ramp": {"zero": 1}}}}, "objective.parts.qed.ramp needs one"),
        (
            {"parts": {"qed": {"ramp": {"zero": 1, "one": 2, "two": 3}}}},
            "objective.parts.qed.ramp: unknown setting 'two'",
        ),
        (
            {"parts": {"qed": {"ramp": {"zero": 1, "one": 1}}}},
            "objective.parts.qed.ramp: a ramp rises or falls between",
        ),
        ({"parts": {"qed": {"weight": "x"}}}, "objective.parts.qed.weight should be a valid number"),
        ({"parts": {"qed": {"must": True, "weight": 1}}}, "objective.parts.qed: must be met, so it has no weight"),
        (
            {"parts": {"qed": {"at_least": 1, "at_most": 1}}},
            "objective.parts.qed: has at_least and at_most; give it one of them",
        ),
        ({"combine": "mean", "parts": {}}, "objective.combine should be 'weighted-sum', 'product'"),
        ({"combines": "product", "parts": {}}, "objective: unknown setting 'combines'; did you mean combine"),
        ({}, "objective needs parts"),
        (3, "objective should be a valid dictionary"),
    ],
)
def test_what_is_wrong_with_an_objective_is_one_sentence_that_says_where(objective, said):
    with pytest.raises(ValueError, match=said) as error:
        make_job(BASE | {"objective": objective})
    assert "\n" not in str(error.value)


def test_the_objective_of_the_documents_is_one():
    page = (DOCS / "rewards.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(objective:.*?)```", page, re.DOTALL)
    made = make_job(BASE | yaml.safe_load(block)).objective
    assert made.rewards() == ["rewards.py:ap1", "gc-content", "hepg2"]


def test_the_job_of_the_documents_with_a_key_is_one():
    page = (DOCS / "rewards.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(reward: https:.*?)```", page, re.DOTALL)
    made = placed_reward(make_job({"model": "toy-masked", "out": "a"} | yaml.safe_load(block)).placed())
    assert made.headers == {"Authorization": "Bearer $SVDD_TOKEN"}


def test_a_reward_and_an_objective_exclude_each_other(call, job, refused, model):
    with pytest.raises(ValueError, match="a reward or an objective, got both: leave out hepg2, or make it a part"):
        make_job(BASE | {"objective": {"parts": {"qed": None}}, "reward": "hepg2"})
    with pytest.raises(ValueError, match="a job needs reward"):
        make_job(BASE)
    assert "give options:, workers:" in refused(call("run", job(), "--workers", 2))


def test_components_are_told_by_their_rewards(tmp_path, call, job, refused, model):
    settings = yaml.safe_load(job().read_text())
    settings["objective"]["parts"] = {"gc-contnt": None}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(settings))
    assert "unknown reward 'gc-contnt'; did you mean gc-content" in refused(call("run", tmp_path / "wrong.yaml"))


@pytest.mark.slow
def test_every_component_with_a_held_out_twin_is_judged(call, model, tmp_path):
    parts = {"hepg2": {"sigmoid": {"middle": 0}}, "mrl": {"sigmoid": {"middle": 6}}, "gc-content": {"at_least": -0.5}}
    settings = {"model": f"{model}:model", "length": 50, "steps": 3, "objective": {"parts": parts}, "candidates": 2}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(settings | {"samples": 8, "out": str(tmp_path / "run")}))
    done = call("run", tmp_path / "job.yaml")
    assert done.status == 0, done.err
    evaluated = call("evaluate", tmp_path / "run", "--trust", "--out", tmp_path / "evaluation")
    assert evaluated.status == 0, evaluated.err
    samples = pd.read_csv(tmp_path / "run" / "samples.csv")["sample"].tolist()
    judged = {name: float(load_reward(f"{name}-judge")(samples).mean()) for name in ("hepg2", "mrl")}
    for file in (tmp_path / "run" / "evaluation.csv", tmp_path / "evaluation" / "evaluation.csv"):
        (row,) = pd.read_csv(file).to_dict("records")
        assert row["judge"] == "hepg2-judge"
        assert row["judge_mean"] == pytest.approx(judged["hepg2"], rel=1e-5)
        assert row["judge_mrl-judge_mean"] == pytest.approx(judged["mrl"], rel=1e-5)
        assert row["judge_rows"] == 16
    assert "judge mrl-judge mean" in evaluated.out
