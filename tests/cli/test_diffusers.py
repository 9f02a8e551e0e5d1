"""Diffusers pipelines on the command line: runs with files of images, resumed bit for bit, and fitted values."""

import json

import pandas as pd
import pytest
import yaml

from support import tiny_pipelines

pytestmark = pytest.mark.usefixtures("quick_report")

REWARDS = """
import signal

STOP_AT = {"call": -1, "calls": 0}


def redness(images):
    STOP_AT["calls"] += 1
    if STOP_AT["calls"] == STOP_AT["call"]:
        signal.raise_signal(signal.SIGINT)
    return [float(sum(image.convert("L").tobytes())) for image in images]


def long_prompts(images, prompts):
    return [float(len(prompt)) for prompt in prompts]
"""
PROMPTS = "prompt=[a cat, a red ship]"


@pytest.fixture
def rewards(tmp_path):
    path = tmp_path / "rewardsfile.py"
    path.write_text(REWARDS)
    return path


@pytest.fixture
def run(call, rewards, tmp_path):
    folder = tiny_pipelines.folder(tiny_pipelines._sd15)

    def svdd_run(out, *words, reward="redness", command="run"):
        given = ["--model", f"diffusers:{folder}", "--steps", 3, "--model-option", PROMPTS]
        return call(command, *given, "--reward", f"{rewards}:{reward}", "--out", tmp_path / out, "--quiet", *words)

    return svdd_run


@pytest.mark.slow
def test_a_run_writes_images_and_resumes_bit_for_bit(run, call, rewards, tmp_path, contents):
    flags = ["--candidates", 2, "--samples", 3, "--batch", 2, "--temperature", 50]
    whole = run("whole", *flags)
    assert whole.status == 0, whole.err
    text = rewards.read_text()
    rewards.write_text(text.replace('"call": -1', '"call": 4'))
    stopped = run("parts", *flags)
    assert stopped.status == 130, stopped.err
    rewards.write_text(text)
    assert call("resume", tmp_path / "parts", "--quiet").status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    frame = pd.read_csv(tmp_path / "whole" / "samples.csv")
    assert frame["sample"].tolist() == [f"svdd-{i:04d}.png" for i in range(3)]
    assert frame["prompt"].tolist() == ["a cat", "a red ship", "a cat"]
    for name in (*frame["sample"], "samples.png"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert {"svdd-0000.png", "samples.png", "samples.csv"} <= set(record["files"])
    assert record["model"]["domain"] == "image"
    assert record["job"]["model_options"] == {"prompt": ["a cat", "a red ship"]}


@pytest.mark.slow
def test_a_reward_is_given_prompts_and_a_run_is_replaced_whole(run, tmp_path):
    assert run("out", "--method", "pretrained", "--samples", 4, reward="long_prompts").status == 0
    frame = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert frame["reward"].tolist() == [5.0, 10.0, 5.0, 10.0]
    assert run("out", "--force", "--method", "pretrained", "--samples", 1, reward="long_prompts").status == 0
    assert [path.name for path in (tmp_path / "out").glob("pretrained-*.png")] == ["pretrained-0000.png"]


def test_a_job_keeps_ids_of_the_hub_and_makes_folders_whole(tmp_path, monkeypatch):
    from svdd.runs.job import make_job

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    given = {"reward": "brightness", "out": "out"}
    assert make_job(given | {"model": "diffusers:owner/name"}).anchored().model == "diffusers:owner/name"
    assert make_job(given | {"model": "diffusers:folder"}).anchored().model == f"diffusers:{tmp_path / 'folder'}"


@pytest.mark.slow
def test_a_value_is_fitted_and_used(run, tmp_path):
    sizes = ["--rollouts", 20, "--states", 2, "--train-steps", 2, "--held-out", 4, "--candidates", 2]
    fitted = run("V", *sizes, "--network-option", "channels=8", command="fit-value")
    assert fitted.status == 0, fitted.err
    assert json.loads((tmp_path / "V" / "card.json").read_text())["network"] == "image"
    used = run("out", "--candidates", 3, "--samples", 2, "--value", tmp_path / "V")
    assert used.status == 0, used.err
    usage = json.loads((tmp_path / "out" / "run.json").read_text())["usage"]
    assert usage["network"]["rows"] == 2 * 2 * 3
    assert yaml.safe_load((tmp_path / "out" / "job.yaml").read_text())["value"] == str(tmp_path / "V")


@pytest.mark.slow
def test_what_is_wrong_is_one_sentence(call, rewards, tmp_path, refused):
    words = ["--reward", f"{rewards}:redness", "--out", tmp_path / "out", "--candidates", 2]
    folder = tiny_pipelines.folder(tiny_pipelines._sd15)
    assert "give prompt=" in refused(call("run", "--model", f"diffusers:{folder}", *words))
    assert "there is no folder" in refused(call("run", "--model", f"diffusers:{tmp_path / 'none'}", *words))
