"""The toy models against numbers computed independently: laws, log Z, and the tables of what Algorithm 1 samples."""

import math
from functools import lru_cache

import pytest
import torch

import svdd
from exact.tools import entropy, grid_moments, kl, total_variation
from svdd.chain.process import Particles
from svdd.domains.toy import enumeration, toy
from svdd.domains.toy.enumeration import choice_law

INF = math.inf
WIDTHS = (1, 2, 5, 10, 20, 50, INF)


@lru_cache
def model(name):
    return getattr(toy, name)()


@lru_cache
def tables(name, value, temperature):
    found = model(name)
    return {
        "exact": lambda: found.soft_values(temperature),
        "mean reward": found.mean_reward_values,
        "posterior mean": found.posterior_mean_values,
        "mean field": lambda: found.mean_field_values(INF),
        "log-mean-exp": lambda: found.mean_field_values(temperature),
    }[value]()


def near(numbers, digits=4):
    """Printed numbers, whose last digit is uncertain."""
    return pytest.approx(numbers, rel=0, abs=1.1 * 10**-digits)


MODELS = {
    "enumerable_a": {
        "data": [0.13752104, 0.00554916, 0.29397222, 0.00859073, 0.00248162],
        "reward": [1.38718758, 1.48156129, 0.52219879, 1.81330999, 0.30648693],
        "p": [0.12924087, 0.01130585, 0.27561809, 0.01003586],
        "moments": [0.067475, 0.879384, 1.161346, 1.917738, -1.616880, 2.525944],
        "best": [2, 1, 1, 0],
    },
    "enumerable_b": {
        "data": [0.00898983, 0.01586564, 0.00669967, 0.01238449, 0.03475557],
        "reward": [0.29361494, 1.02226291, -0.59612118, -0.62409951, -1.76065008],
        "p": [0.00893814, 0.01881953, 0.00742185, 0.01552663],
        "moments": [0.026603, 0.693033, 1.705419, 1.907111, -2.881719, 2.664459],
        "best": [2, 1, 1],
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_enumerable_models(name):
    m, known = model(name), MODELS[name]
    p, r = m.p_pre(), m.rewards
    ends = [0, 1, 2, 3, -1]
    assert m.data[ends].tolist() == pytest.approx(known["data"], rel=0, abs=2e-8)
    assert r[ends].tolist() == near(known["reward"], 8)
    assert p[:4].tolist() == near(known["p"], 8)
    moments = [total_variation(p, m.data), p @ r, p @ r**2, r.max(), r.min(), entropy(p)]
    assert [float(x) for x in moments] == near(known["moments"], 6)
    assert m.designs[r.argmax()].tolist() == known["best"]


TARGETS = [
    ("enumerable_a", 1.0, 1.043584, 1.183213, 0.139629, 2.256769),
    ("enumerable_a", 0.5, 2.329558, 1.373807, 0.418056, 1.952167),
    ("enumerable_a", 0.2, 6.875248, 1.603954, 1.144520, 1.392145),
    ("enumerable_b", 1.0, 1.132305, 1.432029, 0.299724, 1.736631),
    ("enumerable_b", 0.5, 2.706587, 1.677170, 0.647752, 1.123380),
    ("enumerable_b", 0.2, 8.094188, 1.858479, 1.198208, 0.384287),
]


@pytest.mark.parametrize(("name", "temperature", "log_z", "reward", "divergence", "spread"), TARGETS)
def test_targets(name, temperature, log_z, reward, divergence, spread):
    m = model(name)
    q = m.tilted(temperature)
    found = [m.log_z(temperature), float(q @ m.rewards), kl(q, m.p_pre()), entropy(q)]
    assert found == near([log_z, reward, divergence, spread], 6)
    # Two independent routes to log Z: the law of designs, and soft values back to the prior.
    start = torch.logsumexp(m.prior.log() + m.soft_values(temperature)[0] / temperature, 0)
    assert float(start) == pytest.approx(log_z, abs=1e-6)


@pytest.mark.parametrize("name", ["enumerable_a", "enumerable_b", "uniform", "one_step"])
def test_theorem_1_the_optimal_kernels_sample_the_target(name):
    m = model(name)
    law = m.finite_law(tables(name, "exact", 0.5), INF, 0.5, prior_candidates=INF)
    torch.testing.assert_close(law, m.tilted(0.5), rtol=0, atol=1e-15)


def test_a_prior_of_pure_noise_needs_no_tilt():
    m = model("uniform")
    law = m.finite_law(tables("uniform", "exact", 0.5), INF, 0.5)
    torch.testing.assert_close(law, m.tilted(0.5), rtol=0, atol=1e-15)


DISTANCES = {
    (1.0, "exact"): (0.2311, 0.1153, 0.0454, 0.0225, 0.0112, 0.0045, 0),
    (1.0, "mean reward"): (0.2311, 0.1158, 0.0452, 0.0237, 0.0160, 0.0119, 0.0112),
    (1.0, "posterior mean"): (0.2311, 0.1268, 0.0729, 0.0693, 0.0674, 0.0662, 0.0655),
    (1.0, "mean field"): (0.2311, 0.1191, 0.0500, 0.0298, 0.0219, 0.0182, 0.0160),
    (1.0, "log-mean-exp"): (0.2311, 0.1175, 0.0497, 0.0278, 0.0172, 0.0110, 0.0082),
    (0.5, "exact"): (0.4079, 0.1979, 0.0710, 0.0335, 0.0162, 0.0064, 0),
    (0.5, "mean reward"): (0.4079, 0.2044, 0.0905, 0.0581, 0.0430, 0.0367, 0.0352),
    (0.5, "posterior mean"): (0.4079, 0.2439, 0.1193, 0.0977, 0.0861, 0.0796, 0.0787),
    (0.5, "mean field"): (0.4079, 0.2126, 0.0993, 0.0660, 0.0491, 0.0398, 0.0349),
    (0.5, "log-mean-exp"): (0.4079, 0.2035, 0.0780, 0.0409, 0.0251, 0.0188, 0.0148),
    (0.2, "exact"): (0.6093, 0.3208, 0.1141, 0.0521, 0.0230, 0.0082, 0),
    (0.2, "mean reward"): (0.6093, 0.3527, 0.2085, 0.1602, 0.1262, 0.1066, 0.0885),
    (0.2, "posterior mean"): (0.6093, 0.4505, 0.2943, 0.1967, 0.1174, 0.1226, 0.1471),
    (0.2, "mean field"): (0.6093, 0.3754, 0.2295, 0.1767, 0.1405, 0.1206, 0.1079),
    (0.2, "log-mean-exp"): (0.6093, 0.3320, 0.1261, 0.0700, 0.0571, 0.0503, 0.0495),
}


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "value"), DISTANCES)
def test_distance_to_the_target_against_candidates(temperature, value):
    m, target = model("enumerable_a"), model("enumerable_a").tilted(temperature)
    laws = [m.finite_law(tables("enumerable_a", value, temperature), k, temperature) for k in WIDTHS]
    assert [total_variation(law, target) for law in laws] == near(DISTANCES[temperature, value])
    torch.testing.assert_close(laws[0], m.p_pre(), rtol=0, atol=1e-12)


DISTANCES_B = {
    (1.0, "exact"): (0.1373, 0.0450, 0.0211, 0.0104, 0.0041, 0),
    (1.0, "mean reward"): (0.1314, 0.0399, 0.0180, 0.0128, 0.0146, 0.0183),
    (1.0, "posterior mean"): (0.1101, 0.0368, 0.0219, 0.0238, 0.0268, 0.0288),
    (1.0, "log-mean-exp"): (0.1384, 0.0459, 0.0218, 0.0108, 0.0045, 0.0012),
    (0.2, "exact"): (0.3176, 0.0646, 0.0240, 0.0106, 0.0040, 0),
    (0.2, "posterior mean"): (0.3301, 0.0666, 0.0228, 0.0107, 0.0055, 0.0025),
}


@pytest.mark.parametrize(("temperature", "value"), DISTANCES_B)
def test_distance_to_the_target_where_the_posterior_mean_is_good(temperature, value):
    m, found = model("enumerable_b"), tables("enumerable_b", value, temperature)
    laws = [m.finite_law(found, k, temperature) for k in WIDTHS[1:]]
    distances = [total_variation(law, m.tilted(temperature)) for law in laws]
    assert distances == near(DISTANCES_B[temperature, value])


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0])
def test_rate_of_the_exact_value_is_one_over_candidates(temperature):
    m, exact = model("enumerable_a"), tables("enumerable_a", "exact", temperature)
    far, close = (total_variation(m.finite_law(exact, k, temperature), m.tilted(temperature)) for k in (100, 400))
    assert math.log(close / far) / math.log(4) == pytest.approx(-1, abs=0.05)


def test_infinite_temperature_is_the_pretrained_law():
    m = model("enumerable_a")
    law = m.finite_law(tables("enumerable_a", "posterior mean", 1.0), 20, 1e12)
    torch.testing.assert_close(law, m.p_pre(), rtol=0, atol=1e-10)


REWARDS_AT_02 = {
    "exact": (1.5095, 1.5651, 1.5887, 1.6040),
    "posterior mean": (1.3932, 1.4780, 1.5279, 1.5760),
    "log-mean-exp": (1.5013, 1.5671, 1.5984, 1.6169),
}


@pytest.mark.parametrize("value", REWARDS_AT_02)
def test_mean_reward_against_candidates(value):
    m, found = model("enumerable_a"), tables("enumerable_a", value, 0.2)
    rewards = [float(m.finite_law(found, k, 0.2) @ m.rewards) for k in (5, 10, 20, INF)]
    assert rewards == near(REWARDS_AT_02[value])


ARGMAX = {
    "exact": [(1.4115, 0.606, 1.54), (1.6194, 1.403, 0.82), (1.6556, 1.600, 0.76), (1.6713, 1.688, 0.82)],
    "mean reward": [(1.4271, 0.588, 1.56), (1.5343, 0.989, 1.13), (1.5369, 1.005, 1.17), (1.5432, 1.026, 1.27)],
    "posterior mean": [(1.1844, 0.212, 2.29), (1.3726, 0.625, 2.12), (1.4802, 0.861, 1.92), (1.5687, 1.106, 1.44)],
    "mean field": [(1.3808, 0.474, 1.75), (1.5199, 0.900, 1.34), (1.5378, 0.984, 1.23), (1.5504, 1.056, 1.17)],
    "best of n": [(1.2091, 0.184, 2.25), (1.5080, 0.785, 1.53), (1.6225, 1.299, 1.03), (1.6817, 1.737, 0.96)],
}


@pytest.mark.parametrize("value", ARGMAX)
def test_argmax_and_best_of_n(value):
    m = model("enumerable_a")
    for k, (reward, divergence, spread) in zip((2, 5, 10, 20), ARGMAX[value], strict=True):
        best = value == "best of n"
        law = m.best_of_n_law(k) if best else m.finite_law(tables("enumerable_a", value, 0.2), k, 0.0)
        assert float(law @ m.rewards) == near(reward)
        assert kl(law, m.p_pre()) == near(divergence, 3)
        assert entropy(law) == near(spread, 2)


def test_best_of_n_at_equal_reward_calls():
    a, b = model("enumerable_a"), model("enumerable_b")
    assert [float(a.best_of_n_law(n) @ a.rewards) for n in (80, 1280)] == near([1.8131, 1.9177])
    assert [float(b.best_of_n_law(n) @ b.rewards) for n in (2, 5, 10, 20)] == near([1.2988, 1.7320, 1.8653, 1.9035])


ARGMAX_B = {"posterior mean": [1.5760, 1.8780, 1.9033, 1.9068], "exact": [1.6873, 1.9058, 1.9071, 1.9071]}


@pytest.mark.parametrize("value", ARGMAX_B)
def test_argmax_where_the_posterior_mean_is_good(value):
    m, found = model("enumerable_b"), tables("enumerable_b", value, 0.2)
    assert [float(m.finite_law(found, k, 0.0) @ m.rewards) for k in (2, 5, 10, 20)] == near(ARGMAX_B[value])


def test_full_resampling_in_the_limit_over_tilts():
    m, v = model("enumerable_a"), tables("enumerable_a", "exact", 0.2)
    law = m.prior
    for step in range(m.process.steps):
        law = law @ choice_law(m.kernel(step), v[step + 1], INF, 0.2)
        law = choice_law(law[None], v[step + 1], INF, 0.2)[0]
    law = law[enumeration.place(m.designs, m.symbols)]
    assert total_variation(law, m.tilted(0.2)) == near(0.839, 3)
    assert [float(law @ m.rewards), kl(law, m.p_pre())] == near([1.913, 4.66], 2)


HAND = {
    1: ((0.5, 0.3, 0.2), (0.5, 0.3, 0.2)),
    2: ((0.39, 0.33, 0.28), (0.25, 0.39, 0.36)),
    3: ((0.34688095, 0.33312857, 0.31999048), (0.125, 0.387, 0.488)),
    5: ((0.31173102, 0.33028922, 0.35797976), (0.03125, 0.29643, 0.67232)),
    10: ((0.28637855, 0.32441479, 0.38920667), (0.000976563, 0.106397623, 0.892625814)),
}


@pytest.mark.parametrize("candidates", HAND)
def test_one_choice_by_hand(candidates):
    m = model("one_step")
    soft, hard = HAND[candidates]
    v = m.soft_values(1.0)
    assert m.finite_law(v, candidates, 1.0).tolist() == near(soft, 8)
    assert m.finite_law(v, candidates, 0.0).tolist() == near(hard, 8)
    assert m.tilted(1.0).tolist() == near((0.263158, 0.315789, 0.421053), 6)
    assert math.exp(m.log_z(1.0)) == pytest.approx(1.9, abs=1e-12)


HAND_DIVERGENCE = {1: 0, 2: 0.028765, 3: 0.058452, 5: 0.092888, 10: 0.124917}


@pytest.mark.parametrize("candidates", HAND_DIVERGENCE)
def test_divergence_of_one_choice(candidates):
    m = model("one_step")
    law = m.finite_law(m.soft_values(1.0), candidates, 1.0)
    assert kl(law, m.p_pre()) == near(HAND_DIVERGENCE[candidates], 6)


def test_first_order_in_the_number_of_candidates():
    """P_M = p* (1 + (chi2 + 1 - w / Z) / M), chi2 = Var(w) / Z^2, up to O(1 / M^2)."""
    m = model("one_step")
    w, target, v = m.rewards.exp(), m.tilted(1.0), m.soft_values(1.0)
    z = m.p_pre() @ w
    chi = (m.p_pre() @ w**2) / z**2 - 1
    assert float(chi) == near(0.357341, 6)
    first = {k: target * (1 + (chi + 1 - w / z) / k) for k in (10, 100, 1000)}
    assert first[10].tolist() == near((0.285027, 0.325412, 0.389561), 6)
    errors = [total_variation(first[k], m.finite_law(v, k, 1.0)) for k in (100, 1000)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 0.1, 1.0])
def test_divergence_of_a_choice_is_bounded(temperature):
    """KL(P_M || p) <= log M - (M - 1) / M, reached by the argmax of a continuous value."""
    p = torch.full((1, 20_000), 1 / 20_000, dtype=torch.float64)
    v = torch.linspace(-1, 1, 20_000, dtype=torch.float64)
    for k in (2, 5, 20):
        divergence, bound = kl(choice_law(p, v, k, temperature)[0], p[0]), math.log(k) - (k - 1) / k
        assert divergence < bound + 1e-9
        if temperature == 0:
            assert divergence == pytest.approx(bound, abs=1e-3)


def test_two_candidates_in_closed_form():
    m = model("enumerable_a")
    p, w = m.kernel(0), (m.soft_values(0.3)[1] / 0.3).exp()
    closed = 2 * p * w * (p @ (1 / (w[:, None] + w)))
    torch.testing.assert_close(choice_law(p, m.soft_values(0.3)[1], 2, 0.3), closed, rtol=1e-10, atol=1e-14)


def test_invalid_designs_are_never_chosen_over_valid_ones():
    p = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    v = torch.tensor([-torch.inf, 0.0, 1.0], dtype=torch.float64)
    assert float(choice_law(p, v, INF, 1.0)[0, 0]) == 0
    assert float(choice_law(p, v, 4, 0.0)[0, 0]) == pytest.approx(0.5**4)


@pytest.mark.slow
def test_independent_sites_make_the_mean_field_exact():
    m = model("independent_tokens")
    assert total_variation(m.p_pre(), m.data) < 1e-14
    soft, factorised = m.soft_values(0.5), m.mean_field_values(0.5)
    assert max(float((a - b).abs().max()) for a, b in zip(soft[:-1], factorised[:-1], strict=True)) < 1e-13


def test_uniform_kernels_are_exact_for_one_site():
    """The composition of exact single-site posteriors with the bridge is a law, and T = 1 gives their product."""
    m = model("uniform")
    for step in range(m.process.steps):
        torch.testing.assert_close(m.kernel(step).sum(1), torch.ones(27, dtype=torch.float64))
    assert total_variation(m.p_pre(), m.data) < total_variation(toy.uniform(1).p_pre(), m.data)


GAUSSIAN = [
    (4.0, 10, (0.8121, 0.4061), (0.9605, 0.3803)),
    (4.0, 200, (0.9883, 0.4942), (1.2449, 0.4299)),
    (1.0, 10, (1.4645, 0.1831), (1.8069, 0.1393)),
    (1.0, 200, (1.5925, 0.1991), (1.9579, 0.1260)),
    (0.25, 200, (1.8797, 0.0587), (2.0000, 0.0318)),
    (0.05, 200, (1.9747, 0.0123), (2.0000, 0.0065)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "steps", "target", "posterior_mean"), GAUSSIAN)
def test_quadratic_reward_on_a_gaussian(temperature, steps, target, posterior_mean):
    m = toy.gaussian_quadratic(steps)
    assert m.tilted(temperature) == near(target)
    assert m.policy(m.soft_values(temperature), temperature) == pytest.approx(m.tilted(temperature), abs=1e-12)
    assert m.policy(m.posterior_mean_values(), temperature) == near(posterior_mean)


@pytest.mark.parametrize(("steps", "variance"), [(10, 0.684), (50, 0.915), (200, 0.977)])
def test_a_discretised_chain_is_not_its_data(steps, variance):
    assert toy.gaussian_quadratic(steps).variance() == near(variance, 3)


@pytest.mark.slow
def test_linear_reward_on_a_gaussian():
    m = toy.gaussian_linear()
    assert m.variance() == near(0.895041, 6)
    assert m.ahead[0] == near((0.0015708, 0.895039), 6)
    assert m.tilted(0.8) == near((1.118802, 0.895041), 6)
    assert m.log_z(0.8) == near(0.699251, 6)
    candidates = (1, 2, 5, 20, 100, 400)
    means, variances = zip(*(m.finite_moments(k, 0.8) for k in candidates), strict=True)
    assert means == near((0, 0.5475, 0.8871, 1.0605, 1.1071, 1.1159))
    assert variances == near((0.8950, 0.8855, 0.8886, 0.8931, 0.8946, 0.8949))
    with pytest.raises(ValueError, match="linear"):
        toy.gaussian_quadratic().finite_moments(2, 0.8)


MIXTURE = {
    ("x", 1.0): (1.473918, 2.099012, 0.793653, (0.48525, 1.33012, 1.81988), (-0.90914, 0.94351, 1.65657)),
    ("-x", 0.5): (3.300658, -2.487433, 0.285825, (2.02211, 1.51411, 0.78253), (2.00300, 0.91915, -0.77876)),
    ("at -2", 0.5): (-1.397960, -1.986634, 0.187999, (-0.33886, -0.74077, -1.37728), (-0.16626, -1.02409, -2.80701)),
    ("at -2", 0.1): (-1.829946, -1.999807, 0.071526, (-0.10996, -0.19140, -0.32220), (-0.07330, -0.26235, -0.67132)),
    ("at 0", 0.5): (-1.661665, 0.479357, 0.594111, (-0.84959, -0.73332, -0.81599), (-0.91317, -0.44050, -0.74774)),
}
POLICY = {
    ("x", 1.0): (2.2528, 0.6798),
    ("-x", 0.5): (-2.6782, 0.2448),
    ("at -2", 0.5): (-2.1085, 0.1509),
    ("at -2", 0.1): (-2.0323, 0.0532),
    ("at 0", 0.5): (0.3306, 0.3054),
}
REWARDS = {
    "x": toy.Quadratic(1.0),
    "-x": toy.Quadratic(-1.0),
    "at -2": toy.Quadratic.around(-2.0),
    "at 0": toy.Quadratic.around(0.0),
}


def moments(mixture):
    w = mixture.log_w.exp()
    mean = float((w * mixture.mean).sum())
    return mean, float((w * (mixture.mean**2 + mixture.std**2)).sum()) - mean**2


@pytest.mark.parametrize(("reward", "temperature"), MIXTURE)
def test_mixture(reward, temperature):
    m = toy.mixture(reward=REWARDS[reward])
    log_z, mean, variance, early, late = MIXTURE[reward, temperature]
    assert m.log_z(temperature) == near(log_z, 6)
    assert moments(m.tilted(temperature)) == near((mean, variance), 6)
    x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    for step, known in ((5, early), (10, late)):
        assert m.value(temperature)(Particles(m.process, step, x)).tolist() == near(known, 5)


def test_mixture_of_data():
    mean, variance = moments(toy.mixture().data)
    assert (mean, variance) == near((0.45, 3.0955))


@pytest.mark.parametrize(("reward", "temperature"), MIXTURE)
def test_mixture_soft_values_satisfy_the_bellman_equation(reward, temperature):
    m = toy.mixture(reward=REWARDS[reward])
    y = torch.linspace(-14, 14, 2801, dtype=torch.float64)[:, None]
    for step in (5, 12):
        x = torch.linspace(-4, 4, 5, dtype=torch.float64)[:, None]
        kernel = Particles(m.process, step, x).kernel
        density = torch.stack([kernel[torch.full((len(y),), i)].log_prob(y) for i in range(5)]).exp() * 0.01
        ahead = m.value(temperature)(Particles(m.process, step + 1, y)) / temperature
        backed_up = temperature * (density @ ahead.exp()).log()
        torch.testing.assert_close(backed_up, m.value(temperature)(Particles(m.process, step, x)), rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("reward", "temperature"), POLICY)
def test_mixture_policy_of_the_posterior_mean(reward, temperature):
    m = toy.mixture(reward=REWARDS[reward])

    def value(step, x):
        return m.reward(x) if step == m.process.steps else m.reward(Particles(m.process, step, x).posterior.mode())

    found = grid_moments(m.process, value, INF, temperature, lambda x: -(x[:, 0] ** 2) / 2, prior_candidates=INF)
    assert found == near(POLICY[reward, temperature], 3)


def test_product_state():
    m = toy.product()
    v = m.nodes.variance()
    p, mean = m.tilted(1.0)
    z = 0.3 * math.exp(v / 2) + 0.7
    assert m.log_z(1.0) == pytest.approx(math.log(z), abs=1e-12)
    assert (p, mean) == pytest.approx((0.3 * math.exp(v / 2) / z, 0.3 * math.exp(v / 2) * v / z), abs=1e-12)


def test_bundled_toys_load_by_name():
    assert svdd.load("toy-gaussian", steps=5).steps == 5
    x = svdd.load("toy-masked").start(3, (), svdd.Rng(0, 3)).x
    assert x.tolist() == [[3, 3, 3, 3]] * 3
