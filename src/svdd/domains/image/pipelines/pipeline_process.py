"""A running pipeline as a process: its denoiser is to give the pipeline latents and wait for what its network says of them.

The pipeline computes the same number of rows at every step, `slots` of them a chain. Where a method has fewer particles than
that, each chain's rows are repeated until its slots are full.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from svdd.chain.defaults import as_tensor
from svdd.chain.distributions import Dirac, Distribution, Normal, Product
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.pipelines.callbacks import same
from svdd.domains.image.pipelines.kernel import Kernel, wide
from svdd.domains.image.pipelines.kernels import scheduler_kernel
from svdd.domains.image.pipelines.not_numbers import check_decoded, check_latents
from svdd.domains.image.pipelines.steered_scheduler import Question
from svdd.domains.image.pipelines.together import Together
from svdd.domains.image.pixels import checked_images

Decode = Callable[[Tensor], Any]
_UNKNOWN_OPTIONS = ("use_clipped_model_output", "variance_noise", "per_token_timesteps")


class PipelineProcess:
    """The process that a pipeline's calls are, one batch of chains after the other.

    Args:
        slots: rows of each chain.
        eta: of the kernel.
        decode: clean latents to images.
        look_ahead_decode: the same for look-aheads.
    """

    def __init__(self, slots: int, eta: int | float | None, decode: Decode, look_ahead_decode: Decode) -> None:
        self.slots, self.eta = slots, eta
        self._decoders = {True: decode, False: look_ahead_decode}
        self._times: Any = None  # which batches share

    def take(self, running: Together, chains: int) -> None:
        """Goes on with other calls of the pipeline, which are run to their first step.

        Raises:
            ValueError: for another number of rows than there are slots, and for steps without a known kernel.
        """
        self._running, self._chains, self._question = running, chains, running.start()
        self._kernel = scheduler_kernel(running.scheduler, self.eta, first=None)
        self._first = self._step = _place(self._kernel, self._question)
        self._kernel.check_first(self._first)
        self._noise, self._answered = wide(self._question.latents), False
        times = self._kernel.times[self._first :]
        assert self._times is None or torch.equal(times, self._times), "batches share their times"
        self._times = times

    def process(self, name: str) -> Process:
        """The process, once a first call was taken.

        Args:
            name: of the pipeline.
        """
        kernel = self._kernel

        def transition(x: Tree, posterior: Product, t: Tensor, s: Tensor) -> Product:
            latents: Normal = kernel.transition(x["latents"], posterior.parts["latents"], t, s)
            finished = Dirac(torch.full_like(x["finished"], float(s) == 0))
            return Product({"latents": latents, "finished": finished, "slot": Dirac(x["slot"])})

        return Process(
            prior=self._prior,
            denoiser=self._denoiser,
            transition=transition,  # type: ignore[arg-type]
            times=self._times,
            decode=self._decode,
            rows_at_once=2**31,  # the pipeline computes all rows in one go, also where rewards work meanwhile
            kind=ImageKind(),
            about={"name": name, "scheduler": kernel.name, "eta": kernel.eta},
        )

    def _prior(self, n: int, rng: Rng) -> Tree:
        """The first rows of every chain's own noise, and which they are: a method may choose among them."""
        slot = self._first_slots(n)
        x = self._noise[self._rows(slot)]
        return {"latents": x, "finished": torch.zeros(n, dtype=torch.bool, device=x.device), "slot": slot}

    def _denoiser(self, x: Tree, t: Tensor, cond: Tree) -> Distribution:
        k = self._kernel.index(t)
        if k == self._step + 1:
            self._send(x["latents"])
        elif k != self._step or self._answered:
            raise ValueError(
                f"a pipeline walks through its times once, so its network cannot be asked again at t = {float(t):.4g}; use a "
                'value that looks ahead from a state alone, such as "posterior-mean", or svdd.load("diffusers:...")'
            )
        self._answered = True
        # later ones were sent in this order
        slot = x["slot"] if self._step == self._first else self._first_slots(len(x["slot"]))
        output = self._question.output[self._rows(slot)]
        return Product({"latents": self._kernel.prediction(output, k, x["latents"]), "finished": Dirac(x["finished"])})

    def _send(self, latents: Tensor) -> None:
        """Wakes the pipeline up at the next step, and checks that it goes on from what it was given."""
        n = len(latents) // self._chains
        slot = torch.arange(self.slots, device=latents.device) % n
        index = (torch.arange(self._chains, device=latents.device)[:, None] * n + slot).flatten()
        sent = self.to_pipeline(latents[index])
        question = self._running.answer(sent.clone())  # which the pipeline may change in place
        if question is None:
            done, steps = self._step + 1 - self._first, len(self._kernel.timesteps) - self._first
            raise ValueError(
                f"the pipeline returned after {done} of {steps} steps, so its images are not finished; let it run to the end "
                "(no denoising_end, no interrupt)"
            )
        self._question, self._step = question, self._step + 1
        if _place(self._kernel, question) != self._step or not same(question.latents, sent):
            raise ValueError(
                "the pipeline changed its latents or skipped a step between two steps of its scheduler; leave out the mask of "
                "an inpainting pipeline that pastes the known part in at every step"
            )

    def _first_slots(self, n: int) -> Int64[Tensor, " n"]:
        """Of n particles, as many of each chain: its first slots."""
        return torch.arange(n // self._chains, device=self._question.latents.device).repeat(self._chains)

    def _rows(self, slot: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The pipeline's rows of slots, as many of each chain."""
        chain = torch.arange(self._chains, device=slot.device).repeat_interleave(len(slot) // self._chains)
        return chain * self.slots + slot

    def to_pipeline(self, latents: Tensor) -> Tensor:
        """Latents in the pipeline's own precision."""
        return latents.to(self._question.latents.dtype)

    def _decode(self, x: Tree) -> dict[str, Tensor]:
        """Images with the latents they were decoded from."""
        latents, n = x["latents"], len(x["latents"])
        decode = self._decoders[bool(x["finished"].all())]
        check_latents(latents)
        images = decode(self.to_pipeline(latents))
        check_decoded(images, None)  # those of an autoencoder were looked at where it is known
        images = checked_images(images)
        if len(images) != n:
            raise ValueError(f"decode was given {n} latents and must return as many images, not {len(images)}")
        return {"images": images, "latents": latents}


def _place(kernel: Kernel, question: Question) -> int:
    """The number of the step that the pipeline asks about.

    Raises:
        ValueError: for a time that is not in the grid, times of their own for every row, and options no kernel has.
    """
    for name in _UNKNOWN_OPTIONS:
        if question.options.get(name) not in (None, False):
            raise ValueError(f"the pipeline steps with {name}, which cannot be steered; leave it out")
    timestep = as_tensor(question.timestep).cpu()
    place = (kernel.timesteps == timestep).nonzero().flatten().tolist() if timestep.numel() == 1 else []
    if len(place) > 1:
        raise ValueError(
            f"the scheduler's grid has timestep {question.timestep!r:.60} {len(place)} times, so a step cannot be told; use "
            "fewer num_inference_steps"
        )
    if not place:
        raise ValueError(
            f"the pipeline steps at timestep {question.timestep!r:.60}, which is not one of its scheduler's"
        )
    return int(place[0])
