"""Files that users give: text files, and Python files as modules.

`file.py:function` executes the file once per process, as `python file.py` would: its folder can be imported from, and it is
given no words of the command line. A file becomes a module of its own name, so that two files called `score.py` do not
collide. Processes that the file's code starts itself, such as a pool, find the module by that name, too.
"""

import atexit
import codecs
import gzip
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from svdd.exits import EndedProgramError, exits_as_errors, noted
from svdd.first_bytes import content_of
from svdd.messages import check

_PREFIX = "svdd_user_"
_LINE_END = re.compile("\r\n?")
_STUBS = "svdd-modules-"
_STUB = """import sys

from svdd.user_files import module_of_file

del sys.modules[__name__]
sys.modules[__name__] = module_of_file({!r})
"""


def text_of_file(path: str | Path) -> str:
    r"""The text of a file: packed with gzip or not, with any line ends, with or without the mark that Excel begins with.

    Lines end with `\n` in what is returned, and with nothing else: split it there, as `str.splitlines` splits at form feeds
    and the like too.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not text in UTF-8.
    """
    data = Path(path).read_bytes()
    if content_of(data).kind == "gzip":
        data = _unpacked(data, path)
    found = content_of(data)
    check(found.kind in ("", "empty"), f"{path} {found.words}: {found.remedy}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_text(path, _encoding(data, error.start)) from None
    return _LINE_END.sub("\n", text).replace("\n\ufeff", "\n")  # a mark within is what joining two files leaves


def lines_of_file(path: str | Path) -> list[str]:
    """The lines of a file of data; see `text_of_file`.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not text in UTF-8, which has no NUL.
    """
    lines = text_of_file(path).split("\n")
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise _no_text(path, f"line {number} has a NUL byte, as UTF-16 and files that are no text have")
    return lines


def _unpacked(data: bytes, path: str | Path) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _no_text(path, f"it is packed with gzip, and cut off or damaged: {error}") from None


def _encoding(data: bytes, place: int) -> str:
    """Why data is not text in UTF-8, which it ceases to be at a place."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it is in UTF-16, which Windows calls Unicode"
    line = len(_LINE_END.sub("\n", data[:place].decode("latin-1")).split("\n"))
    letter = data[place : place + 1].decode("cp1252", "replace")
    return f"line {line} has the byte 0x{data[place]:02x}, which is no UTF-8; in Latin-1 it is {letter!r}"


def _no_text(path: str | Path, why: str) -> ValueError:
    return ValueError(f"{path} is not a text file: save it as text in UTF-8, packed with gzip or not ({why})")


def json_of(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: for what is no JSON, or is nested more deeply than it can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def whole(path: str | Path) -> str:
    """A path from the root on, `~` and `~user` read as a shell reads them; the current folder may change after this.

    Raises:
        ValueError: for a variable, which only a shell reads, and for the home of an unknown user.
    """
    text = os.fspath(path)
    for part in Path(text).parts:
        name = part.strip("${}")
        if part.startswith("$") and name in os.environ:
            raise ValueError(
                f"{text} names the variable {part}, which only a shell reads; give {os.environ[name]} itself"
            )
    home = os.path.expanduser(text)
    if text.startswith("~") and home == text and not os.path.lexists(text):
        raise ValueError(f"{text} begins with the home of a user that is not known here; give the whole path")
    return str(Path(home).absolute())


def module_of_file(path: str | Path) -> ModuleType:
    """The module that a file is: the same one each time, until the content of the file changes.

    Raises:
        ValueError: if there is no such file.
    """
    file = Path(whole(path))
    if not file.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    file = file.resolve()
    name = _PREFIX + hashlib.sha256(f"{file}\0".encode() + file.read_bytes()).hexdigest()[:16]
    return sys.modules[name] if name in sys.modules else _executed(name, file)


def user_modules() -> list[ModuleType]:
    """The modules of users' files that this process has loaded."""
    return [module for name, module in sys.modules.items() if name.startswith(_PREFIX)]


def pickled(thing: Any) -> bytes:
    """`thing` pickled for another process: there it finds the functions and classes of users' files by their paths.

    Raises:
        pickle.PicklingError: if it cannot be pickled; also an AttributeError or a TypeError.
    """
    written = io.BytesIO()
    _Pickler(written, protocol=pickle.HIGHEST_PROTOCOL).dump(thing)
    return written.getvalue()


class _FromSource(SourceFileLoader):
    """A loader without byte code on disk, which is told by seconds and size: a file may be edited faster than that."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _executed(name: str, file: Path) -> ModuleType:
    spec = spec_from_loader(name, _FromSource(name, str(file)))
    assert spec is not None and spec.loader is not None, "a loader was given"
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _as_a_script(file), loading(str(file)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _let_others_find(name, file)
    return module


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Runs the import of a user's code; what goes wrong names it.

    Raises:
        EndedProgramError: if it ends the program.
    """
    try:
        with exits_as_errors(f"loading {name}"):
            yield
    except EndedProgramError as error:
        remedy = "put what is for its own command line alone under if __name__ == '__main__':"
        raise EndedProgramError(f"{error}; {remedy}") from error.__cause__
    except Exception as error:
        noted(error, f"raised while {name} was loaded")
        raise


@contextmanager
def _as_a_script(file: Path) -> Iterator[None]:
    """What a script has: its folder comes first among those that modules are sought in, and it has no arguments.

    Afterwards the folder comes last, for imports inside functions, so that no file in it hides a module of others.
    """
    folder, words = str(file.parent), sys.argv
    hidden = _of_other_folders(file.parent)
    sys.argv = [str(file)]
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.argv = words
        with suppress(ValueError):  # the file may have taken it away itself
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
        for name, module in hidden.items():
            sys.modules.setdefault(name, module)


def _of_other_folders(folder: Path) -> dict[str, ModuleType]:
    """Takes away modules that lie beside files of users elsewhere, where this folder has a module of the same name."""
    others = {Path(module.__file__).parent for module in user_modules() if module.__file__} - {folder}
    hidden = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        place = None if file is None or "." in name else Path(file).parent
        inside = place is not None and (place in others or (place.name == name and place.parent in others))
        if inside and ((folder / f"{name}.py").is_file() or (folder / name).is_dir()):
            hidden[name] = sys.modules.pop(name)
    for name in [one for one in sys.modules if one.partition(".")[0] in hidden]:
        hidden[name] = sys.modules.pop(name)
    return hidden


def _let_others_find(name: str, file: Path) -> None:
    """Lets processes that are started from this one import the module: they are given `sys.path`."""
    stub = _stubs() / f"{name}.py"
    if not stub.exists():  # in a process that was started from another one
        stub.write_text(_STUB.format(str(file)), encoding="utf-8")


@cache
def _stubs() -> Path:
    """A folder of this process, or of the one that started it, in which modules are sought."""
    given = [path for path in sys.path if Path(path).name.startswith(_STUBS) and Path(path).is_dir()]
    if given:
        return Path(given[0])
    folder, mine = tempfile.mkdtemp(prefix=_STUBS), os.getpid()
    atexit.register(_removed, folder, mine)
    sys.path.append(folder)
    return Path(folder)


def _removed(folder: str, process: int) -> None:
    """Takes a folder away at the end of the process that made it; a fork that ends leaves it alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


class _Pickler(pickle.Pickler):
    """Functions and classes of users' modules go as a path and a name, as no other process knows the modules."""

    def reducer_override(self, thing: Any) -> Any:
        if not isinstance(thing, FunctionType | type) or not str(thing.__module__).startswith(_PREFIX):
            return NotImplemented
        module, name = sys.modules[thing.__module__], thing.__qualname__
        if "<" in name or attrgetter(name)(module) is not thing:
            return NotImplemented  # pickle says why that cannot be sent
        return _found, (module.__file__, name)


def _found(path: str, name: str) -> Any:
    return attrgetter(name)(module_of_file(path))
