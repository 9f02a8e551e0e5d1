"""The table of methods: names, sizes, costs and papers."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from svdd.messages import check_known
from svdd.method.algorithms import Steps, beam, best_of_n, blocks, nested_is, pretrained, smc, svdd, svdd_r

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


_GUIDED = ("every", "window")

Counts = Literal["particles", "children", "noises"]


@dataclass(frozen=True)
class Size:
    """What an option of a method counts, so that a run can be planned and steered whatever the option is called.

    Args:
        counts: `particles` of a chain, `children` of a particle per step, or initial `noises` that a particle is chosen from.
        fewest: what a plan may lower it to; plans leave noises alone.
    """

    counts: Counts
    fewest: int = 1


_PARTICLES, _CANDIDATES, _NOISES = Size("particles"), Size("children", fewest=2), Size("noises")


Returns = Literal["draw", "top", "all"]


@dataclass(frozen=True)
class Method:
    """A row of the method table.

    Args:
        function: the algorithm.
        summary: one line for people.
        returns: which particles of a chain are its designs: one `draw` by weight, the `top` one, or `all`.
        target: the law it samples, as far as it samples one.
        network_rows: a chain, with the posterior mean.
        reward_rows: a chain, with the posterior mean.
        options: the settings it takes beyond those of all methods.
        references: keys of `REFERENCES`.
        weighted: whether its weights estimate log Z.
        sizes: those of its options that say how many rows a chain has.
    """

    function: Callable[..., Steps]
    summary: str
    returns: Returns
    target: str
    network_rows: str
    reward_rows: str
    options: tuple[str, ...]
    references: tuple[str, ...] = ("svdd",)
    weighted: bool = False
    sizes: Mapping[str, Size] = field(default_factory=dict)

    def sizes_of(self, counts: Counts) -> dict[str, Size]:
        """The sizes that count one kind of rows."""
        return {name: size for name, size in self.sizes.items() if size.counts == counts}

    def designs_per_chain(self, options: Mapping[str, Any]) -> Any:
        """How many designs a chain returns with these options: all its particles, or one."""
        if self.returns != "all":
            return 1
        return next((options[name] for name in self.sizes_of("particles") if name in options), 1)

    def defaults(self) -> dict[str, Any]:
        """The values of the options that may be left out, but for the cadence all methods share."""
        parameters = inspect.signature(self.function).parameters
        return {k: p.default for k, p in parameters.items() if k in self.options and p.default is not p.empty}

    def missing(self, given: Iterable[str]) -> list[str]:
        """The options without a default that are not among those given."""
        return [k for k in self.options if k not in {*given, *self.defaults(), *_GUIDED}]


METHODS: dict[str, Method] = {
    "pretrained": Method(pretrained, "the model as it is", "draw", "p", "T", "1", ()),
    "best-of-n": Method(
        best_of_n,
        "N full samples, the best kept",
        "top",
        "max of N",
        "NT",
        "N",
        ("particles", "temperature"),
        (),
        True,
        {"particles": _PARTICLES},
    ),
    "svdd": Method(
        svdd,
        "one of M candidates a step, by softmax or argmax of value",
        "draw",
        "p exp(r/a) as M grows, if the value is exact",
        "1+(T-1)M",
        "TM",
        ("candidates", "temperature", "prior_candidates", *_GUIDED),
        sizes={"candidates": _CANDIDATES, "prior_candidates": _NOISES},
    ),
    "svdd-r": Method(
        svdd_r,
        "svdd, then a second resampling over N particles",
        "all",
        "none (tilted twice)",
        "N(1+(T-1)M)",
        "NTM",
        ("particles", "candidates", "temperature", "replace", *_GUIDED),
        sizes={"particles": _PARTICLES, "candidates": _CANDIDATES},
    ),
    "smc": Method(
        smc,
        "N weighted particles, resampled when weights degenerate",
        "draw",
        "p exp(r/a) as N grows, any value",
        "NT",
        "NT/every",
        ("particles", "temperature", "potential", "ess", *_GUIDED),
        ("fk", "tds"),
        True,
        {"particles": _PARTICLES},
    ),
    "nested-is": Method(
        nested_is,
        "svdd's choice with the outer weight it drops",
        "draw",
        "p exp(r/a) as N grows, any value, any M",
        "N(1+(T-1)M)",
        "NTM",
        ("particles", "candidates", "temperature", "ess", "prior_candidates", *_GUIDED),
        ("nested", "svdd"),
        True,
        {"particles": _PARTICLES, "candidates": _CANDIDATES, "prior_candidates": _NOISES},
    ),
    "beam": Method(
        beam,
        "the n best of nM candidates a step",
        "top",
        "none (a search)",
        "n(1+(T-1)M)",
        "nTM",
        ("width", "candidates", *_GUIDED),
        ("treeg",),
        sizes={"width": _PARTICLES, "candidates": _CANDIDATES},
    ),
    "blocks": Method(
        blocks,
        "one of M partial trajectories every L steps",
        "draw",
        "best-of-M (L=T) to svdd (L=1)",
        "TM",
        "MT/L",
        ("candidates", "length", "temperature"),
        ("code",),
        sizes={"candidates": _CANDIDATES},
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
