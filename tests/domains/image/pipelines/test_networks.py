"""Networks: step caches are refused, and what a call sets in them is there only while the call is awake."""

import diffusers
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import arguments, brightness, network
from svdd.domains.image.pipelines.networks import Settings, check_caches

CACHES = {
    "FirstBlockCacheConfig": {"threshold": 0.3},
    "PyramidAttentionBroadcastConfig": {
        "spatial_attention_block_skip_range": 2,
        "current_timestep_callback": lambda: 500,
    },
    "FasterCacheConfig": {"spatial_attention_block_skip_range": 2, "current_timestep_callback": lambda: 500},
    "TaylorSeerCacheConfig": {},
    "MagCacheConfig": {"num_inference_steps": 3, "mag_ratios": [1.0, 1.0, 1.0]},
}


class Told(Exception):
    pass


@pytest.mark.parametrize("kind", CACHES)
def test_a_step_cache_of_diffusers_is_refused_with_what_takes_it_off(kind):
    pipe = tiny.flux()
    pipe.transformer.enable_cache(getattr(diffusers, kind)(**CACHES[kind]))
    message = (
        rf"pipeline's transformer has a step cache \({kind}\), .*; take it off by pipe.transformer.disable_cache\(\)"
    )
    with pytest.raises(ValueError, match=message):
        svdd.steer(pipe, brightness, candidates=2)(**arguments("flux"))
    pipe.transformer.disable_cache()
    check_caches(pipe)


@pytest.mark.parametrize("hooked", ["apply_first_block_cache"])
def test_a_cache_that_was_put_on_by_hand_is_refused(hooked):
    pipe = tiny.flux()
    getattr(diffusers.hooks, hooked)(pipe.transformer, diffusers.FirstBlockCacheConfig(threshold=0.3))
    with pytest.raises(ValueError, match="has a step cache"):
        check_caches(pipe)


def teacache_forward(self, *args, **kwargs):
    return type(self).plain(self, *args, **kwargs)


class DeepCacheHelper:
    """Replaces forwards by closures, as DeepCache does."""

    def wrap(self, module):
        forward = module.forward

        def wrapped(*args, **kwargs):
            return forward(*args, **kwargs)

        module.forward = wrapped


def test_caches_of_others_are_refused_by_name(monkeypatch):
    pipe = tiny.flux()
    monkeypatch.setattr(type(pipe.transformer), "plain", type(pipe.transformer).forward, raising=False)
    monkeypatch.setattr(type(pipe.transformer), "forward", teacache_forward)
    with pytest.raises(
        ValueError, match=r"transformer has a step cache \(teacache_forward\), .*; take it off, or load"
    ):
        svdd.steer(pipe, brightness, candidates=2)(**arguments("flux"))
    pipe = tiny.sd15()
    DeepCacheHelper().wrap(pipe.unet.mid_block)
    with pytest.raises(ValueError, match=r"unet has a step cache \(DeepCacheHelper"):
        check_caches(pipe)
    pipe = tiny.sd15()
    pipe.unet.enable_teacache = True
    with pytest.raises(ValueError, match=r"unet has a step cache \(enable_teacache\)"):
        check_caches(pipe)
    pipe = tiny.sd15()
    monkeypatch.setattr(type(pipe.unet), "previous_residual", None, raising=False)
    with pytest.raises(ValueError, match=r"unet has a step cache \(previous_residual\)"):
        check_caches(pipe)


@pytest.mark.slow
def test_what_only_looks_like_a_cache_is_let_through():
    import accelerate

    pipe = tiny.sd15()
    accelerate.cpu_offload(pipe.unet, torch.device("cpu"))
    check_caches(pipe)
    pipe = tiny.flux()
    pipe.transformer.enable_layerwise_casting(torch.bfloat16, torch.float32)
    check_caches(pipe)
    pipe.transformer.forward = torch.compile(pipe.transformer.forward, backend="eager")
    check_caches(pipe)
    with pipe.transformer.cache_context("cond"):
        check_caches(pipe)
    assert len(svdd.steer(tiny.flux(), brightness, candidates=2)(**arguments("flux")).images) == 2


def pag():
    parts = {name: part for name, part in tiny.sd15().components.items() if name != "image_encoder"}
    pipe = diffusers.StableDiffusionPAGPipeline(**parts, pag_applied_layers=["mid"], requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sag():
    parts = {name: part for name, part in tiny.sd15().components.items() if name != "image_encoder"}
    pipe = diffusers.StableDiffusionSAGPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def processors(pipe):
    return {name: id(one) for name, one in network(pipe).attn_processors.items()}


@pytest.mark.slow
@pytest.mark.parametrize("error", [Told, KeyboardInterrupt])
@pytest.mark.parametrize("chunks", [None, {"network": 1}])
@pytest.mark.parametrize("make", [pag, sag])
def test_processors_are_put_back_when_a_reward_fails(make, chunks, error):
    pipe, calls = make(), []
    before = processors(pipe)
    given = arguments("sd15", 1, 3) | ({"pag_scale": 3.0} if make is pag else {})

    def reward(images):
        calls.append(processors(pipe) == before)
        if len(calls) == 2:
            raise error("no")
        return [0.0] * len(images)

    with pytest.raises(error, match="no"):
        svdd.steer(pipe, reward, candidates=2, chunks=chunks)(**given)
    assert processors(pipe) == before
    assert calls == [True, True]  # while the call sleeps, the pipeline is its user's
    svdd.steer(pipe, brightness, candidates=2, chunks=chunks)(**given)
    assert processors(pipe) == before


@pytest.mark.slow
def test_processors_are_put_back_when_svdd_refuses():
    pipe = pag()
    before = processors(pipe)
    with pytest.raises(ValueError, match="the callback changed the latents"):
        svdd.steer(pipe, brightness, candidates=2)(
            **arguments("sd15", 1, 3),
            pag_scale=3.0,
            callback_on_step_end=lambda pipe, step, t, given: {"latents": given["latents"] * 2},
        )
    assert processors(pipe) == before


@pytest.mark.slow
def test_a_chunked_call_with_perturbed_attention_is_the_whole_one():
    images = [
        svdd.steer(pag(), brightness, candidates=3, chunks=chunks)(
            **arguments("sd15", 1, 3), pag_scale=3.0, output_type="pt"
        ).images
        for chunks in (None, {"network": 1})
    ]
    torch.testing.assert_close(*images, rtol=0, atol=1e-5)


def test_settings_are_read_and_written_back():
    pipe = tiny.sd15()
    settings, block = Settings(pipe), pipe.unet.up_blocks[0]
    first = next(
        module for module in pipe.unet.modules() if isinstance(getattr(module, "processor", None), AttnProcessor2_0)
    )
    first.processor.scale, pipe.text_encoder.scaling = [1.0], {"default": 1.0}
    before, processor = settings.read(), first.processor
    pipe.unet.enable_freeu(0.9, 0.2, 1.2, 1.4)
    first.set_processor(AttnProcessor())
    pipe.text_encoder.scaling["default"] = 0.0
    after = settings.read()
    settings.write(before)
    assert first.processor is processor
    assert not hasattr(block, "s1")
    assert pipe.text_encoder.scaling == {"default": 1.0}
    settings.write(after)
    assert (block.s1, type(first.processor)) == (0.9, AttnProcessor)


@pytest.mark.slow
def test_what_a_callback_sets_in_one_batch_is_not_there_in_the_next():
    def images(**options):
        def on(pipe, step, timestep, given):
            if step == 0:
                pipe.enable_freeu(0.5, 0.1, 1.8, 1.9)
            return {}

        pipe = tiny.sd15()
        given = arguments("sd15", 2, 3) | {"callback_on_step_end": on, "output_type": "pt"}
        made = svdd.steer(pipe, brightness, candidates=2, **options)(**given).images
        assert not hasattr(pipe.unet.up_blocks[0], "s1")
        return made

    whole = images()
    torch.testing.assert_close(images(batch=1), whole, rtol=0, atol=1e-5)
    plain = svdd.steer(tiny.sd15(), brightness, candidates=2)(**arguments("sd15", 2, 3), output_type="pt").images
    assert not torch.allclose(whole, plain, atol=1e-4)
