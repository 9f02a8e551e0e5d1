"""How designs go out to a program or an address: as rows of a file, or as one message."""

from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Outside:
    """Designs as they are: text, numbers, and tensors as lists of numbers. Domains have forms of their own."""

    def rows(self, designs: Any, folder: Path) -> list[Row]:
        """A row with `id` and `design` for each.

        Args:
            designs: n of them.
            folder: for files that a row names; it is gone after the call.
        """
        return [{"id": number, "design": design} for number, design in enumerate(self.message(designs)["designs"])]

    def message(self, designs: Any) -> dict[str, list[Any]]:
        """What is posted: `designs`, and what else there is of each."""
        return {"designs": [design.tolist() if hasattr(design, "tolist") else design for design in designs]}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


AS_THEY_ARE = Outside()
