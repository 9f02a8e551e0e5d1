"""A flow to normal data: its velocity is exact, and every discretised chain a linear Gaussian one, worked out by hand."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch

import svdd
from svdd.chain import flows
from svdd.chain.process import Process
from svdd.chain.schedules import time_grid
from svdd.domains.toy.toy import Quadratic
from svdd.fitting.rollouts import unguided

MEAN, STD = 0.7, 0.6


def velocity_of(mean, std):
    """E[epsilon - x_0 | x_t], from the joint normal law of the three."""

    def velocity(x, t, cond):
        variance = (1 - t) ** 2 * std**2 + t**2
        return (t - (1 - t) * std**2) / variance * (x - (1 - t) * mean) - mean

    return velocity


def prior(n, rng):
    return rng.normal((n, 1), dtype=torch.float64)


def process_of(step, steps=8, mean=MEAN, std=STD):
    return Process(prior, flows.from_velocity(velocity_of(mean, std)), step, time_grid(steps))


def by_hand(name, eta, t, s, mean=MEAN, std=STD):
    """Gain, offset and variance of x_s = gain x_t + offset + noise, not by way of the library's formulas."""
    variance = (1 - t) ** 2 * std**2 + t**2
    clean, noise = (1 - t) * std**2 / variance, t / variance  # slopes of E[x_0 | x_t] and E[epsilon | x_t]
    centre = (1 - t) * mean
    if name == "sde":
        g = eta * math.sqrt(t / (1 - t if t < 1 else 1 - s))
        slope = (noise - clean) - 0.5 * g**2 * (-1 / variance)  # of v - g^2 score / 2
        gain = 1 + (s - t) * slope
        return gain, (1 - gain) * centre - (s - t) * mean, g**2 * (t - s)
    if name == "cps":
        old, fresh = s * math.cos(eta * math.pi / 2), s * math.sin(eta * math.pi / 2)
    else:  # the posterior: the part of the noise that x_t and x_s do not share
        fresh = eta * s * math.sqrt(1 - ((1 - t) * s / ((1 - s) * t)) ** 2)
        old = math.sqrt(s**2 - fresh**2)
    gain = (1 - s) * clean + old * noise
    return gain, (1 - s) * mean - gain * centre, fresh**2


STEPS = {"cps": flows.cps, "sde": flows.flow_sde, "posterior": flows.flow_posterior}


@dataclass
class Flow:
    """The chain of one kind of step: laws, soft values and targets of a linear or quadratic reward."""

    name: str
    eta: float
    reward: Quadratic
    steps: int = 8
    mean: float = MEAN
    std: float = STD

    @property
    def process(self):
        return process_of(getattr(flows, STEPS[self.name].__name__)(self.eta), self.steps, self.mean, self.std)

    @property
    def moves(self):
        pairs = pairwise(time_grid(self.steps).tolist())
        return [by_hand(self.name, self.eta, t, s, self.mean, self.std) for t, s in pairs]

    @property
    def laws(self):
        """Mean and variance after every number of steps, the prior first."""
        table = [(0.0, 1.0)]
        for gain, offset, variance in self.moves:
            mean, spread = table[-1]
            table.append((gain * mean + offset, gain**2 * spread + variance))
        return table

    def soft_values(self, temperature):
        """After every number of steps, a quadratic."""
        table = [self.reward]
        for gain, offset, variance in reversed(self.moves):
            table.append(_shifted(table[-1], offset).before(gain, variance, temperature))
        return table[::-1]

    def value(self, temperature):
        tables = self.soft_values(temperature)
        return lambda particles: tables[particles.step](particles.x)

    def log_z(self, temperature):
        mean, variance = (torch.tensor(number, dtype=torch.float64) for number in self.laws[-1])
        return float(self.reward.log_mean_exp(mean, variance, temperature)) / temperature

    def tilted(self, temperature):
        mean, variance = (torch.tensor(number, dtype=torch.float64) for number in self.laws[-1])
        return tuple(map(float, self.reward.tilted(mean, variance, temperature)))

    def policy(self, temperature):
        """Mean and variance of the exact value's policy with infinitely many candidates, the initial noise selected too."""
        mean, variance = (torch.tensor(number, dtype=torch.float64) for number in (0.0, 1.0))
        values = self.soft_values(temperature)
        mean, variance = values[0].tilted(mean, variance, temperature)
        for (gain, offset, noise), value in zip(self.moves, values[1:], strict=True):
            d = 1 + noise * value.curvature / temperature
            mean = (gain * mean + offset + noise * value.slope / temperature) / d
            variance = (gain / d) ** 2 * variance + noise / d
        return float(mean), float(variance)


def _shifted(q, offset):
    """x to q(x + offset)."""
    b, a = q.slope, q.curvature
    return Quadratic(b - a * offset, a, q.constant + b * offset - a * offset**2 / 2)


def chain_states(process, chains, seed=0):
    """The unguided chain: its states after every number of steps."""
    return [particles.x for particles in unguided(process.start(chains, (), svdd.Rng(seed, chains)))]
