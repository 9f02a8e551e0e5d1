"""Files that users give: text files, and Python files as modules.

`file.py:function` executes the file once per process, and its functions can be sent to others. A file becomes a module of
its own name, so that two files called `score.py` do not collide. While it is executed its folder is on `sys.path`, as for
`python file.py`, so that it finds the files beside it.
"""

import codecs
import gzip
import hashlib
import io
import pickle
import re
import sys
import zlib
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from svdd.first_bytes import content_of
from svdd.messages import check

_PREFIX = "svdd_user_"
_LINE_END = re.compile("\r\n?")


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


def module_of_file(path: str | Path) -> ModuleType:
    """The module that a file is: the same one each time, until the content of the file changes.

    Raises:
        ValueError: if there is no such file.
    """
    file = Path(path)
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
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        with suppress(ValueError):  # the file may have taken it away itself
            sys.path.remove(str(file.parent))
    return module


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
