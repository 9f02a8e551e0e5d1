"""What a finished run says in a few lines."""

from pathlib import Path
from typing import Any

import pandas as pd

from svdd.messages import number
from svdd.scoring.policy import told


def summary(record: dict[str, Any], folder: Path) -> str:
    """Designs, rewards, cost and where they are."""
    samples = pd.read_parquet(folder / "samples.parquet")
    valid, usage = samples.loc[samples["valid"], "reward"], record["usage"]
    network, reward = usage["network"], usage["reward"]
    rewards = "none of them valid"
    if len(valid):
        rewards = f"reward median {number(valid.median(), 4)}, best {number(valid.max(), 4)}"
    lines = [
        f"{len(samples)} designs: {rewards}",
        *told(usage.get("outcomes", {}), record.get("breakdown", {}).get("invalid")),
        f"network rows {network['rows'] + network['hits']:,} asked, {network['rows']:,} computed; "
        f"reward rows {reward['rows'] + reward['hits']:,} asked, {reward['rows']:,} computed; {usage['seconds']:.1f} s",
        *_components(record.get("breakdown", {}).get("components", {})),
        f"written to {folder}: {', '.join(record.get('files', []))}",
    ]
    return "\n".join(lines)


def _components(costs: dict[str, dict[str, Any]]) -> list[str]:
    """One line about the components of the reward and further scores, none if there are none."""
    rows = [f"{name} {cost['rows'] + cost['hits']:,} asked, {cost['rows']:,} computed" for name, cost in costs.items()]
    return [f"components and scores: {'; '.join(rows)}"] if rows else []
