"""Entries: what belongs to a prompt is told by what an argument is called, and lists of another length are refused."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

import svdd
from support import tiny_pipelines as tiny
from support import tiny_variants as variants
from support.pipeline_calls import PROMPTS, arguments, brightness
from svdd.domains.image.pipelines.arguments import Arguments
from svdd.domains.image.pipelines.entries import is_picture, is_rows, is_text

TEXT = ["prompt", "prompt_2", "prompt_3", "negative_prompt", "negative_prompt_2", "source_prompt"]
ROWS = [
    "prompt_embeds",
    "prompt_embeds_2",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_attention_mask_2",
    "prompt_embeds_mask",
    "image_embeds",
    "negative_image_embeds",
    "class_labels",
]
PICTURES = ["image", "mask_image", "control_image", "control_mask", "image_latents", "masked_image_latents", "hint"]
WHOLE = [
    "num_images_per_prompt",
    "ip_adapter_image",
    "ip_adapter_image_embeds",
    "negative_ip_adapter_image",
    "padding_mask_crop",
    "image_guidance_scale",
    "prompt_embeds_scale",
    "system_prompt",
    "prompt_template",
    "timesteps",
    "sigmas",
    "controlnet_conditioning_scale",
    "control_guidance_start",
    "crops_coords_top_left",
    "original_size",
    "cross_attention_kwargs",
]


@pytest.mark.parametrize("name", [*TEXT, *ROWS, *PICTURES, *WHOLE])
def test_an_argument_is_one_kind_by_its_name(name):
    kinds = (is_text(name), is_rows(name), is_picture(name))
    assert kinds == (name in TEXT, name in ROWS, name in PICTURES)


class Whole:
    def __call__(
        self, prompt=None, negative_prompt=None, image=None, num_images_per_prompt=1, generator=None, **kwargs
    ):
        """As text to image pipelines have it."""


@pytest.mark.parametrize("name", WHOLE[1:])
def test_what_is_for_all_prompts_stays_as_it_is_however_long(name):
    value = [0.5, 0.25]
    part = Arguments.of(Whole(), (["a", "b"],), {name: value}).part(range(2), 3, seed=0)
    assert part[name] is value


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            {"negative_prompt": ["x"]},
            "negative_prompt has 1 entries for 2 prompts; give one per prompt, or one text for all",
        ),
        ({"prompt_2": ["x", "y", "z"]}, "prompt_2 has 3 entries for 2 prompts"),
        (
            {"negative_prompt_embeds": torch.zeros(1, 3, 4)},
            "negative_prompt_embeds has 1 entries for 2 prompts; give one per",
        ),
        (
            {"image": variants.pictures(3)},
            "image has 3 entries for 2 prompts; give one per prompt, or one picture for all",
        ),
        ({"image": np.zeros((3, 4, 4, 3))}, "image has 3 entries for 2 prompts"),
        ({"mask_image": torch.zeros(4, 1, 8, 8)}, "mask_image has 4 entries for 2 prompts"),
    ],
)
def test_another_number_of_entries_is_refused_with_both_numbers(named, message):
    with pytest.raises(ValueError, match=message):
        Arguments.of(Whole(), (["a", "b"],), named)


def test_what_is_not_listed_sees_to_its_own_lists_but_for_several_prompts():
    two = {"image": variants.pictures(2)}
    part = Arguments.of(Whole(), ("a",), two, listed=False).part(range(1), 3, seed=0)
    assert part["image"] is two["image"]
    with pytest.raises(
        ValueError, match="what a list of pictures means to Whole is not known; call it with one prompt"
    ):
        Arguments.of(Whole(), (["a", "b"],), two, listed=False)


def steered(pipe, given, **settings):
    output = svdd.steer(pipe, brightness, candidates=2, **settings)(**given, output_type="pt")
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)
    return output.images


def two_controlnets():
    from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel

    first = variants.controlnet("sd15")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for block in (*first.controlnet_down_blocks, first.controlnet_cond_embedding.conv_out):  # zero when untrained
            torch.nn.init.normal_(block.weight, std=0.3)
    second = copy.deepcopy(first)
    return variants.made("StableDiffusionControlNetPipeline", "sd15", controlnet=MultiControlNetModel([first, second]))


@pytest.mark.slow
def test_as_many_controlnets_as_prompts_have_one_picture_each():
    pipe, two = two_controlnets(), variants.pictures(2)
    scales = {"controlnet_conditioning_scale": [1.0, 0.3], "control_guidance_start": [0.0, 0.1]}
    together = steered(pipe, variants.text(2, image=two) | scales)
    alone = steered(pipe, variants.text(2, image=two) | scales, batch=1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    swapped = steered(pipe, variants.text(2, image=two[::-1]) | scales)
    assert float((swapped - together).abs().max()) > 1e-4


@pytest.mark.slow
def test_controlnets_can_have_a_picture_per_prompt_too():
    pipe, (red, blue, green, white) = two_controlnets(), variants.pictures(4)
    nested = steered(pipe, variants.text(2, image=[[red, blue], [green, white]]))  # of prompts, then of ControlNets
    for row, pair in enumerate(([red, blue], [green, white])):
        alone = steered(pipe, variants.text(2, image=pair))
        torch.testing.assert_close(nested[row], alone[row], rtol=0, atol=1e-5)
    batches = [
        torch.stack([torch.from_numpy(np.asarray(one).copy()).permute(2, 0, 1) / 255 for one in pair])
        for pair in ((red, green), (blue, white))
    ]
    torch.testing.assert_close(steered(pipe, variants.text(2, image=batches)), nested, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_sizes_and_times_as_long_as_the_prompts_are_for_all():
    more = {"crops_coords_top_left": (0, 2), "original_size": (16, 8), "target_size": (16, 16)}
    pipe = tiny.sdxl()
    together, alone = (steered(pipe, arguments("sdxl") | more, batch=batch) for batch in (None, 1))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    flux = {"sigmas": [1.0, 0.5], "num_inference_steps": 2}
    assert len(steered(tiny.flux(), arguments("flux") | flux)) == 2


@pytest.mark.slow
def test_negative_prompts_are_one_text_or_one_per_prompt():
    pipe, dark, both = tiny.sd15(), {"negative_prompt": "dark"}, {"negative_prompt": ["dark", "red"]}
    one, each, red = (steered(pipe, arguments("sd15") | more) for more in (dark, both, {"negative_prompt": "red"}))
    torch.testing.assert_close(each, torch.stack([one[0], red[1]]), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="negative_prompt has 3 entries for 2 prompts"):
        steered(pipe, arguments("sd15") | {"negative_prompt": PROMPTS})


@pytest.mark.slow
def test_pictures_in_the_place_of_prompts_are_counted():
    pipe = variants.pipeline("StableDiffusionImageVariationPipeline")
    given = variants.call("StableDiffusionImageVariationPipeline")
    two = steered(pipe, given)
    first = steered(pipe, given | {"image": given["image"][0]})
    torch.testing.assert_close(two[:1], first, rtol=0, atol=1e-5)
    assert len(steered(pipe, given | {"num_images_per_prompt": 2})) == 4
    with pytest.raises(ValueError, match="got 3 prompts for 2"):
        steered(pipe, given | {"prompts": PROMPTS})


@pytest.mark.slow
def test_embeddings_of_images_in_a_list_are_counted_by_their_rows():
    pipe, given = variants.pipeline("KandinskyV22Pipeline"), variants.embedded(2)
    whole = svdd.steer(pipe, brightness, candidates=2)(**given, output_type="np").images
    listed = {name: list(given[name].split(1)) for name in ("image_embeds", "negative_image_embeds")}
    assert np.allclose(svdd.steer(pipe, brightness, candidates=2)(**given | listed, output_type="np").images, whole)
    unguided = svdd.steer(pipe, brightness, candidates=2)(**given, guidance_scale=1.0, output_type="np").images
    assert len(unguided) == len(whole) == 2


def _other_hole():
    return Image.new("L", (16, 16), 255)


def _as_array(mask):
    return np.array(mask).astype("float32") / 255


@pytest.mark.slow
@pytest.mark.parametrize("form", [torch.tensor, np.array], ids=["tensor", "array"])
def test_a_batch_of_masks_without_channels_has_one_for_each_prompt(form):
    pipe = variants.pipeline("StableDiffusionInpaintPipeline")
    masks = [variants.hole(), _other_hole()]
    batch = form(np.stack([_as_array(mask) for mask in masks]))
    given = variants.inpainting(2)
    in_list, in_batch = (
        svdd.steer(pipe, brightness, candidates=2)(**given | {"mask_image": form_}, output_type="np")
        for form_ in (masks, batch)
    )
    np.testing.assert_allclose(in_list.images, in_batch.images, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="mask_image has 2 entries for 3 prompts; give one per prompt, or one picture"):
        svdd.steer(pipe, brightness)(**variants.inpainting(3, mask_image=batch))


SINGLE = {
    "picture": (variants.picture(), variants.hole()),
    "list": ([variants.picture()], [variants.hole()]),
    "array": (np.array(variants.picture()).astype("float32") / 255, _as_array(variants.hole())[..., None]),
    "batch": (torch.zeros(1, 3, 16, 16), torch.tensor(_as_array(variants.hole()))[None]),
    "tensor": (torch.zeros(3, 16, 16), torch.tensor(_as_array(variants.hole()))),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", SINGLE)
def test_the_noise_of_one_picture_for_all_is_that_of_every_image(form):
    """However the picture is given, prompts at once and rows at once change nothing."""
    pipe, (picture, mask) = variants.pipeline("StableDiffusionInpaintPipeline"), SINGLE[form]
    given = variants.inpainting(2, image=picture, mask_image=mask)
    _alike(pipe, given)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of diffusers, about a scaling factor
def test_one_picture_to_enlarge_is_that_of_all_prompts():
    _alike(variants.pipeline("StableDiffusionUpscalePipeline"), variants.editing(2) | {"image": variants.picture()})


def _alike(pipe, given):
    whole, *others = (
        svdd.steer(pipe, brightness, candidates=2, **settings)(**given, output_type="np").images
        for settings in ({}, {"batch": 1}, {"chunks": {"network": 2}})
    )
    for images in others:
        np.testing.assert_allclose(whole, images, rtol=0, atol=1e-4)


def test_one_negative_text_is_that_of_every_row_of_embeddings():
    """Also where a call has one candidate of each, whose rows need not be repeated."""
    given = {"prompt_embeds": torch.linspace(-1, 1, 2 * 16 * 16).view(2, 16, 16), "negative_prompt": "dark"}
    _alike(tiny.sd15(), given | {"num_inference_steps": 2})
