"""The network of fitted values that reads the states of image diffusion."""

from typing import Any

from torch import Tensor

from svdd.domains.image.regressor import ImageRegressor
from svdd.fitting.readers import Reader

_PLACES = 4096  # of a batch


def _latents(x: Any) -> Any:
    """Of states that are images or latents, these; None of others."""
    found = x["latents"] if isinstance(x, dict) and x.keys() == {"latents", "condition"} else x
    return found if isinstance(found, Tensor) and found.ndim == 4 and found.is_floating_point() else None


def _shape(x: Any, symbols: int) -> dict[str, Any]:
    return {"features": _latents(x).shape[1], "conditions": symbols if isinstance(x, dict) else 0}


READER = Reader(
    "image",
    "images or latents",
    ImageRegressor,
    {"channels": 48, "levels": 2, "dropout": 0.1},
    reads=lambda x: _latents(x) is not None,
    shape=_shape,
    rows_at_once=lambda x: max(1, _PLACES // max(_latents(x)[0, 0].numel(), 1)),
)
