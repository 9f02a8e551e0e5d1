"""How images go out to a program or an address: as PNG, with their prompts beside them."""

import base64
from pathlib import Path
from typing import Any

from svdd.domains.image.pixels import from_any, to_png, write_images
from svdd.domains.image.prompts import images_of, prompts_of
from svdd.rewards.outside import Outside, Row


class ImagesOutside(Outside):
    """A program is given the path of a PNG file, an address a PNG in base64."""

    def rows(self, designs: Any, folder: Path) -> list[Row]:
        """The path of a file for each, and its prompt where it has one."""
        images = from_any(images_of(designs))
        files = write_images(folder, [str(number) for number in range(len(images))], images)
        written: list[Row] = [{"id": number, "design": str(file)} for number, file in enumerate(files)]
        for row, prompt in zip(written, prompts_of(designs) or (), strict=False):
            row["prompt"] = prompt
        return written

    def message(self, designs: Any) -> dict[str, list[Any]]:
        """The images as `designs`, and their `prompts` where they have any."""
        prompts = prompts_of(designs)
        pngs = [base64.b64encode(png).decode() for png in to_png(from_any(images_of(designs)))]
        return {"designs": pngs} | ({} if prompts is None else {"prompts": prompts})
