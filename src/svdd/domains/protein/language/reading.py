"""A checkpoint as it is opened: its weights, wherever they are in the file, and what it says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svdd.messages import check
from svdd.networks.foreign_files import configuration_beside, read_content, weight_files
from svdd.networks.foreign_layouts import layout
from svdd.networks.foreign_settings import settings_of
from svdd.networks.foreign_weights import check_names, single


@dataclass(frozen=True)
class Opened:
    """A weight file.

    Args:
        file: it, or the first shard.
        content: what was in it, or in all shards.
        settings: what it says, or the configuration beside it, by dotted names.
    """

    file: Path
    content: Mapping[Any, Any]
    settings: Mapping[str, Any]

    @classmethod
    def at(cls, path: str | Path) -> "Opened":
        """The checkpoint of a file or folder; of a folder of transformers, its `model.safetensors`.

        Raises:
            ValueError: for a file that cannot be read.
        """
        whole = Path(path).expanduser() / "model.safetensors"
        files = weight_files(whole if whole.is_file() else path)
        content = read_content(files)
        return cls(files[0], content, settings_of(content, configuration_beside(files[0])))

    def weights(self, sign: str, kind: str) -> dict[str, Tensor]:
        """Those of the only network of a kind, by names without what a trainer put before them.

        Args:
            sign: the name of a weight that each such network has.
            kind: of network, for messages.

        Raises:
            ValueError: if there is no such network, or there are several.
        """
        return layout(self.file, self.content, [sign], kind).part.weights


def assembled(file: Path, make: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> nn.Module:
    """A network with the weights of a file, in evaluation mode and single precision.

    Raises:
        ValueError: for weights that are missing, unknown, not finite or of other shapes.
    """
    with torch.device("meta"):  # no initial weights, which would draw global random numbers
        network = make()
    check_names(file, type(network).__name__, network.state_dict(), weights)
    try:
        network.load_state_dict(single(weights, file)[0], assign=True)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"the weights of {file} do not fit one another: {said:.300}") from error
    return network.eval().requires_grad_(False)


def count_layers(weights: Mapping[str, Tensor]) -> int:
    """The layers that weights named `layers.0.`, `layers.1.` and so on are of."""
    return len({name.split(".")[1] for name in weights if name.startswith("layers.")})


def check_heads(file: Path, heads: int, width: int) -> None:
    """Looks whether attention heads divide the width of a network.

    Raises:
        ValueError: if they do not.
    """
    check(
        heads >= 1 and width % (2 * heads) == 0,
        f"{heads} attention heads do not divide the width of {file}, {width}, into even parts; give the right heads=",
    )
