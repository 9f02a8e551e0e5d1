"""Rewards: what a throw pays at one table, which guides, and at another one, which only judges."""

from svdd_dice.model import tables


def payout():
    """What a throw pays at the first table."""
    return _paid(tables()["payout"])


def payout_judge():
    """What a throw pays at the second table, which rounds otherwise."""
    return _paid(tables()["payout_judge"])


def _paid(coins):
    return lambda throws: [sum(coins[int(face) - 1] for face in throw) / len(throw) for throw in throws]
