"""What designs that are images are worth: likeness to photographs, diversity, near-duplicates, light, colour, sharpness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray

from svdd.decoding.result import Result
from svdd.domains.image.measures import distances as images
from svdd.domains.image.measures.distances import ImageFeatures, ImageReference
from svdd.domains.image.measures.features import moments_of
from svdd.domains.image.prompts import images_of, prompts_of
from svdd.metrics.intervals import mean
from svdd.metrics.measures import Designs, Evaluation, Measure, optional, scored, tabled
from svdd.metrics.measures import between as mean_between
from svdd.metrics.moments import TooFewForFrechetError, check_enough, floor, frechet
from svdd.registry import load_reward
from svdd.scoring.reward import Reward

LOOKS = ("sharpness", "brightness", "colourfulness")
"""Rewards of pixels that every evaluation has as columns."""
_AT_ONCE = 256


@dataclass(frozen=True)
class ImageDesigns(Designs):
    """Images of runs with the same settings, and what is known of each.

    Args:
        features: rows of numbers.
        groups: the prompt of each, or its class; empty where there are none.
        looks: the numbers of `LOOKS`, NaN where one cannot be taken.
    """

    features: Float[ndarray, "n d"] = field(default_factory=lambda: numpy.zeros((0, 0)))
    groups: tuple[str, ...] = ()
    looks: Mapping[str, Float[ndarray, " n"]] = field(default_factory=dict)

    @classmethod
    def pooled(cls, parts: Sequence[Any]) -> "ImageDesigns":
        """The designs of several runs together, which are numbered anew."""
        return cls(
            **vars(Designs.pooled(parts)),
            features=numpy.concatenate([part.features for part in parts]),
            groups=tuple(group for part in parts for group in part.groups),
            looks={name: numpy.concatenate([part.looks[name] for part in parts]) for name in LOOKS},
        )


def measured_images(
    result: Result,
    features: ImageFeatures,
    judge: Reward | None = None,
    judged: str = "",
    chunks: Mapping[str, int] | None = None,
) -> "ImageDesigns":
    """The images of one run, with their features and held-out reward.

    Args:
        result: images, with prompts or without; a score of it named `judged` is used as it is.
        features: what is made of each.
        judge: a reward that did not guide.
        judged: its name.
        chunks: rows at a time of `reward`.

    Cost:
        Features of every design, and 1 row of the judge for each of the first 256, unless the result has the score.
    """
    common, notes = scored(result, judge, judged, chunks), [f"diversity and likeness are of {features.name}"]
    pixels = images_of(result.samples)
    made = numpy.concatenate([features(part) for part in pixels.split(_AT_ONCE)])
    looks = {name: _look(name, pixels, notes) for name in LOOKS}
    common = replace(common, notes=(*common.notes, *notes))
    return ImageDesigns(**vars(common), features=made, groups=_groups(result), looks=looks)


def record_images(designs: ImageDesigns, reference: ImageReference | None = None, *, draws: int = 1000) -> Evaluation:
    """A row: every measure with its bootstrap interval, as `svdd.domains.sequence.measures.record`.

    The Fréchet distance has no interval, but beside it the distance that as many draws from the reference itself have. It is
    not taken of fewer than 500 images.

    Args:
        designs: of one or more runs with the same settings.
        reference: what they are compared with, under the same features.
        draws: resamples of the bootstrap.
    """
    notes = list(designs.notes)
    made = tabled(designs, _statistics(designs), notes, draws)
    if reference:
        made.row.update(_likeness(designs, reference, notes))
    return made


def _statistics(designs: ImageDesigns) -> list[Measure]:
    rows = designs.first
    distances = images.cosine_distances(designs.features[rows])
    alike = numpy.full(len(designs.run), numpy.nan)
    alike[rows] = images.near_duplicates(distances)
    groups = [designs.groups[row] for row in rows] if designs.groups else []
    several = len(rows) > 1
    return [
        ("diversity", mean_between(rows, distances) if several else None, False),
        ("diversity_per_prompt", images.distance_within(rows, distances, groups) if groups else None, False),
        ("near_duplicates", mean(alike) if several else None, False),
        *((name, mean(values), False) for name, values in designs.looks.items()),
    ]


def _likeness(designs: ImageDesigns, reference: ImageReference, notes: list[str]) -> dict[str, float]:
    """The Fréchet distance, and that of as many draws of the reference."""
    n = len(designs.features)
    try:
        check_enough(min(n, reference.moments.count))
    except TooFewForFrechetError as error:
        notes.append(f"no image_distance: {error}")
        return {"image_distance": numpy.nan, "image_distance_floor": numpy.nan}
    notes.append(
        f"image_distance is of {n} designs to {reference.name}, by {reference.features}, and falls with their number: as many "
        "of the reference itself have image_distance_floor; numbers by other features are not comparable"
    )
    return {
        "image_distance": frechet(moments_of(torch.from_numpy(designs.features)), reference.moments),
        "image_distance_floor": floor(reference.moments, n),
    }


def _look(name: str, pixels: Any, notes: list[str]) -> Float[ndarray, " n"]:
    found = optional(lambda: load_reward(name), notes)
    if found is None:
        return numpy.full(len(pixels), numpy.nan)
    return torch.as_tensor(found(pixels)).double().cpu().numpy()  # type: ignore[no-any-return]


def _groups(result: Result) -> tuple[str, ...]:
    """The prompt of each design, or the class of its chain, which a model of classes takes in turn."""
    prompts, classes = prompts_of(result.samples), result.about.get("classes")
    if prompts is not None:
        return tuple(prompts)
    return tuple(str(classes[chain % len(classes)]) for chain in result.chain) if classes else ()
