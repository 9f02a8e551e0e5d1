"""Run folders: resumable while unfinished, complete when done; files of other people in them are never replaced."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.chain.rng import STREAMS
from svdd.decoding.result import Result
from svdd.decoding.saving import read_state
from svdd.registry import domains
from svdd.runs.json_text import as_json, plain
from svdd.runs.marks import ForeignFilesError, Mark, holds_files, read_object
from svdd.runs.parts import STATE, Parts
from svdd.runs.schema import SCHEMA, check_streams, with_schema, without_schema
from svdd.runs.watching import RunWarning
from svdd.scoring.best_designs import BestDesigns
from svdd.user_files import whole

if TYPE_CHECKING:
    from svdd.metrics.kit import Finish
    from svdd.metrics.measures import Evaluation

ON_THE_WAY = (
    "job.yaml", "state.pt", "state.part", "best.csv", "best.part", "rewards.sqlite", "rewards.sqlite-wal",
    "rewards.sqlite-shm",
)  # fmt: skip
"""Files that a run writes while it goes on."""
ALWAYS = (
    "samples.csv", "samples.parquet", "samples.safetensors", "steps.parquet", "evaluation.csv", "comparison.csv",
    "report.html", "run.json",
)  # fmt: skip
"""Files that a run may write at its end, whatever its domain."""


def at_the_end() -> tuple[str, ...]:
    """Files that a run may write at its end, those of all domains."""
    return (*ALWAYS, *dict.fromkeys(name for one in domains() for name in one.files))


BEST = 100
"""Designs of best.csv."""


@dataclass(frozen=True)
class Beside:
    """What a finished run has beside its designs; this one has nothing.

    Args:
        evaluate: measures the designs.
        further: what the domain adds to the report.
        report: writes a page; arguments as `svdd.report.html.write_report`.
    """

    evaluate: "Callable[[Result], Evaluation | None]" = lambda result: None
    further: "Callable[[Result], Finish | None]" = lambda result: None
    report: Callable[..., Any] = lambda *contents, **further: None


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder.

    Attributes:
        job: the job, for `svdd resume` and for people.
        state: where an unfinished run stands.
        parts: the finished batches of an unfinished run.
        journal: the scores of an unfinished run, written down as they arrive.
        mark: what tells the folder of a run.
    """

    def __init__(self, path: Path) -> None:
        path = Path(whole(path))
        self.path, self.parts, self.mark = path, Parts(path), Mark(path, "run")
        self.job, self.state, self.journal = path / "job.yaml", path / "state.pt", path / "rewards.sqlite"

    @property
    def started(self) -> bool:
        """Whether a run can go on from what was saved."""
        return self.state.is_file() or len(self.parts) > 0

    def write_best(self, best: BestDesigns) -> None:
        """Writes the best designs so far, whole or not at all; only text has a place in a table."""
        if not isinstance(best.designs, list) or not all(isinstance(d, str) for d in best.designs):
            return
        import pandas as pd

        designs, rewards = best.top(BEST)
        table = pd.DataFrame({"sample": designs, "reward": rewards.numpy()})
        table.to_csv(self.path / "best.part", index=False, lineterminator="\n")
        (self.path / "best.part").replace(self.path / "best.csv")

    def record(self) -> dict[str, Any]:
        """The contents of run.json, nothing where a run did not write one at its end.

        Raises:
            OtherVersionError: if a version of this package wrote it that this one does not know.
        """
        path = self.path / "run.json"
        read = read_object(path)
        versions, files, job = (read.get(name) for name in ("versions", "files", "job"))
        ours = isinstance(versions, dict) and "svdd" in versions and isinstance(files, list) and isinstance(job, dict)
        read = read if ours else {}
        check_streams(read, STREAMS, path)
        return without_schema(read, path)

    def finished(self) -> bool:
        """Whether its run has written everything; run.json is written last."""
        return bool(self.record())

    def is_run(self) -> bool:
        """Whether a run was started in it, whatever else is there: it bears the mark, or an early version finished a run.

        Raises:
            OtherVersionError: if a version of this package wrote it that this one does not know.
        """
        return self.mark.there() or self.finished()

    def check(self, force: bool) -> None:
        """Looks before a run starts whether the folder may be written.

        Raises:
            FileExistsError: if it holds a run and `force` is not given.
            ForeignFilesError: if it holds something else than a run, or files that no run wrote where one would.
            NotADirectoryError: if it is not a folder.
        """
        occupied = holds_files(self.path)
        if occupied and not self.is_run():
            raise ForeignFilesError(f"{self.path} holds files that are not a run; choose another folder")
        go_on = "" if self.finished() or not self.job.is_file() else f", go on with: svdd resume {self.path}"
        if occupied and not force:
            raise FileExistsError(
                f"{self.path} already holds a run; choose another folder{go_on}, or replace it with --force"
            )
        self.check_files()

    def check_files(self) -> None:
        """Looks whether the run can write its files.

        Raises:
            ForeignFilesError: if one of them is there and no run wrote it.
        """
        self.mark.check_files(at_the_end(), self._listed())

    def _listed(self) -> list[str]:
        """The files that run.json names, in this folder."""
        files = self.record().get("files", [])
        return [name for name in files if isinstance(name, str) and name == Path(name).name]

    def clear(self) -> None:
        """Removes what a run has written, and nothing else."""
        names = {*ON_THE_WAY, *self._listed(), *self.mark.files()}
        for path in filter(Path.is_file, [self.path / name for name in names]):
            path.unlink()
        self.parts.clear()

    def claim(self, job: str) -> None:
        """Makes the folder, or empties it of an older run, and writes the job."""
        self.mark.write({*self._listed(), *self.mark.files()})
        self.clear()
        self.mark.write(())
        self.job.write_text(with_schema(job), encoding="utf-8")

    def load_state(self) -> dict[str, Any] | None:
        """Where the run stands, None if nothing was saved yet.

        Raises:
            ValueError: if the file is damaged.
        """
        return read_state(self.state, "run the job from its start", STATE) if self.state.is_file() else None

    def finish(self, result: Result, job: dict[str, Any], beside: Beside) -> dict[str, Any]:
        """Writes the result, what there is beside it, and run.json; returns what run.json holds.

        Args:
            result: the finished run.
            job: its settings.
            beside: makes the rest once the designs are safe on disk.

        Raises:
            ForeignFilesError: if there is a file that it would write and no run wrote.
        """
        self.check_files()
        before = {path.name for path in self.path.iterdir()} - {*ON_THE_WAY, *at_the_end()}
        self.mark.write(at_the_end())
        for name in at_the_end():
            (self.path / name).unlink(missing_ok=True)  # of a run that was stopped while it wrote them
        result.save(self.path)
        evaluation = beside.evaluate(result)
        if evaluation:
            import pandas as pd

            pd.DataFrame([evaluation.row]).to_csv(self.path / "evaluation.csv", index=False, lineterminator="\n")
        write_or_warn(beside.report, result, self.path, evaluation=evaluation, finish=beside.further(result))
        done_with = set(ON_THE_WAY) - {self.job.name, "best.csv"}
        files = sorted({path.name for path in self.path.iterdir() if path.is_file()} - before - done_with)
        measured = {"evaluation": {"notes": evaluation.notes} | evaluation.row} if evaluation else {}
        record: dict[str, Any] = plain(result.record() | {"job": job} | measured | {"files": files})
        (self.path / "run.json").write_text(as_json({"schema": SCHEMA} | record) + "\n", encoding="utf-8")
        self.mark.write(files)
        for name in done_with:  # only now: a run that is killed before goes on from them
            (self.path / name).unlink(missing_ok=True)
        self.parts.clear()
        return record


def write_or_warn(write: Callable[..., Any], *contents: Any, **further: Any) -> None:
    """Writes a report; a package that it needs and that is missing is a warning."""
    try:
        write(*contents, **further)
    except ImportError as error:
        warnings.warn(f"no report.html, {error}", RunWarning, stacklevel=4)
