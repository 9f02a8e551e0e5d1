"""What sequences hand in to evaluations and reports; DNA, RNA and proteins add what is theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from svdd.chain.designs import DesignKind
from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.fasta import of_file
from svdd.domains.sequence.measures import LIKELIHOOD, VARIETY, WORDS_OF_NATURE, SequenceView, measured
from svdd.domains.sequence.references import ANY, WORDS, Reference, natural, of_model
from svdd.metrics.kit import Figure, Kit
from svdd.metrics.measures import Chunks, Designs
from svdd.scoring.reward import Reward


class SequenceKit(Kit):
    """Sequences of one length.

    Attributes:
        words: lengths of the words whose frequencies are compared.
        agree: what the logo shows.
        groups: by guiding reward, the group of natural sequences that it aims at, as the model's reference names it.
    """

    designs = "sequences"
    columns = (LIKELIHOOD, *WORDS_OF_NATURE, *VARIETY)
    view = SequenceView
    words: tuple[int, ...] = WORDS
    agree: str = "How much the designs agree at each site, 2 bits where all have the same base."
    groups: ClassVar[Mapping[str, str]] = {}

    def kind(self, facts: Mapping[str, Any]) -> DesignKind:
        """Of sequences, where the model says its letters."""
        return SequenceKind.of_facts(facts)

    def measured(
        self, result: Result, process: Process, judge: Reward | None, judged: str, chunks: Chunks | None = None
    ) -> Designs:
        """With the likelihood bound of a masked model."""
        return measured(result, process, judge, judged, chunks)

    def fits(self, process: Process, result: Result) -> bool:
        """Whether the sequences are as long."""
        return isinstance(process.kind, SequenceKind) and process.kind.length == len(result.samples[0])

    def reference(self, model: str, reward: str) -> Reference | None:
        """The statistics that came with the model, of the group that the reward aims at."""
        return of_model(model, self.groups.get(reward, ANY))

    def reference_of(self, path: Path, kind: DesignKind) -> Reference:
        """The sequences of a FASTA file.

        Raises:
            ValueError: for a foreign letter, and for another length than that of the designs.
        """
        assert isinstance(kind, SequenceKind), "the model makes sequences"
        tokens = of_file(path, kind.alphabet.encode)
        if tokens.shape[1] != kind.length:
            raise ValueError(f"{path} has sequences of {tokens.shape[1]} letters, but the designs have {kind.length}")
        return self.natural(path.name, kind.alphabet.decode(tokens), kind.alphabet.letters)

    def natural(self, name: str, sequences: list[str], letters: str) -> Reference:
        """A reference from natural sequences."""
        return natural(name, sequences, letters, self.words)

    def charts(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """The logo of the designs."""
        from svdd.report.figures import figure

        return figure("Sequence logo", self.agree, self.logo(result.samples), "broad")

    def logo(self, designs: list[str]) -> str | None:
        """The logo as SVG; None for designs of which none can be drawn."""
        from svdd.domains.sequence.figures import sequence_logo

        return sequence_logo(designs)


KIT = SequenceKit()
