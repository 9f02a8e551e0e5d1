"""Filtered values and the screen: what is asked, decoded and rewarded, and who stays in the choice."""

import math

import pytest
import torch

from support.processes import masked, reward, spied, streams, words
from svdd import decode
from svdd.decoding.decoding import Decoding
from svdd.decoding.decoding import last as last_step
from svdd.domains.toy import toy
from svdd.method.algorithms import svdd
from svdd.method.filtered_values import _best, filtered, screened
from svdd.method.values import log_mean_exp, posterior_mean


def test_it_is_the_reward_of_the_childs_tokens_and_the_parents_guesses():
    process, asked = spied(masked)
    parents = process.start(3, (), streams(3))
    children = parents.propose(2)
    asked.clear()
    v = filtered(reward)(children)
    guess = parents.posterior.mode().repeat_interleave(2, 0)
    assert torch.equal(v, torch.as_tensor(reward(torch.where(children.x == 3, guess, children.x))))
    assert asked == []


def test_draws_are_put_together_by_log_mean_exp():
    process = masked()
    one, other = (process.start(3, (), streams(3)).propose(2) for _ in range(2))
    x0 = other.filtered.sample(3, other.rng)
    expected = log_mean_exp(torch.as_tensor(reward(x0)).view(6, 3), 0.5)
    assert torch.equal(filtered(reward, 3, 0.5)(one), expected)


def test_equal_look_aheads_are_decoded_and_rewarded_once():
    seen = []

    def decoded(x):
        seen.append(len(x))
        return words(x)

    process, rewarded = masked(decode=decoded, time_independent=True), []
    decoding = Decoding(
        process, lambda designs: rewarded.extend(designs) or reward(designs), value="filtered", samples=8, candidates=20
    )
    for number, _ in enumerate(decoding):
        if number == 0:
            assert sum(seen) == len(set(rewarded)) < 8 * 20
    assert len(rewarded) == len(set(rewarded))


def test_a_designs_conditioning_comes_with_it():
    process = masked(attach=lambda x, cond: torch.cat([x, cond], 1))
    cond = torch.tensor([[0], [2]])
    step = last_step(
        svdd(process, filtered(lambda d: (d[:, :4] == d[:, 4:]).sum(1).double()), candidates=30, chains=2,
             cond=cond, rng=streams(2))
    )  # fmt: skip
    assert bool((step.particles.x == cond).all(1).all())


@pytest.mark.parametrize("rescore", [1, 2, 4, 9])
def test_a_screen_asks_for_m_rows_per_parent(rescore):
    settings = {"value": f"filtered,rescore={rescore}", "samples": 3, "candidates": 6, "share": False}
    usage = decode(masked(steps=5), reward, **settings).usage
    m = min(rescore, 6)
    assert usage.network.asked == 3 * (1 + 4 * m)
    assert usage.reward.asked == 3 * (5 * 6 + (4 * m if m < 6 else 0))
    shared = decode(masked(steps=5), reward, **settings | {"share": True}).usage
    assert shared.network.asked <= usage.network.asked


def test_a_screen_of_all_is_the_posterior_mean():
    settings = {"samples": 5, "candidates": 4, "temperature": 0.3}
    screen, mean = (decode(masked(), reward, value=v, **settings) for v in ("filtered,rescore=4", "posterior-mean"))
    assert torch.equal(screen.samples, mean.samples)
    assert screen.usage.network.asked == mean.usage.network.asked


def children_of(m, count, parents=4):
    """Children of particles under uniform noise: an answer for the one is none for the other."""
    return m.process.start(parents, (), streams(parents)).propose(1).propose(count)


def test_winners_bring_the_answer_they_were_rescored_with():
    m = toy.uniform()
    children = children_of(m, 6)
    v = screened(m.reward, 2)(children).view(4, 6)
    assert (v > -torch.inf).sum(1).tolist() == [2] * 4
    index = v.argmax(1) + 6 * torch.arange(4)
    own = children.process.denoiser(children.x[index], children.t, ()).log_p
    assert torch.equal(children.take(index, None).posterior.log_p, own)
    assert torch.equal(children.take(torch.arange(24), None).posterior.log_p, children.process.denoiser(
        children.x, children.t, ()).log_p)  # fmt: skip


def test_above_temperature_zero_all_stay_in_the_choice():
    m = toy.uniform()
    children = children_of(m, 6)
    cold, warm = screened(m.reward, 2)(children), screened(m.reward, 2, 0.5)(children)
    out = cold.isneginf()
    assert torch.equal(warm[~out], cold[~out])
    assert torch.equal(warm[out], filtered(m.reward)(children)[out])


def test_where_all_that_were_rescored_are_invalid_the_others_stay():
    m = toy.uniform()
    children = children_of(m, 6)
    plain = filtered(m.reward)(children)
    best = _best(plain, children.parents.row, torch.arange(24), 2)
    worst = set(map(tuple, children[best].x0.tolist()))

    def strict(designs):
        return torch.tensor([-math.inf if tuple(x) in worst else float(r) for x, r in zip(
            designs.tolist(), m.reward(designs), strict=True)])  # fmt: skip

    v = screened(strict, 2)(children).view(4, 6)
    assert bool((v > -torch.inf).any(1).any())
    finite = filtered(strict)(children).view(4, 6)
    lost = [i for i in range(4) if not {*best.tolist()} & {6 * i + int(j) for j in (v[i] > -torch.inf).nonzero()}]
    for i in lost:
        kept = v[i] > -torch.inf
        assert torch.equal(v[i][kept], finite[i][kept])


def test_the_best_of_each_parent_and_the_first_of_equals():
    v = torch.tensor([1.0, 3.0, 3.0, 0.0, 5.0, 5.0, 5.0, 9.0])
    parent, alone = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), torch.arange(8)
    assert _best(v, parent, alone, 2).tolist() == [1, 2, 4, 7]
    assert _best(v, parent, alone, 1).tolist() == [1, 7]
    same = torch.tensor([0, 1, 1, 3, 4, 4, 6, 7])  # 2 equals 1, and 5 equals 4
    assert _best(v, parent, same, 2).tolist() == [0, 1, 4, 7]


def test_equal_siblings_are_rescored_once_and_share_what_came_of_it():
    process = masked(steps=40)  # few sites are revealed, so that many siblings are equal
    for _ in Decoding(process, reward, value="filtered,rescore=2", samples=4, candidates=8):
        pass
    decoding = Decoding(process, reward, value="filtered,rescore=2", samples=4, candidates=8)
    children = decoding.process.start(4, (), streams(4)).propose(8)
    v = screened(reward, 2)(children)
    keys = [(int(p), *x) for p, x in zip(children.parents.row, children.x.tolist(), strict=True)]
    assert len(set(keys)) < len(keys)
    for i, key in enumerate(keys):
        assert v[i] == v[keys.index(key)]
    assert len({keys[i] for i in (~v.isneginf()).nonzero().flatten().tolist() if keys[i][0] == 0}) <= 2


def test_a_screen_of_initial_noises_is_by_their_own_answers():
    settings = {"samples": 3, "candidates": 2, "prior_candidates": 3, "share": False}
    for value in ("filtered", "filtered,rescore=1"):
        usage = decode(masked(steps=4), reward, value=value, **settings).usage
        assert usage.network.asked == 3 * (3 + 3)


@pytest.mark.parametrize("bad", [{"samples": 0}, {"temperature": -1.0}])
def test_bad_sizes_are_refused(bad):
    with pytest.raises(ValueError, match="need samples >= 1 and temperature >= 0"):
        filtered(reward, **bad)
    with pytest.raises(ValueError, match="need rescore >= 1, got 0"):
        screened(reward, 0)


def test_a_value_in_python_is_the_value_by_name():
    named = decode(masked(), reward, candidates=4, samples=3, value="filtered")
    given = decode(masked(), reward, candidates=4, samples=3, value=filtered(reward))
    other = decode(masked(), reward, candidates=4, samples=3, value=posterior_mean(reward))
    assert torch.equal(named.samples, given.samples)
    assert named.usage.network.asked < other.usage.network.asked
