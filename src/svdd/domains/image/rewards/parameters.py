"""Parameters: how a function of images wants to be called, told from its signature before its first call."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

_IMAGES, _PROMPTS = ("images", "image"), ("prompts", "prompt")
_ALONE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_FORMS = "a reward is f(images) or f(images, prompts)"


class Parameters(NamedTuple):
    """How a function is given images and prompts.

    Args:
        images: the name of the parameter, where it is given by name; None by position.
        prompts: the name of the parameter; None of a function that asks for none.
        needs_prompts: whether it has no default.
        prompts_at: the place of prompts that cannot be given by name; None by name.
    """

    images: str | None = None
    prompts: str | None = None
    needs_prompts: bool = False
    prompts_at: int | None = None

    def call(self, function: Callable[..., Any], images: Any, prompts: Any) -> Any:
        """What the function says of images; prompts are None where there are none."""
        given = {} if prompts is None else {str(self.prompts): prompts}
        if self.prompts_at is not None and given:
            return function(*((prompts, images) if self.prompts_at == 0 else (images, prompts)))
        return function(images, **given) if self.images is None else function(**{self.images: images}, **given)


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """How a function, an object with `__call__` or a network is called.

    Raises:
        TypeError: for a class, and for a function that takes no images or needs something else too; it says how to wrap it.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, type):
        raise TypeError(f"the reward {name} is a class, and {_FORMS}; give an object of it, such as {name}()")
    try:
        own = list(inspect.signature(getattr(function, "forward", function)).parameters.values())
    except (TypeError, ValueError):  # some built-in functions tell nothing
        return Parameters()
    named = [one for one in own if one.kind not in _REST]
    prompts = _of_prompts(named)
    others = [one for one in named if one is not prompts]
    images = next((one for one in others if one.name in _IMAGES), next(iter(others), None))
    if images is None and not any(one.kind is one.VAR_POSITIONAL for one in own):
        raise TypeError(f"the reward {name}({_shown(own)}) takes no images; {_FORMS}")
    further = [one.name for one in others if one is not images and one.default is one.empty]
    if further:
        arguments = "images" if prompts is None else "images, prompts"
        values = ", ".join(f"{one}=..." for one in further)
        raise TypeError(
            f"the reward {name}({_shown(own)}) needs {' and '.join(further)}, which svdd does not have: {_FORMS}; wrap it, as "
            f"in lambda {arguments}: {name}({_shown_call(arguments, images, prompts)}, {values})"
        )
    return _placed(own, images, prompts)


def _of_prompts(named: list[inspect.Parameter]) -> inspect.Parameter | None:
    """The parameter that prompts are for: by its name, or the second one without a default."""
    called = [one for one in named if one.name in _PROMPTS]
    second = [one for one in named[1:2] if one.kind in _ALONE and one.default is one.empty and one.name not in _IMAGES]
    return next(iter([*called, *second]), None)


def _placed(
    own: list[inspect.Parameter], images: inspect.Parameter | None, prompts: inspect.Parameter | None
) -> Parameters:
    """By position where images come first, else by name."""
    ahead = images is None or images.kind is images.POSITIONAL_ONLY or (own[0] is images and images.kind in _ALONE)
    by_name = None if ahead or images is None else images.name
    if prompts is None:
        return Parameters(by_name)
    place = own.index(prompts) if prompts.kind is prompts.POSITIONAL_ONLY else None
    return Parameters(by_name, prompts.name, prompts.default is prompts.empty, place)


def _shown(own: list[inspect.Parameter]) -> str:
    return ", ".join(str(one.replace(annotation=one.empty)) for one in own)


def _shown_call(arguments: str, images: inspect.Parameter | None, prompts: inspect.Parameter | None) -> str:
    assert images is not None, "what needs more has a parameter for images"
    return ", ".join(
        f"{one.name}={text}" for one, text in zip((images, prompts), arguments.split(", "), strict=False) if one
    )
