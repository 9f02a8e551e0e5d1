"""The extras of this package: what each brings is read from the package's own metadata, what it is for is said here."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from importlib.util import find_spec

from svdd.messages import needs

PURPOSES = {
    "sequences": "report.html, FASTA in, edit distances",
    "rna": "RNA folding: free energies, pairing, drawings",
    "molecules": "molecules: the model, rewards, measures, drawings",
    "docking": "docking with AutoDock Vina",
    "images": "images: diffusers' pipelines, learned rewards, pictures",
    "folding": "structures predicted by ESMFold",
    "viewer": "poses and structures in three dimensions in report.html",
    "http": "rewards at an HTTP address",
    "motifs": "JASPAR's motif matrices",
    "ray": "runs on many machines",
    "logs": "experiment trackers",
    "recipes": "training the bundled models again",
}
"""What the extras of users are for; the others are for developers, or hold several of these."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*).*extra == ['\"]([\w-]+)['\"]")


@cache
def packages_of(extra: str) -> tuple[str, ...]:
    """The distributions that an extra brings."""
    found = (_REQUIREMENT.match(line) for line in metadata.requires("svdd") or ())
    return tuple(one[1] for one in found if one and one[2] == extra)


def missing_packages(extra: str) -> list[str]:
    """The distributions of an extra that are not installed."""
    return [name for name in packages_of(extra) if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:  # some builds of a package come without its metadata
        return find_spec(_plain(name)) is not None


def require(extra: str, purpose: str) -> None:
    """Looks for an extra before work starts.

    Raises:
        ImportError: if a package of it is missing; it names the command that installs it.
    """
    for name in missing_packages(extra)[:1]:
        raise ImportError(needs(purpose, name, extra))


def about_import(error: ImportError) -> str:
    """The sentence about a module that is missing: the extra that brings it, if one does."""
    home = _plain((error.name or "").partition(".")[0])
    extra = min(_bringing(home), key=lambda name: len(packages_of(name)), default="")
    return needs("this", home, extra) if extra else str(error)


def _bringing(module: str) -> Iterator[str]:
    """The extras with a distribution that has the name of a module."""
    return (extra for extra in PURPOSES if module in map(_plain, packages_of(extra)))


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
