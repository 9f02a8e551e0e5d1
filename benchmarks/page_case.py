"""A job on a page of results: its rows, and what every page tells of them."""

from functools import cached_property
from pathlib import Path

import yaml
from page_tables import markdown

from svdd.messages import number

JOBS = Path(__file__).parent / "jobs"
GREEDY = "svdd, temperature 0"


def settings(name):
    """What a job file holds."""
    return yaml.safe_load((JOBS / f"{name}.yaml").read_text(encoding="utf-8"))


class Case:
    """The rows of one job.

    Args:
        name: of the job.
        title: above its section.
        table: its rows.
        apart: tells which of two rows is higher.
    """

    def __init__(self, name, title, table, apart=None):
        self.name, self.title, self.table, self.apart = name, title, table, apart
        self.facts, self.rows = table.iloc[0], [row for _, row in table.iterrows()]

    @cached_property
    def of(self):
        """Rows by their labels, where a label has one."""
        return {row["label"]: row for row in self.rows}

    def designs(self):
        """How many designs the methods have."""
        counts = self.table.groupby("designs", sort=False)["label"].apply(list)
        most = counts.map(len).idxmax()
        others = "; ".join(f"{n} of {', '.join(labels)}" for n, labels in counts.items() if n != most)
        return f"{most} a method" + (f" ({others})" if others else "")

    def fits(self):
        """A row per fitted value."""
        there = self.table["fit_seconds"].notna() if "fit_seconds" in self.table else []
        return [row for _, row in self.table[there].drop_duplicates("label").iterrows()] if any(there) else []

    def columns(self, titles, kinds=number):
        """A table of the columns that there are, by their titles."""
        names = [name for name in titles if name in self.table]
        rows = [[row["label"], *(kinds(row[name]) for name in names)] for row in self.rows]
        return markdown(["method", *(titles[name] for name in names)], rows)
