"""Designs on their backbone as text of PDB, for viewers and other programs."""

import string
from collections.abc import Iterable, Sequence

from svdd.domains.protein.inverse_folding.backbones import Backbone, numbered

RESIDUES = {
    **{"A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE", "K": "LYS"},
    **{"L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER", "T": "THR", "V": "VAL"},
    **{"W": "TRP", "Y": "TYR", "X": "UNK"},
}
"""Names of residues by letter; X is none of the twenty."""
_ATOMS = ("N", "CA", "C", "O")
_CHAINS = string.ascii_uppercase + string.ascii_lowercase + string.digits


def pdb_text(backbone: Backbone, letters: str, numbers: Sequence[float]) -> str:
    """N, CA, C and O of a backbone with the residues of a sequence, chain after chain, each with its TER.

    Chains whose names are longer than a letter, which the format has no place for, are called A, B, C.

    Args:
        backbone: where atoms stand, and how residues are numbered.
        letters: one per residue.
        numbers: one per residue, for the column of B factors, -99 to 999: 1 where it is changed, or a pLDDT.

    Raises:
        ValueError: for another number of letters or numbers than residues.
        KeyError: for a letter that is neither one of the twenty nor X.
    """
    for given, what in ((letters, "letters"), (numbers, "numbers")):
        if len(given) != len(backbone.native):
            raise ValueError(f"{backbone.name} has {len(backbone.native)} residues, but there are {len(given)} {what}")
    chain_of, places = backbone.chain.tolist(), backbone.atoms.tolist()
    short = all(len(name) == 1 for name in backbone.chains)
    names = backbone.chains if short else [_CHAINS[i % len(_CHAINS)] for i in range(len(backbone.chains))]
    lines: list[str] = []
    for residue, (letter, label) in enumerate(zip(letters, backbone.labels, strict=True)):
        where = f"{RESIDUES[letter]} {names[chain_of[residue]]}{_numbered(label)}"
        for atom, (x, y, z) in zip(_ATOMS, places[residue], strict=True):
            ends = f"{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{numbers[residue]:6.2f}{atom[0]:>12}"
            lines.append(f"ATOM  {_serial(lines)}  {atom:<3} {where}   {ends}")
        if chain_of[residue : residue + 2] != [chain_of[residue]] * 2:
            lines.append(f"TER   {_serial(lines)}      {where}")
    return "\n".join([*lines, ""])


def models_text(texts: Iterable[str], remarks: Iterable[str]) -> str:
    """Several structures as the models of one file, numbered from 1.

    Args:
        texts: of each, as `pdb_text` writes it.
        remarks: a line about each.
    """
    models = [
        f"MODEL     {number:4d}\nREMARK  99 {remark}\n{text}ENDMDL\n"
        for number, (text, remark) in enumerate(zip(texts, remarks, strict=True), 1)
    ]
    return "".join([*models, "END\n"])


def _serial(lines: list[str]) -> str:
    return f"{(len(lines) + 1) % 100000:5d}"


def _numbered(label: str) -> str:
    """The columns of a residue's number and its insertion code."""
    number, insertion = numbered(label)
    return f"{str(number)[-4:]:>4}{insertion or ' '}"
