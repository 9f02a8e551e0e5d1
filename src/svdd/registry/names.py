"""Names of models and rewards, and where they are: bundled, `module:function`, or `file.py:function`.

Nothing heavy is imported before it is found: processes that only hold a reward stay as small as the reward.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.exits import exits_as_errors
from svdd.messages import check, check_known, unknown
from svdd.registry.bundled_files import bundled
from svdd.registry.cards import Card
from svdd.registry.known_domains import MODELS, REWARDS, SCHEMES, Cards
from svdd.registry.option_paths import at_home, first_parameter
from svdd.scoring.identity import Origin, file_hash, origin_of
from svdd.scoring.reward import Reward
from svdd.scoring.signatures import check_callable
from svdd.user_files import loading, module_of_file, whole

if TYPE_CHECKING:
    from svdd.chain.process import Process

REWARD_SCHEMES = Cards(
    "reward_schemes",
    {
        "cmd": Card("svdd.rewards.commands:command", runs_code=True),
        "http": Card("svdd.rewards.endpoints:endpoint", "svdd[http]"),
        "https": Card("svdd.rewards.endpoints:endpoint", "svdd[http]"),
    },
)
"""Kinds of rewards that are named by text, `scheme:...`: the function is given the whole of it."""


def resolve(target: str) -> Any:
    """What a target, `module:name`, leads to."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def twin(reward: str) -> str:
    """The held-out reward of the same kind as a bundled one, or nothing; what a reward is told by text, its twin is too."""
    name, colon, text = reward.partition(":")
    found: str = REWARDS[name].twin if name in REWARDS else ""
    return f"{found}{colon}{text}" if not colon or found in REWARD_SCHEMES else ""


def held_out(reward: str) -> str:
    """The bundled reward that judges what another one guided, its twin if it has one, or nothing."""
    return twin(reward) or (REWARDS[reward].judge if reward in REWARDS else "")


def _module(name: str) -> Any:
    """A module by its dotted name, or the file it is in."""
    if not name.endswith(".py"):
        try:
            with loading(name):
                return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
                raise  # it is there, and something that it imports is not
            remedy = f"a file is given as {name}.py:function"
            if Path(name).is_file():
                remedy = "it is a file whose name does not end with .py; save its code as one"
            raise ValueError(f"cannot import {name!r}: {error}; {remedy}") from error
    return module_of_file(name)


def unknown_name(kind: str, name: str, cards: Mapping[str, Any]) -> str:
    """The sentence about a name that is neither bundled nor that of a function."""
    if name.endswith(".py"):
        return f"{name} names a file and no function of it; give {name}:FUNCTION"
    return f"{unknown(kind, name, cards)} (or give module:function or file.py:function)"


def locate(kind: str, name: str, cards: Mapping[str, Card]) -> Any:
    """The function behind a bundled name, `module:function` or `file.py:function`.

    Raises:
        ValueError: for an unknown name (it lists the nearest), module, file or function.
    """
    target = cards[name].target if name in cards else name
    home, colon, attribute = target.rpartition(":")
    if not home or not colon:
        raise ValueError(unknown_name(kind, name, cards))
    module = _module(home)
    if not hasattr(module, attribute):
        names = [n for n in vars(module) if not n.startswith("_")]
        raise ValueError(f"{home} has no {attribute!r}: {unknown('name', attribute, names)}")
    return getattr(module, attribute)


def in_place(name: str) -> str:
    """A name that holds the file of a function, with its whole path: the current folder may change once code has run."""
    file, colon, function = name.rpartition(":")
    return f"{whole(file)}:{function}" if colon and file.endswith(".py") else name


def find_process(given: Any, options: Mapping[str, Any] | None = None) -> "Callable[[], Process]":
    """What makes a model: its name and options are checked now, and nothing is loaded before it is called.

    Args:
        given: a name, as `load` takes it, or the model itself.
        options: beside a name.

    Raises:
        ValueError: for an unknown name or option, for options beside a model, and for something that is no model.
    """
    from svdd.chain.process import Process

    if isinstance(given, str):
        return _process_maker(given, dict(options or {}))
    check(not options, f"model_options are for a model given by name, but this is a {type(given).__name__}")
    if not isinstance(given, Process):
        raise ValueError(f"a model is a name of svdd.list_models() or a svdd.Process, got {given!r:.80}")
    return lambda: given


def as_process(given: Any, options: Mapping[str, Any] | None = None) -> "Process":
    """A model by name or as it is; arguments and errors as of `find_process`."""
    return find_process(given, options)()


def find_reward(given: Any, options: Mapping[str, Any] | None = None) -> Callable[[], Reward]:
    """What makes a reward: its name and options are checked now, and nothing is loaded before it is called.

    Args:
        given: a name, as `load_reward` takes it, or the reward itself.
        options: beside a name.

    Raises:
        ValueError: for an unknown name or option, for options beside a reward, and for something that cannot be called.
    """
    if isinstance(given, str):
        return _reward_maker(given, dict(options or {}))
    check(not options, f"reward_options are for a reward given by name, but this is a {type(given).__name__}")
    check_callable(given, alone=False)
    return lambda: given


def as_reward(given: Any, options: Mapping[str, Any] | None = None) -> Reward:
    """A reward by name or as it is; arguments and errors as of `find_reward`."""
    return find_reward(given, options)()


def load(name: str, **options: Any) -> "Process":
    """A process by name.

    Args:
        name: a bundled model, `module:function` or `file.py:function`, a function that returns a `Process`; or a
            checkpoint of another project, `mdlm:PATH`, `gdss:PATH`, `proteinmpnn:PATH` or `diffusers:PATH_OR_ID`.
        **options: passed to it, such as `steps` or `length`.

    Raises:
        ValueError: for an unknown name or option, or a function that does not return a process.
    """
    return _process_maker(name, options)()


def model_card(name: str) -> Card | None:
    """What a domain says of a model, or of the kind of a checkpoint; None for a function of a user's own."""
    scheme, colon, _ = name.partition(":")
    return SCHEMES.get(scheme) if colon and scheme in SCHEMES else MODELS.get(name)


def _process_maker(name: str, options: dict[str, Any]) -> "Callable[[], Process]":
    card, (scheme, colon, path) = model_card(name), name.partition(":")
    cards: Mapping[str, Card] = MODELS
    if colon and scheme in SCHEMES:
        name, options, cards = scheme, {"path": path} | options, SCHEMES
    found = locate("model", in_place(name), cards)
    make = _maker(found, name, at_home(found, options))

    def made() -> "Process":
        from svdd.chain.process import Process

        with exits_as_errors(f"the model {name}"):
            process = make()
        if not isinstance(process, Process):
            raise ValueError(f"{name} must return a svdd.Process, but returned a {type(process).__name__}")
        return process if card is None else replace(process, usual_value=card.usual_value)

    return made


def load_reward(name: str, **options: Any) -> Reward:
    """A reward by name: a bundled one, any function of a list of designs, a command or an address.

    Args:
        name: a bundled name, `module:function`, `file.py:function`, `docking:TARGET`, `cmd:PROGRAM ...` or `http://...`.
        **options: of any but a function, such as `timeout`.

    Raises:
        ValueError: for an unknown name or option, or something that cannot be called.
    """
    return _reward_maker(name, options)()


def _reward_maker(name: str, options: dict[str, Any]) -> Callable[[], Reward]:
    scheme, colon, _ = name.partition(":")
    if colon and scheme in REWARD_SCHEMES:
        found = locate("reward", scheme, REWARD_SCHEMES)
        return _maker(found, scheme, {first_parameter(found): name} | options)
    name = in_place(name)
    found = locate("reward", name, REWARDS)
    if name in REWARDS:
        options = at_home(found, options)
        return partial(_bundled_reward, _maker(found, name, options), name, options)
    if options:
        raise ValueError(f"{name} is the reward itself and takes no options, got {', '.join(options)}")
    check_callable(found, alone=False)
    return lambda: _with_origin(found, name)


def _bundled_reward(make: Callable[[], Any], name: str, options: dict[str, Any]) -> Reward:
    made = make()
    made.named = (name, options)
    if origin_of(made) is None:
        made.origin = origin(name, options)
    return made  # type: ignore[no-any-return]


def origin(name: str, options: Mapping[str, Any]) -> Origin:
    """What a bundled reward is made from, as far as its identity covers it; nothing is imported or loaded.

    Args:
        name: of the reward.
        options: it is made with.

    Raises:
        ValueError: for an unknown name.
    """
    check_known("reward", name, REWARDS)
    card = REWARDS[name]
    weights = tuple(bundled(*one.split("/")) for one in card.weights)
    return Origin(name, dict(options), card.version, card.packages, weights)


def _with_origin(reward: Reward, name: str) -> Reward:
    """A user's reward, with a note of the file that it is written in; some objects take no note.

    The file is read and not executed. What the reward says of itself goes before this note.
    """
    home, _, attribute = name.rpartition(":")
    file = getattr(_module(home), "__file__", None)
    if file is not None and origin_of(reward) is None:
        with suppress(AttributeError, TypeError, ValueError):
            reward.origin = Origin(attribute, code=file_hash(Path(file)))  # type: ignore[attr-defined]
    return reward


def needed(name: str) -> list[str]:
    """The options without which a bundled reward cannot be made.

    Raises:
        ValueError: for an unknown name.
    """
    parameters = inspect.signature(locate("reward", name, REWARDS)).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]


def _maker(function: Callable[..., Any], name: str, options: dict[str, Any]) -> Callable[[], Any]:
    """What calls a function with options that are known to be its own."""
    parameters = inspect.signature(function).parameters
    known = [k for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        check(option in known or takes_any, unknown(f"option of {name}", option, known))
    with _made_with(name, options):
        inspect.signature(function).bind(**options)

    def made() -> Any:
        with _made_with(name, options):
            return function(**options)

    return made


@contextmanager
def _made_with(name: str, options: Mapping[str, Any]) -> Iterator[None]:
    """A TypeError inside is told as one about the options."""
    try:
        yield
    except TypeError as error:
        raise ValueError(f"{name} cannot be made with {options or 'no options'}: {error}") from error
