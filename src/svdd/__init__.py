"""svdd: decode a pretrained diffusion model towards any reward, without gradients and without training.

Names are imported when they are first used, so that `import svdd` and `svdd --help` cost nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svdd import rewards as rewards
    from svdd.accounting import Usage as Usage
    from svdd.accounting import chunked as chunked
    from svdd.accounting import deduplicated as deduplicated
    from svdd.accounting import metered as metered
    from svdd.algorithms import METHODS as METHODS
    from svdd.algorithms import beam as beam
    from svdd.algorithms import best_of_n as best_of_n
    from svdd.algorithms import blocks as blocks
    from svdd.algorithms import nested_is as nested_is
    from svdd.algorithms import pretrained as pretrained
    from svdd.algorithms import smc as smc
    from svdd.algorithms import svdd as svdd
    from svdd.algorithms import svdd_r as svdd_r
    from svdd.budget import Budget as Budget
    from svdd.clusters import decode_on_ray as decode_on_ray
    from svdd.decoding import Decoding as Decoding
    from svdd.decoding import decode as decode
    from svdd.decoding import run as run
    from svdd.distributions import Categorical as Categorical
    from svdd.distributions import Dirac as Dirac
    from svdd.distributions import Distribution as Distribution
    from svdd.distributions import Normal as Normal
    from svdd.distributions import Product as Product
    from svdd.fitting import fit_value as fit_value
    from svdd.fitting import load_value as load_value
    from svdd.invalid import Invalid as Invalid
    from svdd.locate import load as load
    from svdd.locate import load_reward as load_reward
    from svdd.loop import Step as Step
    from svdd.loop import search as search
    from svdd.memo import memoised as memoised
    from svdd.outcomes import Policy as Policy
    from svdd.pending import groupwise as groupwise
    from svdd.pipelines.steer import steer as steer
    from svdd.process import Particles as Particles
    from svdd.process import Process as Process
    from svdd.result import Result as Result
    from svdd.rewards.workers import workers as workers
    from svdd.rng import Rng as Rng
    from svdd.score_cache import ScoreCache as ScoreCache
    from svdd.values import RewardError as RewardError
    from svdd.values import learned as learned
    from svdd.values import monte_carlo as monte_carlo
    from svdd.values import posterior_mean as posterior_mean
    from svdd.values import rollout as rollout

__version__ = "0.1.0"

_HOMES = {
    "accounting": ("Usage", "chunked", "deduplicated", "metered"),
    "algorithms": (
        "METHODS", "beam", "best_of_n", "blocks", "nested_is", "pretrained", "smc", "svdd", "svdd_r",
    ),
    "budget": ("Budget",),
    "clusters": ("decode_on_ray",),
    "decoding": ("Decoding", "decode", "run"),
    "distributions": ("Categorical", "Dirac", "Distribution", "Normal", "Product"),
    "fitting": ("fit_value", "load_value"),
    "invalid": ("Invalid",),
    "locate": ("load", "load_reward"),
    "loop": ("Step", "search"),
    "memo": ("memoised",),
    "outcomes": ("Policy",),
    "pending": ("groupwise",),
    "pipelines.steer": ("steer",),
    "process": ("Particles", "Process"),
    "result": ("Result",),
    "rewards.workers": ("workers",),
    "rng": ("Rng",),
    "score_cache": ("ScoreCache",),
    "values": ("RewardError", "learned", "monte_carlo", "posterior_mean", "rollout"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME, "rewards"])


def __getattr__(name: str) -> Any:
    if name == "rewards":
        return importlib.import_module("svdd.rewards")
    if name not in _HOME:
        raise AttributeError(f"module 'svdd' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"svdd.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
