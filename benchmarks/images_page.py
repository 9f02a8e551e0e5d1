"""What docs/image-results.md says of the jobs of images."""

import numpy as np
import pandas as pd
from differences import VERDICTS, shown_only
from page_case import GREEDY, Case
from page_tables import markdown, shown
from results_figures import PRETRAINED

IMAGES = {
    "compressibility": "minus kB of the JPEG at quality 95",
    "class-score": "log-probability of the prompt's class, nats",
}
PICTURED = ("pretrained", "svdd-temperature-0")


class Images(Case):
    """What a page tells of a job of images."""

    def rewards_table(self):
        """Rewards."""
        names = ("reward_median", "reward_q90", "judge_median")
        rows = [[row["label"], str(row["size"]), *(shown(row, name) for name in names)] for row in self.rows]
        return markdown(["method", "M or N", "median", "best 10 %", "judge, median"], rows)

    def worth_table(self):
        """What else there is to say of the designs."""
        return self.columns({
            "diversity_per_prompt": "diversity in a prompt", "diversity": "diversity", "near_duplicates": "near-duplicates",
            "image_distance": "distance to photographs", "image_distance_floor": "its floor", "sharpness": "sharpness",
        })  # fmt: skip

    def costs_table(self):
        """What a design cost."""
        parts = {"network_rows": "network rows", "decode_rows": "decoded", "value_rows": "value rows"}
        return self.columns(parts | {"reward_rows": "reward rows", "seconds": "seconds"})

    def others(self):
        """Svdd against the other methods, by the mean of its reward."""
        mine = self.of[GREEDY]
        return [(unpaired(mine, row, "reward_mean"), label) for label, row in self.of.items() if label != GREEDY]

    def judged(self):
        """Svdd against the model itself, by the judge."""
        return unpaired(self.of[GREEDY], self.of[PRETRAINED], "judge_median")


def unpaired(one, other, name):
    """How two rows compare by their intervals, as if they shared nothing: no images were kept."""
    apart = one[name] - other[name]
    low = apart - np.hypot(one[name] - one[f"{name}_low"], other[f"{name}_high"] - other[name])
    high = apart + np.hypot(one[f"{name}_high"] - one[name], other[name] - other[f"{name}_low"])
    return VERDICTS[None if np.isnan(low) else int(low > 0) - int(high < 0)]


def images(results):
    """The jobs of images."""
    table = shown_only(pd.read_csv(results / "images.csv"))
    own = {name: table[table["case"] == name].dropna(axis=1, how="all") for name in dict.fromkeys(table["case"])}
    return [Images(name, IMAGES[name], rows) for name, rows in own.items()]
