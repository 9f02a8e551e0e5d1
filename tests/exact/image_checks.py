"""Checks of images: prompts and pixels that come to a reward."""

import torch

from svdd import decode
from svdd.chain.distributions import Normal
from svdd.chain.process import Process
from svdd.chain.schedules import time_grid, vp_cosine
from svdd.chain.transitions import ddim
from svdd.decoding.columns import ColumnTakenError
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.pixels import from_uint8, to_uint8
from svdd.domains.image.prompts import captioned, encode_prompts

PROMPTS = ["a", "photo", "of a horse"]
SHADES = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
COND = {"shade": SHADES, "prompt": encode_prompts(PROMPTS)}


def process(**settings):
    """Chain i makes images of the shade i alone, and has prompt i."""
    return Process(
        lambda n, rng: rng.normal((n, 48), dtype=torch.float64),
        lambda x, t, cond: Normal(cond["shade"][:, None].expand(-1, 48) + 0.01 * t * x, 0.02),
        ddim(vp_cosine()),
        time_grid(4),
        decode=lambda x: x.float().clamp(0, 1).view(-1, 3, 4, 4),
        attach=lambda images, cond: captioned(images, cond["prompt"]),
        kind=ImageKind(),
        **settings,
    )


def agreement(images, prompts):
    """1 and a little more for an image whose prompt is that of its shade."""
    shades = SHADES[[PROMPTS.index(prompt) for prompt in prompts]]
    return ((images.mean((1, 2, 3)) - shades).abs() < 0.1).double() + 0.01 * images[:, 0, 0, 0]


agreement.takes = "tensor"


def prompts_stay_with_their_images(method="svdd", value="log-mean-exp", **options):
    """Every image that a run asks for, and every one it returns, has the prompt of its own chain."""
    numbers = []

    def reward(images, prompts):
        numbers.append(agreement(images, prompts))
        return numbers[-1]

    reward.takes = "tensor"
    sizes = {"chunks": {"decode": 5, "reward": 2}, "cond": COND, "samples": 3} | (options or {"candidates": 3})
    result = decode(process(), reward, method=method, seed=0, value=value, **sizes)
    assert len(numbers) > 3
    assert float(torch.cat(numbers).min()) >= 1
    assert torch.equal(result.samples["prompt"], COND["prompt"])
    assert torch.equal(result.rewards, agreement(result.samples["images"], PROMPTS))


def bytes_come_back():
    """Every byte is the nearest to the number that was made of it."""
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3).contiguous()
    for shift in (0.0, -0.49 / 255, 0.49 / 255):
        assert torch.equal(to_uint8(from_uint8(images) + shift), images)


def prompts_stay_in_their_column():
    """A score that has the name of a column which designs bring is refused before anything is computed."""
    settings = {"method": "pretrained", "samples": 3, "cond": COND}
    assert decode(process(), agreement, **settings).to_frame()["prompt"].tolist() == PROMPTS
    refused = None
    try:
        decode(process(), agreement, **settings, scores={"prompt": agreement})
    except ColumnTakenError as error:
        refused = error
    assert refused is not None
