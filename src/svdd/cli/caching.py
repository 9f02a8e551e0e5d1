"""`svdd cache`: what a file of scores holds."""

from pathlib import Path

from svdd.cli.answering import answer
from svdd.cli.listing import show
from svdd.cli.sentences import say
from svdd.runs.json_text import as_json
from svdd.scoring.score_file import ScoreCache
from svdd.user_files import whole


def show_cache(path: Path, prune: float | int | None, reward: str | None, json: bool) -> None:
    """Prints the rewards of a file with how many scores there are; forgets some of them first, if asked.

    Args:
        path: the file.
        prune: age in days from which scores are forgotten.
        reward: whose scores are forgotten, of any age unless `prune` is given.
        json: as JSON.

    Raises:
        ValueError: if there is no such file, or it holds something else, or no scores of the reward.
    """
    path = Path(whole(path))
    if not path.is_file():
        raise ValueError(f"there is no file of scores {path}")
    with ScoreCache(path) as cache:
        if reward is not None and reward not in {row["reward"] for row in cache.contents()}:
            raise ValueError(f"{path} holds no scores of {reward}")
        if prune is not None or reward is not None:
            say(f"forgot {cache.prune(prune, reward):,} scores")
        rows = cache.contents()
        if json:
            answer(as_json({"path": str(path), "bytes": cache.bytes(), "rewards": rows}))
        else:
            show(rows, False)
            answer(f"{sum(row['scores'] for row in rows):,} scores in {cache.bytes():,} bytes")
