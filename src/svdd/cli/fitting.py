"""Fitting a value from the command line: checked first, with progress, written once it is whole."""

from pathlib import Path
from typing import Any

from svdd.cli.watching import progress


def fit(settings: dict[str, Any], out: Path, *, force: bool, quiet: bool, json: bool) -> None:
    """Fits, saves and shows the card.

    Args:
        settings: `model`, `steps`, `length` and `model_options` of the process, `reward` and `reward_options`, and those of
            `svdd.fit_value`.
        out: folder to write.
        force: replace a value that is in it.
        quiet: no progress.
        json: print the card as JSON.
    """
    from svdd.fitting import fit_value
    from svdd.fitting.card import as_text
    from svdd.fitting.settings import make_settings
    from svdd.fitting.value import check_folder
    from svdd.registry import load
    from svdd.runs.folder import as_json
    from svdd.runs.make import make_reward
    from svdd.scoring.reward import close

    model, model_options = settings.pop("model"), settings.pop("model_options", {})
    reward, reward_options = settings.pop("reward"), settings.pop("reward_options", {})
    shape = {name: settings.pop(name) for name in ("steps", "length") if name in settings}
    make_settings(settings)
    check_folder(out, force)
    process, scored = load(model, **(model_options | shape)), make_reward(reward, reward_options)
    try:
        with progress(quiet, keep=True) as tell:
            fitted = fit_value(process, scored, **settings, progress=tell)
        fitted.save(out, force)
    finally:
        close(scored)
    print(as_json(fitted.card) if json else as_text(fitted.card, plotted=False))
    if not json:
        print(f"written to {out}; use it with: svdd run ... --value {out}")
