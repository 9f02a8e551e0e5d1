"""The pages of results say what the tables say."""

import importlib

import pytest

from support.places import DOCS, ROOT


@pytest.fixture(scope="module")
def made():
    """Every page as it is made now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module("make_page").pages(ROOT / "benchmarks" / "results")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["results.md", "protein-results.md", "molecule-results.md", "image-results.md", "stronger-results.md", "cost.md"],
)
def test_a_page_is_its_template_with_the_tables(made, name):
    assert made[name] == (DOCS / name).read_text(encoding="utf-8")
