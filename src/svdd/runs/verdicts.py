"""What a comparison of methods shows, in plain words."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def verdicts(table: pd.DataFrame, cost: str = " at the same network rows") -> list[str]:
    """What the table shows of svdd against best-of-n, and at what price in naturalness, in plain words.

    Args:
        table: a row a method; what it does not hold is not spoken of, nor is a method with several rows.
        cost: what best-of-n had, to end a sentence on it.
    """
    once = table.drop_duplicates("method", keep=False)
    rows = once.dropna(axis=1).set_index("method").to_dict("index")
    svdd, best, model = rows.get("svdd", {}), rows.get("best-of-n", {}), rows.get("pretrained", {})
    told = (("reward", "reward_median"), ("held-out judge", "judge_median"))
    said = [_against(what, svdd, best, column, cost) for what, column in told if column in svdd and column in best]
    priced = {"elbo_per_base", "correlation_3mer", "diversity"}
    both = svdd.keys() & model.keys()
    said += [_price(svdd, model)] if priced <= both else []
    return said + ([_molecules(svdd, model)] if both >= _MEASURED else [])


_MEASURED = {"validity", "unique", "diversity", "sa", "pains"}


def _molecules(svdd: Mapping[Any, Any], model: Mapping[Any, Any]) -> str:
    """What the reward cost in molecules; what is too much is for a chemist to say."""

    def pair(name: str, form: str) -> str:
        return f"{svdd[name]:{form}} against {model[name]:{form}}"

    parts = [
        f"validity {pair('validity', '.0%')}", f"different ones {pair('unique', '.0%')}",
        f"diversity {pair('diversity', '.2f')}", f"SA score {pair('sa', '.1f')} (1: easy to make)",
        f"PAINS alerts {pair('pains', '.0%')}",
    ]  # fmt: skip
    if "fcd" in svdd and "fcd" in model:
        parts.append(f"ChemNet distance {pair('fcd', '.1f')}")
    return f"Beside the model's own samples, svdd's molecules have {', '.join(parts)}."


def _shown(row: Mapping[Any, Any], column: str) -> str:
    return f"{row[column]:.2f} ({row[f'{column}_low']:.2f} to {row[f'{column}_high']:.2f})"


def _compared(mine: Mapping[Any, Any], other: Mapping[Any, Any], column: str) -> int:
    """1 above, -1 below, 0 where the intervals overlap."""
    return int(mine[f"{column}_low"] > other[f"{column}_high"]) - int(mine[f"{column}_high"] < other[f"{column}_low"])


def _against(what: str, svdd: Mapping[Any, Any], best: Mapping[Any, Any], column: str, cost: str) -> str:
    words = {
        1: f"svdd does better than best-of-n{cost}",
        0: "best-of-n does as well as svdd, as far as these intervals tell",
        -1: "best-of-n does better than svdd",
    }[_compared(svdd, best, column)]
    return f"By the {what}, {words}: median {_shown(svdd, column)} against {_shown(best, column)}."


def _price(svdd: Mapping[Any, Any], model: Mapping[Any, Any]) -> str:
    words = {1: "more natural than", 0: "as natural, as far as these intervals tell, as", -1: "less natural than"}
    found = words[_compared(svdd, model, "elbo_per_base")]
    return (
        f"To the model, svdd's designs are {found} its own samples: {_shown(svdd, 'elbo_per_base')} against "
        f"{_shown(model, 'elbo_per_base')} nats a base (log-likelihood bound); their 3-mers correlate "
        f"{svdd['correlation_3mer']:.2f} against {model['correlation_3mer']:.2f} with those of the most active natural "
        f"sites; diversity {svdd['diversity']:.2f} against {model['diversity']:.2f}."
    )
