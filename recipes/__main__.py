"""Write the bundled cards again, from their numbers and templates: `python -m recipes`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from recipes.cards import Card, render_card
from recipes.dna import recipe as dna
from recipes.image import recipe as image
from recipes.molecule import recipe as molecule
from recipes.protein import ddg, her2
from recipes.protein import recipe as protein
from recipes.rna import uniform, utr
from svdd.registry import bundled

__all__ = ["CARDS", "render_bundled"]

CARDS: Mapping[str, Card] = {
    "dna-enhancer": dna.RECIPE.card,
    "rna-utr": utr.RECIPE.card,
    "rna-utr-uniform": uniform.RECIPE.card,
    "miniprotein": protein.RECIPE.card,
    "her2-binding": her2.RECIPE.card,
    "ddg": ddg.RECIPE.card,
    "molecule": molecule.RECIPE.card,
    "image-small": image.RECIPE.card,
}
"""The cards of the bundled models."""


def render_bundled(name: str) -> str:
    """Return the card of a bundled model as its template and its numbers make it."""
    numbers = json.loads(bundled(name, "card.json").read_text(encoding="utf-8"))
    return render_card(CARDS[name].template, numbers)


if __name__ == "__main__":
    for name in CARDS:
        bundled(name, "card.md").write_text(render_bundled(name), encoding="utf-8")
