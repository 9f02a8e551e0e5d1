"""Tables and cells of the pages that `benchmarks/make_page.py` writes."""

import numpy as np

from svdd.report.tables import bracketed


def label_and_sizes(pair):
    return f"{pair[0]} ({listed(pair[1])})"


def listed(sizes):
    return "M = " + ", ".join(map(str, sizes)) if sizes else "no M"


def markdown(titles, rows):
    cells = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def lost(rows, named):
    """Designs that the reward found invalid, of each row that has some and by its name."""
    return [
        f"{named(row)} {round((1 - row['valid']) * row['designs'])} of {row['designs']}"
        for row in rows
        if row.get("valid", 1) < 1
    ]


def shown(row, name):
    return bracketed(dict(row), name) if np.isfinite(row[name]) else "-"
