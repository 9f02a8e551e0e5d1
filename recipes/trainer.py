"""The trainer of all recipes: training runs in stages, then a model card, from the command line.

    python -m recipes.dna --data DIR --out DIR --stage denoiser

A run that was stopped goes on from the checkpoints in the output folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recipes.cards import Card
from svdd.networks.training import TrainingResult, TrainingSettings
from svdd.networks.weight_files import save_network

__all__ = ["Options", "Recipe", "Step", "main", "option"]


def option(default: Any, text: str) -> Any:
    """A field of `Options`: an option of the command line with its default and its line of help."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Options:
    """What a user chooses. A recipe adds its own fields, made by `option`.

    Args:
        data: Folder with the data, which the recipe names.
        out: Folder to write to.
        seed: Seed of every training run.
    """

    data: Path = field(metadata={"help": "Folder with the data."})
    out: Path = field(metadata={"help": "Folder to write to."})
    seed: int = option(0, "Seed of every training run.")


def write_weights(network: Any, out: Path, name: str) -> None:
    """Write the weights of one network of the library."""
    save_network(network, out / f"{name}.safetensors")


@dataclass(frozen=True)
class Step:
    """One training run. It writes `NAME.checkpoint`, `NAME.history.json` and the trained network.

    Args:
        name: of the network and of its files.
        settings: from the options to the numbers of the run.
        train: from the data, the options, the settings and the file of the checkpoint to the trained network and its history.
        write: writes the trained network into a folder under a name.
        possible: from the data to whether they are enough for this network; a recipe does without it where they are not.
    """

    name: str
    settings: Callable[[Any], TrainingSettings]
    train: Callable[[Any, Any, TrainingSettings, Path], tuple[Any, TrainingResult]]
    write: Callable[[Any, Path, str], None] = write_weights
    possible: Callable[[Any], bool] = lambda data: True


@dataclass(frozen=True)
class Recipe:
    """How one bundled model is made.

    Args:
        about: where the data are from, and what is trained; the help of the command line.
        options: what a user chooses.
        read: from the options to the data.
        stages: the training runs of each stage, in order.
        measure: from the data, the options and the histories of the training runs to what the card holds. It reads the trained
            networks from the output folder, and writes what else belongs to the model.
        card: of the model.
        folder: for the card, inside the output folder.
    """

    about: str
    options: type[Options]
    read: Callable[[Any], Any]
    stages: Mapping[str, Sequence[Step]]
    measure: Callable[[Any, Any, dict[str, Any]], dict[str, Any]]
    card: Card
    folder: str = "."

    def run(self, options: Options, stage: str = "all") -> None:
        """Run one stage, the card, or all in order."""
        options.out.mkdir(parents=True, exist_ok=True)
        data = self.read(options)
        for name, steps in self.stages.items():
            if stage in (name, "all"):
                for step in steps:
                    if step.possible(data):
                        _train(step, data, options)
        if stage in ("card", "all"):
            self._write_card(data, options)

    def _write_card(self, data: Any, options: Options) -> None:
        names = [step.name for steps in self.stages.values() for step in steps if step.possible(data)]
        histories = {name: json.loads((options.out / f"{name}.history.json").read_text()) for name in names}
        self.card.write(options.out / self.folder, self.measure(data, options, histories))


def _train(step: Step, data: Any, options: Options) -> None:
    settings = step.settings(options)
    network, result = step.train(data, options, settings, options.out / f"{step.name}.checkpoint")
    step.write(network, options.out, step.name)
    history = {"settings": asdict(settings), **asdict(result)}
    (options.out / f"{step.name}.history.json").write_text(json.dumps(history) + "\n")


def main(domain: str, models: Mapping[str, Recipe], arguments: Sequence[str] | None = None) -> None:
    """The command line of a domain: the options of its one model, or first the name of one of its models.

    Args:
        domain: Name of the domain's package.
        models: Recipes by name.
        arguments: Of the command line; those of the process unless given.
    """
    parser = argparse.ArgumentParser(prog=f"python -m recipes.{domain}", formatter_class=_Help)
    if len(models) == 1:
        _add_options(parser, *models.values())
    else:
        commands = parser.add_subparsers(metavar="MODEL", required=True)
        for name, recipe in models.items():
            _add_options(commands.add_parser(name, formatter_class=_Help), recipe)
    chosen = vars(parser.parse_args(arguments))
    recipe, stage = chosen.pop("recipe"), chosen.pop("stage")
    recipe.run(recipe.options(**chosen), stage)


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help with the default of each option, and with the paragraphs of a description."""


def _add_options(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    parser.description = inspect.cleandoc(recipe.about)
    parser.set_defaults(recipe=recipe)
    parser.add_argument("--stage", choices=[*recipe.stages, "card", "all"], default="all", help="Part to run.")
    for each in dataclasses.fields(recipe.options):
        flag, text = f"--{each.name.replace('_', '-')}", each.metadata["help"]
        if each.default is dataclasses.MISSING:
            parser.add_argument(flag, type=Path, required=True, help=text, default=argparse.SUPPRESS)
        else:
            parser.add_argument(flag, type=type(each.default), default=each.default, help=text)
