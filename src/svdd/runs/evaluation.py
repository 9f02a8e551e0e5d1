"""The evaluation of designs: of one run while it is written, and of finished runs beside each other."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from svdd.chain.designs import DesignKind
from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.messages import check, described
from svdd.metrics.kit import Kit, Reference, kit_of
from svdd.metrics.measures import Designs, Evaluation, held_out_reward
from svdd.runs.alarms import OpposedJudgeWarning, opposed, opposed_beside_the_model
from svdd.runs.claims import claimed
from svdd.runs.folder import write_or_warn
from svdd.runs.job import BEGUN, Job
from svdd.runs.json_text import as_json
from svdd.runs.labels import labels
from svdd.runs.make import make_judge, make_process
from svdd.runs.marks import Mark, holds_table
from svdd.runs.options import takes
from svdd.runs.paths import whole_name
from svdd.runs.reading import FinishedRun, grouped
from svdd.runs.trust import tell_code
from svdd.runs.watching import NOBODY, RunWarning, Watch
from svdd.scoring.reward import Reward
from svdd.user_files import whole

FILES = ("evaluation.csv", "evaluation.json", "report.html")


@dataclass(frozen=True)
class Protocol:
    """What runs are measured with; the same for all that are compared.

    Args:
        process: the pretrained model.
        judge: name of the reward that did not guide, empty if there is none.
        reference: natural designs that those of the runs are compared with.
        chunks: rows at a time of network and reward.
        twins: names of further rewards that did not guide: those of the other components of an objective.
    """

    process: Process
    judge: str = ""
    reference: Reference | None = None
    chunks: Mapping[str, int] | None = None
    twins: Sequence[str] = ()

    @property
    def kit(self) -> Kit:
        """Of the domain of the designs."""
        return kit_of_process(self.process)

    def designs(self, result: Result) -> Designs:
        """The designs of a run, measured; those of no domain by their rewards alone."""
        made = self.kit.measured(result, self.process, self._asked(self.judge, result), self.judge, self.chunks)
        adapted = {name: self.process.adapt(self._asked(name, result) or _unasked) for name in self.twins}
        found = {name: held_out_reward(result, judge, name, self.chunks) for name, judge in adapted.items()}
        rows = made.judge_rows + sum(rows for _, rows in found.values())
        return replace(made, judge_rows=rows, twins={name: values for name, (values, _) in found.items()})

    def _asked(self, name: str, result: Result) -> Reward | None:
        """A reward that did not guide; None where there is none, or the result has its score."""
        return make_judge(name) if name and name not in result.scores and self.kit.measures else None

    def evaluation(self, designs: Designs) -> Evaluation:
        """The row of designs, with what they were measured with."""
        made = self.kit.record(designs, self.reference, self.process.kind)
        rows = {"elbo_rows": designs.elbo_rows, "judge_rows": designs.judge_rows}
        return Evaluation(self.names() | made.row | rows, made.notes, designs)

    def names(self) -> dict[str, str]:
        """What the judge and the reference are called."""
        return {"judge": self.judge, "reference": self.reference.name if self.reference else ""}


def _unasked(designs: Any) -> Any:
    raise AssertionError("a score that the result has is not asked again")


def kit_of_process(process: Process) -> Kit:
    """The kit of the domain of a process's designs."""
    return kit_of("" if process.kind is None else process.kind.domain)


def of_the_kind(process: Process, result: Result) -> Process:
    """A process that names no kind as one of the kind that its designs were found to be; another as it is."""
    return replace(process, kind=result.kind) if process.kind is None else process


def evaluation_of(result: Result, process: Process, job: Job) -> Evaluation | None:
    """The evaluation of a run's own designs, None unless there is more to measure; what fails is a warning."""
    if any(getattr(job, name) for name in BEGUN):
        process = make_process(job.model_copy(update=BEGUN))
    process = of_the_kind(process, result)
    kit = kit_of_process(process)
    if not (kit.measures and len(result)):
        return None
    try:
        judge, *twins = job.judges() or [""]
        protocol = Protocol(process, judge, kit.reference(job.model, job.reward), job.chunks, twins)
        made = protocol.evaluation(protocol.designs(result))
    except Exception as error:  # a finished run is not lost to a measure of it
        warnings.warn(f"no evaluation of the designs, {described(error)}", RunWarning, stacklevel=2)
        return None
    assert made.designs is not None, "designs that were measured"
    said = opposed(made.designs, job.reward, judge)
    for sentence in said:
        warnings.warn(sentence, OpposedJudgeWarning, stacklevel=2)
    return replace(made, notes=[*said, *made.notes])


def costs(results: Sequence[Result]) -> dict[str, int | float]:
    """Rows asked and computed and seconds, summed over runs."""
    row: dict[str, int | float] = {}
    for part in ("network", "value", "reward"):
        spent = [getattr(result.usage, part) for result in results]
        row[f"{part}_rows_asked"] = sum(cost.asked for cost in spent)
        row[f"{part}_rows_computed"] = sum(cost.rows for cost in spent)
    return row | {"seconds": sum(result.usage.seconds for result in results)}


def table(
    rows: Sequence[tuple[str, Sequence[Result]]],
    protocol: Protocol,
    progress: Callable[[str], None] = lambda name: None,
) -> tuple[pd.DataFrame, list[str], dict[str, Designs]]:
    """A row for each label, of one or more runs, the notes of all, and the designs of each label."""
    made, notes, designs = [], dict[str, None](), dict[str, Designs]()
    for label, results in rows:
        progress(label)
        measured_ones = [protocol.designs(result) for result in results]
        designs[label] = type(measured_ones[0]).pooled(measured_ones)
        found = protocol.evaluation(designs[label])
        made.append({"label": label} | found.row | costs(results))
        notes |= dict.fromkeys(found.notes)
    return pd.DataFrame(made), list(notes), designs


def check_out(out: Path, force: bool) -> None:
    """Looks whether an evaluation may be written to a folder.

    Raises:
        FileExistsError: if it holds an evaluation and `force` is not given.
        ForeignFilesError: if it holds something else.
        NotADirectoryError: if it is not a folder.
    """
    if holds_table(out, "evaluation", FILES) and not force:
        raise FileExistsError(f"{out} already holds an evaluation; choose another folder, or replace it with --force")


def protocol_of(
    runs: Sequence[FinishedRun], reference: Path | None = None, judge: str | None = None, model: str | None = None,
    model_options: Mapping[str, Any] | None = None,
) -> Protocol:  # fmt: skip
    """What runs are measured with; arguments as `evaluate`.

    Raises:
        ValueError: for a judge that guided, and a model that makes something else.
    """
    first = runs[0].job
    if judge in first.guides():
        raise ValueError(f"{judge} guided these runs, so it cannot judge them; give --judge another reward")
    process = make_process(_job_of(first, model, model_options or {}))
    process, run = process if model else of_the_kind(process, runs[0].result), runs[0]
    kit = kit_of_process(process)
    kind = process.kind or DesignKind()
    if kind.domain != run.result.kind.domain or not kit.fits(process, run.result):
        made = kit_of(run.result.kind.domain).designs
        raise ValueError(f"{model or first.model} does not make {made} of the kind that {run.path} holds")
    compared = kit.reference_of(reference, kind) if reference else kit.reference(first.model, first.reward)
    own = first.judges()
    judge, *twins = own if own and judge in (None, own[0]) else [judge or ""]
    return Protocol(process, judge, compared, first.chunks, twins)


def _job_of(job: Job, model: str | None, options: Mapping[str, Any]) -> Job:
    """A run's job, of the model that measures; another model than the run's has its own options.

    Steps and length are what models of one kind have in common: another one has the run's, where it takes them.
    """
    check(
        model or not options, "model_options are of the model that the likelihood is taken under: name it with --model"
    )
    alone = job.model_copy(update=BEGUN)
    if model is None or whole_name("model", model) == job.model:
        return alone.model_copy(update={"model_options": {**job.model_options, **options}})
    shared = {name: getattr(job, name) or job.model_options.get(name) for name in ("steps", "length")}
    fits = {name: None if name in options or not takes("model", model, name) else shared[name] for name in shared}
    return alone.model_copy(update={"model": model, "model_options": dict(options), **fits})


@dataclass(frozen=True)
class Evaluated:
    """Finished runs beside each other.

    Args:
        table: a row for each group of runs that differ in nothing but the seed.
        notes: sentences about the table.
        folder: where both are written.
        kit: of the domain of the designs, which knows the columns of the table.
    """

    table: pd.DataFrame
    notes: list[str]
    folder: Path
    kit: Kit


def evaluate(
    folders: Sequence[Path], out: Path, *, reference: Path | None = None, judge: str | None = None,
    model: str | None = None, model_options: Mapping[str, Any] | None = None, force: bool = False, trust: bool = True,
    watch: Watch = NOBODY,
) -> Evaluated:  # fmt: skip
    """Measures finished runs of one model and reward beside each other, and writes the table with a report.

    Args:
        folders: of runs; those that differ in nothing but the seed share a row.
        out: the folder to write.
        reference: FASTA of natural sequences, a file of SMILES or a folder of images; without it, the statistics that came
            with the model.
        judge: a reward that did not guide; without it, the held-out twin of the guide if there is one.
        model: what the likelihood bound is taken under, if not the runs' own model.
        model_options: of that model; those of the runs belong to the runs' model.
        force: replaces an earlier evaluation.
        trust: whether code that the folders name may run: a model in a user's own file or module.
        watch: is told which code runs.

    Raises:
        ValueError: for a folder that is no finished run, runs that cannot be compared, and bad references.
        UntrustedCodeError: for a model that is a user's own code, if it is not trusted.
        FileExistsError: if the folder may not be written.
    """
    out = Path(whole(out))
    check_out(out, force)
    with claimed(out):  # whether it can be written is known before anything is measured
        pass
    runs = [FinishedRun.read(folder) for folder in folders]
    groups = grouped(runs)
    tell_code(runs, model, judge, trust, watch)
    protocol = protocol_of(runs, reference, judge, model, model_options)
    named = list(zip(labels([group[0].job for group in groups]), groups, strict=True))
    rows = [(label, [run.result for run in group]) for label, group in named]
    found, notes, designs = table(rows, protocol)
    methods = {label: group[0].job.method for label, group in named}
    notes = [resampled(groups), *_alarms(designs, methods, runs[0].job.reward, protocol.judge), *notes]
    first = {label: results[0] for label, results in rows}
    paths = {label: [str(run.path) for run in group] for label, group in named}
    with claimed(out):
        check_out(out, force)
        _write(found, notes, paths, protocol, out, first)
    return Evaluated(found, notes, out, protocol.kit)


def _alarms(designs: Mapping[str, Designs], methods: Mapping[str, str], guide: str, judge: str) -> list[str]:
    """The alarms about a judge that falls while the guide rises, of each row and of each beside the pretrained model."""
    within = [f"{label}: {said}" for label, one in designs.items() for said in opposed(one, guide, judge)]
    return within + opposed_beside_the_model(designs, methods)


def resampled(groups: Sequence[Sequence[FinishedRun]]) -> str:
    """What the intervals of rows of runs are resampled over."""
    several = {len(group) > 1 for group in groups}
    within = "seeds, then chains within each" if several == {True} else "chains"
    mixed = ", and over seeds too where a row has several runs" if len(several) > 1 else ""
    return f"95 % bootstrap intervals, resampled over {within}{mixed}"


def _write(
    found: pd.DataFrame, notes: list[str], runs: dict[str, list[str]], protocol: Protocol, out: Path,
    first: Mapping[str, Result],
) -> None:  # fmt: skip
    from svdd.report.evaluation import write_evaluation

    Mark(out, "evaluation").write(FILES)
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    found.to_csv(out / "evaluation.csv", index=False, lineterminator="\n")
    facts = {"runs": runs, "model": protocol.process.facts, **protocol.names(), "notes": notes}
    (out / "evaluation.json").write_text(as_json(facts) + "\n", encoding="utf-8")
    write_or_warn(write_evaluation, found, out, protocol.kit, notes, protocol.kit.side_by_side(first))
