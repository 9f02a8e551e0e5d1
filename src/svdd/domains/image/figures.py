"""The images of a report: the best ones with their numbers, and the same chains of several runs side by side."""

import base64
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

from svdd.decoding.result import Result
from svdd.domains.image.files import best_rows
from svdd.domains.image.pixels import Images, grid, to_png
from svdd.domains.image.prompts import images_of, prompts_of
from svdd.messages import number

SHOWN, COLUMNS, ROWS = 12, 8, 12
"""The best designs; chains side by side, and runs at most."""
_EDGE, _CELL = 256, 128


def has_images(result: Result) -> bool:
    """Whether the designs of a run are images."""
    images = images_of(result.samples)
    return len(result) > 0 and isinstance(images, torch.Tensor) and images.ndim == 4


def best_images(result: Result) -> list[dict[str, Any]]:
    """The images of highest reward, as pictures of a gallery."""
    rows = best_rows(result.rewards.tolist(), SHOWN)
    if not rows:
        return []
    pngs = to_png(_sized(images_of(result.samples)[rows], _EDGE))
    prompts, columns, ids = prompts_of(result.samples), {"reward": result.rewards} | result.scores, result.ids
    texts = [prompts[row] if prompts else "" for row in rows]
    numbers = [{name: number(float(column[row])) for name, column in columns.items()} for row in rows]
    return [
        {"source": source_of(png), "alt": text or ids[row], "id": ids[row], "text": text, "numbers": of_row}
        for png, row, of_row, text in zip(pngs, rows, numbers, texts, strict=True)
    ]


def side_by_side(runs: Mapping[str, Result]) -> list[dict[str, str]]:
    """A figure with a row for each run and a column for each of the first chains, the same in all; none for fewer than two.

    Args:
        runs: by label; those of anything but images, and of another size than the first, are left out.
    """
    shown = {label: run for label, run in runs.items() if has_images(run)}
    sizes = {label: tuple(images_of(run.samples).shape[1:]) for label, run in shown.items()}
    labels = [label for label in shown if sizes[label] == sizes[next(iter(shown))]][:ROWS]
    places = {label: _first_of_chains(shown[label]) for label in labels}
    common = sorted(set.intersection(*(set(place) for place in places.values())))[:COLUMNS] if labels else []
    if len(labels) < 2 or not common:
        return []
    rows = [images_of(shown[label].samples)[[places[label][chain] for chain in common]].cpu() for label in labels]
    picture = grid(_sized(torch.cat(rows), _CELL), len(common), gap=4)
    says = f"A row each, from the top: {'; '.join(labels)}. A column each: chains {', '.join(map(str, common))}"
    prompts = prompts_of(shown[labels[0]].samples)
    told = f" ({'; '.join(prompts[places[labels[0]][chain]] for chain in common)})" if prompts else ""
    return [
        {"title": "Side by side", "says": f"{says}{told}.", "source": source_of(to_png(picture)[0]), "kind": "broad"}
    ]


def source_of(png: bytes) -> str:
    """A PNG as the source of an image."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _first_of_chains(result: Result) -> dict[int, int]:
    """The row of the first design of each chain."""
    first: dict[int, int] = {}
    for row, chain in enumerate(result.chain):
        first.setdefault(chain, row)
    first.pop(-1, None)  # the best of a run that was stopped, of any chain
    return first


def _sized(images: Images, edge: int) -> Any:
    """Small images by whole pixels up to about an edge, large ones down to it."""
    longest = max(images.shape[2:])
    if longest <= edge:
        return images.repeat_interleave(edge // longest, 2).repeat_interleave(edge // longest, 3)
    smaller = [max(1, round(side * edge / longest)) for side in images.shape[2:]]
    return functional.interpolate(images, smaller, mode="bilinear", antialias=True).clamp(0, 1)
