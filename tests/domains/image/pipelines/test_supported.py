"""Supported: each listed class is steered, and anything else is refused by its name."""

import re

import diffusers
import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support import tiny_variants as variants
from support.pipeline_calls import arguments, brightness
from support.places import DOCS
from svdd.domains.image.pipelines.blocks import steered_blocks
from svdd.domains.image.pipelines.supported import BLOCKS, SUPPORTED, check_supported
from svdd.domains.image.pixels import from_any


def test_every_listed_class_has_a_case_and_stands_in_the_docs():
    assert variants.CASES.keys() == SUPPORTED.keys()
    rows = re.findall(r"^\| `(\w+Pipeline)` \| (.+) \| (.+) \|$", (DOCS / "pipelines.md").read_text(), re.MULTILINE)
    assert {name: (family, given) for name, family, given in rows} == {n: tuple(row) for n, row in SUPPORTED.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of diffusers, about itself
@pytest.mark.parametrize("name", SUPPORTED)
def test_each_class_is_steered_and_rewarded_for_what_it_returns(name):
    pipe = variants.pipeline(name)
    assert type(pipe).__name__ == name
    with torch.random.fork_rng(devices=[]):  # ControlNets of Stable Diffusion 3 encode with the global generator
        together, alone = (
            svdd.steer(pipe, brightness, candidates=2, batch=batch)(**variants.call(name), output_type="np")
            for batch in (None, 1)
        )
    images = from_any(together.images)
    assert len(images) == len(together.rewards) == 2
    torch.testing.assert_close(together.rewards.float(), brightness(images), rtol=0, atol=1e-6)
    # nothing of one prompt, picture or class was given to the other
    torch.testing.assert_close(images, from_any(alone.images), rtol=0, atol=1e-3)
    assert float((images[0] - images[1]).abs().max()) > 1e-3


class Own(diffusers.DDPMPipeline):
    def __call__(self, batch_size=1, num_inference_steps=1, generator=None):
        """Somebody's own."""
        return super().__call__(batch_size, generator, num_inference_steps)


class Kept(diffusers.DDPMPipeline):
    """With the call of the listed class."""


def test_a_class_that_was_not_tested_is_refused_by_its_name_and_can_be_tried():
    pipe = variants.quiet(Own(**tiny.ddpm().components))
    with pytest.raises(ValueError, match=r"^Own has a call of its own .*, which was not tested; .* experimental=True"):
        svdd.steer(pipe, brightness)
    assert len(svdd.steer(pipe, brightness, candidates=2, experimental=True)(**arguments("ddpm")).images) == 2


def test_a_class_of_diffusers_that_was_not_tested_is_refused_by_its_name():
    pipe = variants.made("StableDiffusionPanoramaPipeline", "sd15")
    with pytest.raises(
        ValueError, match=r"^StableDiffusionPanoramaPipeline is not among the tested pipelines; docs/pip"
    ):
        svdd.steer(pipe, brightness)
    assert check_supported(pipe, experimental=True) is False


def test_the_name_of_a_listed_class_is_not_enough():
    other = type("DDPMPipeline", (Own,), {"__call__": Own.__call__, "__module__": "diffusers_modules.local.mine"})
    with pytest.raises(ValueError, match=r"DDPMPipeline has a call of its own \(diffusers_modules.local.mine\)"):
        check_supported(other(**tiny.ddpm().components))


def test_a_subclass_that_keeps_the_call_is_the_listed_class():
    assert check_supported(Kept(**tiny.ddpm().components))
    assert check_supported(tiny.sd15())


def test_blocks_that_were_not_tested_are_refused_by_their_name():
    if not hasattr(diffusers, "FluxAutoBlocks"):
        pytest.skip("this diffusers has no FluxAutoBlocks")
    mine = type("MyBlocks", (diffusers.FluxAutoBlocks,), {})
    with pytest.raises(
        ValueError, match=r"MyBlocks is not among the tested blocks, StableDiffusionXLAutoBlocks, .* expe"
    ):
        steered_blocks(mine(), brightness)
    assert "denoise" in steered_blocks(mine(), brightness, experimental=True).sub_blocks
    assert all(hasattr(diffusers, name) for name in BLOCKS)


@pytest.mark.parametrize("kind", ["StableDiffusion", "StableDiffusionXL"])
def test_inpainting_by_a_network_that_is_not_given_the_mask_is_refused_before_anything_is_computed(kind):
    pipe = variants.made(f"{kind}InpaintPipeline", {"StableDiffusion": "sd15"}.get(kind, "sdxl"))
    pipe.text_encoder.register_forward_pre_hook(lambda *given: pytest.fail("something was computed"))
    with pytest.raises(ValueError, match=rf"this {kind}InpaintPipeline is not given the mask, .* has 9 channels"):
        svdd.steer(pipe, brightness, candidates=2)(**variants.inpainting(1))
