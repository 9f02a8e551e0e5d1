"""`svdd hedge`: what a hedge found, as tables for people or as JSON for programs."""

from pathlib import Path

from svdd.cli.answering import answer
from svdd.cli.listing import show
from svdd.runs.hedging import Hedge
from svdd.runs.json_text import as_json

_EVERY = 4
"""Of the laws of a curve, those that the terminal shows."""


def show_hedge(made: Hedge, page: Path | None, json: bool) -> None:
    """Prints both curves and what they show, and where the page is."""
    if json:
        best = {"temperature": made.temperature, "particles": made.particles}
        names = {"guide": made.guide, "judge": made.judge, "judge_rows": made.judge_rows}
        said = {"says": made.sentences, "notes": list(made.notes), "page": None if page is None else str(page)}
        answer(as_json({**names, **best, "curves": made.to_frame().to_dict("records"), **said}))
        return
    from svdd.report.curves import table_of

    for curve, title in ((made.tempered, "temperature"), (made.best_of_n, "N")):
        table = table_of(curve, title)
        rows = [dict(zip(table["titles"], row, strict=True)) for row in table["rows"][::_EVERY]]
        show(rows, json=False, title=f"By {title}")
    answer("\n".join([*made.sentences, *made.notes]))
    if page is not None:
        answer(f"written to {page}")
