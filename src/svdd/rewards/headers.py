"""Headers of requests that hold keys: files and messages have `$NAME`, a request the variable's value.

A key is never kept: it is read from the environment when a request is made, and taken out of whatever is said afterwards.
"""

import os
import re
from collections.abc import Mapping
from string import Template
from typing import Any
from urllib.parse import urlsplit

from svdd.messages import check
from svdd.scoring.reward import RewardError

_KEYS = re.compile(r"authorization|cookie|key|token|secret|password", re.IGNORECASE)
_ADDRESS = re.compile(r"^(?:[A-Za-z_][\w-]*=)?(https?://.*)$", re.DOTALL)
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+")
_REMEDY = "headers={'Authorization': 'Bearer $NAME'}, with the key in the environment variable NAME"


_NO_HOST = "the address of a reward has no host that can be read; it is written as http://host/score"


def check_address(address: str) -> None:
    """Looks whether an address can be written into files.

    Raises:
        ValueError: for one with a user's name or password, which is not repeated, and for one without a host.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # an opening bracket without its end; the text is not repeated, since it may hold a password
        raise ValueError(_NO_HOST) from None
    check(
        "@" not in parts.netloc,
        f"an address is written into files and reports, so it holds no user name, password or token: give "
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} and {_REMEDY}",
    )
    try:
        host = parts.port != 0 and parts.hostname
    except ValueError:  # what is read as the port may be the beginning of a password
        host = None
    check(host, _NO_HOST)


def check_addresses(named: Any) -> None:
    """Looks at the addresses among names of rewards before anything is said of them; raises as `check_address`.

    Args:
        named: a name, perhaps after `TITLE=`, or a mapping or list of such, as a job has them.
    """
    match named:
        case str():
            for address in _ADDRESS.findall(named):
                check_address(address)
        case Mapping():
            check_addresses(list(named.values()))
        case list() | tuple():
            for one in named:
                check_addresses(one)


def check_headers(headers: Mapping[str, Any]) -> None:
    """Looks whether headers can be sent, and written into files.

    Raises:
        ValueError: for what is no header, and for a key that is written out, which is not repeated.
    """
    for name, value in headers.items():
        check(
            _NAME.fullmatch(str(name)) and isinstance(value, str),
            f"headers are names with texts, such as {_REMEDY}; the header {name!r} is a {type(value).__name__}",
        )
        check(
            _names_in(value) or not _KEYS.search(name),
            f"a header is written into files, so {name} does not hold the key itself: give {_REMEDY}",
        )


def open_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that are no keys, as they are."""
    return {name: value for name, value in headers.items() if not _names_in(value)}


def filled_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as a request has them.

    Raises:
        RewardError: for a variable that is not set, or holds what no header can.
    """
    return {name: Template(value).safe_substitute(_variables(name, value)) for name, value in headers.items()}


def without_keys(text: str, headers: Mapping[str, str]) -> str:
    """A text that a server may have put keys into, with the names of their variables in their place."""
    names = {variable for value in headers.values() for variable in _names_in(value)}
    for variable in sorted(names, key=lambda one: -len(os.environ.get(one, ""))):
        key = os.environ.get(variable, "").strip()
        text = text.replace(key, f"${variable}") if key else text
    return text


def _variables(header: str, value: str) -> dict[str, str]:
    found = {name: os.environ.get(name, "").strip() for name in _names_in(value)}
    for name, key in found.items():
        if not key:
            raise RewardError(f"the header {header} needs the environment variable {name}, which is not set")
        if not (key.isascii() and key.isprintable()):
            raise RewardError(f"the environment variable {name} holds signs that the header {header} cannot have")
    return found


def _names_in(value: str) -> list[str]:
    """The variables of a text: `$NAME` or `${NAME}`; `$$` is a dollar sign."""
    return [named or braced for _, named, braced, _ in Template.pattern.findall(value) if named or braced]
