"""Fitted values: a learned value together with what it was fitted to, measured and saved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from svdd.chain.process import Process
from svdd.cost.ledger import Usage
from svdd.fitting.card import read_card, write_card
from svdd.fitting.fingerprint import Fingerprint, load_fingerprint
from svdd.fitting.predictors import of_network
from svdd.method.learned_values import Learned
from svdd.networks.weight_files import load_network, save_network
from svdd.registry import find_process, find_reward
from svdd.scoring.reward import Reward
from svdd.scoring.signatures import adapted
from svdd.user_files import whole

WEIGHTS, FINGERPRINT = "value.safetensors", "fingerprint.safetensors"
FILES = (FINGERPRINT, WEIGHTS, "card.json", "card.md", "quality.svg")


@dataclass(frozen=True)
class FittedValue(Learned):
    """A learned value that `fit_value` made or `load_value` read; give it to `decode(value=...)`.

    Args:
        predictor: `(x_t, t, cond)` to one number a row.
        reward: it was fitted for.
        temperature: of the soft value it estimates; None for the mean.
        network: the trained network, None of a regressor.
        card: target, data, cost and quality, as in card.json.
        usage: rows and seconds of the training roll-outs.
        fingerprint: what its process and reward answered, None where it cannot be saved.
    """

    network: nn.Module | None = None
    card: dict[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    fingerprint: Fingerprint | None = None

    def save(self, folder: str | Path, force: bool = False) -> None:
        """Writes value.safetensors, card.json, card.md, quality.svg and the fingerprint, which makes it a value.

        Args:
            folder: to write; made if there is none.
            force: replace the value that is in it.

        Raises:
            ValueError: for a regressor or a network of another kind than the package's.
            FileExistsError: if the folder holds anything and `force` is not given, or holds something else than a value.
        """
        folder = Path(whole(folder))
        if self.network is None or self.fingerprint is None:
            raise ValueError(
                "only the networks of the package are saved, since others could not be read back without running code "
                "from the file; use this value while it is in memory"
            )
        check_folder(folder, force)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        save_network(self.network, folder / WEIGHTS)
        write_card(self.card, folder)
        self.fingerprint.save(folder / FINGERPRINT, folder / WEIGHTS)


def check_folder(folder: Path, force: bool) -> None:
    """Looks whether a value may be written into a folder.

    Raises:
        FileExistsError: if it holds anything and `force` is not given, or holds something else than a value.
        NotADirectoryError: if it is not a folder.
    """
    if not folder.exists() or all(path.name == ".svdd" for path in folder.iterdir()):  # the claim of who writes it
        return
    if not (folder / FINGERPRINT).is_file():
        raise FileExistsError(f"{folder} holds files that are not a value; choose another folder")
    if not force:
        raise FileExistsError(
            f"{folder} already holds a value; choose another folder, or replace it with --force (force=True in Python)"
        )


def load_value(
    folder: str | Path,
    process: Process | str,
    reward: Reward | str,
    force: bool = False,
    *,
    model_options: Mapping[str, Any] | None = None,
    reward_options: Mapping[str, Any] | None = None,
) -> FittedValue:
    """Reads a value that `FittedValue.save` or `svdd fit-value` wrote, once it is known to fit the process and the reward.

    Args:
        folder: of the value.
        process: of the run, or its name; its kernels must be those the value was fitted for, on the same grid of times or its
            end.
        reward: of the run, or its name.
        force: use it with another process or reward all the same.
        model_options: of a model given by name.
        reward_options: of a reward given by name.

    Raises:
        FileNotFoundError: if the folder holds no finished value.
        FingerprintError: for another process or reward.
        ValueError: for a damaged file.

    Cost:
        8 network rows, 8 decoder rows and 8 reward rows, unless forced.
    """
    model, guide = find_process(process, model_options), find_reward(reward, reward_options)
    folder = Path(whole(folder))
    fingerprint = load_fingerprint(folder / FINGERPRINT, folder / WEIGHTS)
    process = model()
    reward = adapted(process, guide())
    card, network = read_card(folder), load_network(folder / WEIGHTS)
    if not force:
        fingerprint.check(process, reward)
    return FittedValue(of_network(network), reward, card["temperature"], network, card, fingerprint=fingerprint)
