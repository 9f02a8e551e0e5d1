"""`svdd hedge`, the alarms in a terminal and in files, and pessimistic objectives in jobs."""

import json

import pandas as pd
import pytest
import yaml

from svdd.runs import reward_spec

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_report")]

FURTHER = """

def against(designs):
    return [-number for number in score(designs)]


def agrees(designs):
    return [2 * number for number in score(designs)]


def flat(designs):
    return [1.0] * len(designs)
"""


@pytest.fixture
def judged(model, monkeypatch):
    """The user's file with further rewards; its `score` has the held-out reward `against`, or another."""
    model.write_text(model.read_text() + FURTHER)

    def by(name):
        twins = {f"{model}:score": f"{model}:{name}"}
        monkeypatch.setattr(reward_spec, "held_out", lambda reward: twins.get(reward, ""))

    return by


def test_a_run_is_hedged(run, call, judged, model, tmp_path):
    judged("against")
    assert run(method="pretrained", samples=60, out="pool", score=f"{model}:other").status == 0
    done = call("hedge", tmp_path / "pool", "--judge", "other", "--out", tmp_path / "page.html")
    assert done.status == 0, done.err
    assert "By temperature" in done.out
    assert "By N" in done.out
    assert f"written to {tmp_path / 'page.html'}" in done.out
    assert (tmp_path / "page.html").is_file()
    asked = call("hedge", tmp_path / "pool", "--judge", f"{model}:against", "--json")
    assert f"running {model}:against, as you asked" in asked.err
    made = json.loads(asked.out)
    assert (made["temperature"], made["particles"], made["page"]) == (None, 1, None)
    assert made["judge_rows"] > 0
    assert {row["law"] for row in made["curves"]} == {"tilted", "best-of-n"}
    assert made["says"][0].startswith(f"By {model}:against no temperature is better than the pool itself")


def test_what_cannot_be_hedged_is_one_sentence(run, call, model, tmp_path):
    assert run(method="pretrained", samples=15, out="few").status == 0
    for words, said in (
        (("few", "--judge", f"{model}:other"), "a hedge needs at least 16 valid designs, got 15"),
        (("few",), "has no held-out reward, so a judge is needed: --judge REWARD"),
        (("few", "--judge", f"{model}:score"), "guided these designs, so it cannot judge them"),
        (("nowhere", "--judge", f"{model}:other"), "holds no finished run"),
        (("few", "--judge", "nothing"), "unknown reward 'nothing'"),
    ):
        done = call("hedge", tmp_path / words[0], *words[1:])
        assert done.status == 2
        assert said in done.err
        assert "Traceback" not in done.err
        assert "running nothing" not in done.err


def test_a_judge_that_falls_is_told_in_the_terminal_and_in_the_files(run, judged, tmp_path):
    judged("against")
    done = run(samples=24)
    assert done.status == 0
    said = "falls while"
    assert said in done.err
    notes = json.loads((tmp_path / "out" / "run.json").read_text())["evaluation"]["notes"]
    assert said in notes[0]
    assert len(pd.read_csv(tmp_path / "out" / "evaluation.csv")) == 1


def test_a_judge_that_falls_is_told_where_runs_are_evaluated(run, call, judged, model, tmp_path):
    """Here the judge is known to the evaluation alone."""
    for out, settings in (("svdd", {}), ("plain", {"method": "pretrained"})):
        assert run(samples=24, out=out, **settings).status == 0
    words = "evaluate", tmp_path / "svdd", tmp_path / "plain", "--trust", "--out", tmp_path / "both", "--judge"
    done = call(*words, f"{model}:against")
    assert done.status == 0, done.err
    assert f"pretrained: {model}:against falls while {model}:score rises: among these designs" in done.out
    assert "The judge falls while the guide rises: beside the pretrained model svdd changes the mean reward" in done.out
    assert "falls while" not in call(*words, f"{model}:agrees", "--force").out


def test_a_judge_that_agrees_is_no_alarm(run, judged):
    judged("agrees")
    done = run(samples=24)
    assert done.status == 0
    assert "falls while" not in done.err


def test_equal_rewards_are_a_note_and_the_run_ends(run, judged, tmp_path):
    judged("against")
    done = run(samples=64, reward="flat")
    assert done.status == 0
    assert done.err.count("note: the first 32 rewards are all 1, and so are those after them") == 1
    assert len(pd.read_csv(tmp_path / "out" / "samples.csv")) == 64


def test_a_job_has_a_pessimistic_objective(call, model, tmp_path):
    goal = {"combine": "pessimistic", "kappa": 2, "parts": {"g": f"{model}:score", "a": f"{model}:other"}}
    job = {"model": f"{model}:model", "objective": goal, "candidates": 2, "samples": 6, "out": str(tmp_path / "out")}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    done = call("run", tmp_path / "job.yaml")
    assert done.status == 0, done.err
    frame = pd.read_csv(tmp_path / "out" / "samples.csv")
    mean, apart = (frame["g"] + frame["a"]) / 2, (frame["g"] - frame["a"]).abs() / 2
    assert frame["reward"].tolist() == pytest.approx((mean - 2 * apart).tolist())
    assert json.loads((tmp_path / "out" / "run.json").read_text())["job"]["objective"]["kappa"] == 2
    for wrong, said in (
        (goal | {"combine": "product"}, "kappa is for a pessimistic combination, not for product"),
        (goal | {"kappa": -1}, "objective.kappa"),
    ):
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job | {"objective": wrong, "out": str(tmp_path / "b")}))
        done = call("run", tmp_path / "job.yaml")
        assert done.status == 2
        assert said in done.err
