"""BLIP with a head for one number: the network of ImageReward, in the classes of transformers."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.defaults import as_usual
from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards import weights as checkpoints
from svdd.domains.image.rewards.clip import MEAN, STD
from svdd.domains.image.rewards.inputs import ImageInputs

CENTRE, SPREAD = 0.16717362830052426, 1.0333394966054072
"""Mean and standard deviation of the head's answer over the images it was trained on, as published."""
WORDS = 35
"""Tokens of a prompt that are read."""
_RULES: checkpoints.Rules = [
    (r"^visual_encoder\.cls_token$", "vision_model.embeddings.class_embedding"),
    (r"^visual_encoder\.pos_embed$", "vision_model.embeddings.position_embedding"),
    (r"^visual_encoder\.patch_embed\.proj\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual_encoder\.norm\.", "vision_model.post_layernorm."),
    (r"^visual_encoder\.blocks\.", "vision_model.encoder.layers."),
    (r"^(vision_model\..*)\.attn\.qkv\.", r"\1.self_attn.qkv."),
    (r"^(vision_model\..*)\.attn\.proj\.", r"\1.self_attn.projection."),
    (r"^(vision_model\..*)\.norm([12])\.", r"\1.layer_norm\2."),
]


_SIGNS = ["blip.visual_encoder.pos_embed"]


class Blip:
    """BLIP's networks of images and texts and a head, from one published file.

    Args:
        path: a BLIP model in the format of transformers: its configuration and its tokenizer are read.
        weights: the file, with the names that ImageReward's authors gave.
        device: where it computes; where the images are unless given.
        dtype: it computes in.
        batch: images at a time.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded or does not fit.
    """

    @as_usual
    def __init__(
        self, path: str, weights: str, device: str | None = None, dtype: str | torch.dtype = "float32", batch: int = 16
    ) -> None:
        if batch < 1:
            raise ValueError(f"a batch has at least 1 image, got {batch}")
        library = checkpoints.transformers()
        config = checkpoints.loaded_config(path, "blip")
        if not weights:
            raise ValueError(
                "image-reward needs weights=, the file ImageReward.pt: path gives sizes and tokenizer alone"
            )
        blip, head = _parts(checkpoints.read_weights(weights, _SIGNS, "ImageReward"))
        size = _size(blip, config.vision_config.patch_size, weights)
        config.vision_config.image_size = size
        unused = ("vision_proj.", "text_proj.", "itm_head.")
        model = checkpoints.filled(library.BlipForImageTextRetrieval, config, blip, weights, unused)
        self.model = model.eval().requires_grad_(False).to(checkpoints.named_type(dtype))
        self.head = checkpoints.linear_head(head, weights).requires_grad_(False)
        words = config.text_config.vocab_size
        self.tokenizer = checkpoints.loaded_tokenizer(path, words, "the tokenizer of a BLIP model")
        self.inputs = ImageInputs(size, (size, size), MEAN, STD)
        self.device, self.batch = device, batch

    @as_usual
    def __call__(self, images: Images, prompts: Sequence[str]) -> Float[Tensor, " n"]:
        """The normalised answer of the head for each image with its prompt."""
        images = images if self.device is None else images.to(self.device)
        model, head = self.model.to(images.device), self.head.to(images.device)
        asked = self.tokenizer(list(prompts), padding=True, truncation=True, max_length=WORDS, return_tensors="pt")
        parts = []
        for i in range(0, len(images), self.batch):
            rows = slice(i, i + self.batch)
            seen = model.vision_model(pixel_values=self.inputs(images[rows]).to(model.dtype)).last_hidden_state
            read = model.text_encoder(
                input_ids=asked["input_ids"][rows].to(images.device),
                attention_mask=asked["attention_mask"][rows].to(images.device),
                encoder_hidden_states=seen,
                encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=images.device),
            )
            parts.append(head(read.last_hidden_state[:, 0].float())[:, 0])
        return (torch.cat(parts) - CENTRE) / SPREAD


def _parts(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """BLIP's weights by the names that transformers has for them, and the head's."""
    blip = {name.removeprefix("blip."): one for name, one in weights.items() if name.startswith("blip.")}
    head = {name: one for name, one in weights.items() if name.startswith("mlp.")}
    known = {name: one for name, one in blip.items() if name.startswith(("visual_encoder.", "text_encoder."))}
    return {k: v for k, v in checkpoints.renamed(known, _RULES).items() if not k.endswith("position_ids")}, head


def _size(weights: Mapping[str, Tensor], patch: int, path: str) -> int:
    """The edge of the images, from the number of places."""
    places: Any = weights.get("vision_model.embeddings.position_embedding")
    if places is None:
        raise ValueError(f"{path} holds no weights of ImageReward: there is no blip.visual_encoder.pos_embed in it")
    return round((places.shape[1] - 1) ** 0.5) * patch
