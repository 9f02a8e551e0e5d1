"""Run folders: never overwritten unasked, resumable while unfinished, complete when done."""

import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.decoding.result import Result
from svdd.decoding.saving import read_state
from svdd.runs.parts import Parts
from svdd.runs.watching import RunWarning
from svdd.scoring.best_designs import Best

if TYPE_CHECKING:
    from svdd.domains.molecule.poses import Poses
    from svdd.metrics.measures import Evaluation

WRITTEN = (
    "job.yaml", "state.pt", "state.part", "samples.csv", "samples.parquet", "samples.safetensors", "samples.fasta",
    "samples.sdf", "samples.png", "poses.sdf", "steps.parquet", "evaluation.csv", "comparison.csv", "report.html",
    "run.json", "best.csv", "best.part", "rewards.sqlite", "rewards.sqlite-wal", "rewards.sqlite-shm",
)  # fmt: skip
"""Every file a run may write; run.json names those of other domains."""
BEST = 100
"""Designs of best.csv."""


def plain(value: Any) -> Any:
    """`value` in types that JSON knows; numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [plain(v) for v in value] if isinstance(value, Sequence) else str(value)


def as_json(value: Any) -> str:
    """`value` as JSON text."""
    return json.dumps(plain(value), indent=2, allow_nan=False)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def job(self) -> Path:
        """The job, for `svdd resume` and for people."""
        return self.path / "job.yaml"

    @property
    def state(self) -> Path:
        """Where an unfinished run stands."""
        return self.path / "state.pt"

    @property
    def parts(self) -> Parts:
        """The finished batches of an unfinished run that others compute."""
        return Parts(self.path)

    @property
    def started(self) -> bool:
        """Whether a run can go on from what was saved."""
        return self.state.is_file() or len(self.parts) > 0

    @property
    def journal(self) -> Path:
        """The scores of an unfinished run, written down as they arrive."""
        return self.path / "rewards.sqlite"

    def write_best(self, best: Best | None) -> None:
        """Writes the best designs so far, whole or not at all; only text has a place in a table."""
        if best is None or not isinstance(best.designs, list) or not all(isinstance(d, str) for d in best.designs):
            return
        import pandas as pd

        designs, rewards = best.top(BEST)
        table = pd.DataFrame({"sample": designs, "reward": rewards.numpy()})
        table.to_csv(self.path / "best.part", index=False, lineterminator="\n")
        (self.path / "best.part").replace(self.path / "best.csv")

    def record(self) -> dict[str, Any]:
        """The contents of run.json, nothing where there is no such file."""
        try:
            read = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def finished(self) -> bool:
        """Whether its run has written everything; the list of files is written last."""
        return "files" in self.record()

    def check(self, force: bool) -> None:
        """Looks before a run starts whether the folder may be written.

        Raises:
            FileExistsError: if it holds anything and `force` is not given, or holds something else than a run.
            NotADirectoryError: if it is not a folder.
        """
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        if not self.job.is_file() and "settings" not in self.record():
            raise FileExistsError(f"{self.path} holds files that are not a run; choose another folder")
        if not force:
            go_on = "" if self.finished() or not self.job.is_file() else f", go on with: svdd resume {self.path}"
            raise FileExistsError(
                f"{self.path} already holds a run; choose another folder{go_on}, or replace it with --force"
            )

    def _journal_names(self) -> list[str]:
        return [self.journal.name + end for end in ("", "-wal", "-shm")]

    def clear(self) -> None:
        """Removes what a run writes, and nothing else."""
        named = [name for name in self.record().get("files", []) if isinstance(name, str) and name == Path(name).name]
        for name in {*WRITTEN, *named}:
            if (self.path / name).is_file():
                (self.path / name).unlink()
        self.parts.clear()

    def claim(self, job: str) -> None:
        """Makes the folder, or empties it of an older run, and writes the job."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.clear()
        self.job.write_text(job, encoding="utf-8")

    def load_state(self) -> dict[str, Any] | None:
        """Where the run stands, None if nothing was saved yet.

        Raises:
            ValueError: if the file is damaged.
        """
        if not self.state.is_file():
            return None
        names = ("batch", "step", "usage", "trace", "finished", "best", "breakdown")
        return read_state(self.state, "run the job from its start", names)

    def finish(
        self,
        result: Result,
        job: dict[str, Any],
        keep: Sequence[str] = (),
        evaluate: "Callable[[Result], Evaluation | None]" = lambda result: None,
        pose: "Callable[[Result], Poses | None]" = lambda result: None,
        **report: Any,
    ) -> dict[str, Any]:
        """Writes the result, its evaluation, its report and run.json; returns what run.json holds.

        Args:
            result: the finished run.
            job: its settings.
            keep: files that were written for it already.
            evaluate: measures the designs, once they are safe on disk.
            pose: how the best designs sit in their receptor, once they are safe on disk.
            **report: for `svdd.report.html.write_report`.
        """
        before = {path.name for path in self.path.iterdir()} - set(WRITTEN)
        for name in set(WRITTEN) - {self.job.name, self.state.name, "best.csv", *self._journal_names(), *keep}:
            (self.path / name).unlink(missing_ok=True)  # of a run that was stopped while it wrote them
        result.save(self.path)
        evaluation = evaluate(result)
        if evaluation:
            _write_row(evaluation.row, self.path / "evaluation.csv")
        poses = pose(result)
        if poses:
            poses.save(self.path / "poses.sdf")
        _report(result, self.path, evaluation=evaluation, poses=poses, **report)
        for name in (self.state.name, *self._journal_names()):
            (self.path / name).unlink(missing_ok=True)
        self.parts.clear()
        files = sorted({path.name for path in self.path.iterdir()} - before)
        measured = {"evaluation": {"notes": evaluation.notes} | evaluation.row} if evaluation else {}
        record: dict[str, Any] = plain(result.record() | {"job": job} | measured | {"files": files})
        (self.path / "run.json").write_text(as_json(record) + "\n", encoding="utf-8")
        return record


def _write_row(row: dict[str, Any], path: Path) -> None:
    import pandas as pd

    pd.DataFrame([row]).to_csv(path, index=False, lineterminator="\n")


def _report(result: Result, folder: Path, **report: Any) -> None:
    from svdd.report.html import write_report

    try:
        write_report(result, folder, **report)
    except ImportError as error:
        warnings.warn(f"no report.html, {error}", RunWarning, stacklevel=3)
