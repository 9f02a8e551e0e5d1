"""Callbacks: they see the rows of their own prompts, and what they give back is that of all candidates."""

import diffusers
import pytest
import torch
from diffusers.callbacks import (
    MultiPipelineCallbacks,
    PipelineCallback,
    SD3CFGCutoffCallback,
    SDCFGCutoffCallback,
    SDXLCFGCutoffCallback,
)

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import arguments, brightness, redness
from svdd.domains.image.pipelines.callbacks import watched

pytestmark = pytest.mark.slow
CHANGED = "the callback changed the latents, which steering chooses; leave it out, or let it only look"
CUTOFF = {"sd15": SDCFGCutoffCallback, "sdxl": SDXLCFGCutoffCallback, "sd3": SD3CFGCutoffCallback}


class Own(PipelineCallback):
    """As diffusers' documentation lets users write one."""

    tensor_inputs = ["latents"]

    def __init__(self, change, at):
        super().__init__(cutoff_step_ratio=0.0)
        self.change, self.at = change, at

    def callback_fn(self, pipeline, step_index, timesteps, callback_kwargs):
        return self.change(callback_kwargs) if step_index == self.at else callback_kwargs


def in_place(given):
    given["latents"].mul_(1.001)
    return given


def in_place_and_silent(given):
    given["latents"][0, 0, 0, 0] += 1
    return {}


def another(given):
    return given | {"latents": given["latents"] * 50}


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("change", [in_place, in_place_and_silent, another])
@pytest.mark.parametrize("several", [False, True])
def test_a_callback_of_diffusers_kind_that_changes_latents_is_refused(change, at, several):
    callback = MultiPipelineCallbacks([Own(change, at)]) if several else Own(change, at)
    with pytest.raises(ValueError, match=CHANGED):
        svdd.steer(tiny.sd15(), brightness, candidates=2)(**arguments("sd15", 1), callback_on_step_end=callback)


@pytest.mark.filterwarnings("ignore:.*callback:FutureWarning")
@pytest.mark.parametrize("at", [0, 2])
def test_the_older_callback_is_looked_at_too(at):
    def changing(step, timestep, latents):
        latents.mul_(20 if step == at else 1)

    seen = []
    given = arguments("sd15", 2) | {"callback_steps": 1}
    steered = svdd.steer(tiny.sd15(), brightness, candidates=3)
    with pytest.raises(ValueError, match=CHANGED):
        steered(**given, callback=changing)
    steered(**given, callback=lambda step, timestep, latents: seen.append(len(latents)))
    assert seen == [2, 2, 2]


def test_a_callback_that_gives_back_nothing_or_everything_only_looks():
    plain = svdd.steer(tiny.sd15(), brightness, candidates=3)(**arguments("sd15"), output_type="pt").images
    looks = (lambda *given: None, lambda *given: {}, lambda *given: dict(given[-1]), lambda *given: given[-1])
    for look in (*looks, Own(lambda given: given, 1)):
        output = svdd.steer(tiny.sd15(), brightness, candidates=3)(
            **arguments("sd15"), callback_on_step_end=look, output_type="pt"
        )
        assert torch.equal(output.images, plain)


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3"])
def test_guidance_that_is_cut_off_is_that_of_one_candidate_at_a_time(name):
    images = [
        svdd.steer(getattr(tiny, name)(), redness, candidates=3, chunks=chunks)(
            **arguments(name, 1, 4), callback_on_step_end=CUTOFF[name](cutoff_step_ratio=0.5), output_type="pt"
        )
        for chunks in (None, {"network": 1}, {"network": 2})
    ]
    for other in images[1:]:
        torch.testing.assert_close(other.images, images[0].images, rtol=0, atol=1e-5)
        assert other.usage.network.rows == images[0].usage.network.rows
    guided = svdd.steer(getattr(tiny, name)(), redness, candidates=3)(**arguments(name, 1, 4), output_type="pt")
    assert guided.usage.network.rows > images[0].usage.network.rows


class Swap:
    """Changes the prompts, for so many images as the user has, as a user would write it for the plain pipeline."""

    def __init__(self, embeds, shapes, kind="new"):
        self.embeds, self.shapes, self.kind = embeds, shapes, kind

    def __call__(self, pipe, step, timestep, given):
        self.shapes.append({name: tuple(value.shape)[:1] for name, value in given.items()})
        if step != 0:
            return {}
        if self.kind == "in place":
            given["prompt_embeds"].copy_(self.embeds)
            return {}
        return {"prompt_embeds": self.embeds}


@pytest.mark.parametrize("kind", ["new", "in place"])
@pytest.mark.parametrize("prompts", [1, 2])
def test_other_prompts_are_those_of_every_candidate(prompts, kind):
    pipe, shapes = tiny.sd15(), []
    with torch.no_grad():
        later = torch.cat(pipe.encode_prompt(["a blue ship", "a small horse"][:prompts], "cpu", 1, True)[::-1])
    inputs = {"callback_on_step_end_tensor_inputs": ["latents", "prompt_embeds"]}
    given = arguments("sd15", prompts, 3) | inputs
    given |= {"callback_on_step_end": Swap(later, shapes, kind), "output_type": "pt"}
    outputs = [
        svdd.steer(pipe, brightness, candidates=3, chunks=chunks)(**given) for chunks in (None, {"network": prompts})
    ]
    torch.testing.assert_close(outputs[1].images, outputs[0].images, rtol=0, atol=1e-5)
    assert {shape["latents"] for shape in shapes} == {(prompts,)}
    assert {shape["prompt_embeds"] for shape in shapes} == {(2 * prompts,)}
    plain = svdd.steer(pipe, brightness, candidates=3)(**given | {"callback_on_step_end": None}).images
    assert not torch.allclose(outputs[0].images, plain, atol=1e-4)


def test_without_a_choice_a_swap_is_the_plain_pipelines():
    pipe = tiny.sd15()
    with torch.no_grad():
        later = torch.cat(pipe.encode_prompt("a blue ship", "cpu", 1, True)[::-1])
    swap = {"callback_on_step_end": Swap(later, []), "callback_on_step_end_tensor_inputs": ["latents", "prompt_embeds"]}
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    given = arguments("sd15", 1, 3) | swap | {"latents": latents, "output_type": "pt"}
    plain = pipe(**given).images
    output = svdd.steer(pipe, brightness, "best-of-n", particles=3, eta=0.0)(**given)
    torch.testing.assert_close(output.images, plain, rtol=0, atol=1e-5)


def test_rows_that_are_not_those_of_the_images_are_refused():
    def one(pipe, step, timestep, given):
        return {"prompt_embeds": given["prompt_embeds"][-1:]}

    given = {"callback_on_step_end": one, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    message = r"gave back prompt_embeds with 1 rows for 2 images, .* or give steer chunks=\{'network': 1\}"
    with pytest.raises(ValueError, match=message):
        svdd.steer(tiny.sd15(), brightness, candidates=3)(**arguments("sd15", 2), **given)


def test_rows_for_all_candidates_and_what_is_no_tensor_of_rows_pass_as_they_are():
    full, answers = torch.arange(12.0).view(12, 1), {}

    def callback(pipe, step, timestep, given):
        answers.update(given)
        return {"prompt_embeds": full + 1, "image": [1], "mask": given["mask"], "new": 3}

    called = watched({"callback_on_step_end": callback}, 2, 3)["callback_on_step_end"]
    mask = torch.zeros(5, 2)
    back = called(None, 0, 0, {"prompt_embeds": full, "image": [0], "mask": mask, "latents": full[:6]})
    assert answers["prompt_embeds"].flatten().tolist() == [0, 3, 6, 9]
    assert answers["mask"] is mask
    assert torch.equal(back["prompt_embeds"], full + 1)
    assert (back["image"], back["new"]) == ([1], 3)
    assert back["latents"].data_ptr() == full.data_ptr()


def test_a_scale_that_a_callback_sets_is_not_that_of_the_next_batch():
    """`batch` promises the images of all prompts at once: what a callback did for one prompt is not there for the next."""
    seen = []

    def calmer(pipe, step, timestep, given):
        for module in pipe.unet.modules():
            if hasattr(module, "set_processor"):
                module.set_processor(diffusers.models.attention_processor.AttnProcessor())
        return {}

    pipe = tiny.sd15()
    pipe.unet.register_forward_pre_hook(
        lambda *given: seen.append(type(next(iter(pipe.unet.attn_processors.values()))).__name__)
    )
    svdd.steer(pipe, brightness, candidates=2, batch=1)(**arguments("sd15", 2, 2), callback_on_step_end=calmer)
    assert seen == ["AttnProcessor2_0", "AttnProcessor"] * 2
