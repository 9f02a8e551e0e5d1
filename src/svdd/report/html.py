"""report.html: the designs and their rewards, how they were chosen, cost, settings and what to cite, in one file.

The file loads nothing: no script, no font, no picture from elsewhere; figures are SVG inside it, and so are the widgets of a
domain, where there are any. Every text from a model, a reward or a design is escaped.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svdd.cost.ledger import Cost, Usage
from svdd.decoding.result import Result
from svdd.messages import number
from svdd.method.table import citations
from svdd.metrics.kit import Finish, Widget, kit_of
from svdd.report.tables import measures, readable
from svdd.scoring.policy import told
from svdd.user_files import whole

if TYPE_CHECKING:
    from svdd.metrics.measures import Evaluation

TOP = 10
POLICY = {"default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'"}
"""What a page without widgets may do: show what is in it."""


def write_report(
    result: Result,
    folder: str | Path,
    comparison: pd.DataFrame | None = None,
    baselines: Mapping[str, Result] | None = None,
    evaluation: "Evaluation | None" = None,
    finish: Finish | None = None,
) -> Path:
    """Writes report.html into a folder.

    Args:
        result: the run to report.
        folder: where to, made if it is not there; or a file, `*.html`.
        comparison: a table of methods, one a row; columns `x`, `x_low`, `x_high` are shown as one.
        baselines: other runs whose rewards are drawn beside this one's.
        evaluation: what the designs are worth beyond the reward.
        finish: what the domain adds.

    Returns:
        The file.

    Raises:
        ImportError: without jinja2 or, where there are enough designs for charts, matplotlib; it names the extra.
    """
    with named_extra():
        from svdd.report.curves import pool_figures
        from svdd.report.figures import figures

        kit, added = kit_of(result.kind.domain), finish or Finish()
        drawn = [*figures(result, baselines or {}, evaluation, kit), *pool_figures(result, evaluation)]
        drawn += added.figures()
        further = {"gallery": kit.gallery(result), "widgets": added.widgets()}
    return write_page(folder, **_contents(result, comparison, evaluation), **further, figures=drawn)


@contextmanager
def named_extra() -> Iterator[None]:
    """A missing module becomes a sentence about the extra it is in."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f'the report needs {error.name}, which is not installed: pip install "svdd[sequences]"', name=error.name
        ) from error


def write_page(folder: str | Path, **contents: Any) -> Path:
    """Writes report.html, or a file of another name, from the contents that its template names; empty parts are left out.

    Raises:
        ImportError: without jinja2; it names the extra.
    """
    with named_extra():
        from jinja2 import Environment
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("svdd.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    return saved_page(folder, page.render(policy=_policy(contents.get("widgets", ())), **contents))


def saved_page(path: str | Path, page: str) -> Path:
    """Saves a page as a file, or as report.html in a folder, and returns the file."""
    place = Path(whole(path))
    file = place if place.suffix == ".html" else place / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    return file


def _policy(widgets: Iterable[Widget]) -> str:
    """What a page may do: show what is in it, and what its widgets need."""
    rules = POLICY.copy()
    for widget in widgets:
        rules |= widget.policy
    return "; ".join(f"{name} {allowed}" for name, allowed in rules.items())


def _contents(result: Result, comparison: pd.DataFrame | None, evaluation: "Evaluation | None") -> dict[str, Any]:
    method = str(result.settings.get("method", ""))
    about = {f"model {key}": value for key, value in result.about.items()}
    return {
        "title": f"{method or 'decoding'} of {result.about.get('name', 'a model')}",
        "facts": {name: number(value) for name, value in _facts(result).items()},
        "settings": {str(key): _text(value) for key, value in (result.settings | about).items()},
        "comparison": None if comparison is None else readable(comparison),
        "evaluation": measures(evaluation.row) if evaluation else None,
        "notes": evaluation.notes if evaluation else [],
        "costs": [(name, *map(number, row)) for name, row in _costs(result.usage).items()],
        "outcomes": told(vars(result.usage.outcomes), result.breakdown.invalid),
        "top": readable(_top(result)),
        "citations": citations(method) if method else [],
        "versions": result.record()["versions"],
    }


def _text(value: Any) -> str:
    return number(value) if isinstance(value, int | float | None) else str(value)


def _facts(result: Result) -> dict[str, Any]:
    rewards = result.rewards.numpy()
    valid = rewards[np.isfinite(rewards)]
    facts = {
        "designs": len(result),
        "median reward": float(np.median(valid)) if len(valid) else None,
        "best reward": float(valid.max()) if len(valid) else None,
        "valid": f"{np.isfinite(rewards).mean():.0%}",
    }
    facts["different designs"] = len(set(result.kind.keys(result.samples)))
    return facts | {"seconds": result.usage.seconds}


def _costs(usage: Usage) -> dict[str, tuple[Any, ...]]:
    parts: dict[str, Cost] = {name: getattr(usage, name) for name in ("network", "decode", "reward", "value")}
    return {name: (cost.asked, cost.rows, cost.calls, cost.seconds) for name, cost in parts.items()}


def _top(result: Result) -> pd.DataFrame:
    frame = result.to_frame().sort_values("reward", ascending=False, kind="stable").head(TOP)
    return frame.drop(columns=["chain", "valid"])
