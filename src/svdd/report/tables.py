"""Tables for people: a number with its interval in one cell."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from svdd.messages import number


def readable(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of text; columns `x`, `x_low` and `x_high` become one, `2.1 (1.8 to 2.4)`."""
    names = [name for name in frame.columns if not _is_bound(str(name), frame)]
    rows = [[bracketed(row, str(name)) for name in names] for row in frame.to_dict("records")]
    return [str(name).replace("_", " ") for name in names], rows


def _is_bound(name: str, frame: pd.DataFrame) -> bool:
    base, _, end = name.rpartition("_")
    return end in ("low", "high") and base in frame.columns


def bracketed(row: Mapping[Any, Any], name: str) -> str:
    """A number with its interval, `2.1 (1.8 to 2.4)`; the number alone where there is no interval."""
    if f"{name}_low" not in row or row[name] != row[name] or row[f"{name}_low"] != row[f"{name}_low"]:
        return number(row[name])
    return f"{number(row[name])} ({number(row[f'{name}_low'])} to {number(row[f'{name}_high'])})"


COST = "Cost"
SECTIONS: dict[str, tuple[str, ...]] = {
    "Reward": ("runs", "designs", "valid", "reward_mean", "reward_q10", "reward_median", "reward_q90"),
    "Held-out reward": ("judge_mean", "judge_q10", "judge_median", "judge_q90"),
    "Naturalness": (
        "elbo_per_base", "correlation_3mer", "correlation_6mer", "correlation_motif", "validity", "elbo_per_symbol",
        "fcd", "fcd_floor", "fragment_similarity", "scaffold_similarity", "pains", "image_distance",
        "image_distance_floor", "sharpness",
    ),
    "Diversity and novelty": (
        "diversity", "diversity_per_prompt", "unique", "near_duplicates", "novel", "distant", "nearest_distance",
        "nearest_similarity",
    ),
    "Composition": ("homopolymer", "gc", "qed", "sa", "logp", "weight", "brightness", "colourfulness"),
    COST: (
        "network_rows_asked", "network_rows_computed", "value_rows_asked", "value_rows_computed",
        "reward_rows_asked", "reward_rows_computed", "seconds", "elbo_rows", "judge_rows",
    ),
}  # fmt: skip
"""The columns of an evaluation, by what they are about."""


def sections(frame: pd.DataFrame) -> list[tuple[str, list[str], list[list[str]]]]:
    """An evaluation as a few narrow tables: title, titles of columns and rows; what no row has is left out."""
    known = {name for names in SECTIONS.values() for name in names}
    measures = [name for name in frame.select_dtypes("number") if not _is_bound(str(name), frame)]
    groups = SECTIONS | {"Structure": tuple(name for name in measures if name not in known)}
    shown = [[name for name in names if name in measures and not frame[name].isna().all()] for names in groups.values()]
    made = []
    for title, names in zip(groups, shown, strict=True):
        if names:
            bounds = [f"{name}_{end}" for name in names for end in ("low", "high") if f"{name}_{end}" in frame]
            made.append((title, *readable(frame[["label", *names, *bounds]])))
    return made


def captioned(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The sections of an evaluation as tables of a page."""
    made = []
    for title, titles, rows in sections(frame):
        brackets = any(" to " in cell for row in rows for cell in row[1:])
        said = "; brackets hold 95 % intervals" if brackets else ""
        caption = f"{title}{', summed over the runs of a row' if title == COST else said}"
        made.append({"title": title, "caption": caption, "titles": titles, "rows": rows})
    return made


def measures(row: dict[str, Any]) -> list[list[str]]:
    """One row of an evaluation as lines of measure and value; what was not measured is left out."""
    titles, (cells,) = readable(pd.DataFrame([row]))
    return [[title, cell] for title, cell in zip(titles, cells, strict=True) if cell not in ("-", "")]
