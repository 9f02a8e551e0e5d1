"""Train the bundled model of regulatory DNA: `python -m recipes.dna --data DIR --out DIR`."""

from recipes.dna.recipe import RECIPE
from recipes.trainer import main

if __name__ == "__main__":
    main("dna", {"enhancer": RECIPE})
