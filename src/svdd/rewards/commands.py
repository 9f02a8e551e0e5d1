"""External commands as rewards: designs go out through a file or standard input, scores come back the same way.

The command is split like a shell would (quotes hold words together, `~` is the home), but no shell runs it. `{input}` stands
for a file of JSON lines, `{"id": 0, "design": "ACGT"}`; `{input.csv}` for a table with these columns, and `{input.txt}` for
plain designs, one a line. Without any of them JSON lines go to standard input. `{output}` stands for the file that the command
writes, one score a line; without it scores are read from standard output. `-inf` is an invalid design. Designs that are no text
go out as their domain has it: an image, say, as the path of a PNG file, which is gone after the call, with its `prompt` beside
it.

The rules have a number, which a program finds in its environment as `SVDD_PROTOCOL`; programs that do not look go on working.
"""

import contextlib
import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from svdd.messages import check
from svdd.rewards.outside import AS_THEY_ARE, Outside, Row
from svdd.scoring.identity import file_hash
from svdd.scoring.reward import RewardError
from svdd.user_texts import text_of_file

PROTOCOL = 1
"""The number of the rules by which designs go out and scores come back; a rule that changes raises it."""


class CommandError(OSError):
    """A command that failed, with its last words."""


@dataclass(frozen=True)
class Command:
    """A program that scores designs; see `command`."""

    words: tuple[str, ...]
    timeout: float | int | None = None
    folder: str = ""
    outside: Outside = AS_THEY_ARE

    def sent_as(self, outside: Outside) -> "Command":
        """The same program for designs that go out in a form of their own."""
        return replace(self, outside=outside)

    @property
    def named(self) -> tuple[str, dict[str, Any]]:
        """The command without its limits, with whole paths in the place of words that are files of its folder."""
        files = self._files()
        return f"cmd:{shlex.join(str(files.get(word, word)) for word in self.words)}", {}

    @property
    def identity(self) -> str:
        """The words, and the content of the files among them; a program without a path is told by its name."""
        files = {word: file_hash(path) for word, path in self._files().items()}
        return f"command {self.words} {sorted(files.items())}"

    def _files(self) -> dict[str, Path]:
        """The words that are files of its folder, with their whole paths."""
        paths = {word: Path(self.folder, word).absolute() for word in self.words}
        return {word: path for word, path in paths.items() if os.path.isfile(path)}  # Path.is_file fails for long words

    def _for_a_shell(self) -> str:
        """What to do about words that mean something to a shell alone, beside an error that they may have led to."""
        found = next((word for word in self.words if word in _OF_SHELLS or re.match(r"\$[A-Za-z{(]", word)), None)
        return f"; no shell runs it, which {found!r} needs: write cmd:sh -c '...', or a script" if found else ""

    def __call__(self, designs: Any) -> list[float]:
        """One score a design, in the order given."""
        with tempfile.TemporaryDirectory(prefix="svdd-") as folder:
            written = self.outside.rows(designs, Path(folder))
            files = {name: str(Path(folder) / name.strip("{}")) for name in (*FORMATS, "{output}")}
            named = [name for name in files if any(name in word for word in self.words)]
            formats = [name for name in named if name in FORMATS]
            for name in formats:
                Path(files[name]).write_text(FORMATS[name](written), encoding="utf-8")
            words = [_filled(word, files) for word in self.words]
            said = self._run(words, None if formats else _json_lines(written))
            output = said[0] if "{output}" not in named else _read(Path(files["{output}"]), said[1], words[0])
        return _scores(output, len(written), words[0], said[1])

    def _run(self, words: list[str], given: str | None) -> tuple[str, str]:
        """Standard output and the last line of standard error."""
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                cwd=self.folder or None,
                env=os.environ | {"SVDD_PROTOCOL": str(PROTOCOL)},
                start_new_session=True,  # Ctrl-C is for the run, which stops when a step is over
            )
        except FileNotFoundError:
            if self.folder and not os.path.isdir(self.folder):
                raise CommandError(f"there is no folder {self.folder} for {words[0]} to start in") from None
            raise CommandError(f"there is no command {words[0]!r}{self._for_a_shell()}") from None
        except PermissionError:
            raise CommandError(f"{words[0]} may not be executed: chmod +x {words[0]}") from None
        with process:
            try:
                out, err = process.communicate(given, timeout=self.timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                raise TimeoutError(f"{words[0]} did not end within {self.timeout:g} s") from None
            except BaseException:
                _kill(process)
                raise
        last = [line for line in err.split("\n") if line.strip()][-1:]
        if process.returncode:
            raise CommandError(
                f"{words[0]} ended with {_status(process.returncode)}{_words(last)}{self._for_a_shell()}"
            )
        return out.removeprefix("\ufeff"), _words(last)  # a mark that some programs begin with


def command(text: str, timeout: float | int | None = None, folder: str | Path = "") -> Command:
    """A program as a reward: `cmd:./score.sh {input} {output}`.

    Args:
        text: the command, with or without `cmd:` before it.
        timeout: seconds a call may take; no limit unless given.
        folder: where it starts, and where relative paths among its words are; that of this process unless given.

    Raises:
        ValueError: for a command that cannot be split into words, and for a timeout that is not positive.
    """
    try:
        words = shlex.split(text.removeprefix("cmd:"))
    except ValueError as error:
        raise ValueError(f"the command {text!r:.80} cannot be split into words: {error}") from None
    check(words, "cmd: needs a command, such as 'cmd:./score.sh {input} {output}'")
    check(timeout is None or timeout > 0, f"timeout must be positive, got {timeout} s")
    at_home = (os.path.expanduser(word) if word.startswith("~") else word for word in words)
    return Command(tuple(at_home), timeout, folder=str(folder))


def _texts(written: Sequence[Row]) -> list[str]:
    return [row["design"] if isinstance(row["design"], str) else json.dumps(row["design"]) for row in written]


def _json_lines(written: Sequence[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in written)


def _table(written: Sequence[Row]) -> str:
    table, columns = io.StringIO(), list(written[0]) if written else ["id", "design"]
    lines = [(row | {"design": text}).values() for row, text in zip(written, _texts(written), strict=True)]
    csv.writer(table, lineterminator="\n").writerows([columns, *lines])
    return table.getvalue()


def _lines(written: Sequence[Row]) -> str:
    return "".join(f"{text}\n" for text in _texts(written))


_OF_SHELLS = ("|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "cd", "source", "export")

FORMATS = {"{input}": _json_lines, "{input.csv}": _table, "{input.txt}": _lines}
"""What stands for a file of designs, and how that is written."""


def _filled(word: str, files: dict[str, str]) -> str:
    for name, path in files.items():
        word = word.replace(name, path)
    return word


def _read(path: Path, last: str, program: str) -> str:
    try:
        return text_of_file(path)
    except FileNotFoundError:
        raise CommandError(f"{program} wrote no file of scores, {{output}}{last}") from None


def _scores(output: str, n: int, program: str, last: str) -> list[float]:
    lines = output.rstrip().split("\n") if output.strip() else []
    if len(lines) != n:
        raise RewardError(f"{program} must write {n} scores, one a line, but wrote {len(lines)} lines{last}")
    for number, line in enumerate(lines, 1):
        try:
            float(line)
        except ValueError:
            raise RewardError(
                f"{program} wrote {line.strip()[:40]!r} in line {number}, where a score was due{last}"
            ) from None
    return [float(line) for line in lines]


def _words(last: Sequence[str]) -> str:
    return f"; it said: {last[0].strip()[:200]}" if last else ""


def _status(code: int) -> str:
    return f"status {code}" if code > 0 else f"signal {signal.Signals(-code).name}"


def _kill(process: "subprocess.Popen[str]") -> None:
    """Ends a program and what it started."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
