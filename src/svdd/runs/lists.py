"""What there is: models, rewards and methods, as rows for whoever prints them and as tables."""

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from svdd.messages import described
from svdd.method.table import METHODS
from svdd.registry import MODELS, REWARDS, SCHEMES, DomainWarning, domains, held_out, locate, said_by, said_by_function

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

ABOUT_METHODS = (
    "Of a chain: T steps, M candidates, N or n particles, blocks of L steps, K moves that take a share f of the steps again.",
    "Network rows are those of the value posterior-mean, filtered rows those of filtered, which values candidates with their "
    "parent's answer. It fails where one token decides over distant ones, as in molecules written as SELFIES; svdd models says "
    "which of the two is the usual value of a model.",
)
"""What is to be known of the table of methods, in sentences."""


def _known(kind: str, field: str, cards: Mapping[str, Any]) -> Iterator[tuple[Row, Any]]:
    """A row and the card of everything of one kind.

    Args:
        kind: in words, for errors.
        field: of a domain.
        cards: what all domains bring of the kind.
    """
    home = {name: one.name for one in reversed(domains()) for name in getattr(one, field)}
    for name in cards:
        card = cards[name]
        try:
            said = said_by(card.target) or said_by_function(locate(kind, name, cards))
        except Exception as error:  # whatever another package does when it is imported must not hide the others
            left_out = f"the {kind} {name} of the domain {home.get(name, '')} is left out, {described(error)}"
            warnings.warn(left_out, DomainWarning, stacklevel=2)
            continue
        summary = card.summary or said.summary
        yield {"name": name, "domain": home.get(name, ""), "summary": summary, "options": list(said.options)}, card


def models() -> list[Row]:
    """The bundled models, and the kinds of checkpoints of other projects, with the value that runs take which name none."""
    rows = [row | {"usual_value": card.usual_value} for row, card in _known("model", "models", MODELS)]
    for row, card in _known("model", "checkpoints", SCHEMES):
        named = {"name": f"{row['name']}:PATH", "options": row["options"][1:], "usual_value": card.usual_value}
        rows.append(row | named)
    return rows


def rewards() -> list[Row]:
    """The bundled rewards, with their unit, their range, and what judges designs that one of them guided."""
    return [
        row | {"unit": card.unit, "range": card.range, "held_out": held_out(row["name"])}
        for row, card in _known("reward", "rewards", REWARDS)
    ]


def domain_rows() -> list[Row]:
    """The domains, with the models and rewards that each brings, and the package that it comes with."""
    return [
        {
            "name": one.name, "models": list(one.models), "checkpoints": list(one.checkpoints),
            "rewards": [*one.rewards, *(f"{scheme}:..." for scheme in one.reward_schemes)],
            "package": one.distribution,
        }
        for one in domains()
    ]  # fmt: skip


def methods() -> list[Row]:
    """The method table, with what a chain costs with the posterior mean, and in network rows with `filtered`."""
    return [
        {
            "name": name, "summary": row.summary, "samples_from": row.target, "network_rows": row.network_rows,
            "filtered_rows": row.filtered_rows, "reward_rows": row.reward_rows, "options": list(row.options),
        }
        for name, row in METHODS.items()
    ]  # fmt: skip


def list_models() -> "pd.DataFrame":
    """The bundled models and the kinds of checkpoints of other projects, with their options and usual value."""
    return _table(models())


def list_rewards() -> "pd.DataFrame":
    """The bundled rewards, with their options, unit, range, and what judges designs that one of them guided."""
    return _table(rewards())


def list_domains() -> "pd.DataFrame":
    """The domains: their models, checkpoints and rewards, and the package that brings each."""
    return _table(domain_rows())


def list_methods() -> "pd.DataFrame":
    """The methods: what each samples from, what a chain costs, and its options."""
    return _table(methods())


def _table(rows: list[Row]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows)
