"""What a Python user calls: run, read, evaluate and compare, as the command line does, with a folder or without one."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.decoding.decoding import Decoding
from svdd.decoding.result import Result
from svdd.messages import check
from svdd.report.progress import following
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.make import made_decoding
from svdd.runs.watching import OnStep, Watch
from svdd.user_files import whole

if TYPE_CHECKING:
    import pandas as pd

    from svdd.metrics.columns import Column

JobLike = Job | Mapping[str, Any] | str | Path
"""A job: itself, its settings by name, or a YAML file of them."""


class Shown(Watch):
    """Shows runs as bars in a terminal and in a notebook.

    Args:
        progress: whether anything is shown.
        titled: whether a bar says which of several runs it is of.
    """

    def __init__(self, progress: bool, titled: bool = False) -> None:
        self.progress, self.titled = progress, titled

    @contextmanager
    def steps(self, decoding: Decoding) -> Iterator[OnStep]:
        """A bar."""
        one = f"{decoding.settings['method']}, seed {decoding.seed}"
        with following(decoding, self.progress, one if self.titled else "decoding") as on_step:
            yield on_step


def run(job: JobLike, out: str | Path | None = None, *, progress: bool = True, force: bool = False) -> Result:
    """Runs a job, as `svdd run` does.

    An unfinished run of the same job in the folder goes on, and a finished one is read back. Without a folder nothing is kept.

    Args:
        job: a `svdd.Job`, its settings by name, or a YAML file of them.
        out: the folder to write; the job's own unless given.
        progress: a bar in a terminal and in a notebook.
        force: replaces an earlier run in the folder.

    Returns:
        The designs, their rewards and the cost.

    Raises:
        OtherRunError: if the folder holds the run of another job, and `force` is not given.
        FileExistsError: if the folder may not be written.
        ValueError: for anything in the job that is unknown or does not fit together.

    Cost:
        as the method's: see `METHODS` and `Result.usage`.
    """
    from svdd.runs.running import run_in_folder

    made = _job(job, out)
    if made.out:
        made.check_names()
        place = made.folder()  # before code of users, which may change the current folder
        run_in_folder(made, force, Shown(progress))
        return read(place)
    made.check_names()
    check(made.engine is None, "a run on an engine keeps its batches in a folder: give out='runs/NAME'")
    with made_decoding(made) as decoding, Shown(progress).steps(decoding) as on_step:
        for done, step in enumerate(decoding, 1):
            on_step(done, step)
        return decoding.result()


def _job(job: JobLike, out: str | Path | None) -> Job:
    settings = job.record() if isinstance(job, Job) else job
    settings = read_settings(Path(settings)) if isinstance(settings, str | Path) else settings
    return make_job(settings if out is None else {**settings, "out": str(out)})


def read(folder: str | Path) -> Result:
    """A result, read back from its folder; designs that no file holds are told by their names.

    Args:
        folder: that `svdd.run`, `svdd run` or `Result.save` wrote.

    Raises:
        ValueError: if the folder holds no finished run, or a damaged one.
    """
    from svdd.runs.reading import saved_result

    return saved_result(Path(whole(folder)))


@dataclass(frozen=True, repr=False, eq=False)
class Measured:
    """Runs beside each other; printed, and shown in notebooks, as a table with its sentences.

    Args:
        table: a row for each method or group of runs, `x_low` and `x_high` beside a measure x that has an interval.
        verdicts: what the table shows, in sentences; an evaluation has none.
        notes: how the table was made, in sentences.
        page: the report, as HTML; empty where a package that it needs is missing.
        columns: that the table may have.
    """

    table: "pd.DataFrame"
    verdicts: list[str]
    notes: list[str]
    page: str
    columns: Sequence["Column"]

    def report(self, path: str | Path) -> Path:
        """Writes the report, one HTML file.

        Args:
            path: the file, or a folder for `report.html`.

        Returns:
            The file.

        Raises:
            ValueError: if none could be made since a package is missing.
        """
        from svdd.report.html import saved_page

        check(self.page, 'the report needs packages that are not installed: pip install "svdd[sequences]"')
        return saved_page(path, self.page)

    def __repr__(self) -> str:
        from svdd.report.tables import sections

        blocks = [
            [title, *map(" | ".join, [titles, *rows])] for title, titles, rows in sections(self.table, self.columns)
        ]
        return "\n".join([line for block in blocks for line in (*block, "")] + [*self.verdicts, *self.notes])

    def _repr_html_(self) -> str:
        from svdd.report.notebook import measured_as_html

        return measured_as_html(self.table, self.columns, [*self.verdicts, *self.notes])


def evaluate(
    folders: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    reference: str | Path | None = None,
    judge: str | None = None,
    model: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Measured:
    """Measures finished runs of one model and reward beside each other, as `svdd evaluate` does.

    Args:
        folders: of runs; those that differ in nothing but the seed share a row.
        out: the folder to write; nothing is kept unless given.
        reference: FASTA of natural sequences, a file of SMILES or a folder of images; what came with the model unless given.
        judge: a reward that did not guide; the held-out twin of the guide unless given.
        model: what the likelihood bound is taken under; the runs' own model unless given.
        model_options: of that model; the runs' own options stay with their own model.
        force: replaces an earlier evaluation in the folder.

    Raises:
        ValueError: for a folder that is no finished run, runs that cannot be compared, and bad references.
        FileExistsError: if the folder may not be written.
    """
    from svdd.runs.evaluation import evaluate as measure

    given = [Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    place = None if reference is None else Path(whole(reference))
    with _place(out) as folder:
        asked: dict[str, Any] = {"judge": judge, "model": model, "model_options": model_options}
        made = measure(given, Path(folder), reference=place, **asked, force=force)
        return Measured(made.table, [], made.notes, _page(folder), made.kit.all_columns)


def compare(
    job: JobLike,
    methods: Sequence[str] | Mapping[str, Mapping[str, Any] | None] = ("pretrained", "best-of-n", "smc", "svdd"),
    *,
    match: str = "network-rows",
    seeds: int = 5,
    temperatures: Sequence[float | int] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    judge: str | None = None,
    sizes: Sequence[int] = (),
    reference: str | Path | None = None,
    pool: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    force: bool = False,
) -> Measured:
    """Compares methods at equal cost, as `svdd compare` does.

    Args:
        job: whose cost the others match: a `svdd.Job`, its settings by name, or a YAML file of them.
        methods: names of `METHODS`; or, by label, settings of a job such as `method`, `value` and `candidates`, and `sizes`,
            `temperatures` and `fit` (settings of `fit_value`, for a value that is fitted for the method).
        match: what is equal: network-rows, reward-calls, seconds or none, which takes the sizes as they are given.
        seeds: runs of each method, from the job's seed on.
        temperatures: to sweep; none takes the job's, or a method's own.
        options: of methods, such as `{"smc": {"ess": 0.8}}`.
        judge: a reward that did not guide; the held-out twin of the guide unless given.
        sizes: at which methods run that name none; none leaves that of the job or of the match.
        reference: FASTA of natural sequences, a file of SMILES or a folder of images; what came with the model unless given.
        pool: unguided samples per seed from which `pretrained` and `best-of-n` are read; 0 runs each of them.
        out: the folder to write, where runs that are there already are not made again; nothing is kept unless given.
        progress: a bar for each run, in a terminal and in a notebook.
        force: makes runs again that are in the folder.

    Raises:
        ValueError: for anything in the job or the comparison that is unknown or does not fit together.
        FileExistsError: if the folder, or that of a run, holds something else.

    Cost:
        `seeds` runs of each method, each at most that of the job in what is matched.
    """
    from svdd.runs.claims import claimed
    from svdd.runs.compare_request import Request
    from svdd.runs.comparison import make_plan, run_plan

    with _place(out) as folder:
        given = methods, match, seeds, temperatures, options or {}, judge, sizes, pool, reference
        request = Request(_job(job, folder), Path(folder), *given)
        with claimed(request.out):
            made = run_plan(make_plan(request, force), force, Shown(progress, titled=True))
        return Measured(made.table, made.verdicts, made.notes, _page(folder), made.kit.all_columns)


def _place(out: str | Path | None) -> AbstractContextManager[str]:
    """The folder to write: a temporary one, which goes at the end, unless one is given."""
    return tempfile.TemporaryDirectory(prefix="svdd-") if out is None else nullcontext(whole(out))


def _page(folder: str) -> str:
    """The report that is in a folder, empty where there is none."""
    file = Path(folder) / "report.html"
    return file.read_text(encoding="utf-8") if file.is_file() else ""
