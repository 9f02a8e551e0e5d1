"""Selectors: unbiased counts, conserved level, rows that know nothing of each other."""

import filterpy.monte_carlo.resampling as filterpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.processes import streams
from svdd.method import selectors
from svdd.method.selectors import (
    adaptive,
    effective_sample_size,
    keep,
    log_mean,
    multinomial,
    nested,
    residual,
    ssp,
    stratified,
    systematic,
    top,
    twice_tilted,
)

INF = float("inf")
RESAMPLERS = {f.__name__: f for f in (multinomial, stratified, systematic, residual, ssp)}
ROUNDED = ("systematic", "ssp")
REPEATS = 10_000
WEIGHTS = torch.tensor([0.05, 0.35, 0.1, 0.3, 0.2], dtype=torch.float64)


def logs(values):
    return torch.tensor(values, dtype=torch.float64)


def counts(ancestor, k):
    return torch.nn.functional.one_hot(ancestor, k).sum(1).double()


@pytest.fixture(params=RESAMPLERS)
def resampler(request):
    return RESAMPLERS[request.param]


# --- unbiased ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 5, 8])
def test_counts_are_unbiased(resampler, n):
    drawn = counts(resampler(WEIGHTS.log().expand(REPEATS, 5), n, streams()).ancestor, 5)
    expected = n * WEIGHTS
    part = expected - expected.floor()
    least = (part * (1 - part)).clamp(min=1e-12)  # the smallest variance an unbiased count can have
    assert torch.equal(drawn.sum(1), torch.full((REPEATS,), float(n), dtype=torch.float64))
    z = (drawn.mean(0) - expected) / (torch.maximum(drawn.var(0), least) / REPEATS).sqrt()
    assert float(z.abs().max()) < 5, z


def test_a_fixed_offset_in_systematic_would_be_seen(monkeypatch):
    """u = 1/2 gives the best counts and no randomness: the test above must see it."""
    fixed = streams()
    monkeypatch.setattr(type(fixed), "uniform", lambda self, shape, **kwargs: torch.full(shape, 0.5, **kwargs))
    drawn = counts(systematic(WEIGHTS.log().expand(REPEATS, 5), 3, fixed).ancestor, 5)
    assert float((drawn.mean(0) - 3 * WEIGHTS).abs().max()) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDED)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(-8, 4), min_size=1, max_size=9), st.integers(1, 12), st.integers(0, 99))
def test_counts_are_rounded_expectations(name, log_w, n, seed):
    drawn = counts(RESAMPLERS[name](logs([log_w] * 20), n, streams(seed=seed)).ancestor, len(log_w))
    expected = n * logs(log_w).softmax(-1)
    assert bool((drawn >= (expected - 1e-9).floor()).all())
    assert bool((drawn <= (expected + 1e-9).ceil()).all())


def test_ssp_counts_are_negatively_associated():
    drawn = counts(ssp(logs([0.0] * 6).expand(REPEATS, 6), 3, streams()).ancestor, 6)
    covariance = torch.cov(drawn.T) - torch.diag(drawn.var(0))
    assert float(covariance.max()) < 5 * 0.25 / REPEATS**0.5
    assert float(covariance.sum()) < -1


def test_residual_keeps_what_is_certain():
    drawn = counts(residual(WEIGHTS.log().expand(500, 5), 10, streams()).ancestor, 5)
    assert bool((drawn >= (10 * WEIGHTS + 1e-9).floor()).all())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["systematic", "stratified", "multinomial"])
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.integers(0, 99))
def test_filterpy_draws_the_same_ancestors_from_the_same_uniforms(scheme, log_w, seed):
    n = len(log_w)
    shape = (1, 1 if scheme == "systematic" else n)
    uniforms = streams(seed=seed).uniform(shape, dtype=torch.float64)[0].numpy()
    weights = logs(log_w).softmax(-1).numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filterpy, "random", lambda size=None: uniforms)
        theirs = getattr(filterpy, f"{scheme}_resample")(weights)
    ours = RESAMPLERS[scheme](logs([log_w]), n, streams(seed=seed)).ancestor[0]
    assert ours.tolist() == list(theirs)


# --- edges -------------------------------------------------------------------------------------------------------


def test_uniform_weights(resampler):
    drawn = counts(resampler(torch.full((200, 6), 7.0).double(), 6, streams()).ancestor, 6)
    if resampler is not multinomial and resampler is not stratified:
        assert torch.equal(drawn, torch.ones(200, 6).double())
    assert torch.equal(drawn.sum(1), torch.full((200,), 6.0).double())


def test_a_single_finite_weight_wins_everything(resampler):
    log_w = torch.full((30, 5), -INF).double()
    log_w[:, 3] = -1e4
    assert resampler(log_w, 7, streams()).ancestor.unique().tolist() == [3]


def test_a_chain_without_weights_selects_uniformly(resampler):
    selection = resampler(torch.full((REPEATS, 4), -INF).double(), 2, streams())
    drawn = counts(selection.ancestor, 4).mean(0)
    assert float((drawn - 0.5).abs().max()) < 5 * (0.5 / REPEATS) ** 0.5
    assert bool(selection.log_w.isneginf().all())


def test_one_candidate(resampler):
    selection = resampler(logs([[-3.0], [-INF]]), 4, streams(2))
    assert selection.ancestor.tolist() == [[0] * 4] * 2
    assert selection.log_w[0].tolist() == [-3.0] * 4


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_huge_log_weights(resampler, size):
    log_w = logs([0.0, size, size + 1]).expand(50, 3)
    selection = resampler(log_w, 6, streams())
    assert bool(selection.log_w.isfinite().all())
    assert set(selection.ancestor.unique().tolist()) <= ({1, 2} if size > 0 else {0})


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=8), st.integers(-1000, 1000), st.integers(1, 9))
def test_a_constant_changes_only_the_level(log_w, shift, n):
    for resampler in RESAMPLERS.values():  # eighths, so that adding the constant is exact
        plain = resampler(logs([log_w]) / 8, n, streams())
        moved = resampler(logs([log_w]) / 8 + shift, n, streams())
        assert torch.equal(plain.ancestor, moved.ancestor)
        assert torch.allclose(plain.log_w + shift, moved.log_w)


@pytest.mark.parametrize("bad", [float("nan"), INF])
@pytest.mark.parametrize("select", [*RESAMPLERS.values(), top, adaptive(systematic, 0.0), nested(systematic)])
def test_nan_and_infinity_are_refused(select, bad):
    with pytest.raises(ValueError, match="chain 1 has a log-weight that is NaN or \\+inf"):
        select(logs([[0.0, 1.0], [bad, 0.0]]), 1 if select is top else 2, streams(2))


# --- level -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4, 9])
def test_survivors_carry_the_log_of_the_mean_weight(resampler, n):
    log_w = streams(seed=1).normal((20, 4), dtype=torch.float64) * 3
    selection = resampler(log_w, n, streams())
    expected = log_w.exp().mean(1).log()
    assert selection.log_w.shape == (20, n)
    assert torch.allclose(selection.log_w, expected[:, None].expand(20, n))
    assert torch.allclose(log_mean(selection.log_w), log_mean(log_w))


def test_survivors_can_be_written_without_touching_each_other(resampler):
    selection = resampler(logs([[0.0, 1.0]]), 3, streams())
    selection.log_w[0, 0] = 9.0
    assert float(selection.log_w[0, 1]) != 9.0


def test_effective_sample_size():
    log_w = logs([[2.0] * 4, [0.0, -INF, -INF, -INF], [-INF] * 4, [0.0, 0.0, -INF, -INF], [1e4, 1e4, 0.0, 0.0]])
    assert effective_sample_size(log_w).tolist() == pytest.approx([4, 1, 4, 2, 2])
    w = logs([0.3, 0.7, 0.5])
    assert float(effective_sample_size(w.log()[None])) == pytest.approx(float(w.sum() ** 2 / (w**2).sum()))


# --- adaptive ----------------------------------------------------------------------------------------------------


def test_adaptive_at_zero_never_and_at_one_always_resamples(resampler):
    log_w = streams(seed=2).normal((50, 4), dtype=torch.float64) * 20
    never, always = (adaptive(resampler, ess)(log_w, 4, streams()) for ess in (0.0, 1.0))
    assert torch.equal(never.ancestor, torch.arange(4).expand(50, 4))
    assert torch.equal(never.log_w, log_w)
    plain = resampler(log_w, 4, streams())
    assert torch.equal(always.ancestor, plain.ancestor)
    assert torch.equal(always.log_w, plain.log_w)
    equal = adaptive(multinomial, 1.0)(torch.zeros(500, 4).double(), 4, streams())
    assert not torch.equal(equal.ancestor, torch.arange(4).expand(500, 4))


def test_adaptive_decides_for_every_chain():
    log_w = logs([[0.0, 0.1, 0.0, 0.0], [0.0, -50.0, -50.0, -50.0]])
    selection = adaptive(systematic, 0.5)(log_w, 4, streams(2))
    assert selection.ancestor.tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]]
    assert torch.equal(selection.log_w[0], log_w[0])
    assert torch.allclose(log_mean(selection.log_w), log_mean(log_w))


def test_adaptive_threshold():
    log_w = logs([[0.0, 0.0, -INF, -INF]])  # effective size 2 of 4
    assert adaptive(systematic, 0.49)(log_w, 4, streams()).ancestor.tolist() == [[0, 1, 2, 3]]
    assert adaptive(systematic, 0.51)(log_w, 4, streams()).ancestor.tolist() == [[0, 0, 1, 1]]


def test_adaptive_always_resamples_where_sizes_differ():
    assert adaptive(systematic, 0.0)(torch.zeros(1, 6).double(), 3, streams()).ancestor.shape == (1, 3)


@pytest.mark.parametrize("ess", [-0.1, 1.1])
def test_adaptive_needs_a_fraction(ess):
    with pytest.raises(ValueError, match="ess is a fraction"):
        adaptive(systematic, ess)


# --- rows --------------------------------------------------------------------------------------------------------


EVERY = {
    **RESAMPLERS, "top": top, "keep": keep, "adaptive": adaptive(systematic), "nested": nested(adaptive(systematic)),
    "twice tilted": twice_tilted(multinomial), "twice tilted, some": twice_tilted(top, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_chains_know_nothing_of_each_other(name):
    log_w = streams(seed=4).normal((5, 8), dtype=torch.float64) * 2
    other = log_w.clone()
    other[2] = logs([1e4, -1e4, -INF, 3, 3, 3, 0, 0])
    before, after = (EVERY[name](w, 4, streams(5)) for w in (log_w, other))
    untouched = torch.tensor([0, 1, 3, 4])
    assert torch.equal(before.ancestor[untouched], after.ancestor[untouched])
    assert torch.equal(before.log_w[untouched], after.log_w[untouched])
    alone = EVERY[name](log_w[3:4], 4, selectors.Rng(0, [3]))
    assert torch.equal(alone.ancestor, before.ancestor[3:4])
    assert torch.equal(alone.log_w, before.log_w[3:4])


# --- top, nested, twice tilted -----------------------------------------------------------------------------------


def test_top_takes_the_best_and_their_weights():
    selection = top(logs([[0.0, 3.0, -INF, 2.0]]), 3, streams())
    assert selection.ancestor.tolist() == [[1, 3, 0]]
    assert selection.log_w.tolist() == [[3.0, 2.0, 0.0]]


@pytest.mark.parametrize("level", [0.0, -INF])
def test_top_breaks_ties_uniformly(level):
    log_w = logs([level, level, -INF if level == 0.0 else level, level]).expand(REPEATS, 4)
    drawn = counts(top(log_w, 1, streams()).ancestor, 4)
    tied = (log_w[0] == log_w[0].max()).double()
    expected = tied / tied.sum()
    assert float((drawn.mean(0) - expected).abs().max()) < 5 * (0.25 / REPEATS) ** 0.5
    assert bool((drawn.sum(0)[tied == 0] == 0).all())


def test_nested_picks_one_child_of_every_parent_and_weighs_it_by_its_siblings():
    log_w = streams(seed=5).normal((REPEATS, 6), dtype=torch.float64)[:1].expand(REPEATS, 6)
    selection = nested(keep)(log_w, 3, streams())
    assert torch.equal(selection.ancestor // 2, torch.arange(3).expand(REPEATS, 3))
    assert torch.allclose(selection.log_w, log_w.view(REPEATS, 3, 2).exp().mean(-1).log())
    share = (selection.ancestor % 2).double().mean(0)
    expected = log_w[0].view(3, 2).softmax(-1)[:, 1]
    assert float((share - expected).abs().max()) < 5 * (0.25 / REPEATS) ** 0.5


def test_nested_counts_are_unbiased_over_the_whole_pool():
    log_w = logs([0.3, -1.0, 0.0, 1.5, -0.5, 0.2]).expand(REPEATS, 6)
    selection = nested(systematic)(log_w, 3, streams())
    drawn = counts(selection.ancestor, 6)
    z = (drawn.mean(0) - 3 * log_w[0].softmax(-1)) / (drawn.std(0) / REPEATS**0.5)
    assert float(z.abs().max()) < 5
    assert torch.allclose(log_mean(selection.log_w), log_mean(log_w))


def test_candidates_must_belong_to_parents():
    with pytest.raises(ValueError, match="5 candidates are not shared out evenly among 2 parents"):
        nested(systematic)(torch.zeros(1, 5).double(), 2, streams())


def test_svdd_r_replaces_only_the_lowest():
    log_w = logs([[0.0, 9.0, 1.0, 2.0]])  # one child each
    selection = twice_tilted(multinomial, replace=0.5)(log_w.expand(300, 4), 4, streams())
    assert torch.equal(selection.ancestor[:, [1, 3]], torch.tensor([1, 3]).expand(300, 2))
    assert set(selection.ancestor[:, [0, 2]].unique().tolist()) <= {1, 3}
    full = twice_tilted(multinomial, replace=None)(log_w.expand(300, 4), 4, streams())
    assert float((full.ancestor == 1).double().mean()) > 0.98
    assert torch.equal(full.log_w, log_w[0][full.ancestor])
