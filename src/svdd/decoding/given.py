"""What `decode` was given, looked at before anything is made of it: a wrong type is a sentence, not an error inside."""

import inspect
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from svdd.chain.process import Process
from svdd.cost.budget import Budget
from svdd.messages import check
from svdd.method.table import METHODS, Method
from svdd.registry import MODELS, locate


def check_given(process: Any, method: str, options: Mapping[str, Any], samples: Any, scores: Any, budget: Any) -> None:
    """Looks at the types of what is given; arguments as `decode`.

    Raises:
        ValueError: for one of another type, and for an option of the model among those of the method.
    """
    named = scores is None or isinstance(scores, Mapping)
    check(named, f"scores are rewards by the name of their column, such as {{'mine': reward}}, got {scores!r:.80}")
    moves = METHODS[method].sizes_of("moves") if method in METHODS else {}
    for name, count in {"samples": samples, **{name: options.get(name, 0) for name in moves}}.items():
        whole = isinstance(count, Integral) and not isinstance(count, bool)
        check(whole, f"{name} is a whole number, got {count!r:.80}")
    parts = budget is None or isinstance(budget, Budget | Mapping)
    check(parts, f"a budget says of what, such as {{'rewards': {budget!r:.20}}}, got {budget!r:.80}")
    known = METHODS[method].options if method in METHODS else options
    for name in options.keys() - known.keys() if isinstance(process, str) else ():
        models = name in _options_of(process)
        check(not models, f"{name} is an option of the model: give model_options={{{name!r}: {options[name]!r:.40}}}")
    made = not isinstance(process, str) and hasattr(process, "steps") and "steps" in options.keys() - known.keys()
    check(not made, "steps belongs to the process, which is made already: make it with another number of steps")


def check_begins(process: Process, method: Method) -> None:
    """Looks whether a method can begin where the process does.

    Raises:
        ValueError: for finished designs and a method that makes no moves.
    """
    check(
        process.given is None or method.sizes_of("moves"),
        "the run begins with finished designs, which only a method of moves changes: give method refine, or for sequences "
        "also noise, the share of their letters to design again",
    )


def _options_of(model: str) -> list[str]:
    """The options of a bundled model; nothing of others, whose code is not run for this."""
    return list(inspect.signature(locate("model", model, MODELS)).parameters) if model in MODELS else []
