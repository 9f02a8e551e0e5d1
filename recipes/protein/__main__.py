"""Train a bundled model or reward of proteins: `python -m recipes.protein miniprotein --data FILE --out DIR`, or `ddg`."""

from recipes.protein import ddg
from recipes.protein.recipe import RECIPE
from recipes.trainer import main

if __name__ == "__main__":
    main("protein", {"miniprotein": RECIPE, "ddg": ddg.RECIPE})
