"""The files of a recipe: weights with their history, and the card with what belongs to it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from svdd.networks.training import TrainingResult, TrainingSettings
from svdd.networks.weight_files import save_network

__all__ = ["write_card_files", "write_history", "write_trained"]


def write_trained(out: Path, name: str, network: nn.Module, settings: TrainingSettings, result: TrainingResult) -> None:
    """Write a network's weights and the settings and history of its training."""
    save_network(network, out / f"{name}.safetensors")
    write_history(out, name, settings, result)


def write_history(out: Path, name: str, settings: TrainingSettings, result: TrainingResult) -> None:
    """Write the settings and history of a training run."""
    record: dict[str, Any] = {"settings": asdict(settings), **asdict(result)}
    (out / f"{name}.history.json").write_text(json.dumps(record) + "\n")


def write_card_files(
    out: Path, card: dict[str, Any], reference: dict[str, Any] | None, text: str, training: str
) -> None:
    """Write a card as JSON and as Markdown, its training curves, and the reference statistics unless they have a file."""
    if reference is not None:
        (out / "reference.json").write_text(json.dumps(reference) + "\n")
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    (out / "card.md").write_text(text)
    (out / "training.svg").write_text(training)
