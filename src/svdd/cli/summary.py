"""What a finished run says in a few lines."""

from pathlib import Path
from typing import Any

import pandas as pd

OUTCOMES = {
    "invalid": "were invalid",
    "nan": "had NaN",
    "error": "failed",
    "timeout": "timed out",
    "retries": "were asked for again",
}


def summary(record: dict[str, Any], folder: Path) -> str:
    """Designs, rewards, cost and where they are."""
    samples = pd.read_parquet(folder / "samples.parquet")
    valid, usage = samples.loc[samples["valid"], "reward"], record["usage"]
    network, reward = usage["network"], usage["reward"]
    rewards = f"reward median {valid.median():.4g}, best {valid.max():.4g}" if len(valid) else "none of them valid"
    lines = [
        f"{len(samples)} designs: {rewards}",
        *_failures(usage.get("outcomes", {})),
        f"network rows {network['rows'] + network['hits']:,} asked, {network['rows']:,} computed; "
        f"reward rows {reward['rows'] + reward['hits']:,} asked, {reward['rows']:,} computed; {usage['seconds']:.1f} s",
        f"written to {folder}: {', '.join(record.get('files', []))}",
    ]
    return "\n".join(lines)


def _failures(outcomes: dict[str, int]) -> list[str]:
    """What the reward had no number for, if anything."""
    told = [f"{outcomes.get(name, 0):,} {words}" for name, words in OUTCOMES.items() if outcomes.get(name)]
    return [f"of the designs that the reward was asked for, {', '.join(told)}"] if told else []
