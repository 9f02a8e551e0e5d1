"""Frames: pipelines of videos, and others whose rows are not the images that were asked for."""

from collections.abc import Mapping
from typing import Any

from svdd.domains.image.pipelines.arguments import call_signature

_FRAMES = ("num_frames", "video_length")


def _of_videos(pipe: Any) -> bool:
    return any(name in call_signature(pipe).parameters for name in _FRAMES)


def check_frames(pipe: Any, decode: Any) -> None:
    """Refuses a pipeline of videos, before anything is computed; with `decode` it may be one that makes a single frame.

    Raises:
        ValueError: for one whose call has a number of frames.
    """
    if decode is None and callable(pipe) and _of_videos(pipe):
        raise ValueError(
            f"{type(pipe).__name__} makes videos, whose rows are frames; svdd steers images, and videos are not steered"
        )


def other_rows(pipe: Any, given: Mapping[str, Any], rows: int, images: int, candidates: int) -> str:
    """Why a pipeline steps another number of rows than candidates, as far as it can be told."""
    sentence = f"the pipeline steps {rows} rows, but {images} images with {candidates} candidates each were asked for; "
    if _of_videos(pipe):
        return sentence + "its rows are frames, and videos are not steered"
    scale = call_signature(pipe).parameters.get("guidance_scale")
    if rows in (2 * images * candidates, 3 * images * candidates) and scale is not None:
        own = given.get("guidance_scale", scale.default)
        if isinstance(own, int | float) and own > 1:
            return sentence + "where it doubles its rows for guidance, call it with guidance_scale=1"
    return sentence + "svdd steers pipelines that step one row per image, and this one has others"
