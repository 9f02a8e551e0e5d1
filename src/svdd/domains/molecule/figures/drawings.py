"""The molecules of a report: the best ones drawn, by RDKit alone."""

from typing import Any

from svdd.decoding.result import Result

SHOWN = 8
_WIDE, _HIGH, _BOND = 300, 220, 28


def best_drawn(result: Result) -> list[dict[str, Any]]:
    """The best different molecules, as pictures of a gallery."""
    from svdd.domains.molecule.files import best
    from svdd.messages import number
    from svdd.report.figures import embedded

    columns = {"reward": result.rewards} | result.scores
    ids = result.ids
    return [
        {
            "source": embedded(drawing(result.samples[row])),
            "alt": f"Structure of {result.samples[row]}",
            "id": ids[row],
            "text": result.samples[row],
            "code": True,
            "numbers": {name: number(float(column[row])) for name, column in columns.items()},
        }
        for row in best(result.samples, result.rewards.tolist(), SHOWN)
    ]


def drawing(smiles: str) -> str:
    """A molecule as SVG."""
    from rdkit.Chem.Draw import rdMolDraw2D

    from svdd.domains.molecule.chemistry import parsed

    canvas = rdMolDraw2D.MolDraw2DSVG(_WIDE, _HIGH)
    canvas.drawOptions().fixedBondLength = _BOND  # at most: small molecules stay small
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, parsed(smiles))
    canvas.FinishDrawing()
    return str(canvas.GetDrawingText())
