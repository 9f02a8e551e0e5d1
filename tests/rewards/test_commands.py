"""External commands as rewards: real programs, real files, and what a user is told when they fail."""

import sys
import time
from pathlib import Path

import pytest

from svdd.registry import load_reward
from svdd.rewards.commands import CommandError, command
from svdd.rewards.worker_pool import workers
from svdd.scoring.reward import RewardError

PYTHON = sys.executable


@pytest.fixture
def program(tmp_path):
    """Writes a Python program and gives the command that runs it with more words."""

    def write(text, words=""):
        path = tmp_path / "my score.py"
        path.write_text("import csv, json, os, sys, time\n" + text)
        return f"cmd:{PYTHON} '{path}' {words}"

    return write


LENGTHS = "print(*[len(json.loads(line)['design']) for line in {}], sep='\\n', file={})"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (LENGTHS.format("sys.stdin", "None"), ""),
        (LENGTHS.format("open(sys.argv[1])", "None"), "{input}"),
        (LENGTHS.format("open(sys.argv[1])", "open(sys.argv[2], 'w')"), "{input} {output}"),
        (LENGTHS.format("sys.stdin", "open(sys.argv[1][2:], 'w')"), "o={output}"),
        ("for row in csv.DictReader(open(sys.argv[1])): print(len(row['design']))", "{input.csv}"),
        ("for line in open(sys.argv[1]): print(len(line.rstrip()))", "{input.txt}"),
    ],
    ids=["streams", "file in", "files", "file out", "csv", "plain"],
)
def test_designs_go_out_and_scores_come_back(program, code, words):
    reward = load_reward(program(code, words))
    assert reward(["A", 'C,"C', "GGGG"]) == [1, 4, 4]
    assert reward(["AAAAA"]) == [5]


def test_ids_count_and_other_designs_are_json(program):
    code = "for line in sys.stdin:\n    one = json.loads(line)\n    print(one['id'] + sum(one['design']))"
    assert load_reward(program(code))([(1, 2), (3, 4)]) == [3, 8]


@pytest.mark.parametrize(
    ("words", "word"),
    [("cat {input} | wc -l", "|"), ("cd /tmp && ls", "cd"), ("$HOME/score.py {input}", "$HOME/score.py")],
)
def test_what_only_a_shell_reads_is_named_where_a_program_fails(words, word):
    with pytest.raises(CommandError) as failed:
        command(words)(["A"])
    assert f"no shell runs it, which {word!r} needs: write cmd:sh -c '...'" in str(failed.value)


def test_a_home_in_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    script = tmp_path / "score.sh"
    script.write_text('#!/bin/sh\ntest -f "$1" && echo 7\n')
    script.chmod(0o755)
    assert command("~/score.sh ~/score.sh")(["A"]) == [7]


def test_no_shell_reads_the_command(tmp_path):
    reward = command(f"{PYTHON} -c 'import sys; print(len(sys.argv[1]))' '$HOME; touch {tmp_path}/x'")
    assert reward(["A"]) == [len(f"$HOME; touch {tmp_path}/x")]
    assert not (tmp_path / "x").exists()


def test_invalid_designs(program):
    assert load_reward(program("print('-inf'); print('1e3')"))(["A", "B"]) == [float("-inf"), 1000]


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (
            "sys.stderr.write('loading\\nno licence\\n'); sys.exit(3)",
            CommandError,
            "ended with status 3; it said: no licence",
        ),
        ("os.abort()", CommandError, "ended with signal SIGABRT"),
        (
            "print(1); print('half done', file=sys.stderr)",
            RewardError,
            "must write 2 scores, one a line, but wrote 1 lines; it said: half done",
        ),
        ("print(1); print(2); print(3)", RewardError, "must write 2 scores, one a line, but wrote 3 lines"),
        ("print(1); print('good')", RewardError, "wrote 'good' in line 2, where a score was due"),
    ],
)
def test_what_goes_wrong_is_one_sentence(program, code, error, said):
    with pytest.raises(error, match=said) as raised:
        load_reward(program(code))(["A", "B"])
    assert "\n" not in str(raised.value)


def test_an_output_that_was_not_written(program):
    with pytest.raises(CommandError, match=r"wrote no file of scores, \{output\}; it said: full"):
        load_reward(program("print('full', file=sys.stderr)", "{output}"))(["A"])


def test_commands_that_cannot_be(tmp_path):
    with pytest.raises(CommandError, match=r"there is no command './nowhere.sh'"):
        command("./nowhere.sh")(["A"])
    (tmp_path / "script.sh").write_text("echo 1")
    with pytest.raises(CommandError, match=r"script.sh may not be executed: chmod \+x"):
        command(str(tmp_path / "script.sh"))(["A"])
    with pytest.raises(ValueError, match="cannot be split into words: No closing quotation"):
        load_reward("cmd:score 'x")
    with pytest.raises(ValueError, match="cmd: needs a command"):
        load_reward("cmd:")
    with pytest.raises(ValueError, match="timeout must be positive, got -1 s"):
        load_reward("cmd:true", timeout=-1)
    with pytest.raises(ValueError, match="unknown option of cmd 'tiemout'; did you mean timeout"):
        load_reward("cmd:true", tiemout=1)


@pytest.mark.slow
def test_a_command_that_takes_too_long_ends_with_what_it_started(program, tmp_path):
    code = f"""
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
time.sleep(60)
"""
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"did not end within 1.5 s"):
        load_reward(program(code), timeout=1.5)(["A"])
    assert time.monotonic() - started < 10
    stat = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    time.sleep(0.2)
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
def test_a_command_in_workers(program):
    with workers(program(LENGTHS.format("sys.stdin", "None")), 1, batch=2, timeout=20) as reward:
        assert reward(["A", "AA", "AAA"]).tolist() == [1, 2, 3]
