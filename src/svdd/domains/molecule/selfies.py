"""Molecules as tokens: a fixed vocabulary of SELFIES symbols, from SMILES and back.

Every string of SELFIES symbols is a molecule that obeys the valences, so a design can be unusual but not broken. Tokens
0 to V - 2 are symbols, V - 1 is the padding behind the last symbol, and V is the mask.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from svdd.domains.molecule.chemistry import parsed, read
from svdd.messages import module_of

SYMBOLS = (
    "[#Branch1]", "[#Branch2]", "[#C]", "[#N]", "[=Branch1]", "[=Branch2]", "[=C]", "[=N]", "[=O]",
    "[=Ring1]", "[=Ring2]", "[=S]", "[Br]", "[Branch1]", "[Branch2]", "[C]", "[Cl]", "[F]",
    "[NH1]", "[N]", "[O]", "[P]", "[Ring1]", "[Ring2]", "[S]",
)  # fmt: skip
"""The symbols that occur in the training molecules, sorted."""
PAD = len(SYMBOLS)
"""The token behind the end of a molecule."""
MASK = VOCABULARY = len(SYMBOLS) + 1
LONGEST = 48
"""Sites of a row of the model: fewer than 1 in 5000 of its training molecules have more symbols."""
_TOKENS = {symbol: token for token, symbol in enumerate(SYMBOLS)}


def selfies_package() -> Any:
    """The package, with the valences it comes with.

    Raises:
        ImportError: without the package.
        ValueError: if other valences were set, which would change what every token means.
    """
    selfies = module_of("molecules", "selfies", "molecules need selfies and rdkit")
    if selfies.get_semantic_constraints() != selfies.get_preset_constraints("default"):
        raise ValueError(
            "the valences of selfies were changed, and the model's tokens mean other molecules under them; "
            "call selfies.set_semantic_constraints('default')"
        )
    return selfies


def symbols_of(smiles: str) -> list[str]:
    """The SELFIES symbols of SMILES, atoms in the order they are written.

    Raises:
        ValueError: for text that SELFIES cannot write.
    """
    selfies = selfies_package()
    try:
        return list(selfies.split_selfies(selfies.encoder(smiles)))
    except selfies.EncoderError as error:
        raise ValueError(f"{smiles!r} cannot be written as SELFIES: {str(error).splitlines()[0]}") from error


def tokens_of(symbols: Sequence[str]) -> list[int]:
    """The tokens of symbols.

    Raises:
        ValueError: for a symbol outside of the vocabulary.
    """
    foreign = [symbol for symbol in symbols if symbol not in _TOKENS]
    if foreign:
        raise ValueError(
            f"the model does not know the SELFIES symbol {foreign[0]}; it knows neutral C, N, O, S, F, Cl and Br"
        )
    return [_TOKENS[symbol] for symbol in symbols]


def encode(molecules: Sequence[str]) -> Int64[Tensor, "n L"]:
    """Tokens of SMILES, padded to 48 sites; stereochemistry is left out.

    Raises:
        ValueError: for text that is no molecule, a foreign symbol, or a molecule of more than 48 symbols.
    """
    table = np.full((len(molecules), LONGEST), PAD, np.int64)
    for row, smiles in enumerate(molecules):
        symbols = symbols_of(canonical(smiles) or smiles)
        if len(symbols) > LONGEST:
            raise ValueError(f"{smiles} has {len(symbols)} symbols, and the model's longest molecules have {LONGEST}")
        table[row, : len(symbols)] = tokens_of(symbols)
    return torch.from_numpy(table)


def decode(tokens: Int64[Tensor, "n L"]) -> list[str]:
    """Canonical SMILES of tokens; masked sites and padding are left out, and what is no molecule is empty."""
    return [_canonical(bytes(row)) for row in tokens.cpu().numpy().astype(np.uint8)]


@lru_cache(maxsize=1 << 16)
def _canonical(row: bytes) -> str:
    molecule = molecule_of(shown(row))
    return "" if molecule is None else written(molecule)


def shown(row: Iterable[int]) -> tuple[str, ...]:
    """The symbols of a row, without masks and padding."""
    return tuple(SYMBOLS[token] for token in row if token < PAD)


def molecule_of(symbols: Sequence[str]) -> Any:
    """The RDKit molecule of SELFIES symbols, None where there is none.

    An atom that its bonds and the hydrogens of its symbol leave unsaturated gets more hydrogens: [NH1], the pyrrole nitrogen
    of the training molecules, would be a radical at the end of a chain, and they have none.
    """
    selfies = selfies_package()
    try:
        molecule = read(selfies.decoder("".join(symbols)))
    except selfies.DecoderError:
        return None
    for atom in molecule.GetAtoms() if molecule is not None else ():
        if atom.GetNumRadicalElectrons():
            atom.SetNumRadicalElectrons(0)
            atom.SetNumExplicitHs(0)
            atom.SetNoImplicit(False)
            atom.UpdatePropertyCache()
    return molecule


def written(molecule: Any) -> str:
    """Canonical SMILES of an RDKit molecule, without stereochemistry."""
    from rdkit import Chem

    return str(Chem.MolToSmiles(molecule, isomericSmiles=False))


@lru_cache(maxsize=1 << 14)
def canonical(smiles: str) -> str:
    """Canonical SMILES without stereochemistry, empty for what is no molecule."""
    molecule = parsed(smiles)
    return "" if molecule is None else written(molecule)
