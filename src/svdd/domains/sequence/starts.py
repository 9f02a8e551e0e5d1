"""Ways to begin a run of sequences: from templates, with fixed letters, from sequences that are revised."""

from svdd.chain.process import Process
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.fasta import of_file, template
from svdd.domains.sequence.masked import from_sequences, infill


def from_template(process: Process, template: str) -> Process:
    """The process with the letters of the templates of a FASTA file.

    Raises:
        ValueError: for another model, and sequences that do not fit it.
    """
    checked = _checked(process, "template")
    return of_file(template, lambda templates: infill(checked, templates))


def with_letters(process: Process, fix: list[str]) -> Process:
    """The process with letters at given positions, `POSITION:LETTERS` each.

    Raises:
        ValueError: for another model, and letters that do not fit it.
    """
    kind = _checked(process, "fix").kind
    assert isinstance(kind, SequenceKind), "it was checked"
    return infill(process, [template(fix, kind.length, kind.alphabet.mask)])


def revised(process: Process, start: str, noise: float) -> Process:
    """The process that begins from the sequences of a FASTA file, of which a share of the letters is designed again.

    Raises:
        ValueError: for another model, and sequences that do not fit it.
    """
    checked = _checked(process, "start")
    return of_file(start, lambda sequences: from_sequences(checked, sequences, noise))


def _checked(process: Process, setting: str) -> Process:
    if not isinstance(process.kind, SequenceKind) or not process.kind.masked:
        name = process.about.get("name", "this model")
        raise ValueError(f"{setting} is for sequence models with masks, which {name} is not")
    return process
