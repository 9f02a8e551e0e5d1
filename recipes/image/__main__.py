"""Train the bundled model of photographs: `python -m recipes.image --data DIR --out DIR`."""

from recipes.image.recipe import RECIPE
from recipes.trainer import main

if __name__ == "__main__":
    main("image", {"image": RECIPE})
