"""Progress: a bar in a real terminal and in a notebook, nothing in a pipe, lines for the command line."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
from pathlib import Path

import pytest

import svdd
from support.processes import masked, reward
from svdd.decoding.decoding import Decoding
from svdd.report import progress

TESTS = Path(__file__).parents[1]
DECODE = "svdd.decode(masked(steps=6), slowly, samples=4, candidates=2{more})"
FIT = (
    "svdd.fit_value('dna-enhancer', 'gc-content', model_options={{'steps': 4, 'length': 24}}, rollouts=16, states=2, "
    "train_steps=2, batch=8, held_out=0, candidates=0{more})"
)


def script(call):
    """A program that makes one call of the library."""
    return textwrap.dedent(
        """
        import sys, time, warnings
        sys.path.insert(0, {tests!r})
        import svdd
        from support.processes import masked, reward
        from svdd.decoding import DegenerateProposalWarning
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DegenerateProposalWarning)

        def slowly(designs):
            time.sleep(0.12)  # a bar is drawn ten times per second
            return reward(designs)

        {call}
        """
    ).format(tests=str(TESTS), call=call)


def in_terminal(code):
    """What a program writes to stderr where that is a terminal of its own."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=follower, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            written += part
    os.close(leader)
    assert process.returncode == 0, written.decode()
    return written.decode()


def in_pipe(code):
    """What a program writes to stderr where that is a pipe."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("call", "title"), [(DECODE, "decoding"), (FIT, "rolling out")], ids=["decode", "fit_value"])
def test_a_terminal_gets_a_bar_a_pipe_nothing_and_progress_can_be_turned_off(call, title):
    shown = in_terminal(script(call.format(more="")))
    assert re.search(rf"{title}: +\d+%\|", shown)
    assert "network rows" in shown or call is FIT
    assert in_terminal(script(call.format(more=", progress=False"))) == ""
    assert in_pipe(script(call.format(more=""))) == ""


KERNEL = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().kernel = object()  # as the shell of a notebook has one
"""
NO_WIDGETS = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ipywidgets" else real(name, *rest)
"""


@pytest.mark.slow
@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_gets_a_bar_with_and_without_widgets_and_no_warning(widgets):
    pytest.importorskip("IPython")
    code = KERNEL + ("" if widgets else NO_WIDGETS) + script(DECODE.format(more=""))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if widgets:
        assert done.stdout.startswith("decoding: ")  # what a widget is as text
        assert done.stderr == ""
    else:
        assert done.stdout == ""
        assert re.search(r"decoding: +\d+%\|", done.stderr)
        assert "Warning" not in done.stderr


def test_a_loop_without_a_terminal_imports_nothing_of_reports():
    heavy = "{'rich', 'pandas', 'jinja2', 'matplotlib'}"
    code = script(DECODE.format(more="") + f"\nprint(sorted({heavy} & set(sys.modules)), file=sys.stderr)")
    assert in_pipe(code).strip() == "[]"


def test_lines_come_seldom_and_at_the_end(monkeypatch):
    now, said = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    tell = progress.lines(said.append)
    for done in range(1, 41):
        tell("decoding", done, 40, "best 2")
        now[0] += 1.0
    assert said == [
        "decoding: 17 of 40, best 2, 23 s left",
        "decoding: 33 of 40, best 2, 7 s left",
        "decoding: 40 of 40, best 2",
    ]


def test_a_function_is_told_itself():
    told = []
    with progress.shown(lambda *words: told.append(words)) as tell:
        tell("work", 1, 2)
    assert told == [("work", 1, 2)]


def test_a_run_knows_how_many_steps_it_has_taken():
    run = Decoding(masked(steps=4), reward, samples=4, candidates=2, batch=2)
    steps = iter(run)
    assert run.done == 0
    seen = [run.done for _ in steps]
    assert seen == list(range(1, len(run) + 1))
    assert run.done == len(run)


def test_what_is_printed_between_bars_is_on_a_line_of_its_own(capsys):
    with progress.bars() as tell:
        tell("work", 1, 3)
        with progress.between_bars():
            print("a note", file=sys.stderr)
        tell("work", 2, 3)
    assert re.search(r"\r +\ra note\n|\ra note\n", capsys.readouterr().err)


def test_decoding_shows_nothing_in_a_pipe(capfd):
    svdd.decode(masked(steps=4), reward, samples=16, candidates=4)
    assert capfd.readouterr().err == ""
