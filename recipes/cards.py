"""Model cards: a template and the numbers of `card.json` make `card.md`, and the histories make its training curves."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Card", "Panel", "render_card", "training_curves"]


@dataclass(frozen=True)
class Panel:
    """One pair of axes of the training curves.

    Args:
        unit: of the training loss and of the value on validation data.
        runs: names of training runs; the card may lack some.
        training: whether to draw the training loss too: it can have another unit than the value.
    """

    unit: str
    runs: Sequence[str]
    training: bool = False


@dataclass(frozen=True)
class Card:
    """The card of one model.

    Args:
        template: a file of Jinja, whose variables are the entries of `card.json`.
        panels: of the training curves.
    """

    template: Path
    panels: Sequence[Panel]

    def write(self, folder: Path, numbers: Mapping[str, Any]) -> None:
        """Write `card.json`, `card.md` and `training.svg` into a folder."""
        text = json.dumps(numbers, indent=1)
        (folder / "card.json").write_text(text + "\n", encoding="utf-8")
        (folder / "card.md").write_text(render_card(self.template, json.loads(text)), encoding="utf-8")
        (folder / "training.svg").write_text(training_curves(numbers, self.panels), encoding="utf-8")


def render_card(template: Path, numbers: Mapping[str, Any]) -> str:
    """Return a model card in Markdown, with a head of YAML as model hubs read it.

    A template has two filters besides those of Jinja: `number` writes a number, with four digits or as a format says
    (`x|number(".1%")`), and `row` writes a list as a row of a table.

    Args:
        template: File of the template.
        numbers: What `card.json` holds. A number that the template names and the card lacks is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        extensions=["jinja2.ext.do"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "row": _row}
    return environment.get_template(template.name).render(numbers)


def training_curves(numbers: Mapping[str, Any], panels: Sequence[Panel]) -> str:
    """Return the histories of a card's training runs as an SVG picture.

    Args:
        numbers: What `card.json` holds; `training` has the history of each run.
        panels: What to draw, from left to right.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "svdd", "svg.fonttype": "none"}):
        figure = Figure(figsize=(2 + 3 * len(panels), 3), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for run in panel.runs:
                if run in numbers["training"]:
                    _draw_run(axes, run, numbers["training"][run]["history"], training=panel.training)
            axes.set(xlabel="step", ylabel=panel.unit)
            axes.legend(frameon=False, fontsize=8)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None})
    return page.getvalue()


def _draw_run(axes: Any, run: str, history: list[dict[str, Any]], *, training: bool) -> None:
    steps = [row["step"] for row in history]
    axes.plot(steps, [row["value"] for row in history], label=f"{run}, validation")
    if training:
        axes.plot(steps, [row["loss"] for row in history], label=f"{run}, training", alpha=0.5)


def _number(value: Any, form: str = "") -> str:
    if not isinstance(value, (int, float)):
        return str(value)  # of a number that the card lacks, this is the error that names it
    return format(value, form or (".4g" if isinstance(value, float) else ""))


def _row(values: Sequence[Any]) -> str:
    return "| " + " | ".join(map(_number, values)) + " |"
