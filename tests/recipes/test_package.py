"""Recipes are no part of the package: nothing in it imports them, and the wheel leaves them out."""

import ast
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_the_package_imports_no_recipe():
    modules = list((ROOT / "src").rglob("*.py"))
    assert not [path for path in modules if "recipes" in imported(path)]
    assert "svdd" in set.union(*map(imported, modules))


def test_the_wheel_has_no_recipe_and_the_source_distribution_has_them(tmp_path):
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(wheel).namelist()
    assert "svdd/__init__.py" in names
    assert not [name for name in names if "recipes" in Path(name).parts]
    included = {file.relative_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert "recipes/dna/data.py" in included
