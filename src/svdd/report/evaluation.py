"""The report of an evaluation: its tables, and reward against held-out reward and likelihood, in one file."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from svdd.report.figures import Figure, figure
from svdd.report.html import named_extra, write_page
from svdd.report.tables import captioned

_AGAINST = {
    "judge_mean": ("Guiding reward and held-out reward", "mean guiding reward", "mean held-out reward"),
    "elbo_per_base": ("Guiding reward and likelihood", "mean guiding reward", "likelihood bound, nats a letter"),
    "elbo_per_symbol": ("Guiding reward and likelihood", "mean guiding reward", "likelihood bound, nats a symbol"),
    "fcd": ("Guiding reward and likeness", "mean guiding reward", "Fréchet ChemNet distance to known molecules"),
    "image_distance": ("Guiding reward and likeness", "mean guiding reward", "Fréchet distance to photographs"),
}


def _what(found: pd.DataFrame) -> str:
    if "near_duplicates" in found:
        return "images"
    return "molecules" if "validity" in found else "sequences"


def write_evaluation(
    found: pd.DataFrame, folder: Path, notes: Sequence[str] = (), figures: Sequence[Figure] = ()
) -> Path:
    """Writes report.html of a table with a column `label`, and `x_low` and `x_high` beside every measure x.

    Raises:
        ImportError: without jinja2 or matplotlib; it names the extra.
    """
    with named_extra():
        from svdd.report.plots import against

        drawn = [(*words, against(found, "reward_mean", y, *words[1:])) for y, words in _AGAINST.items()]
    says = "{} by {}, a point a row of the tables, whiskers 95 %."
    made = [one for title, x, y, svg in drawn for one in figure(title, says.format(y[:1].upper() + y[1:], x), svg)]
    facts = {"rows": len(found), "runs": int(found["runs"].sum()), "designs": int(found["designs"].sum())}
    return write_page(
        folder,
        title=f"Evaluation of {_what(found)}",
        facts=facts,
        tables=captioned(found),
        notes=list(notes),
        figures=[*figures, *made],
    )
