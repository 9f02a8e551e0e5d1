"""The recipe of the model of photographs, on a few coloured pictures: real training and measuring, no quality asked for."""

import io
import json
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from recipes.image import autoencoder, classifiers, data, denoiser, recipe, text
from recipes.trainer import main
from svdd.domains.image.classifier import ImageClassifier
from svdd.domains.image.measures.features import features_of, moments_of, read_moments, write_moments
from svdd.metrics.moments import frechet
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network, save_network

pytestmark = pytest.mark.slow

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TINY_AUTOENCODER = {"block_out_channels": (8, 8, 8), "norm_num_groups": 4}
TINY_UNET = {"block_out_channels": (16, 16), "norm_num_groups": 8}
TINY_CLASSIFIER = {"channels": [16, 16]}
BRIEF = TrainingSettings(steps=40, learning_rate=1e-2, warm_up=2, average_decay=0.8, evaluate_every=20, bfloat16=False)


def coloured(label, seed):
    """A picture of its class's own colour with some noise, as the bytes of a PNG file."""
    from PIL import Image

    colour = np.array([25 * label, 255 - 25 * label, 60 + 130 * (label % 2)])
    noise = np.random.default_rng(seed).integers(-20, 20, (32, 32, 3))
    file = io.BytesIO()
    Image.fromarray((colour + noise).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def written(path, train=100, test=20, make=coloured):
    files = [make(i % 10, i) for i in range(train + test)]
    np.savez(
        path / data.FILE,
        data=np.frombuffer(b"".join(files), np.uint8),
        offsets=np.cumsum([0, *map(len, files)]),
        label=np.arange(train + test) % 10,
        train=np.arange(train + test) < train,
        classes=np.array(CLASSES),
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("cifar"))


@pytest.fixture(scope="module")
def images(folder):
    return data.read_images(folder)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return text.make_tokenizer(CLASSES, tmp_path_factory.mktemp("tokenizer"))


def test_the_parts_are_disjoint_and_have_their_labels(images):
    parts = [*images.halves.values(), images.validation, images.test]
    assert [len(part) for part in parts] == [40, 40, 20, 20]
    assert images.classes == CLASSES
    everything = torch.cat([part.pixels for part in parts]).flatten(1)
    assert len(everything.unique(dim=0)) == 120
    for part in parts:
        assert (part.pixels[:, 0].float().mean((1, 2)) - 25 * part.labels).abs().max() < 12  # red tells the class
    assert float(images.train.scaled().min()) >= -1
    assert float(images.train.scaled().max()) <= 1


def test_files_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no cifar10_jpeg\.npz"):
        data.read_images(tmp_path)
    with pytest.raises(ValueError, match="30 training images of 50; give at least 40"):
        data.read_images(written(tmp_path, train=30))

    def large(label, seed):
        from PIL import Image

        file = io.BytesIO()
        Image.new("RGB", (40, 32)).save(file, "PNG")
        return file.getvalue()

    with pytest.raises(ValueError, match="must be 32x32, got one of 40x32"):
        data.read_images(written(tmp_path, make=large))


def test_images_are_mirrored_and_shifted_but_not_otherwise_changed(images):
    pixels = images.train.pixels[:16]
    found = data.flipped_at_random(pixels, torch.Generator().manual_seed(0))
    same = (found == pixels).flatten(1).all(1)
    assert 0 < int(same.sum()) < 16
    assert torch.equal(found[~same].flip(-1), pixels[~same])
    moved = classifiers.shifted_at_random(pixels, torch.Generator().manual_seed(0))
    assert moved.shape == pixels.shape
    places = [(y, x) for y in range(7) for x in range(7)]
    padded = torch.nn.functional.pad(pixels[:1].float(), (3,) * 4, mode="replicate")[0]
    assert any(torch.equal(moved[0], padded[:, y : y + 32, x : x + 32]) for y, x in places)


def test_a_prompt_takes_a_token_a_word_and_any_other_text_its_bytes(tokenizer):
    assert tokenizer.tokenize("a photo of an airplane") == [f"{w}</w>" for w in ("a", "photo", "of", "an", "airplane")]
    strange = "zebra, naïve 象!"
    rows = text.tokens_of(tokenizer, ["horse", strange, "x" * 100])
    assert rows.shape == (3, text.LENGTH)
    assert int(rows.max()) < len(tokenizer)
    assert "".join(tokenizer.decode(rows[1], skip_special_tokens=True).split()) == "".join(strange.split())
    assert len({tuple(row) for row in rows.tolist()}) == 3
    assert text.prompts_of("airplane")[1:3] == ["an airplane", "a photo of an airplane"]


def test_merges_are_found_in_the_order_in_which_they_apply():
    assert text.merges_of(["aab", "ab"]) == [("a", "b</w>"), ("a", "ab</w>")]


def test_training_prompts_are_of_the_class_or_empty():
    labels = torch.arange(10).repeat(500)
    found = text.some_prompts(10, labels, 0.1, torch.Generator().manual_seed(0))
    empty = found == 10 * len(text.TEMPLATES)
    assert float(empty.float().mean()) == pytest.approx(0.1, abs=0.015)
    assert torch.equal((found // len(text.TEMPLATES))[~empty], labels[~empty])


def test_an_autoencoder_learns_and_its_latents_have_unit_variance(images):
    network = autoencoder.make_autoencoder(0, **TINY_AUTOENCODER)
    with torch.no_grad():
        before = autoencoder.reconstruction_loss(network, images.validation.scaled(), torch.Generator().manual_seed(0))
    result = autoencoder.train_autoencoder(
        images.train, images.validation, replace(BRIEF, steps=12, evaluate_every=12), network=network, batch_size=8
    )
    assert result.best_value < float(before)
    latents = autoencoder.encoded(network, images.validation)
    assert latents.shape == (20, 6, 8, 8)
    assert float(latents.std()) == pytest.approx(1, abs=1e-3)
    found = autoencoder.decoded(network, latents)
    again = autoencoder.decoded(network, latents, batch=7)
    assert torch.allclose(found, again, atol=1e-5)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_the_velocity_is_that_of_the_scheduler():
    scheduler, generator = denoiser.make_scheduler(), torch.Generator().manual_seed(0)
    latent = torch.randn(6, 8, 8, generator=generator)
    latents = latent.expand(50, -1, -1, -1)
    seen = []

    class Knows(torch.nn.Module):
        """What a network would answer that knows the latents: all are the same."""

        def forward(self, noisy, steps, prompts):
            seen.append(steps)
            signal = scheduler.alphas_cumprod[steps].sqrt()[:, None, None, None]
            noise = (noisy - signal * latents) / (1 - signal**2).sqrt()
            return scheduler.get_velocity(latents, noise, steps)

    prompts = torch.zeros(50, dtype=torch.long)
    error = denoiser.velocity_error(Knows(), latents, prompts, scheduler.alphas_cumprod, generator)
    assert float(error) < 1e-8
    assert torch.equal(seen[0].sort().values // 20, torch.arange(50))  # one step in each of 50 strata


def test_a_denoiser_learns_to_read_its_prompt(tokenizer):
    means = torch.linspace(-2, 2, 10)[:, None, None, None].expand(10, 6, 8, 8)
    labels = torch.arange(10).repeat(8)
    latents = means[labels] + 0.1 * torch.randn(80, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    network = denoiser.TextDenoiser(CLASSES, tokenizer, 0, **TINY_UNET)
    longer = replace(BRIEF, steps=120, learning_rate=5e-3, evaluate_every=60)
    result = denoiser.train_denoiser(
        torch.stack([latents, latents]), labels, (latents[:20], labels[:20]), longer, network=network, batch_size=32
    )
    assert result.best_value < result.history[0]["loss"]
    noise = torch.randn(40, 6, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network(noise, torch.full((40,), 999), torch.arange(10).repeat(4) * len(text.TEMPLATES))
    # where there is nothing but noise, minus the velocity is the latent
    means_found = -found.mean((1, 2, 3)).view(4, 10).mean(0)
    assert float(torch.corrcoef(torch.stack([means_found, torch.arange(10.0)]))[0, 1]) > 0.6


def test_a_classifier_learns_is_calibrated_and_comes_back_from_its_file(images, tmp_path, monkeypatch):
    monkeypatch.setitem(classifiers.CLASSIFIERS, "guide", TINY_CLASSIFIER)
    network, result = classifiers.train_classifier(images, "guide", BRIEF, batch_size=32)
    assert result.best_value < 0.5
    logits = classifiers.logits_of(network, images.validation)
    nats = torch.nn.functional.cross_entropy(logits, images.validation.labels)
    for factor in (0.8, 1.25):
        assert nats < torch.nn.functional.cross_entropy(logits * factor, images.validation.labels)
    save_network(network, tmp_path / "guide.safetensors")
    loaded = load_network(tmp_path / "guide.safetensors")
    assert torch.equal(classifiers.logits_of(loaded, images.validation), logits)
    larger = torch.nn.functional.interpolate(images.test.pixels.float() / 255, (64, 64))
    assert loaded.features(larger).shape == (20, 16)


def test_the_frechet_distance_is_that_of_its_formula(tmp_path):
    with isolated_randomness(0) as generator:
        network = ImageClassifier(CLASSES, [8, 8]).eval()
    first, second = (torch.rand(30, 3, 32, 32, generator=generator) ** power for power in (1, 2))
    ours, theirs = (moments_of(features_of(network, images)) for images in (first, second))
    write_moments(theirs, tmp_path / "moments.npz")
    theirs = read_moments(tmp_path / "moments.npz")
    crossed = np.linalg.eigvals(ours.covariance @ theirs.covariance).real.clip(0)
    spread = np.trace(ours.covariance) + np.trace(theirs.covariance) - 2 * np.sqrt(crossed).sum()
    expected = ((ours.mean - theirs.mean) ** 2).sum() + spread
    assert frechet(ours, theirs) == pytest.approx(expected, rel=1e-4)
    assert frechet(ours, ours) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        moments_of(features_of(network, first[:1]))


def test_the_whole_recipe_writes_a_pipeline_and_its_card(folder, tmp_path, monkeypatch):
    for settings, tiny in (
        (autoencoder.AUTOENCODER, TINY_AUTOENCODER),
        (denoiser.UNET, TINY_UNET),
        (classifiers.CLASSIFIERS, {"guide": TINY_CLASSIFIER, "judge": TINY_CLASSIFIER}),
    ):
        for key, value in tiny.items():
            monkeypatch.setitem(settings, key, value)
    monkeypatch.setattr(recipe, "Sizes", partial(recipe.Sizes, scales=(1.0, 2.0), steps=2, timed=10))
    sizes = ["--autoencoder-steps", "2", "--classifier-steps", "2", "--steps", "2", "--batch", "8", "--samples", "10"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of diffusers, about itself
        main("image", {"image": recipe.RECIPE}, ["--data", str(folder), "--out", str(tmp_path), *sizes])
    model = tmp_path / recipe.NAME
    card = json.loads((model / "card.json").read_text())
    assert card["quality"]["n"] == 10
    assert card["networks"]["unet"] < 200_000
    assert len(card["guidance"]["tried"]) == 2
    text = (model / "card.md").read_text()
    assert "| of these, training of the guide | 40 |" in text
    assert "nan" not in text
    assert (model / "training.svg").read_text().startswith("<?xml")
    assert (model / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert read_moments(model / "reference.npz").count == 20
    assert not [path for path in model.rglob("*.json") if str(tmp_path) in path.read_text()]
    assert {file.suffix for file in model.rglob("*") if file.stat().st_size > 100_000} <= {".safetensors"}
