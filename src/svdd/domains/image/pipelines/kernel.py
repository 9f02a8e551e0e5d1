"""A kernel: the Gaussian step of one diffusers scheduler, and what it needs to know of the network's answer."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.defaults import as_tensor
from svdd.chain.distributions import Dirac, Distribution, Normal
from svdd.chain.tree import take
from svdd.domains.image.pipelines.not_numbers import check_answer, check_step

_NO_NOISE = 1e-9  # a standard deviation below it is a scheduler's guard against log(0), and no noise


@dataclass(frozen=True)
class Prediction(Dirac):
    """What a network said of some rows: the look-ahead x_0, and its bare answer.

    Args:
        x: x_0, (n, ...).
        output: the network's answer, guidance applied, (n, ...).
    """

    output: Float[Tensor, "n ..."]

    def __getitem__(self, index: Int64[Tensor, " r"]) -> "Prediction":
        return take(self, index)


def wide(x: Tensor) -> Tensor:
    """At least single precision: steps are not computed in half."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Kernel:
    """The Gaussian step of one scheduler, on the grid that its `set_timesteps` made.

    Args:
        scheduler: after `set_timesteps`.
        eta: how much of the noise is fresh.

    Raises:
        ValueError: for an eta that the scheduler cannot have.
    """

    takes_eta = False

    def __init__(self, scheduler: Any, eta: int | float | None = None) -> None:
        self.config, self.name = scheduler.config, type(scheduler).__name__
        self.eta = 1.0 if eta is None else float(eta)  # all noise is fresh, as a chain's exact posterior has it
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must be from 0 to 1, got {eta}")
        if self.eta != 1 and not self.takes_eta:
            raise ValueError(f"{self.name} has no eta, got {eta}: leave it out, or use DDIMScheduler")
        self.timesteps: Tensor = scheduler.timesteps.cpu()
        self.init_sigma = float(scheduler.init_noise_sigma) if hasattr(scheduler, "init_noise_sigma") else 1.0
        self.times: Float[Tensor, " T1"] = self.grid()

    def grid(self) -> Float[Tensor, " T1"]:
        """The times, from noise to 0."""
        inside = (self.timesteps.double() + 1) / self.config.num_train_timesteps
        return torch.cat([inside, torch.zeros(1, dtype=torch.float64, device="cpu")])

    def index(self, t: Float[Tensor, ""]) -> int:
        """The place of a time in the grid.

        Raises:
            ValueError: if it is not there.
        """
        place = (self.times == t.to(self.times)).nonzero().flatten().tolist()
        if not place:
            raise ValueError(f"t = {float(t):.6g} is none of the {len(self.times)} times of this {self.name}")
        return int(place[0])

    def scaled(self, x: Float[Tensor, "n ..."], t: Float[Tensor, ""]) -> Float[Tensor, "n ..."]:
        """x_t as the network takes it."""
        return x

    def prediction(self, output: Float[Tensor, "n ..."], k: int, x: Float[Tensor, "n ..."]) -> Prediction:
        """What the network's answer at step k says of x_0.

        Args:
            output: its answer to `x`, guidance applied.
            k: the number of the step, from 0.
            x: x_t, not scaled.

        Raises:
            ValueError: for NaN and infinity; it says where they came from.
        """
        place = f"in step {k + 1} of {len(self.timesteps)}"
        check_answer(output, x, place)
        x0 = self.x0_of(wide(output), k, wide(x))
        check_step(x0, self.name, place)
        return Prediction(x0, output)

    def transition(
        self, x: Float[Tensor, "n ..."], prediction: Distribution, t: Float[Tensor, ""], s: Float[Tensor, ""]
    ) -> Normal:
        """p(x_s | x_t) for two times of the grid; a `svdd.chain.Transition`."""
        assert isinstance(prediction, Prediction), "a kernel steps from its own predictions"
        mean, std = self.step(wide(x), prediction, self.index(t), self.index(s))
        return Normal(mean, torch.where(as_tensor(std) > _NO_NOISE, std, 0.0).to(mean))

    def noised(
        self, x_0: Float[Tensor, "n ..."], t: Float[Tensor, ""], noise: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """x_t of a clean state, for a time of the grid before its end.

        Args:
            x_0: the clean state.
            t: the time.
            noise: standard normal.
        """
        alpha, sigma = self.level(self.index(t))
        return (alpha * wide(x_0) + sigma * noise).to(x_0)

    def level(self, k: int) -> tuple[Tensor, Tensor]:
        """How much of x_0 and of the noise x_t has at step k."""
        raise NotImplementedError

    def check_first(self, first: int) -> None:
        """Looks whether the steps from `first` on can be taken.

        Raises:
            ValueError: where one divides by 0.
        """

    def x0_of(self, output: Tensor, k: int, x: Tensor) -> Tensor:
        """The look-ahead at step k."""
        raise NotImplementedError

    def step(self, x: Tensor, prediction: Prediction, k: int, j: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the step from time k to time j of the grid."""
        raise NotImplementedError
