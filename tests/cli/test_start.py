"""`svdd --help` answers at once, and says everything."""

import resource
import subprocess
import sys

import pytest

COMMANDS = ("run", "resume", "demo", "models", "rewards", "methods", "cite", "doctor", "schema")
PROGRAM = """
import sys
from svdd.cli.main import main
try:
    main({words!r})
finally:
    heavy = [name for name in ("torch", "pandas", "matplotlib", "numpy", "pydantic") if name in sys.modules]
    assert not heavy, heavy
"""


def seconds_of_children():
    """Processor time: on a busy machine the wall clock tells of the others."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def started(*words):
    before = seconds_of_children()
    program = [sys.executable, "-c", PROGRAM.format(words=list(words))]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done, seconds_of_children() - before


@pytest.mark.slow
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


FLAGS = {
    "run": "model steps length model-option reward reward-option objective score workers reward-timeout reward-batch "
    "reward-memory command-folder on-failure cache budget method value force-value candidates particles width temperature "
    "replace ess potential prior-candidates every window block-length template fix start noise fragment samples seed batch "
    "chunk engine ray-workers ray-resources reward-resources save-seconds out force quiet json",
    "fit-value": "model reward reward-option out steps length model-option target temperature network network-option "
    "rollouts states children train-steps learning-rate forward-noise invalid held-out candidates seed cache chunk "
    "objective workers reward-timeout reward-batch reward-memory force quiet json",
}


@pytest.mark.parametrize("command", FLAGS)
def test_flags_keep_their_names(call, command):
    words = call(command, "--help").out.split()
    assert [name for name in FLAGS[command].split() if f"--{name}" not in words] == []
