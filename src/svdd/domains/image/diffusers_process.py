"""Diffusers pipelines as processes: pixel models, with classes or without, and Stable Diffusion's latents with prompts.

The network is called here and not by the pipeline, so that every method, value and file of a run works on it. The steps are
those of the pipeline's own scheduler (`svdd.domains.image.pipelines.kernels`), and its images those of its own decoder
(`svdd.domains.image.pipelines.families`); `svdd.steer` takes the pipelines that are not known here.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.defaults import as_usual
from svdd.chain.distributions import Dirac, Product
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.transitions import product
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.diffusers_files import PIXELS, load_pipeline
from svdd.domains.image.diffusers_networks import Call, latent_network, pixel_network
from svdd.domains.image.pipelines.families import image_decoder, image_encoder
from svdd.domains.image.pipelines.kernel import Kernel
from svdd.domains.image.pipelines.kernels import KERNELS, owner_of_step, scheduler_kernel
from svdd.domains.image.pipelines.refusals import REASONS
from svdd.domains.image.pixels import from_any
from svdd.domains.image.prompts import captioned, images_of
from svdd.messages import check, check_known
from svdd.registry import HubPath

# numbers of states, pixels of images, and rows, at once: larger batches are hardly faster, and more of them is filled up
_ON_CPU, _ON_ACCELERATOR = (2**14, 2**18, 8), (2**17, 2**20, 64)


@as_usual
def diffusers_process(
    path: HubPath,
    steps: int = 50,
    eta: float | int | None = None,
    prompt: str | Sequence[str] | None = None,
    class_label: int | Sequence[int] | None = None,
    guidance_scale: float | int = 7.5,
    negative_prompt: str | Sequence[str] = "",
    height: int | None = None,
    width: int | None = None,
    scheduler: str | None = None,
    precision: str = "float32",
    device: torch.device | str | None = None,
    batch: int | None = None,
    variant: str | None = None,
) -> Process:
    r"""A diffusers pipeline as a process; designs are images (n, 3, H, W) from 0 to 1, with their prompts where it has text.

    A state is x_t itself or, with conditions, `{"latents": x_t, "condition": row}`: chain i of a run has prompt or class
    i mod n of the n given. Guidance is $\epsilon(\varnothing) + scale (\epsilon(c) - \epsilon(\varnothing))$. Without a reward
    and with eta 0 the images are the pipeline's own for the same initial noise.

    Args:
        path: a folder that `save_pretrained` wrote, which needs no connection; or an id of the hub, OWNER/NAME.
        steps: T.
        eta: share of fresh noise from 0 to 1, for DDIM and LCM's kin as their kernels have it; 1 unless given.
        prompt: one or several, of a text model.
        class_label: one or several, of a model of classes; all classes in turn unless given.
        guidance_scale: at most 1 for none.
        negative_prompt: what guidance leads away from, one text for all prompts or one per prompt.
        height: of the images in pixels; the model's own unless given.
        width: likewise.
        scheduler: a diffusers class to use in place of the folder's, such as `DDIMScheduler`.
        precision: of the weights, float32, float16 or bfloat16; a warning says where it is slower. States and steps are single
            precision.
        device: where it runs, the CPU unless given.
        batch: states of one network call, filled up where there are fewer, so that a state's answer does not depend on the
            states beside it; 0 takes as many as there are. By the size of a state, up to 8 on a CPU, unless given.
        variant: of the weight files, such as `fp16`.

    Raises:
        ImportError: without diffusers; it names the extra.
        ValueError: for another pipeline, a scheduler without a random step of one network call, missing prompts, and options
            of a model that this is not.

    Cost:
        1 network row a state, 2 under guidance.

    References:
        Ho et al., arXiv 2006.11239; Rombach et al., High-resolution image synthesis with latent diffusion models, arXiv
        2112.10752.
    """
    if batch is not None and batch < 0:
        raise ValueError(f"batch is the states of one network call, or 0 for as many as there are, got {batch}")
    pipe = load_pipeline(path, precision, device, variant)
    kernel = _kernel(pipe, steps, eta, scheduler)
    in_pixels = type(pipe).__name__ in PIXELS
    if in_pixels:
        check(not negative_prompt, f"{path} makes images without text; leave out negative_prompt")
        network = pixel_network(pipe, path, prompt, class_label)
    else:
        network = latent_network(pipe, path, prompt, class_label, float(guidance_scale), negative_prompt)
    shape, size = _shape(pipe, height, width)
    numbers, pixels, most = _ON_CPU if pipe.device.type == "cpu" else _ON_ACCELERATOR
    at_once = min(most, max(1, numbers // math.prod(shape))) if batch is None else batch
    decoded_at_once = min(most, max(1, pixels // math.prod(size)))
    encoder = FullBatches(image_encoder(pipe), decoded_at_once)
    facts = {"name": f"diffusers:{path}", "size": list(size), "precision": precision}
    return Process(
        prior=partial(_prior, shape, network.conditions, kernel.init_sigma, pipe.device),
        denoiser=_Denoiser(kernel, network.call, pipe.device, at_once),  # type: ignore[arg-type]
        transition=_transition(kernel, network.conditions > 0),
        times=kernel.times,
        noising=partial(_noising, kernel),
        encode=partial(_encoded, encoder, size, network.conditions, pipe.device),
        decode=partial(_decode, FullBatches(image_decoder(pipe), decoded_at_once), pipe.device, network.texts),
        rows_each=network.rows_each,
        rows_at_once=max(at_once, 1),
        kind=ImageKind(tuple(network.facts.get("classes", ()))),
        about=facts | {"scheduler": kernel.name, "eta": kernel.eta} | network.facts,
    )


def _kernel(pipe: Any, steps: int, eta: float | int | None, scheduler: str | None) -> Kernel:
    import diffusers

    if scheduler is not None:
        known = [name for name in KERNELS if not name.startswith("Flow")]  # whose networks predict something else
        check_known("scheduler", scheduler, known)
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    name = owner_of_step(pipe.scheduler).__name__
    if name not in KERNELS:
        why = REASONS.get(name, "is not known here as a Gaussian step of one network call")
        raise ValueError(f"the pipeline's scheduler, {name}, {why}; give scheduler='DDIMScheduler', say")
    most = pipe.scheduler.config.num_train_timesteps
    if not 1 <= steps <= most:
        raise ValueError(f"steps must be from 1 to the {most} it was trained with, got {steps}")
    pipe.scheduler.set_timesteps(steps)
    return scheduler_kernel(pipe.scheduler, eta)


def _shape(pipe: Any, height: int | None, width: int | None) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Of a state and of an image."""
    own = pipe.unet.config.sample_size
    own = (own, own) if isinstance(own, int) else tuple(own)
    factor = getattr(pipe, "vae_scale_factor", 1)
    size = tuple(given or side * factor for given, side in zip((height, width), own, strict=True))
    if any(side % factor or side < factor for side in size):
        raise ValueError(f"height and width must be multiples of {factor}, got {size[0]} and {size[1]}")
    return (pipe.unet.config.in_channels, size[0] // factor, size[1] // factor), (size[0], size[1])


def _prior(shape: tuple[int, int, int], conditions: int, sigma: float, device: torch.device, n: int, rng: Rng) -> Tree:
    """Noise and, by the number of its chain, the condition of every row."""
    latents = rng.normal((n, *shape), dtype=torch.float32, device=device) * sigma
    if not conditions:
        return latents
    chain = torch.tensor([number % conditions for number in rng.ids], device=device)
    return {"latents": latents, "condition": chain.repeat_interleave(n // len(rng))}


def _apart(x: Tree) -> tuple[Float[Tensor, "n ..."], Int64[Tensor, " n"] | None]:
    return (x["latents"], x["condition"]) if isinstance(x, dict) else (x, None)


class _Denoiser:
    """The network as a denoiser: its answer as the kernel reads it, and the condition, which does not change.

    Args:
        kernel: of the scheduler.
        call: the network, on latents, a timestep and the numbers of conditions.
        device: where the network is.
        at_once: rows of a full batch, 0 for all rows in one call.
    """

    def __init__(self, kernel: Kernel, call: Call, device: torch.device, at_once: int) -> None:
        self.kernel, self.device = kernel, device

        def forward(part: Tree, timestep: Tensor) -> Tensor:
            return call(part[0], timestep, part[1] if len(part) > 1 else None)

        self.answers: Callable[..., Tensor] = FullBatches(forward, at_once) if at_once else forward

    @as_usual
    @torch.no_grad()
    def __call__(self, x: Tree, t: Tensor, cond: Tree) -> Any:
        k, (latents, row) = self.kernel.index(t), _apart(x)
        given = (self.kernel.scaled(latents, t).to(self.device), *(() if row is None else (row.to(self.device),)))
        answer = self.answers(given, self.kernel.timesteps[k].to(self.device))
        prediction = self.kernel.prediction(answer.to(latents.device), k, latents)
        if row is None:
            return prediction
        return Product({"latents": prediction, "condition": Dirac(row)})  # type: ignore[dict-item]


def _transition(kernel: Kernel, conditioned: bool) -> Any:
    if not conditioned:
        return kernel.transition
    return product({"latents": kernel.transition, "condition": lambda x, posterior, t, s: posterior})  # type: ignore[dict-item]


@as_usual
@torch.no_grad()
def _encoded(
    encoder: Callable[[Tensor], Tensor], size: tuple[int, int], conditions: int, device: torch.device, images: Any
) -> tuple[Tree, Tree]:
    """Images as the model makes them, each beside the condition of its chain; no part of an image is kept."""
    given = from_any(images_of(images), device)
    if given.shape[2:] != size:
        raise ValueError(
            f"the model's images are {size[0]} x {size[1]} pixels, but those given {given.shape[2]} x {given.shape[3]}"
        )
    latents = encoder(given)
    if not conditions:
        return latents, torch.zeros_like(latents)
    both = math.lcm(len(latents), conditions)
    row = torch.arange(both, device=device) % conditions
    latents = latents.repeat(both // len(latents), 1, 1, 1)
    return {"latents": latents, "condition": row}, {"latents": torch.zeros_like(latents), "condition": row}


def _noising(kernel: Kernel, x_0: Tree, x_T: Tree, t: Float[Tensor, ""], rng: Rng) -> Tree:
    """The clean state as the scheduler noises it; its condition stays."""
    latents, row = _apart(x_0)
    noise = rng.normal(latents.shape, dtype=torch.float32, device=latents.device)
    noised = kernel.noised(latents, t, noise)
    return noised if row is None else {"latents": noised, "condition": row}


@as_usual
@torch.no_grad()
def _decode(decoder: Callable[[Tensor], Tensor], device: torch.device, texts: Tensor | None, x: Tree) -> Any:
    """Images of clean states, with their prompts where the model has text."""
    latents, row = _apart(x)
    images = decoder(latents.to(device))
    return images if texts is None or row is None else captioned(images, texts[row.cpu()].to(images.device))
