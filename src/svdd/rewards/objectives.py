r"""Objectives: several rewards as one.

An objective combines components by name, each a reward, perhaps seen through a shape (`svdd.rewards.desirability`), perhaps
with a weight. In a run every component is a column of the result, with its own numbers, and is asked once for a design.

Components are called in their order. A design that one of them finds invalid (-inf) is invalid, and those listed after it are
not called: cheap ones go first. The failures of each component are settled by its own policy.

References:
    Derringer & Suich, Journal of Quality Technology 12:214, 1980, for desirabilities and their geometric mean.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from svdd.cost.batches import count, picked
from svdd.messages import check
from svdd.registry import as_reward
from svdd.rewards.combinations import OF_POSITIVE, PESSIMISTIC, combination, words
from svdd.rewards.desirability import Desirability, Number
from svdd.scoring.components import answers_of, as_component
from svdd.scoring.identity import reward_identity, source_of
from svdd.scoring.reward import Ask, Composite, Derive, Failure, Invalid, Reward, close, traits_of
from svdd.scoring.scorer import ComponentScorer

Components = Mapping[str, Any]
"""By name a reward or the name of one, or (reward, weight)."""


@dataclass(frozen=True)
class Part:
    """A component in its place.

    Args:
        reward: as it was given.
        worth: what its numbers are worth.
        weight: in the combination.
        scorer: the one way to it.
    """

    reward: Reward
    worth: Desirability
    weight: float
    scorer: ComponentScorer

    def settles(self, name: str, answer: Any) -> Any:
        """What the whole is if this component alone decides it, None if it does not."""
        if isinstance(answer, Failure):
            return replace(answer, why=f"{name}: {answer.why}")
        if isinstance(answer, Invalid):
            return answer
        if not math.isfinite(answer):
            return Invalid(f"{name} is invalid") if answer == -math.inf else math.nan
        return None if self.worth.met(answer) else Invalid(f"{name} is not met")


class Objective:
    """Several rewards as one; see `weighted_sum`, `product`, `geometric_mean`, `thresholds` and `pessimistic`.

    Args:
        combine: a name of `svdd.rewards.combinations.COMBINATIONS`.
        parts: components by name.
        kappa: of a pessimistic one.

    Raises:
        ValueError: if no component counts, and for a weight or a kappa that the combination cannot use.
    """

    def __init__(self, combine: str, parts: Mapping[str, Part], kappa: Number | None = None) -> None:
        self.combine, self.parts, self.kappa = combine, dict(parts), kappa
        self._combination = combination(combine, kappa)
        self.groupwise = any(traits_of(part.reward).groupwise for part in self.parts.values())
        self._counted = [name for name, part in self.parts.items() if not part.worth.must]
        few = combine == PESSIMISTIC and len(self._counted) < 2
        check(not few, f"a pessimistic reward needs 2 components or more that count, got {len(self._counted)}")
        check(self._counted, "an objective needs at least one component that counts, beside those that must be met")
        for name in self._counted:
            weight = self.parts[name].weight
            if not math.isfinite(weight) or (combine != "weighted-sum" and weight <= 0):
                raise ValueError(f"the weight of {name} is a positive number in a {words(combine)}, got {weight:g}")

    def __call__(self, designs: Any) -> list[Any]:
        """The objective of each design; `Invalid`, or a `Failure`, where a component is."""
        return self._walk(designs)[1]

    def __repr__(self) -> str:
        return f"{words(self.combine)} of {', '.join(self.parts)}"

    @property
    def components(self) -> dict[str, Reward]:
        """The components by name, and after a component its own."""
        found: dict[str, Reward] = {}
        for name, part in self.parts.items():
            found[name] = part.reward
            found |= {f"{name}.{one}": below for one, below in traits_of(part.reward).components.items()}
        return found

    @property
    def derived(self) -> dict[str, Derive]:
        """The further columns of its components, named after them."""
        own = {name: traits_of(part.reward).derived for name, part in self.parts.items()}
        return {f"{name}.{one}": partial(_of_part, name, below) for name in own for one, below in own[name].items()}

    def asking(self, ask: Ask) -> "Objective":
        """The same objective, each component called through what `ask` makes of its name and itself."""
        parts = {name: replace(part, scorer=_scorer(name, part, ask)) for name, part in self.parts.items()}
        return Objective(self.combine, parts, self.kappa)

    def table(self, designs: Any) -> dict[str, list[Any]]:
        """What each component answers; NaN where it was not asked, since one before it had settled the matter."""
        n, columns = count(designs), dict[str, list[Any]]()
        for name, answers in self._walk(designs)[0].items():
            rows = list(answers)
            columns[name] = [answers.get(row, math.nan) for row in range(n)]
            for one, values in answers_of(self.parts[name].scorer.reward, picked(designs, rows)).items():
                known = dict(zip(rows, values, strict=True))
                columns[f"{name}.{one}"] = [known.get(row, math.nan) for row in range(n)]
        return columns

    def close(self) -> None:
        """Ends the processes and connections of its components."""
        for part in self.parts.values():
            close(part.reward)

    @property
    def identity(self) -> str:
        """What decides its numbers.

        Raises:
            ValueError: if a component cannot be told from others.
        """
        parts = [
            (reward_identity(part.reward), part.worth.shape, part.worth.must, part.weight)
            for part in self.parts.values()
        ]
        how = self.combine if self.kappa is None else f"{self.combine} {self.kappa:g}"
        return f"{how} of {parts} {source_of(Objective)} {source_of(Desirability)}"

    def _walk(self, designs: Any) -> tuple[dict[str, dict[int, Any]], list[Any]]:
        """What each component answers about which rows, and what the whole comes to."""
        n, settled, answers = count(designs), dict[int, Any](), dict[str, dict[int, Any]]()
        for name, part in self.parts.items():
            rows = [row for row in range(n) if row not in settled]
            given = designs if len(rows) == n else picked(designs, rows)
            answers[name] = dict(zip(rows, part.scorer.submit(given).result() if rows else [], strict=True))
            ends = {row: part.settles(name, answer) for row, answer in answers[name].items()}
            settled |= {row: end for row, end in ends.items() if end is not None}
        whole = [
            settled[row] if row in settled else self._combined({name: answers[name][row] for name in self._counted})
            for row in range(n)
        ]
        return answers, whole

    def _combined(self, answers: Mapping[str, float]) -> float:
        values = {name: self.parts[name].worth.of(answer) for name, answer in answers.items()}
        lowest = min(values, key=lambda name: values[name])
        if self.combine in OF_POSITIVE and values[lowest] < 0:
            raise ValueError(
                f"a {words(self.combine)} takes numbers of 0 or more, but {lowest} is {values[lowest]:g}: "
                "see it through a ramp or a sigmoid"
            )
        return self._combination(list(values.values()), [self.parts[name].weight for name in values])


def _scorer(name: str, part: Part, ask: Ask) -> ComponentScorer:
    given = part.scorer.reward
    if isinstance(given, Composite):
        return as_component(given.asking(lambda below, reward: ask(f"{name}.{below}", reward)), name)
    return as_component(ask(name, given), name)


def _part(name: Any, given: Any) -> Part:
    check(isinstance(name, str) and name and "." not in name, f"a component has a name without a dot, got {name!r}")
    reward, weight = given if isinstance(given, tuple) and len(given) == 2 else (given, 1.0)
    reward = as_reward(reward) if isinstance(reward, str) else reward
    if not callable(reward) or isinstance(weight, bool) or not isinstance(weight, Number):
        raise ValueError(f"the component {name} is a reward, its name, or (reward, weight), got {given!r:.80}")
    worth = reward if isinstance(reward, Desirability) else Desirability(reward)
    if worth.must and isinstance(given, tuple):
        raise ValueError(f"the component {name} must be met, so it has no weight; give it alone")
    return Part(worth.reward, worth, float(weight), as_component(worth.reward, name))


def _of_part(name: str, derive: Derive, designs: Any, columns: Mapping[str, list[Any]]) -> list[Any]:
    own = {
        column.removeprefix(f"{name}."): values for column, values in columns.items() if column.startswith(f"{name}.")
    }
    return derive(designs, own)


def objective(combine: str, components: Components, kappa: Number | None = None) -> Objective:
    """An objective by the name of its combination.

    Args:
        combine: a name of `svdd.rewards.combinations.COMBINATIONS`.
        components: rewards by name, or (reward, weight).
        kappa: of a pessimistic one, 1 unless given.

    Raises:
        ValueError: for no components, one that is no reward or has an impossible weight, and an impossible kappa.
    """
    return Objective(combine, {name: _part(name, given) for name, given in components.items()}, kappa)


def weighted_sum(components: Components) -> Objective:
    r"""$r(x) = \sum_i w_i d_i(x)$.

    Args:
        components: by name a reward, seen through a shape or not, or its name; or (reward, weight); any weight, 1 unless given.

    Raises:
        ValueError: for no components, and one that is no reward or has a weight that is not finite.

    Cost:
        one row of each component for a different design; none of those after one that finds it invalid.
    """
    return objective("weighted-sum", components)


def product(components: Components) -> Objective:
    r"""$r(x) = \prod_i d_i(x)^{w_i}$, of components that are 0 or more.

    Args:
        components: as of `weighted_sum`; weights are positive.

    Raises:
        ValueError: as there; in use, for a negative component.
    """
    return objective("product", components)


def geometric_mean(components: Components) -> Objective:
    r"""$r(x) = \bigl(\prod_i d_i(x)^{w_i}\bigr)^{1 / \sum_i w_i}$, of components that are 0 or more: 0 if any is.

    Args:
        components: as of `weighted_sum`; weights are positive.

    Raises:
        ValueError: as there; in use, for a negative component.
    """
    return objective("geometric-mean", components)


def thresholds(components: Components, share: bool = False) -> Objective:
    """Conditions together: 1 where all are met and 0 elsewhere, or the share that is met. One is met where it is 1.

    Args:
        components: as of `weighted_sum`, conditions such as `at_least` makes; weights, of the share, are positive.
        share: the share, by weight, in place of all or nothing: a search sees how far it is.

    Raises:
        ValueError: as of `weighted_sum`.
    """
    return objective("share-of-thresholds" if share else "thresholds", components)


def pessimistic(components: Components, kappa: Number = 1.0) -> Objective:
    r"""$r = m - \kappa \sqrt{\sum_i w_i (r_i - m)^2 / \sum_i w_i}$ of an ensemble with the weighted mean m.

    Where the members of an ensemble disagree, the guide is lower, so that designs are not led to where it is a guess.

    Args:
        components: as of `weighted_sum`, two or more predictors of the same number in one unit; weights are positive.
        kappa: deviations below the mean, 0 or more; choose it by a judge, such as with `svdd.hedge`.

    Raises:
        ValueError: as of `weighted_sum`, for fewer than two components, and for a kappa below 0.
    """
    return objective(PESSIMISTIC, components, kappa)
