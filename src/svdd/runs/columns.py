"""Further rewards of a job, `--score`: each a column of the result, with a title and options where they are given."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from svdd.decoding.result import COLUMNS, ColumnTakenError
from svdd.registry import REWARDS
from svdd.runs.make import Placement, make_reward, makes_processes, placed_reward
from svdd.runs.pairs import pair
from svdd.scoring.reward import Reward

_TITLE = re.compile(r"([A-Za-z_][\w-]*)=(.+)", re.DOTALL)
_OPTIONS = re.compile(r",(?=\s*[A-Za-z_]\w*=)")
_WHOLE = ("cmd:", "http:", "https:")


@dataclass(frozen=True)
class Score:
    """A column.

    Args:
        title: its name.
        reward: what is asked, a name as of the guiding reward.
        options: of a bundled reward or a docking.
    """

    title: str
    reward: str
    options: dict[str, Any]

    @classmethod
    def read(cls, text: str) -> "Score":
        """`REWARD`, `TITLE=REWARD` or `TITLE=REWARD,NAME=VALUE,...`; a program and an address are taken as they are.

        Raises:
            ValueError: for an option that is not NAME=VALUE.
        """
        given = _TITLE.fullmatch(text)
        title, text = given.groups() if given else ("", text)
        reward, *options = [text] if text.startswith(_WHOLE) else _OPTIONS.split(text)
        own = reward if reward in REWARDS else reward.rpartition(":")[2]
        return cls(title or own, reward, dict(pair("score", option.strip()) for option in options))


def renamed(text: str, change: Callable[[str], str]) -> str:
    """A score whose reward is called differently."""
    reward = Score.read(text).reward
    start = text.index(reward, text.index("=") + 1 if _TITLE.fullmatch(text) else 0)
    return text[:start] + change(reward) + text[start + len(reward) :]


def read_scores(texts: Sequence[str]) -> list[Score]:
    """The columns, under different titles.

    Raises:
        ColumnTakenError: if two scores, or a score and a column of the designs, would share a title.
    """
    scores = [Score.read(text) for text in texts]
    titles = [score.title for score in scores]
    for title in titles:
        if titles.count(title) > 1 or title in COLUMNS:
            raise ColumnTakenError(f"the column {title!r} is taken; give the score a title of its own, TITLE=REWARD")
    return scores


def score_reward(score: Score, placement: Placement) -> Reward:
    """The reward of a column.

    Args:
        score: the column.
        placement: of the reward that guides; a user's own function runs there too, and what came with the package here.
    """
    options = placement.options(score.reward) | score.options
    if makes_processes(score.reward):
        return make_reward(score.reward, ({"workers": placement.workers} if placement.workers else {}) | options)
    if placement.workers is None or score.reward in REWARDS or score.options:
        return make_reward(score.reward, options)
    return placed_reward(score.reward, {}, placement)
