"""Scores on disk: many processes, some of them killed, and rewards that are never taken for each other."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import pytest

from support.processes import masked
from svdd import decode
from svdd.scoring import identity
from svdd.scoring.identity import Origin, reward_identity
from svdd.scoring.score_file import LostScoresWarning, ScoreCache, text_of


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
from svdd.scoring.score_file import ScoreCache
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


# --- scores that no longer count ------------------------------------------------------------------------------------


def warned(file, now, name):
    """What is said about scores of a name."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        file.warn_of_lost_scores(now, name)
    assert all(one.category is LostScoresWarning for one in said)
    return [str(one.message) for one in said]


def of_release(monkeypatch, release, **options):
    """The identity of a reward that a package of some release computes."""
    monkeypatch.setattr(identity.importlib.metadata, "version", lambda package: release)
    return reward_identity(Origin("qed", options, version="1", packages=("rdkit",)))


def test_scores_of_an_earlier_release_of_a_package_are_counted_once(cache, monkeypatch):
    old = of_release(monkeypatch, "2024.3")
    cache.put(old, {"A": 1.0, "C": 2.0}, "qed")
    new = of_release(monkeypatch, "2025.9")
    cache.put(new, {"A": 1.5}, "qed")
    with ScoreCache(cache.path) as file:
        assert warned(file, new, "qed") == [
            f"2 scores of qed in {cache.path} were computed by another version (rdkit 2024.3, now 2025.9) and no longer "
            "count: the run pays for them again"
        ]
        assert warned(file, new, "qed") == []
        assert "1 scores of qed" in warned(file, old, "qed")[0]  # back to the earlier release


def test_another_reward_of_the_same_name_is_not_lost(cache, monkeypatch):
    cache.put(of_release(monkeypatch, "2024.3", target=0.4), {"A": 1.0}, "qed")
    cache.put(reward_identity(Origin("f", code="abc")), {"A": 1.0}, "qed")
    assert warned(cache, of_release(monkeypatch, "2025.9", target=0.5), "qed") == []
    assert warned(cache, of_release(monkeypatch, "2024.3", target=0.4), "another") == []


def test_versions_and_weights_are_named(cache):
    now = reward_identity(Origin("qed", version="2"))
    cache.put(reward_identity(Origin("qed", version="1")), {"A": 1.0}, "qed")
    assert "(version 1 of the reward, now 2)" in warned(cache, now, "qed")[0]
    with_weights = reward_identity(Origin("net", version="1", weights=(cache.path,)))
    cache.put(reward_identity(Origin("net", version="1")), {"A": 1.0}, "net")
    assert "(other weights)" in warned(cache, with_weights, "net")[0]


FIRST_SCHEME = """
create table rewards (id integer primary key, identity text unique not null, name text not null);
create table scores (
    number integer primary key, reward integer not null, design text not null, score real not null,
    outcome text not null, at real not null, unique (reward, design)
);
insert into rewards (identity, name) values ('0123', 'qed'), ('4567', 'sa');
insert into scores (reward, design, score, outcome, at) values (1, 'A', 0.5, '', 0), (1, 'C', 0.6, '', 0), (2, 'A', 3, '', 0);
"""


def test_a_file_of_the_first_scheme_says_how_many_scores_no_longer_count(tmp_path):
    path = tmp_path / "old.sqlite"
    base = sqlite3.connect(path)
    base.executescript(FIRST_SCHEME)
    base.close()
    now = reward_identity(Origin("qed", version="1"))
    with ScoreCache(path) as file:
        (said,) = warned(file, now, "qed")
        assert said.startswith(f"2 scores of qed in {path} have identities of scheme 1 (this release makes those of")
        file.put(now, {"A": 0.7}, "qed")
        assert file.get(now, ["A"])["A"][0] == 0.7
        assert len(file.contents()) == 3


def test_a_file_of_a_later_scheme_says_so_too(cache, monkeypatch):
    now = reward_identity(Origin("qed", version="1"))
    cache.put("of another release", {"A": 1.0}, "qed")
    sqlite3_at(cache.path, "update identities set scheme = 7")
    assert "have identities of scheme 7" in warned(cache, now, "qed")[0]


def test_a_run_says_it_and_pays_again(tmp_path, monkeypatch):
    path, calls = tmp_path / "scores.sqlite", []

    def reward(designs):
        calls.extend(designs)
        return [float(sum(design)) for design in designs]

    def run():
        reward.origin = Origin("sum", version="1", packages=("rdkit",))
        return decode(
            masked(), reward, samples=2, candidates=2, cache=path, key=lambda row: tuple(row.tolist()), seed=0
        )

    monkeypatch.setattr(identity.importlib.metadata, "version", lambda package: "2024.3")
    run()
    paid = len(calls)
    run()
    assert len(calls) == paid > 0
    monkeypatch.setattr(identity.importlib.metadata, "version", lambda package: "2025.9")
    with pytest.warns(LostScoresWarning, match=f"{paid} scores of .*reward in .* were computed by another version"):
        run()
    assert len(calls) == 2 * paid


def test_a_file_may_be_forgotten_in_another_thread(tmp_path):
    opened = [ScoreCache(tmp_path / "scores.sqlite")]
    forgets = threading.Thread(target=opened.clear)
    forgets.start()
    forgets.join()
    with ScoreCache(tmp_path / "scores.sqlite") as again:
        assert again.get("one", ["A"]) == {}
