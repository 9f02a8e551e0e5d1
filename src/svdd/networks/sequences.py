"""Small convolutional networks over token sequences.

Both networks are batch-invariant (no batch statistics) and fully convolutional, so one set of
weights serves every sequence length.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdd.messages import check
from svdd.networks.bases import Configured, Scaled


def one_hot(tokens: Tensor, classes: int, like: Tensor) -> Tensor:
    """Turn tokens (n, L) into one-hot channels (n, classes, L) of the dtype of `like`."""
    # A comparison is several times faster than functional.one_hot, which goes through int64.
    symbols = torch.arange(classes, device=tokens.device)[None, :, None]
    return (tokens[:, None, :] == symbols).to(like.dtype)


class _ResidualBlock(nn.Module):
    """A dilated convolution, a whole-sequence context vector and a channel mix, added back.

    The context is the mean over positions passed through a small bottleneck, which is how a
    site learns of the composition (GC content, CpG richness, share of masks) far from it.
    """

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        padding = (kernel // 2) * dilation
        self.spread = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation)
        self.context = nn.Sequential(
            nn.Linear(channels, max(channels // 4, 1)), nn.GELU(), nn.Linear(max(channels // 4, 1), channels)
        )
        # Whole channels: drawing one number per channel is far cheaper than one per site.
        self.dropout = nn.Dropout1d(dropout)
        self.mix = nn.Conv1d(channels, channels, 1)
        # A small last layer starts every block near the identity, which makes depth trainable.
        with torch.no_grad():
            self.mix.weight.mul_(0.2)

    def forward(self, hidden: Tensor) -> Tensor:
        update = self.spread(self.norm(hidden))
        update = update + self.context(update.mean(dim=2))[:, :, None]
        return hidden + self.mix(self.dropout(functional.gelu(update)))


class SequenceDenoiser(Configured):
    """Predicts the clean token at every site of a partly masked sequence.

    The network sees no time: under masking diffusion the number of masks already tells it, and
    a time-free network can be evaluated once for all particles of a step.

    Args:
        vocabulary: Number of clean tokens; the mask is token `vocabulary`.
        channels: Width of the hidden layers.
        blocks: Number of residual blocks.
        kernel: Odd width of the dilated convolutions.
        dilations: Dilations, cycled through by the blocks.
        stem_kernel: Odd width of the first convolution.
        dropout: Probability of dropping a hidden channel while training.

    Raises:
        ValueError: If a size is not positive or a kernel is even.
    """

    def __init__(
        self,
        vocabulary: int = 4,
        channels: int = 96,
        blocks: int = 8,
        *,
        kernel: int = 5,
        dilations: Sequence[int] = (1, 2, 4, 8, 16),
        stem_kernel: int = 9,
        dropout: float = 0.0,
    ) -> None:
        check_sizes(vocabulary=vocabulary, channels=channels, blocks=blocks)
        check_odd(kernel=kernel, stem_kernel=stem_kernel)
        super().__init__(locals())
        self.vocabulary = vocabulary
        self.stem = nn.Conv1d(vocabulary + 1, channels, stem_kernel, padding=stem_kernel // 2)
        self.blocks = nn.Sequential(
            *(_ResidualBlock(channels, kernel, dilations[index % len(dilations)], dropout) for index in range(blocks))
        )
        self.norm = nn.GroupNorm(1, channels)
        self.head = nn.Conv1d(channels, vocabulary, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits over clean tokens, shape (n, L, vocabulary), for tokens (n, L).

        The logits at sites that are already unmasked are defined but meaningless.
        """
        hidden = self.stem(one_hot(tokens, self.vocabulary + 1, self.stem.weight))
        hidden = self.blocks(hidden)
        return self.head(functional.gelu(self.norm(hidden))).transpose(1, 2)


class SequenceClassifier(Scaled):
    """Scores whole sequences with a small convolutional network and calibrated outputs.

    output = scale * network(sequence) + shift

    where `scale` and `shift` are buffers set after training (Platt scaling of a logit, or the
    units of a regression target) and saved with the weights.

    Args:
        vocabulary: Number of tokens.
        outputs: Number of values per sequence.
        channels: Width of the first layer; each following stage is 1.5 times wider.
        stages: Number of halving stages after the first layer.
        kernel: Odd width of the convolutions after the first.
        stem_kernel: Odd width of the first convolution, about one binding motif.
        dropout: Probability of dropping a channel while training.
        both_strands: In evaluation mode, average over the sequence and its reverse complement,
            taking token `i` to pair with token `vocabulary - 1 - i` (true of A, C, G, T).

    Raises:
        ValueError: If a size is not positive or a kernel is even.
    """

    def __init__(
        self,
        vocabulary: int = 4,
        outputs: int = 1,
        *,
        channels: int = 64,
        stages: int = 3,
        kernel: int = 5,
        stem_kernel: int = 15,
        dropout: float = 0.0,
        both_strands: bool = False,
    ) -> None:
        check_sizes(vocabulary=vocabulary, outputs=outputs, channels=channels, stages=stages)
        check_odd(kernel=kernel, stem_kernel=stem_kernel)
        super().__init__(locals())
        self.vocabulary = vocabulary
        self.both_strands = both_strands
        widths = [round(channels * 1.5**stage / 16) * 16 or 16 for stage in range(stages + 1)]
        self.stem = nn.Conv1d(vocabulary, widths[0], stem_kernel, padding=stem_kernel // 2)
        self.stages = nn.ModuleList(
            _stage(narrow, wide, kernel, dropout) for narrow, wide in itertools.pairwise(widths)
        )
        self.head = pooled_head(widths[-1], outputs, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return calibrated outputs, shape (n, outputs), for clean tokens (n, L)."""
        return self.forward_soft(one_hot(tokens, self.vocabulary, self.stem.weight))

    def forward_soft(self, channels: Tensor) -> Tensor:
        """Return outputs (n, outputs) for one-hot or relaxed sequences (n, vocabulary, L).

        This is the differentiable entrance that gradient guidance needs.
        """
        output = self._features(channels)
        if self.both_strands and not self.training:
            output = 0.5 * (output + self._features(channels.flip(1, 2)))
        return self.in_units(output)

    def _features(self, channels: Tensor) -> Tensor:
        hidden = functional.gelu(self.stem(channels))
        for stage in self.stages:
            # ceil_mode keeps at least one position, whatever the length.
            hidden = stage(functional.max_pool1d(hidden, 2, ceil_mode=True))
        return self.head(torch.cat([hidden.mean(dim=2), hidden.amax(dim=2)], dim=1))


def _stage(narrow: int, wide: int, kernel: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.GroupNorm(1, narrow), nn.Dropout1d(dropout), nn.Conv1d(narrow, wide, kernel, padding=kernel // 2), nn.GELU()
    )


def pooled_head(width: int, outputs: int, dropout: float) -> nn.Sequential:
    """Map the mean and the maximum over positions to the outputs."""
    return nn.Sequential(
        nn.LayerNorm(2 * width), nn.Dropout(dropout), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, outputs)
    )


def check_sizes(**sizes: int) -> None:
    """Raise if a size is not positive."""
    for name, size in sizes.items():
        check(size >= 1, f"{name} must be at least 1, got {size}")


def check_odd(**kernels: int) -> None:
    """Raise if a width is not positive and odd."""
    for name, kernel in kernels.items():
        check(kernel >= 1 and kernel % 2 == 1, f"{name} must be a positive odd number, got {kernel}")
