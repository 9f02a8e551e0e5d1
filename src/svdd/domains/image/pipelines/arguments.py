"""Arguments: a pipeline's own arguments, for some of its prompts, with room for candidates.

Rows go prompt by prompt, the images of a prompt next to each other and the candidates of an image next to each other. That is
the order in which pipelines multiply their prompts; where they would not, prompts are repeated here.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svdd.domains.image.pipelines.entries import Entries, is_picture, is_rows, is_text, pictures_in

_UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_IMAGES = "num_images_per_prompt"
_COUNTED = ("prompt_embeds", "class_labels", "image_embeds", "image_embeddings", "image", "example_image")


@dataclass(frozen=True)
class Arguments:
    """A call of a pipeline as the user wrote it.

    Args:
        given: its arguments by name.
        prompts: how many there are; images, where a pipeline has no prompts.
        images: of each prompt.
        texts: of the prompts, where they are known.
        multiplies: the argument by which the pipeline makes several images, if it has one that keeps their order.
        entries: which arguments have one entry per prompt.
    """

    given: dict[str, Any]
    prompts: int
    images: int
    texts: list[str] | None
    multiplies: str | None
    entries: Entries

    @classmethod
    def of(cls, pipe: Any, args: Sequence[Any], named: dict[str, Any], listed: bool = True) -> "Arguments":
        """The arguments of `pipe(*args, **named)`, and `prompts=`, the texts that a reward is told.

        Args:
            pipe: the pipeline.
            args: of its call.
            named: likewise.
            listed: whether the pipeline is one of those that were tested.

        Raises:
            TypeError: for an argument that the pipeline does not have.
            ValueError: for an argument with another number of entries than there are prompts, and for several generators.
        """
        signature = call_signature(pipe)
        own = {name: value for name, value in named.items() if name != "prompts" or name in signature.parameters}
        given = signature.bind_partial(*args, **own).arguments
        for parameter in signature.parameters.values():
            given |= given.pop(parameter.name, {}) if parameter.kind is parameter.VAR_KEYWORD else {}
        entries = Entries(pipe, tuple(signature.parameters), 0, listed)
        given = {name: entries.one_batch(name, value) for name, value in given.items()}
        count, texts = _prompts(given)
        if count < 1:
            raise ValueError("the pipeline is given no prompt, prompt=[]; give it one at least")
        entries = replace(entries, prompts=count)
        for name, value in given.items():
            entries.check(name, value)
        if _draws(entries) and given.get("padding_mask_crop") is None:
            given = {name: _one_each(name, value, entries) for name, value in given.items()}
        texts = _told(named["prompts"], count) if named.get("prompts") is not None else texts
        if texts is not None and len(texts) != count:
            raise ValueError(f"every prompt of the pipeline has one text, got {len(texts)} prompts for {count}")
        images = given.get(_IMAGES) or 1
        if isinstance(given.get("generator"), list | tuple):
            raise ValueError(
                "give one generator, or leave it out and give steer a seed: every chain has its own stream"
            )
        return cls(given, count, images, texts, _multiplies(given, entries), entries)

    @property
    def chains(self) -> int:
        """Images that are asked for."""
        return self.prompts * self.images

    @property
    def captions(self) -> list[str] | None:
        """The text of every image's prompt."""
        return self.texts and [text for text in self.texts for _ in range(self.images)]

    def seed(self, default: int) -> int:
        """Of the run: drawn from the user's generator, if there is one."""
        generator = self.given.get("generator")
        return default if generator is None else _drawn(generator)

    @property
    def own_noise(self) -> bool:
        """Whether every chain starts from latents that the user gave it."""
        latents = self.given.get("latents")
        return latents is not None and len(latents) == self.chains

    def part(self, chains: range, slots: int, seed: int, some: range | None = None) -> dict[str, Any]:
        """The arguments of a call for some of the chains.

        Args:
            chains: their numbers; whole prompts.
            slots: rows of each.
            seed: of the run; row s of chain c starts from noise that depends on (seed, c, s) alone.
            some: the numbers of those rows that the call is for, all unless given.

        Raises:
            ValueError: for latents that are neither one a chain nor one a row.
        """
        first, last = chains.start // self.images, chains.stop // self.images
        some = range(slots) if some is None else some
        each = 1 if self.multiplies else self.images * len(some)
        given = {name: self._rows(name, value, first, last, each) for name, value in self.given.items()}
        several = {_IMAGES: self.images * len(some), "batch_size": len(chains) * len(some)}
        one = {_IMAGES: 1} if _IMAGES in given else {}
        given |= {self.multiplies: several[self.multiplies]} if self.multiplies else one
        if given.get("latents") is not None:
            latents = self._latents(given["latents"], slots)
            given["latents"] = latents[chains.start : chains.stop, some.start : some.stop].flatten(0, 1)
        return given | {"generator": [_generator(seed, chain, slot) for chain in chains for slot in some]}

    def _rows(self, name: str, value: Any, first: int, last: int, each: int) -> Any:
        """Of an argument with one entry per prompt, those of some prompts, each so many times."""
        several = each > 1 or self.prompts > 1 or isinstance(self.given.get("prompt"), list)
        if several and isinstance(value, str) and is_text(name):
            value = [value] * self.prompts
        if last - first == self.prompts and each == 1:
            return value
        return self.entries.at(name, value, [place for place in range(first, last) for _ in range(each)])

    def _latents(self, latents: Tensor, slots: int) -> Tensor:
        """The user's latents by chain and slot."""
        if len(latents) not in (self.chains, self.chains * slots):
            raise ValueError(
                f"latents have {len(latents)} rows, which are neither one for each of {self.chains} images nor one for each "
                f"of their {slots} candidates, {self.chains * slots}"
            )
        return latents.repeat_interleave(self.chains * slots // len(latents), 0).unflatten(0, (self.chains, slots))


def call_signature(pipe: Any) -> inspect.Signature:
    """Of a pipeline's call, as the class that names its arguments has it; subclasses may pass them on unnamed."""
    own = [vars(cls)["__call__"] for cls in type(pipe).__mro__ if "__call__" in vars(cls)]
    signatures = [inspect.signature(call) for call in own] or [inspect.signature(pipe)]
    named = [one for one in signatures if any(p.kind not in _UNNAMED for p in list(one.parameters.values())[1:])]
    chosen = (named or signatures)[0]
    return chosen.replace(parameters=list(chosen.parameters.values())[1:])


def _prompts(given: dict[str, Any]) -> tuple[int, list[str] | None]:
    """How many prompts there are, and their texts; where images or classes take their place, how many of these."""
    prompt = given.get("prompt")
    if isinstance(prompt, str | list | tuple):
        texts = _told(prompt, 1)
        return len(texts), texts
    for name in _COUNTED:
        value: Any = given.get(name)
        several = pictures_in(name, value) if is_picture(name) else len(value) if hasattr(value, "__len__") else None
        if several is not None:
            return several, None
    return given.get("batch_size") or 1, None


def _told(texts: str | Sequence[str], count: int) -> list[str]:
    """Texts as a list: one text is that of all."""
    return [texts] * count if isinstance(texts, str) else list(texts)


def _drawn(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (1,), generator=generator, device=generator.device))


def _multiplies(given: dict[str, Any], entries: Entries) -> str | None:
    """The argument that makes several images of a prompt.

    Pipelines differ in how they multiply embeddings and images that they are given, and some do not: those are repeated here.
    """
    pictures = [name for name, value in given.items() if is_picture(name) and entries.of_prompts(name, value)]
    embedded = any(is_rows(name) and value is not None for name, value in given.items())
    masked = "prompt_attention_mask" in entries.parameters and not entries.listed  # which some repeat in another order
    repeated = embedded or masked or (pictures and (entries.prompts > 1 or _draws(entries)))
    own = next((name for name in (_IMAGES, "batch_size") if name in entries.parameters), None)
    return None if own == _IMAGES and repeated else own


def _draws(entries: Entries) -> bool:
    """Whether a pipeline draws noise for its pictures, so that every row needs its own, from its own stream."""
    return any(name in entries.parameters for name in ("strength", "noise_level"))


def _one_each(name: str, value: Any, entries: Entries) -> Any:
    """The one picture of all prompts, for each of them; anything else as it is."""
    if value is None or not is_picture(name) or entries.per_network(name, value):
        return value
    several, count = pictures_in(name, value), entries.prompts
    if isinstance(value, list):
        return value * count if several == 1 and entries.listed else value
    if hasattr(value, "getbands"):  # of PIL
        return [value] * count
    if isinstance(value, Tensor | np.ndarray) and several in (None, 1):
        single = value[None] if several is None else value
        return single[[0] * count]
    return value


def _generator(seed: int, chain: int, slot: int) -> torch.Generator:
    """The stream of a row's first noise, on the CPU, so that it is the same on every device."""
    state = np.random.SeedSequence([seed, chain, slot]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
