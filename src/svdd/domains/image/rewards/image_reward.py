"""Any function of images as a reward: it gets its images in the form it takes, and the prompts if it asks for them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from svdd.domains.image.outside import ImagesOutside
from svdd.domains.image.pixels import Images, from_any, to_pil, to_uint8
from svdd.domains.image.prompts import images_of, prompts_of
from svdd.domains.image.rewards.forms import wants_another_form
from svdd.domains.image.rewards.parameters import parameters_of
from svdd.messages import check_known
from svdd.registry import origin
from svdd.scoring.identity import reward_identity
from svdd.scoring.reward import traits_of

TAKES: dict[str, Callable[[Images], Any]] = {
    "pil": to_pil,
    "uint8": lambda images: to_uint8(images).numpy(),
    "tensor": lambda images: images,
}
"""The forms in which a function can take images: a list of PIL images in RGB, an array (n, H, W, 3) of bytes, or the tensor
(n, 3, H, W) from 0 to 1, on the device where the images were made."""


class ImageReward:
    """A function of images, given what it takes.

    Args:
        function: `(images)` or `(images, prompts)` to one number an image, higher is better.
        takes: a name of `TAKES`.
        prompts: the prompt of all images where designs carry none, one text.
        named: of a bundled reward, its name and the options it was made with.

    Raises:
        ValueError: for another form, and for prompts that are not one text.
        TypeError: for a function that takes something else, with how to wrap it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        takes: str = "tensor",
        prompts: Any = None,
        named: tuple[str, dict[str, Any]] | None = None,
    ) -> None:
        check_known("form that a reward takes images in", takes, TAKES)
        if prompts is not None and not isinstance(prompts, str):
            raise ValueError(
                f"prompts is one text, for all images, got {prompts!r:.60}; where images have prompts of their own these "
                "travel with them, in the key prompt of the designs (svdd.domains.image.prompts)"
            )
        traits = traits_of(function)
        self.function, self.takes, self.prompts = function, takes, prompts
        self.parameters = parameters_of(function)
        self.needs_prompts = self.parameters.needs_prompts
        self.__qualname__ = getattr(function, "__qualname__", type(function).__name__)
        components = {name: as_reward(part, prompts, takes) for name, part in traits.components.items()}
        self.traits = replace(traits, takes=takes, components=components, in_background=False)
        if named is not None:
            self.named, self.origin = named, origin(*named)

    def __call__(self, designs: Any, prompts: Sequence[str] | str | None = None) -> Any:
        """One number an image.

        Args:
            designs: images in any form of `svdd.domains.image.pixels.from_any`, or with their prompts
                (`svdd.domains.image.prompts`).
            prompts: of the images, if they carry none: one for each, or one for all.

        Raises:
            ValueError: for what is no image, for missing prompts, and for another number of prompts.
            TypeError: for a function that wants images in another form; whatever else it raised, unchanged.
        """
        images = from_any(images_of(designs))
        texts = self._prompts(designs, prompts, len(images)) if self.parameters.prompts else None
        given = TAKES[self.takes](images)
        try:
            return self.parameters.call(self.function, given, texts)
        except Exception as error:
            if wants_another_form(error, given):
                raise TypeError(
                    f"{self!r} was given images as {self.takes!r} and raised {type(error).__name__}: {error}; if it takes "
                    f"them in another form, set its attribute takes to one of {', '.join(TAKES)}"
                ) from error
            raise

    @property
    def identity(self) -> str | None:
        """What tells it from others: its function, what that takes, and the prompt."""
        if hasattr(self, "origin"):
            return None  # a bundled reward, which its origin tells apart
        return f"images {reward_identity(self.function)} {self.takes} {self.prompts!r}"

    def __repr__(self) -> str:
        if not hasattr(self, "named"):
            return f"the image reward {getattr(self.function, '__name__', type(self.function).__name__)}"
        name, options = self.named
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in options.items())})"

    def _prompts(self, designs: Any, given: Sequence[str] | str | None, n: int) -> list[str] | None:
        own = prompts_of(designs)
        found = own if own is not None else given if given is not None else self.prompts
        if found is None and not self.needs_prompts:
            return None
        if found is None:
            raise ValueError(
                f"{self!r} asks for prompts, and these images carry none: take a model with prompts, or give one for all "
                "(prompts='...')"
            )
        texts = [found] * n if isinstance(found, str) else list(found)
        if len(texts) != n:
            raise ValueError(f"every image has one prompt, got {len(texts)} prompts for {n} images")
        return texts


def as_reward(function: Any, prompts: Any = None, takes: str | None = None) -> Callable[..., Any]:
    """Any function of images as a reward of the designs of an image model.

    Args:
        function: `(images)` or `(images, prompts)` to one number an image. It is given prompts if it has a parameter `prompts`
            or `prompt`, wherever it stands, or a second one without a default; where there are none, a parameter with a
            default keeps it.
        prompts: the prompt of all images, where the designs carry none.
        takes: `pil` (a list of PIL images), `uint8` (an array (n, H, W, 3)) or `tensor` ((n, 3, H, W), float32, 0 to 1); the
            function's own attribute `takes` unless given, or else `pil`.

    Returns:
        The reward. One already is itself; in worker processes the reward there becomes one; a program or an address is
        given PNGs.

    Raises:
        TypeError: for what cannot be called, or only with more than images and prompts.
        ValueError: for another form, and for prompts that are not one text.
    """
    if not callable(function):
        raise TypeError(f"a reward is a function of images, got {function!r:.80}")
    if isinstance(function, ImageReward):
        return function
    if hasattr(function, "inside"):
        return function.inside(as_reward)
    if hasattr(function, "sent_as"):
        return function.sent_as(ImagesOutside())
    return ImageReward(function, takes or traits_of(function).takes or "pil", prompts)
