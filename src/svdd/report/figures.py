"""The figures of a run's report: what each is called, what it says, and its drawing; one without numbers is left out.

Charts tell nothing of a handful of designs, and are what needs matplotlib: a page of few designs has none and starts quickly.
"""

import base64
from collections.abc import Mapping

import numpy as np
import pandas as pd

from svdd.decoding.result import Result
from svdd.messages import number
from svdd.metrics.kit import Figure, Kit
from svdd.metrics.measures import Evaluation
from svdd.registry import twin

CHARTS_FROM = 5
"""Designs of a page from which on it has charts."""
_NO_CHARTS = f"Charts begin at {CHARTS_FROM} designs; the tables have the numbers of fewer."
_BAND = "Line: median; band: 10 to 90 %."


def embedded(svg: str) -> str:
    """A drawing as the source of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def figure(title: str, says: str, svg: str | None, kind: str = "") -> list[Figure]:
    """One figure, or none."""
    return [{"title": title, "says": says, "source": embedded(svg), "kind": kind}] if svg else []


def sentence(title: str, says: str) -> Figure:
    """A figure of words alone."""
    return {"title": title, "says": says, "source": "", "kind": ""}


def figures(result: Result, baselines: Mapping[str, Result], evaluation: Evaluation | None, kit: Kit) -> list[Figure]:
    """The figures of a run, in reading order; those of its designs are the domain's."""
    few = len(result) + sum(map(len, baselines.values())) < CHARTS_FROM
    charts = [sentence("Charts", _NO_CHARTS)] if few else _charts(result, baselines, evaluation, kit)
    return [*charts, *kit.figures(result, baselines)]


def _charts(result: Result, baselines: Mapping[str, Result], evaluation: Evaluation | None, kit: Kit) -> list[Figure]:
    """What many designs and steps tell together."""
    return [
        *_steps(result.trace.to_frame()),
        *_rewards(result, baselines),
        *_held_out(result, evaluation, kit),
        *kit.charts(result, baselines),
    ]


def _steps(trace: pd.DataFrame) -> list[Figure]:
    from svdd.report.plots import by_step, family_tree, value_by_step
    from svdd.report.traces import candidates, genealogy, particles

    chosen, kept, tree = candidates(trace), particles(trace), genealogy(trace)
    return [
        *figure(
            "Value against step", f"Value of the survivors of every step that chose. {_BAND}", value_by_step(trace)
        ),
        *figure(
            "Choice against step",
            "Candidates of one parent: how many are distinct, and how many the choice hesitates between "
            f"(1: one is sure to win). {_BAND}",
            by_step(chosen, "candidates of a parent", 0) if chosen else None,
        ),
        *figure(
            "Weights and lineages",
            "Particles of one chain: how many count by weight after the step (all, where it resampled), and how many have "
            f"descendants at the end. {_BAND}",
            by_step(kept, "particles of a chain", 0) if kept else None,
        ),
        *figure(
            "Genealogy",
            "Particles of the first chain, each joined to its parent at the step before; blue lines lead to the end.",
            family_tree(tree) if tree else None,
        ),
    ]


def _rewards(result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
    from svdd.report.plots import reward_histogram

    runs = _named(result, baselines)
    drawn = reward_histogram({name: run.rewards.numpy() for name, run in runs.items()})
    return figure("Rewards", f"Rewards of the designs by method ({', '.join(runs)}); each sums to 1.", drawn)


def _held_out(result: Result, evaluation: Evaluation | None, kit: Kit) -> list[Figure]:
    """Whether designs please the guide alone: a scatter, or only words where nothing was held out."""
    from svdd.report.plots import held_out_scatter

    if evaluation is None or evaluation.designs is None:
        return []
    guide, judge = str(result.settings.get("reward", "")), str(evaluation.row.get("judge", ""))
    twins = bool(judge) and twin(guide) == judge
    drawn = held_out_scatter(result.rewards.numpy(), evaluation.designs.judge, (guide, judge), twins)
    lines = " Designs far below the dashed line please the guide alone." if twins and drawn else ""
    says = f"{_variety(result, evaluation, kit)}{lines}"
    return figure("Over-optimisation", says, drawn) or [sentence("Over-optimisation", f"No held-out reward. {says}")]


def _variety(result: Result, evaluation: Evaluation, kit: Kit) -> str:
    """How many designs differ, how much, and between how many the steps chose, in one sentence."""
    parts = []
    if evaluation.designs is not None and "unique" in evaluation.row:
        parts.append(f"{len(set(evaluation.designs.sequences)):,} different among {len(result):,} designs")
    diversity, distinct = evaluation.row.get("diversity"), result.trace.mean_distinct()
    if diversity is not None and np.isfinite(diversity):
        words = next(column.words for column in kit.columns if column.name == "diversity")
        parts.append(f"{words} {number(diversity, 2)}")
    if distinct is not None:
        parts.append(f"{number(distinct)} distinct candidates a choice on average")
    return f"{'; '.join(parts)}." if parts else ""


def _named(result: Result, baselines: Mapping[str, Result]) -> dict[str, Result]:
    """A run and others by method, itself first."""
    method = str(result.settings.get("method", "designs"))
    return {method: result} | {name: run for name, run in baselines.items() if name != method}
