"""What docs/cost.md tells of `benchmarks/results/speed.json`."""

import json

from page_tables import markdown

from svdd.messages import number

SHARES, GAINS = ("network rows / plain", "reward rows / plain"), ("ratio", "ratio, memory kept")
SETTING = ["model, reward", "T", "B", "M"]


class Speed:
    """The parts of a run of `benchmarks/speed.py`.

    Args:
        path: of its file.

    Raises:
        ValueError: for a run of tiny sizes.
    """

    def __init__(self, path):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["setting"]["fast"]:
            raise ValueError(f"{path} is of tiny sizes (--fast), whose numbers mean nothing; measure it without --fast")
        self.parts = found["parts"]

    def of(self, kind):
        """The parts of a kind."""
        return [part for part in self.parts.values() if part["kind"] == kind]

    def facts(self):
        """What the section is made of."""
        (images,), (molecule,), (memory,) = (self.of(kind) for kind in ("images", "molecules", "memory"))
        return {"speed": self, "most": self.most_faults(), "images": images, "molecule": molecule, "memory": memory}

    def sequences(self):
        """Ours beside the plain loop."""
        rows = []
        for part in self.of("sequences"):
            seconds = [number(part[name]) for name in ("plain seconds", "seconds")]
            shares, gains = ([f"{part[name]:.2f}" for name in names] for names in (SHARES, GAINS))
            rows.append([*_setting(part), *shares, *seconds, *gains])
        return markdown([*SETTING, *SHARES, "plain, s", "ours, s", "plain / ours", "memory kept"], rows)

    def own(self):
        """The loop itself."""
        rows = [[*_setting(part), number(part["seconds"]), f"{part['share']:.1%}"] for part in self.of("own")]
        return markdown([*SETTING, "seconds", "own share"], rows)

    def most_faults(self):
        """Page faults of the sides, where the plain loop has most of them."""
        part = max(self.of("sequences"), key=lambda part: part["plain page faults"])
        return {"title": part["title"], "plain": number(part["plain page faults"]), "ours": number(part["page faults"])}

    def scaled(self):
        """Numbers of steps, and how many of them the plain loop took, where it took a part."""
        pairs = [(part["sizes"]["steps"], part["plain steps"]) for part in self.of("sequences")]
        return [pair for pair in pairs if pair[0] != pair[1]]


def _setting(part):
    sizes = part["sizes"]
    return [f"{sizes['model']}, {sizes['reward']}", *(str(sizes[name]) for name in ("steps", "chains", "candidates"))]
