r"""Kernels: what a diffusers scheduler does in one step, as a Gaussian, without touching its state.

A scheduler's `step` draws the noise itself and counts its own calls, so it cannot draw several candidates of one step. The
kernels here compute the same mean and standard deviation from the same tables, for any rows, as often as is wanted:
`scheduler_kernel(scheduler)` gives the one that belongs to a scheduler, or says which scheduler to use instead.
Times run from 1 (noise) to 0 (data): (timestep + 1) / training steps, and for flows the noise level itself.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.defaults import as_tensor
from svdd.chain.distributions import Normal
from svdd.chain.flows import Velocity, cps
from svdd.domains.image.pipelines.kernel import Kernel, Prediction, wide
from svdd.domains.image.pipelines.refusals import refusal
from svdd.messages import check_known

ETA_OF_FLOWS = 0.5


# What a network's output says of the clean state and of the noise, by what it predicts.
_X0_OF: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "epsilon": lambda bar, x, noise: (x - (1 - bar).sqrt() * noise) / bar.sqrt(),
    "sample": lambda bar, x, x0: x0,
    "v_prediction": lambda bar, x, v: bar.sqrt() * x - (1 - bar).sqrt() * v,
}
_NOISE_OF: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "epsilon": lambda bar, x, noise: noise,
    "sample": lambda bar, x, x0: (x - bar.sqrt() * x0) / (1 - bar).sqrt(),
    "v_prediction": lambda bar, x, v: bar.sqrt() * v + (1 - bar).sqrt() * x,
}


class _VariancePreserving(Kernel):
    r"""Schedulers with a table $\bar\alpha$: $x_t = \sqrt{\bar\alpha_t} x_0 + \sqrt{1 - \bar\alpha_t} \epsilon$."""

    def __init__(self, scheduler: Any, eta: int | float | None = None) -> None:
        super().__init__(scheduler, eta)
        check_known("prediction_type", self.config.prediction_type, _X0_OF)
        self._table: Tensor = scheduler.alphas_cumprod.cpu()
        self._stride = self.config.num_train_timesteps // (scheduler.num_inference_steps or len(self.timesteps))
        self._last: Tensor = getattr(scheduler, "final_alpha_cumprod", torch.tensor(1.0, device="cpu")).cpu()

    def check_first(self, first: int) -> None:
        taken = self._table[self.timesteps[first:].long()]
        if self.config.prediction_type == "epsilon" and bool((taken == 0).any()):
            raise ValueError(
                f"{self.name}'s first step divides by 0: where no signal is left (rescale_betas_zero_snr=True), the noise says "
                'nothing of the image; a network that was trained so needs prediction_type="v_prediction", any other '
                "rescale_betas_zero_snr=False"
            )

    def _bar(self, k: int) -> Tensor:
        return self._table[int(self.timesteps[k])] if k < len(self.timesteps) else self._last

    def level(self, k: int) -> tuple[Tensor, Tensor]:
        return self._bar(k).sqrt(), (1 - self._bar(k)).sqrt()

    def x0_of(self, output: Tensor, k: int, x: Tensor) -> Tensor:
        return self._clipped(_X0_OF[self.config.prediction_type](self._bar(k), x, output))

    def _clipped(self, x0: Tensor) -> Tensor:
        if self.config.thresholding:
            size = x0.abs().flatten(1).quantile(self.config.dynamic_thresholding_ratio, dim=1)
            size = size.clamp(1, self.config.sample_max_value).view(-1, *[1] * (x0.ndim - 1))
            return x0.clamp(-size, size) / size
        size = self.config.clip_sample_range
        return x0.clamp(-size, size) if self.config.clip_sample else x0


class Ddim(_VariancePreserving):
    r"""DDIM: $x_s = \sqrt{\bar\alpha_s}\hat x_0 + \sqrt{1 - \bar\alpha_s - \tau^2}\,\hat\epsilon + \tau z$.

    $\tau^2 = \eta^2 \frac{1 - \bar\alpha_s}{1 - \bar\alpha_t}(1 - \bar\alpha_t / \bar\alpha_s)$. The level of the next step
    is that of the timestep one stride below, as the scheduler has it, even where the grid is not regular.
    """

    takes_eta = True

    def _next_bar(self, k: int, j: int) -> Tensor:
        below = int(self.timesteps[k]) - self._stride
        one_below = self._table[below] if below >= 0 else self._last
        return one_below if j == k + 1 else self._bar(j)

    def step(self, x: Tensor, prediction: Prediction, k: int, j: int) -> tuple[Tensor, Tensor]:
        bar_t, bar_s = self._bar(k), self._next_bar(k, j)
        std = self.eta * ((1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s)).clamp(min=0).sqrt()
        keep = (1 - bar_s - std**2).clamp(min=0).sqrt()
        noise = _NOISE_OF[self.config.prediction_type](bar_t, x, wide(prediction.output))
        return bar_s.sqrt() * prediction.x + keep * noise, std


class Ddpm(_VariancePreserving):
    r"""DDPM: the Gaussian posterior of $x_s$ given $x_t$ and $\hat x_0$, with any of the scheduler's variances."""

    def __init__(self, scheduler: Any, eta: int | float | None = None) -> None:
        super().__init__(scheduler, eta)
        self._last = torch.tensor(1.0, device="cpu")
        if self.config.variance_type == "fixed_large_log":
            raise ValueError('variance_type="fixed_large_log" has no standard deviation; use "fixed_large"')

    def _learned(self, output: Tensor, x: Tensor) -> bool:
        return self.config.variance_type.startswith("learned") and output.shape[1] == 2 * x.shape[1]

    def x0_of(self, output: Tensor, k: int, x: Tensor) -> Tensor:
        return super().x0_of(output[:, : x.shape[1]] if self._learned(output, x) else output, k, x)

    def step(self, x: Tensor, prediction: Prediction, k: int, j: int) -> tuple[Tensor, Tensor]:
        bar_t, bar_s = self._bar(k), self._bar(j)
        alpha = bar_t / bar_s
        on_x0, on_x = bar_s.sqrt() * (1 - alpha) / (1 - bar_t), alpha.sqrt() * (1 - bar_s) / (1 - bar_t)
        std = self._std(prediction.output, x, (1 - bar_s) / (1 - bar_t) * (1 - alpha), 1 - alpha)
        return on_x0 * prediction.x + on_x * x, std if int(self.timesteps[k]) > 0 else torch.zeros_like(std)

    def _std(self, output: Tensor, x: Tensor, small: Tensor, large: Tensor) -> Tensor:
        kind = self.config.variance_type
        if kind == "fixed_large":
            return large.sqrt()
        if not self._learned(output, x):
            return small.sqrt()
        learned = wide(output[:, x.shape[1] :])
        if kind == "learned":
            return learned.sqrt()
        share = (learned + 1) / 2
        return (0.5 * (share * large.log() + (1 - share) * small.clamp(min=1e-20).log())).exp()


class Lcm(_VariancePreserving):
    r"""Latent consistency: $x_s = \sqrt{\bar\alpha_s}\hat x + \sqrt{1 - \bar\alpha_s} z$, and no noise in the last step.

    The look-ahead is $\hat x = c_{out} \hat x_0 + c_{skip} x_t$.
    """

    def x0_of(self, output: Tensor, k: int, x: Tensor) -> Tensor:
        scaled, data = float(self.timesteps[k]) * self.config.timestep_scaling, 0.5
        size = scaled**2 + data**2
        return scaled / size**0.5 * super().x0_of(output, k, x) + data**2 / size * x

    def step(self, x: Tensor, prediction: Prediction, k: int, j: int) -> tuple[Tensor, Tensor]:
        if j == len(self.timesteps):
            return prediction.x, torch.tensor(0.0, device="cpu", dtype=torch.float32)
        bar_s = self._bar(j)
        return bar_s.sqrt() * prediction.x, (1 - bar_s).sqrt()


class EulerAncestral(Kernel):
    r"""Euler's step with fresh noise: $x_s = x_t + (\sigma_{down} - \sigma_t)(x_t - \hat x_0)/\sigma_t + \sigma_{up} z$.

    $\sigma_{up}^2 = \sigma_s^2(\sigma_t^2 - \sigma_s^2)/\sigma_t^2$, $\sigma_{down}^2 = \sigma_s^2 - \sigma_{up}^2$.
    """

    def __init__(self, scheduler: Any, eta: int | float | None = None) -> None:
        super().__init__(scheduler, eta)
        self._sigmas: Tensor = scheduler.sigmas.cpu()

    def scaled(self, x: Float[Tensor, "n ..."], t: Float[Tensor, ""]) -> Float[Tensor, "n ..."]:
        return x / (self._sigmas[self.index(t)] ** 2 + 1).sqrt()

    def level(self, k: int) -> tuple[Tensor, Tensor]:
        return torch.ones_like(self._sigmas[k]), self._sigmas[k]

    def x0_of(self, output: Tensor, k: int, x: Tensor) -> Tensor:
        sigma, of_v = self._sigmas[k], self.config.prediction_type == "v_prediction"
        return output * (-sigma / (sigma**2 + 1).sqrt()) + x / (sigma**2 + 1) if of_v else x - sigma * output

    def step(self, x: Tensor, prediction: Prediction, k: int, j: int) -> tuple[Tensor, Tensor]:
        sigma_t, sigma_s = self._sigmas[k], self._sigmas[j]
        up = (sigma_s**2 * (sigma_t**2 - sigma_s**2) / sigma_t**2).sqrt()
        down = (sigma_s**2 - up**2).clamp(min=0).sqrt()
        return x + (x - prediction.x) / sigma_t * (down - sigma_t), up


class FlowMatchEuler(Kernel):
    """Flow matching with the step of `svdd.chain.cps`: eta 0 is the scheduler's own, eta 1 its `stochastic_sampling`."""

    takes_eta = True

    def __init__(self, scheduler: Any, eta: int | float | None = None) -> None:
        if scheduler.config.get("invert_sigmas"):
            raise ValueError("invert_sigmas=True counts time the other way round, and is not supported")
        self._sigmas: Tensor = scheduler.sigmas.cpu()
        own_eta = 1.0 if scheduler.config.get("stochastic_sampling") else ETA_OF_FLOWS
        super().__init__(scheduler, own_eta if eta is None else eta)

    def grid(self) -> Float[Tensor, " T1"]:
        return self._sigmas.double()

    def level(self, k: int) -> tuple[Tensor, Tensor]:
        return 1 - self._sigmas[k], self._sigmas[k]

    def x0_of(self, output: Tensor, k: int, x: Tensor) -> Tensor:
        return x - self._sigmas[k] * output

    def step(self, x: Tensor, prediction: Prediction, k: int, j: int) -> tuple[Tensor, Tensor]:
        velocity: Any = Velocity(prediction.x, wide(prediction.output))
        step = cps(self.eta)(x, velocity, self._sigmas[k], self._sigmas[j])
        assert isinstance(step, Normal)
        return step.mean, as_tensor(step.std)


KERNELS: dict[str, Callable[..., Kernel]] = {
    "DDIMScheduler": Ddim,
    "DDIMParallelScheduler": Ddim,
    "DDPMScheduler": Ddpm,
    "DDPMParallelScheduler": Ddpm,
    "EulerAncestralDiscreteScheduler": EulerAncestral,
    "LCMScheduler": Lcm,
    "FlowMatchEulerDiscreteScheduler": FlowMatchEuler,
}
"""The kernel of each scheduler that can be steered, by the name of the class whose `step` it is."""


def owner_of_step(scheduler: Any) -> type:
    """The class that wrote the scheduler's `step`: a subclass that keeps it keeps the kernel."""
    return next(cls for cls in type(scheduler).__mro__ if "step" in vars(cls))


def scheduler_kernel(scheduler: Any, eta: int | float | None = None, first: int | None = 0) -> Kernel:
    """The Gaussian step of a diffusers scheduler.

    Args:
        scheduler: after `set_timesteps`; it is only read.
        eta: how much of the noise of a step is fresh, from 0 (none) to 1, for DDIM (1 unless given) and flows (0.5).
        first: the step that is taken first; None where that is not known.

    Raises:
        ValueError: for a scheduler whose step is not one Gaussian of one network call, or has no such eta; it names one that
            works. For a first step that divides by 0.
    """
    name = owner_of_step(scheduler).__name__
    if name not in KERNELS:
        raise ValueError(refusal(name, scheduler.config))
    kernel = KERNELS[name](scheduler, eta)
    if first is not None:
        kernel.check_first(first)
    return kernel


def check_scheduler(pipe: Any, eta: int | float | None = None) -> None:
    """Refuses a pipeline whose scheduler has no kernel, before anything is computed; raises as `scheduler_kernel`."""
    scheduler = getattr(pipe, "scheduler", None)
    if scheduler is None:
        raise ValueError(f"steer needs a diffusers pipeline with a scheduler, got a {type(pipe).__name__}")
    scheduler_kernel(scheduler, eta, first=None)


def check_first_step(scheduler: Any, parameters: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuses a first step that divides by 0, before anything is computed; raises as `scheduler_kernel`.

    Args:
        scheduler: of a pipeline; it is not changed.
        parameters: of the pipeline's call.
        given: its arguments.
    """
    table = getattr(scheduler, "alphas_cumprod", None)
    own_grid = any(given.get(name) is not None for name in ("timesteps", "sigmas", "denoising_start"))
    if table is None or bool((table > 0).all()) or own_grid or "strength" in parameters:
        return  # what starts later is looked at when it starts
    own = parameters.get("num_inference_steps")
    made = copy.deepcopy(scheduler)
    made.set_timesteps(given.get("num_inference_steps") or getattr(own, "default", None) or 50)
    scheduler_kernel(made)
