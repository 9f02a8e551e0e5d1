"""Both ways in agree: a steered pipeline and a process that calls the network itself make the same choices."""

from dataclasses import replace

import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import PROMPTS, arguments, brightness
from svdd.domains.image.diffusers_process import diffusers_process
from svdd.domains.image.prompts import images_of


def noise_of(process, n):
    """The process's own first latents."""
    x = process.prior(n, svdd.Rng(7, n))
    return x["latents"] if isinstance(x, dict) else x


def started_from(process, latents):
    """The process, from given latents."""
    own = process.prior

    def prior(n, rng):
        x, rows = own(n, svdd.Rng(0, rng.ids)), latents.repeat_interleave(n // len(latents), 0)
        return x | {"latents": rows} if isinstance(x, dict) else rows

    return replace(process, prior=prior)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("pretrained", {}),
        ("svdd", {"candidates": 3, "prior_candidates": 1}),
        ("svdd", {"candidates": 2, "prior_candidates": 1, "temperature": 0.01}),
        ("smc", {"particles": 3, "temperature": 0.001}),
    ],
)
@pytest.mark.parametrize("name", ["ddpm", "sd15"])
def test_the_same_noise_leads_to_the_same_images(name, method, options, monkeypatch):
    given = {} if name == "ddpm" else {"prompt": PROMPTS[:2], "guidance_scale": 4.0, "height": 16, "width": 16}
    process = diffusers_process(str(tiny.folder(getattr(tiny, f"_{name}"))), steps=4, **given)
    latents = noise_of(process, 2)
    result = svdd.decode(started_from(process, latents), brightness, method=method, samples=2, seed=5, **options)
    steered = svdd.steer(getattr(tiny, name)(), brightness, method, seed=5, **options)
    if name == "ddpm":  # whose call takes no latents
        monkeypatch.setattr(
            "diffusers.pipelines.ddpm.pipeline_ddpm.randn_tensor",
            lambda shape, **kwargs: latents.repeat_interleave(shape[0] // len(latents), 0),
        )
        output = steered(**arguments(name, 2, 4), output_type="pt")
    else:
        output = steered(**arguments(name, 2, 4), guidance_scale=4.0, latents=latents, output_type="pt")
    torch.testing.assert_close(output.images, images_of(result.samples), rtol=0, atol=2e-5)
    torch.testing.assert_close(output.rewards, result.rewards, rtol=0, atol=1e-5)
