"""ESMFold from a local folder of transformers: nothing is fetched, and nothing that the folder names is run."""

import os
from pathlib import Path
from typing import Any

import torch

from svdd.chain.defaults import as_usual
from svdd.messages import check, module_of

_UNUSED = "esm.contact_head."
"""The published folder lacks the contact head of its language model, which folding does not use."""
_WEIGHTS = ("*.safetensors", "*.bin")


@as_usual
def read_esmfold(folder: str | Path, device: torch.device | str | None) -> Any:
    """The network of a folder, without gradients; in single precision on a CPU, which is slow in half of it.

    Args:
        folder: `config.json` and weights, safetensors or a file of torch, which is read as data alone.
        device: where it is put.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what is no such folder, another model, and weights that are missing or do not fit.
    """
    library = module_of("folding", "transformers", "ESMFold needs transformers")
    check(os.path.isdir(folder), f"esmfold:PATH names a local folder of transformers, and there is none at {folder}")
    _check_kind(_loaded(library.AutoConfig, folder), folder)
    with torch.random.fork_rng(devices=[]):  # what the folder lacks draws weights
        options = {"weights_only": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
        network, said = _loaded(library.EsmForProteinFolding, folder, **options)
    other = {one if isinstance(one, str) else one[0] for one in said["mismatched_keys"]}
    wrong = sorted(name for name in {*said["missing_keys"], *other} if not name.startswith(_UNUSED))
    if wrong:
        raise ValueError(
            f"ESMFold cannot be loaded from {folder}: {len(wrong)} of its weights are missing or have another shape, such as "
            f"{wrong[0]}"
        )
    network = network.eval().requires_grad_(False).to(device)
    return network.float() if network.device.type == "cpu" else network


def weight_files(folder: str | Path) -> list[Path]:
    """The configuration and the files of weights in a folder: what decides its numbers."""
    home = Path(folder)
    found = next((files for pattern in _WEIGHTS if (files := sorted(home.glob(pattern)))), [])
    return [home / "config.json", *found]


def _loaded(kind: Any, folder: str | Path, **options: Any) -> Any:
    """What transformers reads of a folder; what it raises is one sentence."""
    try:
        return kind.from_pretrained(str(folder), local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"ESMFold cannot be loaded from {folder}: {lines[0]}") from error


def _check_kind(config: Any, folder: str | Path) -> None:
    check(
        config.model_type == "esm" and config.is_folding_model,
        f"{folder} is a model of the type {config.model_type!r} that does not fold; for ESM-2 as a model give esm:PATH",
    )
