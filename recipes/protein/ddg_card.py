"""Everything that the card of the ddG oracles says, measured on domains that neither saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from recipes.measures import describe, regression_quality
from recipes.protein.ddg_data import Domains, Rows
from svdd.domains.protein.inverse_folding.substitutions import GIVEN_OTHERS, SubstitutionEnsemble

__all__ = ["by_domain", "measure_card", "predicted"]

_PICKED = 10
_OTHER = {"guide": "judge", "judge": "guide"}


@torch.no_grad()
def predicted(network: SubstitutionEnsemble, rows: Rows) -> Tensor:
    """Each member's ddG, float32, on the CPU, shape (n, members)."""
    return network(rows.numbers, rows.residue, rows.letter).float().cpu()


def by_domain(guess: Tensor, rows: Rows, wanted: Tensor | None = None) -> dict[str, float]:
    """Spearman correlation of guessed and measured ddG within each domain: mean, lowest and highest.

    Args:
        guess: kcal/mol, shape (n,).
        rows: measured substitutions.
        wanted: what to compare with in the place of the measurement.
    """
    from scipy.stats import spearmanr

    pairs = zip(guess.split(rows.sizes), (rows.ddg.cpu() if wanted is None else wanted).split(rows.sizes), strict=True)
    found = [float(spearmanr(ours, theirs)[0]) for ours, theirs in pairs]
    return {"mean": float(numpy.mean(found)), "lowest": min(found), "highest": max(found)}


def measure_card(
    domains: dict[str, Domains],
    read: Callable[[Domains, str], Rows],
    oracles: dict[str, SubstitutionEnsemble],
    histories: dict[str, Any],
) -> dict[str, Any]:
    """Measure every number of the card.

    Args:
        domains: Of each part.
        read: From domains and a role to what its oracle reads.
        oracles: The networks `guide` and `judge`.
        histories: Settings and history of each training run.
    """
    sizes = [len(one.native) for part in domains.values() for one in part.backbones]
    test = {role: read(domains["test"], role) for role in oracles}
    members = {role: predicted(network, test[role]) for role, network in oracles.items()}
    guesses = {role: each.mean(1) for role, each in members.items()}
    other = {role: read(domains[_OTHER[role]], role) for role in oracles}
    return {
        "split": {
            "parts": {part: _described(one) for part, one in domains.items()},
            "lengths": [min(sizes), max(sizes)],
        },
        "oracles": {
            role: describe(network)
            | {
                "test": _quality(guesses[role], test[role]),
                "other": _quality(predicted(network, other[role]).mean(1), other[role]),
                "spread": _spread(members[role], test[role]),
                "picked": _picked(guesses[role], test[role]),
            }
            for role, network in oracles.items()
        },
        "zero_shot": by_domain(-_gain(test["guide"]), test["guide"])["mean"],
        "agreement": by_domain(guesses["guide"], test["guide"], guesses["judge"]),
        "training": histories,
    }


def _described(domains: Domains) -> dict[str, Any]:
    every = torch.cat(domains.ddg())
    return {
        "domains": len(domains),
        "clusters": len(set(domains.clusters)),
        "substitutions": len(every),
        "mean": float(every.mean()),
        "sd": float(every.std()),
        "stabilising": float((every < 0).float().mean()),
    }


def _quality(guess: Tensor, rows: Rows) -> dict[str, Any]:
    pooled = regression_quality(guess.double().numpy(), rows.ddg.cpu().double().numpy())
    return {"within": by_domain(guess, rows), "pooled": pooled}


def _spread(members: Tensor, rows: Rows) -> dict[str, float]:
    """Root mean square error of the quarter of substitutions on which members agree most, and of that where they do least."""
    error = (members.mean(1) - rows.ddg.cpu()).square()
    order = members.std(1).argsort()
    quarter = len(order) // 4
    return {
        "agree": float(error[order[:quarter]].mean().sqrt()),
        "disagree": float(error[order[-quarter:]].mean().sqrt()),
    }


def _picked(guess: Tensor, rows: Rows) -> dict[str, float]:
    """What was measured of the ten substitutions per domain that are guessed to stabilise most."""
    pairs = list(zip(guess.split(rows.sizes), rows.ddg.cpu().split(rows.sizes), strict=True))
    best = torch.cat([measured[ours.argsort()[:_PICKED]] for ours, measured in pairs])
    return {"mean": float(-best.mean()), "stabilising": float((best < 0).float().mean())}


def _gain(rows: Rows) -> Tensor:
    """What ProteinMPNN alone says: the log-probability of the new letter less that of the native one, given all others."""
    return rows.numbers.changes[rows.residue, rows.letter, GIVEN_OTHERS].cpu()
