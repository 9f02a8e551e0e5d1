"""Parameters: any way to take images and prompts is understood before the first call, and what cannot be is said."""

import functools

import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import arguments
from svdd.domains.image.rewards.image_reward import as_reward

IMAGES, PROMPTS = torch.rand(2, 3, 8, 10, generator=torch.Generator().manual_seed(0)), ["a", "bcd"]
EXPECTED = [11, 13]


def told(images, prompts):
    """Width and letters."""
    return [image.size[0] + len(prompt) for image, prompt in zip(images, prompts, strict=True)]


def prompts_first(prompts, images):
    return told(images, prompts)


def prompts_first_by_place(prompts, images, /):
    return told(images, prompts)


def by_place(images, prompts, /):
    return told(images, prompts)


def by_name(*, prompts, images):
    return told(images, prompts)


def images_by_name(prompt, *, image):
    return told(image, prompt)


def with_more(images, prompts, metadata=None, **further):
    assert metadata is None
    return told(images, prompts)


def trainers(images, prompts, metadata):
    return told(images, prompts)


def two_more(images, prompts, *, metadata, scale):
    return told(images, prompts)


def nothing():
    return 0


def only_names(**given):
    return 0


def texts_first(texts, images):
    return told(images, texts)


class Judge:
    def __call__(self, images, prompts):
        return told(images, prompts)

    def method(self, prompts, images):
        return told(images, prompts)


class Network(torch.nn.Module):
    def forward(self, prompts, images):
        return torch.tensor(told(images, prompts))


@pytest.mark.parametrize(
    "function",
    [
        told,
        prompts_first,
        prompts_first_by_place,
        by_place,
        by_name,
        images_by_name,
        with_more,
        functools.partial(trainers, metadata={}),
        functools.partial(two_more, metadata={}, scale=1),
        functools.partial(prompts_first),
        Judge(),
        Judge().method,
        lambda images, prompts: told(images, prompts),
        lambda images, texts: told(images, texts),
    ],
)
def test_images_and_prompts_are_given_to_the_parameters_for_them(function):
    assert as_reward(function)(IMAGES, PROMPTS) == EXPECTED


def test_a_network_may_have_its_prompts_first():
    assert as_reward(Network())(IMAGES, PROMPTS).tolist() == EXPECTED


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            trainers,
            r"trainers\(images, prompts, metadata\) needs metadata, which svdd does not have: .*; wrap it, as in "
            r"lambda images, prompts: trainers\(images=images, prompts=prompts, metadata=\.\.\.\)",
        ),
        (two_more, "needs metadata and scale"),
        (functools.partial(two_more, scale=1), "needs metadata, which"),
        (
            texts_first,
            r"texts_first\(texts, images\) needs texts, .*lambda images: texts_first\(images=images, texts=\.\.\.\)",
        ),
        (nothing, r"nothing\(\) takes no images; a reward is f\(images\) or f\(images, prompts\)"),
        (only_names, "takes no images"),
        (Judge, r"Judge is a class, .*give an object of it, such as Judge\(\)"),
    ],
)
def test_what_a_function_cannot_be_given_is_said_before_its_first_call(function, message):
    with pytest.raises(TypeError, match=message):
        as_reward(function)
    with pytest.raises((TypeError, ValueError), match="Judge is a class" if function is Judge else message):
        svdd.steer(tiny.ddpm(), function)


def adds_text(images):
    return "a" + len(images)


def asks_none(images):
    return [None.score for _ in images]


def asks_its_own_list(images):
    sizes, name = [image.size for image in images], "mean"
    return sizes[name]


def loses_a_parameter(*given, **named):
    return trainers(*given, **named)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (adds_text, TypeError, "can only concatenate str"),
        (asks_none, AttributeError, "'NoneType' object has no attribute 'score'"),
        (asks_its_own_list, TypeError, "list indices must be integers or slices, not str"),
        (loses_a_parameter, TypeError, "missing 2 required positional arguments"),
    ],
)
def test_a_mistake_of_the_rewards_own_is_not_blamed_on_the_form_of_images(function, error, message):
    with pytest.raises(error, match=message) as caught:
        as_reward(function)(IMAGES)
    assert "takes" not in str(caught.value)


def means(images):
    return images.mean((1, 2, 3))


def stacks(images):
    return torch.stack(images).mean((1, 2, 3))


def slices(images):
    return images[:, 0]


def divides(images):
    return [float((image / 255).mean()) for image in images]


def loads(images):
    return [image.getpixel((0, 0)) for image in images]


@pytest.mark.parametrize(
    ("function", "takes"),
    [(means, "pil"), (stacks, "pil"), (slices, "pil"), (divides, "pil"), (loads, "tensor"), (loads, "uint8")],
)
def test_images_in_another_form_than_the_reward_takes_are_told_of(function, takes):
    with pytest.raises(
        TypeError, match=rf"was given images as '{takes}' .* set its attribute takes to one of pil, uint8"
    ):
        as_reward(function, takes=takes)(IMAGES)


def test_an_image_reward_without_images_is_an_error_of_its_own():
    with pytest.raises(AttributeError, match="no attribute 'mean'"):
        as_reward(means)(IMAGES[:0])


@pytest.mark.slow
def test_a_further_score_of_a_steered_pipeline_goes_by_name_as_the_reward_does():
    steered = svdd.steer(tiny.ddpm(), prompts_and_red, candidates=2, scores={"small": "compressibility"})
    output = steered(**arguments("ddpm"), prompts=["a", "b"])
    assert [float(score) < 0 for score in output.result.scores["small"]] == [True, True]


def prompts_and_red(prompts, images):
    return [image.getpixel((0, 0))[0] + len(prompt) for image, prompt in zip(images, prompts, strict=True)]


def test_a_second_parameter_of_any_name_gets_the_prompts_of_a_run():
    import svdd

    seen = []

    def reward(images, captions):
        seen.extend(captions)
        return [float(len(caption)) for caption in captions]

    process = svdd.load("image-small", steps=2, prompt=["a frog", "a horse"])
    result = svdd.decode(process, reward, method="pretrained", samples=2)
    assert set(seen) == {"a frog", "a horse"}
    assert sorted(result.rewards.tolist()) == [6.0, 7.0]
