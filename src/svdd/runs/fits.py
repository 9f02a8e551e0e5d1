"""Values that are fitted for the methods of a comparison: once, kept in its folder, loaded when the comparison goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.fitting.settings import make_settings
from svdd.runs.job import Job
from svdd.runs.json_text import as_json, plain
from svdd.runs.make import job_reward, make_process
from svdd.runs.marks import read_object
from svdd.runs.watching import Watch
from svdd.scoring.reward import close

VALUES = "values"
_LAW = ("model", "model_options", "steps", "length", "reward", "reward_options", "objective")


@dataclass(frozen=True)
class Fit:
    """A value of one method.

    Args:
        folder: of the value.
        job: whose model and reward it is fitted for.
        settings: of `svdd.fit_value`.
    """

    folder: Path
    job: Job
    settings: Mapping[str, Any]

    @property
    def given(self) -> dict[str, Any]:
        """The settings with pairs as `fit_value` takes them, since files write lists."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in self.settings.items()}

    @property
    def _facts(self) -> dict[str, Any]:
        """What decides the value."""
        law = {name: setting for name, setting in self.job.record().items() if name in _LAW}
        return dict(plain({"fit": dict(self.settings), "job": law}))

    @property
    def _bill(self) -> Path:
        """What it was fitted to and what that cost: written last, so that it tells a finished fit."""
        return self.folder.with_suffix(".json")

    def check(self, force: bool = False) -> None:
        """Looks whether the settings are possible, and whether the value that is there is of the same.

        Raises:
            ValueError: for an unknown or impossible setting.
            FileExistsError: for a value of other settings, unless `force` is given.
        """
        make_settings(self.given)
        there = read_object(self._bill)
        if there and not force and any(there.get(name) != fact for name, fact in self._facts.items()):
            raise FileExistsError(
                f"{self.folder} holds a value of other settings; choose another --out, or replace it with --force"
            )

    def make(self, force: bool, watch: Watch) -> dict[str, float | int]:
        """Fits the value, unless it is there; returns what that cost.

        Args:
            force: fits it anew.
            watch: is told that it is fitted.
        """
        if force or not self._bill.is_file():
            watch.tell(f"fitting the value {self.folder}")
            self._fit()
        return dict(read_object(self._bill)["cost"])

    def _fit(self) -> None:
        from svdd.fitting import fit_value

        self._bill.unlink(missing_ok=True)
        reward = job_reward(self.job)
        try:
            value = fit_value(make_process(self.job), reward, **self.given)
        finally:
            close(reward)
        value.save(self.folder, force=True)
        rows, took = value.usage, value.card["cost"]
        cost = {"fit_network_rows": rows.network.rows, "fit_reward_rows": rows.reward.rows}
        cost["fit_seconds"] = took["seconds_rollouts"] + took["seconds_training"]
        self._bill.write_text(as_json(self._facts | {"cost": cost}) + "\n", encoding="utf-8")
