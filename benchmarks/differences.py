"""Which of two rows of a results table is higher: the bootstrap of their difference, from the designs that were kept."""

from functools import cache

import numpy as np
import pandas as pd

from svdd.domains.sequence.measures import diversity_of, word_correlation
from svdd.metrics.intervals import FEWEST, difference, mean, paired
from svdd.metrics.measures import Designs
from svdd.metrics.moments import FEWEST as FEWEST_FRECHET

FRECHET = ("fcd", "fcd_floor", "image_distance", "image_distance_floor")
VERDICTS = {1: "above", 0: "not shown to differ from", -1: "below", None: "not compared with"}


def shown_only(table):
    """A table without the intervals of fewer than 8 chains and without the Fréchet distances of fewer than 500 designs.

    Every design of these tables is of a chain of its own.
    """
    table = table.copy()
    bounds = [name for name in table if name.endswith(("_low", "_high"))]
    table.loc[table["designs"] < FEWEST, bounds] = np.nan
    table.loc[table["designs"] < FEWEST_FRECHET, [name for name in FRECHET if name in table]] = np.nan
    return table


def read_designs(path, keys):
    """The designs of every row of a table, by what names the row."""
    return by_row(pd.read_parquet(path), keys)


def by_row(frame, keys):
    """The same of a table that is read already."""
    text = "sequence" if "sequence" in frame else "sample"
    return {key: _designs(rows, text) for key, rows in frame.groupby(keys, sort=False)}


def _designs(frame, text):
    reward, judge, elbo = (
        frame[name].to_numpy(float) if name in frame else np.full(len(frame), np.nan)
        for name in ("reward", "judge", "elbo")
    )
    run, seeds = frame["seed"].factorize()
    return Designs(
        frame[text].tolist(), run.tolist(), frame["chain"].tolist(), reward, judge, elbo, seeds=tuple(map(int, seeds))
    )


class Differences:
    """Verdicts on the rows of a table.

    Args:
        designs: of each row, by its key.
        natural: counts of natural words of 3 letters, for the correlation with them.
        alphabet: of the sequences.
    """

    def __init__(self, designs, natural=(), alphabet=""):
        self.designs, self.natural, self.alphabet = designs, natural, alphabet
        self.between, self._statistic = cache(self._between), cache(self._found)

    def verdict(self, one, other, measure):
        """1 where the first row is higher, -1 where it is lower, 0 where that is within the noise, None for few chains."""
        _, low, high = self.between(one, other, measure)
        return None if np.isnan(low) else int(low > 0) - int(high < 0)

    def _between(self, one, other, measure):
        """How much higher the first row is, with the bounds of its interval; no bounds for few chains."""
        mine, theirs = self.designs[one], self.designs[other]
        first, second = self._statistic(one, measure), self._statistic(other, measure)
        pair = paired(mine.clusters, theirs.clusters)
        return difference(first, second, pair, centred=measure == "correlation_3mer")

    def _found(self, key, measure):
        designs = self.designs[key]
        if measure == "correlation_3mer":
            return word_correlation(designs.sequences, self.natural, 3, self.alphabet)
        if measure == "diversity":
            return diversity_of(designs)
        return mean(
            {"reward_mean": designs.reward, "judge_mean": designs.judge, "elbo_per_base": designs.elbo}[measure]
        )
