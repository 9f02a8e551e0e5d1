"""Train the bundled model of molecules: `python -m recipes.molecule --data DIR --out DIR`."""

from recipes.molecule.recipe import RECIPE
from recipes.trainer import main

if __name__ == "__main__":
    main("molecule", {"molecule": RECIPE})
