"""What a domain says of itself before anything of it is imported: names, targets and sentences, all of them text.

A target is `module:name`; a module with a leading dot is one of the domain's own package.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from svdd.messages import check_known


@dataclass(frozen=True)
class Card:
    """A model, or a kind of checkpoints or rewards that are named by text, `scheme:text`.

    Args:
        target: `module:name` of the function that makes it.
        extra: what installs the packages that it needs, such as `svdd[docking]`; empty if svdd alone is enough.
        summary: one line for lists; the first line of the function's docstring unless given.
        version: its own number, raised by hand when it gives other numbers.
        runs_code: whether the text behind a scheme names a program that is started.
        usual_value: of a model: the value that runs take which name none.
    """

    target: str
    extra: str = ""
    summary: str = ""
    version: str = "1"
    runs_code: bool = False
    usual_value: str = "posterior-mean"


@dataclass(frozen=True)
class RewardCard(Card):
    """A reward that has a name.

    Scores in files no longer count once `version`, the `packages` or the `weights` change.

    Args:
        unit: of its numbers, such as `kcal/mol`; empty for a number without one.
        range: in which they lie, or usually lie.
        twin: the held-out reward of the same kind: another network, other training data. It only judges.
        judge: where there is no twin, a reward of another kind that tells how else this one was met.
        alike: options that its twin is given too, since they say what both are for.
        packages: distributions that hold the definition of its numbers: a model's code, tables of parameters, an encoder.
            Another release of one is another reward. A package that only does arithmetic (torch, NumPy, SciPy) is left out:
            its releases differ by rounding.
        weights: the bundled files that it loads, `folder/file`.
    """

    unit: str = ""
    range: str = ""
    twin: str = ""
    judge: str = ""
    alike: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()


def reward_cards(module: str, names: str, **known: Any) -> dict[str, RewardCard]:
    """Rewards of one module, each made by the function of its name, of which the same is known."""
    return {name: RewardCard(f"{module}:{name.replace('-', '_')}", **known) for name in names.split()}


@dataclass(frozen=True)
class StartField:
    """A setting of a job that says how a run begins.

    Args:
        name: of the setting.
        help: one line.
        kind: `path`, `text`, `texts` (a list) or `number`.
        needed: whether the other settings of its start need it.
    """

    name: str
    help: str
    kind: str = "text"
    needed: bool = True

    def __post_init__(self) -> None:
        check_known("kind of setting", self.kind, ("path", "text", "texts", "number"))


@dataclass(frozen=True)
class Start:
    """A way to begin a run: from a template, from designs that are revised, round a fragment.

    Args:
        target: `module:name` of the function: a process and the settings by name to the process that begins so.
        fields: the settings, which are given together, but for those that are not needed.
        keeps: whether it keeps parts of designs: then it goes with a start that does not, and comes before it.
    """

    target: str
    fields: tuple[StartField, ...]
    keeps: bool = False


@dataclass(frozen=True)
class Domain:
    """Models, rewards, files and measures of one kind of designs.

    Args:
        name: of the domain; kinds of designs name it.
        home: its package, `__name__` where the domain is made.
        models: by name.
        checkpoints: kinds of foreign checkpoints; `scheme:path` is the function with that path.
        rewards: by name.
        reward_schemes: kinds of rewards that are named by text, `scheme:...`.
        starts: ways to begin a run.
        networks: classes that weight files may name, `module:Class` each.
        readers: by name, `module:name` of a `svdd.fitting.readers.Reader`: networks that read the domain's states.
        kit: `module:name` of its `svdd.metrics.Kit`; empty if nothing but rewards is measured of its designs.
        recognises: `module:name` of a function from designs to their kind, or None: for processes that name no kind.
        checks: `module:name` of a function without arguments that gives the domain's rows of `svdd doctor`.
        letters: of its alphabet, by which a foreign checkpoint of sequences finds its domain.
        files: names of the files that a run of its designs may write.
        distribution: the package that brings it.
    """

    name: str
    home: str
    models: Mapping[str, Card] = field(default_factory=dict)
    checkpoints: Mapping[str, Card] = field(default_factory=dict)
    rewards: Mapping[str, RewardCard] = field(default_factory=dict)
    reward_schemes: Mapping[str, Card] = field(default_factory=dict)
    starts: tuple[Start, ...] = ()
    networks: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)
    kit: str = ""
    recognises: str = ""
    checks: str = ""
    letters: str = ""
    files: tuple[str, ...] = ()
    distribution: str = "svdd"

    def __post_init__(self) -> None:
        for one in fields(self):
            if one.name not in _AS_GIVEN:
                object.__setattr__(self, one.name, _whole(getattr(self, one.name), self.home))

    def named(self) -> Iterator[tuple[str, str, str]]:
        """Everything that has a name that leads to one thing, whichever domain brings it: its kind, its name and its target."""
        for kind in _LEADING:
            for name, card in getattr(self, kind).items():
                yield kind, name, card if isinstance(card, str) else card.target
        for start in self.starts:
            for one in start.fields:
                yield "starts", one.name, start.target


# Fields that hold no targets.
_AS_GIVEN = ("name", "home", "letters", "files", "distribution")
# Fields of cards and targets by name.
_LEADING = ("models", "checkpoints", "rewards", "reward_schemes", "networks", "readers")


def _whole(told: Any, home: str) -> Any:
    """Targets with the whole name of their module, in text, cards, starts and mappings of them.

    Raises:
        ValueError: for a target that is not `module:name`.
    """
    if isinstance(told, str):
        if told and ":" not in told:
            raise ValueError(
                f"a target of {home} is module:name, such as .model:{told.strip('.') or 'make'}, got {told!r}"
            )
        return home + told if told.startswith(".") else told
    if isinstance(told, Card | Start):
        return replace(told, target=_whole(told.target, home))
    if isinstance(told, tuple):
        return tuple(_whole(one, home) for one in told)
    return {name: _whole(one, home) for name, one in told.items()}
