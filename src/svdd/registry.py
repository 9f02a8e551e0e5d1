"""Names of models and rewards, and where they are: bundled, `module:function`, or `file.py:function`.

Nothing heavy is imported before it is found: processes that only hold a reward stay as small as the reward.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin

from svdd.messages import unknown
from svdd.scoring.reward import Reward

if TYPE_CHECKING:
    from svdd.chain.process import Process

MODELS: dict[str, str] = {
    "dna-enhancer": "svdd.domains.dna.model:dna_enhancer",
    "image-small": "svdd.domains.image.image_small:image_small",
    "molecule": "svdd.domains.molecule.model:molecule",
    "rna-utr": "svdd.domains.rna.model:rna_utr",
    "rna-utr-uniform": "svdd.domains.rna.model:rna_utr_uniform",
    "toy-gaussian": "svdd.domains.toy.toy:gaussian_process",
    "toy-masked": "svdd.domains.toy.toy:masked_process",
}


SCHEMES: dict[str, str] = {
    "diffusers": "svdd.domains.image.diffusers_process:diffusers_process",
    "gdss": "svdd.domains.molecule.gdss.process:gdss",
    "mdlm": "svdd.domains.sequence.mdlm:mdlm",
}
"""Kinds of foreign checkpoints: `scheme:path` is the function with that path."""


REWARDS: dict[str, str] = {
    "hepg2": "svdd.domains.dna.rewards:hepg2",
    "hepg2-judge": "svdd.domains.dna.rewards:hepg2_judge",
    "mrl": "svdd.domains.rna.rewards:mrl",
    "mrl-judge": "svdd.domains.rna.rewards:mrl_judge",
    "stability": "svdd.domains.rna.rewards:stability",
    "free-energy": "svdd.domains.rna.rewards:free_energy",
    "ensemble-energy": "svdd.domains.rna.rewards:ensemble_energy",
    "unpaired": "svdd.domains.rna.rewards:unpaired",
    "no-uaug": "svdd.domains.rna.rewards:no_uaug",
    "kozak": "svdd.domains.rna.rewards:kozak",
    "gc-content": "svdd.domains.dna.rewards:gc_content",
    "qed": "svdd.domains.molecule.rewards.properties:qed",
    "sa": "svdd.domains.molecule.rewards.properties:sa",
    "logp": "svdd.domains.molecule.rewards.properties:logp",
    "penalised-logp": "svdd.domains.molecule.rewards.properties:penalised_logp",
    "penalised-logp-zinc": "svdd.domains.molecule.rewards.properties:penalised_logp_zinc",
    "molecular-weight": "svdd.domains.molecule.rewards.properties:weight",
    "tpsa": "svdd.domains.molecule.rewards.properties:tpsa",
    "rings": "svdd.domains.molecule.rewards.properties:rings",
    "similarity": "svdd.domains.molecule.rewards.filters:similarity",
    "has-substructure": "svdd.domains.molecule.rewards.filters:has_substructure",
    "lacks-substructure": "svdd.domains.molecule.rewards.filters:lacks_substructure",
    "passes-filters": "svdd.domains.molecule.rewards.filters:passes_filters",
    "class-score": "svdd.domains.image.rewards.classes:class_score",
    "class-judge": "svdd.domains.image.rewards.classes:class_judge",
    "compressibility": "svdd.domains.image.rewards.pixels:compressibility",
    "incompressibility": "svdd.domains.image.rewards.pixels:incompressibility",
    "brightness": "svdd.domains.image.rewards.pixels:brightness",
    "colourfulness": "svdd.domains.image.rewards.pixels:colourfulness",
    "symmetry": "svdd.domains.image.rewards.pixels:symmetry",
    "sharpness": "svdd.domains.image.rewards.quality:sharpness",
    "aesthetic": "svdd.domains.image.rewards.models:aesthetic",
    "clip-score": "svdd.domains.image.rewards.models:clip_score",
    "pick-score": "svdd.domains.image.rewards.models:pick_score",
    "hps": "svdd.domains.image.rewards.models:hps",
    "image-reward": "svdd.domains.image.rewards.models:image_reward",
}


REWARD_SCHEMES: dict[str, str] = {
    "cmd": "svdd.rewards.commands:command",
    "docking": "svdd.domains.molecule.docking.reward:docking",
    "http": "svdd.rewards.endpoints:endpoint",
    "https": "svdd.rewards.endpoints:endpoint",
}
"""Kinds of rewards that are told by text, `scheme:...`: the function is given the whole of it."""


HELD_OUT: dict[str, str] = {"class-score": "class-judge", "hepg2": "hepg2-judge", "mrl": "mrl-judge"}
"""For a reward that guides, its twin that only judges: another network, other training data."""


JUDGES: dict[str, str] = {"compressibility": "sharpness"}
"""For a reward that guides and has no twin, a measure of another kind that tells how else it was met."""


def _module(name: str) -> Any:
    """A module by its dotted name, or the file it is in."""
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(f"cannot import {name!r}: {error}; a file is given as {name}.py:function") from error
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"there is no file {name!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def locate(kind: str, name: str, bundled: Mapping[str, str]) -> Any:
    """The function behind a bundled name, `module:function` or `file.py:function`.

    Raises:
        ValueError: for an unknown name (it lists the nearest), module, file or function.
    """
    target = bundled.get(name, name)
    home, colon, attribute = target.rpartition(":")
    if not colon:
        raise ValueError(f"{unknown(kind, name, bundled)} (or give module:function or file.py:function)")
    module = _module(home)
    if not hasattr(module, attribute):
        names = [n for n in vars(module) if not n.startswith("_")]
        raise ValueError(f"{home} has no {attribute!r}: {unknown('name', attribute, names)}")
    return getattr(module, attribute)


def load(name: str, **options: Any) -> "Process":
    """A process by name.

    Args:
        name: a bundled model, `module:function` or `file.py:function`, a function that returns a `Process`; or a
            checkpoint of another project, `mdlm:PATH`, `gdss:PATH` or `diffusers:PATH_OR_ID`.
        **options: passed to it, such as `steps` or `length`.

    Raises:
        ValueError: for an unknown name or option, or a function that does not return a process.
    """
    from svdd.chain.process import Process

    scheme, colon, path = name.partition(":")
    if colon and scheme in SCHEMES:
        name, options = scheme, {"path": path} | options
    made = _called(locate("model", name, MODELS | SCHEMES), name, options)
    if not isinstance(made, Process):
        raise ValueError(f"{name} must return a svdd.Process, but returned a {type(made).__name__}")
    return made


def load_reward(name: str, **options: Any) -> Reward:
    """A reward by name: a bundled one, any function of a list of designs, a command or an address.

    Args:
        name: a bundled name, `module:function`, `file.py:function`, `docking:TARGET`, `cmd:PROGRAM ...` or `http://...`.
        **options: of any but a function, such as `timeout`.

    Raises:
        ValueError: for an unknown name or option, or something that cannot be called.
    """
    scheme, colon, _ = name.partition(":")
    if colon and scheme in REWARD_SCHEMES:
        made = locate("reward", scheme, REWARD_SCHEMES)
        return _called(made, scheme, {first_parameter(made): name} | options)  # type: ignore[no-any-return]
    found = locate("reward", name, REWARDS)
    if name in REWARDS:
        made = _called(found, name, options)
        made.named = (name, options)
        return made  # type: ignore[no-any-return]
    if options:
        raise ValueError(f"{name} is the reward itself and takes no options, got {', '.join(options)}")
    if not callable(found):
        raise ValueError(f"{name} is a {type(found).__name__}, not a function of designs")
    return found  # type: ignore[no-any-return]


def needed(name: str) -> list[str]:
    """The options without which a bundled reward cannot be made.

    Raises:
        ValueError: for an unknown name.
    """
    import inspect

    parameters = inspect.signature(locate("reward", name, REWARDS)).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of a function's first parameter."""
    import inspect

    return next(iter(inspect.signature(function).parameters))


def _called(function: Callable[..., Any], name: str, options: dict[str, Any]) -> Any:
    import inspect

    parameters = inspect.signature(function).parameters
    known = [k for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in known and not takes_any:
            raise ValueError(unknown(f"option of {name}", option, known))
    try:
        inspect.signature(function).bind(**options)
        return function(**options)
    except TypeError as error:
        raise ValueError(f"{name} cannot be made with {options or 'no options'}: {error}") from error


@dataclass(frozen=True)
class PathWhere:
    """Marks an option that is a path or other text: `to: Annotated[str, PathWhere(is_file_name)]`.

    Args:
        holds: whether a text is a path.
    """

    holds: Callable[[str], bool]


def is_there(text: str) -> bool:
    """Whether there is such a file or folder: what tells a path from the id of a hub, as the packages of hubs do."""
    return os.path.exists(text)  # False for a text that is too long to be a path


HubPath: TypeAlias = Annotated[str, PathWhere(is_there)]
"""A file or a folder, or the id of one in a hub."""


def paths_of(function: Callable[..., Any]) -> dict[str, Callable[[str], bool]]:
    """The parameters of a function that are declared to be paths, each with what tells a path from other text.

    Args:
        function: a parameter is a path if its annotation names `Path` or holds a `PathWhere`.
    """
    import inspect

    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except NameError:  # an annotation names what is imported for type checkers alone
        parameters = inspect.signature(function).parameters
    found = {name: _path_test(parameter.annotation) for name, parameter in parameters.items()}
    return {name: test for name, test in found.items() if test is not None}


def _path_test(annotation: Any) -> Callable[[str], bool] | None:
    if isinstance(annotation, str):
        return (lambda text: True) if re.search(r"\bPath\b", annotation) else None
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, PathWhere):
            return mark.holds
    kind = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, os.PathLike):
        return lambda text: True
    return next(filter(None, map(_path_test, get_args(annotation))), None)


def bundled_folders() -> dict[str, Path]:
    """The folders of files that came with the bundled models, each in the folder of its domain."""
    return {folder.name: folder for folder in Path(str(files("svdd.domains"))).glob("*/pretrained/*")}


def bundled(name: str, *parts: str) -> Path:
    """A file that came with the bundled model `name`.

    Raises:
        ValueError: if no files of such a model came with the package.
    """
    folders = bundled_folders()
    if name not in folders:
        raise ValueError(unknown("folder of bundled files", name, folders))
    return folders[name].joinpath(*parts)
