"""Not numbers: NaN is said where it came from, with the remedy for that place."""

import diffusers
import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import arguments, brightness
from svdd.domains.image.pipelines.families import image_decoder
from svdd.domains.image.pipelines.kernels import scheduler_kernel

ZERO = (
    r"Scheduler's first step divides by 0: .* needs prediction_type=\"v_prediction\", any other rescale_betas_zero_snr"
)
KINDS = ["DDIMScheduler", "DDPMScheduler", "LCMScheduler"]


def fails(pipe, message, given=None, **options):
    with pytest.raises(ValueError, match=message) as caught:
        svdd.steer(pipe, brightness, **{"candidates": 2} | options)(**given or arguments("sd15", 1, 2))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def without_signal(kind, **config):
    pipe = tiny.sd15()
    options = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} | config
    pipe.scheduler = getattr(diffusers, kind).from_config(pipe.scheduler.config, **options)
    return pipe


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_step_that_divides_by_0_is_refused_before_anything_is_computed(kind):
    pipe = without_signal(kind)
    pipe.unet.register_forward_pre_hook(lambda *given: pytest.fail("the network was asked"))
    pipe.text_encoder.register_forward_pre_hook(lambda *given: pytest.fail("the text encoder was asked"))
    fails(pipe, ZERO)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_process_with_such_a_step_is_refused_when_it_is_loaded(kind, tmp_path):
    without_signal(kind).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=ZERO):
        svdd.load(f"diffusers:{tmp_path}", steps=4, height=16, width=16, prompt="a cat")


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [{"prediction_type": "v_prediction"}, {"prediction_type": "sample"}, {"timestep_spacing": "leading"}],
)
def test_zero_terminal_signal_is_steered_where_it_can_be(config):
    output = svdd.steer(without_signal("DDIMScheduler", **config), brightness, candidates=2)(**arguments("sd15", 1, 3))
    assert bool(torch.isfinite(output.rewards).all())


@pytest.mark.slow
def test_a_call_that_starts_later_is_not_refused():
    from PIL import Image

    pipe = diffusers.AutoPipelineForImage2Image.from_pipe(without_signal("DDIMScheduler"))
    pipe.set_progress_bar_config(disable=True)
    given = {"prompt": "a cat", "image": Image.new("RGB", (16, 16)), "num_inference_steps": 4}
    output = svdd.steer(pipe, brightness, candidates=2)(**given, strength=0.5)
    assert bool(torch.isfinite(output.rewards).all())
    fails(pipe, ZERO, given | {"strength": 1.0})


def nan_from(module, at=1, value=torch.nan):
    """Makes a module answer NaN from a call on."""
    calls = []

    def hook(module, args, output):
        calls.append(1)
        first = output[0] if isinstance(output, tuple) else output
        bad = first if len(calls) < at else first * value
        return (bad, *output[1:]) if isinstance(output, tuple) else bad

    module.register_forward_hook(hook)


@pytest.mark.slow
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("method", [{}, {"method": "pretrained", "candidates": None}])
def test_nan_of_the_network_is_said_with_its_step(value, method):
    pipe = tiny.sd15()
    nan_from(pipe.unet, 2, value)
    said = fails(
        pipe, r"the network's answer has NaN or infinity at row 0, in step 2 of 2: its input is finite", **method
    )
    assert "float16" not in said


@pytest.mark.slow
def test_a_network_in_float16_is_told_to_be_more_precise():
    pipe = tiny.sd15(torch_dtype=torch.float16)
    nan_from(pipe.unet)
    said = fails(pipe, r"in step 1 of 2: float16 is too small for it; load the pipeline in bfloat16 or float32")
    assert "VAE" not in said
    pipe = tiny.sd15(torch_dtype=torch.bfloat16)
    nan_from(pipe.unet)
    assert "float16 is too small" not in fails(pipe, "its weights, adapters or embeddings have NaN")


def test_latents_that_were_nan_already_are_said_as_such():
    given = arguments("sd15", 1, 2) | {"latents": torch.full((1, 4, 8, 8), torch.nan)}
    fails(tiny.sd15(), r"the latents have NaN at row 0 before the network is asked, in step 1 of 2", given)
    with pytest.raises(ValueError, match="latents have NaN or infinity at row 1 before they are decoded"):
        image_decoder(tiny.sd15())(torch.tensor([0.0, torch.inf]).view(2, 1, 1, 1).expand(2, 4, 8, 8))


@pytest.mark.slow
def test_the_advice_of_float16_is_for_an_autoencoder_in_float16():
    said = r"the images have NaN at row 0: a VAE in float16 overflows; load the pipeline in bfloat16 or float32, or give it"
    pipe = tiny.sd15(torch_dtype=torch.float16)
    nan_from(pipe.vae.decoder)
    fails(pipe, said)
    for precision in (torch.float32, torch.bfloat16):
        pipe = tiny.sd15(torch_dtype=precision)
        nan_from(pipe.vae.decoder)
        assert "float16" not in fails(
            pipe, "NaN at row 0: their latents are finite, so the autoencoder's weights have NaN"
        )


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["decode", "look_ahead_decode"])
def test_nan_of_the_users_decoder_is_its_own(decoder):
    def nan(latents):
        return latents[:, :3] * torch.nan

    said = fails(
        tiny.sd15(), "decode= made images with NaN at row 0 from finite latents; look at its", **{decoder: nan}
    )
    assert "float16" not in said


def test_nan_of_a_step_is_the_schedulers():
    scheduler = diffusers.DDIMScheduler(prediction_type="v_prediction")
    scheduler.set_timesteps(4)
    kernel = scheduler_kernel(scheduler)
    kernel._table = kernel._table * torch.nan
    with pytest.raises(
        ValueError, match="DDIMScheduler makes NaN of the network's finite answer at row 0, in step 2 of 4"
    ):
        kernel.prediction(torch.ones(1, 4, 2, 2), 1, torch.ones(1, 4, 2, 2))


@pytest.mark.slow
def test_nan_of_a_process_is_said_like_that_of_a_pipeline(tmp_path):
    process = svdd.load(f"diffusers:{tiny.folder(tiny._sd15)}", steps=2, height=16, width=16, prompt="a cat")
    answers = process.denoiser.answers
    process.denoiser.answers = lambda *given: answers(*given) * torch.nan
    with pytest.raises(ValueError, match="the network's answer has NaN or infinity at row 0, in step 1 of 2"):
        svdd.decode(process, brightness, samples=1, candidates=2)
