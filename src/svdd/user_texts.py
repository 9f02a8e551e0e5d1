"""Texts that users give: files in UTF-8, packed with gzip or not, as Excel, Windows and old Macs write them, and JSON."""

import codecs
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

from svdd.first_bytes import content_of
from svdd.messages import check

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


def json_of(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: for what is no JSON, or is nested more deeply than it can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
