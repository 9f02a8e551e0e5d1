"""Imports: what loads what, which way dependencies point, and what a first user sees."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import svdd
from svdd import registry

ROOT = Path(svdd.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
NAMES = {path: path.relative_to(ROOT).with_suffix("").as_posix() for path in MODULES}

# from the ground up: a room may import from itself and from the rooms before it
ROOMS = [
    "messages",
    "exits",
    "first_bytes",
    "user_files",
    "user_texts",
    "chain",
    "cost",
    "scoring",
    "registry",
    "method",
    "decoding",
    "rewards",
    "networks",
    "metrics",
    "fitting",
    "clusters",
    "report",
    "domains",
    "runs",
    "cli",
]
RESOLVED = {
    "decoding/decoding": {"report.progress:following"},
    "decoding/result": {
        "report.html:named_extra",
        "report.html:write_report",
        "report.notebook:as_html",
        "report.plots:reward_figure",
    },
    "fitting/fit": {"report.progress:shown"},
    "registry/names": {"rewards.commands:command", "rewards.endpoints:endpoint"},
}
"""Strings that point up the list, by module: what `registry.resolve` finds only when it is used. The registry names domains."""
LIGHT = [
    "messages",
    "exits",
    "first_bytes",
    "user_files",
    "user_texts",
    "registry/names",
    "scoring/reward",
    "scoring/answers",
    "scoring/signatures",
    "method/advice",
    "method/table",
    "rewards/in_worker",
    "runs/job",
]
"""Modules that a process which holds a reward imports: none of them brings torch."""
OTHERS_PRIVATE = {
    "_exit",  # os, documented
    "_replace",  # named tuples, documented
    "_compiled_call_impl",  # torch: whether a network is compiled in place
    "_foreach_lerp_",  # torch: one kernel for the running mean of all weights
    "_init_step_index",  # diffusers: schedulers of noise levels count their steps
    "_step_index",
}
"""Names of other packages that begin with an underscore: those that are not documented may only become fewer."""
HEAVY = {
    "pandas",
    "matplotlib",
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


def room(name):
    """The place of a module's room in the list; None for the package itself."""
    home = name.split("/")[0]
    assert home in (*ROOMS, "__init__", "__main__", "__version__"), f"{name} is in no room of this test"
    return ROOMS.index(home) if home in ROOMS else None


def upwards(path):
    """What a module imports from rooms above its own, inside functions too."""
    mine = room(NAMES[path])
    names = (name.removeprefix("svdd.") for name in imports(parsed(path), top_only=False) if name.startswith("svdd."))
    return {name for name in names if mine is not None and (room(name.replace(".", "/")) or 0) > mine}


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
@pytest.mark.parametrize("name", LIGHT)
def test_what_only_holds_a_reward_needs_no_torch(name):
    code = (
        f"import sys, svdd.{name.replace('/', '.')}; print(sorted({{'torch', 'numpy', 'pandas'}} & set(sys.modules)))"
    )
    assert fresh(code) == "[]"


def test_decoding_leaves_every_global_generator_alone():
    code = """
import random, sys, numpy, torch
sys.path.insert(0, 'tests')
from support.processes import masked, reward
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


def test_dependencies_point_down():
    found = {NAMES[path]: names for path in MODULES if (names := upwards(path))}
    assert found == {}


def test_the_strings_that_point_up_are_known():
    found = dict[str, set[str]]()
    for path in MODULES:
        name, texts = NAMES[path], [node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)]
        targets = {text for text in texts if isinstance(text, str) and re.fullmatch(r"svdd(\.\w+)+:\w+", text)}
        mine, up = room(name), {target.removeprefix("svdd.") for target in targets}
        up = {target for target in up if mine is not None and room(target.partition(":")[0].replace(".", "/")) > mine}
        found |= {name: up} if up and name != "registry" else {}
        for target in targets:
            assert registry.resolve(target) is not None
    assert found == RESOLVED


def test_no_circle_of_imports():
    modules = {f"svdd.{NAMES[path].replace('/', '.')}": path for path in MODULES}
    graph = {
        name: [target for target in imports(parsed(path), top_only=False) if target in modules and target != name]
        for name, path in modules.items()
    }
    assert first_circle(graph) == []


def test_a_circle_of_imports_is_found():
    assert first_circle({"a": ["b"], "b": ["c", "d"], "c": [], "d": ["b"]}) == ["b", "d", "b"]


def first_circle(graph):
    """A circle of names, none if there is none; a module that was left is in no circle."""
    left = set()

    def walk(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        circles = (walk(target, [*path, name]) for target in graph[name] if target not in left)
        found = next(filter(None, circles), [])
        left.add(name)
        return found

    return next(filter(None, (walk(name, []) for name in graph)), [])


@pytest.mark.parametrize("path", MODULES, ids=NAMES.get)
def test_optional_packages_are_imported_where_they_are_used(path):
    if "figures" in NAMES[path] or NAMES[path].split("/")[0] in ("report", "runs", "cli"):
        return  # what people start loads its parts when they are called
    found = {name.split(".")[0] for name in imports(parsed(path), top_only=True) if name}
    assert not found & HEAVY, f"{NAMES[path]} imports {found & HEAVY} when it is imported"


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=NAMES.get)
def test_no_module_draws_from_pythons_generator(path):
    assert "random" not in imports(parsed(path), top_only=False)


def private_names(tree):
    """Names with one underscore that are read or written, and those that are defined: functions, classes, fields."""
    accesses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    defined |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    defined |= {
        one.attr
        for one in accesses
        if isinstance(one.ctx, ast.Store) and isinstance(one.value, ast.Name) and one.value.id in ("self", "cls")
    }
    return {one.attr for one in accesses if one.attr.startswith("_") and not one.attr.endswith("__")}, defined


def test_private_attributes_of_other_packages_are_left_alone():
    names = [private_names(parsed(path)) for path in MODULES]
    read, defined = (set().union(*(pair[i] for pair in names)) for i in (0, 1))
    assert read - defined == OTHERS_PRIVATE


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


@pytest.mark.parametrize("stub", sorted(ROOT.rglob("*.pyi")), ids=lambda path: path.parent.name)
def test_a_room_exports_names_that_are_there_and_no_file_has_one_of_them(stub):
    package = importlib.import_module(".".join(["svdd", *stub.parent.relative_to(ROOT).parts]))
    files = {path.stem for path in stub.parent.glob("*.py")} | {
        path.name for path in stub.parent.iterdir() if path.is_dir()
    }
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name not in files - {"rewards"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No svdd attribute decod"):
        svdd.decod  # noqa: B018
