"""Judged: what a steered pipeline returns is what the reward judged, or an error says what made the difference."""

import copy

import diffusers
import pytest
import torch
from PIL import Image

import svdd
from support import tiny_pipelines as tiny
from support import tiny_variants as variants
from support.pipeline_calls import arguments, brightness
from svdd.domains.image.pipelines.families import image_decoder
from svdd.domains.image.pipelines.judged import OtherImagesError, UncheckedWarning, WatermarkWarning
from svdd.domains.image.pipelines.outputs import SafetyCheckerWarning
from svdd.domains.image.pixels import from_any

pytestmark = pytest.mark.slow


def steered(pipe, name="sd15", prompts=2, **given):
    return svdd.steer(pipe, brightness, candidates=2, experimental=True)(**arguments(name, prompts, 2), **given)


def refused(pipe, message, options=None, **given):
    steer = svdd.steer(pipe, brightness, candidates=2, experimental=True, **options or {})
    with pytest.raises(OtherImagesError, match=message) as caught:
        steer(**arguments("sd15", 2, 2), **given)
    assert "\n" not in str(caught.value)
    return caught.value.output


def made(cls, **parts):
    pipe = cls(**tiny.sd15().components | parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Changing(diffusers.StableDiffusionPipeline):
    """Changes what it made, as upscalers, masks and filters of users do."""

    change = staticmethod(lambda images: images)

    def __call__(self, prompt, num_inference_steps=2, **given):
        output = super().__call__(prompt, num_inference_steps=num_inference_steps, **given)
        output.images = self.change(output.images)
        return output


def dimmed(images):
    return [one.point(lambda level: level * 0.97) for one in images]


def one_pixel(images):
    images = images.clone()
    images[1, :, 3, 4] = 1 - images[1, :, 3, 4].round()
    return images


def larger(images):
    return torch.nn.functional.interpolate(images, scale_factor=2)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("pil", dimmed, "returned another image than the one that was judged, number 0"),
        ("pt", one_pixel, "another image than the one that was judged, number 1 .*image_processor"),
        ("pt", larger, "2 images 32 pixels high and 32 wide, but judged were 2 images 16 .*resizes, crops or pastes"),
        (
            "pt",
            lambda images: images[:1],
            "returned 1 images 16 pixels .*: the pipeline itself makes another number of images",
        ),
        ("np", lambda images: images[::-1].copy(), "number 0"),
        ("pt", lambda images: images * torch.nan, "number 0"),
        ("latent", lambda latents: latents * 1.01, "returned other latents than those that were judged"),
    ],
)
def test_a_pipeline_that_changes_its_images_is_refused(kind, change, message):
    pipe = made(Changing)
    assert len(steered(pipe, output_type=kind).images) == 2
    pipe.change = change
    output = refused(pipe, message, output_type=kind)
    assert len(output.images) in (1, 2)  # the work is not lost


class LastLatents(diffusers.StableDiffusionPipeline):
    """Changes its latents before it decodes them."""

    @torch.no_grad()
    def __call__(self, prompt, height=None, width=None, num_inference_steps=2, **given):
        sizes = {"height": height, "width": width, "num_inference_steps": num_inference_steps}
        latents = super().__call__(prompt, **sizes, **given | {"output_type": "latent"}).images.mul_(1.05)
        images = self.vae.decode(latents / self.vae.config.scaling_factor, return_dict=False)[0]
        return type("Output", (), {"images": self.image_processor.postprocess(images, output_type="pt")})()


def test_latents_that_are_changed_after_the_last_step_are_told():
    refused(made(LastLatents), "the pipeline itself changes latents after its last step, or images after it decodes")


@pytest.mark.parametrize("kind", ["pil", "np", "pt"])
def test_a_decoder_that_makes_other_images_is_refused(kind):
    pipe = tiny.sd15()

    def unscaled(latents):
        return (pipe.vae.decode(latents, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)

    def right(latents):
        return unscaled(latents / pipe.vae.config.scaling_factor)

    message = r"decode= makes other images than the pipeline does; make it do what the pipeline does at its end"
    refused(pipe, message, {"decode": unscaled}, output_type=kind)
    refused(pipe, message, {"decode": lambda latents: latents[:, :3].sigmoid()}, output_type=kind)
    output = svdd.steer(pipe, brightness, candidates=2, decode=right)(**arguments("sd15", 2, 2), output_type=kind)
    torch.testing.assert_close(output.rewards.float(), brightness(from_any(output.images)), rtol=0, atol=2e-3)


def test_another_autoencoder_is_refused_unless_latents_are_asked_for():
    message = "decode= is not the autoencoder that the pipeline decodes with; leave it out, or give the pipeline"
    refused(tiny.sd15(), message, {"decode": tiny.sdxl().vae})
    steer = svdd.steer(tiny.sd15(), brightness, candidates=2, decode=tiny.sdxl().vae)
    latents = steer(**arguments("sd15", 2, 2), output_type="latent")
    with torch.no_grad():
        images = image_decoder(tiny.sd15(), autoencoder=tiny.sdxl().vae)(latents.images)
    torch.testing.assert_close(latents.rewards.float(), brightness(images), rtol=0, atol=1e-6)


def kandinsky_call(**options):
    given = {"image_embeds": torch.ones(1, 16), "negative_image_embeds": torch.zeros(1, 16)}
    steer = svdd.steer(tiny.kandinsky(), brightness, candidates=2, **options)
    return steer(**given, height=64, width=64, num_inference_steps=2, output_type="np")


def test_an_autoencoder_that_quantises_decodes_as_its_pipeline_does():
    output = kandinsky_call()
    torch.testing.assert_close(output.rewards.float(), brightness(from_any(output.images)), rtol=0, atol=1e-5)
    other = tiny.kandinsky().movq  # another object than that of the pipeline, so it is decoded as autoencoders are
    with pytest.raises(OtherImagesError, match="decode= is not the autoencoder that the pipeline decodes with"):
        kandinsky_call(decode=other)


def test_latents_without_a_known_autoencoder_ask_for_a_decoder():
    message = "DDPMPipeline has latents of 4 channels and no autoencoder that svdd knows .*; give decode="
    with pytest.raises(ValueError, match=message):
        image_decoder(tiny.ddpm())(torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux"])
@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")
def test_rounding_is_no_difference(name, precision):
    pipe = getattr(tiny, name)(torch_dtype=precision)
    for kind, chunks in (("pil", {"decode": 1}), ("pt", {"decode": 3}), ("latent", None)):
        steer = svdd.steer(pipe, brightness, candidates=2, chunks=chunks)
        assert len(steer(**arguments(name, 3, 2), output_type=kind).images) == 3


@pytest.mark.parametrize("change", ["enable_tiling", "enable_slicing"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_saves_memory_is_no_difference(change, precision):
    pipe = tiny.sd15(torch_dtype=precision)
    getattr(pipe.vae, change)()
    assert len(steered(pipe, prompts=3).images) == 3


def test_autocast_is_no_difference():
    with torch.autocast("cpu", torch.bfloat16):
        output = svdd.steer(tiny.sd15(), brightness, candidates=2, chunks={"decode": 1})(**arguments("sd15", 3, 2))
    assert len(output.images) == 3


class Mark:
    """Whitens two lines of images from -1 to 1, as watermarks of SDXL change them a little."""

    def apply_watermark(self, images):
        return images.index_fill(2, torch.tensor([0, 1]), 1.0)


def test_a_watermark_is_warned_of():
    pipe = tiny.sdxl()
    pipe.watermark = Mark()
    with pytest.warns(WatermarkWarning, match="rewards are those of images without it; load .* add_watermarker=False"):
        output = steered(pipe, "sdxl", output_type="pt")
    assert float(output.images[:, :, :2].min()) == 1.0


class Checker(torch.nn.Module):
    """Blanks the first image, as StableDiffusionSafetyChecker does, and says so or not."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, says):
        super().__init__()
        self.says = says

    def forward(self, images, clip_input):
        images = torch.as_tensor(images).clone()
        images[0] = 0
        return images, [self.says] + [False] * (len(images) - 1)


@pytest.mark.parametrize("says", [True, False])
def test_a_checker_that_blanks_images_is_warned_of_if_it_says_so(says):
    from transformers import CLIPImageProcessor

    pipe = tiny.sd15()
    pipe.safety_checker, pipe.feature_extractor = Checker(says), CLIPImageProcessor()
    if says:
        with pytest.warns(SafetyCheckerWarning, match="blanked 1 of 2 images, whose rewards are those of what it hid"):
            assert len(steered(pipe, return_dict=False)) == 3
    else:
        refused(pipe, "another image than the one that was judged, number 0 .*, a checker, a mask")


def test_what_cannot_be_read_is_warned_of():
    pipe = made(Changing)
    pipe.change = lambda images: ["a.png", "b.png"]
    with pytest.warns(UncheckedWarning, match="Changing returned list, which svdd cannot read as images"):
        steered(pipe)


def hole(size):
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def test_the_known_part_that_inpainting_pastes_at_its_end_is_refused():
    pipe = variants.made("FluxInpaintPipeline", "flux")  # one of those that were not tested
    given = arguments("flux", 1, 1) | {"image": Image.new("RGB", (16, 16), "red"), "mask_image": hole((16, 16))}
    with pytest.raises(
        ValueError, match="mask_image pastes the known part of the image in at its end"
    ):  # one step: only the image that is returned can tell
        svdd.steer(pipe, brightness, candidates=2, experimental=True)(**given, strength=1.0)


def test_a_decoder_that_does_not_paste_is_told_apart_from_one_that_decodes_otherwise():
    name = "StableDiffusionInpaintPipeline"
    pipe, picture = variants.pipeline(name), Image.new("RGB", (32, 32), "red")
    given = variants.text(1, image=picture, mask_image=hole((32, 32)), padding_mask_crop=2)
    own = image_decoder(pipe)
    with pytest.raises(OtherImagesError, match="which decode= does not; leave one of them out"):
        svdd.steer(pipe, brightness, candidates=2, decode=own)(**given)
    other = copy.deepcopy(pipe.vae)
    torch.nn.init.constant_(other.decoder.conv_out.bias, 2.0)
    with pytest.raises(OtherImagesError, match="decode= is not the autoencoder that the pipeline decodes with"):
        svdd.steer(pipe, brightness, candidates=2, decode=other)(**given)
