"""Proteins: a bundled model of miniproteins, sequences for given backbones, language models, and rewards."""

from svdd.registry.cards import Card, Domain, reward_cards

_KNOWN = {"packages": ("biopython",), "extra": "svdd[sequences]"}
_LOG_ODDS = {"unit": "nats", "range": "library about -6 to 4"}
_PROTPARAM, _HER2 = ".rewards.protparam", ".rewards.her2"
_BACKBONE = {"extra": "svdd[sequences]"}
_FOLDED = ".inverse_folding.rewards"
_DDG = {"unit": "kcal/mol", "range": "0 for the native sequence, mostly -4 to 1 per change", **_BACKBONE}
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
        **reward_cards(_PROTPARAM, "isoelectric-point", unit="pH", range="4.05 to 12", **_KNOWN),
        **reward_cards(_PROTPARAM, "net-charge", unit="e", **_KNOWN),
        **reward_cards(_PROTPARAM, "gravy", range="-4.5 to 4.5", **_KNOWN),
        **reward_cards(_PROTPARAM, "aromaticity", range="0 to 1", **_KNOWN),
        **reward_cards(_PROTPARAM, "instability", range="stable from -40", **_KNOWN),
        **reward_cards(".rewards.liabilities", "liabilities", unit="count", range="at most 0"),
        **reward_cards(
            _HER2, "her2-binding", weights=("her2-binding/guide.safetensors",), twin="her2-binding-judge", **_LOG_ODDS
        ),
        **reward_cards(_HER2, "her2-binding-judge", weights=("her2-binding/judge.safetensors",), **_LOG_ODDS),
        **reward_cards(
            _FOLDED,
            "ddg",
            weights=("ddg/guide.safetensors", "proteinmpnn/v_48_020.safetensors"),
            twin="ddg-judge",
            alike=("path", "chains", "design", "tied"),
            **_DDG,
        ),
        **reward_cards(_FOLDED, "ddg-judge", weights=("ddg/judge.safetensors",), **_DDG),
        **reward_cards(
            _FOLDED,
            "proteinmpnn-likelihood",
            weights=("proteinmpnn/v_48_020.safetensors",),
            unit="nats per residue",
            range="native sequences about -2 to -1",
            **_BACKBONE,
        ),
        **reward_cards(_FOLDED, "native-recovery", range="0 to 1", **_BACKBONE),
    },
    reward_schemes={
        "esmfold": Card(".folding.esmfold:esmfold", "svdd[folding]"),
        **{
            name: Card(f"{_FOLDED}:{name.replace('-', '_')}", "svdd[sequences]")
            for name in ("ddg", "ddg-judge", "proteinmpnn-likelihood", "native-recovery")
        },
    },
    networks={"SubstitutionEnsemble": ".inverse_folding.substitutions:SubstitutionEnsemble"},
    kit=".kit:KIT",
    letters="ACDEFGHIKLMNPQRSTVWY",
    files=("samples.fasta", "structures.pdb", "folded.pdb"),
)
