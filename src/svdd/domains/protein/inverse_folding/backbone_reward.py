"""A reward of sequences for one backbone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check
from svdd.registry import REWARDS
from svdd.scoring.identity import Origin

_NOT_DECIDING = ("path", "weights", "device")  # the content of their files decides


class BackboneReward:
    """One float32 number per design, on the CPU.

    Args:
        name: of the reward.
        given: the options that it was made with, `path` among them.
        structure: that the designs are for.
        of_tokens: from the tokens of designs to their numbers.
        files: that decide the numbers: the structure, weights.
    """

    def __init__(
        self,
        name: str,
        given: Mapping[str, Any],
        structure: DesignedBackbone,
        of_tokens: Callable[[Int64[Tensor, "n S"]], Float[Tensor, " n"]],
        files: Sequence[Path],
    ) -> None:
        self.name, self.structure, self.of_tokens = name, structure, of_tokens
        self.named = (name, dict(given))
        decides = {option: value for option, value in given.items() if option not in _NOT_DECIDING}
        self.origin = Origin(name, decides, REWARDS[name].version, weights=tuple(files))

    def __call__(self, designs: Sequence[str]) -> Float[Tensor, " n"]:
        """The numbers, in the order of the designs.

        Raises:
            ValueError: for a letter that is none of the twenty, and for a design of another length than the backbone's.
        """
        if not len(designs):
            return torch.empty(0, device="cpu", dtype=torch.float32)
        PROTEIN.check(designs)
        sites, backbone = len(self.structure.sites.copies), self.structure.backbone.name
        for row, design in enumerate(designs):
            check(
                len(design) == sites,
                f"sequence {row} has {len(design)} letters, but {self.name} is for the {sites} designed residues of "
                f"{backbone}; give it the structure, the chains and the design of the model",
            )
        return self.of_tokens(PROTEIN.encode(designs)).float()

    def __repr__(self) -> str:
        return f"{self.name}({self.structure.backbone.name!r})"
