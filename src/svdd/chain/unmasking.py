"""The step of absorbing noise: what can change is drawn, what cannot is copied."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
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
        n, kind = len(self.x), torch.promote_types(self.log_token.dtype, torch.float32)
        row, site = (self.x.view(n, -1) == self.log_token.shape[-1]).nonzero(as_tuple=True)
        log_token = log_normalised(self.log_token.view(n, -1, self.log_token.shape[-1])[row, site])
        cdf = (
            torch.cat([log_token + self.log_reveal[row, None], self.log_stay[row, None]], -1)
            .to(kind)
            .softmax(-1)
            .cumsum(-1)
        )
        if not bool(cdf[:, -1].isfinite().all()):
            raise all_forbidden(cdf.new_ones(n, *self.x.shape[1:]).view(n, -1).index_put((row, site), cdf[:, -1]))
        u = rng.uniform((n * m, *self.x.shape[1:]), dtype=kind).view(n, m, -1).movedim(1, 2)
        drawn = self.x.repeat_interleave(m, 0)  # a copy, also of one child
        places = drawn.view(n, m, -1).movedim(1, 2)
        places[row, site] = inverted(cdf / cdf[:, -1:], u[row, site])
        return drawn
