"""`svdd fit-value`, and runs with the value it wrote."""

import json

import pytest
import yaml

pytestmark = pytest.mark.usefixtures("quick_report")

TINY = {
    "rollouts": 24, "states": 3, "train-steps": 3, "held-out": 8, "candidates": 3, "network": "pooled",
    "network-option": "channels=8",
}  # fmt: skip


@pytest.fixture
def fit(call, model, tmp_path):
    """Fits a value of the user's model; keywords are flags."""

    def fit_value(*words, **flags):
        given = {"model": f"{model}:model", "reward": f"{model}:score", "out": tmp_path / "V"} | TINY
        given |= {k.replace("_", "-"): v for k, v in flags.items()}
        pairs = [(f"--{k}", v) for k, v in given.items() if v is not None]
        return call("fit-value", *words, *(part for pair in pairs for part in pair))

    return fit_value


@pytest.fixture
def value(fit, tmp_path):
    assert fit("--quiet").status == 0
    return tmp_path / "V"


@pytest.mark.slow
def test_a_value_is_fitted_shown_and_written(fit, tmp_path):
    result = fit()
    assert result.status == 0, result.err
    assert "# A value of toy for" in result.out
    assert "written to" in result.out
    assert "training: 3 of 3" in result.err
    assert "toymodel.py:model, which the job names" in result.err
    assert {"value.safetensors", "card.json", "fingerprint.safetensors"} <= {p.name for p in (tmp_path / "V").iterdir()}


@pytest.mark.slow
def test_json_is_the_card(fit, tmp_path):
    result = fit("--json", "--quiet", target="soft", temperature=4.0)
    card = json.loads(result.out)
    assert card == json.loads((tmp_path / "V" / "card.json").read_text())
    assert (card["target"], card["temperature"]) == ("soft", 4.0)
    assert result.err == ""


@pytest.mark.slow
def test_a_run_uses_it_for_t_network_rows_a_design(run, value, tmp_path):
    assert run("--chunk", "value=5", value=value).status == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    usage = record["usage"]
    assert usage["network"]["rows"] + usage["network"]["hits"] == 6 * 6
    assert usage["value"]["rows"] + usage["value"]["hits"] == 6 * 3 * 5
    assert record["job"]["value"] == str(value)


@pytest.mark.slow
def test_a_job_file_names_it_relative_to_where_it_is_run(call, value, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = {
        "model": f"{model}:model",
        "reward": f"{model}:score",
        "value": "V",
        "candidates": 2,
        "samples": 2,
        "out": "o",
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    assert call("run", "job.yaml").status == 0
    assert json.loads((tmp_path / "o" / "run.json").read_text())["job"]["value"] == str(value)


@pytest.mark.slow
def test_options_of_the_reward(fit, call, model):
    flags = {"reward": "gc-content", "reward-option": "target=1.0"}
    result = fit("--quiet", "--json", **flags)
    rewards = json.loads(result.out)["data"]["rewards"]
    other = json.loads(fit("--quiet", "--json", "--force", reward="gc-content").out)["data"]["rewards"]
    assert rewards["mean"] < other["mean"] < 0  # minus how far the G and C of random letters are from the target


@pytest.mark.slow
def test_a_fit_that_was_refused_has_kept_its_scores(fit, model, tmp_path):
    limited = """

def limited(designs):
    with open(__file__ + ".log", "a") as log:
        log.writelines(design + "\\n" for design in designs)
    return [-math.inf if design.count("G") > 4 else design.count("A") for design in designs]
"""
    model.write_text("import math\n" + model.read_text() + limited)
    flags = {"reward": f"{model}:limited", "cache": tmp_path / "scores.sqlite"}
    assert "such as invalid=0" in fit("--quiet", **flags).err
    card = json.loads(fit("--quiet", "--json", invalid=-1, **flags).out)
    assert card["data"]["invalid"] > 0
    assert card["cost"]["reward_rows"] == 0
    asked = (tmp_path / "toymodel.py.log").read_text().split()
    assert len(asked) == len(set(asked))


@pytest.mark.slow
def test_another_reward_or_model_needs_force(run, refused, value):
    assert "this value was fitted for another reward" in refused(run(value=value, reward="other"))
    assert "fitted for length 12, but the run's has 14" in refused(run(value=value, length=14))
    assert run("--force-value", value=value, reward="other", out="forced").status == 0


@pytest.mark.slow
def test_folders_that_are_no_value(run, refused, value, tmp_path):
    assert "unknown value 'nowhere'" in refused(run(value="nowhere"))
    (tmp_path / "empty").mkdir()
    assert "is not a value that svdd fit-value finished" in refused(run(value=tmp_path / "empty"))
    (value / "value.safetensors").write_bytes(b"damaged")
    assert "value.safetensors is not the file" in refused(run(value=value))
    assert "force_value is for the folder of a fitted value" in refused(run("--force-value"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"target": "soft"}, "target soft needs a finite temperature above 0, got None"),
        ({"target": "soft", "temperature": 0}, "above 0, got 0.0"),
        ({"target": "men"}, "unknown target 'men'; did you mean mean?"),
        ({"network": "pooling"}, "unknown network 'pooling'; did you mean pooled"),
        ({"rollouts": 4}, "needs at least 16 roll-outs"),
        ({"chunk": "netwrk=3"}, "unknown component to chunk 'netwrk'"),
        ({"network_option": "kernel"}, "--network-option takes NAME=VALUE"),
    ],
)
def test_bad_settings(fit, refused, flags, said, tmp_path):
    assert said in refused(fit("--quiet", **flags))
    assert not (tmp_path / "V").exists()


def test_a_reward_that_is_constant_or_broken(fit, refused, model, tmp_path):
    model.write_text(model.read_text() + "\n\ndef flat(designs):\n    return [2.0] * len(designs)\n")
    assert "the reward is 2 for all 24 roll-outs" in refused(fit("--quiet", reward=f"{model}:flat"))
    assert "broken raised ZeroDivisionError" in fit("--quiet", reward=f"{model}:broken").err
    assert not (tmp_path / "V").exists()


@pytest.mark.slow
def test_a_value_is_never_overwritten_unasked(fit, refused, value):
    before = (value / "card.json").read_bytes()
    assert "already holds a value" in refused(fit("--quiet", seed=1))
    assert (value / "card.json").read_bytes() == before
    assert fit("--quiet", "--force", seed=1).status == 0
    assert (value / "card.json").read_bytes() != before


def test_ctrl_c_leaves_nothing_that_claims_to_be_a_value(fit, model, tmp_path):
    model.write_text(model.read_text().replace('"call": -1', '"call": 1'))
    assert fit("--quiet", reward=f"{model}:stopping").status == 130
    assert not (tmp_path / "V").exists()


@pytest.mark.slow
def test_a_value_is_fitted_to_the_reward_of_a_job_file(fit, call, model, tmp_path):
    """In worker processes with a limit, as the job says; what is of runs alone is left aside."""
    job = {
        "model": f"{model}:model", "reward": {"name": f"{model}:score", "workers": 1, "timeout": 30},
        "method": "smc", "particles": 3, "temperature": 0, "samples": 7, "seed": 5, "out": "elsewhere",
    }  # fmt: skip
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    result = fit(tmp_path / "job.yaml", "--quiet", "--json", model=None, reward=None)
    assert result.status == 0, result.err
    there = json.loads(result.out)
    here = json.loads(fit("--quiet", "--json", out=tmp_path / "here").out)
    assert there["data"]["rewards"] == here["data"]["rewards"]


@pytest.mark.slow
def test_a_value_is_fitted_to_an_objective(fit, model, tmp_path):
    parts = {"g": {"reward": f"{model}:score"}, "a": {"reward": f"{model}:other", "weight": 0}}
    (tmp_path / "goal.yaml").write_text(yaml.safe_dump({"parts": parts}))
    result = fit("--quiet", "--json", reward=None, objective=tmp_path / "goal.yaml")
    assert result.status == 0, result.err
    plain = json.loads(fit("--quiet", "--json", "--force").out)
    assert json.loads(result.out)["data"]["rewards"]["mean"] == plain["data"]["rewards"]["mean"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle: x\n", "unknown setting 'modle'; did you mean model"),
        ("model: toy-masked\nobjective: {parts: {qed: }}\nreward: hepg2\n", "a reward or an objective, got both"),
    ],
)
def test_bad_job_files(call, refused, tmp_path, text, said):
    (tmp_path / "job.yaml").write_text(text)
    assert said in refused(call("fit-value", tmp_path / "job.yaml", "--out", tmp_path / "V"))
