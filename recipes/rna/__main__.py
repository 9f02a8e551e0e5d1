"""Train a bundled model of 5'UTRs: `python -m recipes.rna utr --data DIR --out DIR`, or `uniform` in the place of `utr`."""

from recipes.rna import uniform, utr
from recipes.trainer import main

if __name__ == "__main__":
    main("rna", {"utr": utr.RECIPE, "uniform": uniform.RECIPE})
