"""Flags of `svdd run` as settings of a job, under the names a YAML file uses."""

from pathlib import Path
from typing import Any

from svdd.runs.pairs import pair

LISTS = {"score": "scores"}


PAIRS = {
    "model_option": "model_options", "reward_option": "reward_options", "network_option": "network_options",
    "chunk": "chunks", "on_failure": "on_failure", "budget": "budget", "ray_resources": "ray_resources",
    "reward_resources": "reward_resources",
}  # fmt: skip


def settings(flags: dict[str, Any]) -> dict[str, Any]:
    """The job settings that flags stand for.

    Raises:
        ValueError: for text that is not NAME=VALUE, or a window that is not two numbers.
    """
    return {PAIRS.get(k, LISTS.get(k, k)): _setting(k, v) for k, v in flags.items() if v != []}


def _setting(name: str, value: Any) -> Any:
    if name in PAIRS:
        return dict(pair(name, text) for text in value)
    if name == "window":
        return _window(value)
    if name == "objective":
        from svdd.runs.objectives import read_objective

        return read_objective(value)
    return str(value) if isinstance(value, Path) else value


def _window(text: str) -> list[float]:
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--window takes two times, such as 0.8,0.2, got {text!r}") from None
    return [first, second]
