"""Code of users that ends its process, or goes on in one that it forked."""

import os
import subprocess
import sys

import pytest

from svdd.exits import EndedProgramError, exits_as_errors

FORKS = """
import os, sys

def score(designs):
    child = os.fork()
    if child == 0:
        {end}
    print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
    return [0.0] * len(designs)
"""
PROGRAM = """
import sys
import svdd
import reward

process = svdd.load("toy-masked")
svdd.decode(process, reward.score, samples=1, candidates=1, on_failure={"error": "invalid"}, progress=False)
print("done")
"""
THREAD = """
import threading
from svdd.exits import os_exit_raises

os_exit_raises()
import os

thread = threading.Thread(target=lambda: os._exit(0))
thread.start()
thread.join()
"""


@pytest.mark.parametrize("code", [0, None, 3, "no licence"])
def test_an_exit_is_an_error_that_names_its_status(code):
    with (
        pytest.raises(EndedProgramError, match=r"the reward ended the program \(exit status"),
        exits_as_errors("the reward"),
    ):
        sys.exit(code)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit('no licence')", 1),
        ("return [1.0] * len(designs)", 0),
        ("raise ValueError", 1),
        ("os._exit(7)", 7),
    ],
)
def test_a_process_that_a_reward_forks_does_not_go_on_with_the_run(end, status, tmp_path):
    (tmp_path / "reward.py").write_text(FORKS.format(end=end))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    words = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert f"status {status}\n" in done.stderr


def test_a_thread_that_ends_the_process_is_a_failure_and_said():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", THREAD], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, "a thread ended the program (os._exit(0))" in done.stderr) == (1, True)
