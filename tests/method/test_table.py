"""What to cite."""

import re

import pytest

from svdd.method.table import METHODS, REFERENCES, citations


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_cited(method):
    found = citations(method)
    assert len(found) == len(METHODS[method].references)
    assert all(re.search(r"arXiv:\d{4}\.\d{5}$", text) for text in found)


def test_no_reference_is_left_over():
    assert {key for row in METHODS.values() for key in row.references} == set(REFERENCES)


def test_svdd_cites_its_paper():
    assert "2408.08252" in citations("svdd")[0]


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="unknown method 'svvd'; did you mean svdd"):
        citations("svvd")
