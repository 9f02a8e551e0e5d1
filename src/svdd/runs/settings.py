"""What a field of a job says of itself beside its type: its help, its place among the flags, and what it decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Setting:
    """Stands in the annotation of a field: `samples: Annotated[PositiveInt, Setting("Designs.")] = 64`.

    Args:
        help: one line for people.
        panel: the heading of its flag.
        law: whether it decides the law of the designs.
        cost: whether it decides what a run costs, in rows or in seconds.
        daily: whether it is for every day; such flags come first under their heading.
        flag: the name of its flag, where that is not the name of the field.
        kind: the type of its flag, where that is not the type of the field.
        symbol: what formulas and labels call it.
        cadence: whether it says when a method chooses, which means the same for all methods.
    """

    help: str
    panel: str = "Run"
    law: bool = True
    cost: bool = True
    daily: bool = False
    flag: str = ""
    kind: type | None = None
    symbol: str = ""
    cadence: bool = False

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return handler(core) | {"description": self.help}


def settings_of(model: "type[BaseModel]") -> dict[str, Setting]:
    """What the fields of a model say of themselves, in their order."""
    said = ((name, one) for name, field in model.model_fields.items() for one in field.metadata)
    return {name: one for name, one in said if isinstance(one, Setting)}
