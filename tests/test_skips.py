"""Runs of pytest in which only listed skips are allowed."""

import textwrap

import pytest

pytestmark = pytest.mark.slow

pytest_plugins = "pytester"

CONFTEST = """
import sys
sys.path.insert(0, {tests!r})
from support.skips import OnlyAllowedSkips

def pytest_configure(config):
    config.pluginmanager.register(OnlyAllowedSkips({allowed!r}))
"""
SKIPPING = """
import pytest

def test_that_runs():
    pass

@pytest.mark.parametrize("size", ["a", "b@c"])
@pytest.mark.skipif(True, reason="no telescope")
def test_of_stars(size):
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_known_to_fail():
    assert False
"""
WITHOUT_A_PACKAGE = """
import pytest
pytest.importorskip("no_such_package")

def test_never_runs():
    pass
"""
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "1", "--dist", "loadgroup")], ids=["alone", "workers"])


@pytest.fixture
def run(pytester, pytestconfig, monkeypatch):
    """Runs tests in a process of their own, given the allowed skips and the text of each file."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most plugins are slow to import

    def run_pytest(allowed, *words, **files):
        tests = str(pytestconfig.rootpath / "tests")
        pytester.makeconftest(CONFTEST.format(tests=tests, allowed=allowed))
        for name, text in files.items():
            path = pytester.path / "deep" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return pytester.runpytest_subprocess("-q", "-p", "xdist", *words)

    return run_pytest


@WORKERS
def test_a_skip_that_is_not_allowed_fails_with_its_name_and_reason(run, workers):
    done = run({}, *workers, test_sky=SKIPPING)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=1, errors=2, xfailed=1)
    done.stdout.fnmatch_lines(
        ["test_sky::test_of_stars skips, which no entry of the allowed skips permits: no telescope"]
    )


@WORKERS
def test_an_allowed_skip_passes_and_is_listed_with_its_reason(run, workers):
    done = run({"test_sky::test_of_*": "telescopes are dear"}, *workers, test_sky=SKIPPING)
    assert done.ret == pytest.ExitCode.OK
    done.assert_outcomes(passed=1, skipped=2, xfailed=1)
    done.stdout.fnmatch_lines(["*allowed skips*", "2 of test_sky::test_of_[*]: telescopes are dear"])


@WORKERS
def test_a_module_that_skips_itself_fails_unless_it_is_allowed(run, workers):
    failed = run({}, *workers, test_absent=WITHOUT_A_PACKAGE)
    assert failed.ret not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    failed.stdout.fnmatch_lines(["test_absent skips, which no entry *: could not import 'no_such_package'*"])
    allowed = run({"test_absent": "it is dear"}, *workers, test_absent=WITHOUT_A_PACKAGE, test_sky="def test(): pass")
    assert allowed.ret == pytest.ExitCode.OK
    allowed.assert_outcomes(passed=1, skipped=1)


@WORKERS
def test_an_entry_that_names_no_test_fails_a_whole_run(run, workers):
    allowed = {"test_sky::test_of_stars": "telescopes are dear", "test_sky::test_of_moons": "they set"}
    whole = run(allowed, *workers, test_sky=SKIPPING)
    assert whole.ret == pytest.ExitCode.TESTS_FAILED
    whole.stdout.fnmatch_lines(["*FAILED: entries of the allowed skips*", "test_sky::test_of_moons: they set"])
    assert "test_sky::test_of_stars: telescopes" not in whole.stdout.str().partition("FAILED: entries")[2]


@pytest.mark.parametrize(
    "words", [("-k", "stars"), ("-m", "not slow"), ("deep/test_sky.py",)], ids=lambda words: words[0]
)
def test_a_part_of_the_tests_says_nothing_of_the_other_entries(run, words):
    done = run({"test_sky::test_of_stars": "dear", "test_moon::*": "they set"}, *words, test_sky=SKIPPING)
    assert done.ret == pytest.ExitCode.OK


def test_an_entry_of_a_test_that_does_not_skip_here_is_no_fault(run):
    assert run({"test_sky::test_that_runs": "dear", "test_sky::test_of_*": "dear"}, test_sky=SKIPPING).ret == 0
