"""Made images: the reward judges what is returned, at the size that the pipeline makes, however it was asked."""

import numpy as np
import pytest
import torch
from PIL import Image

import svdd
from support import tiny_pipelines as tiny
from support import tiny_variants as variants
from support.pipeline_calls import arguments, brightness
from svdd.domains.image.pixels import from_any

pytestmark = pytest.mark.slow


def agrees(pipe, given, output_type="np", size=None, **settings):
    """The images of a call, whose rewards are theirs."""
    sizes = set()

    def judged(images):
        sizes.add(tuple(images.shape[2:]))
        return brightness(images)

    judged.takes = "tensor"
    output = svdd.steer(pipe, judged, candidates=2, **settings)(**given, output_type=output_type)
    images = from_any(output.images)
    torch.testing.assert_close(output.rewards.float(), brightness(images), rtol=0, atol=1e-6)
    assert sizes == {tuple(images.shape[2:])}
    if size is not None:
        assert sizes == {size}
    return images


@pytest.mark.parametrize(("asked", "made"), [((16, 16), (16, 16)), ((32, 16), (20, 8)), ((16, 48), (8, 28))])
def test_flux_kontext_makes_the_size_of_its_area(asked, made):
    pipe = variants.pipeline("FluxKontextPipeline")
    agrees(pipe, variants.call("FluxKontextPipeline", 1, height=asked[0], width=asked[1]), size=made)


@pytest.mark.parametrize("size", [(18, 22), (17, 16)])
def test_flux_makes_multiples_of_its_packed_latents(size):
    agrees(tiny.flux(), arguments("flux", 1) | {"height": size[0], "width": size[1]}, size=(16, size[1] // 4 * 4))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_kandinsky_rounds_sizes_up():
    agrees(variants.pipeline("KandinskyV22Pipeline"), variants.embedded(1, height=18, width=16), size=(20, 16))


def test_a_size_that_is_not_given_is_the_pipelines_own():
    for name in ("sd15", "sdxl"):
        agrees(getattr(tiny, name)(), {"prompt": "a cat", "num_inference_steps": 2}, size=(16, 16))


def test_pixart_resizes_what_it_made_in_the_nearest_size_it_knows():
    given = variants.call("PixArtSigmaPipeline", 1, height=64, width=96, use_resolution_binning=True)
    agrees(variants.pipeline("PixArtSigmaPipeline"), given, size=(64, 96))


def test_another_size_in_the_reward_does_not_become_the_runs():
    """A reward may call the very pipeline."""
    pipe = tiny.flux()

    def asking(images):
        pipe(**arguments("flux", 1, 1) | {"height": 8, "width": 8}, generator=torch.Generator().manual_seed(0))
        return [float(image.getpixel((0, 0))[0]) for image in images]

    output = svdd.steer(pipe, asking, candidates=2)(**arguments("flux", 1, 2))
    assert output.images[0].size == (16, 16)


@pytest.mark.parametrize("name", ["StableDiffusionInpaintPipeline", "StableDiffusionXLInpaintPipeline"])
@pytest.mark.parametrize("prompts", [1, 2])
def test_a_cropped_part_is_judged_in_the_whole_picture(name, prompts):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    picture, mask = Image.fromarray(pixels), Image.new("L", (40, 24), 0)
    mask.paste(255, (4, 4, 14, 12))
    given = variants.text(prompts, image=picture, mask_image=mask, padding_mask_crop=2)
    images = agrees(variants.pipeline(name), given, output_type="pil", size=(24, 40))
    assert torch.equal(images[0, :, :, 30:], from_any([picture])[0, :, :, 30:])  # what was not painted
