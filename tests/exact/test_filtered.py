"""Values that take the parent's answer, against enumerated laws and the figures they must have."""

import math

import pytest
import torch

import svdd
from exact import filtered_checks
from exact.filtered_checks import model
from exact.tools import assert_law, drive, histogram, total_variation
from svdd.domains.toy import toy
from svdd.domains.toy.enumeration import _joint, choice_law, place
from svdd.method.table import METHODS

# TV to the target, and the mean reward, as M grows: of the mode, and of infinitely many draws
FLOORS = {
    1.0: ((0.0782, 1.1796), (0.0251, 1.1649)),
    0.5: ((0.1461, 1.3162), (0.0430, 1.3453)),
    0.2: ((0.1916, 1.4604), (0.0601, 1.5698)),
}
LONG = {1.0: 0.0275, 0.5: 0.0472, 0.2: 0.0579}  # T = 32, of draws


@pytest.mark.parametrize("temperature", FLOORS)
def test_the_floors_on_the_enumerable_model(temperature):
    m = model("enumerable_a")
    for tables, expected in zip(
        (m.filtered_values(), m.filtered_values(temperature)), FLOORS[temperature], strict=True
    ):
        law = m.finite_law(tables, math.inf, temperature)
        found = total_variation(law, m.tilted(temperature)), float(law @ m.rewards)
        assert found == pytest.approx(expected, abs=5e-5)


# temperature, candidates, mean reward, and TV to the target, where a candidate is valued by one draw ("destination")
DESTINATION = [(0.2, 10, 1.491, 0.154), (0.0, 10, 1.565, None), (0.0, 32, 1.701, None)]


def destination_law(m, candidates, temperature):
    """The law of designs where candidates are valued by one draw of x_0 each: of pairs of both, one is kept."""
    law, last = m.prior, m.process.steps - 1
    for step in range(last):
        draws = _joint(m.filtered_law(step)).view(len(m.states), len(m.states), -1)
        pairs = m.kernel(step)[:, :, None] * draws
        drawn = pairs.sum(1)
        kept = choice_law(drawn, m.rewards, candidates, temperature) / drawn.clamp(min=1e-300)
        law = torch.einsum("s,syd,sd->y", law, pairs, kept)
    law = law @ choice_law(m.kernel(last), m.filtered_values()[-1], candidates, temperature)
    return law[place(m.designs, m.symbols)]


@pytest.mark.parametrize(("temperature", "candidates", "reward", "distance"), DESTINATION)
def test_one_draw_per_candidate_has_the_law_of_the_destination(temperature, candidates, reward, distance):
    """The figures are simulated, so that their last digit is uncertain; the law is exact."""
    m = model("enumerable_a")
    law = destination_law(m, candidates, temperature)
    assert float(law.sum()) == pytest.approx(1)
    assert float(law @ m.rewards) == pytest.approx(reward, abs=0.01)
    if distance is not None:
        assert total_variation(law, m.tilted(temperature)) == pytest.approx(distance, abs=0.01)
    value = svdd.filtered(m.reward, 1, temperature)
    settings = {"candidates": candidates, "temperature": temperature}
    assert_law(histogram(m, drive(m, "svdd", value, 20_000 // candidates, seed=43, **settings).particles.x), law)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", LONG)
def test_the_floors_of_a_longer_chain(temperature):
    m = toy.enumerable_a(32)
    law = m.finite_law(m.filtered_values(temperature), math.inf, temperature)
    assert total_variation(law, m.tilted(temperature)) == pytest.approx(LONG[temperature], abs=5e-5)


def test_of_independent_tokens_many_draws_give_the_exact_value():
    m, a = toy.masked(*_independent(), 3, 2, 4), 0.5
    exact, filtered = m.soft_values(a), m.filtered_values(a)
    for step in range(1, m.process.steps):
        possible = m.kernel(step - 1) > 0
        torch.testing.assert_close(filtered[step][possible], exact[step].expand_as(possible)[possible])


def _independent():
    p = torch.tensor([[0.3, 0.7], [0.6, 0.4], [0.9, 0.1]], dtype=torch.float64)
    x = toy.masked(torch.ones(8) / 8, torch.zeros(8), 3, 2, 1).designs
    return p[torch.arange(3), x].prod(1), (x.sum(1) == 2).double() + 0.3 * (x[:, 0] == x[:, 2])


@pytest.mark.parametrize("name", ["enumerable_a", "uniform"])
@pytest.mark.parametrize("value", [svdd.filtered, svdd.screened])
def test_one_candidate_is_the_pretrained_chain_bit_for_bit(name, value):
    m = model(name)
    plain = drive(m, "pretrained", svdd.posterior_mean(m.reward), 50, seed=5)
    for temperature in (0.0, 0.5):
        steered = drive(m, "svdd", value(m.reward), 50, seed=5, candidates=1, temperature=temperature)
        assert torch.equal(steered.particles.x, plain.particles.x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "temperature", "candidates"), [("enumerable_a", 0.2, 10), ("enumerable_a", 0.0, 4), ("uniform", 0.5, 4)]
)
def test_svdd_samples_its_exact_law(name, temperature, candidates):
    m = model(name)
    settings = {"temperature": temperature, "candidates": candidates}
    step = drive(m, "svdd", svdd.filtered(m.reward), 12_000, seed=42, **settings)
    assert_law(histogram(m, step.particles.x), m.finite_law(m.filtered_values(), candidates, temperature))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "settings"), [("smc", {}), ("nested-is", {"candidates": 3})])
@pytest.mark.parametrize("samples", [None, 2])
def test_weighted_methods_stay_unbiased(method, settings, samples):
    m = model("enumerable_a")
    value = svdd.filtered(m.reward, samples, temperature=1.0)
    filtered_checks.weighted_methods_are_unbiased(method, value=value, **settings)


CHECKS = [f for name, f in vars(filtered_checks).items() if getattr(f, "__module__", "") == filtered_checks.__name__]


@pytest.mark.slow
@pytest.mark.parametrize("check", [f for f in CHECKS if f is not filtered_checks.model], ids=lambda f: f.__name__)
def test_check(check):
    check()


@pytest.mark.filterwarnings(
    "ignore::svdd.method.algorithms.OverTiltWarning", "ignore::svdd.decoding.alarms.DegenerateProposalWarning"
)
def test_every_method_takes_it():
    m = model("enumerable_a")
    for name, row in METHODS.items():
        result = svdd.decode(m.process, m.reward, method=name, value="filtered", samples=row.designs_per_chain({}))
        assert torch.equal(result.rewards, m.reward(result.samples))
