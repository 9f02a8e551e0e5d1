"""Scores on disk: what a reward once said of a design, for other runs and for the rest of this one.

One SQLite file in write-ahead mode, which many processes may write and any of them may be killed while it does: a batch of
scores is there whole or not at all. The key is the reward's identity (`svdd.scoring.identity`) and the design. The same kind
of file serves as a run's journal, in which failures are kept too, so that a resumed run repeats nothing.

Beside each identity the file has the number of its scheme and what it was made of, so that it can be said why scores of a
reward of the same name no longer count. An identity without such a row is of the first scheme, which wrote none.
"""

import contextlib
import json
import os
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from svdd.scoring.identity import SCHEME, Identity, difference
from svdd.user_files import whole

_TABLES = """
create table if not exists rewards (id integer primary key, identity text unique not null, name text not null);
create table if not exists identities (reward integer primary key, scheme integer not null, parts text not null);
create table if not exists scores (
    number integer primary key, reward integer not null, design text not null, score real not null,
    outcome text not null, at real not null, unique (reward, design)
);
"""
_WAIT_SECONDS = 60.0
_AT_ONCE = 500  # SQLite bounds the parameters of one statement
_DAY = 86400.0


class LostScoresWarning(UserWarning):
    """A file holds scores of a reward that no longer count: they are of another version of it, or of another scheme."""


class ScoreCache:
    """A file of scores; open it with `with`, or close it.

    Args:
        path: the file; made, with its folder, where there is none.

    Raises:
        ValueError: if there is a file and it is something else, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(whole(path))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._warned: set[tuple[str, str]] = set()
        with self._sentence():
            self._base = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._base.close()
                raise

    def _open(self) -> None:
        self._base.execute("pragma journal_mode = wal")
        self._base.execute(
            "pragma synchronous = normal"
        )  # a killed process loses nothing, a power cut the last seconds
        self._base.executescript(_TABLES)

    def __enter__(self) -> "ScoreCache":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __del__(self) -> None:
        # the collector of garbage may come by in another thread, which may not close it; the connection then closes by itself
        with contextlib.suppress(AttributeError, sqlite3.ProgrammingError):
            self._base.close()

    def close(self) -> None:
        """Closes the file; the last to do so tidies up."""
        self._base.close()

    @contextlib.contextmanager
    def _sentence(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} cannot be used as a file of scores: {error}") from error

    @contextlib.contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all."""
        with self._sentence():
            self._base.execute("begin immediate")
            try:
                yield self._base
            except BaseException:
                self._base.execute("rollback")
                raise
            self._base.execute("commit")

    def get(self, identity: str, designs: Sequence[Hashable]) -> dict[Hashable, tuple[float, int, str]]:
        """Of the designs that are known, the score, its number in the order of arrival (from 1) and what was told of it."""
        found: dict[Hashable, tuple[float, int, str]] = {}
        for start in range(0, len(designs), _AT_ONCE):
            keys = {text_of(design): design for design in designs[start : start + _AT_ONCE]}
            marks = ", ".join("?" * len(keys))
            with self._sentence():
                rows = self._base.execute(
                    "select design, score, number, outcome from scores "
                    f"where reward = (select id from rewards where identity = ?) and design in ({marks})",
                    (identity, *keys),
                ).fetchall()
            found |= {keys[design]: (score, number, outcome) for design, score, number, outcome in rows}
        return found

    def number_of(self, identity: str, place: int) -> int:
        """The number of a reward's score by its place among them, from 1; of the last if there are not so many."""
        with self._sentence():
            ((number,),) = self._base.execute(
                "select max(number) from (select number from scores where reward = "
                "(select id from rewards where identity = ?) order by number limit ?)",
                (identity, place),
            ).fetchall()
        return int(number or 0)

    def put(
        self,
        identity: str,
        scores: Mapping[Hashable, float],
        name: str = "",
        failed: Mapping[Hashable, str] | None = None,
    ) -> None:
        """Keeps scores; those already there stay.

        Args:
            identity: of the reward.
            scores: of designs.
            name: of the reward, for people.
            failed: of designs that the reward had no number for, what happened.
        """
        now, kinds = time.time(), failed or {}
        with self._written() as base:
            base.execute("insert or ignore into rewards (identity, name) values (?, ?)", (identity, name))
            ((home,),) = base.execute("select id from rewards where identity = ?", (identity,)).fetchall()
            base.execute(
                "insert or ignore into identities values (?, ?, ?)", (home, SCHEME, json.dumps(_parts(identity)))
            )
            base.executemany(
                "insert or ignore into scores (reward, design, score, outcome, at) values (?, ?, ?, ?, ?)",
                [(home, text_of(design), score, kinds.get(design, ""), now) for design, score in scores.items()],
            )

    def warn_of_lost_scores(self, identity: str, name: str) -> None:
        """Warns, once for each reward, if the file holds scores of an earlier version of it, which no longer count.

        Args:
            identity: of the reward.
            name: of the reward, by which earlier versions of it are found.
        """
        if (identity, name) in self._warned:
            return
        self._warned.add((identity, name))
        lost = Counter[str]()
        for scheme, parts, scores in self._others(identity, name):
            lost[_why_lost(scheme, json.loads(parts), _parts(identity))] += scores
        del lost[""]  # those of other rewards
        for why, scores in lost.items():
            text = f"{scores:,} scores of {name} in {self.path} {why} and no longer count: the run pays for them again"
            warnings.warn(text, LostScoresWarning, stacklevel=2)

    def _others(self, identity: str, name: str) -> list[tuple[int, str, int]]:
        """Of other identities under the same name, the scheme, the parts and the number of scores."""
        with self._sentence():
            return self._base.execute(
                "select ifnull(scheme, 1), ifnull(parts, '{}'), count(number) from rewards "
                "join scores on scores.reward = rewards.id left join identities on identities.reward = rewards.id "
                "where name = ? and identity != ? group by rewards.id",
                (name, identity),
            ).fetchall()

    def contents(self) -> list[dict[str, Any]]:
        """Every reward with how many scores there are of it, and from when."""
        with self._sentence():
            rows = self._base.execute(
                "select name, identity, count(number), min(at), max(at) from rewards left join scores on reward = id "
                "group by id order by name, id"
            ).fetchall()
        names = ("reward", "identity", "scores", "oldest", "newest")
        return [dict(zip(names, (*row[:3], *map(_when, row[3:])), strict=True)) for row in rows]

    def prune(self, days: float | int | None = None, reward: str | None = None) -> int:
        """Forgets scores that are older than so many days, or of a reward; returns how many.

        Args:
            days: of age; any unless given.
            reward: its name; any unless given.
        """
        before = time.time() - days * _DAY if days is not None else float("inf")
        with self._written() as base:
            gone = base.execute(
                "delete from scores where at < ? and reward in (select id from rewards where ? is null or name = ?)",
                (before, reward, reward),
            ).rowcount
            base.execute("delete from rewards where id not in (select reward from scores)")
            base.execute("delete from identities where reward not in (select id from rewards)")
        with self._sentence(), contextlib.suppress(sqlite3.OperationalError):  # another process reads it just now
            self._base.execute("vacuum")
        return int(gone)

    def bytes(self) -> int:
        """The size of the file, with what was not tidied up yet."""
        files = [self.path, Path(f"{self.path}-wal")]
        return sum(os.path.getsize(file) for file in files if file.exists())


def text_of(design: Hashable) -> str:
    """A design as text; text is itself, and never that of anything else."""
    return design if isinstance(design, str) else f"\0{type(design).__name__} {design!r}"


def _parts(identity: str) -> dict[str, Any]:
    return dict(identity.parts) if isinstance(identity, Identity) else {}


def _why_lost(scheme: int, stored: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why scores do not count for a reward of the same name; nothing if they are another reward's."""
    if scheme != SCHEME:
        return f"have identities of scheme {scheme} (this release makes those of scheme {SCHEME})"
    changes = difference(stored, now)
    return f"were computed by another version ({changes})" if changes else ""


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
