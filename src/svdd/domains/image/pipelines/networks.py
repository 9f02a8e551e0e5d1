"""Networks: what a pipeline's modules keep, of a call and between its steps.

A call may change how its networks are set: processors of attention, scales of adapters, which of them are on. These settings
belong to the call, so they are there only while it is awake. A cache of earlier steps belongs to rows that are chosen
from, multiplied and left out meanwhile, so it is refused.
"""

import inspect
from collections.abc import Iterable, Iterator
from operator import is_
from typing import Any

from torch.nn import Module

_STEPPED = ("unet", "transformer", "transformer_2", "prior", "decoder", "controlnet")
_PARTS = (*_STEPPED, "text_encoder", "text_encoder_2", "text_encoder_3")
_SETTINGS = {"scale", "scaling", "_active_adapter", "_disable_adapters", "s1", "s2", "b1", "b2"}
_PATCHES = ("cache", "tgate")
_MARKS = ("teacache", "deepcache", "previous_residual", "previous_modulated_input")
_OURS = ("torch", "diffusers", "transformers", "accelerate", "peft")


def parts_of(pipe: Any, names: Iterable[str] = _STEPPED) -> dict[str, Module]:
    """The networks of a pipeline that its steps call, by name."""
    found = {name: getattr(pipe, name, None) for name in names}
    return {name: part for name, part in found.items() if isinstance(part, Module)}


class Settings:
    """How a pipeline's networks are set.

    Args:
        pipe: the pipeline; it is read when asked.
    """

    def __init__(self, pipe: Any) -> None:
        self.modules = [module for part in parts_of(pipe, _PARTS).values() for module in part.modules()]

    def read(self) -> list[dict[str, Any]]:
        """The settings of every module."""
        return [dict(_settings(module)) for module in self.modules]

    def write(self, settings: list[dict[str, Any]]) -> None:
        """Sets every module as it was when its settings were read."""
        for module, then in zip(self.modules, settings, strict=True):
            now = dict(_settings(module))
            for name in then.keys() | now.keys():
                if name not in then:
                    delattr(module, name)
                elif name not in now or not _equal(now[name], then[name]):
                    _set(module, name, then[name])


def _settings(module: Module) -> Iterator[tuple[str, Any]]:
    for name in vars(module).keys() & _SETTINGS:
        value = vars(module)[name]
        yield name, value.copy() if type(value) in (list, dict) else value
    if hasattr(module, "processor"):  # which may be a module itself
        yield "processor", module.processor


def _equal(now: Any, then: Any) -> bool:
    if type(now) is list and type(then) is list:
        return len(now) == len(then) and all(map(is_, now, then))
    if type(now) is dict and type(then) is dict:
        return now.keys() == then.keys() and all(now[key] is then[key] for key in now)
    return now is then


def _set(module: Module, name: str, value: Any) -> None:
    if name == "processor" and hasattr(module, "set_processor"):
        module.set_processor(value)  # type: ignore[operator]
    else:
        setattr(module, name, value.copy() if type(value) in (list, dict) else value)


def check_caches(pipe: Any) -> None:
    """Refuses networks that use again what they computed at earlier steps.

    Raises:
        ValueError: for a cache of diffusers, or a known one of others; it names what takes it off.
    """
    for name, part in parts_of(pipe).items():
        config = getattr(part, "_cache_config", None)
        own = next(
            (hook for module in part.modules() for hook in _hooks(module) if getattr(hook, "_is_stateful", False)), None
        )
        if own is not None or config is not None:
            kind = type(own if config is None else config).__name__
            raise ValueError(_REFUSED.format(name, kind, f"take it off by pipe.{name}.disable_cache()"))
        patch = next((patch for module in part.modules() for patch in _patches(module)), None)
        if patch is not None:
            raise ValueError(_REFUSED.format(name, patch, "take it off, or load the pipeline without it"))


_REFUSED = (
    "the pipeline's {} has a step cache ({}), which gives a candidate what another one's row had at an earlier step; {}"
)


def _hooks(module: Module) -> list[Any]:
    registry = getattr(module, "_diffusers_hook", None)
    return [] if registry is None else list(registry.hooks.values())


def _patches(module: Module) -> Iterator[str]:
    """Names of others' caches in the place of a module's forward, or of its processor of attention."""
    kind = type(module)
    replaced = inspect.unwrap(vars(module).get("forward", kind.forward))
    replaced = getattr(replaced, "func", replaced)  # of a partial
    for one in (kind.forward, replaced, type(getattr(module, "processor", None))):
        package, name = (getattr(one, "__module__", None) or "").split(".")[0], getattr(one, "__qualname__", "")
        native = package in _OURS or name == f"{kind.__qualname__}.forward"
        if not native and any(word in f"{package}.{name}".lower() for word in _PATCHES):
            yield name
    yield from (name for name in (*vars(module), *vars(kind)) if any(word in name.lower() for word in _MARKS))
