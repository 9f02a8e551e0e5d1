"""Commands whose options are made from the fields of a job when the command is called, so that `svdd --help` is quick."""

import inspect
from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

import typer
from typer.core import TyperGroup

Function = TypeVar("Function", bound=Callable[..., Any])


def options_of(model: Callable[[], Any]) -> Callable[[Function], Function]:
    """Marks a command that also takes the fields of a model, as further keywords.

    Args:
        model: imports it.
    """

    def marked(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        function.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        function.options_of = model  # type: ignore[attr-defined]
        return function

    return marked


class Commands(TyperGroup):
    """The commands of `svdd`; those that are marked get their options when they are called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names, with all its options, and the words that are left."""
        name, command, rest = super().resolve_command(ctx, args)
        callback: Any = getattr(command, "callback", None)
        model = getattr(callback, "options_of", None)
        whole = command if model is None else _whole(callback.__wrapped__, model())
        return name, _apart(whole, name), rest


def _apart(command: Any, name: str | None) -> Any:
    """The command with standard output for what it answers alone; help and versions are shown before it is called."""
    from svdd.cli.answering import answers_apart

    made = copy(command)
    callback = getattr(command, "callback", None)
    if callback is not None:

        def called(**given: Any) -> Any:
            with answers_apart(name or ""):
                return callback(**given)

        made.callback = called
    return made


def _whole(function: Callable[..., Any], model: Any) -> Any:
    """The command of a function with the fields of a model among its options, after its arguments."""
    from svdd.cli.flags import flags_of

    def called(**given: Any) -> Any:
        return function(**given)

    own = inspect.signature(function, eval_str=True).parameters.values()
    arguments = [one for one in own if one.kind is not one.KEYWORD_ONLY]
    options = [one for one in own if one.kind is one.KEYWORD_ONLY]
    parameters = [*arguments, *flags_of(model).values(), *options]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__doc__ = function.__doc__
    alone = typer.Typer(add_completion=False)
    alone.command(function.__name__.replace("_", "-"))(called)
    return typer.main.get_command(alone)
