"""Extras: packages that only a part of the library needs, imported where they are used."""

import importlib
from typing import Any


def module_of(extra: str, module: str, need: str) -> Any:
    """A module that comes with an extra.

    Args:
        extra: its name.
        module: its full name.
        need: the beginning of the sentence that says what needs which package.

    Raises:
        ImportError: without it; it names the extra.
    """
    try:
        importlib.import_module(module.partition(".")[0])  # a part of it may be known where the whole is not
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{need}: pip install 'svdd[{extra}]'") from error
