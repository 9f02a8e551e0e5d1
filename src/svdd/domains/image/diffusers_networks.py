"""The networks of diffusers pipelines, told their condition: a class, or a prompt under guidance."""

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeAlias

import torch
from torch import Tensor

from svdd.chain.denoisers import classifier_free_guidance
from svdd.chain.tree import Tree
from svdd.domains.image.prompts import encode_prompts
from svdd.messages import check

Call: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Scaled states, a timestep and rows of the table of conditions to the network's answer, guidance applied."""


@dataclass(frozen=True)
class ConditionedNetwork:
    """A network with its table of conditions.

    Args:
        call: the network.
        conditions: rows of the table, 0 for a network without.
        rows_each: rows that it computes for a state.
        texts: the prompts of the rows, as `svdd.domains.image.prompts` has them; None of classes.
        facts: about it, for files.
    """

    call: Call
    conditions: int = 0
    rows_each: int = 1
    texts: Tensor | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def pixel_network(pipe: Any, path: str, prompt: Any, label: Any) -> ConditionedNetwork:
    """Of a pipeline of pixels, with its table of classes if it has one.

    Args:
        pipe: the pipeline.
        path: of it, for messages.
        prompt: must be left out.
        label: one class or several; all in turn unless given.

    Raises:
        ValueError: for a prompt, and for classes that there are not.
    """
    if prompt is not None:
        raise ValueError(f"{path} makes images without text; leave out prompt")
    number, kind = pipe.unet.config.num_class_embeds, pipe.unet.config.class_embed_type
    labels = _labels(path, number if kind is None else None, label)
    table = torch.tensor(labels, device=pipe.device)

    def call(x: Tensor, timestep: Tensor, row: Tensor | None) -> Tensor:
        given = {} if row is None else {"class_labels": table[row]}
        return pipe.unet(x.to(pipe.unet.dtype), timestep, return_dict=False, **given)[0]  # type: ignore[no-any-return]

    return ConditionedNetwork(call, len(labels), facts={"classes": labels} if labels else {})


def _labels(path: str, number: int | None, label: Any) -> list[int]:
    if label is not None and not number:
        raise ValueError(f"{path} has no table of classes; leave out class_label")
    labels = list(range(number or 0)) if label is None else [label] if isinstance(label, Integral) else list(label)
    if number and not (labels and all(isinstance(one, Integral) and 0 <= int(one) < number for one in labels)):
        raise ValueError(f"{path} has classes 0 to {number - 1}, got class_label={label}")
    return [int(one) for one in labels]


def latent_network(pipe: Any, path: str, prompt: Any, label: Any, scale: float, negative: Any) -> ConditionedNetwork:
    """Of a pipeline of Stable Diffusion's kind, under guidance; the embeddings of all prompts are computed once.

    The text encoder is not kept.

    Args:
        pipe: the pipeline.
        path: of it, for messages.
        prompt: one or several.
        label: must be left out.
        scale: of guidance, at most 1 for none.
        negative: what guidance leads away from, one text for all prompts or one per prompt.

    Raises:
        ValueError: without a prompt, for another number of negative ones, for a class, and for a network that is given more.
    """
    prompts, guided, dtype = _prompts(pipe, path, prompt, label), scale > 1, pipe.unet.dtype
    negatives = _texts("negative_prompt", "" if negative is None else negative, len(prompts))
    with torch.no_grad():
        text, without = pipe.encode_prompt(prompts, pipe.device, 1, guided, negatives)
    pipe.text_encoder = pipe.tokenizer = None

    def network(x: Tensor, timestep: Tensor, cond: Tree) -> Tensor:
        return pipe.unet(x.to(dtype), timestep, encoder_hidden_states=cond, return_dict=False)[0]  # type: ignore[no-any-return]

    both = classifier_free_guidance(network, scale)

    def call(x: Tensor, timestep: Tensor, row: Tensor | None) -> Tensor:
        return (
            both(x, timestep, {"conditional": text[row], "unconditional": without[row]})
            if guided
            else network(x, timestep, text[row])
        )

    facts = {"prompts": prompts, "guidance_scale": scale, "negative_prompt": _short(negatives)}
    return ConditionedNetwork(call, len(prompts), 2 if guided else 1, encode_prompts(prompts), facts)


def _prompts(pipe: Any, path: str, prompt: Any, label: Any) -> list[str]:
    if label is not None:
        raise ValueError(f"{path} makes images from text; give prompt in place of class_label")
    prompts = _texts("prompt", prompt or [])
    if not prompts:
        raise ValueError(f"{path} makes images from text; give prompt='...' or a list of prompts")
    config = pipe.unet.config
    if config.time_cond_proj_dim is not None or config.in_channels != pipe.vae.config.latent_channels:
        raise ValueError(f"the network of {path} is given more than latents, a time and text; use svdd.steer")
    return prompts


def _texts(option: str, given: Any, count: int | None = None) -> list[str]:
    """An option that is one text or several; one is that of all.

    Raises:
        ValueError: for anything but text, and for another number of texts.
    """
    texts = [given] * (count or 1) if isinstance(given, str) else list(given)
    check(all(isinstance(text, str) for text in texts), f"{option} is one text or a list of text, got {given!r:.80}")
    if count is not None and len(texts) != count:
        raise ValueError(
            f"{option} has {len(texts)} texts for {count} prompts; give one text for all, or one per prompt"
        )
    return texts


def _short(texts: list[str]) -> str | list[str]:
    return texts[0] if len(set(texts)) == 1 else texts
