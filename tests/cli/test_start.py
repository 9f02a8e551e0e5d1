"""`svdd --help` answers at once, and says everything."""

import subprocess
import sys
import time

import pytest

COMMANDS = ("run", "resume", "demo", "models", "rewards", "methods", "cite", "doctor")
PROGRAM = """
import sys
from svdd.cli.main import main
try:
    main({words!r})
finally:
    heavy = [name for name in ("torch", "pandas", "matplotlib", "numpy", "pydantic") if name in sys.modules]
    assert not heavy, heavy
"""


def started(*words):
    begun = time.perf_counter()
    program = [sys.executable, "-c", PROGRAM.format(words=list(words))]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done, time.perf_counter() - begun


def test_help_imports_nothing_heavy_and_answers_within_half_a_second():
    seconds = []
    for _ in range(5):  # the fastest of a few: the machine may be busy
        done, took = started("--help")
        assert done.returncode == 0, done.stderr
        assert all(command in done.stdout for command in COMMANDS)
        seconds.append(took)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(call, command):
    result = call(command, "--help")
    assert result.status == 0
    assert "Usage: svdd" in result.out


def test_version(call):
    import svdd

    assert call("--version").out.strip() == svdd.__version__


def test_no_command_shows_the_help(call):
    result = call()
    assert "doctor" in result.out + result.err
