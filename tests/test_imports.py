"""Imports: what loads what, which way dependencies point, and what a first user sees."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import svdd

ROOT = Path(svdd.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
NAMES = {path: path.relative_to(ROOT).with_suffix("").as_posix() for path in MODULES}

# a module may import from its own layer and from those above it in this table
LAYERS = [
    ["tree", "rng", "suggestions", "extras", "alphabets", "features", "invalid", "pending", "pixels", "captions"],
    ["distributions", "schedules", "denoisers", "transitions", "flows", "process"],  # the formalism
    ["overlap", "values", "selectors", "loop", "algorithms", "cite", "diagnostics"],  # the method
    [
        "answered",
        "accounting",
        "designs",
        "memo",
        "outcomes",
        "score_cache",
        "reward_identity",
        "best",
        "breakdown",
        "components",
        "terms",
        "budget",
        "billing",
        "named",
        "saving",
        "result",
        "decoding",
        "locate",
        "training",
        "fingerprint",
        "clusters",
        "logs",
    ],  # round it
    ["models", "rewards", "metrics", "pipelines"],  # domains
    ["fitting"],  # learns with the networks of models
    ["cli", "report", "recipes"],  # what people start
]
HEAVY = {
    "pandas",
    "matplotlib",
    "logomaker",
    "Bio",
    "rapidfuzz",
    "jinja2",
    "sklearn",
    "scipy",
    "pyjaspar",
    "RNA",
    "PIL",
    "accelerate",
    "diffusers",
    "greenlet",
    "skimage",
    "transformers",
    "rdkit",
}


def layer(name):
    home = name.split("/")[0]
    return next((number for number, names in enumerate(LAYERS) if home in names), None)


def imports(tree, top_only):
    """Names that a module imports; those under TYPE_CHECKING do not count."""
    pending, found = list(tree.body), []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" if node.module == "svdd" else node.module for alias in node.names]
        elif not (top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            pending += ast.iter_child_nodes(node)
    return found


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def fresh(code):
    """What a new interpreter prints, without the shape checks of the tests."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_svdd_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'pandas', 'jaxtyping', 'typer', 'pydantic', 'yaml', 'rich'}"
    assert fresh(f"import sys, svdd; print(sorted({heavy} & set(sys.modules)))") == "[]"
    assert fresh("import sys, svdd; dir(svdd); svdd.__version__; print('torch' in sys.modules)") == "False"


@pytest.mark.slow
def test_decoding_leaves_every_global_generator_alone():
    code = """
import random, sys, numpy, torch
sys.path.insert(0, 'tests')
from processes import masked, reward
from svdd import decode
def state(): return random.getstate(), torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist()
before = state()
decode(masked(), reward, method='nested-is', particles=3, candidates=2, samples=3, value='rollout')
print(before == state())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("path", MODULES, ids=NAMES.get)
def test_dependencies_point_one_way(path):
    mine = layer(NAMES[path])
    if NAMES[path] == "__init__":
        return
    assert mine is not None, f"{NAMES[path]} has no layer in this test"
    for name in imports(parsed(path), top_only=False):
        if name.startswith("svdd."):
            theirs = layer(name.removeprefix("svdd.").replace(".", "/"))
            assert theirs is None or theirs <= mine, f"{NAMES[path]} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=NAMES.get)
def test_optional_packages_are_imported_where_they_are_used(path):
    found = {name.split(".")[0] for name in imports(parsed(path), top_only=True) if name}
    if layer(NAMES[path]) in (None, len(LAYERS) - 1):  # what people start loads its parts when they are asked for
        return
    assert not found & HEAVY, f"{NAMES[path]} imports {found & HEAVY} when it is imported"


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=NAMES.get)
def test_no_module_draws_from_pythons_generator(path):
    if not NAMES[path].startswith("recipes"):
        assert "random" not in imports(parsed(path), top_only=False)


@pytest.mark.parametrize("path", MODULES, ids=NAMES.get)
def test_every_module_says_what_it_is(path):
    text = ast.get_docstring(parsed(path))
    assert text
    assert text.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", svdd.__all__)
def test_public_names_can_be_used_and_are_documented(name):
    thing = getattr(svdd, name)
    assert thing is not None
    if name != "METHODS":
        assert inspect.getdoc(thing)
    assert name in dir(svdd)


def test_the_names_for_type_checkers_are_the_names_there_are():
    tree = parsed(ROOT / "__init__.py")
    block = next(node for node in tree.body if isinstance(node, ast.If))
    listed = {(node.module, alias.name) for node in block.body for alias in node.names}
    homes = {(f"svdd.{home}", name) for name, home in svdd._HOME.items()}
    assert listed == homes | {("svdd", "rewards")}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'svdd' has no attribute 'decod'"):
        svdd.decod  # noqa: B018
