r"""Filtering: what a step from $x_t$ to $x_s$ says of $x_0$, by Bayes' rule and without the network.

At every site $q(x_{0,i} | x_t, x_s) \propto p_i(x_0 | x_t) \, q(x_{s,i} | x_{t,i}, x_{0,i})$: the network's answer for the
parent $x_t$ meets the tokens of its child $x_s$. It leaves out what the new tokens say of the other sites.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.denoisers import substituted
from svdd.chain.distributions import Categorical, Dirac, Distribution, Normal, Product
from svdd.chain.equal_rows import NoEqualRows
from svdd.chain.rng import Rng
from svdd.chain.schedules import Survival, scalar_for
from svdd.chain.tree import Tree, repeat, rows, take

if TYPE_CHECKING:
    from svdd.chain.process import Particles


class UnfilteredStepError(ValueError):
    """A step does not say what a child's state tells of x_0."""


@runtime_checkable
class LookAhead(Protocol):
    """A law of x_0, one row for each child."""

    def mode(self) -> Tree:
        """The most likely token at every site: (r, ...)."""

    def sample(self, m: int, rng: Rng) -> Tree:
        """`m` draws of every row, siblings adjacent: (r * m, ...)."""


@dataclass(frozen=True)
class Parents:
    """Whom particles came from, and by which step.

    Args:
        bayes: of the transition.
        x: states of the parents, one row each.
        answers: q(x_0 | x_t) of the network, one for each kind of parents.
        kinds: of the parents.
        t: time of the parents.
        s: time of their children.
        children: of each parent.
        taken: the children that are left of all; None for all.
    """

    bayes: "Bayes"
    x: Tensor
    answers: Any
    kinds: NoEqualRows
    t: Tensor
    s: Tensor
    children: int
    taken: Int64[Tensor, " r"] | None = None

    @property
    def row(self) -> Int64[Tensor, " r"]:
        """The parent of each child; looked at by few values, so it is made when it is."""
        everyone = torch.arange(rows(self.x) * self.children, device="cpu")
        return (everyone if self.taken is None else self.taken).div(self.children, rounding_mode="floor")

    @property
    def kind(self) -> Int64[Tensor, " r"]:
        """The row of `answers` that belongs to each child."""
        return self.kinds.of(self.row)

    @property
    def most_siblings(self) -> int:
        """The largest number of children of a parent."""
        return int(self.row.bincount().max())

    def take(self, index: Int64[Tensor, " k"]) -> "Parents":
        """Of the children `index`."""
        taken = index if self.taken is None else self.taken[index]
        return Parents(self.bayes, self.x, self.answers, self.kinds, self.t, self.s, self.children, taken)

    def look_ahead(self, children: "Particles") -> LookAhead:
        """q(x_0 | x_t, x_s)."""
        return self.bayes(self, children.x)


Bayes: TypeAlias = Callable[[Parents, Tensor], LookAhead]
"""Parents and the states of their children to q(x_0 | x_t, x_s)."""


class NoParents:
    """Particles that come from the prior: their own answer is all there is."""

    @property
    def most_siblings(self) -> int:
        """Each is alone."""
        return 1

    def take(self, index: Int64[Tensor, " k"]) -> "NoParents":
        """Of the particles `index`."""
        return self

    def look_ahead(self, children: "Particles") -> LookAhead:
        """q(x_0 | x_t) of the particles themselves, for which the network is asked."""
        return children.posterior


NO_PARENTS = NoParents()


class Unfiltered(NoParents):
    """Parents whose step says nothing of x_0.

    Args:
        kernel: the kind of p(x_s | x_t).
    """

    def __init__(self, kernel: type) -> None:
        self.kernel = kernel

    @property
    def most_siblings(self) -> int:
        """Refuses, as `look_ahead`."""
        raise self._refusal()

    def look_ahead(self, children: "Particles") -> LookAhead:
        """Refuses.

        Raises:
            UnfilteredStepError: with the reason.
        """
        raise self._refusal()

    def _refusal(self) -> UnfilteredStepError:
        reason = next((why for kind, why in _REASONS.items() if issubclass(self.kernel, kind)), _UNKNOWN)
        return UnfilteredStepError(f"the value filtered does not work here: {reason}; use posterior-mean")


def _drawn(kernel: Distribution) -> type:
    """The kind of a step; of a step of several parts the kind of all parts that are drawn, where they have one."""
    parts = kernel.parts.values() if isinstance(kernel, Product) else [kernel]
    kinds = {type(part) for part in parts if not isinstance(part, Dirac)}
    return kinds.pop() if len(kinds) == 1 else type(kernel)


_REASONS: dict[type, str] = {
    Normal: "a Gaussian step adds white noise to its parent's look-ahead and nothing else, so all candidates would look alike",
    Product: "a state of several parts, such as nodes and edges, has no rule of Bayes for a step of all of them",
}
_UNKNOWN = "this transition is no svdd.chain.TokenStep, so nothing says q(x_s | x_t, x_0) at a site"


@dataclass(frozen=True)
class TokenStep:
    """A transition of tokens that knows what its own step says of x_0.

    Args:
        step: `(x_t, posterior, t, s)` to p(x_s | x_t).
        bayes: parents and the states of their children to q(x_0 | x_t, x_s).
    """

    step: Callable[[Any, Any, Tensor, Tensor], Distribution]
    bayes: Bayes

    def __call__(self, x: Tree, posterior: Distribution, t: Tensor, s: Tensor) -> Distribution:
        """p(x_s | x_t)."""
        return self.step(x, posterior, t, s)


def parents(
    transition: Callable[..., Distribution],
    kernel: Distribution,
    x: Tree,
    answers: Any,
    kinds: NoEqualRows,
    times: tuple[Tensor, Tensor],
    children: int,
) -> Parents | Unfiltered:
    """What children keep of their parents: references, and no copy.

    Args:
        transition: that makes the step.
        kernel: p(x_s | x_t) of the parents.
        x: their states.
        answers: of the network, one for each kind of parents.
        kinds: of the parents.
        times: t and s.
        children: of each.
    """
    if not isinstance(transition, TokenStep):
        return Unfiltered(_drawn(kernel))
    return Parents(transition.bayes, x, answers, kinds, *times, children)


@dataclass(frozen=True)
class Revealed:
    """Tokens of the child where it shows them, and the parent's law where it is masked; token V is the mask.

    Args:
        x: the children.
        law: of the parents, one for each kind.
        kind: which law each child has.
    """

    x: Int64[Tensor, "r ..."]
    law: Categorical
    kind: Int64[Tensor, " r"]

    @property
    def _mask(self) -> int:
        return self.law.log_p.shape[-1]

    @property
    def log_p(self) -> Float[Tensor, "r ... V"]:
        """The same law at every site."""
        return substituted(take(self.law.log_p, self.kind), self.x, self._mask).log_p

    def mode(self) -> Int64[Tensor, "r ..."]:
        """See `LookAhead`; the most likely tokens are looked for once for each kind of parents."""
        return torch.where(self.x == self._mask, take(self.law.mode(), self.kind), self.x)

    def sample(self, m: int, rng: Rng) -> Int64[Tensor, "..."]:
        """See `LookAhead`."""
        x = repeat(self.x, m)
        return torch.where(x == self._mask, self.law[self.kind].sample(m, rng), x)


def revealed(parents: Parents, x: Tensor) -> Revealed:
    """Masks: a site that shows its token is known. One that returns to the mask keeps the token that its parent showed."""
    return Revealed(x, parents.answers, parents.kind)


def _log_likelihood(survival: Survival, time: Tensor, x: Tensor, log_p: Tensor) -> Float[Tensor, "r *sites V"]:
    r"""$\log q(x_t | x_0 = j) = \log(\alpha_t [x_t = j] + (1 - \alpha_t)/V)$ of all j."""
    size, alpha = log_p.shape[-1], scalar_for(log_p, survival(time))
    return (alpha * (torch.arange(size, device=x.device) == x[..., None]) + (1 - alpha) / size).log()


def uniform_posterior(survival: Survival) -> Bayes:
    r"""Uniform noise, of an answer p(x_0 | x_t): $\propto p_j \, q(x_s | x_0 = j) / q(x_t | x_0 = j)$."""

    def bayes(parents: Parents, x: Tensor) -> Categorical:
        log_p = take(parents.answers.log_p, parents.kind)
        before = _log_likelihood(survival, parents.t, take(parents.x, parents.row), log_p)
        return Categorical(log_p + _log_likelihood(survival, parents.s, x, log_p) - before)

    return bayes


def uniform_leave_one_out(survival: Survival) -> Bayes:
    r"""Uniform noise, of an answer $\phi$, the law of x_0 given the other sites: $\propto \phi_j \, q(x_s | x_0 = j)$."""

    def bayes(parents: Parents, x: Tensor) -> Categorical:
        log_p = take(parents.answers.log_p, parents.kind)
        return Categorical(log_p + _log_likelihood(survival, parents.s, x, log_p))

    return bayes
