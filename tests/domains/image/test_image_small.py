"""The bundled model of photographs: a pipeline of plain diffusers, whose prompts matter, and its two classifiers."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

import svdd
from svdd.domains.image.image_small import CLASSES, image_small
from svdd.domains.image.measures.features import image_distance, read_moments
from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.domains.image.rewards.classes import class_judge, class_score, image_classifier
from svdd.metrics.moments import TooFewForFrechetError
from svdd.registry import bundled

pytestmark = pytest.mark.slow

FOLDER = bundled("image-small")
CARD = json.loads((FOLDER / "card.json").read_text())
PROMPTS = [f"a photo of a{'n' if name[0] == 'a' else ''} {name}" for name in CLASSES]


@pytest.fixture(scope="module")
def pipe():
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # of diffusers, about itself
        pipe = StableDiffusionPipeline.from_pretrained(FOLDER)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe, prompts, seed=0, steps=12):
    options = {"num_inference_steps": steps, "guidance_scale": 3.0, "output_type": "pt"}
    return pipe(prompts, generator=torch.Generator().manual_seed(seed), **options).images


@pytest.fixture(scope="module")
def images(pipe):
    return drawn(pipe, PROMPTS * 3)


def test_the_folder_is_small_and_holds_no_code_and_no_pickle():
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 20e6
    allowed = {".safetensors", ".json", ".txt", ".md", ".png", ".svg", ".npz"}
    assert {file.suffix for file in files} <= allowed


def test_a_plain_pipeline_draws_what_its_prompt_names(images):
    assert images.shape == (30, 3, 32, 32)
    assert 0 <= float(images.min()) < 0.2
    assert 0.8 < float(images.max()) <= 1
    labels = torch.arange(10).repeat(3)
    with torch.inference_mode():
        found = image_classifier("judge")(images).argmax(1)
    assert float((found == labels).float().mean()) > 0.4  # a guess: 0.1


def test_the_same_seed_gives_the_same_image(pipe, images):
    again = drawn(pipe, PROMPTS * 3)
    assert torch.equal(images, again)
    assert not torch.equal(images, drawn(pipe, PROMPTS * 3, seed=1))


def test_any_text_is_a_prompt(pipe):
    strange = ["", "zebra, naïve 象!", "a horse and a very long tail of words that do not fit into it at all, no"]
    found = drawn(pipe, strange, steps=2)
    assert found.shape == (3, 3, 32, 32)
    assert bool(found.isfinite().all())


def test_the_process_has_the_classes_in_turn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        process = image_small(steps=6)
    assert process.about["name"] == "image-small"
    assert process.about["prompts"] == PROMPTS
    result = svdd.decode(process, class_score(), method="svdd", candidates=2, samples=3, seed=0)
    assert result.usage.network.rows > 0
    assert np.isfinite(np.asarray(result.rewards)).all()


def test_the_class_rewards_are_log_probabilities_of_the_prompted_class(images):
    prompts = PROMPTS * 3
    by_prompt = class_score()(captioned(images, encode_prompts(prompts)))
    assert torch.equal(by_prompt, class_score()(images, prompts))
    one_class = torch.stack([class_score(target=name)(images) for name in CLASSES], 1)
    assert torch.allclose(one_class.exp().sum(1), torch.ones(30), atol=1e-5)
    assert torch.equal(by_prompt, one_class[torch.arange(30), torch.arange(10).repeat(3)])
    alone = torch.cat([class_score(target="horse")(image[None]) for image in images[:3]])
    assert torch.equal(alone, one_class[:3, CLASSES.index("horse")])  # whoever came with it
    assert not torch.allclose(class_judge()(images, prompts), by_prompt, atol=0.01)


@pytest.mark.parametrize(
    ("prompt", "name"), [("A red Car", "automobile"), ("two horses", "horse"), ("an airplane.", "airplane")]
)
def test_a_prompt_names_its_class_in_plain_english(images, prompt, name):
    assert torch.equal(class_score()(images[:2], prompt), class_score(target=name)(images[:2]))


def test_prompts_and_targets_that_name_no_class_are_refused(images):
    with pytest.raises(ValueError, match="must name one class, got 'a zebra': name one of airplane"):
        class_score()(images[:1], "a zebra")
    with pytest.raises(ValueError, match="must name one class"):
        class_score()(images[:1], "a cat and a dog")
    with pytest.raises(ValueError, match="hors"):
        class_score(target="hors")
    with pytest.raises(ValueError, match="asks for prompts"):
        class_score()(images[:1])


def test_the_card_tells_what_the_files_are(images):
    assert CARD["classes"] == list(CLASSES)
    reference = read_moments(FOLDER / "reference.npz")
    assert (len(reference.mean), reference.count) == (CARD["features"]["width"], 10_000)
    assert CARD["quality"]["n"] >= 1000
    assert CARD["quality"]["accuracy"]["judge"] > 0.5
    assert CARD["quality"]["distance"] > CARD["floor"][str(CARD["quality"]["n"])]
    assert min(found["accuracy"] for found in CARD["classifiers"].values()) > 0.7
    assert CARD["autoencoder"]["psnr"] > 25
    assert all(found["nats"] < math.log(10) for found in CARD["classifiers"].values())
    with pytest.raises(
        TooFewForFrechetError, match=f"at least 500 designs and as many to compare with, got {len(images)}"
    ):
        image_distance(images)
    assert f"{CARD['quality']['distance']:.2f}" in (FOLDER / "card.md").read_text()
