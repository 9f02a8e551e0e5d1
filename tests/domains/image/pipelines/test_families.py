"""Families: latents become the images that the pipeline itself makes of them."""

import pytest
import torch

from support import tiny_pipelines as tiny
from svdd.domains.image.pipelines.families import image_decoder, images_of_model

SIZE = {"height": 16, "width": 16, "num_inference_steps": 2, "prompt": ["a cat", "a red dog"]}


def both(pipe, **arguments):
    """The latents and the images of the same call."""
    given = (
        pipe(**arguments, generator=torch.Generator().manual_seed(0), output_type=kind) for kind in ("latent", "pt")
    )
    return (output.images for output in given)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux"])
def test_latents_are_decoded_as_the_pipeline_does(name):
    pipe = getattr(tiny, name)()
    latents, images = both(pipe, **SIZE, **({"max_sequence_length": 16} if name == "flux" else {}))
    with torch.no_grad():
        made = image_decoder(pipe, height=16, width=16)(latents)
    assert made.shape == (2, 3, 16, 16)
    torch.testing.assert_close(made, images, rtol=0, atol=1e-6)


def test_pixels_are_images_but_for_their_range():
    pipe = tiny.ddpm()
    images = pipe(
        batch_size=2, num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="pt"
    ).images
    assert torch.equal(image_decoder(pipe)(images * 2 - 1), images)


@pytest.mark.slow
def test_means_and_deviations_of_latents_are_undone():
    pipe = tiny.sdxl()
    pipe.vae.register_to_config(latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[0.5, 1.0, 2.0, 1.5])
    latents, images = both(pipe, **SIZE)
    with torch.no_grad():
        torch.testing.assert_close(image_decoder(pipe)(latents), images, rtol=0, atol=1e-6)


def test_an_oblong_image_of_flux_is_unpacked_row_by_row():
    pipe = tiny.flux()
    sizes = SIZE | {"height": 24, "width": 12, "max_sequence_length": 16}
    latents, images = both(pipe, **sizes)
    with torch.no_grad():
        torch.testing.assert_close(image_decoder(pipe, 24, 12)(latents), images, rtol=0, atol=1e-6)
    with pytest.raises(
        ValueError, match=r"18 tokens are not the 3 x 3 of images 12 pixels high and 12 wide; give the h"
    ):
        image_decoder(pipe, 12, 12)(latents)


class Half:
    """Records the precision that an autoencoder decodes in."""

    def __init__(self, autoencoder, fails=False):
        self.seen, self.fails = [], fails
        self.decode, autoencoder.decode = autoencoder.decode, self
        self.autoencoder = autoencoder

    def __call__(self, latents, return_dict):
        self.seen.append((latents.dtype, self.autoencoder.dtype))
        if self.fails:
            raise RuntimeError("no")
        return (self.decode(latents.float(), return_dict=return_dict)[0].to(latents.dtype),)


@pytest.mark.parametrize("fails", [False, True])
def test_an_autoencoder_that_overflows_decodes_in_single_precision_and_is_put_back(fails):
    pipe = tiny.sdxl()
    pipe.vae.to(torch.float16)
    half = Half(pipe.vae, fails)
    latents = torch.zeros(1, 4, 8, 8, dtype=torch.float16)
    with torch.no_grad():
        if fails:
            with pytest.raises(RuntimeError, match="no"):
                image_decoder(pipe)(latents)
        else:
            assert image_decoder(pipe)(latents).dtype == torch.float32
    assert half.seen == [(torch.float32, torch.float32)]
    assert pipe.vae.dtype == torch.float16


@pytest.mark.parametrize("name", ["sd15", "sd3", "flux"])
def test_families_that_do_not_upcast_are_decoded_in_half_as_they_do(name):
    pipe = getattr(tiny, name)()
    assert pipe.vae.config.force_upcast
    pipe.vae.to(torch.float16)
    half = Half(pipe.vae)
    half.decode = lambda latents, return_dict: (latents[:, :3].float(),)
    with torch.no_grad():
        image_decoder(pipe)(torch.zeros(1, pipe.vae.config.latent_channels, 8, 8, dtype=torch.float16))
    assert half.seen == [(torch.float16, torch.float16)]


def test_nan_is_no_image():
    with pytest.raises(ValueError, match="the images have NaN at row 1, which is no pixel"):
        images_of_model(torch.tensor([0.0, torch.nan]).view(2, 1, 1, 1).expand(2, 3, 4, 4))


def test_one_channel_is_grey():
    grey = images_of_model(torch.zeros(2, 1, 4, 4))
    assert torch.equal(grey, torch.full((2, 3, 4, 4), 0.5))


def test_latents_of_no_known_family_ask_for_a_decoder():
    pipe = tiny.sd3()
    with pytest.raises(ValueError, match=r"packed latents of shape \(1, 9, 16\).*; give decode="):
        image_decoder(pipe)(torch.zeros(1, 9, 16))
    with pytest.raises(ValueError, match=r"not images of a known family; give decode="):
        image_decoder(pipe)(torch.zeros(1, 4, 2, 8, 8))
