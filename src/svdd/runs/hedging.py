"""A hedge of one pool of designs: how far its guide can be followed before a judge, which did not guide, falls."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.cost.batches import picked
from svdd.cost.ledger import Cost
from svdd.decoding.result import Result
from svdd.messages import number
from svdd.metrics.hedging import Curve, Pool, best_of_n, judged, tempered
from svdd.metrics.intervals import Bounds
from svdd.runs.folder import RunFolder
from svdd.runs.job import make_job
from svdd.runs.make import make_judge
from svdd.runs.names import check_name, is_code
from svdd.runs.reading import saved_result
from svdd.runs.reward_spec import RewardSpec, ScoreSpec
from svdd.runs.watching import NOBODY, Watch
from svdd.scoring.policy import NoNumber
from svdd.scoring.reward import Reward, close, name_of, traits_of
from svdd.scoring.scorer import Scorer
from svdd.scoring.signatures import adapted
from svdd.user_files import whole

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 256
"""Designs that a judge is given at a time."""


@dataclass(frozen=True, repr=False, eq=False)
class Hedge:
    """What a judge is expected to say, if the designs of a pool are tilted by their guide, or the best of N is taken.

    Args:
        guide: the name of what guides.
        judge: the name of what judges.
        designs: valid ones in the pool.
        tempered: the expected judge against temperature.
        best_of_n: the expected judge against N.
        judge_rows: rows of the judge that this cost.
        notes: about the pool, in sentences.
    """

    guide: str
    judge: str
    designs: int
    tempered: Curve
    best_of_n: Curve
    judge_rows: int = 0
    notes: Sequence[str] = ()

    @property
    def temperature(self) -> float:
        """The best reliable temperature; infinite where every temperature lowers the judge."""
        return self.tempered.best.at

    @property
    def particles(self) -> int:
        """The best reliable N; 1 where every choice lowers the judge."""
        return int(self.best_of_n.best.at)

    @property
    def sentences(self) -> list[str]:
        """What the curves show."""
        return [*_told(self, self.tempered, "temperature", "Below"), *_told(self, self.best_of_n, "N =", "Above")]

    def to_frame(self) -> "pd.DataFrame":
        """Both curves as a table.

        Its columns are `law` (`tilted` or `best-of-n`), `at` (a temperature or N), the expected `judge` with `judge_low` and
        `judge_high`, the expected `guide`, their `covariance`, `kl` in nats, `ess` in designs, and `reliable`.
        """
        import pandas as pd

        from svdd.report.curves import rows_of

        both = {"tilted": rows_of(self.tempered), "best-of-n": rows_of(self.best_of_n)}
        return pd.concat(both, names=["law"]).reset_index("law").reset_index(drop=True)

    def plot(self) -> Any:
        """The expected judge against temperature.

        Returns:
            A matplotlib figure, which notebooks show.

        Raises:
            ImportError: without matplotlib; it names the extra.
        """
        from svdd.report.html import named_extra

        with named_extra():
            from svdd.report.curves import rows_of
            from svdd.report.plots import curve_figure
        return curve_figure(rows_of(self.tempered), self.temperature, self.judge)

    def report(self, path: str | Path) -> Path:
        """Writes the page, one HTML file.

        Args:
            path: the file, or a folder for `report.html`.

        Returns:
            The file.

        Raises:
            ImportError: without jinja2 or matplotlib; it names the extra.
        """
        from svdd.report.hedging import write_hedge

        facts = {"designs": self.designs, "best temperature": _temperature(self.temperature), "best N": self.particles}
        curves = self.tempered, self.best_of_n
        return write_hedge(path, facts, self.sentences, self.notes, curves, (self.guide, self.judge))

    def __repr__(self) -> str:
        return "\n".join([*self.sentences, *self.notes])


def _temperature(at: float) -> str:
    return "none" if numpy.isinf(at) else number(at)


def _told(hedge: Hedge, curve: Curve, called: str, beyond: str) -> list[str]:
    """Where a curve is highest, and where it ends.

    Args:
        hedge: whose curve it is.
        curve: of laws.
        called: what tells one law from another.
        beyond: the preposition of laws that follow the guide farther.
    """
    guide, judge, best, limit = hedge.guide, hedge.judge, curve.best, curve.limit
    law, farthest = f"{called} {number(best.at)}", f"{called} {number(limit.at)}"
    pool, kind = number(curve.points[0].judge[0]), called.removesuffix(" =")
    rise = (
        f"{_interval(best.judge)} is expected there, against {pool} in the pool, and {number(best.guide)} of {guide}."
    )
    noise = " This gain is within the noise." if _is_noise(curve.gain) else ""
    falls = f"{beyond} it {guide} rises while {judge} falls"
    if _is_noise(curve.fall):
        falls = f"From there to {farthest}, the farthest that these designs tell, {judge} is level within the noise"
    said = {
        "first": f"By {judge} no {kind} is better than the pool itself: {judge} falls while {guide} rises.",
        "inside": f"By {judge} the best is {law}: {rise}{noise} {falls}.",
        "last": f"{judge} is highest at {law}, the farthest that these designs tell: {rise}{noise}",
    }[curve.place]
    few = f"{beyond} {farthest} fewer than {number(limit.ess, 2)} of {hedge.designs:,} designs count by weight"
    further = curve.points[-1] is not limit
    return [said, *([f"{few}, so what is shown there is not reliable."] if further else [])]


def _is_noise(apart: Bounds) -> bool:
    return apart[1] <= 0 <= apart[2]


def _interval(bounds: Bounds) -> str:
    value, low, high = map(number, bounds)
    return value if low == "-" else f"{value} ({low} to {high})"


def hedge(run: Result | str | Path, judge: Reward | str | None = None) -> Hedge:
    r"""How far the guide of a pool of designs can be followed, by a judge that did not guide.

    The designs are weighted anew, so nothing is decoded: $E_a[g] = \sum_i W_i g_i$ with $W \propto e^{r/a}$ is highest where
    the weighted covariance of guide r and judge g falls through zero, and the best of N is known from ranks.

    Args:
        run: designs of `pretrained`, some hundreds or more: a result, or the folder of a run. Temperatures and N of another
            method's designs are relative to the law of that run.
        judge: a reward that did not guide, or its name; a column of the result of that name is used as it is. The held-out
            reward of the guide unless given.

    Returns:
        Both curves, the best temperature and the best N; `to_frame()`, `plot()` and `report(path)`.

    Raises:
        HedgeError: for fewer than 16 valid designs, and where guide or judge says the same of all.
        ValueError: for a guide without a held-out reward where no judge is given, and for a judge that guided.

    Cost:
        1 row of the judge for each different valid design, unless the result has the column; no network row.

    References:
        arXiv:2506.19248, for the idea that a held-out reward chooses how far a guide is followed.
    """
    return weighed(run if isinstance(run, Result) else saved_result(Path(whole(run))), judge)


def weighed(result: Result, judge: Reward | str | None = None, watch: Watch = NOBODY) -> Hedge:
    """As `hedge`, of a result; the watch is told which code of a user's own runs."""
    guides, judges = _guides(result)
    asked = _judge(guides, judges) if judge is None else judge
    called = asked if isinstance(asked, str) else name_of(asked).replace("<lambda>", "the judge")
    if called in guides:
        raise ValueError(f"{called} guided these designs, so it cannot judge them; give another reward as the judge")
    numbers, rows = _judged(result, asked, called, watch)
    guide, chain = result.rewards.double().numpy(), numpy.array(result.chain)
    there = judged(guide, numbers)
    pool = Pool(guide[there], numbers[there], chain[there].tolist())
    notes = (*_law(result), *_left_out(int((~there).sum()), called))
    return Hedge(" and ".join(guides), called, pool.valid, tempered(pool), best_of_n(pool), rows, notes)


def _guides(result: Result) -> tuple[list[str], list[str]]:
    """The names of the rewards that guided, or that a pool of unguided designs has, and their held-out rewards."""
    record = RunFolder(result.folder).record() if result.folder else {}
    if record:
        job = make_job(record["job"])
        return job.guides(), job.judges()
    guide = RewardSpec(name=str(result.settings.get("reward", "reward")))
    return [guide.name], [guide.judge()]


def _judge(guides: Sequence[str], judges: Sequence[str]) -> str:
    if not any(judges):
        raise ValueError(
            f"{' and '.join(guides)} has no held-out reward, so a judge is needed: --judge REWARD (judge=... in Python)"
        )
    return judges[0]


def _judged(result: Result, judge: Reward | str, called: str, watch: Watch) -> tuple[Float[ndarray, " n"], int]:
    """What the judge says of each valid design, NaN of the others, and the rows that it took."""
    if called in result.scores:
        return result.scores[called].double().numpy(), 0
    if isinstance(judge, str):
        name = ScoreSpec.model_validate(judge).name
        check_name("reward", name)
        if is_code(name):
            watch.tell(f"running {judge}, as you asked")
    made = make_judge(judge) if isinstance(judge, str) else judge
    valid = (~result.rewards.isneginf()).nonzero().flatten().tolist()
    cost, at_once = Cost(), min(_AT_ONCE, traits_of(made).at_once)
    limits: dict[str, Any] = {} if traits_of(made).groupwise else {"at_once": at_once}
    policy = traits_of(made).policy or NoNumber()
    ask = Scorer(adapted(result.kind, made), policy=policy, cost=cost, source=f"judge {called}", **limits)
    found = numpy.full(len(result), numpy.nan)
    found[valid] = ask(picked(result.samples, valid)).numpy() if valid else []
    if isinstance(judge, str):
        close(made)
    return found, cost.rows


def _law(result: Result) -> list[str]:
    """What temperatures and N are relative to, where that is not the pretrained model."""
    method = str(result.settings.get("method", "an unknown method"))
    every = method == "best-of-n" and len(set(result.chain)) * int(result.settings["particles"]) == len(result)
    if (method == "pretrained" or every) and -1 not in result.chain:
        return []
    weights = "" if result.log_w is None else " Each design counts once, whatever its log_weight."
    return [
        f"These are designs of {method}, so temperatures and N are relative to the law of that run, not to that of the "
        f"pretrained model.{weights}"
    ]


def _left_out(count: int, judge: str) -> list[str]:
    return [f"{judge} has no number for {count:,} valid designs, which are left out."] if count else []
