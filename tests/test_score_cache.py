"""Scores on disk: many processes, some of them killed, and rewards that are never taken for each other."""

import functools
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fragile
from svdd.locate import load_reward
from svdd.reward_identity import reward_identity as identity
from svdd.rewards.commands import command
from svdd.rewards.endpoints import endpoint
from svdd.rewards.workers import workers
from svdd.score_cache import ScoreCache, text_of

HERE = Path(__file__).parent


@pytest.fixture
def cache(tmp_path):
    with ScoreCache(tmp_path / "deep" / "scores.sqlite") as made:
        yield made


def test_what_was_put_is_there_under_its_reward_only(cache):
    cache.put("one", {"A": 1.5, "C": float("-inf")}, "mine")
    cache.put("two", {"A": 2.5})
    assert cache.get("one", ["A", "C", "G"]) == {"A": (1.5, 1, ""), "C": (float("-inf"), 2, "")}
    assert cache.get("two", ["A"]) == {"A": (2.5, 3, "")}
    assert cache.get("three", ["A"]) == {}


def test_failures_are_kept_with_their_kind(cache):
    cache.put("one", {"A": -1.0, "C": 2.0}, failed={"A": "timeout"})
    assert cache.get("one", ["A", "C"]) == {"A": (-1.0, 1, "timeout"), "C": (2.0, 2, "")}


def test_the_first_score_stays(cache):
    cache.put("one", {"A": 1.5})
    cache.put("one", {"A": 9.0, "C": 2.0})
    assert cache.get("one", ["A", "C"]) == {"A": (1.5, 1, ""), "C": (2.0, 2, "")}


def test_many_designs_at_once(cache):
    scores = {f"design {i}": float(i) for i in range(1234)}
    cache.put("one", scores)
    assert {k: v for k, (v, *_) in cache.get("one", list(scores)).items()} == scores


def test_designs_that_look_alike_are_different(cache):
    designs = [1, 1.0, "1", (1,), b"1", True]
    assert len({text_of(design) for design in designs}) == len(designs)
    cache.put("one", {1: 1.0})
    assert cache.get("one", ["1"]) == {}


def test_another_opening_sees_it(cache):
    cache.put("one", {"A": 1.5})
    with ScoreCache(cache.path) as other:
        assert other.get("one", ["A"]) == {"A": (1.5, 1, "")}


def test_contents_and_pruning(cache):
    cache.put("one", {"A": 1.0, "C": 2.0}, "first")
    cache.put("two", {"A": 3.0}, "second")
    assert [(row["reward"], row["scores"]) for row in cache.contents()] == [("first", 2), ("second", 1)]
    assert cache.prune(days=1) == 0
    assert cache.prune(reward="second") == 1
    assert [row["reward"] for row in cache.contents()] == ["first"]
    sqlite3_at(cache.path, "update scores set at = at - 2 * 86400 where design = 'A'")
    assert cache.prune(days=1, reward="nobody") == 0
    assert cache.prune(days=1) == 1
    assert cache.get("one", ["A", "C"]) == {"C": (2.0, 2, "")}
    assert cache.prune() == 1
    assert cache.contents() == []


def sqlite3_at(path, statement):
    base = sqlite3.connect(path)
    with base:
        base.execute(statement)
    base.close()


@pytest.mark.parametrize("content", [b"not a base at all " * 100, b"SQLite format 3\0" + b"x" * 3000])
def test_another_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"notes.txt cannot be used as a file of scores"):
        ScoreCache(path)
    assert path.read_bytes() == content


WRITER = """
import sys
from svdd.score_cache import ScoreCache
mine, count = sys.argv[2], int(sys.argv[3])
cache = ScoreCache(sys.argv[1])
for i in range(count):
    cache.put("shared", {f"both {i}": float(i), f"{mine} {i} a": 1.0, f"{mine} {i} b": 2.0})
    print(i, flush=True)
"""


def writer(path, name, count):
    words = [sys.executable, "-W", "error", "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_many_processes_write_and_some_are_killed(cache):
    finishing = [writer(cache.path, f"finishing {i}", 60) for i in range(2)]
    killed = [writer(cache.path, f"killed {i}", 10**6) for i in range(2)]
    last = dict.fromkeys(killed, -1)

    def follow(process):
        for line in process.stdout:
            last[process] = int(line) if line.endswith("\n") else last[process]

    threads = [threading.Thread(target=follow, args=(process,)) for process in killed]
    for thread in threads:
        thread.start()
    while min(last.values()) < 20:
        assert all(process.poll() is None for process in killed)
        time.sleep(0.01)
    for process in killed:
        process.send_signal(signal.SIGKILL)
    for process in finishing:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    for process, thread in zip(killed, threads, strict=True):
        thread.join()
        process.stderr.close()
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    for number, process in enumerate(killed):  # what was said to be written is there, and no batch in part
        wanted = [f"killed {number} {i} {x}" for i in range(last[process] + 1) for x in "ab"]
        assert len(cache.get("shared", wanted)) == len(wanted)
        seen = cache.get("shared", [f"killed {number} {i} {x}" for i in range(10**4) for x in "ab"])
        assert {k[:-1] for k in seen if k.endswith("a")} == {k[:-1] for k in seen if k.endswith("b")}
    both = cache.get("shared", [f"both {i}" for i in range(60)])
    assert {k: v for k, (v, *_) in both.items()} == {f"both {i}": float(i) for i in range(60)}


# --- reward_identity ------------------------------------------------------------------------------------------------


def test_a_function_is_its_name_and_its_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def f(designs): return [1.0] * len(designs)\n\ndef g(designs): return f(designs)\n")
    first = identity(f"{file}:f")
    assert first == identity(load_reward(f"{file}:f"))
    assert first == identity(workers(f"{file}:f", 1))
    assert first != identity(f"{file}:g")
    file.write_text(file.read_text().replace("1.0", "2.0"))
    assert first != identity(f"{file}:f")


def test_a_bundled_reward_is_its_name_and_its_options():
    assert identity("gc-content") == identity(load_reward("gc-content"))
    assert identity("gc-content", {"target": 0.4}) == identity(load_reward("gc-content", target=0.4))
    assert len({identity("gc-content"), identity("gc-content", {"target": 0.4}), identity("hepg2")}) == 3


def test_a_command_is_its_words_and_the_files_among_them(tmp_path):
    script = tmp_path / "score.py"
    script.write_text("print(1)")
    name = f"cmd:{sys.executable} {script}"
    first = identity(name)
    assert first == identity(command(name, timeout=5.0))
    assert first != identity(f"{name} --fast")
    script.write_text("print(2)")
    assert first != identity(name)


def test_an_endpoint_is_its_address_and_the_version_it_is_said_to_have():
    one = endpoint("http://here/score", batch=2)
    assert identity(one) == identity("http://here/score")
    assert identity(one) != identity("http://here/score", {"version": "2"})
    assert identity(endpoint("http://here/score", version="2")) == identity("http://here/score", {"version": "2"})


def test_a_reward_may_say_what_it_is():
    def f(designs):
        return designs

    f.identity = "mine, version 2"
    first = identity(f)
    f.identity = "mine, version 3"
    assert identity(f) != first


def test_arguments_tell_partial_functions_apart():
    assert identity(functools.partial(fragile.fragile)) != identity(functools.partial(fragile.fragile, x=1))
    with pytest.raises(ValueError, match="arguments of a reward must be plain"):
        identity(functools.partial(fragile.fragile, object()))


@pytest.mark.parametrize(
    "reward", [lambda designs: designs, print, fragile.LEAKED.append], ids=["lambda", "builtin", "method"]
)
def test_what_cannot_be_told_is_refused(reward):
    with pytest.raises(ValueError, match="which a file of scores needs"):
        identity(reward)
