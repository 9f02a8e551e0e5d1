"""Small fast checks of the steps of flows, each of one property that a plausible mistake would break; as in `checks`."""

import torch

import svdd
from exact.gaussian_flow import MEAN, STD, Flow, by_hand, chain_states, process_of, velocity_of
from exact.tools import assert_mean
from svdd.chain import flows
from svdd.chain.process import Particles
from svdd.domains.toy.toy import Quadratic

ETAS = (0.0, 0.3, 0.7, 1.0)
PAIRS = ((1.0, 0.8), (0.9, 0.5), (0.4, 0.1), (0.3, 0.0))


def steps_have_their_laws(name, **data):
    """The mean and the standard deviation of single steps, against formulas of another form."""
    for eta in ETAS:
        step = Flow(name, eta, Quadratic(), **data).process.transition
        for t, s in PAIRS:
            x = torch.tensor([[-1.3], [0.2], [2.0]], dtype=torch.float64)
            now, then = (torch.tensor(time, dtype=torch.float64) for time in (t, s))
            mean, std = data.get("mean", MEAN), data.get("std", STD)
            posterior = flows.from_velocity(velocity_of(mean, std))(x, now, ())
            kernel = step(x, posterior, now, then)
            gain, offset, variance = by_hand(name, eta, t, s, mean, std)
            torch.testing.assert_close(kernel.mean, gain * x + offset, rtol=0, atol=1e-12)
            expected = torch.full((3, 1), variance, dtype=torch.float64)
            torch.testing.assert_close(kernel.std.expand(3, 1) ** 2, expected, rtol=0, atol=1e-12)


def cps_has_its_law():
    steps_have_their_laws("cps")


def flow_sde_has_its_law():
    steps_have_their_laws("sde")


def flow_posterior_has_its_law():
    steps_have_their_laws("posterior")


def noise_stays_on_the_path(names=("cps", "posterior"), chains=4000):
    """With data in one point every step knows x_0, and x_s is normal around (1 - s) x_0 with variance s^2, whatever eta is."""
    for name in names:
        for eta in ETAS[1:]:
            flow = Flow(name, eta, Quadratic(), steps=4, std=0.0)
            for x, t in zip(chain_states(flow.process, chains), flow.process.times.tolist(), strict=True):
                if t == 0:
                    torch.testing.assert_close(x, torch.full_like(x, MEAN))
                    continue
                assert_mean(x[:, 0], (1 - t) * MEAN)
                assert_mean((x[:, 0] - (1 - t) * MEAN) ** 2, t**2)


def without_eta_a_step_is_eulers(steps=6):
    """To the last bit, in single and double precision."""
    for step in (flows.cps(0.0), flows.flow_sde(0.0)):
        for dtype in (torch.float32, torch.float64):
            process = process_of(step, steps)
            x = svdd.Rng(0, 5).normal((5, 1), dtype=dtype)
            particles = Particles(process, 0, x, rng=svdd.Rng(1, 5))
            while not particles.final:
                t, s = process.times[particles.step], process.times[particles.step + 1]
                x = x + (s - t).to(dtype) * velocity_of(MEAN, STD)(x, t, ()).to(dtype)
                particles = particles.propose(1)
                assert torch.equal(particles.x, x)
