r"""Filtered values: candidates valued with their parent's answer, so that the network is asked for the winners alone.

The network says $p_i(x_0 | x_t)$ of a parent. By Bayes' rule at every site, $q(x_0 | x_t, x_s)$ of its child $x_s$ follows
without asking again (`svdd.chain.filtering`). What is lost is what the new tokens say of the other sites. That is little where
few sites change per step or sites depend weakly on each other, much where one token decides over distant ones, as in SELFIES.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.equal_rows import EqualRows
from svdd.chain.process import Particles
from svdd.chain.some_answers import SomeAnswers
from svdd.method.values import Value, evaluate, log_mean_exp, posterior_mean, true_at_the_end
from svdd.scoring.reward import Reward
from svdd.scoring.scorer import as_scorer


def filtered(reward: Reward, samples: int | None = None, temperature: float = 1.0) -> Value:
    r"""Filtered look-ahead: $v(x_s) = r(\hat x_0)$, $\hat x_0$ the mode of $q(x_0 | x_t, x_s)$; no network row per candidate.

    $q(x_{0,i} | x_t, x_s) \propto p_i(x_0 | x_t) \, q(x_{s,i} | x_{t,i}, x_{0,i})$ at every site, with the answer p for the
    parent. With `samples`, $v = a \log \frac1K \sum_k \exp(r(x_0^k)/a)$ of K draws from it in place of the mode.
    Biased as its unfiltered counterpart is, and because the new tokens say nothing of the other sites. Weighted methods
    stay right: any positive number may weigh.

    Args:
        reward: designs to one number each, higher is better.
        samples: K; the mode unless given.
        temperature: a, for draws; give the same as to the algorithm. 0 takes the best of K.

    Raises:
        ValueError: for K < 1 or a negative temperature.
        UnfilteredStepError: once a child is valued whose step is not one of tokens, such as of images or graphs.

    Cost:
        no network row: T per particle in all, which the steps themselves ask for. 1 decoder row and 1 reward row per state,
        or K; equal look-aheads are decoded and rewarded once.

    References:
        Li et al., arXiv 2408.08252; Guo et al. (TreeG), arXiv 2502.11420, value children by drawn designs.
    """
    if (samples is not None and samples < 1) or temperature < 0:
        raise ValueError(f"need samples >= 1 and temperature >= 0, got {samples} and {temperature}")
    scorer = as_scorer(reward)

    def of_the_mode(particles: Particles) -> Float[Tensor, " n"]:
        x0, process = particles.filtered.mode(), particles.process
        equal = process.sharing.equal(x0, particles.cond)
        designs = process.designs(equal.distinct(x0), equal.distinct(particles.cond))
        return scorer.submit(designs, equal).result()  # type: ignore[no-any-return]

    def of_draws(particles: Particles) -> Float[Tensor, " n"]:
        assert particles.rng is not None, "particles made by a process carry their streams"
        draws = samples or 1
        x0 = particles.filtered.sample(draws, particles.rng)
        return log_mean_exp(evaluate(scorer, particles, x0).view(-1, draws), temperature)

    return true_at_the_end(of_the_mode if samples is None else of_draws, scorer)


def screened(reward: Reward, rescore: int = 3, temperature: float = 0.0) -> Value:
    r"""Screen: all M candidates valued by `filtered`, and the best m of each parent again by `posterior_mean`.

    At temperature 0 the others are out of the choice. Above 0 they stay in it with their filtered value: a weight of zero for
    what might have been good would make weighted methods wrong. Equal siblings count once, and the first of two with one
    value goes before the second. Where all m are invalid, the others stay in.

    Args:
        reward: designs to one number each, higher is better.
        rescore: m.
        temperature: of the algorithm.

    Raises:
        ValueError: for m < 1.
        UnfilteredStepError: as `filtered`.

    Cost:
        1 + (T - 1) m network rows and T M + (T - 1) m reward rows per chain at temperature 0; a winner that was not rescored
        costs one network row more.

    References:
        Li et al., arXiv 2408.08252.
    """
    if rescore < 1:
        raise ValueError(f"need rescore >= 1, got {rescore}")
    scorer = as_scorer(reward)
    first, again = filtered(scorer), posterior_mean(scorer)

    def value(particles: Particles) -> Float[Tensor, " n"]:
        if particles.parents.most_siblings <= rescore or particles.has_posterior:  # there is nothing to save
            return again(particles)
        v = first(particles)
        parent, same = particles.parents.row, _first_equal_sibling(particles)  # type: ignore[union-attr]
        best = _best(v, parent, same, rescore)
        some = particles.take(best, None)
        better = again(some)
        place = torch.full_like(parent, -1).index_copy(0, best, torch.arange(len(best), device="cpu"))[same]
        particles.keep_some(SomeAnswers(some.posterior, place))
        seen = torch.zeros_like(parent, dtype=torch.bool)
        seen[parent[best][~better.isneginf()]] = True  # of parents with a valid child
        others = torch.where(seen[parent], -torch.inf, v) if temperature == 0 else v
        return torch.where(place < 0, others, better[place])

    return true_at_the_end(value, scorer)


def _first_equal_sibling(particles: Particles) -> Int64[Tensor, " n"]:
    """The first of the rows that are equal and have one parent, for each row."""
    n = len(particles)
    row = torch.arange(n, device="cpu")
    if not isinstance(particles.equal, EqualRows):
        return row
    pair = particles.parents.row * n + particles.equal.of(row)  # type: ignore[union-attr]
    _, number = pair.unique(return_inverse=True)
    return torch.full_like(row, n).scatter_reduce(0, number, row, "amin")[number]


def _best(
    v: Float[Tensor, " n"], parent: Int64[Tensor, " n"], same: Int64[Tensor, " n"], most: int
) -> Int64[Tensor, " k"]:
    """The rows with the best values of each parent, at most so many of each; of equal siblings the first."""
    rows = (same == torch.arange(len(same), device="cpu")).nonzero().flatten()
    rows = rows[v[rows].argsort(descending=True, stable=True)]
    rows = rows[parent[rows].argsort(stable=True)]
    of = parent[rows]
    rank = torch.arange(len(rows), device="cpu") - torch.searchsorted(of, of)
    return rows[rank < most].sort().values
