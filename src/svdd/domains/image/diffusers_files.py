"""Pipelines in diffusers' folder format, from a local folder or the hub: safetensors only, and no code of the folder's own."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from svdd.first_bytes import check_content
from svdd.messages import check, check_known, module_of
from svdd.networks.foreign_files import check_downloaded, few
from svdd.networks.precision import warn_if_layers_are_slower

PIXELS, LATENTS = ("DDPMPipeline", "DDIMPipeline"), ("StableDiffusionPipeline",)
PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# What diffusers, transformers and safetensors raise for files that are missing, damaged or of another network.
_FAILURES = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
_FROM_SINGLE_FILE = (
    "if {} holds a whole Stable Diffusion, diffusers.StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER) "
    "makes the folder"
)
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_UNUSED = {"safety_checker": None, "feature_extractor": None, "image_encoder": None, "requires_safety_checker": False}


def load_pipeline(
    path: str, precision: str = "float32", device: torch.device | str | None = None, variant: str | None = None
) -> Any:
    """A diffusers pipeline of pixels or of Stable Diffusion's kind, in evaluation mode and without its safety checker.

    Args:
        path: a folder that `save_pretrained` wrote, for which no network is used; or the id of a repository, OWNER/NAME.
        precision: of the weights, a name of `PRECISIONS`.
        device: where to.
        variant: of the files, such as `fp16`.

    Raises:
        ImportError: without diffusers; it names the extra.
        ValueError: for what is not such a pipeline, wants code of its own to be run, or has weights that are not safetensors.
    """
    check_known("precision", precision, PRECISIONS)
    local, library = _is_local(path), module_of("images", "diffusers", "diffusers pipelines need diffusers")
    name = _class_name(path, _index(library, path, local))
    how = {"torch_dtype": PRECISIONS[precision], "variant": variant} | (_UNUSED if name in LATENTS else {})
    try:
        with _quiet(library):
            made = getattr(library, name)
            pipe = made.from_pretrained(path, use_safetensors=True, local_files_only=local, **how)
    except _FAILURES as error:
        check_downloaded(path)
        other = any(Path(path).rglob("*.bin")) if local else False
        remedy = f"; diffusers.{name}.from_pretrained(...).save_pretrained(FOLDER) writes safetensors" if other else ""
        raise ValueError(f"{path} cannot be loaded as a {name} with safetensors: {error}{remedy}") from error
    _check_whole(path, pipe)
    for module in pipe.components.values():
        if isinstance(module, torch.nn.Module):
            module.eval().requires_grad_(False)
    pipe = pipe.to(torch.device(device or "cpu"))
    if pipe.device.type == "cpu" and precision != "float32":
        warn_if_layers_are_slower(precision, pipe.unet)
    return pipe


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without bars, notes and draws from the global generator: modules are initialised before their weights are read."""
    import transformers

    logs = [package.utils.logging for package in (library, transformers)]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, (verbosity, bars) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()


def _is_local(path: str) -> bool:
    """Whether a folder is meant.

    Raises:
        ValueError: for a folder that is not there, and for a file.
    """
    if Path(path).is_file():
        check_content(path, accepted=["zip", "gguf"])
        raise ValueError(f"{path} is one file, not a folder in diffusers' format; {_FROM_SINGLE_FILE.format(path)}")
    local = Path(path).exists()
    check(local or _ID.fullmatch(path), f"there is no folder {path}, and the id of a repository is OWNER/NAME")
    return local


def _index(library: Any, path: str, local: bool) -> Mapping[str, Any]:
    """The pipeline's list of its components."""
    try:
        return library.DiffusionPipeline.load_config(path, local_files_only=local)  # type: ignore[no-any-return]
    except OSError as error:
        check_downloaded(path)
        where = (
            f"holds no diffusers pipeline{_hint(path)}"
            if local
            else "is no folder here, and no pipeline that the hub gave"
        )
        raise ValueError(f"{path} {where}: {error}") from error


def _hint(path: str) -> str:
    """What a folder without the index of a pipeline is, where its files say it."""
    names = [file.name for file in Path(path).iterdir()]
    if any("lora" in name.lower() for name in names):
        return " but a LoRA: load it into its pipeline with load_lora_weights, then fuse_lora, then save_pretrained(FOLDER)"
    if "config.json" in names:
        return " but one part of it, or another model: name the folder that holds model_index.json"
    whole = next((name for name in names if name.lower().endswith((".safetensors", ".ckpt"))), None)
    return f"; {_FROM_SINGLE_FILE.format(whole)}" if whole else ""


def _check_whole(path: str, pipe: Any) -> None:
    """Looks whether every part of a pipeline got all its weights.

    Raises:
        ValueError: if one did not; it names the weights.
    """
    for part, module in pipe.components.items():
        if isinstance(module, torch.nn.Module):
            lacking = [name for name, one in module.named_parameters() if one.is_meta]
            check(not lacking, f"the {part} of {path} lacks weights, {few(lacking)}: its file is of another network")


def _class_name(path: str, index: Mapping[str, Any]) -> str:
    """The class of a pipeline, once nothing in its list would run code that came with it.

    Raises:
        ValueError: for another class or library.
    """
    name, known = index.get("_class_name"), (*PIXELS, *LATENTS)
    if name not in known:
        raise ValueError(
            f"{path} is a {name}; known here are {', '.join(known)}; svdd.steer takes more (docs/pipelines.md)"
        )
    for part, told in index.items():
        if isinstance(told, list | tuple) and len(told) == 2 and told[0] not in (*_LIBRARIES, None):
            raise ValueError(
                f"{path} wants its {part} from {told[0]!r}, and only {', '.join(_LIBRARIES)} are used: code in a folder is "
                "not run"
            )
    return str(name)
