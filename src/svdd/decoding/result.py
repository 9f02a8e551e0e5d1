"""Results: designs, their rewards, and everything about how they were made; as a table and as files."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import svdd
from svdd.chain.designs import DesignKind, inferred
from svdd.chain.rng import STREAMS
from svdd.chain.tree import concatenate
from svdd.cost.batches import count
from svdd.cost.ledger import Breakdown, Usage
from svdd.decoding.columns import WEIGHT
from svdd.decoding.trace import Trace
from svdd.messages import number
from svdd.registry import domains, resolve
from svdd.scoring.best_designs import BestDesigns
from svdd.user_files import whole

if TYPE_CHECKING:
    import pandas as pd

WRITTEN = ("samples.csv", "samples.parquet", "samples.safetensors", "steps.parquet", "run.json")
"""The files that `Result.save` writes, whatever the domain."""
NOT_KNOWN = DesignKind()
"""In the place of a kind that is to be inferred."""


def kind_of(designs: Any) -> DesignKind:
    """The kind of designs of a process that names none: text, tensors, what a domain recognises as its own, or rows."""
    plain = inferred(designs)
    if plain != DesignKind() and not isinstance(designs, dict):
        return plain
    recognised = (resolve(one.recognises)(designs) for one in domains() if one.recognises)
    return next((kind for kind in recognised if kind is not None), plain)


@dataclass(repr=False)
class Result:
    """The designs of a run.

    Args:
        samples: one design each: strings, a tensor of states, or what the process decodes to.
        rewards: (r,), the true reward of each; -inf where invalid.
        chain: the chain each came from.
        scores: further rewards of the same designs, and components of the reward, NaN where one was not asked.
        log_z: an estimate of log E[exp(r/a)] a chain, for weighted methods.
        log_w: (r,), the log-weight of each design where a weighted method returns all its particles: sums of w f over those of
            w, over the designs of all chains, are averages under the tilted law, and the mean of w is Z. Of refine it is the
            log of the number of moves that a chain stayed at the design, and says nothing of Z; with a population it is the
            weight of a design that the chain ends with.
        usage: what was paid.
        breakdown: why designs were invalid, and what each component of the reward cost.
        trace: what every step chose from.
        settings: method, sizes, seed.
        about: the model.
        kind: what the designs are; inferred from them unless given.
        folder: where it was saved, None if it was not.
        archive: the best designs among all that were scored, returned or not.
    """

    samples: Any
    rewards: Float[Tensor, " r"]
    chain: list[int]
    scores: dict[str, Float[Tensor, " r"]] = field(default_factory=dict)
    log_z: list[float] | None = None
    log_w: Float[Tensor, " r"] | None = None
    usage: Usage = field(default_factory=Usage)
    breakdown: Breakdown = field(default_factory=Breakdown)
    trace: Trace = field(default_factory=Trace)
    settings: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    kind: DesignKind = NOT_KNOWN
    folder: Path | None = None
    archive: BestDesigns = field(default_factory=lambda: BestDesigns(0))

    def __post_init__(self) -> None:
        self.kind = kind_of(self.samples) if self.kind is NOT_KNOWN else self.kind

    def __len__(self) -> int:
        """The number of designs."""
        return len(self.chain)

    def __repr__(self) -> str:
        """At most five lines: what was decoded, rewards, cost, and where it is."""
        return "\n".join(described(self))

    def _repr_html_(self) -> str:
        """What a notebook shows: the best designs, the rewards, the cost."""
        return resolve("svdd.report.notebook:as_html")(self)  # type: ignore[no-any-return]

    def report(self, path: str | Path) -> Path:
        """Writes the report of the run, one HTML file.

        Args:
            path: the file, or a folder for `report.html`.

        Returns:
            The file.

        Raises:
            ImportError: without jinja2 or, where there are enough designs for charts, matplotlib; it names the extra.
        """
        return resolve("svdd.report.html:write_report")(self, path)  # type: ignore[no-any-return]

    def plot(self) -> Any:
        """The rewards of the designs as a histogram.

        Returns:
            A matplotlib figure, which notebooks show; None if no design is valid.

        Raises:
            ImportError: without matplotlib; it names the extra.
        """
        with resolve("svdd.report.html:named_extra")():
            return resolve("svdd.report.plots:reward_figure")(
                {self.settings.get("method", "designs"): self.rewards.numpy()}
            )

    def best(self, n: int = 10) -> "pd.DataFrame":
        """The n best different designs, best first, as a table like `to_frame`; invalid ones are left out.

        Args:
            n: how many at most.

        Returns:
            A table whose index holds places in `samples`, so that `result.samples[i]` is the design of row i.
        """
        keys = BestDesigns(0).keys(self.samples)
        order = self.rewards.argsort(descending=True, stable=True).tolist()
        first = dict[Any, int]()
        for row in order[: len(order) - int(self.rewards.isneginf().sum())]:
            first.setdefault(keys[row], row)
        return self.to_frame().loc[list(first.values())[:n]]

    def best_scored(self, n: int = 10) -> "pd.DataFrame":
        """The n best different designs among all that the run scored, returned or not, as a table of `sample` and `reward`.

        Whatever the method selects, nothing good that was paid for is lost. What a look-ahead has scored counts too: of text it
        is a design like any other, of an image a blurred one. A run keeps 100 texts, or as many as it returns, and 4 tensors.
        """
        import pandas as pd

        designs, rewards = self.archive.top(n)
        names = [f"best-{number:04d}" for number in range(len(rewards))]
        samples = self.kind.column(designs, names) if names else []
        return pd.DataFrame({"sample": samples, "reward": rewards.numpy()})

    @property
    def ids(self) -> list[str]:
        """A name for every design: method, chain, and its place in the chain where there are several.

        The best designs of a run that was stopped are in no chain, and are called `best`.
        """
        method, seen, names = self.settings.get("method", "design"), dict[int, int](), []
        chains = [chain for chain in self.chain if chain >= 0]
        several = len(set(chains)) < len(chains)
        for chain in self.chain:
            seen[chain] = seen.get(chain, -1) + 1
            whole = f"{method}-{chain:04d}" + (f"-{seen[chain]:03d}" if several else "")
            names.append(whole if chain >= 0 else f"best-{seen[chain]:04d}")
        return names

    def to_frame(self) -> "pd.DataFrame":
        """A table with columns `id, chain, sample, reward, valid` and one for each further score.

        Where every particle of a weighted method is a row, or every design that refine was at, a column `log_weight` comes
        before the scores. The kind of the designs says how `sample` shows them, text as it is and an image by the name of its
        file, and which columns they bring with them, such as `prompt`.
        """
        import pandas as pd

        ids = self.ids
        columns = {
            "id": ids,
            "chain": self.chain,
            "sample": self.kind.column(self.samples, ids),
            **self.kind.columns(self.samples),
            "reward": self.rewards.numpy(),
            "valid": (~self.rewards.isneginf()).numpy(),
            **({} if self.log_w is None else {WEIGHT: self.log_w.numpy()}),
        }
        return pd.DataFrame(columns | {k: v.numpy() for k, v in self.scores.items()})

    def save(self, folder: str | Path) -> Path:
        """Writes samples.csv, samples.parquet, steps.parquet, run.json and the domain's own file.

        Raises:
            FileExistsError: if the folder already holds a run, or a file of such a name.
        """
        path = Path(whole(folder))
        there = [name for name in WRITTEN if (path / name).exists()]
        if there:
            raise FileExistsError(
                f"{path} already holds {', '.join(there)}; choose another folder, or move them away first"
            )
        path.mkdir(parents=True, exist_ok=True)
        frame = self.to_frame()
        frame.to_csv(path / "samples.csv", index=False, lineterminator="\n")
        frame.to_parquet(path / "samples.parquet", index=False)
        self.trace.write(path / "steps.parquet")
        (path / "run.json").write_text(json.dumps(self.record(), indent=2, default=str) + "\n", encoding="utf-8")
        numbers = {"reward": self.rewards} | self.scores
        self.kind.write(self.samples, self.ids, {name: column.numpy() for name, column in numbers.items()}, path)
        self.folder = path
        return path

    def record(self) -> dict[str, Any]:
        """All settings, versions and the bill, for run.json."""
        versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
        return {
            "settings": self.settings,
            "model": {**self.about, **self.kind.facts()},
            "versions": versions | {"svdd": svdd.__version__},
            "streams": STREAMS,
            "usage": self.usage.as_dict(),
            "breakdown": self.breakdown.as_dict(),
            "log_z": self.log_z and [z if math.isfinite(z) else None for z in self.log_z],
        }

    def state(self) -> dict[str, Any]:
        """What `from_state` needs, in plain types and tensors."""
        return {k: getattr(self, k) for k in ("samples", "rewards", "chain", "scores", "log_z", "log_w")}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Result":
        """The inverse of `state`."""
        return cls(**state)


def described(result: Result) -> list[str]:
    """A result in three or four sentences: what was decoded by which method, the rewards, the cost, and where it is."""
    settings, usage = result.settings, result.usage
    model, reward = result.about.get("name", "a model"), settings.get("reward", "a reward")
    valid = result.rewards[~result.rewards.isneginf()]
    rewards = "none of them valid"
    if len(valid):
        share = "" if len(valid) == len(result) else f", {len(valid):,} of {len(result):,} designs valid"
        rewards = f"median {number(float(valid.quantile(0.5)), 4)}, best {number(float(valid.max()), 4)}{share}"
    return [
        f"{len(result):,} designs of {model} towards {reward} by {settings.get('method', 'an unknown method')}",
        f"reward: {rewards}",
        f"cost: {usage.network.rows:,} network rows, {usage.reward.rows:,} reward rows, {usage.seconds:.1f} s",
        *([f"saved in {result.folder}"] if result.folder else []),
    ]


def join(results: Sequence[Result], **shared: Any) -> Result:
    """The batches of one run as one result; `shared` are the fields that belong to the whole."""
    samples = results[0].samples
    if isinstance(samples, list):
        samples = [sample for result in results for sample in result.samples]
    else:
        samples = concatenate([result.samples for result in results])
    assert count(samples) == sum(map(len, results)), "one sample a row"
    log_z = [z for result in results for z in result.log_z or ()]
    told = any(result.log_w is not None for result in results)
    return Result(
        samples,
        torch.cat([result.rewards for result in results]),
        [chain for result in results for chain in result.chain],
        {k: torch.cat([result.scores[k] for result in results]) for k in results[0].scores},
        log_z or None,
        torch.cat([_weights(result) for result in results]) if told else None,
        **shared,
    )


def _weights(result: Result) -> Float[Tensor, " r"]:
    """The log-weights of designs, nothing for those that are in no chain."""
    return torch.full_like(result.rewards, -torch.inf) if result.log_w is None else result.log_w
