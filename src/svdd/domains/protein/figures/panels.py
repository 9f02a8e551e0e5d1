"""What a report shows of structures: what designs change of their backbone, and how sure a network is of how they fold."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from svdd.decoding.result import Result
from svdd.domains.protein.figures.drawings import Panel, structure_drawing
from svdd.domains.protein.figures.traces import Trace, trace_of
from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone
from svdd.domains.protein.inverse_folding.designs import best_rows, placed
from svdd.domains.protein.structures import Structures
from svdd.messages import number
from svdd.report.looks import brief
from svdd.report.viewer import Scene, node, structure

NATIVE, OTHER = "#b8c0ca", "#d9480f"
"""Colours of residues with the letter of the structure, and with another one."""
CONFIDENCE = {90.0: "#0053d6", 70.0: "#65cbf3", 50.0: "#ffdb13", -inf: "#ff7d45"}
"""Colours of pLDDT from a number on, as the AlphaFold database has them."""
DRAWN = 3
"""Predicted structures in a picture."""
Colours = Callable[[Iterable[float]], list[str]]
"""From what a structure says of its residues to a colour of each."""
_BANDS = dict(zip(("pLDDT from 90", "from 70", "from 50", "below"), CONFIDENCE.values(), strict=True))


def change_drawing(backbone: DesignedBackbone, result: Result) -> str | None:
    """What the best design changes of its backbone, and in what share of the designs each residue is changed, as SVG.

    Args:
        backbone: the backbone.
        result: designs for it.

    Returns:
        None if no design is valid.
    """
    rows = best_rows(result.samples, result.rewards.tolist(), len(result))
    if not rows:
        return None
    best = trace_of(placed(backbone, result.samples[rows[0]]))
    every = [backbone.changed(result.samples[row]) for row in rows]
    shares = [sum(of_site) / len(rows) for of_site in zip(*every, strict=True)]
    panels = [
        Panel(titled(result.ids[rows[0]], result.rewards[rows[0]]), best, _between(best.numbers)),
        Panel(f"{len(rows)} different designs", best, _between(shares)),
    ]
    half = {"another letter in half of the designs": _between([0.5])[0]}
    return structure_drawing(panels, {"native letter": NATIVE, **half, "another letter": OTHER})


def folded_drawing(folded: Structures) -> str:
    """The best designs as they are predicted to fold, coloured by pLDDT, as SVG."""
    shown = [(title, trace_of(text)) for title, text in _titled(folded)][:DRAWN]
    panels = [Panel(title, trace, _sure(trace.numbers)) for title, trace in shown]
    return structure_drawing(panels, _BANDS)


def structure_scene(on_backbone: Structures, folded: Structures | None) -> Scene:
    """Structures to be turned, one at a time.

    Args:
        on_backbone: designs on their backbone, coloured by what they change.
        folded: predicted structures, coloured by pLDDT.
    """
    coloured: list[tuple[str, str, Colours]] = [(title, text, _between) for title, text in _titled(on_backbone)]
    coloured += [(f"{title}, predicted", text, _sure) for title, text in (_titled(folded) if folded else ())]
    choices = [(title, [_cartoon(row, trace_of(text), colours)]) for row, (title, text, colours) in enumerate(coloured)]
    return Scene("Structures in three dimensions", [text for _, text, _ in coloured], choices)


def _titled(structures: Structures) -> Iterable[tuple[str, str]]:
    titles = map(titled, structures.ids, structures.numbers["reward"])
    return zip(titles, structures.pdb, strict=True)


def titled(name: str, reward: Any) -> str:
    """A design as panels and buttons name it."""
    return f"{brief(name)}, reward {number(float(reward))}"


def _between(shares: Iterable[float]) -> list[str]:
    """Colours from that of native letters at 0 to that of others at 1."""
    ends = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (NATIVE, OTHER)]
    mixed = [[round(a + (b - a) * float(share)) for a, b in zip(*ends, strict=True)] for share in shares]
    return ["#{:02x}{:02x}{:02x}".format(*parts) for parts in mixed]


def _sure(numbers: Iterable[float]) -> list[str]:
    return [next(colour for least, colour in CONFIDENCE.items() if one >= least) for one in numbers]


def _cartoon(text: int, trace: Trace, colours: Colours) -> dict[str, Any]:
    """A structure whose residues are coloured by their numbers."""
    painted = defaultdict(list)
    for colour, label in zip(colours(trace.numbers), trace.labels, strict=True):
        painted[colour].append(label)
    looks = [node("color", {"selector": labels, "color": colour}) for colour, labels in painted.items()]
    return structure(text, node("representation", {"type": "cartoon"}, looks))
