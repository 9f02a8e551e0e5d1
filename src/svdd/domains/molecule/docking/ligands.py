"""Ligands: molecules made ready for docking, SMILES to a conformer to PDBQT.

The molecule is docked as it is written: no proton is moved, and where stereochemistry is left open one isomer is taken, always
the same.
"""

from typing import Any

NO_TYPE = "an atom that AutoDock has no type for"
_ATTEMPTS = 50  # at an embedding; of strained rings that cannot be, RDKit would try hundreds, for minutes
_STEPS = 1000  # of the force field; 200, its default, leave larger molecules unfinished


class Undockable(ValueError):
    """A molecule that cannot be docked; the message says why, in words that are the same for all of a kind."""


def conformer(smiles: str, seed: int) -> Any:
    """The molecule with its hydrogens in 3D: ETKDG, then the force field MMFF94, or UFF where that lacks an atom.

    Args:
        smiles: canonical, since the order of atoms decides the coordinates.
        seed: of the embedding.

    Raises:
        Undockable: if there is no conformer.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    with rdBase.BlockLogs():
        molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
        settings: Any = rdDistGeom.ETKDGv3()
        settings.randomSeed, settings.maxIterations = seed, _ATTEMPTS
        if rdDistGeom.EmbedMolecule(molecule, settings) < 0:
            settings.useRandomCoords = True
            if rdDistGeom.EmbedMolecule(molecule, settings) < 0:
                raise Undockable("no conformer in 3D")
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
            rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=_STEPS)
        elif rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
            rdForceFieldHelpers.UFFOptimizeMolecule(molecule, maxIters=_STEPS)
    return molecule


def ligand(smiles: str, seed: int = 0, max_torsions: int = 20) -> str:
    """A molecule as PDBQT with its rotatable bonds; rings stay as they are, macrocycles too.

    Args:
        smiles: canonical.
        seed: of the conformer.
        max_torsions: rotatable bonds that a molecule may have; the search is poor, and long, beyond about 20.

    Raises:
        Undockable: if there is no conformer, an atom that AutoDock has no type for, or too many rotatable bonds.
    """
    from meeko import MoleculePreparation, PDBQTWriterLegacy
    from rdkit import rdBase

    molecule = conformer(smiles, seed)
    try:
        with rdBase.BlockLogs():
            (setup,) = MoleculePreparation(rigid_macrocycles=True).prepare(molecule)
            text, written, _ = PDBQTWriterLegacy.write_string(setup)
    except (TypeError, ValueError) as error:  # of hydrogen alone, for example
        raise Undockable("Meeko cannot prepare it") from error
    if not written or not text:  # AutoDock would end the process
        raise Undockable(NO_TYPE)
    if text.count("\nBRANCH") > max_torsions:
        raise Undockable(f"more than {max_torsions} rotatable bonds")
    return str(text)


def posed(pdbqt: str) -> Any:
    """A docked ligand as an RDKit molecule with that conformer and all hydrogens; None if it cannot be rebuilt."""
    from meeko import PDBQTMolecule, RDKitMolCreate

    rebuilt = RDKitMolCreate.from_pdbqt_mol(PDBQTMolecule(pdbqt, is_dlg=False, skip_typing=True))
    return rebuilt[0] if rebuilt else None
