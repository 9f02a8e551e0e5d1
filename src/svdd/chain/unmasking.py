"""The step of absorbing noise: what can change is drawn, what cannot is copied."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from svdd.chain.distributions import Categorical, _Rows, all_forbidden, inverted, log_normalised
from svdd.chain.rng import Rng


@dataclass(frozen=True)
class Unmasking(_Rows):
    """Every masked site is revealed with one probability, and a revealed site stays; token V is the mask.

    Args:
        x: (n, ...) tokens.
        log_token: (n, ..., V), log-probabilities of the token that a masked site would get, up to a constant a site.
        log_reveal: (n,), the log-probability that a masked site is revealed.
        log_stay: (n,), that it is not.
    """

    x: Int64[Tensor, "n ..."]
    log_token: Float[Tensor, "n ... V"]
    log_reveal: Float[Tensor, " n"]
    log_stay: Float[Tensor, " n"]

    @property
    def log_p(self) -> Float[Tensor, "n ... W"]:
        """The same law at every site, W = V + 1."""
        mask, site = self.log_token.shape[-1], self.x[..., None]
        row = (-1, *[1] * self.x.ndim)
        stay = self.log_stay.view(row).expand(*self.x.shape, 1)
        masked = torch.cat([self.log_token.log_softmax(-1) + self.log_reveal.view(row), stay], -1)
        kept = torch.zeros((), dtype=masked.dtype, device=masked.device)
        revealed = torch.where(torch.arange(mask + 1, device=self.x.device) == site, kept, -torch.inf)
        return torch.where(site == mask, masked, revealed)

    def mode(self) -> Int64[Tensor, "n ..."]:
        return self.log_p.argmax(-1)

    def log_prob(self, x: Int64[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return Categorical(self.log_p).log_prob(x)

    def sample(self, m: int, rng: Rng) -> Int64[Tensor, "..."]:
        """As `Categorical.sample` of `log_p`, draw for draw.

        Raises:
            ValueError: as there.
        """
        if self.x.device.type != "cpu":  # to know where the masks are would stop it
            return Categorical(self.log_p).sample(m, rng)
        n, kind = self.x.shape[0], torch.promote_types(self.log_token.dtype, torch.float32)
        u = rng.uniform((n * m, *self.x.shape[1:]), dtype=kind).view(n, m, -1).numpy()
        row, site = self._within_reach(u.min(1))
        log_p = self._log_p_at(torch.from_numpy(row), torch.from_numpy(site))
        cdf = log_p.to(kind).softmax(-1).cumsum(-1).numpy()
        whole = cdf[:, -1:]
        if not np.isfinite(whole).all():
            total = np.ones((n, u.shape[-1]), cdf.dtype)
            total[row, site] = whole[:, 0]
            raise all_forbidden(torch.from_numpy(total).view(self.x.shape))
        drawn = self.x.repeat_interleave(m, 0)  # a copy, also of one child
        drawn.view(n, m, -1).numpy()[row, :, site] = inverted(cdf / whole, u[row, :, site])
        return drawn

    def _within_reach(self, lowest: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The masked sites that a child may reveal: whose lowest number is about the probability of that, or below it."""
        about = np.exp(self.log_reveal.detach().float().numpy()) * 1.25  # no rounding moves a probability that far
        masked = self.x.view(lowest.shape).numpy() == self.log_token.shape[-1]
        return (masked & (lowest <= about[:, None])).nonzero()  # type: ignore[return-value]

    def _log_p_at(self, row: Int64[Tensor, " k"], site: Int64[Tensor, " k"]) -> Float[Tensor, "k W"]:
        """Of masked sites, up to a constant each."""
        log_token = log_normalised(self.log_token.detach().view(len(self.x), -1, self.log_token.shape[-1])[row, site])
        return torch.cat([log_token + self.log_reveal[row, None], self.log_stay[row, None]], -1)
