"""Finding models and rewards by name: bundled, `module:function`, or `file.py:function`.

Nothing heavy is imported before it is found: processes that only hold a reward stay as small as the reward.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.pending import Reward
from svdd.suggestions import unknown

if TYPE_CHECKING:
    from svdd.process import Process

MODELS: dict[str, str] = {
    "dna-enhancer": "svdd.models.dna:dna_enhancer",
    "image-small": "svdd.models.image_small:image_small",
    "molecule": "svdd.models.molecule:molecule",
    "rna-utr": "svdd.models.rna:rna_utr",
    "rna-utr-uniform": "svdd.models.uniform:rna_utr_uniform",
    "toy-gaussian": "svdd.models.toy:gaussian_process",
    "toy-masked": "svdd.models.toy:masked_process",
}
SCHEMES: dict[str, str] = {
    "diffusers": "svdd.models.diffusers_process:diffusers_process",
    "gdss": "svdd.models.gdss:gdss",
    "mdlm": "svdd.models.mdlm:mdlm",
}
"""Kinds of foreign checkpoints: `scheme:path` is the function with that path."""
WITH_IDS = ("diffusers",)
"""Those whose path may be an id of a hub in place of a file."""
REWARDS: dict[str, str] = {
    "hepg2": "svdd.rewards.dna:hepg2",
    "hepg2-judge": "svdd.rewards.dna:hepg2_judge",
    "mrl": "svdd.rewards.rna:mrl",
    "mrl-judge": "svdd.rewards.rna:mrl_judge",
    "stability": "svdd.rewards.rna:stability",
    "free-energy": "svdd.rewards.rna:free_energy",
    "ensemble-energy": "svdd.rewards.rna:ensemble_energy",
    "unpaired": "svdd.rewards.rna:unpaired",
    "no-uaug": "svdd.rewards.rna:no_uaug",
    "kozak": "svdd.rewards.rna:kozak",
    "gc-content": "svdd.rewards.dna:gc_content",
    "qed": "svdd.rewards.molecules:qed",
    "sa": "svdd.rewards.molecules:sa",
    "logp": "svdd.rewards.molecules:logp",
    "penalised-logp": "svdd.rewards.molecules:penalised_logp",
    "penalised-logp-zinc": "svdd.rewards.molecules:penalised_logp_zinc",
    "molecular-weight": "svdd.rewards.molecules:weight",
    "tpsa": "svdd.rewards.molecules:tpsa",
    "rings": "svdd.rewards.molecules:rings",
    "similarity": "svdd.rewards.molecule_filters:similarity",
    "has-substructure": "svdd.rewards.molecule_filters:has_substructure",
    "lacks-substructure": "svdd.rewards.molecule_filters:lacks_substructure",
    "passes-filters": "svdd.rewards.molecule_filters:passes_filters",
    "class-score": "svdd.rewards.image_class:class_score",
    "class-judge": "svdd.rewards.image_class:class_judge",
    "compressibility": "svdd.rewards.images:compressibility",
    "incompressibility": "svdd.rewards.images:incompressibility",
    "brightness": "svdd.rewards.images:brightness",
    "colourfulness": "svdd.rewards.images:colourfulness",
    "symmetry": "svdd.rewards.images:symmetry",
    "sharpness": "svdd.rewards.image_quality:sharpness",
    "aesthetic": "svdd.rewards.image_models:aesthetic",
    "clip-score": "svdd.rewards.image_models:clip_score",
    "pick-score": "svdd.rewards.image_models:pick_score",
    "hps": "svdd.rewards.image_models:hps",
    "image-reward": "svdd.rewards.image_models:image_reward",
}
REWARD_SCHEMES: dict[str, str] = {
    "cmd": "svdd.rewards.commands:command",
    "docking": "svdd.rewards.docking_reward:docking",
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
    from svdd.process import Process

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
        return _called(made, scheme, {_first_parameter(made): name} | options)  # type: ignore[no-any-return]
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


def _first_parameter(function: Callable[..., Any]) -> str:
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
