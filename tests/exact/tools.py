"""Statistics of the exact tests: |z| < 5 (p about 6e-7), fixed seeds, chains as the unit, no retries."""

import math

import torch
from scipy import stats

import svdd
from svdd.chain.process import Particles
from svdd.domains.toy.enumeration import choice_law
from svdd.method.table import METHODS

SMALLEST_P = 2 * stats.norm.sf(5)


def total_variation(p, q):
    return float((p - q).abs().sum()) / 2


def kl(p, q):
    return float(torch.where(p > 0, p * (p / q).log(), 0.0).sum())


def entropy(p):
    return float(torch.special.entr(p).sum())


def histogram(toy, designs):
    return torch.bincount(toy.place(designs), minlength=len(toy.rewards)).double()


def sampling_floor(law, n):
    """The total variation expected between a law and n draws of it."""
    return float(math.sqrt(2 / math.pi) / 2 * (law * (1 - law) / n).sqrt().sum())


def assert_law(counts, law):
    """Chi-squared with cells of expected count below 5 merged."""
    expected = law * counts.sum()
    assert float(counts[law == 0].sum()) == 0, "something impossible was drawn"
    small = expected < 5
    cells = [(counts[~small], expected[~small])]
    if expected[small].sum() >= 1:
        cells.append((counts[small].sum()[None], expected[small].sum()[None]))
    observed, wanted = (torch.cat(part) for part in zip(*cells, strict=True))
    chi = float(((observed - wanted) ** 2 / wanted).sum())
    p = stats.chi2.sf(chi, len(observed) - 1)
    assert p > SMALLEST_P, f"chi2 = {chi:.1f} for {len(observed) - 1} degrees of freedom"


def z_score(numbers, truth):
    """How many standard errors the mean of independent numbers is away from the truth."""
    return float((numbers.mean() - truth) / (numbers.std() / math.sqrt(len(numbers))))


def assert_mean(numbers, truth):
    z = z_score(numbers, truth)
    assert abs(z) < 5, f"z = {z:.1f}: mean {float(numbers.mean()):.5f}, expected {float(truth):.5f}"


def assert_variance(numbers, truth):
    assert_mean((numbers - numbers.mean()) ** 2, truth)


def drive(toy, method, value, chains, seed=0, **settings):
    """The last step of a method of the table, through the real loop."""
    rng = svdd.Rng(seed, chains)
    return svdd.last(METHODS[method].function(toy.process, value, chains=chains, rng=rng, **settings))


def first_designs(step):
    """One design a chain: the first particle's."""
    n = step.value.shape[1]
    return step.particles.x[::n]


def estimates(step, temperature, f):
    """Of every chain, Z-hat and the unnormalised weighted mean of `f`: both unbiased, for any number of particles."""
    w = step.log_w.exp()
    return w.mean(1), (w * f).mean(1)


def grid_moments(process, values, candidates, temperature, prior, prior_candidates=1, edge=7.0, points=421):
    """Mean and variance of SVDD on a chain over one number, its kernels put on a grid.

    A last step without noise is applied to the moments (it is linear in these models).
    """
    x = torch.linspace(-edge, edge, points, dtype=torch.float64)[:, None]
    law = choice_law(prior(x).softmax(0)[None], values(0, x), prior_candidates, temperature)[0]
    for step in range(process.steps):
        kernel = Particles(process, step, x).kernel
        if not bool(torch.as_tensor(kernel.std).any()):
            x = kernel.mean
            continue
        everywhere = kernel[torch.arange(points).repeat_interleave(points)]
        density = everywhere.log_prob(x.repeat(points, 1)).view(points, points).softmax(1)
        law = law @ choice_law(density, values(step + 1, x), candidates, temperature)
    mean = float(law @ x[:, 0])
    return mean, float(law @ x[:, 0] ** 2) - mean**2
