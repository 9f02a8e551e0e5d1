"""The table of methods, as data: names, options with their defaults, costs and papers. No method is imported before it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from svdd.messages import check_known
from svdd.method.narrowing import finally_left
from svdd.registry import resolve

if TYPE_CHECKING:
    from svdd.method.cadence import Steps

REFERENCES: dict[str, str] = {
    "svdd": "Li, X. et al. Derivative-free guidance in continuous and discrete diffusion models with soft value-based "
    "decoding. NeurIPS 2025. arXiv:2408.08252",
    "fk": "Singhal, R. et al. A general framework for inference-time scaling and steering of diffusion models. "
    "ICML 2025. arXiv:2501.06848",
    "tds": "Wu, L. et al. Practical and asymptotically exact conditional sampling in diffusion models. NeurIPS 2023. "
    "arXiv:2306.17775",
    "nested": "Naesseth, C. A., Lindsten, F. and Schon, T. B. Nested sequential Monte Carlo methods. ICML 2015. "
    "arXiv:1502.02536",
    "treeg": "Guo, Y. et al. Training-free guidance beyond differentiability: scalable path steering with tree search in "
    "diffusion and flow models. arXiv:2502.11420",
    "das": "Kim, S., Kim, M. and Park, D. Test-time alignment of diffusion models without reward over-optimization. "
    "ICLR 2025. arXiv:2501.05803",
    "bfs": "Zhang, X. et al. Inference-time scaling of diffusion models through classical search. ICLR 2026. "
    "arXiv:2505.23614",
    "psp": "Progressive seed pruning. 2026. arXiv:2607.21591",
    "funnel": "Su, X. et al. Navigating the exploration-exploitation tradeoff in inference-time scaling of diffusion models. "
    "2025. arXiv:2508.12361",
    "csmc": "Reward-guided discrete diffusion via clean-sample Markov chain (CSMC). 2026. arXiv:2602.09424",
    "rerd": "Uehara, M. et al. Reward-guided iterative refinement in diffusion models at test-time with applications to "
    "protein and DNA design. ICML 2025. arXiv:2502.14944",
    "iterref": "Lee, S. et al. Effective test-time scaling of discrete diffusion through iterative refinement (IterRef). 2025. "
    "arXiv:2511.05562",
    "code": "Singh, A. et al. CoDe: blockwise control for denoising diffusion models. TMLR 2025. arXiv:2502.00968",
}


def citations(method: str) -> list[str]:
    """The papers behind a method.

    Args:
        method: a name of `svdd.METHODS`.

    Raises:
        ValueError: for an unknown name; it lists the nearest.
    """
    check_known("method", method, METHODS)
    return [REFERENCES[key] for key in METHODS[method].references]


CADENCE: Mapping[str, Any] = {"every": 1, "window": (float("inf"), 0.0)}
"""When methods choose: at every step, at all times."""

Counts = Literal["particles", "children", "noises", "moves"]


@dataclass(frozen=True)
class Size:
    """What an option of a method counts, so that a run can be planned and steered whatever the option is called.

    Args:
        counts: `particles` of a chain, `children` of a particle per step, initial `noises` that a particle is chosen from, or
            `moves` of finished designs.
        fewest: what a plan may lower it to; plans leave noises alone.
    """

    counts: Counts
    fewest: int = 1


_PARTICLES, _CANDIDATES, _NOISES = Size("particles"), Size("children", fewest=2), Size("noises")
_MOVES = Size("moves")


Returns = Literal["draw", "top", "all"]
TemperingName = Literal["none", "adaptive", "increase"]


@dataclass(frozen=True)
class Method:
    """A row of the method table.

    Args:
        made_by: the algorithm, `module:name`.
        summary: one line for people.
        returns: which particles of a chain are its designs: one `draw` by weight, the `top` one, or `all`.
        target: the law it samples, as far as it samples one.
        network_rows: of a chain, with the posterior mean.
        reward_rows: of a chain, with the posterior mean.
        options: the settings it takes beyond those of all methods, each with its default.
        references: keys of `REFERENCES`.
        weighted: whether its weights estimate log Z.
        sizes: those of its options that say how many rows a chain has.
        filtered_rows: network rows of a chain with the value `filtered`, which asks for the winners alone.
        rows_of_moves: what says how many rows a chain of moves asks for, `module:name`.
    """

    made_by: str
    summary: str
    returns: Returns
    target: str
    network_rows: str
    reward_rows: str
    options: Mapping[str, Any]
    references: tuple[str, ...] = ("svdd",)
    weighted: bool = False
    sizes: Mapping[str, Size] = field(default_factory=dict)
    filtered_rows: str = ""
    rows_of_moves: str = ""

    @property
    def function(self) -> "Callable[..., Steps]":
        """The algorithm."""
        return resolve(self.made_by)  # type: ignore[no-any-return]

    def returning(self, returns: Returns | None) -> "Method":
        """This row with other designs of a chain; None leaves it as it is.

        Raises:
            ValueError: for an unknown name; it lists the nearest.
        """
        if returns is None:
            return self
        check_known("returns", returns, get_args(Returns))
        return replace(self, returns=returns)

    def sizes_of(self, counts: Counts) -> dict[str, Size]:
        """The sizes that count one kind of rows."""
        return {name: size for name, size in self.sizes.items() if size.counts == counts}

    def steps_of(self, steps: int, options: Mapping[str, Any]) -> int:
        """How many steps a chain has: those of the process, and its moves of finished designs."""
        return steps + sum({**self.options, **options}[name] for name in self.sizes_of("moves"))

    def designs_per_chain(self, options: Mapping[str, Any]) -> Any:
        """How many designs a chain counts for with these options: all its particles, or one, also where it made moves."""
        if self.returns != "all":
            return 1
        settings = {**self.options, **options}
        left = (finally_left(settings.get("narrowing", "none"), settings[name]) for name in self.sizes_of("particles"))
        return next(left, 1)

    def defaults(self) -> dict[str, Any]:
        """What options are that nobody gives, but for the cadence that methods share."""
        return {name: value for name, value in self.options.items() if name not in CADENCE}


METHODS: dict[str, Method] = {
    "pretrained": Method(
        made_by="svdd.method.algorithms:pretrained",
        summary="the model as it is",
        returns="draw",
        target="p",
        network_rows="T",
        filtered_rows="T",
        reward_rows="1",
        options={},
    ),
    "best-of-n": Method(
        made_by="svdd.method.algorithms:best_of_n",
        summary="N full samples, the best kept",
        returns="top",
        target="max of N",
        network_rows="NT",
        filtered_rows="NT",
        reward_rows="N",
        options={"particles": 8, "temperature": 1.0},
        references=(),
        weighted=True,
        sizes={"particles": _PARTICLES},
    ),
    "svdd": Method(
        made_by="svdd.method.algorithms:svdd",
        summary="one of M candidates per step, by softmax or argmax of value",
        returns="draw",
        target="p exp(r/a) as M grows, if the value is exact",
        network_rows="1+(T-1)M",
        filtered_rows="T",
        reward_rows="TM",
        options={"candidates": 10, "temperature": 0.0, "prior_candidates": 1, **CADENCE},
        sizes={"candidates": _CANDIDATES, "prior_candidates": _NOISES},
    ),
    "svdd-r": Method(
        made_by="svdd.method.algorithms:svdd_r",
        summary="svdd, then a second resampling over N particles",
        returns="all",
        target="none (tilted twice)",
        network_rows="N(1+(T-1)M)",
        filtered_rows="NT",
        reward_rows="NTM",
        # 0.05 of 8 particles would be none of them; all 32 are designs, so that a design costs what one of svdd costs
        options={"particles": 32, "candidates": 10, "temperature": 0.0, "replace": 0.05, **CADENCE},
        sizes={"particles": _PARTICLES, "candidates": _CANDIDATES},
    ),
    "smc": Method(
        made_by="svdd.method.resampled:smc",
        summary="N weighted particles, resampled when weights degenerate",
        returns="draw",
        target="p exp(r/a) as N grows, any value",
        network_rows="NT",
        filtered_rows="NT",
        reward_rows="NT/every",
        options={
            "particles": 8,
            "temperature": 1.0,
            "potential": "difference",
            "tempering": "none",
            "narrowing": "none",
            "ess": 0.5,
            **CADENCE,
        },
        references=("fk", "tds", "das", "funnel"),
        weighted=True,
        sizes={"particles": _PARTICLES},
    ),
    "bfs": Method(
        made_by="svdd.method.resampled:bfs",
        summary="smc by the best look-ahead so far, more strictly later; the best kept",
        returns="top",
        target="none (a search); its weights are those of smc",
        network_rows="NT",
        filtered_rows="NT",
        reward_rows="NT/every",
        options={"particles": 8, "temperature": 1.0, "narrowing": "none", "ess": 1.0, **CADENCE},
        references=("bfs", "fk"),
        weighted=True,
        sizes={"particles": _PARTICLES},
    ),
    "amc": Method(
        made_by="svdd.method.resampled:amc",
        summary="N particles, resampled by gains in standard deviations",
        returns="top",
        target="none (weights without a scale)",
        network_rows="NT",
        filtered_rows="NT",
        reward_rows="NT/every",
        options={"particles": 8, "deviations": 0.5, "narrowing": "none", **CADENCE},
        references=(),
        sizes={"particles": _PARTICLES},
    ),
    "nested-is": Method(
        made_by="svdd.method.algorithms:nested_is",
        summary="svdd's choice with the outer weight it drops",
        returns="draw",
        target="p exp(r/a) as N grows, any value, any M",
        network_rows="N(1+(T-1)M)",
        filtered_rows="NT",
        reward_rows="NTM",
        options={"particles": 8, "candidates": 10, "temperature": 1.0, "ess": 0.5, "prior_candidates": 1, **CADENCE},
        references=("nested", "svdd"),
        weighted=True,
        sizes={"particles": _PARTICLES, "candidates": _CANDIDATES, "prior_candidates": _NOISES},
    ),
    "beam": Method(
        made_by="svdd.method.algorithms:beam",
        summary="the n best of nM candidates per step",
        returns="top",
        target="none (a search)",
        network_rows="n(1+(T-1)M)",
        filtered_rows="nT",
        reward_rows="nTM",
        options={"width": 8, "candidates": 10, "narrowing": "none", **CADENCE},
        references=("treeg", "psp"),
        sizes={"width": _PARTICLES, "candidates": _CANDIDATES},
    ),
    "blocks": Method(
        made_by="svdd.method.algorithms:blocks",
        summary="one of M partial trajectories every L steps",
        returns="draw",
        target="best-of-M (L=T) to svdd (L=1)",
        network_rows="TM",
        filtered_rows="TM-(M-1)T/L",
        reward_rows="MT/L",
        # a fifth of svdd's reward calls, and some ten choices or more in the 50 and more steps of most models
        options={"candidates": 10, "block_length": 5, "temperature": 0.0},
        references=("code",),
        sizes={"candidates": _CANDIDATES},
    ),
    "refine": Method(
        made_by="svdd.method.refinement:refine",
        summary="finished designs noised, denoised and accepted by reward, K times",
        returns="top",
        target="p exp(r/a) as K grows, if the chain reverses its noise",
        network_rows="T(1+fK)",
        filtered_rows="T(1+fK)",
        reward_rows="1+K",
        options={
            "moves": 100,
            "fraction": 0.1,
            "temperature": 0.0,
            "tries": 1,
            "best_of": 1,
            "population": 1,
            "exact": False,
        },
        references=("csmc", "rerd", "iterref"),
        sizes={"moves": _MOVES},
        rows_of_moves="svdd.method.rows_of_moves:rows_of_moves",
    ),
}


def make_method(name: str, options: Mapping[str, Any]) -> Method:
    """The row of `METHODS`, once the options are known to be its own.

    Raises:
        ValueError: for an unknown method or option; it lists the nearest.
    """
    check_known("method", name, METHODS)
    method = METHODS[name]
    for option in options:
        check_known(f"option of {name}", option, method.options)
    return method
