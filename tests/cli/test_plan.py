"""`svdd plan`: a table, a recommendation and a command that runs."""

import json
import shlex

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_report")]


def test_the_command_that_it_prints_runs(call, model, tmp_path):
    flags = ("--model", f"{model}:model", "--reward", f"{model}:score", "--steps", "5", "--samples", "4")
    flags = (*flags, "--budget", "rewards=400", "--budget", "rows=600", "--out", tmp_path / "a b")
    done = call("plan", *flags)
    assert done.status == 0, done.err
    assert "recommended" in done.out
    assert f"running {model}:model, which the job names" in done.err
    command = shlex.split(done.out.splitlines()[-1])
    assert command[:2] == ["svdd", "run"]
    assert call(*command[1:], "--quiet").status == 0
    spent = json.loads((tmp_path / "a b" / "run.json").read_text())["usage"]
    made = json.loads(call("plan", *flags, "--json").out)
    assert made["command"] == shlex.join(command)
    best = next(row for row in made["methods"] if row["note"] == "recommended")
    asked = [spent[name]["rows"] + spent[name]["hits"] for name in ("reward", "network")]
    assert asked == [best["reward_rows"], best["network_rows"]]
    assert made["settings"]["method"] == best["method"]
    assert made["plan_cost"]["reward_rows"] == 4


def test_options_of_the_reward_and_a_way_to_begin_are_repeated(call, model, tmp_path):
    (tmp_path / "start.fasta").write_text(">a\nACGTACGTACGT\n")
    flags = ("--model", f"{model}:model", "--reward", "gc-content", "--reward-option", "target=0.4", "--samples", "4")
    done = call("plan", *flags, "--start", tmp_path / "start.fasta")
    assert done.status == 0, done.err
    command = done.out.splitlines()[-1]
    assert "--reward-option target=0.4" in command
    assert f"--start {tmp_path / 'start.fasta'}" in command
    assert "--method refine --moves 100 --out runs/planned" in command


def test_an_objective_is_planned_for(call, model, tmp_path):
    (tmp_path / "goal.yaml").write_text(f"combine: weighted-sum\nparts: {{g: '{model}:score', a: '{model}:other'}}\n")
    done = call("plan", "--model", f"{model}:model", "--objective", tmp_path / "goal.yaml", "--samples", "4")
    assert done.status == 0, done.err
    assert f"--objective {tmp_path / 'goal.yaml'} --samples 4 --method svdd" in done.out


def test_what_cannot_be_planned_is_one_sentence(call, model):
    given = ("--model", f"{model}:model", "--reward", f"{model}:score")
    for words, said in (
        (given[:2], "a plan needs reward: add --reward"),
        ((*given, "--budget", "rows=10", "--budget", "rewards=999"), "do not cover 64 designs of 6 steps"),
        ((*given[:2], "--reward", f"{model}:broken"), "ZeroDivisionError"),
        ((*given, "--budget", "reward=10"), "unknown part of a budget 'reward'"),
    ):
        done = call("plan", *words)
        assert done.status == 2
        assert said in done.err
        assert "Traceback" not in done.err
