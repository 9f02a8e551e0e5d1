"""The figures of a run's report: what each is called, what it says, and its drawing; one without numbers is left out."""

import base64
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svdd.decoding.result import Result
from svdd.messages import number
from svdd.metrics.measures import Evaluation, makes_images, makes_molecules
from svdd.registry import HELD_OUT

if TYPE_CHECKING:
    from svdd.domains.molecule.poses import Poses

Figure = dict[str, str]
"""`title`, `says`, `source` (empty where words are all there is) and `kind` (`broad` for drawings as wide as the page)."""
DRAWN = 3
_LETTERS, _PATTERNS = "of their letters (mean edit distance)", "of their patterns (mean Tanimoto distance)"
_BAND = "Line: median; band: 10 to 90 %."


def embedded(svg: str) -> str:
    """A drawing as the source of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def figure(title: str, says: str, svg: str | None, kind: str = "") -> list[Figure]:
    """One figure, or none."""
    return [{"title": title, "says": says, "source": embedded(svg), "kind": kind}] if svg else []


def figures(
    result: Result, baselines: Mapping[str, Result], evaluation: Evaluation | None, poses: "Poses | None" = None
) -> list[Figure]:
    """The figures of a run, in reading order."""
    return [
        *_steps(result.trace.to_frame()),
        *_rewards(result, baselines),
        *_held_out(result, evaluation),
        *_of_designs(result, baselines, poses),
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


def _held_out(result: Result, evaluation: Evaluation | None) -> list[Figure]:
    """Whether designs please the guide alone: a scatter, or only words where nothing was held out."""
    from svdd.report.plots import held_out_scatter

    if evaluation is None or evaluation.designs is None:
        return []
    guide, judge = str(result.settings.get("reward", "")), str(evaluation.row.get("judge", ""))
    twins = bool(judge) and HELD_OUT.get(guide) == judge
    drawn = held_out_scatter(result.rewards.numpy(), evaluation.designs.judge, (guide, judge), twins)
    lines = " Designs far below the dashed line please the guide alone." if twins and drawn else ""
    says = f"{_variety(result, evaluation)}{lines}"
    return figure("Over-optimisation", says, drawn) or [
        {"title": "Over-optimisation", "says": f"No held-out reward. {says}", "source": "", "kind": ""}
    ]


def _variety(result: Result, evaluation: Evaluation) -> str:
    """How many designs differ, how much, and between how many the steps chose, in one sentence."""
    parts = []
    if evaluation.designs is not None and "unique" in evaluation.row:
        parts.append(f"{len(set(evaluation.designs.sequences)):,} different among {len(result):,} designs")
    diversity, distinct = evaluation.row.get("diversity"), result.trace.mean_distinct()
    if diversity is not None and np.isfinite(diversity):
        parts.append(_apart(evaluation.row, diversity))
    if distinct is not None:
        parts.append(f"{number(distinct)} distinct candidates a choice on average")
    return f"{'; '.join(parts)}." if parts else ""


def _apart(row: Mapping[str, Any], diversity: float) -> str:
    if "near_duplicates" in row:
        return f"two designs have a mean cosine distance of features of {diversity:.2g}"
    return f"two designs differ in {diversity:.0%} {_PATTERNS if 'validity' in row else _LETTERS}"


def _of_designs(result: Result, baselines: Mapping[str, Result], poses: "Poses | None") -> list[Figure]:
    """What there is to draw of designs of their kind."""
    if makes_molecules(result.about):
        return _molecules(result, baselines, poses)
    return pictures(_named(result, baselines)) if makes_images(result.about) else _designs(result)


def pictures(runs: Mapping[str, Result]) -> list[Figure]:
    """The images of runs side by side, by label; nothing for other designs."""
    from svdd.domains.image.figures import side_by_side

    made = side_by_side(runs)
    return [made] if made else []


def _named(result: Result, baselines: Mapping[str, Result]) -> dict[str, Result]:
    """A run and others by method, itself first."""
    method = str(result.settings.get("method", "designs"))
    return {method: result} | {name: run for name, run in baselines.items() if name != method}


def _designs(result: Result) -> list[Figure]:
    from svdd.report.plots import sequence_logo

    designs = result.samples if isinstance(result.samples, list) else []
    text = bool(designs) and all(isinstance(design, str) for design in designs)
    agree = "How much the designs agree at each site, 2 bits where all have the same base."
    folds = "Minimum-free-energy folds of the best designs, by ViennaRNA; the first letter is filled."
    return [
        *figure("Sequence logo", agree, sequence_logo(designs) if text else None, "broad"),
        *figure("Secondary structure", folds, _structures(result), "broad"),
    ]


def _molecules(result: Result, baselines: Mapping[str, Result], poses: "Poses | None") -> list[Figure]:
    from svdd.domains.molecule.figures.drawings import has_molecules, property_histograms

    if not has_molecules(result):
        return []
    drawn, names = property_histograms(result, baselines)
    made = figure("Properties", f"Shares of {', '.join(names)} at each value.", drawn)
    return made + (_poses(poses) if poses else [])


def _poses(poses: "Poses") -> list[Figure]:
    from svdd.domains.molecule.figures.poses import pose_drawing
    from svdd.domains.molecule.figures.viewer import has_viewer

    says = "The best designs where they were docked (thick, green) and the residues within 5 Angstrom (grey), from two sides."
    if not has_viewer():
        says += ' To turn them here: pip install "svdd[viewer]"; poses.sdf opens in any other viewer.'
    return figure("Poses", says, pose_drawing(poses), "broad")


def _structures(result: Result) -> str | None:
    """The folds of the best different designs, None unless they are RNA and ViennaRNA is there."""
    if result.about.get("domain") != "rna" or find_spec("RNA") is None:
        return None
    from svdd.domains.rna.figures import structure_drawing

    frame = result.to_frame().query("valid").sort_values("reward", ascending=False, kind="stable")
    best = frame.drop_duplicates("sample").head(DRAWN)
    return structure_drawing(best["sample"].tolist(), best["id"].tolist()) if len(best) else None
