"""Sequences: what DNA, RNA and proteins share: alphabets, masked and uniform models, distances, motifs, FASTA, starts."""

from svdd.registry.cards import Card, Domain, Start, StartField, reward_cards

DOMAIN = Domain(
    "sequence",
    __name__,
    checkpoints={"mdlm": Card(".mdlm:mdlm")},
    rewards={
        **reward_cards(".rewards", "gc-content", range="-1 to 0"),
        **reward_cards(".ehrlich_functions", "ehrlich", range="0 to 1"),
    },
    starts=(
        Start(
            ".starts:from_template",
            (StartField("template", "FASTA of templates: letters stay, N (of proteins X) is designed.", "path"),),
            keeps=True,
        ),
        Start(
            ".starts:with_letters",
            (StartField("fix", "POSITION:LETTERS to keep, such as 90:TGAGTCA (1 is first); repeat.", "texts"),),
            keeps=True,
        ),
        Start(
            ".starts:revised",
            (
                StartField(
                    "start", "Designs to refine (method refine), or with --noise FASTA of sequences to revise.", "path"
                ),
                StartField("noise", "Share of letters to redesign with --start.", "number", needed=False),
            ),
        ),
    ),
    networks={"SequenceEnsemble": ".ensembles:SequenceEnsemble"},
    kit=".kit:KIT",
    files=("samples.fasta",),
)
