"""Tiny processes of every kind of state, and settings of every method, for tests.

All numbers come from elementwise arithmetic, so that a row's answer does not depend on the rows beside it.
"""

import torch

from svdd.chain.denoisers import from_logits, from_x0
from svdd.chain.noising import GaussianNoise, MaskedNoise, ProductNoise
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.schedules import masked_log_linear, time_grid, vp_cosine
from svdd.chain.transitions import ddim, masked_ancestral, product

LENGTH, VOCABULARY, DIMENSION = 4, 3, 2

_TABLE = torch.tensor([[0.2, -0.4, 0.9], [-0.3, 0.8, 0.1], [0.5, 0.0, -0.6], [-0.9, 0.3, 0.4]], dtype=torch.float64)


def gaussian_network(x, t, cond):
    """Shrinks towards the conditioning, or towards a half."""
    return 0.6 * x + 0.4 * (cond if isinstance(cond, torch.Tensor) else 0.5)


def token_network(x, t, cond):
    """Log-odds that depend on the site, on how many zeros are shown, on time and on the conditioning."""
    zeros = (x == 0).sum(-1)[:, None, None].double()
    logits = _TABLE * (1 + 0.3 * zeros) + 0.2 * t
    if isinstance(cond, torch.Tensor):
        logits = logits + (torch.arange(VOCABULARY) == cond[:, :1, None].long()) * 1.0
    return logits


def gaussian(steps=4, eta=1.0, network=gaussian_network, **settings):
    def prior(n, rng):
        return rng.normal((n, DIMENSION), dtype=torch.float64)

    settings = {"noising": GaussianNoise(vp_cosine())} | settings
    return Process(prior, from_x0(network), ddim(vp_cosine(), eta), time_grid(steps), **settings)


def masked(steps=4, network=token_network, **settings):
    def prior(n, rng):
        return torch.full((n, LENGTH), VOCABULARY)

    survival = masked_log_linear()
    settings = {"noising": MaskedNoise(VOCABULARY, survival)} | settings
    return Process(prior, from_logits(network, VOCABULARY), masked_ancestral(survival), time_grid(steps), **settings)


def mixed(steps=4, **settings):
    """Continuous nodes and discrete edges on one clock."""
    nodes, edges = gaussian(steps), masked(steps)

    def prior(n, rng):
        return {"nodes": nodes.prior(n, rng), "edges": edges.prior(n, rng)}

    def denoiser(x, t, cond):
        from svdd.chain.distributions import Product

        return Product({k: part.denoiser(x[k], t, cond) for k, part in (("nodes", nodes), ("edges", edges))})

    transition = product({"nodes": nodes.transition, "edges": edges.transition})
    settings = {"noising": ProductNoise({"nodes": nodes.noising, "edges": edges.noising})} | settings
    return Process(prior, denoiser, transition, nodes.times, **settings)


def langevin(x, posterior, t, rng):
    """A move like a Langevin corrector: towards what the network says, with noise."""
    noise = rng.normal(x.shape, dtype=x.dtype)
    return 0.9 * x + 0.05 * posterior.mode() + (1 - 0.9**2) ** 0.5 * noise


def words(x):
    """Tokens as text; a mask is a dash."""
    return ["".join("abc-"[int(token)] for token in row) for row in x]


def reward(designs):
    """Tokens, text, vectors or both: how many zeros, or the sum, with a share that makes ties rare."""
    if isinstance(designs, dict):
        return reward(designs["nodes"]) + 0.5 * reward(designs["edges"])
    if isinstance(designs, list):
        return [word.count("a") + 0.1 * word.count("b") for word in designs]
    if designs.is_floating_point():
        return designs.sum(-1)
    return (designs == 0).sum(-1).double() + 0.1 * (designs == 1).sum(-1)


PROCESSES = {
    "gaussian": lambda **settings: gaussian(**settings),
    "masked": lambda **settings: masked(**settings),
    "text": lambda **settings: masked(decode=words, **settings),
    "mixed": lambda **settings: mixed(**settings),
    "moved": lambda **settings: gaussian(move=langevin, **settings),
    "moved each": lambda **settings: gaussian(move=langevin, move_each=True, **settings),
}

# every method, and the variants that take another path through the code
SETTINGS = {
    "pretrained": ("pretrained", {}),
    "best-of-n": ("best-of-n", {"particles": 3, "temperature": 0.5}),
    "svdd": ("svdd", {"candidates": 3, "temperature": 0.5}),
    "svdd argmax": ("svdd", {"candidates": 3}),
    "svdd tilted prior": ("svdd", {"candidates": 2, "temperature": 0.5, "prior_candidates": 3}),
    "svdd sometimes": ("svdd", {"candidates": 3, "temperature": 0.5, "every": 2, "window": (0.9, 0.0)}),
    "svdd-r": ("svdd-r", {"particles": 4, "candidates": 2, "temperature": 0.5, "replace": 0.5}),
    "svdd-r full": ("svdd-r", {"particles": 4, "candidates": 2, "temperature": 0.5, "replace": None}),
    "smc": ("smc", {"particles": 4, "temperature": 0.5}),
    "smc max": ("smc", {"particles": 4, "temperature": 0.5, "potential": "max", "ess": 0.9}),
    "smc sum": ("smc", {"particles": 4, "temperature": 0.5, "potential": "sum", "every": 2}),
    "smc tempered": ("smc", {"particles": 4, "temperature": 0.2, "tempering": "adaptive"}),
    "smc increase": ("smc", {"particles": 4, "temperature": 0.5, "tempering": "increase", "narrowing": "psp"}),
    "bfs": ("bfs", {"particles": 4, "temperature": 0.5}),
    "amc": ("amc", {"particles": 4}),
    "amc funnel": ("amc", {"particles": 4, "narrowing": "linear", "every": 2}),
    "nested-is": ("nested-is", {"particles": 3, "candidates": 2, "temperature": 0.5}),
    "nested-is tilted prior": (
        "nested-is", {"particles": 3, "candidates": 2, "temperature": 0.5, "prior_candidates": 2, "ess": 1.0},
    ),
    "beam": ("beam", {"width": 2, "candidates": 3}),
    "beam psp": ("beam", {"width": 4, "candidates": 1, "narrowing": "psp"}),
    "beam halves": ("beam", {"width": 3, "candidates": 2, "narrowing": "halves"}),
    "blocks": ("blocks", {"candidates": 3, "block_length": 2, "temperature": 0.5}),
    "refine": ("refine", {"moves": 3, "fraction": 0.5, "temperature": 0.5}),
    "refine adapted": ("refine", {"moves": 3, "fraction": "adapted"}),
    "refine tries": ("refine", {"moves": 3, "fraction": 0.5, "temperature": 0.5, "tries": 3}),
    "refine exact": ("refine", {"moves": 11, "fraction": 0.5, "temperature": 0.5, "exact": True}),
    "refine population": (
        "refine", {"moves": 3, "fraction": 0.5, "temperature": 0.5, "population": 3, "tries": 2, "best_of": 2},
    ),
    "refine best of": ("refine", {"moves": 3, "fraction": 0.5, "temperature": 0.5, "best_of": 4}),
}  # fmt: skip


def designs_a_chain(method, options):
    return options["particles"] if method == "svdd-r" else 1


def streams(rows=1, seed=0):
    return Rng(seed, rows)


def spied(make, **settings):
    """A process, and the (x, t, cond) that its denoiser was asked."""
    process, asked = make(**settings), []
    inner = process.denoiser
    object.__setattr__(process, "denoiser", lambda x, t, cond: asked.append((x, float(t), cond)) or inner(x, t, cond))
    return process, asked
