"""Made images: what a pipeline makes of its latents besides decoding them, as it does and not as it is asked.

Some change the height and width of the call; some resize what they decoded, or paste it into the picture that they were given.
The reward judges what is returned.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor

from svdd.domains.image.pipelines.arguments import call_signature
from svdd.domains.image.pipelines.families import image_decoder
from svdd.domains.image.pipelines.steered_scheduler import with_attributes
from svdd.domains.image.pixels import Images, from_any, to_pil

_PREPARES = "prepare_latents"


class MadeImages:
    """The images of one call of a pipeline.

    Args:
        pipe: the pipeline.
        given: the arguments of its call.
    """

    def __init__(self, pipe: Any, given: Mapping[str, Any]) -> None:
        self.pipe, self.given = pipe, given
        self.size: tuple[int | None, int | None] | None = None

    @contextmanager
    def observed(self) -> Iterator[None]:
        """While the pipeline is called: the height and width that it makes latents for are noted, those of its first call."""
        own = getattr(self.pipe, _PREPARES, None)
        if own is None:
            yield
            return

        def noting(*args: Any, **named: Any) -> Any:
            if self.size is None:
                told = inspect.signature(own).bind_partial(*args, **named).arguments
                self.size = told.get("height"), told.get("width")
            return own(*args, **named)

        with with_attributes(self.pipe, **{_PREPARES: noting}):
            yield

    def decoder(self, autoencoder: Any | None = None) -> Callable[[Tensor], Images]:
        """Clean latents to the images that the pipeline returns for them.

        Args:
            autoencoder: another than its own.
        """

        def decode(latents: Tensor) -> Images:
            images = image_decoder(self.pipe, *self._made(), autoencoder, self._resized)(latents)
            return images if self.given.get("padding_mask_crop") is None else self._pasted(images)

        return decode

    def _asked(self) -> tuple[int | None, int | None]:
        return self.given.get("height"), self.given.get("width")

    def _made(self) -> tuple[int | None, int | None]:
        made = self.size or (None, None)
        return made[0] or self._asked()[0], made[1] or self._asked()[1]

    def _resized(self, x: Tensor) -> Tensor:
        """What was made in the nearest size that the network knows, in the size that was asked for."""
        parameters, name = call_signature(self.pipe).parameters, "use_resolution_binning"
        if name not in parameters or not self.given.get(name, parameters[name].default):
            return x
        own = self.pipe.transformer.config.sample_size * self.pipe.vae_scale_factor
        height, width = (asked or own for asked in self._asked())
        return self.pipe.image_processor.resize_and_crop_tensor(x, width, height)  # type: ignore[no-any-return]

    def _pasted(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 H W"]:
        """The part that was painted, in the whole picture, as the pipeline returns it."""
        mask, picture, height, width = self.given["mask_image"], self.given["image"], *images.shape[2:]
        edges = self.pipe.mask_processor.get_crop_region(mask, width, height, pad=self.given["padding_mask_crop"])
        paste = self.pipe.image_processor.apply_overlay
        return from_any([paste(mask, picture, one, edges) for one in to_pil(images)]).to(images.device)
