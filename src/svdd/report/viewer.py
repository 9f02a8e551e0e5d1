"""Structures in three dimensions: Mol*, read from an installed package, inside the report, which still loads nothing.

The pictures of a page stand by themselves; the viewer is added by the page's only script, once it is on the screen.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from svdd.metrics.kit import Widget

_PACKAGE, _FILES = "ipymolstar", ("molviewspec.js", "molviewspec.css")


def has_viewer() -> bool:
    """Whether the package that the viewer is read from is installed."""
    return _folder() is not None


def _folder() -> Path | None:
    """Where its files are; the package, which is for notebooks, is not imported."""
    found = find_spec(_PACKAGE)
    places = found.submodule_search_locations if found else None
    folder = Path(places[0]) / "static" if places else None
    return folder if folder and all((folder / name).is_file() for name in _FILES) else None


@dataclass(frozen=True)
class Scene:
    """What can be seen, one choice at a time.

    Args:
        heading: above the viewer.
        texts: structures as text of PDB.
        choices: the words on a button, and the trees of MolViewSpec that it shows.
    """

    heading: str
    texts: Sequence[str]
    choices: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]


def node(kind: str, params: Mapping[str, Any], children: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A part of a tree of MolViewSpec."""
    return {"kind": kind, "params": params} | ({"children": list(children)} if children else {})


def structure(text: int, *parts: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of a structure.

    Args:
        text: the number of its text in the scene.
        parts: how its atoms are shown.
    """
    shown = node("structure", {"type": "model"}, [node("component", {"selector": "all"}, parts)])
    return node("download", {"url": f"text:{text}"}, [node("parse", {"format": "pdb"}, [shown])])


def viewer(scene: Scene) -> list[Widget]:
    """The viewer as a part of a page, none where the package is not installed.

    The viewer makes functions from text of its own, and reads what the script hands it: the page may do that and no more.
    """
    folder = _folder()
    if folder is None:
        return []
    from jinja2 import Environment

    code, style = ((folder / name).read_bytes() for name in _FILES)
    script = _ours("viewer.js")
    contents = {
        "heading": scene.heading,
        "script": script,
        "code": base64.b64encode(gzip.compress(code, mtime=0)).decode("ascii"),
        "style": style.decode("utf-8").replace("</", "<\\/"),
        "scene": json.dumps(_told(scene)).replace("<", "\\u003c"),
        "titles": [title for title, _ in scene.choices],
    }
    known = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rules = {
        "script-src": f"'sha256-{known}' blob: 'unsafe-eval'",
        "connect-src": "data: blob:",
        "img-src": "data: blob:",
    }
    markup = Environment(autoescape=True, trim_blocks=True).from_string(_ours("viewer.html.j2")).make_module(contents)
    return [Widget(str(markup.head()), str(markup.body()), str(markup.foot()), rules)]  # type: ignore[attr-defined]


def _ours(name: str) -> str:
    """A file beside this one."""
    return files("svdd.report").joinpath(name).read_text(encoding="utf-8")


def _told(scene: Scene) -> dict[str, Any]:
    """What the script is told: the texts, and a state of MolViewSpec for each choice, whose addresses are numbers of texts."""
    about = {"version": "1", "timestamp": "1970-01-01T00:00:00Z"}
    roots = [{"kind": "root", "children": list(trees)} for _, trees in scene.choices]
    return {"texts": list(scene.texts), "states": [{"metadata": about, "root": root} for root in roots]}
