"""Refusals: what cannot be steered is one sentence with the remedy, and leaves the pipeline as it was."""

import diffusers
import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import PROMPTS, arguments, brightness, same_scheduler, state_of
from svdd.domains.image.pipelines.outputs import SafetyCheckerWarning
from svdd.scoring.reward import RewardError


def refused(pipe, message, given=None, error=ValueError, reward=brightness, **options):
    before = state_of(pipe)
    with pytest.raises(error, match=message) as caught:
        svdd.steer(pipe, reward, **{"candidates": 2} | options)(**given or arguments("sd15"))
    assert "\n" not in str(caught.value)
    assert same_scheduler(pipe, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PNDMScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler"])
def test_a_scheduler_that_cannot_be_steered_is_refused_before_anything_is_computed(name):
    pipe = tiny.sd15()
    pipe.scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config)
    pipe.unet = None
    with pytest.raises(ValueError, match=rf"{name} .*; use pipe\.scheduler = DDIMScheduler\.from_config"):
        svdd.steer(pipe, brightness)


def test_a_scheduler_that_is_changed_later_is_refused_at_the_call():
    pipe = tiny.sd15()
    steered = svdd.steer(pipe, brightness)
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    with pytest.raises(ValueError, match="adds no noise, so all candidates of a step would be equal"):
        steered(**arguments("sd15"))


@pytest.mark.parametrize("exact", [False, True])
def test_moves_of_finished_images_are_refused_before_anything_is_computed(exact):
    pipe = tiny.sd15()
    pipe.unet = None
    with pytest.raises(ValueError, match=r"refine goes back to earlier times, .* svdd.load\(\"diffusers:...\"\)"):
        svdd.steer(pipe, brightness, "refine", moves=3, fraction=0.5, exact=exact)


def test_what_is_no_pipeline_is_refused():
    with pytest.raises(ValueError, match="needs a diffusers pipeline with a scheduler, got a dict"):
        svdd.steer({}, brightness)


@pytest.mark.parametrize("where", ["steer", "call"])
def test_several_candidates_without_noise_are_refused(where):
    pipe, message = tiny.sd15(), "eta=0 adds no noise, so the 2 candidates of a step would be equal; set eta above 0"
    if where == "steer":
        refused(pipe, message, eta=0.0)
    else:
        refused(pipe, message, arguments("sd15") | {"eta": 0})


def test_an_eta_that_the_scheduler_does_not_have_is_refused():
    refused(tiny.sdxl(), "EulerAncestralDiscreteScheduler has no eta, got 0.5", arguments("sdxl"), eta=0.5)


@pytest.mark.slow
def test_a_call_can_have_its_own_eta_even_where_the_pipeline_takes_none():
    steered = svdd.steer(tiny.flux(), brightness, candidates=2)
    rewards = [steered(**arguments("flux"), eta=eta).rewards.tolist() for eta in (0.5, None, 1.0)]
    assert rewards[0] == rewards[1] != rewards[2]


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_latents_that_do_not_fit_are_refused(rows):
    given = arguments("sd15") | {"latents": torch.zeros(rows, 4, 8, 8)}
    refused(
        tiny.sd15(), rf"latents have {rows} rows, which are neither one for each of 2 images .* candidates, 4", given
    )


@pytest.mark.slow
def test_several_generators_are_refused():
    given = arguments("sd15") | {"generator": [torch.Generator(), torch.Generator()]}
    refused(tiny.sd15(), "give one generator, or leave it out", given)


@pytest.mark.slow
def test_another_number_of_rewards_or_images_is_refused():
    def few(images):
        return [0.0]

    refused(tiny.sd15(), "was given 4 designs and must return 4 numbers", error=RewardError, reward=few)
    refused(
        tiny.sd15(),
        "decode was given 4 latents and must return as many images, not 1",
        decode=lambda x: x[:1, :3].sigmoid(),
    )


@pytest.mark.slow
def test_a_decoder_that_makes_no_images_is_refused():
    refused(
        tiny.sd15(), r"images are a floating-point tensor \(n, 3, H, W\) from 0 to 1", decode=lambda latents: latents
    )
    refused(tiny.sd15(), r"pixels go from 0 to 1, got .*", decode=lambda latents: 100 * latents[:, :3])


@pytest.mark.slow
def test_a_reward_that_wants_another_form_is_told_so():
    def wants_tensors(images):
        return images.mean((1, 2, 3))

    refused(tiny.sd15(), "set its attribute takes to one of pil, uint8, tensor", error=TypeError, reward=wants_tensors)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_callback_that_changes_the_latents_is_refused(at, in_place):
    def changing(pipe, step, timestep, kwargs):
        if step != at:
            return {}
        return {"latents": kwargs["latents"].mul_(2) if in_place else kwargs["latents"] * 2}

    given = arguments("sd15") | {"callback_on_step_end": changing}
    refused(tiny.sd15(), "the callback changed the latents, which steering chooses; leave it out", given)
    given["callback_on_step_end"] = lambda pipe, i, t, kwargs: {"latents": kwargs["latents"][:1]}
    with pytest.raises(ValueError, match="the callback changed the latents"):
        svdd.steer(tiny.sd15(), brightness, candidates=2)(**given, guidance_scale=1.0)


def test_a_decoder_that_is_none_is_told():
    with pytest.raises(TypeError, match="decode is a function of latents to images, or an autoencoder, got 'tiny'"):
        svdd.steer(tiny.sd15(), brightness, decode="tiny")


@pytest.mark.slow
def test_a_pipeline_that_stops_early_is_refused():
    def interrupt(pipe, i, t, kwargs):
        pipe._interrupt = i == 0
        return {}

    given = arguments("sd15") | {"callback_on_step_end": interrupt}
    refused(tiny.sd15(), "returned after 1 of 3 steps, so its images are not finished; let it run to the end", given)
    given = arguments("sdxl", steps=6) | {"denoising_end": 0.5, "output_type": "latent"}
    refused(tiny.sdxl(), "returned after 2 of 6 steps, so its images are not finished", given)


def test_a_pipeline_without_steps_is_refused():
    class Idle(diffusers.DDPMPipeline):
        def __call__(self, batch_size=1, num_inference_steps=1, generator=None):
            return None

    pipe = Idle(**tiny.ddpm().components)
    told = "Idle returned without a step of its scheduler, so there is nothing to steer"
    refused(pipe, told, arguments("ddpm"), experimental=True)


def test_a_pipeline_that_steps_other_rows_is_refused():
    class Doubled(diffusers.DDPMPipeline):
        def __call__(self, batch_size=1, num_inference_steps=1, generator=None):
            return super().__call__(2 * batch_size, generator=generator * 2, num_inference_steps=num_inference_steps)

    pipe = Doubled(**tiny.ddpm().components)
    pipe.set_progress_bar_config(disable=True)
    told = "steps 8 rows, but 2 images with 2 candidates each were asked for"
    refused(pipe, told, arguments("ddpm"), experimental=True)


def test_a_step_with_options_that_no_kernel_has_is_refused():
    pipe = diffusers.DDIMPipeline(**still_components())
    pipe.set_progress_bar_config(disable=True)
    given = {"batch_size": 2, "num_inference_steps": 3}
    assert len(svdd.steer(pipe, brightness, candidates=2)(**given).images) == 2
    refused(pipe, "steps with use_clipped_model_output", given | {"use_clipped_model_output": True})


def still_components():
    pipe = tiny.ddpm()
    return {"unet": pipe.unet, "scheduler": diffusers.DDIMScheduler()}


class Prude(torch.nn.Module):
    """Finds everything unsafe, as StableDiffusionSafetyChecker finds some."""

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, images, clip_input):
        return torch.zeros_like(torch.as_tensor(images)), [True, False]


@pytest.mark.slow
def test_a_safety_checker_that_blanks_images_is_told_of():
    pipe = tiny.sd15()
    from transformers import CLIPImageProcessor

    pipe.safety_checker, pipe.feature_extractor = Prude(), CLIPImageProcessor()
    with pytest.warns(
        SafetyCheckerWarning, match=r"blanked 1 of 2 images.*; a pipeline loaded with safety_checker=None"
    ):
        output = svdd.steer(pipe, brightness, candidates=2)(**arguments("sd15"))
    assert output.nsfw_content_detected == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "svd"}, "unknown method 'svd'; did you mean"),
        ({"methods": "smc"}, "unknown option of svdd 'methods'"),
        ({"method": "smc", "particles": 2, "candidates": 2}, "unknown option of smc 'candidates'"),
        ({"value": "rollout,steps=2"}, "a rollout asks the network at times of its own"),
        ({"value": "rollout"}, "a rollout asks the network at times of its own"),
        ({"value": "filtered,samples=2"}, "filtered is for tokens: a step of images adds noise"),
        ({"budget": {"rewards": 10}}, r'steer has no budget; svdd.load\("diffusers:...'),
        ({"cache": "scores.db"}, "steer has no cache"),
        ({"chunks": {"network": 0}}, "chunks of the network are at least 1 row at once, got 0"),
        ({"seed": -1}, "seed is a whole number of at least 0, got -1"),
        ({"batch": 0}, "batch is at least 1 prompt at once, got 0"),
        ({"candidates": 0}, "candidates must be whole and at least 1, got 0"),
        ({"candidates": lambda step: 2.5}, "candidates must be whole and at least 1, got 2.5"),
        ({"method": "smc", "particles": 0}, "particles must be whole and at least 1, got 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        svdd.steer(tiny.sd15(), brightness, **options)(**arguments("sd15", 1, 2))


@pytest.mark.parametrize(
    ("reward", "options", "message"),
    [
        ("brightnes", {}, "unknown reward 'brightnes'; did you mean brightness"),
        ("brightness", {"reward_options": {"weight": 1}}, "unknown option of brightness 'weight'"),
        (brightness, {"reward_options": {"weight": 1}}, "reward_options are for a reward given by name"),
        ("brightness", {"scores": {"b": "brightnes"}}, "unknown reward 'brightnes'"),
    ],
)
def test_rewards_by_name_are_checked_before_the_call(reward, options, message):
    with pytest.raises(ValueError, match=message):
        svdd.steer(tiny.sd15(), reward, candidates=2, **options)


def test_an_argument_that_the_pipeline_does_not_have_is_its_own_error():
    with pytest.raises(TypeError, match="guidance"):
        svdd.steer(tiny.flux(), brightness)(**arguments("flux"), guidance=3.0)


def test_a_value_that_asks_the_network_again_is_refused():
    def twice(particles):
        process = particles.process
        return process.denoiser(particles.x, process.times[0], particles.cond).mode()["latents"].mean((1, 2, 3))

    with pytest.raises(ValueError, match=r"walks through its times once, so its network cannot be asked again at t = "):
        svdd.steer(tiny.sd15(), brightness, candidates=2, value=twice)(prompt=PROMPTS[0], num_inference_steps=2)
