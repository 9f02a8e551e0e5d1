"""Train the bundled model of miniproteins: `python -m recipes.protein --data FILE --out DIR`."""

from recipes.protein.recipe import RECIPE
from recipes.trainer import main

if __name__ == "__main__":
    main("protein", {"miniprotein": RECIPE})
