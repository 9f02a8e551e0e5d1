"""What designs that are images are worth: likeness to photographs, diversity, near-duplicates, light, colour, sharpness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray

from svdd.chain.defaults import as_tensor
from svdd.decoding.result import Result
from svdd.domains.image.measures import distances as images
from svdd.domains.image.measures.distances import ImageFeatures, ImageReference
from svdd.domains.image.measures.features import moments_of
from svdd.domains.image.prompts import images_of, prompts_of
from svdd.metrics.columns import COMPOSITION, DIVERSITY, NATURALNESS, Column
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.measures import Designs, View, optional, scored
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


@dataclass
class ImageView(View):
    """Images as their columns see them."""

    @cached_property
    def distances(self) -> Float[ndarray, "m m"]:
        """Of every two of the first designs."""
        return images.cosine_distances(self.designs.features[self.designs.first])

    @property
    def several(self) -> bool:
        """Whether there are two designs to compare."""
        return len(self.designs.first) > 1

    @cached_property
    def likeness(self) -> tuple[float, float]:
        """The Fréchet distance to the reference, and that of as many draws of the reference."""
        return _likeness(self.designs, self.reference, self.notes)


def _within_prompts(view: ImageView) -> Statistic | None:
    rows, groups = view.designs.first, view.designs.groups
    return images.distance_within(rows, view.distances, [groups[row] for row in rows]) if groups else None


def _near_duplicates(view: ImageView) -> Statistic | None:
    alike = numpy.full(len(view.designs.run), numpy.nan)
    alike[view.designs.first] = images.near_duplicates(view.distances)
    return mean(alike) if view.several else None


def _look_of(name: str, words: str) -> Column:
    return Column(
        name, words, NATURALNESS if name == "sharpness" else COMPOSITION, lambda v: mean(v.designs.looks[name])
    )


def _compared(view: ImageView) -> bool:
    return view.reference is not None


COLUMNS = (
    Column("diversity", "mean cosine distance of two designs' features", DIVERSITY,
           lambda view: mean_between(view.designs.first, view.distances) if view.several else None, better="higher",
           price=True),
    Column("diversity_per_prompt", "the same of two designs of one prompt or class", DIVERSITY, _within_prompts,
           better="higher", price=True),
    Column("near_duplicates", "share of designs with a near-duplicate", DIVERSITY, _near_duplicates, better="lower"),
    _look_of("sharpness", "sharpness"),
    _look_of("brightness", "brightness"),
    _look_of("colourfulness", "colourfulness"),
    Column("image_distance", "Fréchet distance to photographs", NATURALNESS, lambda view: view.likeness[0], better="lower",
           given=_compared, axis=True, price=True),
    Column("image_distance_floor", "that distance of as many photographs", NATURALNESS, lambda view: view.likeness[1],
           given=_compared),
)  # fmt: skip


def _likeness(designs: "ImageDesigns", reference: ImageReference, notes: list[str]) -> tuple[float, float]:
    n = len(designs.features)
    try:
        check_enough(min(n, reference.moments.count))
    except TooFewForFrechetError as error:
        notes.append(f"no image_distance: {error}")
        return numpy.nan, numpy.nan
    notes.append(
        f"image_distance is of {n} designs to {reference.name}, by {reference.features}, and falls with their number: as many "
        "of the reference itself have image_distance_floor; numbers by other features are not comparable"
    )
    return frechet(moments_of(torch.from_numpy(designs.features)), reference.moments), floor(reference.moments, n)


def _look(name: str, pixels: Any, notes: list[str]) -> Float[ndarray, " n"]:
    found = optional(lambda: load_reward(name), notes)
    if found is None:
        return numpy.full(len(pixels), numpy.nan)
    return as_tensor(found(pixels)).double().cpu().numpy()  # type: ignore[no-any-return]


def _groups(result: Result) -> tuple[str, ...]:
    """The prompt of each design, or the class of its chain, which a model of classes takes in turn."""
    prompts, classes = prompts_of(result.samples), getattr(result.kind, "classes", ())
    if prompts is not None:
        return tuple(prompts)
    return tuple(str(classes[chain % len(classes)]) for chain in result.chain) if classes else ()
