"""Blocks: modular pipelines whose denoising stage is steered."""

import copy

import diffusers
import pytest
import torch

from support import tiny_pipelines as tiny
from support.pipeline_calls import PROMPTS, Counted, brightness
from svdd.domains.image.pipelines.blocks import steered_blocks

BLOCKS = {
    "sdxl": "StableDiffusionXLAutoBlocks",
    "sd3": "StableDiffusion3AutoBlocks",
    "flux": "FluxAutoBlocks",
}


def modular(name, reward=brightness, **settings):
    """A modular pipeline with the components of a tiny one."""
    if not hasattr(diffusers, BLOCKS[name]):
        pytest.skip(f"this diffusers has no {BLOCKS[name]}")
    blocks = steered_blocks(getattr(diffusers, BLOCKS[name])(), reward, **{"candidates": 3} | settings)
    pipe = blocks.init_pipeline()
    own = getattr(tiny, name)()
    pipe.update_components(**{key: part for key, part in own.components.items() if part is not None})
    return pipe


def called(name, **more):
    sizes = {"prompt": PROMPTS[:2], "height": 16, "width": 16, "num_inference_steps": 3, "output_type": "pt"}
    return sizes | ({} if name == "sdxl" else {"max_sequence_length": 16}) | more


@pytest.mark.slow
@pytest.mark.parametrize("name", BLOCKS)
def test_a_modular_pipeline_is_steered(name):
    pipe = modular(name)
    scheduler, counted = pipe.scheduler, Counted(pipe)
    state = pipe(**called(name, num_images_per_prompt=2))
    images, result = state.get("images"), state.get("result")
    assert images.shape == (4, 3, 16, 16)
    torch.testing.assert_close(state.get("rewards").float(), brightness(images), rtol=0, atol=1e-6)
    assert result.usage.network.rows == counted.rows == 3 * 4 * 3 * (1 if name == "flux" else 2)
    assert state.get("num_images_per_prompt") == 2
    assert pipe.scheduler is scheduler


@pytest.mark.slow
def test_the_reward_hears_the_prompts_and_is_not_copied():
    heard = set()

    def listening(images, prompts):
        heard.update(prompts)
        return [0.0] * len(images)

    pipe = modular("sd3", listening)
    stage = pipe._blocks.sub_blocks["denoise"]
    assert copy.deepcopy(stage).steered is stage.steered
    pipe(**called("sd3"))
    assert heard == set(PROMPTS[:2])


@pytest.mark.slow
def test_an_error_of_the_reward_leaves_the_pipeline_as_it_was():
    def failing(images):
        raise KeyError("here")

    pipe = modular("sd3", failing)
    scheduler = pipe.scheduler
    with pytest.raises(KeyError, match="here"):
        pipe(**called("sd3"))
    assert pipe.scheduler is scheduler


def test_a_stage_that_is_not_there_is_refused():
    if not hasattr(diffusers, "FluxAutoBlocks"):
        pytest.skip("this diffusers has no FluxAutoBlocks")
    with pytest.raises(ValueError, match="have no stage 'denoising'; they have text_encoder"):
        steered_blocks(diffusers.FluxAutoBlocks(), brightness, "denoising")
    with pytest.raises(ValueError, match="for all prompts of its state at once"):
        steered_blocks(diffusers.FluxAutoBlocks(), brightness, batch=2)
