"""Files that users give: whole paths, and Python files as modules.

`file.py:function` executes the file once per process, as `python file.py` would: its folder can be imported from, and it is
given no words of the command line. A file becomes a module of its own name, so that two files called `score.py` do not
collide. Processes that the file's code starts itself, such as a pool, find the module by that name, too.
"""

import atexit
import hashlib
import io
import os
import pickle
import re
import shutil
import sys
import tempfile
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

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_PREFIX = "svdd_user_"
_STUBS = "svdd-modules-"
_STUB = """import sys

from svdd.user_files import module_of_file

del sys.modules[__name__]
sys.modules[__name__] = module_of_file({!r})
"""


def whole(path: str | Path) -> str:
    """A path from the root on, `~` and `~user` read as a shell reads them; the current folder may change after this.

    Raises:
        ValueError: for a variable, which only a shell reads, and for the home of an unknown user.
    """
    text = os.fspath(path)
    for found in _VARIABLE.finditer(text):
        _refuse_variable(text, found[0], found[1] or found[2])
    home = os.path.expanduser(text)
    if text.startswith("~") and home == text and not os.path.lexists(text):
        raise ValueError(f"{text} begins with the home of a user that is not known here; give the whole path")
    return str(Path(home).absolute())


def _refuse_variable(text: str, written: str, name: str) -> None:
    """A name in capitals that is not set may still be that of a file which is there."""
    if name in os.environ:
        raise ValueError(
            f"{text} names the variable {written}, which only a shell reads; give {os.environ[name]} itself"
        )
    if name.isupper() and not os.path.lexists(text):
        raise ValueError(
            f"{text} names the variable {written}, which only a shell reads, and which is not set here; give what it stands for"
        )


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
    folder = _stubs()
    if str(folder) not in sys.path:  # which code of users, and what puts it back after them, may have changed since
        sys.path.append(str(folder))
    stub = folder / f"{name}.py"
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
