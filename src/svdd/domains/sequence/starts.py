"""Ways to begin a run of sequences: from templates, with fixed letters, from sequences that are revised."""

from pathlib import Path

from svdd.chain.given import begun_with
from svdd.chain.process import Process
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.fasta import of_file, template
from svdd.domains.sequence.masked import from_sequences, infill
from svdd.messages import check


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


def revised(process: Process, start: str, noise: float | None = None) -> Process:
    """The process that begins with the designs of a file, or from sequences of which a share of the letters is designed again.

    Args:
        process: the model.
        start: FASTA of sequences; of other models a file of their designs, such as SMILES.
        noise: the share; without it chains begin with the designs themselves.

    Raises:
        ValueError: for another model, and designs that do not fit it.
    """
    if noise is None:
        return _given(process, Path(start))
    checked = _checked(process, "start")
    return of_file(start, lambda sequences: from_sequences(checked, sequences, noise))


def _given(process: Process, path: Path) -> Process:
    name = process.about.get("name", "this model")
    check(process.kind is not None, f"start is for models of known designs, and nothing is known of those of {name}")
    assert process.kind is not None, "it was checked"
    designs = process.kind.read_given(path)
    try:
        return begun_with(process, designs)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _checked(process: Process, setting: str) -> Process:
    if not isinstance(process.kind, SequenceKind) or not process.kind.masked:
        name = process.about.get("name", "this model")
        raise ValueError(f"{setting} is for sequence models with masks, which {name} is not")
    return process
