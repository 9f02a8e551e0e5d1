"""Train what is bundled of proteins: `python -m recipes.protein miniprotein --data FILE --out DIR`, or `her2` or `ddg`."""

from recipes.protein import ddg, her2, recipe
from recipes.trainer import main

if __name__ == "__main__":
    main("protein", {"miniprotein": recipe.RECIPE, "her2": her2.RECIPE, "ddg": ddg.RECIPE})
