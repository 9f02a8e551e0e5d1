"""Prompts: candidate k of prompt b is conditioned on prompt b, and judged by it."""

import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import PROMPTS, arguments, brightness

NEGATIVE = ["dark", "a small photo", "green"]


class Telltale:
    """Makes a network say nothing but which embedding each of its rows was conditioned on."""

    def __init__(self, pipe, texts):
        with torch.no_grad():
            self.known = {text: pipe.encode_prompt(text, "cpu", 1, False)[0][0] for text in texts}
        self.numbers = {text: (1 + i) / 10 for i, text in enumerate(texts)}
        pipe.unet.register_forward_hook(self, with_kwargs=True)

    def __call__(self, module, args, kwargs, output):
        embedded = kwargs["encoder_hidden_states"]
        told = [
            next(self.numbers[text] for text, one in self.known.items() if torch.allclose(row, one, atol=1e-4))
            for row in embedded
        ]
        return (torch.tensor(told).view(-1, 1, 1, 1).expand_as(args[0]).clone(),)


@pytest.mark.slow
@pytest.mark.parametrize("candidates", [2, 3])
@pytest.mark.parametrize("images", [1, 2])
def test_every_row_is_conditioned_on_the_prompt_it_is_judged_by(candidates, images):
    from diffusers import DDIMScheduler

    pipe, scale, told = tiny.sd15(), 3.0, []
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="sample")  # it says x_0 itself
    telltale = Telltale(pipe, PROMPTS + NEGATIVE)
    negative_of = dict(zip(PROMPTS, NEGATIVE, strict=True))

    def guided(prompt):
        without, with_ = telltale.numbers[negative_of[prompt]], telltale.numbers[prompt]
        return without + scale * (with_ - without)

    def agrees(pictures, prompts):
        shown = 20 * pictures.mean((1, 2, 3)) - 10
        expected = torch.tensor([guided(prompt) for prompt in prompts])
        torch.testing.assert_close(shown, expected, rtol=0, atol=0.1)  # of the finished ones, with a little noise
        told.extend(prompts)
        return torch.rand(len(prompts), generator=torch.Generator().manual_seed(len(told)))

    agrees.takes = "tensor"

    def decode(latents):
        return latents.mean((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 3, 4, 4) / 20 + 0.5

    steered = svdd.steer(pipe, agrees, candidates=candidates, decode=decode)
    given = arguments("sd15", 3) | {"negative_prompt": NEGATIVE, "guidance_scale": scale}
    output = steered(**given, num_images_per_prompt=images, output_type="latent")  # which any decoder may judge
    judged = (3 + 1) * candidates * images
    assert [told.count(prompt) for prompt in PROMPTS] == [judged] * 3
    assert svdd.domains.image.prompts.prompts_of(output.result.samples) == [p for p in PROMPTS for _ in range(images)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux"])
def test_a_prompts_image_does_not_depend_on_the_prompts_beside_it(name):
    given = arguments(name, 3) | ({} if name == "flux" else {"negative_prompt": NEGATIVE})
    pipe = getattr(tiny, name)()
    together, alone = (
        svdd.steer(pipe, brightness, candidates=3, batch=batch)(**given, output_type="pt").images for batch in (3, 1)
    )
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    changed = given | {"prompt": [PROMPTS[0], "a dark horse", PROMPTS[2]]}
    other = svdd.steer(pipe, brightness, candidates=3)(**changed, output_type="pt").images
    torch.testing.assert_close(other[[0, 2]], together[[0, 2]], rtol=0, atol=1e-5)
    assert not torch.allclose(other[1], together[1], atol=1e-4)


@pytest.mark.slow
def test_images_that_prompts_start_from_stay_with_them():
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = StableDiffusionImg2ImgPipeline(**tiny.sd15().components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    levels = torch.tensor([0.1, 0.9]).view(2, 1, 1, 1)
    given = {"prompt": PROMPTS[:2], "image": levels.expand(2, 3, 16, 16), "strength": 0.5, "num_inference_steps": 4}
    together, alone = (
        svdd.steer(pipe, brightness, candidates=3, batch=batch)(**given, output_type="pt") for batch in (None, 1)
    )
    torch.testing.assert_close(together.images, alone.images, rtol=0, atol=1e-5)
    assert together.usage.network.calls == 2  # half of the steps
    assert together.usage.network.rows == 2 * 2 * 3 * 2


@pytest.mark.slow
def test_texts_can_be_told_where_the_pipeline_has_embeddings():
    pipe, heard = tiny.sd15(), set()

    def listening(images, prompts):
        heard.update(prompts)
        return [0.0] * len(images)

    with torch.no_grad():
        embeds, negative = pipe.encode_prompt(PROMPTS[:2], "cpu", 1, True)
    given = {"prompt_embeds": embeds, "negative_prompt_embeds": negative, "num_inference_steps": 2}
    steered = svdd.steer(pipe, listening, candidates=2)
    steered(**given, prompts=["one", "two"])
    assert heard == {"one", "two"}
    with pytest.raises(
        ValueError, match=r"asks for prompts, and the pipeline is given none as text; give the call prompts="
    ):
        steered(**given)
    with pytest.raises(ValueError, match="got 1 prompts for 2"):
        steered(**given, prompts=["one"])


@pytest.mark.slow
def test_a_reward_of_plain_images_gets_pictures():
    kinds = set()

    def looking(images):
        kinds.update((type(image).__name__, image.size) for image in images)
        return [0.0] * len(images)

    svdd.steer(tiny.sd15(), looking, candidates=2)(**arguments("sd15", 1, 2))
    assert kinds == {("Image", (16, 16))}


def test_a_second_parameter_of_any_name_is_for_the_prompts_as_the_docs_say():
    def long(images, captions):
        return [len(caption) for caption in captions]

    output = svdd.steer(tiny.sd15(), long, candidates=2, scores={"again": long})(**arguments("sd15", 2, 2))
    assert output.rewards.tolist() == output.result.scores["again"].tolist() == [len(one) for one in PROMPTS[:2]]


def test_what_a_reward_needs_beside_images_and_prompts_is_said_with_how_to_wrap_it():
    def trainers(images, prompts, metadata):
        return [0.0] * len(images)

    for given in ({"reward": trainers}, {"reward": brightness, "scores": {"theirs": trainers}}):
        with pytest.raises(
            TypeError, match=r"trainers\(.*\) needs metadata, .* wrap it, as in lambda images, prompts: tr"
        ):
            svdd.steer(tiny.sd15(), **given)
