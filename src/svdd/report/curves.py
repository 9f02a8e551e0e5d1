"""The curves of a hedge, the expected judge against temperature and against N, as pictures and as tables."""

from typing import Any

import numpy as np
import pandas as pd

from svdd.decoding.result import Result
from svdd.metrics.hedging import Curve, HedgeError, Pool, best_of_n, judged, tempered
from svdd.metrics.kit import Figure
from svdd.metrics.measures import Evaluation
from svdd.report.figures import figure
from svdd.report.tables import readable

_SAID = (
    "Expected held-out reward of {}, from the designs of the run weighted anew. Band: 95 %; dashed, on grey: beyond what so "
    "few designs tell; line: the best."
)


def rows_of(curve: Curve) -> pd.DataFrame:
    """A curve as a table, a row per law."""
    points = curve.points
    judge = np.array([point.judge for point in points])
    columns = {"at": [point.at for point in points], "judge": judge[:, 0]}
    columns |= {"judge_low": judge[:, 1], "judge_high": judge[:, 2]}
    names = ("guide", "covariance", "kl", "ess", "reliable")
    return pd.DataFrame(columns | {name: [getattr(point, name) for point in points] for name in names})


def curve_figures(tilted: Curve, best: Curve, judge: str) -> list[Figure]:
    """Both curves as pictures of a page."""
    from svdd.report.plots import as_svg, curve_figure

    drawn = [as_svg(curve_figure(rows_of(curve), curve.best.at, judge)) for curve in (tilted, best)]
    return [
        *figure("Held-out reward against temperature", _SAID.format("tilted designs"), drawn[0]),
        *figure("Held-out reward against N", _SAID.format("the best of N designs"), drawn[1]),
    ]


def pool_figures(result: Result, evaluation: Evaluation | None) -> list[Figure]:
    """Both curves of a run of the pretrained model with a judge; nothing of other runs, and of pools that tell nothing."""
    if result.settings.get("method") != "pretrained" or evaluation is None or evaluation.designs is None:
        return []
    guide, judge, chain = evaluation.designs.reward, evaluation.designs.judge, np.array(evaluation.designs.chain)
    asked = np.flatnonzero(np.isfinite(judge))[-1:] + 1  # the judge is asked about the first designs
    rows = judged(guide, judge) & (np.arange(len(guide)) < asked.sum())
    try:
        pool = Pool(guide[rows], judge[rows], chain[rows].tolist())
    except HedgeError:
        return []
    return curve_figures(tempered(pool), best_of_n(pool), str(evaluation.row.get("judge", "")))


def table_of(curve: Curve, title: str) -> dict[str, Any]:
    """A curve as a table for people.

    Args:
        curve: the laws.
        title: of its first column.
    """
    said = {"at": title, "kl": "nats from the pool", "ess": "effective designs"}
    rows = rows_of(curve)
    words = rows.assign(at=rows["at"].astype(object).mask(np.isinf(rows["at"]), "none"))
    words["reliable"] = np.where(rows["reliable"], "yes", "no")
    titles, cells = readable(words.rename(columns=said))
    return {"caption": "Expected numbers; brackets hold 95 % intervals", "titles": titles, "rows": cells}
