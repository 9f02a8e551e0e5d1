"""Rewards of photographs by the bundled classifiers: how surely an image is of a class."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.cost.batches import FullBatches
from svdd.domains.image.classifier import ImageClassifier
from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards.image_reward import ImageReward
from svdd.messages import unknown
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

_MODEL = "image-small"
_ALSO = {"plane": "airplane", "aeroplane": "airplane", "car": "automobile"}
_BATCH = 32


def class_score(target: str | None = None, device: str = "cpu") -> ImageReward:
    r"""How surely an image is of the class in its prompt: nats, at most 0 (a ten-class guess: -2.3).

    $r(x) = \log p_{\mathrm{guide}}(c \mid x)$, with c the one class of CIFAR-10 that the prompt names ("car" and "plane" too).

    Args:
        target: the class of all images, whatever their prompts.
        device: where the classifier runs.

    Raises:
        ValueError: for a target that is no class; when called, for a prompt that names none or several.
    """
    return _reward("class-score", "guide", target, device)


def class_judge(target: str | None = None, device: str = "cpu") -> ImageReward:
    """The same by another classifier, trained on other images, which only judges; arguments as `class_score`."""
    return _reward("class-judge", "judge", target, device)


@lru_cache(maxsize=4)
def image_classifier(which: str, device: str = "cpu") -> ImageClassifier:
    """A bundled classifier of 32x32 photographs, in float32, read once; it is shared, so never change it.

    Args:
        which: `guide` or `judge`.
        device: where it runs.
    """
    network = load_network(bundled(_MODEL, f"{which}.safetensors"))
    return cast(ImageClassifier, network.float().to(device))


def _reward(name: str, which: str, target: str | None, device: str) -> ImageReward:
    network = image_classifier(which, device)
    classes = network.config["classes"]
    options: dict[str, Any] = {"device": device}
    logits = FullBatches(partial(_logits, network), _BATCH)
    if target is None:
        return ImageReward(partial(_prompted, logits=logits, classes=classes), named=(name, options))
    named = _ALSO.get(target, target)
    if named not in classes:
        raise ValueError(unknown("class", target, classes))
    number = classes.index(named)
    return ImageReward(partial(_fixed, logits=logits, number=number), named=(name, options | {"target": target}))


@torch.inference_mode()
def _logits(network: ImageClassifier, images: Images) -> Tensor:
    return network(images.to(network.head.weight.device))


def _fixed(images: Images, *, logits: Callable[[Images], Tensor], number: int) -> Float[Tensor, " n"]:
    return logits(images).log_softmax(1)[:, number]


def _prompted(
    images: Images, prompts: Sequence[str], *, logits: Callable[[Images], Tensor], classes: Sequence[str]
) -> Float[Tensor, " n"]:
    numbers = torch.tensor([_class_of(prompt, classes) for prompt in prompts], device="cpu")
    found = logits(images).log_softmax(1)
    return found.gather(1, numbers.to(found.device)[:, None])[:, 0]


def _class_of(prompt: str, classes: Sequence[str]) -> int:
    """The number of the one class that a prompt names, in the singular or with an s."""
    words = [_ALSO.get(word, word) for word in re.findall(r"[a-z]+", prompt.lower())]
    singular = {word if word in classes else _ALSO.get(word[:-1], word[:-1]) for word in words}
    found = [number for number, name in enumerate(classes) if name in singular]
    if len(found) != 1:
        raise ValueError(
            f"the prompt must name one class, got {prompt!r}: name one of {', '.join(classes)}, or give target='...'"
        )
    return found[0]
