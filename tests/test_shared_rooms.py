"""No shared room names a domain: what a domain is and does is in its own folder, and the others look it up.

That a new domain touches no shared file is shown by tests/domains/test_plugin.py: a package of its own brings one.
"""

import ast
import re
from pathlib import Path

import pytest

import svdd
from svdd.cli.extras import PURPOSES
from svdd.registry import domains

ROOT = Path(svdd.__file__).parent
SHARED = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "domains")
WORDS = re.compile(r"makes_(images|molecules)|has_alphabet")
NAMES = {name for one in domains() for name in (one.name, f"{one.name}s")} | {"protein", "proteins"}
MODELS_AND_REWARDS = {name for one in domains() for kind in ("models", "rewards") for name in getattr(one, kind)}
EXTRAS = {"cli/extras.py": set(PURPOSES), "cli/demo.py": {"sequences"}}
"""Files that name extras of the package, some of which are called like a domain."""


def texts(tree):
    """The strings of a module that are no docstrings, each with its line."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def named(source, names):
    """Lines that have one of some names as a string, or ask what a model makes."""
    lines = [f"{line}: {text!r}" for line, text in texts(ast.parse(source)) if text in names]
    return lines + [
        f"{number}: {line.strip()}" for number, line in enumerate(source.splitlines(), 1) if WORDS.search(line)
    ]


def imported(source):
    """Modules of domains that are imported, inside functions too."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return [module for module in modules if module.startswith("svdd.domains")]


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_shared_room_names_a_domain(path):
    source, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    assert named(source, MODELS_AND_REWARDS | (NAMES - EXTRAS.get(name, set()))) == []
    assert imported(source) == []


@pytest.mark.parametrize(
    "source",
    [
        'kind = "dna"',
        "if domain == 'molecules': pass",
        "if process.has_alphabet: pass",
        'def f(model="image-small"): pass',
        "def f():\n    return {'hepg2': 1}",
    ],
)
def test_a_name_is_found(source):
    assert named(source, NAMES | MODELS_AND_REWARDS)


def test_docstrings_and_longer_texts_are_no_names():
    assert named('"""image"""\nx = "an image of a cat"', NAMES) == []
    assert imported("def f():\n    from svdd.domains.dna import kit") == ["svdd.domains.dna"]
