"""Throws of dice, as a domain of svdd. This module is read wherever svdd lists what there is, so it imports nothing heavy."""

from svdd.registry.cards import Card, Domain, RewardCard, Start, StartField

_TABLES = ("dice/tables.json",)

DOMAIN = Domain(
    "dice",
    __name__,
    models={"dice": Card(".model:dice")},
    rewards={
        "payout": RewardCard(".rewards:payout", weights=_TABLES, unit="coins", range="0 to 100", twin="payout-judge"),
        "payout-judge": RewardCard(".rewards:payout_judge", weights=_TABLES, unit="coins", range="0 to 100"),
    },
    starts=(Start(".model:with_first", (StartField("first", "Face of the first die.", "number"),)),),
    kit=".kit:KIT",
    files=("samples.dice",),
)
