"""Whether something can be a reward: told by what it is and by its parameters, before anything is computed."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

FILLED_IN = ("prompts", "prompt")
"""Parameters that are filled in by their names where designs bring them."""


def check_callable(reward: Any, alone: bool = True) -> None:
    """Looks whether something can be called with designs alone.

    Args:
        reward: anything.
        alone: whether its parameters are looked at too; a domain that fills in more than designs looks at them itself.

    Raises:
        ValueError: for something else; it says what is wrong, and what a reward is.
    """
    wrong = next((said for test, said in _WRONG if test(reward)), "") or (_wrong_parameters(reward) if alone else "")
    if wrong:
        raise ValueError(f"a reward is a function of designs with one number for each, but {_shown(reward)} {wrong}")


def adapted(process: Any, reward: Any) -> Callable[[Any], Any]:
    """A reward as one of a process's designs; one that needs no change is a function of designs alone.

    Args:
        process: whose designs are judged.
        reward: any.

    Raises:
        ValueError: for a function that needs more than the process's designs bring.
    """
    made: Callable[[Any], Any] = process.adapt(reward)
    check_callable(reward, alone=made is reward)
    return made


def _wrong_parameters(reward: Any) -> str:
    try:
        parameters = inspect.signature(reward).parameters.values()
    except (TypeError, ValueError):  # of compiled code, which does not say
        return ""
    in_place = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if not in_place and not any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return "takes no argument in its place; let it take the list of designs"
    needed = [one.name for one in in_place if one.default is one.empty and one.name not in FILLED_IN]
    by_name = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    further = needed[1:] + [name for name in by_name if name not in FILLED_IN]
    if further and in_place[:1] and in_place[0].name == "self":
        return "is a method without its object; give that of an instance"
    return f"needs {' and '.join(further)} too; give a default, or functools.partial" if further else ""


def _either(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A test of a function, or of what is called inside a partial or an object."""

    def of_what_is_called(reward: Any) -> bool:
        inner = reward.func if isinstance(reward, partial) else reward
        return test(inner) or (not inspect.isroutine(inner) and test(vars(type(inner)).get("__call__")))

    return of_what_is_called


_WRONG: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (inspect.ismodule, "is a module; give one of its functions"),
    (inspect.isclass, "is a class; give an instance of it that can be called"),
    (lambda reward: not callable(reward), "cannot be called"),
    (_either(inspect.iscoroutinefunction), "is an async function, whose answer nobody waits for; make it a plain one"),
    (_either(inspect.isasyncgenfunction), "is an async generator; return a list"),
    (_either(inspect.isgeneratorfunction), "is a generator; return a list in the place of yield"),
)
"""What is no function of designs, and what is said of it."""


def _shown(reward: Any) -> str:
    if not inspect.isroutine(reward):
        return reward.__qualname__ if inspect.isclass(reward) else f"{reward!r:.80}"
    try:
        return f"{reward.__qualname__}{inspect.signature(reward)}"
    except (AttributeError, TypeError, ValueError):
        return f"{reward!r:.80}"
