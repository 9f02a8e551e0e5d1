"""Diffusers pipelines as processes: parity with the pipelines themselves, and everything a run can do on them."""

import json
import re
import shutil
import socket
import warnings
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

import svdd
from support import tiny_pipelines
from support.places import DOCS
from support.processes import SETTINGS, designs_a_chain
from svdd.chain.given import begun_with
from svdd.chain.process import Particles
from svdd.chain.rng import Rng
from svdd.chain.tree import leaves
from svdd.decoding.decoding import Decoding
from svdd.domains.image.designs import image_reward
from svdd.domains.image.diffusers_files import load_pipeline
from svdd.domains.image.diffusers_networks import latent_network, pixel_network
from svdd.domains.image.prompts import images_of, prompts_of
from svdd.domains.image.rewards.image_reward import ImageReward
from svdd.fitting.rollouts import unguided

pytestmark = pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")
PROMPTS = ["a cat", "a photo of a red ship", "dog"]
STEPS = 3


def classes():
    """Pixels, 8 x 8, five classes; DDIM."""
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        num_class_embeds=5,
    )
    return DDIMPipeline(unet, DDIMScheduler())


MAKES = {"sd15": tiny_pipelines._sd15, "ddpm": tiny_pipelines._ddpm, "classes": classes}


def path(name):
    return str(tiny_pipelines.folder(MAKES[name]))


def load(name, steps=STEPS, **options):
    given = {"prompt": PROMPTS, "guidance_scale": 3.0} if name == "sd15" else {}
    return svdd.load(f"diffusers:{path(name)}", **{"steps": steps} | given | options)


@lru_cache
def process(name):
    return load(name)


def redness(images):
    """Of tensors."""
    return images[:, 0].mean((1, 2)).double()


redness.takes = "tensor"


class Tape(Rng):
    """Draws whole batches from one generator of torch, as pipelines do."""

    def __init__(self, seed, chains):
        super().__init__(0, chains)
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, shape, dtype=torch.float32, device=None):
        return torch.randn(tuple(shape), generator=self.generator, dtype=dtype)


def plain_images(made, chains, rng):
    """Of the unguided chain."""
    *_, last = unguided(made.start(chains, (), rng))
    return images_of(made.decode(last.x))


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


# Parity


@pytest.mark.slow
def test_without_eta_the_images_are_the_pipelines_own():
    latents = Rng(0, 3).normal((3, 4, 8, 8))
    pipe = tiny_pipelines.sd15()
    own = pipe(PROMPTS, latents=latents, num_inference_steps=STEPS, guidance_scale=3.0, output_type="pt").images
    result = svdd.decode(load("sd15", eta=0.0), redness, method="pretrained", samples=3)
    torch.testing.assert_close(images_of(result.samples), own, rtol=0, atol=1e-5)
    assert prompts_of(result.samples) == PROMPTS


@pytest.mark.slow
def test_step_by_step_the_latents_are_the_pipelines_own():
    seen, made = [], load("sd15", eta=1.0, negative_prompt="dark")
    pipe = tiny_pipelines.sd15()

    def note(pipe, step, timestep, tensors):
        seen.append(tensors["latents"].clone())
        return tensors

    generator = torch.Generator().manual_seed(5)
    options = {"num_inference_steps": STEPS, "guidance_scale": 3.0, "eta": 1.0, "negative_prompt": ["dark"] * 3}
    pipe(PROMPTS, generator=generator, callback_on_step_end=note, output_type="latent", **options)
    ours = [particles.x["latents"] for particles in unguided(made.start(3, (), Tape(5, 3)))][1:]
    for mine, theirs in zip(ours, seen, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["DDPMScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler"])
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_other_schedulers_are_stepped_as_the_pipeline_steps_them(scheduler, guidance):
    import diffusers

    made = load("sd15", scheduler=scheduler, guidance_scale=guidance)
    pipe = tiny_pipelines.sd15()
    pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    generator = torch.Generator().manual_seed(6)
    options = {"num_inference_steps": STEPS, "guidance_scale": guidance, "output_type": "pt"}
    own = pipe(PROMPTS, generator=generator, **options).images
    torch.testing.assert_close(plain_images(made, 3, Tape(6, 3)), own, rtol=0, atol=2e-5)
    assert made.rows_each == (2 if guidance > 1 else 1)


@pytest.mark.slow
def test_pixel_models_make_the_pipelines_own_images():
    from diffusers import DDIMPipeline, DDIMScheduler

    pipe = tiny_pipelines.ddpm()
    own = pipe(3, torch.Generator().manual_seed(7), STEPS, output_type="pt").images
    torch.testing.assert_close(plain_images(load("ddpm"), 3, Tape(7, 3)), own, rtol=0, atol=1e-5)
    for eta in (0.0, 0.6):
        ddim = quiet(DDIMPipeline(pipe.unet, DDIMScheduler.from_config(pipe.scheduler.config)))
        own = ddim(3, torch.Generator().manual_seed(8), eta, STEPS, output_type="pt", use_clipped_model_output=False)
        made = load("ddpm", scheduler="DDIMScheduler", eta=eta)
        torch.testing.assert_close(plain_images(made, 3, Tape(8, 3)), own.images, rtol=0, atol=1e-5)


def test_a_class_is_what_the_network_is_told():
    made = load("classes", class_label=[3, 1])
    from diffusers import DDIMPipeline

    unet = DDIMPipeline.from_pretrained(path("classes")).unet
    particles = made.start(4, (), Rng(0, 4))
    timestep = torch.tensor(round(float(particles.t) * 1000) - 1)
    with torch.no_grad():
        said = unet(particles.x["latents"], timestep, class_labels=torch.tensor([3, 1, 3, 1])).sample
    torch.testing.assert_close(particles.posterior.parts["latents"].output, said, rtol=1e-5, atol=1e-6)
    assert load("classes").kind.classes == (0, 1, 2, 3, 4)


@pytest.mark.slow
def test_both_ways_agree_for_the_same_noise():
    """`svdd.steer` and the process, without choice and with the same latents, are the same images."""
    latents = Rng(0, 3).normal((3, 4, 8, 8))
    pipe = tiny_pipelines.sd15()
    steered = svdd.steer(pipe, redness, method="pretrained", eta=0.0)
    output = steered(PROMPTS, latents=latents, num_inference_steps=STEPS, guidance_scale=3.0, output_type="pt")
    result = svdd.decode(load("sd15", eta=0.0), redness, method="pretrained", samples=3)
    torch.testing.assert_close(output.images, images_of(result.samples), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.as_tensor(output.rewards).double(), result.rewards, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("pretrained", {}),
        ("svdd", {"candidates": 3, "temperature": 0.02, "prior_candidates": 1}),
        ("svdd", {"candidates": 2}),
    ],
)
def test_both_ways_choose_the_same_from_the_same_noise(method, options):
    latents = Rng(9, 3).normal((3, 4, 8, 8))
    options = {"prior_candidates": 1} | options if method == "svdd" else options
    made = replace(load("sd15"), prior=lambda n, rng: {"latents": latents, "condition": torch.arange(3)})
    given = {"latents": latents, "num_inference_steps": STEPS, "guidance_scale": 3.0, "output_type": "pt"}
    output = svdd.steer(tiny_pipelines.sd15(), redness, method=method, eta=1.0, **options)(PROMPTS, **given)
    result = svdd.decode(made, redness, method=method, samples=3, **options)
    torch.testing.assert_close(output.images, images_of(result.samples), rtol=0, atol=1e-5)


# Conditions


@pytest.mark.slow
def test_a_chain_has_its_prompt_whatever_is_beside_it():
    made = process("sd15")
    whole = svdd.decode(made, redness, candidates=3, samples=5, temperature=0.1)
    parts = svdd.decode(
        made, redness, candidates=3, samples=5, temperature=0.1, batch=2, chunks={"network": 3, "decode": 2}
    )
    few = svdd.decode(made, redness, candidates=3, samples=2, temperature=0.1)
    assert torch.equal(images_of(whole.samples), images_of(parts.samples))
    assert torch.equal(images_of(whole.samples)[:2], images_of(few.samples))
    assert torch.equal(whole.rewards, parts.rewards)
    assert prompts_of(whole.samples) == [*PROMPTS, *PROMPTS[:2]]


@pytest.mark.slow
def test_conditions_travel_with_their_rows():
    """Every candidate is denoised, gathered and captioned under the prompt of its own chain."""
    made, seen = process("sd15"), []

    def asks(images, prompts):
        seen.append(list(prompts))
        return [float(len(prompt)) for prompt in prompts]

    steps = Decoding(made, asks, method="nested-is", particles=2, candidates=3, samples=4, temperature=1.0)
    for step in steps:
        assert step.particles.x["condition"].tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    assert seen[0] == [prompt for prompt in [*PROMPTS, PROMPTS[0]] for _ in range(6)]
    assert steps.result().rewards.tolist() == [5.0, 21.0, 3.0, 5.0]


@pytest.mark.slow
def test_another_prompt_is_another_answer():
    one, other = (load("sd15", prompt=prompt) for prompt in ("a cat", "a dog"))
    x = one.prior(2, Rng(0, 2))
    answers = [Particles(made, 0, x).posterior.parts["latents"].x for made in (one, other)]
    assert not torch.allclose(*answers)


# Runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *(("sd15", one) for one in SETTINGS),
        ("ddpm", "svdd"),
        ("ddpm", "nested-is"),
        ("classes", "svdd"),
        ("classes", "smc"),
    ],
)
def test_every_method_runs(setting, name):
    method, options = SETTINGS[setting]
    samples = 2 * designs_a_chain(method, options)
    result = svdd.decode(process(name), redness, method=method, samples=samples, **options)
    images = images_of(result.samples)
    assert images.shape == (samples, 3, *process(name).about["size"])
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    torch.testing.assert_close(redness(images), result.rewards, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("sd15", "svdd"),
        ("sd15", "nested-is"),
        ("ddpm", "smc"),
        ("classes", "beam"),
        ("ddpm", "blocks"),
        ("sd15", "refine adapted"),
    ],
)
def test_a_resumed_run_has_the_same_bits(setting, name):
    method, options = SETTINGS[setting]
    given = {"method": method, "samples": 3, "batch": 2} | options
    whole = svdd.decode(process(name), redness, **given)
    first = Decoding(process(name), redness, **given)
    for _ in zip(range(STEPS + 1), first, strict=False):
        pass
    again = Decoding(process(name), redness, **given).resume(first.state())
    for _ in again:
        pass
    assert torch.equal(images_of(again.result().samples), images_of(whole.samples))
    assert torch.equal(again.result().rewards, whole.rewards)
    assert again.result().usage.reward.rows == whole.usage.reward.rows


@pytest.mark.parametrize("name", MAKES)
def test_a_finished_image_is_noised_as_the_scheduler_does(name):
    """Conditions stay; a level is that of the scheduler's own `add_noise`."""
    made, n = process(name), 4
    x_0 = made.prior(n, Rng(1, n))
    clean = x_0["latents"] if isinstance(x_0, dict) else x_0
    scheduler = load_pipeline(path(name), "float32", None, None).scheduler
    scheduler.set_timesteps(STEPS)
    for t, timestep in zip(made.times, scheduler.timesteps, strict=False):
        x_t = made.noising(x_0, x_0, t, Rng(2, n))
        noise = Rng(2, n).normal(clean.shape, dtype=torch.float32)
        wanted = scheduler.add_noise(clean, noise, timestep.expand(n))
        torch.testing.assert_close(x_t["latents"] if isinstance(x_t, dict) else x_t, wanted)
        if isinstance(x_t, dict):
            assert torch.equal(x_t["condition"], x_0["condition"])


def test_given_images_of_pixels_are_where_a_run_begins():
    made = process("ddpm")
    size = tuple(made.about["size"])
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    given = svdd.decode(begun_with(made, images), redness, method="refine", samples=2, moves=0, progress=False)
    torch.testing.assert_close(images_of(given.samples), images)
    with pytest.raises(ValueError, match="pixels, but those given"):
        begun_with(made, images[:, :, :4, :4])


def test_given_images_of_classes_keep_the_classes_of_their_chains():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    made = begun_with(process("classes"), images)
    given = svdd.decode(made, redness, method="refine", samples=7, moves=0, progress=False)
    torch.testing.assert_close(images_of(given.samples), images[torch.arange(7) % 3])
    x_0, x_T = made.given(7, Rng(0, 7))
    assert x_0["condition"].tolist() == x_T["condition"].tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert torch.equal(x_0["condition"], made.prior(7, Rng(0, 7))["condition"])


def test_given_images_of_a_latent_model_are_what_its_autoencoder_makes_of_them(tmp_path):
    """Scaled and shifted back as far as they are on the way out; prompts are those of the chains."""
    folder = copied("sd15", tmp_path)
    rewritten(folder / "vae" / "config.json", lambda config: config.update(scaling_factor=0.5, shift_factor=0.3))
    made = svdd.load(f"diffusers:{folder}", steps=STEPS, prompt=PROMPTS, guidance_scale=3.0)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    given = svdd.decode(begun_with(made, images), redness, method="refine", samples=4, moves=0, progress=False)
    vae = load_pipeline(str(folder), "float32", None, None).vae
    with torch.no_grad():
        latents = vae.encode(2 * images - 1).latent_dist.mode()
        again = (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(images_of(given.samples), again[torch.arange(4) % 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made.encode(images)[0]["latents"][:2], (latents - 0.3) * 0.5)
    assert prompts_of(given.samples) == [*PROMPTS, PROMPTS[0]]
    with pytest.raises(ValueError, match="the model's images are 16 x 16 pixels, but those given 8 x 8"):
        begun_with(made, images[:, :, :8, :8])


@pytest.mark.slow
def test_the_bundled_latent_model_begins_with_its_own_images():
    made = svdd.load("image-small", steps=4, prompt="a photo of a ship", eta=1.0)
    images = svdd.decode(made, redness, method="pretrained", samples=2, progress=False).samples
    begun = begun_with(made, images)
    given = svdd.decode(begun, redness, method="refine", samples=2, moves=0, progress=False)
    difference = (images_of(given.samples) - images_of(images)).abs().mean()
    assert float(difference) < 0.03
    better = svdd.decode(begun, redness, method="refine", samples=2, moves=6, fraction=0.5, progress=False)
    assert bool((better.rewards >= given.rewards).all())
    assert bool((better.rewards > given.rewards).any())


@pytest.mark.slow
def test_the_network_is_asked_for_as_many_rows_as_the_formula_says():
    usage = svdd.decode(process("sd15"), redness, candidates=5, samples=2).usage
    assert usage.network.rows == 2 * 2 * (1 + (STEPS - 1) * 5)
    assert usage.reward.rows == 2 * 5 * STEPS


@pytest.mark.slow
@pytest.mark.parametrize("value", ["posterior-mean", "log-mean-exp", "rollout"])
def test_every_value_works(value):
    assert len(svdd.decode(process("sd15"), redness, candidates=2, samples=2, value=value)) == 2


@pytest.mark.slow
def test_batches_of_one_size_make_an_answer_a_rows_own():
    """What holds on any machine; without them rounding depends on how many rows go at once."""
    made = load("ddpm", batch=4)
    x = made.prior(11, Rng(0, 11))
    whole = made.denoiser(x, made.times[0], ()).x
    for size in (1, 3, 4):
        assert torch.equal(made.denoiser(x[:size], made.times[0], ()).x, whole[:size])
    free = load("ddpm", batch=0).denoiser(x, made.times[0], ()).x
    torch.testing.assert_close(free, whole, rtol=1e-4, atol=1e-5)
    assert (made.rows_at_once, load("ddpm", batch=0).rows_at_once) == (4, 1)


def test_half_precision_steps_in_single():
    made = load("ddpm", precision="bfloat16")
    particles = made.start(2, (), Rng(0, 2)).propose(1)
    assert particles.x.dtype == torch.float32
    assert particles.posterior.mode().dtype == torch.float32
    assert made.decode(particles.x).dtype == torch.float32
    exact = process("ddpm").start(2, (), Rng(0, 2)).propose(1)
    torch.testing.assert_close(particles.x, exact.x, rtol=0, atol=0.2)


@pytest.mark.slow
def test_size_is_the_users():
    made = load("sd15", height=24, width=32, prompt="a cat")
    assert images_of(svdd.decode(made, redness, method="pretrained", samples=1).samples).shape == (1, 3, 24, 32)
    assert made.about["size"] == [24, 32]


# Rewards


def test_a_plain_function_gets_pil_images():
    seen = []

    def kinds(images):
        seen.extend(type(image).__name__ for image in images)
        return [image.getpixel((0, 0))[0] for image in images]

    svdd.decode(process("ddpm"), kinds, candidates=2, samples=1, scores={"again": kinds})
    assert set(seen) == {"Image"}


def test_components_of_an_objective_get_images_too():
    from svdd.scoring.reward import Composite

    class Sum:
        def __init__(self, parts):
            self.components = parts

        def asking(self, ask):
            return Sum({name: ask(name, part) for name, part in self.components.items()})

        def table(self, designs):
            return {name: list(part(designs)) for name, part in self.components.items()}

        def __call__(self, designs):
            return [sum(row) for row in zip(*self.table(designs).values(), strict=True)]

    pixel = lambda images: [float(image.getpixel((0, 0))[1]) for image in images]  # noqa: E731
    assert isinstance(Sum({}), Composite)
    result = svdd.decode(process("sd15"), Sum({"pixel": pixel, "red": redness}), candidates=2, samples=2)
    assert torch.equal(result.scores["pixel"] + result.scores["red"], result.rewards)


def test_a_reward_of_images_stays_itself():
    reward = ImageReward(redness)
    assert image_reward(reward) is reward


@pytest.mark.slow
def test_scores_on_disk_know_images_by_their_bits(tmp_path):
    calls = []

    def counted(images):
        calls.append(len(images))
        return redness(images)

    counted.takes, counted.identity = "tensor", "counted, 1"
    runs = [
        svdd.decode(process("sd15"), counted, candidates=3, samples=2, cache=tmp_path / "scores.sqlite")
        for _ in range(2)
    ]
    assert torch.equal(runs[0].rewards, runs[1].rewards)
    assert runs[1].usage.reward.rows == 0
    assert runs[0].usage.reward.asked == runs[1].usage.reward.asked
    assert sum(calls) == runs[0].usage.reward.rows


# Learned values


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sd15", "ddpm"])
def test_a_value_of_images_is_fitted_saved_and_used(name, tmp_path):
    made = process(name)
    settings = {"rollouts": 20, "states": 2, "train_steps": 4, "held_out": 6, "nested": (3, 2), "candidates": 2}
    value = svdd.fit_value(made, redness, network_options={"channels": 8}, **settings)
    assert value.card["network"] == "image"
    value.save(tmp_path / "value")
    read = svdd.load_value(tmp_path / "value", load(name), redness)
    results = [svdd.decode(made, redness, candidates=3, samples=2, value=one) for one in (value, read)]
    assert torch.equal(results[0].rewards, results[1].rewards)
    assert results[0].usage.network.rows == 2 * STEPS * made.rows_each
    x = made.prior(5, Rng(1, 5))
    whole = value.predictor(x, made.times[1], ())
    assert torch.equal(value.predictor(svdd.chain.tree.take(x, torch.arange(2)), made.times[1], ()), whole[:2])


@pytest.mark.slow
def test_a_value_of_other_prompts_is_refused(tmp_path):
    settings = {"rollouts": 20, "train_steps": 2, "held_out": 0, "candidates": 0, "network_options": {"channels": 8}}
    svdd.fit_value(process("sd15"), redness, **settings).save(tmp_path / "value")
    with pytest.raises(svdd.fitting.fingerprint.FingerprintError, match="fitted for prompts"):
        svdd.load_value(tmp_path / "value", load("sd15", prompt=["dog", "a cat"]), redness)


# Files


def test_a_saved_run_has_a_png_of_every_image(tmp_path):
    import pandas as pd
    from PIL import Image

    from svdd.domains.image.pixels import to_uint8

    result = svdd.decode(process("sd15"), redness, candidates=2, samples=4)
    result.save(tmp_path / "run")
    frame = pd.read_csv(tmp_path / "run" / "samples.csv")
    assert list(frame.columns) == ["id", "chain", "sample", "prompt", "reward", "valid"]
    assert frame["sample"].tolist() == [f"svdd-{i:04d}.png" for i in range(4)]
    assert frame["prompt"].tolist() == [*PROMPTS, PROMPTS[0]]
    bytes_ = to_uint8(images_of(result.samples))
    for name, image in zip(frame["sample"], bytes_, strict=True):
        with Image.open(tmp_path / "run" / name) as read:
            assert torch.equal(torch.from_numpy(np.array(read)), image)
    assert (tmp_path / "run" / "samples.png").is_file()
    assert not (tmp_path / "run" / "samples.safetensors").exists()
    about = json.loads((tmp_path / "run" / "run.json").read_text())["model"]
    assert about["domain"] == "image"
    assert about["prompts"] == PROMPTS


# What is refused


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sd15", {"prompt": None}, "give prompt="),
        ("sd15", {"prompt": []}, "give prompt="),
        ("sd15", {"class_label": 1}, "in place of class_label"),
        ("ddpm", {"prompt": "a cat"}, "leave out prompt"),
        ("ddpm", {"class_label": 1}, "no table of classes"),
        ("classes", {"class_label": 5}, "classes 0 to 4"),
        ("ddpm", {"steps": 0}, "from 1 to the 1000"),
        ("ddpm", {"steps": 1001}, "from 1 to the 1000"),
        ("ddpm", {"eta": 0.5}, "has no eta"),
        ("sd15", {"eta": 1.5}, "from 0 to 1"),
        ("sd15", {"height": 15}, "multiples of 2"),
        ("sd15", {"scheduler": "DDIM"}, "unknown scheduler"),
        ("sd15", {"scheduler": "FlowMatchEulerDiscreteScheduler"}, "unknown scheduler"),
        ("ddpm", {"batch": -1}, "0 for as many"),
        ("sd15", {"precision": "float8"}, "unknown precision"),
        ("sd15", {"precision": "float8"}, "float32"),
        ("sd15", {"guidance": 3}, "unknown option"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        load(name, **options)


def copied(name, tmp_path):
    return shutil.copytree(path(name), tmp_path / "copy")


def rewritten(file, change):
    read = json.loads(file.read_text())
    change(read)
    file.write_text(json.dumps(read))


def test_a_scheduler_that_keeps_a_history_is_refused_by_name(tmp_path):
    folder = copied("ddpm", tmp_path)
    rewritten(folder / "model_index.json", lambda index: index.update(scheduler=["diffusers", "PNDMScheduler"]))
    rewritten(folder / "scheduler" / "scheduler_config.json", lambda config: config.update(_class_name="PNDMScheduler"))
    with pytest.raises(ValueError, match=r"PNDMScheduler, steps from a history.*scheduler='DDIMScheduler'"):
        svdd.load(f"diffusers:{folder}", steps=3)
    svdd.load(f"diffusers:{folder}", steps=3, scheduler="DDIMScheduler")


def test_pickled_weights_are_not_read(tmp_path):
    folder = copied("ddpm", tmp_path)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ValueError, match="with safetensors"):
        svdd.load(f"diffusers:{folder}")


def test_pickled_weights_of_the_text_encoder_are_not_read(tmp_path):
    folder = copied("sd15", tmp_path)
    weights = folder / "text_encoder" / "model.safetensors"
    torch.save({}, weights.with_name("pytorch_model.bin"))
    weights.unlink()
    with pytest.raises(ValueError, match="with safetensors"):
        svdd.load(f"diffusers:{folder}", prompt="a cat")


def test_code_in_a_folder_is_not_run(tmp_path):
    folder = copied("ddpm", tmp_path)
    (folder / "unet" / "mine.py").write_text("raise SystemExit")
    rewritten(folder / "model_index.json", lambda index: index.update(unet=["mine", "Unet"]))
    with pytest.raises(ValueError, match="code in a folder is not run"):
        svdd.load(f"diffusers:{folder}")
    rewritten(folder / "model_index.json", lambda index: index.update(_class_name=["mine", "Pipeline"]))
    with pytest.raises(ValueError, match=r"svdd\.steer takes"):
        svdd.load(f"diffusers:{folder}")


def test_other_pipelines_are_told_where_to_go():
    with pytest.raises(ValueError, match=r"StableDiffusionXLPipeline; known here are .* svdd\.steer"):
        svdd.load(f"diffusers:{tiny_pipelines.folder(tiny_pipelines._sdxl)}", prompt="a cat")


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        svdd.load(f"diffusers:{tmp_path / 'nothing'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no diffusers pipeline"):
        svdd.load(f"diffusers:{tmp_path / 'empty'}")


def test_a_local_folder_needs_no_connection_and_leaves_logs_as_they_were(monkeypatch):
    from diffusers.utils import logging

    def refuse(*args, **more):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = load("sd15")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert all(not leaf.requires_grad for leaf in leaves(made.denoiser(made.prior(1, Rng(0, 1)), made.times[0], ())))


# The page


@pytest.mark.slow
def test_the_page_about_pipelines_runs(tmp_path, monkeypatch, capsys):
    page = DOCS / "diffusers.md"
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace("models/sd15", path("sd15")).replace("steps=20", "steps=2")
    exec(compile(code, "diffusers.md", "exec"), {})
    assert "svdd-0003.png" in capsys.readouterr().out
    assert (tmp_path / "runs" / "red" / "svdd-0000.png").is_file()


# --- folders and files that are something else ---------------------------------------------------------------------

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00ff\nsize 123456\n"
UNET = "unet/diffusion_pytorch_model.safetensors"


def _cut(folder):
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:-100])


def _as_bin(folder):
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")


BROKEN = {
    "a pointer": (lambda f: (f / UNET).write_text(POINTER), r"safetensors is a Git LFS pointer of 123,456 bytes"),
    "cut short": (_cut, r"safetensors is cut short: it has [\d,]+ of [\d,]+ bytes; get the file again"),
    "a page": (lambda f: (f / "model_index.json").write_text("<html>"), r"model_index\.json is a web page"),
    "an empty file": (lambda f: (f / "unet" / "config.json").write_text(""), r"config\.json is empty"),
    "no safetensors": (_as_bin, r"from_pretrained\(\.\.\.\)\.save_pretrained\(FOLDER\) writes safetensors"),
    "weights of another": (
        lambda f: shutil.copy(f / "vae" / "diffusion_pytorch_model.safetensors", f / UNET),
        "the unet of .* lacks weights, conv_in.weight",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "said"), BROKEN.values(), ids=BROKEN)
def test_a_folder_that_was_not_fetched_whole(tmp_path, spoil, said):
    folder = shutil.copytree(path("sd15"), tmp_path / "pipe")
    spoil(folder)
    with pytest.raises(ValueError, match=said):
        svdd.load(f"diffusers:{folder}", prompt="a cat", scheduler="DDIMScheduler")


def test_files_and_folders_that_are_no_pipeline(tmp_path):
    from safetensors.torch import save_file

    one, lora = tmp_path / "sd.safetensors", tmp_path / "lora"
    lora.mkdir()
    save_file({"model.diffusion_model.out.0.weight": torch.zeros(1)}, one)
    save_file({"unet.lora_A.weight": torch.zeros(1)}, lora / "pytorch_lora_weights.safetensors")
    with pytest.raises(ValueError, match=r"is one file, .*from_single_file\(FILE\)\.save_pretrained\(FOLDER\)"):
        svdd.load(f"diffusers:{one}", prompt="a cat")
    with pytest.raises(ValueError, match=r"no diffusers pipeline but a LoRA: .*fuse_lora"):
        svdd.load(f"diffusers:{lora}", prompt="a cat")
    with pytest.raises(ValueError, match=r"but one part of it, .* name the folder that holds model_index\.json"):
        svdd.load(f"diffusers:{path('sd15')}/unet", prompt="a cat")
    one.write_text(POINTER)
    with pytest.raises(ValueError, match=r"sd\.safetensors is a Git LFS pointer"):
        svdd.load(f"diffusers:{one}", prompt="a cat")


@pytest.mark.slow
def test_negative_prompts_of_a_model_are_one_text_or_one_per_prompt():
    def rewards(negative):
        made = load("sd15", prompt=PROMPTS[:2], negative_prompt=negative)
        return svdd.decode(made, redness, samples=2, candidates=2).rewards

    each, dark, red = (rewards(negative) for negative in (["dark", "red"], "dark", "red"))
    torch.testing.assert_close(each, torch.stack([dark[0], red[1]]), rtol=0, atol=1e-6)
    assert not torch.allclose(dark, red, rtol=0, atol=1e-6)
    assert load("sd15", negative_prompt=["dark", "red", "dark"]).about["negative_prompt"] == ["dark", "red", "dark"]
    assert load("sd15", negative_prompt="dark").about["negative_prompt"] == "dark"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "sd15",
            {"negative_prompt": ["a", "b"]},
            "negative_prompt has 2 texts for 3 prompts; give one text for all, or one",
        ),
        ("sd15", {"negative_prompt": ["dark"]}, "negative_prompt has 1 texts for 3 prompts"),
        ("sd15", {"negative_prompt": []}, "negative_prompt has 0 texts for 3 prompts"),
        ("sd15", {"prompt": "a cat", "negative_prompt": ["a", "b"]}, "negative_prompt has 2 texts for 1 prompts"),
        ("ddpm", {"negative_prompt": "dark"}, "makes images without text; leave out negative_prompt"),
    ],
)
def test_options_that_are_text_or_classes_are_checked_and_counted(name, options, message):
    with pytest.raises(ValueError, match=message):
        load(name, **options)


def test_options_are_text_and_classes_whole_numbers_also_of_numpys():
    pixels, latents = load_pipeline(path("classes")), load_pipeline(path("sd15"))
    assert pixel_network(pixels, "P", None, np.int64(2)).facts["classes"] == [2]
    with pytest.raises(ValueError, match=r"P has classes 0 to 4, got class_label=\[0.5\]"):
        pixel_network(pixels, "P", None, [0.5])
    with pytest.raises(ValueError, match=r"negative_prompt is one text or a list of text, got \[1\]"):
        latent_network(latents, "P", "a cat", None, 2.0, [1])
    with pytest.raises(ValueError, match=r"prompt is one text or a list of text, got \['a', None\]"):
        latent_network(latents, "P", ["a", None], None, 2.0, "")
