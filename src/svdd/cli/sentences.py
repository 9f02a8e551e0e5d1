"""Errors as people meet them: one sentence on stderr, never a traceback unless they ask for it."""

import importlib.util
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from svdd.messages import described, needs

EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sequences": ("report.html, FASTA in, edit distances", ("Bio", "rapidfuzz", "logomaker", "matplotlib", "jinja2")),
    "rna": ("RNA folding: free energies, pairing, drawings", ("RNA",)),
    "docking": ("docking with AutoDock Vina", ("vina", "meeko", "rdkit", "scipy", "gemmi", "dockstring")),
    "molecules": ("molecules: the model, rewards, measures, drawings", ("rdkit", "selfies", "fcd_torch", "scipy")),
    "images": (
        "images: diffusers' pipelines, learned rewards, pictures",
        ("diffusers", "transformers", "accelerate", "greenlet", "PIL", "skimage"),
    ),
    "viewer": ("poses in three dimensions in report.html", ("ipymolstar",)),
    "http": ("rewards at an HTTP address", ("urllib3",)),
    "motifs": ("JASPAR's motif matrices", ("pyjaspar",)),
    "ray": ("runs on many machines", ("ray",)),
    "logs": ("experiment trackers", ("tensorboard", "wandb")),
    "recipes": ("training the bundled models again", ("sklearn", "scipy")),
}
"""What each extra is for, and the modules it brings."""


def say(text: str) -> None:
    """One line on stderr, as it is: no markup is read in it."""
    from svdd.report.progress import between_bars

    with between_bars():
        print(f"svdd: {' '.join(text.split())}", file=sys.stderr, flush=True)


def missing_modules(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [name for name in EXTRAS[extra][1] if importlib.util.find_spec(name) is None]


def require(extra: str, purpose: str) -> None:
    """Asks for an extra before work starts.

    Raises:
        ImportError: if a module of it is missing; it names the command that installs it.
    """
    missing = missing_modules(extra)
    if missing:
        raise ImportError(needs(purpose, missing[0], extra))


def sentence(error: Exception) -> str:
    """What went wrong and what to do about it, in one sentence."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return f"{usage().rstrip('.')}; see svdd --help and svdd COMMAND --help"
    if type(error).__name__ == "UserCodeError":  # told by its name: its module imports torch
        return f"{error}; add --debug for the traceback"
    if isinstance(error, ImportError):
        return _about_import(error)
    if type(error).__name__ in ("MemoryError", "OutOfMemoryError"):
        return "out of memory; go in smaller pieces: --chunk network=64, --chunk decode=8, or a smaller --batch"
    if isinstance(error, OSError) and error.strerror:
        place = "the output" if error.filename is None else error.filename  # standard output has no name
        return f"cannot use {place}: {error.strerror}"
    if isinstance(error, ValueError | OSError) and str(error):
        return str(error)
    return f"stopped by {described(error)}; add --debug for the traceback"


def _about_import(error: ImportError) -> str:
    extras = {module: extra for extra, (_, modules) in EXTRAS.items() for module in modules}
    home = (error.name or "").partition(".")[0]
    return needs("this", home, extras[home]) if home in extras else str(error)


def report(error: Exception, debug: bool) -> None:
    """Prints the sentence, under the traceback if asked for."""
    if debug:
        traceback.print_exception(error)
    say(sentence(error))


@contextmanager
def notes() -> Iterator[None]:
    """Warnings for users become one line each, once; others stay as they are."""
    shown = set[str]()

    def note(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
        text = str(message)
        if text not in shown:
            shown.add(text)
            say(f"note: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note  # type: ignore[assignment]
        yield
