"""What the drawings of a report share: colours, markers, and names that are short; no package is needed for it."""

from typing import Any

BLUE, GREY = "#1f5fa8", "#6b7280"
COLOURS = (BLUE, "#c2410c", "#4d7c0f", "#7e22ce", GREY, "#0f766e", "#a16207", "#be185d")
MARKERS = "osD^vPX*"
LETTERS = 24
"""Of a name in a drawing; longer ones are cut."""


def brief(name: Any) -> str:
    """A name as drawings show it, on one line and not too long."""
    text = " ".join(str(name).split())
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
