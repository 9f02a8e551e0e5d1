"""Images on the command line: a run's files and report, functions of PIL images, evaluation and comparison of runs."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from svdd.domains.image.files import read_images
from svdd.domains.image.measures.distances import ImageFeatures
from svdd.domains.image.rewards.pixels import brightness

MODEL = '''
import torch

from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.chain.denoisers import from_x0
from svdd.domains.image.designs import ImageKind
from svdd.chain.process import Process
from svdd.domains.image.rewards.image_reward import as_reward
from svdd.chain.schedules import time_grid, vp_cosine
from svdd.chain.transitions import ddim

PROMPTS = ["dark", "a bright one"]


def model(steps: int = 4, fails: bool = False):
    """Noise around grey, as images of 8x8 pixels with one of two prompts."""

    def decode(x):
        images = (0.5 + 0.2 * x.float()).clamp(0, 1).view(-1, 3, 8, 8)
        if fails:
            images[:] = float("nan")
        return captioned(images, encode_prompts(PROMPTS)[torch.arange(len(images)) % 2])

    return Process(
        lambda n, rng: rng.normal((n, 192), dtype=torch.float64),
        from_x0(lambda x, t, cond: 0.8 * x),
        ddim(vp_cosine()),
        time_grid(steps),
        decode=decode,
        kind=ImageKind(),
        about={"name": "grey"},
    )


def red(images):
    return [image.getpixel((0, 0))[0] for image in images]


def fitting(images, prompts):
    return [len(prompt) + red([image])[0] / 1000 for image, prompt in zip(images, prompts)]


def wrong(images):
    return images.mean((1, 2, 3))
'''


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "greymodel.py"
    path.write_text(MODEL)
    return path


@pytest.fixture(autouse=True)
def means(monkeypatch):
    """Features of other images than photographs of the classes that the bundled ones know."""
    features = ImageFeatures("means of rows", lambda images: images.mean(3).flatten(1))
    monkeypatch.setattr("svdd.domains.image.kit.bundled_features", lambda: features)


@pytest.mark.slow
def test_a_run_writes_its_images_and_shows_them(run, tmp_path):
    done = run(samples=4, reward="red", candidates=4)
    assert done.status == 0, done.err
    folder = tmp_path / "out"
    frame = pd.read_csv(folder / "samples.csv")
    assert list(frame.columns) == ["id", "chain", "sample", "prompt", "reward", "valid"]
    assert frame["prompt"].tolist() == ["dark", "a bright one"] * 2
    images = read_images([folder / name for name in frame["sample"]])
    assert (images[:, 0, 0, 0] * 255).round().tolist() == frame["reward"].tolist()
    assert (folder / "samples.png").is_file()
    assert not (folder / "samples.safetensors").exists()
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "Best images" in page
    measured = json.loads((folder / "run.json").read_text())["evaluation"]
    assert {"diversity", "diversity_per_prompt", "near_duplicates", "brightness"} <= measured.keys()


@pytest.mark.slow
def test_the_same_job_again_and_a_function_that_asks_for_prompts(run, tmp_path, quick_report):
    for out in ("one", "two"):
        done = run(out=out, reward="fitting", samples=4, seed=3)
        assert done.status == 0, done.err
    one, two = (tmp_path / name for name in ("one", "two"))
    assert (one / "samples.csv").read_bytes() == (two / "samples.csv").read_bytes()
    for name in pd.read_csv(one / "samples.csv")["sample"]:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    rewards = pd.read_csv(one / "samples.csv")["reward"]
    assert rewards.astype(int).tolist() == [4, 12, 4, 12]
    assert run(out="one", reward="fitting", samples=2, force=None).status == 2
    again = run("--force", out="one", reward="fitting", samples=2)
    assert again.status == 0, again.err
    assert sorted(path.name for path in one.glob("svdd-*.png")) == ["svdd-0000.png", "svdd-0001.png"]


@pytest.mark.parametrize(
    ("reward", "flags", "said"),
    [
        (
            "wrong",
            {},
            "'list' object has no attribute 'mean'; if it takes them in another form, set its attribute takes to",
        ),
        (
            "red",
            {"model_option": "fails=true"},
            "NaN at row 0, which is no pixel",
        ),
    ],
)
def test_what_goes_wrong_with_images_is_one_sentence(run, reward, flags, said, refused):
    done = run(reward=reward, samples=2, **flags)
    assert done.status in (1, 2), done
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_runs_are_measured_beside_each_other(run, call, tmp_path):
    for out, method in (("a", "pretrained"), ("b", "svdd")):
        done = run(out=out, method=method, candidates=None if method == "pretrained" else 4, reward="red", samples=4)
        assert done.status == 0, done.err
    known = tmp_path / "known"
    known.mkdir()
    for name in pd.read_csv(tmp_path / "a" / "samples.csv")["sample"]:
        shutil.copy(tmp_path / "a" / name, known / name)
    table = tmp_path / "table"
    done = call(
        "evaluate",
        tmp_path / "a",
        tmp_path / "b",
        "--judge",
        "brightness",
        "--reference",
        known,
        "--out",
        table,
        "--trust",
    )
    assert done.status == 0, done.err
    frame = pd.read_csv(table / "evaluation.csv")
    assert frame["image_distance"].isna().all()
    assert "no image_distance: a Fréchet distance needs at least 500 designs" in done.out
    images = read_images([tmp_path / "b" / name for name in pd.read_csv(tmp_path / "b" / "samples.csv")["sample"]])
    assert frame["judge_mean"].iloc[1] == pytest.approx(float(brightness()(images).mean()))
    assert frame["reward_mean"].iloc[1] > frame["reward_mean"].iloc[0]
    page = (table / "report.html").read_text()
    assert "Evaluation of images" in page
    assert "A row each, from the top: pretrained; svdd." in page
    assert "means of rows" in page


@pytest.mark.slow
def test_a_comparison_shows_its_runs_side_by_side(run, call, model, tmp_path):
    job = tmp_path / "job.yaml"
    job.write_text(f"model: {model}:model\nreward: {model}:red\nmethod: svdd\ncandidates: 3\nsamples: 2\nout: x\n")
    out = tmp_path / "comparison"
    done = call("compare", job, "--methods", "pretrained,svdd", "--seeds", "1", "--out", out)
    assert done.status == 0, done.err
    page = (out / "report.html").read_text()
    assert "Side by side" in page
    assert page.count("data:image/png;base64,") == 1
    frame = pd.read_csv(out / "comparison.csv")
    assert np.isfinite(frame["diversity_per_prompt"]).sum() == 0  # two images, one of each prompt
    assert np.isfinite(frame["brightness"]).all()


@pytest.mark.slow
def test_functions_in_workers_get_what_they_take(run, tmp_path, quick_report):
    done = run(reward="fitting", samples=2, workers=1, reward_batch=4)
    assert done.status == 0, done.err
    assert pd.read_csv(tmp_path / "out" / "samples.csv")["reward"].astype(int).tolist() == [4, 12]


@pytest.mark.slow
def test_programs_get_files(run, tmp_path, quick_report):
    program = tmp_path / "score.py"
    program.write_text(
        "import json, sys\nfrom PIL import Image\n"
        "for line in sys.stdin:\n    row = json.loads(line)\n"
        "    print(len(row['prompt']) + Image.open(row['design']).getpixel((0, 0))[0] / 1000)\n"
    )
    done = run(reward=f"cmd:{sys.executable} {program}", samples=2, candidates=2)
    assert done.status == 0, done.err
    assert pd.read_csv(tmp_path / "out" / "samples.csv")["reward"].astype(int).tolist() == [4, 12]


@pytest.mark.slow
def test_a_score_on_disk_is_found_again(run, tmp_path, quick_report):
    for out in ("one", "two"):
        done = run(out=out, reward="red", samples=2, cache=tmp_path / "scores.sqlite")
        assert done.status == 0, done.err
    spent = [json.loads((tmp_path / out / "run.json").read_text())["usage"]["reward"] for out in ("one", "two")]
    assert spent[0]["rows"] > 0
    assert spent[1]["rows"] == 0
    assert torch.equal(*(read_images(tmp_path / out) for out in ("one", "two")))
