"""Kits: what a domain hands in so that its designs are read back, measured, compared and drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from svdd.chain.designs import DesignKind
from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.metrics.columns import Column, costs
from svdd.metrics.measures import REWARDS, Chunks, Designs, Evaluation, View, scored, tabled
from svdd.registry import domains, resolve
from svdd.scoring.reward import Reward

Figure = dict[str, str]
"""`title`, `says`, `source` (empty where words are all there is) and `kind` (`broad` for drawings as wide as the page)."""


@runtime_checkable
class Reference(Protocol):
    """Natural designs, themselves or in numbers."""

    @property
    def name(self) -> str:
        """For files and reports."""


@dataclass(frozen=True)
class Gallery:
    """The best designs of a run as pictures.

    Args:
        title: above them.
        pictures: `source`, `alt`, `id`, `numbers` (text by title), `text`, and `code` where a line of code is shown.
    """

    title: str
    pictures: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Widget:
    """A part of a report that a script of the page makes alive.

    Args:
        head: markup at the end of the page's head.
        body: markup before the figures.
        foot: markup at the end of the page.
        policy: what the page may do for it, rules of a content security policy by name.
    """

    head: str
    body: str
    foot: str
    policy: Mapping[str, str]


class Finish:
    """What a domain adds to the report of a finished run; this one adds nothing."""

    def figures(self) -> list[Figure]:
        """Further figures."""
        return []

    def widgets(self) -> list[Widget]:
        """Parts with a script."""
        return []


class Kit:
    """What a domain hands in; this one is of designs of which nothing but rewards is measured.

    Attributes:
        designs: what its designs are called, in the plural.
        columns: what is measured of them beyond their rewards.
        view: how the columns see them.
    """

    designs: str = "designs"
    columns: tuple[Column, ...] = ()
    view: type[View] = View

    @property
    def measures(self) -> bool:
        """Whether more than the rewards of the designs is measured."""
        return bool(self.columns)

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """All columns of a table of such designs, in its order."""
        return (*REWARDS, *self.columns, *costs())

    def kind(self, facts: Mapping[str, Any]) -> DesignKind | None:
        """The kind of designs of a run, from what its run.json says of the model; None where its files tell."""
        return None

    def measured(
        self, result: Result, process: Process, judge: Reward | None, judged: str, chunks: Chunks | None = None
    ) -> Designs:
        """The designs of one run, with what the model and the judge say of them.

        Args:
            result: of the run; a score of it named `judged` is used as it is.
            process: the pretrained model.
            judge: a reward that did not guide.
            judged: its name.
            chunks: rows at a time of `network` and `reward`.
        """
        unknown = "" if self.measures else "no naturalness and no diversity: nothing is known of designs of this kind"
        return scored(result, None if judge is None else process.adapt(judge), judged, chunks, note=unknown)

    def record(
        self, designs: Designs, reference: Any = None, kind: DesignKind | None = None, *, draws: int = 1000
    ) -> Evaluation:
        """A row: every measure with its bootstrap interval in columns `_low` and `_high`.

        Args:
            designs: of one or more runs with the same settings.
            reference: natural designs, for what is compared with them.
            kind: what the designs are.
            draws: resamples of the bootstrap.
        """
        view = self.view(designs, reference, kind or DesignKind(), list(designs.notes))
        return tabled(view, self.columns, draws)

    def fits(self, process: Process, result: Result) -> bool:
        """Whether a model makes designs like those of a run."""
        return True

    def reference(self, model: str, reward: str) -> Reference | None:
        """What came with a bundled model to compare its designs with; None if nothing came.

        Args:
            model: its name.
            reward: that guided.
        """
        return None

    def reference_of(self, path: Path, kind: DesignKind) -> Reference:
        """What a user's file or folder holds, to compare designs with.

        Raises:
            ValueError: for designs of a kind that are compared with nothing, and for a file that does not fit.
        """
        raise ValueError(f"{self.designs} of this model are compared with nothing, so {path} cannot be used")

    def charts(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """What the designs of a run tell together; only asked for where there are enough of them for a chart.

        Args:
            result: the run.
            baselines: other runs, by method.
        """
        return []

    def figures(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """Drawings of single designs, however few there are; arguments as `charts`."""
        return []

    def side_by_side(self, runs: Mapping[str, Result]) -> list[Figure]:
        """The figures of several runs' designs beside each other, by label."""
        return []

    def gallery(self, result: Result) -> Gallery | None:
        """The best designs as pictures; None where they have none."""
        return None

    def finish(self, result: Result, reward: Any, folder: Path, tell: Callable[[str], None]) -> Finish:
        """What is added to a finished run, once its designs are safe on disk.

        Args:
            result: the run.
            reward: that guided.
            folder: of the run.
            tell: is told what takes long.
        """
        return Finish()


def kit_of(domain: str) -> Kit:
    """The kit of a domain; one that measures nothing but rewards for a domain without one, and for none."""
    target = next((one.kit for one in domains() if one.name == domain), "")
    return resolve(target) if target else Kit()  # type: ignore[no-any-return]
