"""Cards of fitted values: what was fitted to what, how well it predicts, what it cost and when that pays."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from svdd.messages import number
from svdd.user_texts import json_of

Card = dict[str, Any]
_FIXED = ("from_t", "to_t", "states", "spread", "r2_ceiling")
FORMAT = "svdd-value-1"


def write_card(card: Card, folder: Path) -> None:
    """Writes card.json, card.md and, where matplotlib is installed, quality.svg."""
    (folder / "card.json").write_text(json.dumps(card, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    plotted = _plot(card, folder / "quality.svg")
    (folder / "card.md").write_text(as_text(card, plotted), encoding="utf-8")


def read_card(folder: Path) -> Card:
    """What card.json holds.

    Raises:
        ValueError: if it is missing or damaged.
    """
    path = folder / "card.json"
    try:
        card = json_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as the card of a value: {error}") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT or "temperature" not in card:
        raise ValueError(f"{path} is not the card of a value")
    return card


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(card: Card, plotted: bool) -> str:
    """The card in Markdown."""
    parts = [_head(card), _quality(card, plotted), _cost(card)]
    return "\n".join(part for part in parts if part)


def _head(card: Card) -> str:
    data, at = card["data"], "" if card["temperature"] is None else f" at temperature {card['temperature']:g}"
    rewards, effective = data["rewards"], data["effective"]
    carried = "" if effective is None else f"At this temperature {effective:.0f} of the roll-outs carry the weight.\n"
    return (
        f"# A value of {card['process'].get('name', 'a process')} for {card['reward']}\n\n"
        f"Target `{card['target']}`{at}: {card['estimates']}.\n\n"
        f"Learned from {data['states']:,} states of {data['rollouts']:,} unguided roll-outs of the model's own "
        f"({card['process']['steps']} steps, seed {data['seed']}), {data['source']}.\n"
        f"Their rewards: mean {number(rewards['mean'], 4)}, standard deviation {number(rewards['std'], 4)}, "
        f"best {number(rewards['best'], 4)}, "
        f"{data['invalid']} invalid{_counting(data)}.\n"
        f"{carried}Network: {card['network']}.\n"
    )


def _counting(data: Mapping[str, Any]) -> str:
    floor = data.get("invalid_counts_as")  # a card of an earlier release has none
    return "" if floor is None else f", which counted as {floor:g}"


def _quality(card: Card, plotted: bool) -> str:
    titles = {
        "roll_outs": "Against the reward of the same roll-out. One reward is a noisy label of a state: no value reaches "
        "R2 = 1 here, and none is expected to.",
        "continuations": "Against independent continuations of each state, which estimate the target itself; R2 cannot "
        "exceed its ceiling, the share of the spread that is not their sampling error. A log-mean-exp of few continuations "
        "is low, more so at a small temperature, so read its bias with care.",
    }
    parts = [f"{titles[name]}\n\n{_table(rows)}" for name, rows in _tables(card)]
    parts += ["![R2 by time](quality.svg)\n"] if plotted else []
    return "\n".join(["## Quality on held-out roll-outs\n", *parts]) if parts else ""


def _tables(card: Card) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(name, card["quality"][name]) for name in ("continuations", "roll_outs") if card["quality"].get(name)]


def _values(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in rows[0] if name not in _FIXED]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    values = _values(rows)
    head = ["t", "states", "spread", *(["R2 ceiling"] if "r2_ceiling" in rows[0] else [])]
    head += [f"{name}: R2, r, bias" for name in values]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [f"{row['from_t']:.2f} to {row['to_t']:.2f}", str(row["states"]), _number(row["spread"])]
        cells += [_number(row["r2_ceiling"])] if "r2_ceiling" in row else []
        cells += [", ".join(_number(row[name][k]) for k in ("r2", "pearson", "bias")) for name in values]
        lines.append(cells)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _cost(card: Card) -> str:
    cost = card["cost"]
    text = (
        f"\n## Cost\n\n{cost['network_rows_asked']:,} network rows asked, {cost['network_rows']:,} computed, "
        f"{cost['reward_rows']:,} reward rows; {cost['seconds_rollouts']:.0f} s of roll-outs, "
        f"{cost['seconds_training']:.0f} s of training.\n"
    )
    return text + _break_even(card["break_even"]) if card["break_even"] else text


def _break_even(pay: dict[str, Any]) -> str:
    units = {"network_rows": "network rows", "reward_rows": "reward rows", "seconds": "seconds"}
    lines = []
    for name, unit in units.items():
        designs = pay["designs"][name]
        verdict = "never" if designs is None else f"after {math.ceil(designs):,} designs"
        before, after = pay["posterior_mean_a_design"][name], pay["learned_a_design"][name]
        lines.append(f"| {unit} | {number(before, 4)} | {number(after, 4)} | {verdict} |\n")
    formula = pay["designs_by_formula"]
    return (
        f"\nArgmax SVDD with M = {pay['candidates']}, measured a design:\n\n"
        "| | posterior mean | learned | cheaper, training included |\n|---|---|---|---|\n"
        + "".join(lines)
        + (f"\nBy the rows asked, (T-1)(M-1) saved a design: {math.ceil(formula):,} designs.\n" if formula else "")
    )


def _plot(card: Card, path: Path) -> bool:
    """R2 by time, one line a value, against continuations if these cover as many times; False if nothing can be drawn."""
    rows: list[dict[str, Any]] = max((table[1:] for _, table in _tables(card)), key=len, default=[])
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not rows:
        return False
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    t = [(row["from_t"] + row["to_t"]) / 2 for row in rows]
    for name in _values(rows):
        axes.plot(t, [math.nan if row[name]["r2"] is None else row[name]["r2"] for row in rows], "o-", label=name)
    if "r2_ceiling" in rows[0]:
        axes.plot(t, [row["r2_ceiling"] for row in rows], "k:", label="ceiling")
    axes.set(xlabel="t (noise at 1)", ylabel="R2", ylim=(-1.05, 1.05))
    axes.invert_xaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return True
