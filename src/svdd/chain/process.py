r"""Process and particles: a pretrained diffusion model seen as a finite Markov chain.

A *process* is the chain $x_T \sim p_T$, $x_s \sim p(x_s | x_t)$ over a decreasing grid of times that ends in a sample $x_0$.
*Particles* are rows of that chain at one time. They own their state, their conditioning, what values remember along
their path, and the network's answer once it has been paid for; indexing gathers all of it together, and the streams of the
chains that the rows belong to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.denoisers import Denoiser
from svdd.chain.designs import DesignKind
from svdd.chain.distributions import Distribution, forbidden
from svdd.chain.doubts import Doubt, has_nan
from svdd.chain.equal_rows import NoEqualRows
from svdd.chain.filtering import NO_PARENTS, LookAhead, NoParents, Parents, parents
from svdd.chain.noising import Noising
from svdd.chain.rng import Rng
from svdd.chain.sharing import NOTHING_SHARED, NoSharing
from svdd.chain.some_answers import SomeAnswers
from svdd.chain.transitions import Transition
from svdd.chain.tree import Tree, leaves, repeat, rows, take

Move: TypeAlias = Callable[[Tree, Distribution, Tensor, Rng], Tree]
Given: TypeAlias = Callable[[int, Rng], tuple[Tree, Tree]]
Encode: TypeAlias = Callable[[Any], tuple[Tree, Tree]]


def identity(x: Tree) -> Any:
    """The state itself."""
    return x


class MovedSettingError(ValueError):
    """A setting of a process belongs to the kind of its designs."""


# Settings that the kind of designs has taken over.
_MOVED = {
    "adapt": "what makes any reward one of its designs is the method adapt of its kind=",
    "export": "what writes designs is the method write of its kind=",
}
_IN_ABOUT = {"domain", "alphabet"}


@dataclass(frozen=True)
class Process:
    """A pretrained diffusion model, seen as a Markov chain from x_T to x_0.

    Args:
        prior: `(n, rng)` to n rows of x_T.
        denoiser: `(x_t, t, cond)` to q(x_0 | x_t); the only network call.
        transition: `(x_t, posterior, t, s)` to p(x_s | x_t); cheap.
        times: (T + 1,), decreasing.
        decode: clean states to the designs that a reward is given (strings, images, molecules).
        attach: `(designs, cond)` to designs that carry what a reward may ask of their conditioning, such as a prompt.
        rows_each: network rows a state costs, 2 under classifier-free guidance.
        rows_at_once: states that the network computes as one batch, padded if there are fewer.
        time_independent: whether the denoiser ignores t, so that equal states share one answer for ever.
        move: `(x_t, q(x_0 | x_t), t, rng)` to x_t', a random move at the particles' own time, such as a Langevin corrector,
            made once before their children are proposed from x_t'; it costs one more network row a particle and step.
        move_each: whether every child makes its own move instead, so that candidates are independent draws of the whole
            step, for two network rows each. With a shared move only the kernel after it is tilted by a choice of children.
        noising: `(x_0, x_T, t, rng)` to x_t, the forward kernel that the network was trained under, for methods that noise a
            finished sample again.
        encode: designs to the x_0 that they are decoded from, and an x_T that shows what a design of this form keeps.
        given: `(n, rng)` to n rows of x_0 and of a noise x_T that they could have come from: samples that a method begins with
            which changes finished samples. It draws its own unless given.
        kind: what its designs are; inferred from the first designs unless given, and again once `decode` is replaced without
            a new kind.
        about: facts for people and files, such as `name`; they steer nothing.
        usual_value: the value that runs take which name none; of a model that is loaded by its name, its card says it.
        sharing: what equal rows share; a run puts its own here.

    Raises:
        ValueError: if the times do not decrease.
        MovedSettingError: for a setting that belongs to the kind of designs.
    """

    prior: Callable[[int, Rng], Tree]
    denoiser: Denoiser
    transition: Transition
    times: Float[Tensor, " T1"]
    decode: Callable[[Tree], Any] = identity
    attach: Callable[[Any, Tree], Any] | None = None
    rows_each: int = 1
    rows_at_once: int = 1
    time_independent: bool = False
    move: Move | None = None
    move_each: bool = False
    noising: Noising | None = None
    encode: Encode | None = None
    given: Given | None = None
    kind: DesignKind | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    usual_value: str = "posterior-mean"
    sharing: NoSharing = field(default=NOTHING_SHARED, repr=False, compare=False)
    # the kind and the decode that belong together, so that a replaced decode does not keep the kind of the old one
    bound: tuple[Any, Any] | None = field(default=None, repr=False, compare=False)

    def __new__(cls, *args: Any, **settings: Any) -> "Process":
        for name in _MOVED.keys() & settings.keys():
            raise MovedSettingError(f"a process takes no {name}=: {_MOVED[name]}; see docs/your-own.md")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if self.bound is not None and self.bound[0] is self.kind and self.bound[1] is not self.decode:
            object.__setattr__(self, "kind", None)
        object.__setattr__(self, "bound", (self.kind, self.decode))
        if self.kind is not None and not isinstance(self.kind, DesignKind):
            raise ValueError(
                f"kind is an object that says what designs are, such as svdd.chain.designs.TextKind(), got {self.kind!r:.80}"
            )
        if self.kind is None and _IN_ABOUT & self.about.keys():
            raise MovedSettingError(
                f"about={{{', '.join(f'{name!r}: ...' for name in sorted(_IN_ABOUT & self.about.keys()))}}} does not say what "
                "designs are: give kind=, such as svdd.domains.sequence.designs.SequenceKind(Alphabet('ACGT'), length=200); "
                "see docs/your-own.md"
            )
        if self.times.ndim != 1 or len(self.times) < 2 or not bool((self.times.diff() < 0).all()):
            raise ValueError(f"times must decrease from noise to data, got {self.times.tolist()!r:.80}")

    @property
    def steps(self) -> int:
        """T, the number of reverse steps."""
        return len(self.times) - 1

    @cached_property
    def moments(self) -> tuple[Float[Tensor, ""], ...]:
        """The numbers of `times` apart: every step asks for them several times."""
        return self.times.unbind()

    @cached_property
    def device(self) -> torch.device:
        """Where its states live: where its prior puts them."""
        return leaves(self.prior(1, Rng(0, 1)))[0].device

    def designs(self, x0: Tree, cond: Tree) -> Any:
        """The designs of clean states.

        Args:
            x0: as many rows as `cond`, or as many times more, siblings adjacent.
            cond: the conditioning they were made with.
        """
        designs = self.decode(x0)
        return designs if self.attach is None else self.attach(designs, repeat(cond, rows(x0) // rows(cond)))

    @property
    def facts(self) -> dict[str, Any]:
        """What files say of it: `about`, and what its kind of designs says."""
        return {**self.about, **(self.kind.facts() if self.kind is not None else {})}

    def adapt(self, reward: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Any reward as one of its designs."""
        return reward if self.kind is None else self.kind.adapt(reward)

    def decoded_by(self, decode: Callable[[Tree], Any]) -> "Process":
        """The same process whose clean states become designs by another function; they are of the same kind."""
        return replace(self, decode=decode, bound=None)

    def start(self, n: int, cond: Tree, rng: Rng) -> "Particles":
        """`n` particles at x_T; `cond` has one row for each."""
        x = self.prior(n, rng)
        if rows(x) != n or (leaves(cond) and rows(cond) != n):
            raise ValueError(
                f"{n} particles need {n} rows of state and conditioning, got a prior of {rows(x)} rows"
                + (f" and conditioning of {rows(cond)}" if leaves(cond) else "")
            )
        return Particles(self, 0, x, cond, rng=rng)


@dataclass(frozen=True)
class Particles:
    """Particles at one time of a process.

    Args:
        process: the chain they move along.
        step: how many reverse steps they have taken.
        x: their states.
        cond: their conditioning, one row each.
        memory: what values keep along a path (a running maximum, say), one row each.
        rng: the streams of their chains; all chains have equally many particles, chain after chain.
        parents: whom they came from.
    """

    process: Process
    step: int
    x: Tree
    cond: Tree = ()
    memory: dict[str, Tree] = field(default_factory=dict)
    rng: Rng | None = None
    parents: Parents | NoParents = field(default=NO_PARENTS, repr=False, compare=False)

    def __len__(self) -> int:
        return rows(self.x)

    @property
    def t(self) -> Float[Tensor, ""]:
        """The particles' own time."""
        return self.process.moments[self.step]

    @property
    def final(self) -> bool:
        """Whether x is the finished sample x_0."""
        return self.step == self.process.steps

    @cached_property
    def equal(self) -> NoEqualRows:
        """Which of them are equal, where the process shares what they cost; looked at once."""
        return self.process.sharing.equal(self.x, self.cond)

    @cached_property
    def _answers(self) -> tuple[Distribution, NoEqualRows]:
        """The network's only call, at most once a particle and time: its answers for one of each kind, and the kinds."""
        if self._some is not None:
            completed = self._some.completed(lambda missing: replace(self.take(missing, None)).posterior)
            return completed, NoEqualRows(len(self))
        process, equal = self.process, self.equal
        answers = process.sharing.answer(process.denoiser, self.x, self.t, self.cond, equal)
        if rows(answers) != len(equal):
            raise ValueError(
                f"the denoiser was given {len(equal)} rows and answered {rows(answers)}; "
                "it must return one row for each"
            )
        for leaf in leaves(answers):
            if leaf.is_floating_point():
                self._doubt(has_nan(leaf), lambda leaf=leaf: self._nan(leaf))  # type: ignore[misc]
        return answers, equal

    def _nan(self, leaf: Tensor) -> ValueError:
        kind = leaf.isnan().reshape(len(leaf), -1).any(1).nonzero()[0].cpu()
        row = int((self.equal.of(torch.arange(len(self), device="cpu")) == kind).nonzero()[0])
        return ValueError(f"the denoiser returned NaN at row {row}, t = {float(self.t):.4g}")

    def _doubt(self, flag: Tensor, error: Callable[[], Exception]) -> None:
        """A fault that is raised now on the CPU, and by `check` where the flag is on its way from another device."""
        if flag.device.type != "cpu":
            self._doubts.append(Doubt(flag, error))
        elif bool(flag):
            raise error()

    @cached_property
    def _doubts(self) -> list[Doubt]:
        return []

    def check(self) -> None:
        """Raises what was found wrong with the network's answers, and with the step that made these particles.

        Raises:
            ValueError: for NaN, and for a site that forbids every token.
        """
        for doubt in self._doubts:
            doubt.check()
        self._doubts.clear()

    @cached_property
    def posterior(self) -> Distribution:
        """q(x_0 | x_t), one row for each."""
        answers, equal = self._answers
        return equal.spread(answers)  # type: ignore[no-any-return]

    @property
    def has_posterior(self) -> bool:
        """Whether the network was asked already."""
        return "_answers" in self.__dict__

    def with_posterior(self, posterior: Distribution) -> "Particles":
        """The same particles with their `posterior` computed elsewhere; the process's move is drawn again.

        Raises:
            ValueError: unless it has one row for each particle.
        """
        return replace(self).keep_posterior(posterior)

    def keep_posterior(self, posterior: Distribution) -> "Particles":
        """Stores a `posterior` computed elsewhere, such as in parts, in these particles themselves; returns them.

        Raises:
            ValueError: unless it has one row for each particle.
        """
        if rows(posterior) != len(self):
            raise ValueError(f"a posterior of {rows(posterior)} rows does not belong to {len(self)} particles")
        self.__dict__["_answers"] = posterior, NoEqualRows(len(self))
        return self

    def keep_some(self, some: SomeAnswers) -> None:
        """Stores answers that were computed for some of these particles: whoever is taken brings its own along."""
        self.__dict__["_some"] = some

    @cached_property
    def _some(self) -> SomeAnswers | None:
        return None

    @property
    def filtered(self) -> LookAhead:
        """q(x_0 | x_t, x_s) by the answer of their parents x_t, without the network; from the prior, their own answer.

        Raises:
            UnfilteredStepError: if their step does not say what x_s tells of x_0.
        """
        return self.parents.look_ahead(self)

    @property
    def x0(self) -> Tree:
        """The look-ahead: the mode of q(x_0 | x_t), and the state itself at the end."""
        x0, equal = self.look_ahead
        return equal.spread(x0)

    @property
    def look_ahead(self) -> tuple[Tree, NoEqualRows]:
        """`x0` of one of each kind, and the kinds."""
        if self.final:
            return self.equal.distinct(self.x), self.equal
        answers, equal = self._answers
        return answers.mode(), equal

    def designs_ahead(self) -> tuple[Any, NoEqualRows]:
        """The designs of `look_ahead`."""
        x0, equal = self.look_ahead
        return self.process.designs(x0, equal.distinct(self.cond)), equal

    @property
    def moved(self) -> "Particles":
        """The same particles after the process's move at their own time, drawn once; without a move they themselves."""
        return self if self.process.move is None else self._moved

    @cached_property
    def _moved(self) -> "Particles":
        move = cast(Move, self.process.move)
        x = move(self.x, self.posterior, self.t, cast(Rng, self.rng))
        return replace(self, process=replace(self.process, move=None), x=x)

    @cached_property
    def kernel(self) -> Distribution:
        """p(x_s | x_t) for the next time s, from where the move has led."""
        s, here = self.process.moments[self.step + 1], self.moved
        return self.process.transition(here.x, here.posterior, self.t, s)

    def propose(self, m: int) -> "Particles":
        """`m` children of every particle, siblings adjacent, each with its parent's conditioning and memory."""
        if self.process.move is not None and self.process.move_each and m > 1:
            index = torch.arange(len(self), device="cpu").repeat_interleave(m)
            posterior = self.posterior  # of the parents, computed once
            return self[index].with_posterior(posterior[index]).propose(1)
        kernel = self.kernel
        x = kernel.sample(m, cast(Rng, self.rng))
        cond, memory = repeat(self.cond, m), dict(repeat(self.memory, m))  # values write into a child's own memory
        children = Particles(self.process, self.step + 1, x, cond, memory, self.rng, self._as_parents(m))
        if leaves(x)[0].device.type != "cpu":
            children._doubts.extend(forbidden(kernel))
            self.check()
        return children

    def _as_parents(self, m: int) -> Parents | NoParents:
        """What `m` children of each keep of them; not the particles, which keep their own parents."""
        here, (t, s) = self.moved, self.process.moments[self.step : self.step + 2]
        return parents(self.process.transition, self.kernel, here.x, *here._answers, (t, s), m)

    def spread(self, m: int) -> "Particles":
        """`m` copies of every particle, siblings adjacent."""
        x, cond, memory = repeat((self.x, self.cond, self.memory), m)
        return replace(self, x=x, cond=cond, memory=memory, parents=NO_PARENTS)

    def __getitem__(self, index: Int64[Tensor, " r"]) -> "Particles":
        return self.take(index, None if self.rng is None else self.rng.of_rows(index, len(self)))

    def take(self, index: Int64[Tensor, " r"], rng: Rng | None) -> "Particles":
        """The rows `index`, which draw from streams that are known to be those of their chains."""
        index, where = index.cpu(), leaves(self.x)[0].device
        kind = self._answers[1].of(index) if self.has_posterior else index
        there, kind = (index, kind) if where.type == "cpu" else torch.stack([index, kind]).to(where).unbind()
        x, cond = take(self.x, there), take(self.cond, there)
        chosen = Particles(self.process, self.step, x, cond, take(self.memory, index), rng, self.parents.take(index))
        if self.has_posterior:  # already paid for
            chosen.__dict__["_answers"] = self._answers[0][kind], NoEqualRows(len(index))
        elif self._some is not None:
            chosen.keep_some(self._some.take(index))
        if "_moved" in self.__dict__:  # already drawn
            chosen.__dict__["_moved"] = self._moved[index]
        return chosen
