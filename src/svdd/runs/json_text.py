"""Values as JSON text."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any


def plain(value: Any) -> Any:
    """`value` in types that JSON knows; numbers that are not finite become null."""
    return next(made(value) for kind, made in _PLAIN if isinstance(value, kind))


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (dict, lambda value: {str(k): plain(v) for k, v in value.items()}),
    (str | bool | int | None, lambda value: value),
    (float, lambda value: value if math.isfinite(value) else None),
    (Sequence, lambda value: [plain(v) for v in value]),
    (object, str),
)
# What JSON holds of values of each kind; the first kind that fits counts.


def as_json(value: Any) -> str:
    """`value` as JSON text."""
    return json.dumps(plain(value), indent=2, allow_nan=False)
