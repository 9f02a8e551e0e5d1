"""CLIP: images and texts as unit vectors of one space, by the classes of transformers."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from svdd.chain.defaults import as_usual
from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards import weights as checkpoints
from svdd.domains.image.rewards.inputs import ImageInputs

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_BLOCK: checkpoints.Rules = [
    (r"transformer\.resblocks\.", "encoder.layers."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.attn\.", ".self_attn."),
    (r"\.c_fc\.", ".fc1."),
    (r"\.c_proj\.", ".fc2."),
]
_IMAGE: checkpoints.Rules = [
    (r"^class_embedding$", "embeddings.class_embedding"),
    (r"^positional_embedding$", "embeddings.position_embedding.weight"),
    (r"^conv1\.", "embeddings.patch_embedding."),
    (r"^ln_pre\.", "pre_layrnorm."),
    (r"^ln_post\.", "post_layernorm."),
    *_BLOCK,
]
_SIGNS = ["visual.conv1.weight"]
_TEXT: checkpoints.Rules = [
    (r"^positional_embedding$", "embeddings.position_embedding.weight"),
    (r"^token_embedding\.", "embeddings.token_embedding."),
    (r"^ln_final\.", "final_layer_norm."),
    *_BLOCK,
]


class Clip:
    """A CLIP model.

    Args:
        path: a local folder or a hub id, in the format of transformers.
        processor: likewise, where the tokenizer and the configuration of the images are; `path` unless given.
        weights: a file to take the weights from instead, in the names of open_clip (`read_weights`).
        device: where it computes; where the images are unless given.
        dtype: it computes in; its vectors are float32.
        batch: images at a time.
        texts: whether it will be asked for texts.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded, and for what is no CLIP model.
    """

    @as_usual
    def __init__(
        self,
        path: str,
        processor: str | None = None,
        weights: str | None = None,
        device: str | None = None,
        dtype: str | torch.dtype = "float32",
        batch: int = 32,
        texts: bool = True,
    ) -> None:
        if batch < 1:
            raise ValueError(f"a batch has at least 1 image, got {batch}")
        library, home = checkpoints.transformers(), processor or path
        config = checkpoints.loaded_config(path, "clip")
        if weights is None:
            self.model = checkpoints.loaded(library.CLIPModel.from_pretrained, path, "a CLIP model")
        else:
            renamed = from_open_clip(checkpoints.read_weights(weights, _SIGNS, "CLIP by open_clip's names"))
            self.model = checkpoints.filled(library.CLIPModel, config, renamed, weights)
        self.model = self.model.eval().requires_grad_(False).to(checkpoints.named_type(dtype))
        self.inputs = clip_inputs(home, config.vision_config.image_size)
        self.device, self.batch = device, batch
        size = config.text_config.vocab_size
        what = "the tokenizer of a CLIP model (processor=)"
        self.tokenizer: Any = checkpoints.loaded_tokenizer(home, size, what) if texts else None

    @property
    def scale(self) -> float:
        """What the model multiplies cosines by."""
        return float(self.model.logit_scale.float().exp())

    @as_usual
    def images(self, images: Images) -> Float[Tensor, "n d"]:
        """A unit vector of every image."""
        images = images if self.device is None else images.to(self.device)
        model = self.model.to(images.device)
        inputs = (self.inputs(part).to(model.dtype) for part in images.split(self.batch))
        parts = [_vectors(model.get_image_features(pixel_values=pixels)) for pixels in inputs]
        return functional.normalize(torch.cat(parts), dim=-1)

    @as_usual
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """A unit vector of every text, where the images were last; equal texts are read once."""
        unique = list(dict.fromkeys(texts))
        asked = self._tokens(unique)
        starts = range(0, len(unique), self.batch)
        batches = ({name: one[i : i + self.batch] for name, one in asked.items()} for i in starts)
        parts = [_vectors(self.model.get_text_features(**batch)) for batch in batches]
        row = {text: i for i, text in enumerate(unique)}
        return functional.normalize(torch.cat(parts), dim=-1)[[row[text] for text in texts]]

    def cosines(self, images: Images, texts: Sequence[str]) -> Float[Tensor, " n"]:
        """The cosine of each image with its own text."""
        return (self.images(images) * self.texts(texts)).sum(-1)

    def _tokens(self, texts: list[str]) -> Mapping[str, Tensor]:
        most = self.model.config.text_config.max_position_embeddings
        asked = self.tokenizer(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
        return {name: asked[name].to(self.model.device) for name in ("input_ids", "attention_mask")}


def clip_inputs(home: str, size: int) -> ImageInputs:
    """How the images of a model are prepared: as its processor says, or CLIP's way where none is there.

    Args:
        home: the folder or hub id of the processor.
        size: of the network's input.
    """
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        said, _ = ImageProcessingMixin.get_image_processor_dict(home)
    except (OSError, ValueError):  # models fine-tuned from CLIP are often published without
        return ImageInputs(size, (size, size), MEAN, STD)
    return ImageInputs.of({"image_mean": MEAN, "image_std": STD} | said)


def from_open_clip(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names that transformers has for them, from those of open_clip."""
    image = {name.removeprefix("visual."): one for name, one in weights.items() if name.startswith("visual.")}
    rest = {name: one for name, one in weights.items() if not name.startswith("visual.")}
    made = {"logit_scale": rest.pop("logit_scale", torch.tensor(0.0, device="cpu", dtype=torch.float32))}
    for half, matrix, into in ((image, "proj", "visual_projection"), (rest, "text_projection", "text_projection")):
        if matrix in half:
            made[f"{into}.weight"] = half.pop(matrix).T.contiguous()
    made |= {f"vision_model.{name}": one for name, one in _apart(checkpoints.renamed(image, _IMAGE)).items()}
    return made | {f"text_model.{name}": one for name, one in _apart(checkpoints.renamed(rest, _TEXT)).items()}


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The one matrix of queries, keys and values as three."""
    made: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        home, joined, kind = name.partition("in_proj_")
        if joined:
            made |= {f"{home}{part}_proj.{kind}": one for part, one in zip("qkv", tensor.chunk(3), strict=True)}
        else:
            made[name] = tensor
    return made


def _vectors(answer: Any) -> Float[Tensor, "n d"]:
    """The projected features, which releases of transformers hand over in two ways."""
    return (answer if isinstance(answer, Tensor) else answer.pooler_output).float()
