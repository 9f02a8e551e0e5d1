"""The designs: a throw is text, a digit per die; a run writes them to a file of their own and reads them back."""

from dataclasses import dataclass, field

from svdd.chain import TextKind


@dataclass(frozen=True)
class DiceKind(TextKind):
    """Throws of so many dice."""

    count: int
    domain: str = field(default="dice", kw_only=True)
    decides = ("dice",)  # a value that was fitted for two dice is not for three

    symbols = 7  # six faces and the mask
    mask = 6

    def facts(self):
        """What run.json says of the kind; `Kit.kind` makes it from this again."""
        return {"domain": self.domain, "dice": self.count}

    def write(self, designs, ids, numbers, folder):
        rows = zip(ids, designs, numbers["reward"], strict=True)
        lines = [f"{name} {throw} {reward:g}\n" for name, throw, reward in rows]
        (folder / "samples.dice").write_text("".join(lines), encoding="utf-8")

    def read(self, table, folder):
        lines = (folder / "samples.dice").read_text(encoding="utf-8").splitlines()
        throws = {name: throw for name, throw, _ in map(str.split, lines)}
        return [throws[name] for name in table["id"]]
