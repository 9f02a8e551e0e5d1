"""The evaluation of sequences, molecules and images: of one run while it is written, and of finished runs beside each other."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.domains.image.files import read_images
from svdd.domains.image.measures.distances import ImageReference, bundled_features, bundled_reference
from svdd.domains.image.measures.measures import measured_images, record_images
from svdd.domains.molecule.files import read_molecules
from svdd.domains.molecule.measures.measures import measured_molecules, record_molecules
from svdd.domains.molecule.measures.reference import MoleculeReference, of_molecule_model
from svdd.domains.sequence.alphabets import Alphabet
from svdd.domains.sequence.fasta import read_fasta
from svdd.domains.sequence.measures import has_alphabet, measured, record
from svdd.domains.sequence.references import Reference, natural, of_model
from svdd.messages import described
from svdd.metrics.measures import Designs, Evaluation, makes_images, makes_molecules, scored
from svdd.registry import HELD_OUT, JUDGES
from svdd.runs.folder import as_json, write_or_warn
from svdd.runs.job import BEGUN, Job
from svdd.runs.labels import labels
from svdd.runs.make import make_process, make_reward
from svdd.runs.marks import Mark, holds_table
from svdd.runs.reading import FinishedRun, grouped
from svdd.runs.trust import tell_code
from svdd.runs.watching import NOBODY, RunWarning, Watch

AnyReference = Reference | MoleculeReference | ImageReference
_ONLY_REWARDS = "no naturalness and no diversity: the model names no alphabet"
FILES = ("evaluation.csv", "evaluation.json", "report.html")


@dataclass(frozen=True)
class Protocol:
    """What runs are measured with; the same for all that are compared.

    Args:
        process: the pretrained model.
        judge: name of the reward that did not guide, empty if there is none.
        reference: natural sequences, known molecules or photographs.
        chunks: rows at a time of network and reward.
    """

    process: Process
    judge: str = ""
    reference: AnyReference | None = None
    chunks: Mapping[str, int] | None = None

    def designs(self, result: Result) -> Designs:
        """The designs of a run, measured; those that are no text by their rewards alone."""
        about = self.process.about
        if not is_measured(about):
            return scored(result, None, self.judge, note=_ONLY_REWARDS)
        asked = make_reward(self.judge) if self.judge and self.judge not in result.scores else None
        if makes_images(about):
            judge = None if asked is None else self.process.adapt(asked)
            return measured_images(result, bundled_features(), judge, self.judge, self.chunks)
        if makes_molecules(about):
            return measured_molecules(result, self.process, asked, self.judge, self.chunks)
        return measured(result, self.process, asked, self.judge, self.chunks)

    def evaluation(self, designs: Designs) -> Evaluation:
        """The row of designs, with what they were measured with."""
        made, rows = self._row(designs), {"elbo_rows": designs.elbo_rows, "judge_rows": designs.judge_rows}
        return Evaluation(self.names() | made.row | rows, made.notes, designs)

    def names(self) -> dict[str, str]:
        """What the judge and the reference are called."""
        return {"judge": self.judge, "reference": self.reference.name if self.reference else ""}

    def _row(self, designs: Designs) -> Evaluation:
        about = self.process.about
        reference: Any = self.reference  # it is of the kind that the process makes
        if makes_images(about):
            return record_images(designs, reference)  # type: ignore[arg-type]  # designs of images
        if makes_molecules(about):
            return record_molecules(designs, reference)
        return record(designs, reference, about["alphabet"] if has_alphabet(about) else "")


def is_measured(about: Mapping[str, Any]) -> bool:
    """Whether more than the rewards of a model's designs is measured: they are sequences, molecules or images."""
    return has_alphabet(about) or makes_molecules(about) or makes_images(about)


def _known(job: Job, process: Process) -> AnyReference | None:
    """The reference that came with a bundled model."""
    if makes_images(process.about):
        return bundled_reference() if job.model == "image-small" else None
    return of_molecule_model(job.model) if makes_molecules(process.about) else of_model(job.model, job.reward)


def held_out(reward: str) -> str:
    """The bundled reward that judges what another guided, or nothing."""
    return (JUDGES | HELD_OUT).get(reward, "")


def evaluation_of(result: Result, process: Process, job: Job) -> Evaluation | None:
    """The evaluation of a run's own designs, None unless there is more to measure; what fails is a warning."""
    text = isinstance(result.samples, list)
    if any(getattr(job, name) for name in BEGUN):
        process = make_process(job.model_copy(update=BEGUN))
    if not is_measured(process.about) or not len(result) or text == makes_images(process.about):
        return None
    try:
        protocol = Protocol(process, held_out(job.reward), _known(job, process), job.chunks)
        return protocol.evaluation(protocol.designs(result))
    except Exception as error:  # a finished run is not lost to a measure of it
        warnings.warn(f"no evaluation of the designs, {described(error)}", RunWarning, stacklevel=2)
        return None


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


def _reference(path: Path, process: Process) -> AnyReference:
    about = process.about
    if makes_images(about):
        return ImageReference.of(read_images(path), path.name, bundled_features())
    if makes_molecules(about):
        return MoleculeReference.of(read_molecules(path), path.name)
    letters = Alphabet(about["alphabet"], synonyms=about.get("synonyms", ""))
    given = read_fasta(path)
    try:
        tokens = letters.encode(given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if tokens.shape[1] != about["length"]:
        raise ValueError(f"{path} has sequences of {tokens.shape[1]} letters, but the designs have {about['length']}")
    return natural(path.name, letters.decode(tokens), about["alphabet"])


def protocol_of(
    runs: Sequence[FinishedRun], reference: Path | None = None, judge: str | None = None, model: str | None = None
) -> Protocol:
    """What runs are measured with; arguments as `evaluate`.

    Raises:
        ValueError: for a judge that guided, and a model that makes something else.
    """
    first = runs[0].job
    if judge in first.guides():
        raise ValueError(f"{judge} guided these runs, so it cannot judge them; give --judge another reward")
    process = make_process(first.model_copy(update=BEGUN | ({"model": model} if model else {})))
    if not _same_kind(process.about, runs[0].result):
        what = "images" if makes_images(runs[0].result.about) else "sequences"
        raise ValueError(f"{model or first.model} does not make {what} of the kind that {runs[0].path} holds")
    compared = _reference(reference, process) if reference else _known(first, process)
    return Protocol(process, held_out(first.reward) if judge is None else judge, compared, first.chunks)


def _same_kind(about: Mapping[str, Any], result: Result) -> bool:
    for kind in (makes_molecules, makes_images):
        if kind(result.about) or kind(about):
            return kind(result.about) and kind(about)
    return has_alphabet(about) and about.get("length") == len(result.samples[0])


@dataclass(frozen=True)
class Evaluated:
    """Finished runs beside each other.

    Args:
        table: a row for each group of runs that differ in nothing but the seed.
        notes: sentences about the table.
        folder: where both are written.
    """

    table: pd.DataFrame
    notes: list[str]
    folder: Path


def evaluate(
    folders: Sequence[Path], out: Path, *, reference: Path | None = None, judge: str | None = None,
    model: str | None = None, force: bool = False, trust: bool = True, watch: Watch = NOBODY,
) -> Evaluated:  # fmt: skip
    """Measures finished runs of one model and reward beside each other, and writes the table with a report.

    Args:
        folders: of runs; those that differ in nothing but the seed share a row.
        out: the folder to write.
        reference: FASTA of natural sequences, a file of SMILES or a folder of images; without it, the statistics that came
            with the model.
        judge: a reward that did not guide; without it, the held-out twin of the guide if there is one.
        model: what the likelihood bound is taken under, if not the runs' own model.
        force: replaces an earlier evaluation.
        trust: whether code that the folders name may run: a model in a user's own file or module.
        watch: is told which code runs.

    Raises:
        ValueError: for a folder that is no finished run, runs that cannot be compared, and bad references.
        UntrustedCodeError: for a model that is a user's own code, if it is not trusted.
        FileExistsError: if the folder may not be written.
    """
    check_out(out, force)
    runs = [FinishedRun.read(folder) for folder in folders]
    groups = grouped(runs)
    tell_code(runs, model, judge, trust, watch)
    protocol = protocol_of(runs, reference, judge, model)
    named = list(zip(labels([group[0].job for group in groups]), groups, strict=True))
    rows = [(label, [run.result for run in group]) for label, group in named]
    found, notes, _ = table(rows, protocol)
    notes.insert(0, resampled(groups))
    first = {label: results[0] for label, results in rows}
    paths = {label: [str(run.path) for run in group] for label, group in named}
    _write(found, notes, paths, protocol, out, first)
    return Evaluated(found, notes, out)


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
    from svdd.report.figures import pictures

    Mark(out, "evaluation").write(FILES)
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    found.to_csv(out / "evaluation.csv", index=False, lineterminator="\n")
    facts = {"runs": runs, "model": protocol.process.about, **protocol.names(), "notes": notes}
    (out / "evaluation.json").write_text(as_json(facts) + "\n", encoding="utf-8")
    write_or_warn(write_evaluation, found, out, notes, pictures(first))
