"""Proteins: a bundled model of miniproteins, rewards of their stability, and sequences for given backbones."""

from svdd.registry.cards import Card, Domain, reward_cards

_STABILITY = {"unit": "log10 of an EC50 ratio", "range": "-1 to 2.5, stable from 1"}

DOMAIN = Domain(
    "protein",
    __name__,
    models={
        "miniprotein": Card(".model:miniprotein"),
        "proteinmpnn": Card(".inverse_folding.model:proteinmpnn", "svdd[sequences]"),
    },
    checkpoints={
        "proteinmpnn": Card(".inverse_folding.model:proteinmpnn", "svdd[sequences]"),
        "esm": Card(".language.esm:esm"),
        "dplm": Card(".language.esm:dplm"),
        "evodiff": Card(".language.evodiff:evodiff"),
        "sapiens": Card(".language.sapiens:sapiens"),
    },
    rewards={
        **reward_cards(
            ".rewards.stability",
            "miniprotein-stability",
            weights=("miniprotein/stability-guide.safetensors",),
            twin="miniprotein-stability-judge",
            **_STABILITY,
        ),
        **reward_cards(
            ".rewards.stability",
            "miniprotein-stability-judge",
            weights=("miniprotein/stability-judge.safetensors",),
            **_STABILITY,
        ),
    },
    kit=".kit:KIT",
    letters="ACDEFGHIKLMNPQRSTVWY",
    files=("samples.fasta", "structures.pdb", "folded.pdb"),
)
