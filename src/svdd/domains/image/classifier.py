"""A small convolutional classifier of images, which also gives features of them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from svdd.domains.image.pixels import Images
from svdd.networks.bases import Configured

_GROUPS = 8


class ImageClassifier(Configured):
    """Logits of classes from images of one size; images of another are resized to it.

    A strided convolution, then at each level residual blocks, between levels strided convolutions, then the mean over places
    and one linear map; logits are divided by a temperature that calibration sets.

    Args:
        classes: Their names.
        channels: Of each level, multiples of 8.
        blocks: Residual blocks of a level.
        size: Height and width of the images in pixels.
        dropout: Share of features dropped in training.
    """

    temperature: Tensor

    def __init__(
        self, classes: Sequence[str], channels: Sequence[int], blocks: int = 1, size: int = 32, dropout: float = 0.1
    ) -> None:
        super().__init__(locals())
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, stride=2, padding=1)]
        for level, width in enumerate(channels):
            layers += [_Block(width) for _ in range(blocks)]
            if level + 1 < len(channels):
                layers += _convolution(width, channels[level + 1], stride=2)
        self.body = nn.Sequential(*layers, _norm(channels[-1]), nn.SiLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels[-1], len(classes))
        self.register_buffer("temperature", torch.ones(()))

    def features(self, images: Images) -> Float[Tensor, "n k"]:
        """The layer before the logits: one row an image."""
        wanted = (self.config["size"],) * 2
        same = images.shape[-2:] == wanted
        images = images if same else functional.interpolate(images, wanted, mode="bilinear", antialias=True)
        return self.body(images * 2 - 1).mean((2, 3))  # type: ignore[no-any-return]

    def forward(self, images: Images) -> Float[Tensor, "n c"]:
        """Calibrated logits of images, which go from 0 to 1."""
        return self.head(self.dropout(self.features(images))) / self.temperature  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Two convolutions around which the input passes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(width, width), *_convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


def _convolution(width: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [_norm(width), nn.SiLU(), nn.Conv2d(width, outputs, 3, stride=stride, padding=1)]


def _norm(width: int) -> nn.Module:
    return nn.GroupNorm(_GROUPS, width)
