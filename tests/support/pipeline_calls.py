"""What the tests of pipelines share: their arguments, rewards, and counters of what the network computed."""

import torch

from support import tiny_pipelines as tiny

NAMES = ["ddpm", "sd15", "sdxl", "sd3", "flux"]
PROMPTS = ["a photo of a cat", "a red dog", "a big blue ship"]


def arguments(name, prompts=2, steps=3, **more):
    """Of a call of a tiny pipeline for so many prompts."""
    if name == "ddpm":
        return {"batch_size": prompts, "num_inference_steps": steps} | more
    sizes = {"prompt": PROMPTS[:prompts], "height": 16, "width": 16, "num_inference_steps": steps}
    return sizes | ({"max_sequence_length": 16} if name in ("sd3", "flux") else {}) | more


def brightness(images):
    return images.mean((1, 2, 3))


brightness.takes = "tensor"


def redness(images):
    return images[:, 0].mean((1, 2)) - images[:, 2].mean((1, 2))


redness.takes = "tensor"


def network(pipe):
    return getattr(pipe, "unet", None) or pipe.transformer


class Counted:
    """Rows and calls of a pipeline's network, seen from outside."""

    def __init__(self, pipe):
        self.rows, self.calls = 0, 0
        network(pipe).register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module, args, kwargs):
        self.calls += 1
        self.rows += len(args[0] if args else kwargs["hidden_states"])


def still(name):
    """A tiny pipeline whose scheduler draws nothing at eta 0."""
    from diffusers import DDIMScheduler

    pipe = getattr(tiny, name)()
    if name in ("ddpm", "sdxl"):
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=name == "ddpm")
    return pipe


class Recorded:
    """The latents after every step, as a callback gets them."""

    def __init__(self):
        self.latents = []

    def __call__(self, pipe, step, timestep, given):
        self.latents.append(given["latents"].clone())
        return {}


def same_scheduler(pipe, before):
    """Whether a pipeline's scheduler is the very one, in the very state, that `state_of` saw."""
    scheduler, state, config = before
    now = vars(scheduler)
    assert pipe.scheduler is scheduler
    assert dict(pipe.config) == config
    assert now.keys() == state.keys()
    return all(
        torch.equal(value, state[key]) if isinstance(value, torch.Tensor) else value == state[key]
        for key, value in now.items()
    )


def state_of(pipe):
    import copy

    return pipe.scheduler, copy.deepcopy(vars(pipe.scheduler)), dict(pipe.config)
