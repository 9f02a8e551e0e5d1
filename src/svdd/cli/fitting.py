"""Fitting a value from the command line: checked first, with progress, written once it is whole."""

from typing import TYPE_CHECKING

from svdd.cli.answering import answer
from svdd.cli.watching import Terminal, progress

if TYPE_CHECKING:
    from svdd.runs.value_job import ValueJob


def fit(job: "ValueJob", *, force: bool, quiet: bool, json: bool) -> None:
    """Fits, saves and shows the card.

    Args:
        job: the model, the reward, the settings of the fit and the folder to write.
        force: replace a value that is in it.
        quiet: no progress.
        json: print the card as JSON.
    """
    from svdd.fitting import fit_value
    from svdd.fitting.card import as_text
    from svdd.fitting.settings import make_settings
    from svdd.fitting.value import check_folder
    from svdd.runs.claims import claimed
    from svdd.runs.json_text import as_json
    from svdd.runs.make import job_reward, make_process
    from svdd.runs.running import tell_code
    from svdd.scoring.reward import close

    job.check_names()
    out, settings = job.folder(), job.settings()
    make_settings(settings)
    check_folder(out, force)
    tell_code(job, Terminal(quiet))
    with claimed(out):
        check_folder(out, force)
        process, scored = make_process(job), job_reward(job)
        try:
            with progress(quiet, keep=True) as tell:
                fitted = fit_value(process, scored, **settings, progress=tell)
            fitted.save(out, force)
        finally:
            close(scored)
    answer(as_json(fitted.card) if json else as_text(fitted.card, plotted=False))
    if not json:
        answer(f"written to {out}; use it with: svdd run ... --value {out}")
