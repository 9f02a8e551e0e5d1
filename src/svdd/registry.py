"""Names of models and rewards, and where they are: bundled, `module:function`, or `file.py:function`.

Nothing heavy is imported before it is found: processes that only hold a reward stay as small as the reward.
"""

import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin

from svdd.messages import check, check_known, unknown
from svdd.scoring.identity import Origin, file_hash, origin_of
from svdd.scoring.reward import Reward
from svdd.user_files import module_of_file

if TYPE_CHECKING:
    from svdd.chain.process import Process


@dataclass(frozen=True)
class RewardCard:
    """What is known of a bundled reward before anything of it is imported.

    Args:
        target: `module:function` that makes it.
        version: its own number, raised by hand when our code gives other numbers: scores in files no longer count then.
        packages: distributions that hold the definition of its numbers: a model's code, tables of parameters, an encoder.
            Another release of one is another reward. A package that only does arithmetic (torch, NumPy, SciPy) is left out:
            its releases differ by rounding.
        weights: the bundled files that it loads, `folder/file`.
    """

    target: str
    version: str = "1"
    packages: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()


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


def _cards(home: str, names: str, **known: Any) -> dict[str, RewardCard]:
    """Rewards of one module, each made by the function of its name, of which the same is known."""
    return {name: RewardCard(f"svdd.domains.{home}:{name.replace('-', '_')}", **known) for name in names.split()}


REWARDS: dict[str, RewardCard] = {
    **_cards("dna.rewards", "hepg2", weights=("dna-enhancer/hepg2-guide.safetensors",)),
    **_cards("dna.rewards", "hepg2-judge", weights=("dna-enhancer/hepg2-judge.safetensors",)),
    **_cards("rna.rewards", "mrl", weights=("rna-utr/mrl-guide.safetensors",)),
    **_cards("rna.rewards", "mrl-judge", weights=("rna-utr/mrl-judge.safetensors",)),
    **_cards("rna.rewards", "stability", weights=("rna-utr/stability.safetensors",)),
    **_cards("rna.rewards", "free-energy ensemble-energy unpaired", packages=("viennarna",)),
    **_cards("rna.rewards", "no-uaug kozak"),
    **_cards("dna.rewards", "gc-content"),
    **_cards("molecule.rewards.properties", "qed sa logp penalised-logp penalised-logp-zinc", packages=("rdkit",)),
    "molecular-weight": RewardCard("svdd.domains.molecule.rewards.properties:weight", packages=("rdkit",)),
    **_cards("molecule.rewards.properties", "tpsa rings", packages=("rdkit",)),
    **_cards("molecule.rewards.filters", "similarity has-substructure lacks-substructure", packages=("rdkit",)),
    **_cards("molecule.rewards.filters", "passes-filters", packages=("rdkit",)),
    **_cards("image.rewards.classes", "class-score", weights=("image-small/guide.safetensors",)),
    **_cards("image.rewards.classes", "class-judge", weights=("image-small/judge.safetensors",)),
    **_cards("image.rewards.pixels", "compressibility incompressibility", packages=("pillow",)),
    **_cards("image.rewards.pixels", "brightness colourfulness symmetry"),
    **_cards("image.rewards.quality", "sharpness", packages=("scikit-image",)),
    **_cards("image.rewards.models", "aesthetic", packages=("transformers",)),
    **_cards("image.rewards.models", "clip-score pick-score hps image-reward", packages=("transformers", "tokenizers")),
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
    return module_of_file(name)


def resolve(target: str) -> Any:
    """The object behind `module:name`.

    Where the module is in a room above the caller's, this is the way up; a test holds the list of such strings.
    """
    home, _, name = target.partition(":")
    return getattr(importlib.import_module(home), name)


def locate(kind: str, name: str, bundled: Mapping[str, str | RewardCard]) -> Any:
    """The function behind a bundled name, `module:function` or `file.py:function`.

    Raises:
        ValueError: for an unknown name (it lists the nearest), module, file or function.
    """
    card = bundled.get(name, name)
    target = card.target if isinstance(card, RewardCard) else card
    home, colon, attribute = target.rpartition(":")
    if not colon:
        raise ValueError(f"{unknown(kind, name, bundled)} (or give module:function or file.py:function)")
    module = _module(home)
    if not hasattr(module, attribute):
        names = [n for n in vars(module) if not n.startswith("_")]
        raise ValueError(f"{home} has no {attribute!r}: {unknown('name', attribute, names)}")
    return getattr(module, attribute)


def find_process(given: Any, options: Mapping[str, Any] | None = None) -> "Callable[[], Process]":
    """What makes a model: its name and options are checked now, and nothing is loaded before it is called.

    Args:
        given: a name, as `load` takes it, or the model itself.
        options: beside a name.

    Raises:
        ValueError: for an unknown name or option, for options beside a model, and for something that is no model.
    """
    from svdd.chain.process import Process

    if isinstance(given, str):
        return _process_maker(given, dict(options or {}))
    check(not options, f"model_options are for a model given by name, but this is a {type(given).__name__}")
    if not isinstance(given, Process):
        raise ValueError(f"a model is a name of svdd.list_models() or a svdd.Process, got {given!r:.80}")
    return lambda: given


def as_process(given: Any, options: Mapping[str, Any] | None = None) -> "Process":
    """A model by name or as it is; arguments and errors as of `find_process`."""
    return find_process(given, options)()


def find_reward(given: Any, options: Mapping[str, Any] | None = None) -> Callable[[], Reward]:
    """What makes a reward: its name and options are checked now, and nothing is loaded before it is called.

    Args:
        given: a name, as `load_reward` takes it, or the reward itself.
        options: beside a name.

    Raises:
        ValueError: for an unknown name or option, for options beside a reward, and for something that cannot be called.
    """
    if isinstance(given, str):
        return _reward_maker(given, dict(options or {}))
    check(not options, f"reward_options are for a reward given by name, but this is a {type(given).__name__}")
    check(callable(given), f"a reward is a name of svdd.list_rewards() or a function of designs, got {given!r:.80}")
    return lambda: given


def as_reward(given: Any, options: Mapping[str, Any] | None = None) -> Reward:
    """A reward by name or as it is; arguments and errors as of `find_reward`."""
    return find_reward(given, options)()


def load(name: str, **options: Any) -> "Process":
    """A process by name.

    Args:
        name: a bundled model, `module:function` or `file.py:function`, a function that returns a `Process`; or a
            checkpoint of another project, `mdlm:PATH`, `gdss:PATH` or `diffusers:PATH_OR_ID`.
        **options: passed to it, such as `steps` or `length`.

    Raises:
        ValueError: for an unknown name or option, or a function that does not return a process.
    """
    return _process_maker(name, options)()


def _process_maker(name: str, options: dict[str, Any]) -> "Callable[[], Process]":
    scheme, colon, path = name.partition(":")
    if colon and scheme in SCHEMES:
        name, options = scheme, {"path": path} | options
    make = _maker(locate("model", name, MODELS | SCHEMES), name, options)

    def made() -> "Process":
        from svdd.chain.process import Process

        process = make()
        if not isinstance(process, Process):
            raise ValueError(f"{name} must return a svdd.Process, but returned a {type(process).__name__}")
        return process

    return made


def load_reward(name: str, **options: Any) -> Reward:
    """A reward by name: a bundled one, any function of a list of designs, a command or an address.

    Args:
        name: a bundled name, `module:function`, `file.py:function`, `docking:TARGET`, `cmd:PROGRAM ...` or `http://...`.
        **options: of any but a function, such as `timeout`.

    Raises:
        ValueError: for an unknown name or option, or something that cannot be called.
    """
    return _reward_maker(name, options)()


def _reward_maker(name: str, options: dict[str, Any]) -> Callable[[], Reward]:
    scheme, colon, _ = name.partition(":")
    if colon and scheme in REWARD_SCHEMES:
        found = locate("reward", scheme, REWARD_SCHEMES)
        return _maker(found, scheme, {first_parameter(found): name} | options)
    found = locate("reward", name, REWARDS)
    if name in REWARDS:
        return partial(_bundled_reward, _maker(found, name, options), name, options)
    if options:
        raise ValueError(f"{name} is the reward itself and takes no options, got {', '.join(options)}")
    if not callable(found):
        raise ValueError(f"{name} is a {type(found).__name__}, not a function of designs")
    return lambda: _with_origin(found, name)


def _bundled_reward(make: Callable[[], Any], name: str, options: dict[str, Any]) -> Reward:
    made = make()
    made.named = (name, options)
    if origin_of(made) is None:
        made.origin = origin(name, options)
    return made  # type: ignore[no-any-return]


def origin(name: str, options: Mapping[str, Any]) -> Origin:
    """What a bundled reward is made from, as far as its identity covers it; nothing is imported or loaded.

    Args:
        name: of the reward.
        options: it is made with.

    Raises:
        ValueError: for an unknown name.
    """
    check_known("reward", name, REWARDS)
    card = REWARDS[name]
    weights = tuple(bundled(*one.split("/")) for one in card.weights)
    return Origin(name, dict(options), card.version, card.packages, weights)


def _with_origin(reward: Reward, name: str) -> Reward:
    """A user's reward, with a note of the file that it is written in; some objects take no note.

    The file is read and not executed. What the reward says of itself goes before this note.
    """
    home, _, attribute = name.rpartition(":")
    file = getattr(_module(home), "__file__", None)
    if file is not None and origin_of(reward) is None:
        with suppress(AttributeError, TypeError, ValueError):
            reward.origin = Origin(attribute, code=file_hash(Path(file)))  # type: ignore[attr-defined]
    return reward


def needed(name: str) -> list[str]:
    """The options without which a bundled reward cannot be made.

    Raises:
        ValueError: for an unknown name.
    """
    parameters = inspect.signature(locate("reward", name, REWARDS)).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of a function's first parameter."""
    return next(iter(inspect.signature(function).parameters))


def _maker(function: Callable[..., Any], name: str, options: dict[str, Any]) -> Callable[[], Any]:
    """What calls a function with options that are known to be its own."""
    parameters = inspect.signature(function).parameters
    known = [k for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        check(option in known or takes_any, unknown(f"option of {name}", option, known))
    with _made_with(name, options):
        inspect.signature(function).bind(**options)

    def made() -> Any:
        with _made_with(name, options):
            return function(**options)

    return made


@contextmanager
def _made_with(name: str, options: Mapping[str, Any]) -> Iterator[None]:
    """A TypeError inside is told as one about the options."""
    try:
        yield
    except TypeError as error:
        raise ValueError(f"{name} cannot be made with {options or 'no options'}: {error}") from error


@dataclass(frozen=True)
class PathWhere:
    """Marks an option that is a path or other text: `to: Annotated[str, PathWhere(is_file_name)]`.

    Args:
        holds: whether a text is a path.
    """

    holds: Callable[[str], bool]


HubPath: TypeAlias = Annotated[str, PathWhere(os.path.exists)]  # False for a text that is too long to be a path
"""A file or a folder if there is one, or else the id of one in a hub, as the packages of hubs tell them apart."""


def paths_of(function: Callable[..., Any]) -> dict[str, Callable[[str], bool]]:
    """The parameters of a function that are declared to be paths, each with what tells a path from other text.

    Args:
        function: a parameter is a path if its annotation names `Path` or holds a `PathWhere`.
    """
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
    check_known("folder of bundled files", name, folders)
    return folders[name].joinpath(*parts)
