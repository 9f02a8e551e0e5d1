"""Methods at equal cost: each gets the largest size whose count, or whose measured time, is not above that of a job."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from svdd.chain.process import Process
from svdd.decoding.planning import Forecast, forecast
from svdd.method.learned_values import Learned
from svdd.method.table import METHODS, Method
from svdd.method.values_by_name import rehearsed
from svdd.runs.compare_request import Entry
from svdd.runs.job import SETTINGS, Job, make_job
from svdd.runs.labels import exact
from svdd.runs.matches import Match
from svdd.runs.pilots import on_a_line, seconds_a_design
from svdd.runs.settings import settings_of

LOCAL = 2
"""Candidates of a method that has particles too, which get the rest."""
SIZES = {name: one.symbol for name, one in settings_of(Job).items() if one.symbol}
"""What says how large a method is, particles before candidates, and its symbol."""
_OWN = {*SETTINGS, "returns"}
_CADENCE = {name for name, one in settings_of(Job).items() if one.cadence}


@dataclass(frozen=True)
class Compared:
    """A method at a size.

    Args:
        job: one of its runs, but for seed and folder.
        asks: what a run asks for.
        share: of what the matched job asks for; network rows where seconds are matched.
        label: of its entry; empty where there is none.
    """

    job: Job
    asks: Forecast
    share: float
    label: str = ""

    @property
    def name(self) -> str:
        """Of its entry: the label, or the method where there is none."""
        return self.label or self.job.method

    @property
    def folder(self) -> str:
        """The name of its folder: label or method, sizes and temperature, whatever else is compared."""
        sizes = [f"{short}{getattr(self.job, long)}" for long, short in SIZES.items() if getattr(self.job, long)]
        heat = [] if self.job.temperature is None else [f"a{exact(self.job.temperature)}"]
        return "-".join([folder_name(self.name), *sizes, *heat])

    @property
    def size(self) -> int | None:
        """What the match decides, None where there is no size."""
        name = free_size(METHODS[self.job.method])
        return None if name is None else getattr(self.job, name)

    def runs(self, seeds: int, out: Path) -> list[Job]:
        """The jobs of its seeds, in their folders."""
        first, folder = self.job.seed, out / self.folder
        every = range(first, first + seeds)
        return [self.job.model_copy(update={"seed": seed, "out": str(folder / f"seed-{seed}")}) for seed in every]


def folder_name(label: str) -> str:
    """A label as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")


def free_size(method: Method) -> str | None:
    """The size that the match decides; candidates where every particle is a design, and so pays for itself."""
    sizes = [name for name in SIZES if name in method.options]
    return ("candidates" if method.returns == "all" else sizes[0]) if sizes else None


def _weighs(method: Method) -> bool:
    """Whether its designs depend on a temperature; the best of full samples do not."""
    chooses = "every" in method.options or bool(method.sizes_of("moves"))
    return "temperature" in method.options and (method.returns != "top" or chooses)


def with_size(job: Job, size: int) -> Job:
    """The job at a size."""
    return job.model_copy(update={str(free_size(METHODS[job.method])): size})


def variant(base: Job, entry: Entry, temperature: float | int | None) -> Job:
    """The job of a method: model, reward, value, steps, samples and cadence are the base's; a size may be still open.

    Args:
        base: the job that is matched; its own method keeps its options.
        entry: the method, with its options.
        temperature: of the new job; None takes that of the options, or the base's where the method can have it, else the
            method's own.
    """
    row, given = METHODS[entry.method], base.record()
    names = set(row.options)
    if entry.method != base.method:
        given = {name: setting for name, setting in given.items() if name not in _OWN or name in _CADENCE & names}
        given |= {"candidates": LOCAL} if free_size(row) not in ("candidates", None) and "candidates" in names else {}
    if _weighs(row):
        wanted = base.temperature if temperature is None else temperature
        own = row.defaults()["temperature"]
        given["temperature"] = own if wanted is None or (row.weighted and wanted == 0) else wanted
    sized = {name: row.defaults()[name] for name in SIZES if name in names}  # so that tables and folders name them
    return make_job({**sized, **given, "method": entry.method, **entry.options})


def temperatures(method: str, swept: Sequence[float | int]) -> list[float | int | None]:
    """Those of a sweep that a method can have; None where it has no temperature, or chooses its designs without."""
    row = METHODS[method]
    able = dict.fromkeys(swept) if _weighs(row) else ()
    return [t for t in able if t > 0 or not row.weighted] or [None]


def asked(job: Job, process: Process) -> Forecast:
    """What all chains of a run ask for, from a rehearsal.

    Raises:
        ValueError: for options that the method refuses.
    """
    options, method = job.options(), job.row()
    each = method.designs_per_chain(options)
    if job.samples % each:
        raise ValueError(
            f"{job.method} returns all {each} particles of a chain: samples must be a multiple, got {job.samples}"
        )
    learned = Learned(lambda x, t, cond: x.new_zeros(len(x)))
    value = (job.value or process.usual_value) if job.names_value else learned
    one = forecast(method, options, process, rehearsed(value, method.defaults() | options))
    return Forecast(one.rewards * job.samples // each, one.rows * job.samples // each)


def largest(cost: Callable[[int], int], target: int) -> int:
    """The largest size with a cost not above `target`, 0 if there is none; cost is a straight line, or below one from 1 on."""
    first, slope = cost(1), cost(2) - cost(1)
    if slope <= 0:
        return int(first <= target)
    on_the_line = max(0, 1 + math.floor((target - first) / slope))
    if on_the_line <= 1 or cost(on_the_line) <= target:
        return on_the_line
    return bisect_right(range(1, on_the_line), target, key=cost)  # the first sizes are rounded where particles fall


class Planner:
    """Finds the sizes.

    Args:
        base: the job that is matched.
        match: what is equal.
        process: the job's model.
        known: sizes that are not to be found again, by the names of their entries.
    """

    def __init__(self, base: Job, match: Match, process: Process, known: Mapping[str, int]) -> None:
        self.base, self.match, self.process, self.known = base, match, process, known
        self._seconds = 0.0
        self.target = self._cost(base)

    def _cost(self, job: Job) -> int:
        return int(getattr(asked(job, self.process), self.match.counted))

    def plan(self, entry: Entry) -> list[Compared]:
        """A method at its sizes and temperatures.

        Raises:
            ValueError: for options that do not fit the method, and if it cannot be as cheap as the base.
        """
        jobs = [
            variant(self.base, entry, temperature) for temperature in temperatures(entry.method, entry.temperatures)
        ]
        jobs = [with_size(job, size) for job in jobs for size in self.sizes(entry, jobs[0])] or jobs
        asks = [asked(job, self.process) for job in jobs]
        shares = [getattr(one, self.match.counted) / self.target for one in asks]
        return [Compared(*row, entry.label) for row in zip(jobs, asks, shares, strict=True)]

    def sizes(self, entry: Entry, job: Job) -> Sequence[int]:
        """The sizes of an entry; none where its job has its size already, or has none."""
        free = free_size(METHODS[job.method])
        if entry.sizes and free is not None:
            return entry.sizes
        return [self.known.get(entry.name) or self._size(job)] if self.finds(entry) else []

    def finds(self, entry: Entry) -> bool:
        """Whether the match decides the size of an entry."""
        free = free_size(METHODS[entry.method])
        own = self.match.given or entry.method == self.base.method or entry.sizes or free in entry.options
        return free is not None and not own

    def _size(self, job: Job) -> int:
        def cost(size: int) -> int:
            return self._cost(with_size(job, size))

        size = largest(cost, self.target)
        if size == 1 and cost(1) == cost(2):  # the cost does not depend on it, so that the match decides nothing
            size = getattr(job, str(free_size(METHODS[job.method])))
        if size < 1:
            raise ValueError(
                f"{job.method} at its smallest asks for {cost(1):,} {self.match.words}, the job only for {self.target:,}; "
                "leave it out of --methods, or match another cost"
            )
        return self._timed(job, size) if self.match.timed else size

    def _timed(self, job: Job, size: int) -> int:
        """The size that takes as long as the base: scaled from one pilot, then on a line through two."""
        self._seconds = self._seconds or seconds_a_design(self.base)
        one = seconds_a_design(with_size(job, size))
        other = max(1, int(size * self._seconds / one))
        if other == size:
            return size
        return on_a_line({size: one, other: seconds_a_design(with_size(job, other))}, self._seconds)
