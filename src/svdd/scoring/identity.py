"""What tells rewards apart: an identity that is equal for equal code, options and weights.

A score on disk is then never taken for another reward's.

An identity covers the file a function is written in, not what that file imports, nor what lies on the other side of an
address. A reward of your own may say itself what it is, with an attribute `identity`.
"""

import hashlib
import importlib.util
import inspect
import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from svdd.registry import REWARD_SCHEMES, REWARDS, load_reward, locate
from svdd.scoring.reward import Reward


def reward_identity(reward: Reward | str, options: Mapping[str, Any] | None = None) -> str:
    """A text that changes when what a reward answers may change.

    Args:
        reward: a name as `svdd.load_reward` takes it, a function of a module, or anything with an attribute `identity`.
        options: of a reward given by name.

    Raises:
        ValueError: for a reward whose code cannot be told: a closure, an object of some class, a function typed in.
    """
    return hashlib.sha256(repr(_parts(reward, options or {})).encode()).hexdigest()[:32]


def _parts(reward: Any, options: Mapping[str, Any]) -> tuple[Any, ...]:
    return _named(reward, dict(options)) if isinstance(reward, str) else _called(reward)


def _named(name: str, options: dict[str, Any]) -> tuple[Any, ...]:
    given = sorted(options.items())
    scheme, colon, _ = name.partition(":")
    if colon and scheme in REWARD_SCHEMES:
        if scheme in ("http", "https"):
            return name, str(options.get("version", ""))
        if scheme == "cmd":
            return _command(shlex.split(name.removeprefix("cmd:")))
        return _called(load_reward(name, **options))  # which says itself what it is
    found = locate("reward", name, REWARDS)
    if name in REWARDS:
        return name, given, source_of(found), _weights(), _files(options)
    if hasattr(found, "identity"):
        return _called(found)
    home, _, attribute = name.rpartition(":")
    file = home if home.endswith(".py") else getattr(importlib.util.find_spec(home), "origin", None)
    if file is None or not Path(file).is_file():
        raise ValueError(f"the code of the reward {name} is in no file, so a file of scores cannot tell it from others")
    return attribute, _hash(Path(file))


def _command(words: list[str]) -> tuple[Any, ...]:
    """The words, and what is in the files among them; a program without a path is told by its name."""
    return ("cmd", *((word, _hash(Path(word))) if os.path.isfile(word) else word for word in words))


def _called(reward: Any) -> tuple[Any, ...]:
    told = getattr(reward, "identity", None)
    if told is not None:
        return ("told", str(told))
    named = getattr(reward, "named", None)  # what it was made from
    if named is not None:
        return _parts(*named)
    if isinstance(reward, partial):
        return ("partial", _called(reward.func), _plain(reward.args), _plain(sorted(reward.keywords.items())))
    if inspect.isfunction(reward) and "<" not in reward.__qualname__ and reward.__closure__ is None:
        return reward.__qualname__, source_of(reward)
    raise ValueError(
        f"the reward {reward!r:.80} cannot be told from others by its code, which a file of scores needs: give it by name, "
        "as a function of a module, or with an attribute identity = 'mine, version 1'"
    )


def _plain(values: Any) -> Any:
    text = repr(values)
    if " at 0x" in text:
        raise ValueError(f"the arguments of a reward must be plain to be told from others, got {text:.80}")
    return text


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
    return _hash(Path(file))


def _weights() -> list[tuple[str, str]]:
    """The files that came with the package."""
    home = Path(__file__).parents[1] / "domains"
    return [(file.name, _hash(file)) for file in sorted(home.rglob("*.safetensors"))]


def _files(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The files that options name, such as the weights of a reward, each and those in folders."""
    given = [Path(value) for value in options.values() if isinstance(value, str | Path) and os.path.exists(value)]
    found = [file for path in given for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [(file.name, _hash(file)) for file in found if file.is_file()]


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
