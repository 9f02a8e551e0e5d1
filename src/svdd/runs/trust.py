"""Code that the folders of runs name: a folder may come from anybody, so its code runs only once a user trusts it."""

from collections.abc import Sequence

from svdd.runs.names import is_code
from svdd.runs.reading import FinishedRun
from svdd.runs.reward_spec import ScoreSpec
from svdd.runs.watching import Watch


class UntrustedCodeError(ValueError):
    """A folder names code of a user's own, and nobody said that it may run."""


def tell_code(runs: Sequence[FinishedRun], model: str | None, judge: str | None, trust: bool, watch: Watch) -> None:
    """Says which code of a user's own an evaluation runs.

    Args:
        runs: that are evaluated; the model of the first one is loaded.
        model: in place of theirs.
        judge: the reward that judges.
        trust: whether the model that the runs name may be imported.
        watch: is told.

    Raises:
        UntrustedCodeError: if the runs' model is code and it is not trusted.
    """
    own = runs[0].job.model
    theirs = [f"{own}, which {runs[0].path} names"] if model is None and is_code(own) else []
    if theirs and not trust:
        raise UntrustedCodeError(
            f"evaluating runs {theirs[0]}: add --trust if you trust it, or name a --model yourself"
        )
    named = (model, judge and ScoreSpec.model_validate(judge).name)
    asked = [f"{name}, as you asked" for name in named if name and is_code(name)]
    for said in (*theirs, *asked):
        watch.tell(f"running {said}")
