"""Intervals: resamples of runs and chains, what is too few for an interval, and the difference of two methods."""

import numpy
import pytest

from svdd.metrics import intervals


def test_a_resample_of_one_run_draws_its_chains():
    weights = intervals.bootstrap_weights([0] * 6, [0, 0, 1, 1, 2, 2], draws=200)
    assert weights.shape == (201, 6)
    assert (weights[0] == 1).all()
    assert (weights.sum(1) == 6).all()
    assert (weights[:, ::2] == weights[:, 1::2]).all()
    assert weights[1:].std() > 0.5
    numpy.testing.assert_array_equal(weights, intervals.bootstrap_weights([0] * 6, [0, 0, 1, 1, 2, 2], draws=200))


def test_a_resample_of_several_runs_draws_runs_first():
    run, chain = [0] * 4 + [1] * 4, [0, 1, 2, 3] * 2
    weights = intervals.bootstrap_weights(run, chain, draws=4000)[1:]
    first = weights[:, :4].sum(1)
    assert (weights.sum(1) == 8).all()
    assert set(first) == {0, 4, 8}
    assert (first == 4).mean() == pytest.approx(0.5, abs=0.04)
    between = intervals.interval(intervals.mean([0] * 4 + [1] * 4), intervals.Resamples.of(run, chain))
    assert between == (0.5, 0.0, 1.0)


def test_the_interval_of_a_mean():
    values = numpy.random.default_rng(0).normal(size=400)
    resamples = intervals.Resamples.of([0] * 400, range(400))
    estimate, low, high = intervals.interval(intervals.mean(values), resamples)
    assert estimate == pytest.approx(values.mean())
    assert low < estimate < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.1)
    narrow = intervals.interval(intervals.mean(values), resamples, confidence=0.5)
    assert narrow[2] - narrow[1] == pytest.approx(2 * 0.674 / 20, rel=0.15)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.77])
def test_a_weighted_quantile_is_that_of_repeated_values(share):
    generator = numpy.random.default_rng(1)
    values, weights = generator.normal(size=9), generator.integers(4, size=(30, 9)).astype(float)
    weights[:, 0] += 1
    found = intervals.quantile(values, share)(weights)
    repeated = [numpy.quantile(numpy.repeat(values, row.astype(int)), share) for row in weights]
    numpy.testing.assert_allclose(found, repeated)


def cover(chains, draw, truth, trials=500):
    """The share of nominal 95 % intervals of a mean that hold it."""
    generator, covered = numpy.random.default_rng(0), 0
    for seed in range(trials):
        resamples = intervals.Resamples.of([0] * chains, range(chains), draws=200, seed=seed)
        _, low, high = intervals.interval(intervals.mean(draw(generator, chains)), resamples)
        covered += low <= truth <= high
    return covered / trials


@pytest.mark.parametrize(("chains", "normal", "skewed"), [(8, 0.89, 0.84), (16, 0.92, 0.89)])
def test_an_interval_of_few_chains_covers_less_than_it_says(chains, normal, skewed):
    """The numbers that the module's first words state, from 4,000 draws."""
    assert cover(chains, lambda generator, n: generator.normal(size=n), 0) == pytest.approx(normal, abs=0.04)
    assert cover(chains, lambda generator, n: generator.exponential(size=n), 1) == pytest.approx(skewed, abs=0.04)


def test_an_interval_covers():
    generator, covered = numpy.random.default_rng(0), 0
    for _ in range(300):
        resamples = intervals.Resamples.of([0] * 60, range(60), draws=300)
        _, low, high = intervals.interval(intervals.quantile(generator.random(60), 0.5), resamples, confidence=0.9)
        covered += low <= 0.5 <= high
    assert 0.85 < covered / 300 < 0.97


def test_there_is_no_interval_of_fewer_than_8_chains():
    for chains, runs in ((7, [0] * 7), (7, [0, 0, 0, 0, 1, 1, 1])):
        found = intervals.interval(intervals.mean(range(chains)), intervals.Resamples.of(runs, range(chains)))
        assert found[0] == 3
        assert numpy.isnan(found[1:]).all()
    alike = intervals.Resamples.of(
        [0] * 70, [row % 7 for row in range(70)]
    )  # many designs of 7 chains are no more chains
    assert numpy.isnan(intervals.interval(intervals.quantile(range(70), 0.5), alike)[1:]).all()
    enough = intervals.interval(intervals.mean(range(8)), intervals.Resamples.of([0] * 8, range(8)))
    assert enough[1] < enough[0] < enough[2]


def test_the_chains_that_count_are_those_with_a_number():
    values = [*range(7), *[-numpy.inf] * 20]
    resamples = intervals.Resamples.of([0] * 27, range(27))
    for statistic in (intervals.mean(values), intervals.quantile(values, 0.5)):
        estimate, low, high = intervals.interval(statistic, resamples)
        assert estimate == 3
        assert numpy.isnan([low, high]).all()


@pytest.mark.parametrize(("chains", "said"), [(7, "no 95 % intervals"), (15, "too narrow"), (16, None)])
def test_few_chains_are_spoken_of(chains, said):
    notes = intervals.cautions(chains)
    assert len(notes) == (said is not None)
    assert all(said in note for note in notes)


def test_a_difference_is_that_of_the_statistics():
    one, other = numpy.arange(20.0), numpy.arange(20.0) ** 2
    clusters = [0] * 20, list(range(20))
    apart, low, high = intervals.difference(
        intervals.quantile(one, 0.5), intervals.quantile(other, 0.5), intervals.paired(clusters, clusters)
    )
    assert apart == numpy.median(one) - numpy.median(other)
    assert low < apart < high


def test_methods_with_the_same_seeds_are_drawn_together():
    clusters = [3] * 10 + [4] * 10, [*range(10)] * 2
    one, other = intervals.paired(clusters, clusters, draws=100)
    numpy.testing.assert_array_equal(one.weights, other.weights)
    shuffled = [4] * 10 + [3] * 10, [*range(10)] * 2  # the seed pairs, not the place
    other = intervals.paired(clusters, shuffled, draws=100)[1]
    numpy.testing.assert_array_equal(one.weights, numpy.roll(other.weights, 10, axis=1))
    values = numpy.random.default_rng(0).normal(size=20)
    pair = intervals.paired(clusters, clusters)
    known = intervals.difference(intervals.mean(values + 1), intervals.mean(values), pair)
    assert known == pytest.approx((1, 1, 1))  # what both share does not blur the difference


def test_methods_with_other_seeds_are_drawn_apart():
    one, other = intervals.paired(([0] * 10, range(10)), ([1] * 10, range(10)), draws=100)
    assert (one.weights[1:] != other.weights[1:]).any(1).all()
    assert (one.weights.sum(1) == 10).all()


def test_a_method_with_fewer_designs_of_a_seed_is_compared_too():
    one, other = ([0] * 30, range(30)), ([0] * 10, range(10))
    values = numpy.random.default_rng(0).normal(size=40)
    pair = intervals.paired(one, other)
    apart, low, high = intervals.difference(intervals.mean(values[:30]), intervals.mean(values[30:]), pair)
    assert apart == pytest.approx(values[:30].mean() - values[30:].mean())
    assert low < apart < high
    few = intervals.paired(one, ([0] * 7, range(7)))
    assert numpy.isnan(intervals.difference(intervals.mean(values[:30]), intervals.mean(values[30:37]), few)[1:]).all()


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_the_interval_of_a_difference_covers_whatever_the_methods_share(shared):
    generator, covered, width = numpy.random.default_rng(1), 0, 0.0
    clusters = [0] * 16, list(range(16))
    for seed in range(400):
        mine, own = generator.normal(size=(2, 16))
        theirs = shared * mine + (1 - shared**2) ** 0.5 * own
        pair = intervals.paired(clusters, clusters, draws=300, seed=seed)
        _, low, high = intervals.difference(intervals.mean(mine), intervals.mean(theirs), pair)
        covered, width = covered + (low <= 0 <= high), width + high - low
    assert covered / 400 == pytest.approx(0.915, abs=0.04)
    assert width / 400 == pytest.approx(1.29 if shared == 0 else 0.58, rel=0.05)


def test_what_is_not_finite_is_left_out():
    weights = intervals.Resamples.of([0, 0, 0], [0, 1, 2], draws=50)
    for values in ([1.0, numpy.nan, 3.0], [1.0, -numpy.inf, 3.0]):
        assert intervals.interval(intervals.mean(values), weights)[0] == 2
        assert intervals.interval(intervals.quantile(values, 0.5), weights)[0] == 2
    for statistic in (intervals.mean([numpy.nan] * 3), intervals.quantile([numpy.nan] * 3, 0.5)):
        assert all(numpy.isnan(intervals.interval(statistic, weights)))


def test_a_centred_interval_has_the_estimate_in_its_middle():
    weights = intervals.Resamples.of([0] * 50, range(50))

    def moved(rows):
        return numpy.where((rows == 1).all(1), 10.0, intervals.mean(range(50))(rows) - 5)

    pulled = intervals.Statistic(moved, range(50))
    estimate, low, high = intervals.interval(pulled, weights, centred=True)
    assert (estimate - low) == pytest.approx(high - estimate, rel=0.2)
    assert intervals.interval(pulled, weights)[2] > 10 + 8


def test_intervals_refuse_nonsense():
    with pytest.raises(ValueError, match="at least 1 design"):
        intervals.bootstrap_weights([], [])
    with pytest.raises(ValueError, match="share must lie strictly between 0 and 1, got 1"):
        intervals.quantile([1.0], 1.0)
    with pytest.raises(ValueError, match="confidence"):
        intervals.interval(intervals.mean([1.0]), intervals.Resamples.of([0], [0]), confidence=0.0)
