"""Finished runs, read back from their folders and grouped by settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from svdd.chain.designs import kind_of_files
from svdd.chain.rng import STREAMS
from svdd.cost.ledger import Breakdown, Usage
from svdd.decoding.columns import COLUMNS, WEIGHT
from svdd.decoding.result import Result
from svdd.decoding.trace import Trace, table_of
from svdd.metrics.kit import Kit, kit_of
from svdd.registry import domains
from svdd.runs.folder import BEST, RunFolder
from svdd.runs.job import Job, make_job
from svdd.runs.labels import settings
from svdd.runs.marks import read_object
from svdd.runs.schema import check_streams, without_schema
from svdd.scoring.best_designs import BestDesigns


@dataclass(frozen=True)
class FinishedRun:
    """A run's folder, job and designs."""

    path: Path
    job: Job
    result: Result

    @classmethod
    def read(cls, path: Path, measured: bool = True) -> "FinishedRun":
        """A run as `svdd run` wrote it.

        Args:
            path: its folder.
            measured: refuses a run of designs of which nothing but rewards is measured.

        Raises:
            ValueError: if the folder holds no finished run, a damaged one, or designs that are refused.
        """
        folder = RunFolder(path)
        written = folder.record()
        if not folder.finished() or "job" not in written:
            unfinished = not folder.finished() and folder.is_run()
            remedy = f"; go on with: svdd resume {path}" if unfinished else "; give folders that svdd run wrote"
            raise ValueError(f"{path} holds no finished run{remedy}")
        domain = written["model"].get("domain", "")
        kit = kit_of(domain)
        if measured and not kit.measures:
            known = domain in ("", *(one.name for one in domains()))
            why = "no domain knows their kind" if known else f"the domain {domain} is not installed"
            raise ValueError(f"{path} holds designs of which nothing but rewards is measured: {why}")
        return cls(folder.path, make_job(written["job"]), _result(folder.path, written, kit))


def saved_result(path: Path) -> Result:
    """A result, as a finished run or `Result.save` wrote it.

    Raises:
        ValueError: if the folder holds none, or a damaged one.
    """
    file = path / "run.json"
    written = read_object(file)
    if not {"settings", "model", "usage", "versions"} <= written.keys():
        FinishedRun.read(path, measured=False)  # says what is missing
    check_streams(written, STREAMS, file)
    written = without_schema(written, file)
    return _result(path, written, kit_of(written["model"].get("domain", "")))


def _result(path: Path, written: dict[str, Any], kit: Kit) -> Result:
    try:
        frame = pd.read_parquet(path / "samples.parquet")
        about = written["model"]
        kind = kit.kind(about) or kind_of_files(frame, path, about.get("domain", ""))
        usage = Usage.from_dict(written["usage"])
        samples = kind.read(frame, path)
        known = (*COLUMNS[:3], *kind.further)
        columns = {
            name: torch.tensor(frame[name].to_numpy(float), device="cpu") for name in frame.columns if name not in known
        }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the samples of {path} are damaged, or not designs of its model ({error})") from None
    rewards, _, log_w = columns.pop("reward"), columns.pop("valid"), columns.pop(WEIGHT, None)
    told: dict[str, Any] = {"usage": usage, "settings": written["settings"], "about": about, "kind": kind}
    told |= {"log_z": written.get("log_z"), "log_w": log_w, "archive": _archive(path)}
    told |= {"trace": _trace(path), "breakdown": _breakdown(written), "folder": path}
    return Result(samples, rewards, frame["chain"].tolist(), columns, **told)


def _trace(path: Path) -> Trace:
    """The steps of a run, none where the file is not there."""
    file = path / "steps.parquet"
    return Trace(finished=[table_of(pd.read_parquet(file))] if file.is_file() else ())


def _archive(path: Path) -> BestDesigns:
    """The best designs that a run has scored, none where the file is not there."""
    file, best = path / "best.csv", BestDesigns(0, BEST)
    if file.is_file():
        table = pd.read_csv(file, keep_default_na=False, dtype=str)
        rewards = [float(number) for number in table["reward"]]
        best.add(table["sample"].tolist(), torch.tensor(rewards, dtype=torch.float64, device="cpu"))
    return best


def _breakdown(written: dict[str, Any]) -> Breakdown:
    breakdown = Breakdown()
    breakdown.restore(written.get("breakdown", {}))
    return breakdown


def grouped(runs: Sequence[FinishedRun]) -> list[list[FinishedRun]]:
    """Runs that differ in nothing but the seed together, in the order given.

    Raises:
        ValueError: for no runs, runs of different models, rewards or lengths, and a run that is given twice.
    """
    first, groups = runs[0], dict[str, list[FinishedRun]]()
    for run in runs:
        _check_comparable(first, run)
        group = groups.setdefault(json.dumps(settings(run.job), sort_keys=True), [])
        for other in group:
            if other.job.seed == run.job.seed:
                raise ValueError(f"{other.path} and {run.path} are the same run, seed {run.job.seed}; give one of them")
        group.append(run)
    return list(groups.values())


def _check_comparable(one: FinishedRun, other: FinishedRun) -> None:
    def model(job: Job) -> Any:
        return job.model, {name: value for name, value in job.model_options.items() if name not in ("steps", "length")}

    for what, ours, theirs in (
        ("model", model(one.job), model(other.job)),
        ("guiding reward", _guide(one.job), _guide(other.job)),
        ("length", _length(one), _length(other)),
    ):
        if ours != theirs:
            raise ValueError(
                f"{one.path} and {other.path} differ in their {what} ({_told(ours)} and {_told(theirs)}); evaluate them apart"
            )


def _guide(job: Job) -> tuple[str, dict[str, Any]]:
    return job.reward, job.reward_options if job.objective is None else job.objective.record()


def _length(run: FinishedRun) -> int | None:
    """Letters of a design; None for those without a length."""
    return getattr(run.result.kind, "length", None)


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return value[0] + (f" with {value[1]}" if value[1] else "")
    return str(value)
