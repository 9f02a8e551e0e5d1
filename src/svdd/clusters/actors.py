"""Ray: joining a cluster, and actors that are started again where their node is lost."""

from collections.abc import Mapping
from typing import Any

from svdd.messages import module_of
from svdd.user_files import user_modules

Resources = Mapping[str, float | int]
ONE_CORE: dict[str, float | int] = {"num_cpus": 1}


def ray_module() -> Any:
    """Ray.

    Raises:
        ImportError: if it is not installed.
    """
    return module_of("ray", "ray", "many machines need ray, which is not installed")


def connect(address: str | None = None) -> None:
    """Joins a Ray cluster, or starts one on this machine, unless this process is in one already.

    Args:
        address: `ray://host:port`, `host:port` or `auto`; None starts one here.

    Raises:
        ImportError: without ray.
        ConnectionError: if nothing answers there.
    """
    ray = ray_module()
    if ray.is_initialized():
        return
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    except (ConnectionError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address!r}: {error}") from error


class Actors:
    """Actors that Ray starts again elsewhere when their node is lost, gone at the end of the block."""

    def __init__(self, kind: type, number: int, resources: Resources, *arguments: Any) -> None:
        ray = ray_module()
        options = dict(resources) | {"max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": "SPREAD"}
        for module in user_modules():  # which no other process finds by its name
            ray.cloudpickle.register_pickle_by_value(module)
        # kept for actors that start again
        self.shared = [ray.put(argument) for argument in arguments] if number else []
        self.actors = [ray.remote(**options)(kind).remote(*self.shared) for _ in range(number)]

    def __enter__(self) -> list[Any]:
        return self.actors

    def __exit__(self, *error: Any) -> None:
        for actor in self.actors:
            ray_module().kill(actor)


def answer_of(reference: Any) -> Any:
    """A task's answer, or what went wrong in it as if it had happened here."""
    ray = ray_module()
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
