"""DNA: a bundled enhancer model and its rewards."""

from svdd.registry.cards import Card, Domain, reward_cards

_LOG_ODDS = {"unit": "nats", "range": "natural sites -6 to 8"}

DOMAIN = Domain(
    "dna",
    __name__,
    models={"dna-enhancer": Card(".model:dna_enhancer", usual_value="filtered")},
    rewards={
        **reward_cards(
            ".rewards", "hepg2", weights=("dna-enhancer/hepg2-guide.safetensors",), twin="hepg2-judge", **_LOG_ODDS
        ),
        **reward_cards(".rewards", "hepg2-judge", weights=("dna-enhancer/hepg2-judge.safetensors",), **_LOG_ODDS),
    },
    kit=".kit:KIT",
    letters="ACGT",
    files=("samples.fasta",),
)
