"""RNA: bundled models of 5'UTRs, folding, rewards and measures."""

from svdd.registry.cards import Card, Domain, reward_cards

_LOAD = {"unit": "ribosomes per mRNA", "range": "0 to 12"}
_FOLD = {"packages": ("viennarna",), "extra": "svdd[rna]"}

DOMAIN = Domain(
    "rna",
    __name__,
    models={
        "rna-utr": Card(".model:rna_utr", usual_value="filtered"),
        "rna-utr-uniform": Card(".model:rna_utr_uniform"),
    },
    rewards={
        **reward_cards(".rewards", "mrl", weights=("rna-utr/mrl-guide.safetensors",), twin="mrl-judge", **_LOAD),
        **reward_cards(".rewards", "mrl-judge", weights=("rna-utr/mrl-judge.safetensors",), **_LOAD),
        **reward_cards(
            ".rewards",
            "stability",
            weights=("rna-utr/stability.safetensors",),
            unit="standard deviations",
            range="about -3 to 3",
        ),
        **reward_cards(".rewards", "free-energy ensemble-energy", unit="kcal/mol", range="at most 0", **_FOLD),
        **reward_cards(".rewards", "unpaired", range="0 to 1", **_FOLD),
        **reward_cards(".rewards", "no-uaug", unit="count", range="at most 0"),
        **reward_cards(".rewards", "kozak", range="0 to 1"),
    },
    kit=".kit:KIT",
    letters="ACGU",
    files=("samples.fasta",),
)
