"""Poses in three dimensions: Mol*, read from an installed package, inside the report, which still loads nothing.

The pictures of the poses stand by themselves; the viewer is added by the page's only script, once it is on the screen.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from svdd.domains.molecule.figures.poses import ELEMENTS, LIGAND
from svdd.domains.molecule.poses import Poses
from svdd.messages import number
from svdd.metrics.kit import Widget
from svdd.report.looks import brief

_GREY = "#c5cad1"
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


def viewer(poses: Poses) -> list[Widget]:
    """The viewer as a part of a page, none where the package is not installed.

    The viewer makes functions from text of its own, and reads what the script hands it: the page may do that and no more.

    Args:
        poses: the best designs in their receptor.
    """
    folder = _folder()
    if folder is None:
        return []
    from jinja2 import Environment

    code, style = ((folder / name).read_bytes() for name in _FILES)
    script = _ours("viewer.js")
    contents = {
        "script": script,
        "code": base64.b64encode(gzip.compress(code, mtime=0)).decode("ascii"),
        "style": style.decode("utf-8").replace("</", "<\\/"),
        "scene": json.dumps(_scene(poses)).replace("<", "\\u003c"),
        "titles": [
            f"{brief(name)}, reward {number(reward)}"
            for name, reward in zip(poses.ids, poses.numbers["reward"], strict=True)
        ],
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
    return files("svdd.domains.molecule.figures").joinpath(name).read_text(encoding="utf-8")


def _scene(poses: Poses) -> dict[str, Any]:
    """Texts, and for each pose what is to be seen of them (a MolViewSpec tree, whose addresses are numbers of texts)."""
    texts = [poses.pocket, *map(_pdb, poses.molecules)]
    around = [_shown(0, 0.35, _GREY)] if poses.pocket else []
    roots = [
        {"kind": "root", "children": [*around, _shown(row + 1, 1.0, LIGAND, focus=True)]} for row in range(len(poses))
    ]
    about = {"version": "1", "timestamp": "1970-01-01T00:00:00Z"}
    return {"texts": texts, "states": [{"metadata": about, "root": root} for root in roots]}


def _shown(text: int, size: float, colour: str, *, focus: bool = False) -> dict[str, Any]:
    """Sticks of a text's atoms, carbon in a colour and the others as chemists have them."""
    others = [({"type_symbol": symbol}, shade) for symbol, shade in ELEMENTS.items()]
    looks = [_node("color", {"selector": part, "color": shade}) for part, shade in [("all", colour), *others]]
    sticks = {"type": "ball_and_stick", "size_factor": size, "ignore_hydrogens": True}
    parts = [_node("representation", sticks, looks), *([_node("focus", {})] if focus else [])]
    structure = _node("structure", {"type": "model"}, [_node("component", {"selector": "all"}, parts)])
    return _node("download", {"url": f"text:{text}"}, [_node("parse", {"format": "pdb"}, [structure])])


def _node(kind: str, params: dict[str, Any], children: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {"kind": kind, "params": params} | ({"children": list(children)} if children else {})


def _pdb(molecule: Any) -> str:
    from rdkit import Chem

    return str(Chem.MolToPDBBlock(Chem.RemoveHs(molecule)))
