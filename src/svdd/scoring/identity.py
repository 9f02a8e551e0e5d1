"""What tells rewards apart in score files: an identity that changes when the numbers of a reward may change.

The identity of a bundled reward covers the version number of its card, its options, the weights that it loads and the
versions of the packages that compute it. That of a user's function covers the file that the function is written in, not what
that file imports. A reward may say itself what it is, with an attribute `identity`.

An identity is a hash. Score files keep beside it what it was made of, so that they can say why scores no longer count.
"""

import hashlib
import importlib.metadata
import inspect
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from svdd.scoring.reward import Reward

SCHEME = 2
"""The number of the rules by which identities are made: scores of another scheme are never found again.

Scheme 1 covered the file of a bundled reward and all bundled weights, and no version of a package.
"""
# The parts of an identity that change without the user's doing.
_VERSIONS = ("version", "packages", "weights")
# A file that was changed within this time may change again without a change of its time.
_SETTLED_NS = 2 * 10**9


class Identity(str):
    """The hash that stands for a reward in score files, with what it was made of.

    Args:
        parts: plain values that JSON can hold.
    """

    parts: Mapping[str, Any]

    def __new__(cls, parts: Mapping[str, Any]) -> "Identity":
        made = super().__new__(
            cls, hashlib.sha256(json.dumps([SCHEME, parts], sort_keys=True).encode()).hexdigest()[:32]
        )
        made.parts = parts
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.parts,)


@dataclass(frozen=True)
class Origin:
    """What a reward was made from, as far as it decides the numbers; the registry puts it on what it makes.

    Args:
        name: of the reward, or of a function in its file.
        options: it was made with. Files that they name are covered by their content.
        version: of its card.
        packages: distributions that compute it.
        weights: files that it loads.
        code: the hash of the file that it is written in, where that has no version number.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    packages: tuple[str, ...] = ()
    weights: tuple[Path, ...] = ()
    code: str = ""

    def parts(self) -> dict[str, Any]:
        """What an identity is made of; parts that there are none of are left out."""
        parts = {
            "reward": self.name,
            "options": _plain(sorted(self.options.items())) if self.options else "",
            "files": [[file.name, file_hash(file)] for file in _files(self.options)],
            "version": self.version,
            "packages": _versions(self.packages),
            "weights": {f"{file.parent.name}/{file.name}": file_hash(file) for file in self.weights},
            "code": self.code,
        }
        return {name: part for name, part in parts.items() if part}


def reward_identity(reward: Reward | Origin) -> Identity:
    """The identity of a reward.

    Args:
        reward: anything that `svdd.load_reward` returns, a function of a module, or anything with an attribute `identity`.

    Raises:
        ValueError: for a reward whose code cannot be told: a closure, an object of some class, a function typed in.
    """
    parts = next((one for one in (rule(reward) for rule in _RULES) if one is not None), None)
    if parts is None:
        raise ValueError(
            f"the reward {reward!r:.80} cannot be told from others by its code, which a file of scores needs: give it by "
            "name, as a function of a module, or with an attribute identity = 'mine, version 1'"
        )
    return Identity(parts)


def origin_of(reward: Reward) -> Origin | None:
    """What the registry says that a reward was made from; None of what it did not make."""
    found = getattr(reward, "origin", None)
    return found if isinstance(found, Origin) else None


def difference(stored: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two versions of one reward, in words; nothing for two rewards.

    Args:
        stored: the parts of an identity in a score file.
        now: those of the identity that the reward has now.
    """
    if _without_versions(stored) != _without_versions(now):
        return ""
    before, after = stored.get("packages", {}), now.get("packages", {})
    changes = [f"{name} {before.get(name)}, now {after.get(name)}" for name in sorted(before.keys() | after.keys())
               if before.get(name) != after.get(name)]  # fmt: skip
    version = f"version {stored.get('version')} of the reward, now {now.get('version')}"
    words = {"version": version, "weights": "other weights"}
    changes += [said for part, said in words.items() if stored.get(part) != now.get(part)]
    return "; ".join(changes)


def source_of(function: Callable[..., Any]) -> str:
    """The hash of the file that a function or a class is written in.

    Raises:
        ValueError: if it is in none.
    """
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        file = None
    if file is None or not Path(file).is_file():
        raise ValueError(
            f"the code of the reward {function!r:.80} is in no file, so a file of scores cannot tell it from others"
        )
    return file_hash(Path(file))


def file_hash(path: Path) -> str:
    """The hash of a file's content; a process reads a large file once, unless its size or time changes."""
    state = path.stat()
    settled = time.time_ns() - state.st_mtime_ns >= _SETTLED_NS
    return _hash_of_settled(path.resolve(), state.st_size, state.st_mtime_ns) if settled else _hash(path)


def _as_it_says(reward: Any) -> Mapping[str, Any] | None:
    own = getattr(reward, "identity", None)
    return own.parts if isinstance(own, Identity) else None if own is None else {"told": str(own)}


def _of_its_origin(reward: Any) -> Mapping[str, Any] | None:
    origin = reward if isinstance(reward, Origin) else origin_of(reward)
    return None if origin is None else origin.parts()


def _of_what_it_stands_for(reward: Any) -> Mapping[str, Any] | None:
    """Such as a pool of workers, which has the identity of what is in them."""
    other = getattr(reward, "stands_for", None)
    return None if other is None else reward_identity(other).parts


def _of_a_partial(reward: Any) -> Mapping[str, Any] | None:
    if not isinstance(reward, partial):
        return None
    arguments = _plain(reward.args) + _plain(sorted(reward.keywords.items()))
    return {"partial": reward_identity(reward.func).parts, "arguments": arguments}


def _of_a_function(reward: Any) -> Mapping[str, Any] | None:
    """Of one whose file says all of it: neither one typed in nor a closure."""
    whole = inspect.isfunction(reward) and "<" not in reward.__qualname__ and reward.__closure__ is None
    return Origin(reward.__qualname__, code=source_of(reward)).parts() if whole else None


# What an identity is made of: the first that says something.
_RULES = (_as_it_says, _of_its_origin, _of_what_it_stands_for, _of_a_partial, _of_a_function)


def _plain(values: Any) -> str:
    text = repr(values)
    if " at 0x" in text:
        raise ValueError(f"the arguments of a reward must be plain to be told from others, got {text:.80}")
    return text


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: _version(name) for name in packages}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # some builds of a package come without its metadata
        return "unknown"


def _files(options: Mapping[str, Any]) -> list[Path]:
    """The files that options name, such as the weights of a reward, each and those in folders."""
    paths = [Path(value) for value in options.values() if isinstance(value, str | Path) and os.path.exists(value)]
    return [file for path in paths for file in (path, *sorted(path.rglob("*"))) if file.is_file()]


def _without_versions(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if name not in _VERSIONS}


@lru_cache(maxsize=256)
def _hash_of_settled(path: Path, size: int, changed: int) -> str:
    return _hash(path)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
