"""What is measured and drawn: columns of tables, a chart and a gallery of the report."""

import numpy

from svdd.metrics import Column, Gallery, Kit, mean
from svdd.metrics.columns import COMPOSITION, DIVERSITY
from svdd.metrics.measures import distinct
from svdd.report.figures import embedded, figure
from svdd_dice.designs import DiceKind

SPOTS = {"1": [4], "2": [0, 8], "3": [0, 4, 8], "4": [0, 2, 6, 8], "5": [0, 2, 4, 6, 8], "6": [0, 2, 3, 5, 6, 8]}


def sixes(view):
    """The share of sixes; a statistic of a column is of every design, so that it has an interval."""
    return mean(numpy.array([throw.count("6") / len(throw) for throw in view.designs.sequences]))


class DiceKit(Kit):
    designs = "throws"
    columns = (
        Column("sixes", "share of sixes", COMPOSITION, sixes, axis=True),
        Column(
            "unique", "share of different throws", DIVERSITY,
            lambda view: distinct(view.designs, view.designs.sequences)[0], better="higher",
        ),
    )  # fmt: skip

    def kind(self, facts):
        return DiceKind(facts["dice"])

    def charts(self, result, baselines):
        thrown = "".join(result.samples)
        bars = [thrown.count(face) / len(thrown) for face in SPOTS]
        rows = [f'<rect y="{20 * i}" height="16" width="{300 * bar:.0f}" />' for i, bar in enumerate(bars)]
        return figure("Faces", "The share of each face, 1 at the top.", drawing("".join(rows), 300, 120))

    def gallery(self, result):
        best = result.best(6)
        pictures = [
            {"source": embedded(drawn(row.sample)), "alt": row.sample, "id": row.id, "text": row.sample,
             "numbers": {"reward": f"{row.reward:g}"}}
            for row in best.itertuples()
        ]  # fmt: skip
        return Gallery("Best throws", pictures)


def drawn(throw):
    """A throw as a picture."""
    spots = [(4 * die + spot % 3, spot // 3) for die, face in enumerate(throw) for spot in SPOTS[face]]
    dots = [f'<circle cx="{10 * x + 10}" cy="{10 * y + 10}" r="4" />' for x, y in spots]
    return drawing("".join(dots), 40 * len(throw), 40)


def drawing(shapes, width, height):
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{shapes}</svg>'


KIT = DiceKit()
