"""The domains that there are: those in `svdd.domains`, and those that other packages declare.

A package declares a domain by an entry point of the group `svdd.domains`. They are read when a list or an unknown name
needs them. One that cannot be imported is a warning that names it; two domains that give one name to different things are
refused.
"""

import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from svdd.messages import described, unknown
from svdd.registry.cards import Domain, Start

GROUP = "svdd.domains"


class DomainWarning(UserWarning):
    """A package declares a domain that cannot be imported."""


class DomainClashError(ValueError):
    """Two domains give one name to different things."""


@cache
def built_in() -> tuple[Domain, ...]:
    """The domains of this package, each in a folder of its own."""
    names = sorted(found.name for found in pkgutil.iter_modules(importlib.import_module(GROUP).__path__) if found.ispkg)
    return tuple(importlib.import_module(f"{GROUP}.{name}").DOMAIN for name in names)


@cache
def declared() -> tuple[Domain, ...]:
    """The domains of other packages.

    Raises:
        DomainClashError: if one of them gives a name that another domain gives to something else.
    """
    found = [one for one in map(_loaded, entry_points(group=GROUP)) if one is not None]
    for number, one in enumerate(found):
        for other in (*built_in(), *found[:number]):
            _check_apart(one, other)
    return tuple(found)


def _loaded(point: EntryPoint) -> Domain | None:
    home = point.dist.name if point.dist is not None else point.value
    try:
        made = point.load()
        if not isinstance(made, Domain):
            raise TypeError(f"{point.value} is a {type(made).__name__}, not a svdd.registry.Domain")
    except Exception as error:  # whatever another package does when it is imported must not stop this one
        warnings.warn(f"the domain {point.name} of {home} is left out, {described(error)}", DomainWarning, stacklevel=2)
        return None
    return replace(made, distribution=home)


def _check_apart(one: Domain, other: Domain) -> None:
    if one.name == other.name:
        raise DomainClashError(
            f"{one.distribution} and {other.distribution} both bring a domain {one.name!r}; uninstall one of them"
        )
    theirs = {(kind, name): target for kind, name, target in other.named()}
    for kind, name, target in one.named():
        if theirs.get((kind, name), target) != target:
            raise DomainClashError(
                f"the domains {one.name} of {one.distribution} and {other.name} of {other.distribution} both bring {name!r} "
                f"({kind.replace('_', ' ')}); uninstall one of them"
            )


def domains() -> tuple[Domain, ...]:
    """All domains, those of this package first.

    Raises:
        DomainClashError: if two domains give one name to different things.
    """
    return (*built_in(), *declared())


def _one_after_another() -> Iterator[Domain]:
    """All domains; those of other packages are read only if somebody goes on to them."""
    yield from built_in()
    yield from declared()


def domain(name: str) -> Domain:
    """A domain by name.

    Raises:
        ValueError: for an unknown one; it lists the nearest.
    """
    found = next((one for one in _one_after_another() if one.name == name), None)
    if found is None:
        raise ValueError(unknown("domain", name, [one.name for one in domains()]))
    return found


class Cards(Mapping[str, Any]):
    """What all domains bring of one kind, by name; a name that a built-in domain gives reads no other package.

    Args:
        kind: a field of `Domain`.
        of_none: what belongs to no domain.
    """

    def __init__(self, kind: str, of_none: Mapping[str, Any] | None = None) -> None:
        self.kind, self.of_none = kind, of_none or {}

    def _mappings(self) -> Iterator[Mapping[str, Any]]:
        yield self.of_none
        yield from (getattr(one, self.kind) for one in _one_after_another())

    def __getitem__(self, name: str) -> Any:
        for cards in self._mappings():
            if name in cards:
                return cards[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for cards in self._mappings() for name in cards))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Starts(Cards):
    """The ways to begin a run, by the name of each of their settings."""

    def __init__(self) -> None:
        super().__init__("starts")

    def _mappings(self) -> Iterator[Mapping[str, Start]]:
        for one in _one_after_another():
            yield {field.name: start for start in one.starts for field in start.fields}


MODELS, REWARDS = Cards("models"), Cards("rewards")
SCHEMES = Cards("checkpoints")
"""Kinds of foreign checkpoints: `scheme:path` is the function with that path."""
NETWORKS = Cards("networks")
"""Classes of networks that weight files may name."""
READERS = Cards("readers")
"""Networks that read the states of domains, for fitted values."""
STARTS = Starts()
