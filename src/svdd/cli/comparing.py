"""Comparing methods: rewards with intervals, a held-out judge, naturalness, diversity and cost, one row a method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from svdd.metrics.intervals import bootstrap_interval, quantile_interval
from svdd.metrics.sequences import kmer_correlation, pairwise_diversity
from svdd.models.masked import elbo_per_site
from svdd.process import Process
from svdd.result import Result

ELBO_SAMPLES = 8
_Interval = tuple[float, float, float]


def _columns(name: str, interval: _Interval) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def measured(result: Result, process: Process, judge: str, natural_words: Sequence[int]) -> dict[str, Any]:
    """What one run is worth and what it cost.

    Args:
        result: sequences, of one length.
        process: the model that says how natural they are.
        judge: the score of the result that did not guide it.
        natural_words: counts of the 3-mers of natural sequences with a high reward.
    """
    rewards, judged = result.rewards.numpy(), result.scores[judge].numpy()
    natural = elbo_per_site(process, result.samples, samples=ELBO_SAMPLES).numpy()
    usage = result.usage
    return (
        {"designs": len(result)}
        | _columns("reward_q10", quantile_interval(rewards, 0.1))
        | _columns("reward_median", quantile_interval(rewards, 0.5))
        | _columns("reward_q90", quantile_interval(rewards, 0.9))
        | _columns("judge_median", quantile_interval(judged, 0.5))
        | _columns("elbo_per_base", bootstrap_interval(natural))
        | {
            "correlation_3mer": kmer_correlation(result.samples, np.asarray(natural_words), 3),
            "diversity": pairwise_diversity(result.samples),
            "network_rows_asked": usage.network.asked,
            "network_rows_computed": usage.network.rows,
            "reward_rows_asked": usage.reward.asked,
            "reward_rows_computed": usage.reward.rows,
            "seconds": usage.seconds,
        }
    )


def comparison(
    results: Mapping[str, Result], process: Process, judge: str, natural_words: Sequence[int]
) -> pd.DataFrame:
    """A row a method; intervals in columns `_low` and `_high`."""
    rows = [{"method": name} | measured(result, process, judge, natural_words) for name, result in results.items()]
    return pd.DataFrame(rows)


def verdicts(table: pd.DataFrame) -> list[str]:
    """What the table shows of svdd against best-of-n, and at what price in naturalness, in plain words."""
    rows = table.set_index("method").to_dict("index")
    svdd, best, model = rows["svdd"], rows["best-of-n"], rows["pretrained"]
    return [
        _against("reward", svdd, best, "reward_median"),
        _against("held-out judge", svdd, best, "judge_median"),
        _price(svdd, model),
    ]


def _shown(row: Mapping[Any, Any], column: str) -> str:
    return f"{row[column]:.2f} ({row[f'{column}_low']:.2f} to {row[f'{column}_high']:.2f})"


def _compared(mine: Mapping[Any, Any], other: Mapping[Any, Any], column: str) -> int:
    """1 above, -1 below, 0 where the intervals overlap."""
    return int(mine[f"{column}_low"] > other[f"{column}_high"]) - int(mine[f"{column}_high"] < other[f"{column}_low"])


def _against(what: str, svdd: Mapping[Any, Any], best: Mapping[Any, Any], column: str) -> str:
    words = {
        1: "svdd does better than best-of-n at the same network rows",
        0: "best-of-n does as well as svdd, as far as these intervals tell",
        -1: "best-of-n does better than svdd",
    }[_compared(svdd, best, column)]
    return f"By the {what}, {words}: median {_shown(svdd, column)} against {_shown(best, column)}."


def _price(svdd: Mapping[Any, Any], model: Mapping[Any, Any]) -> str:
    words = {1: "more natural than", 0: "as natural, as far as these intervals tell, as", -1: "less natural than"}
    found = words[_compared(svdd, model, "elbo_per_base")]
    return (
        f"To the model, svdd's designs are {found} its own samples: {_shown(svdd, 'elbo_per_base')} against "
        f"{_shown(model, 'elbo_per_base')} nats a base (log-likelihood bound); their 3-mers correlate "
        f"{svdd['correlation_3mer']:.2f} against {model['correlation_3mer']:.2f} with those of the most active natural "
        f"sites; diversity {svdd['diversity']:.2f} against {model['diversity']:.2f}."
    )
