"""Molecules: the bundled model, GDSS, docking, properties, files, pictures."""

from typing import Any

from svdd.registry.cards import Card, Domain, RewardCard, Start, StartField, reward_cards

_KNOWN: dict[str, Any] = {"packages": ("rdkit",), "extra": "svdd[molecules]"}
_PROPERTIES, _FILTERS = ".rewards.properties", ".rewards.filters"

DOMAIN = Domain(
    "molecule",
    __name__,
    models={"molecule": Card(".model:molecule", "svdd[molecules]")},
    checkpoints={"gdss": Card(".gdss.process:gdss", "svdd[molecules]")},
    rewards={
        **reward_cards(_PROPERTIES, "qed sa", range="0 to 1", **_KNOWN),
        **reward_cards(_PROPERTIES, "logp", range="drugs about 0 to 5", **_KNOWN),
        **reward_cards(_PROPERTIES, "penalised-logp", range="ZINC about -5 to 4", **_KNOWN),
        **reward_cards(
            _PROPERTIES, "penalised-logp-zinc", unit="standard deviations", range="ZINC about -10 to 5", **_KNOWN
        ),
        "molecular-weight": RewardCard(f"{_PROPERTIES}:weight", unit="Da", range="drugs about 150 to 500", **_KNOWN),
        **reward_cards(_PROPERTIES, "tpsa", unit="square Angstrom", range="oral drugs up to 140", **_KNOWN),
        **reward_cards(_PROPERTIES, "rings", unit="count", range="at least 0", **_KNOWN),
        **reward_cards(_FILTERS, "similarity", range="0 to 1", **_KNOWN),
        **reward_cards(_FILTERS, "has-substructure lacks-substructure passes-filters", range="1 or 0", **_KNOWN),
    },
    reward_schemes={"docking": Card(".docking.reward:docking", "svdd[docking]")},
    starts=(
        Start(
            ".model:with_fragment",
            (StartField("fragment", "SMILES that designs hold and grow from, * where; two with one * to link."),),
            keeps=True,
        ),
    ),
    networks={"GraphRegressor": ".graph_regressor:GraphRegressor"},
    readers={"graph": ".graph_reader:READER"},
    kit=".kit:KIT",
    checks=".docking.checks:checks",
    files=("samples.sdf", "samples.png", "poses.sdf"),
)
