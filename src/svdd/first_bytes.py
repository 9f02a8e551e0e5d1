"""What a file is, told by its first bytes, before its format is believed.

A download that failed leaves a file of the right name: the pointer of a large file, the page that asks to sign in, nothing
at all. What a reader says of such a file is about its format; what the user needs is what the file is.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from svdd.messages import check

_LENGTH = 1024
_AGAIN = "get the file again, signed in where the site asks for it"
_UNPACK = "unpack it and name the file in it"
_BEGINNINGS = {
    b"\x1f\x8b": ("gzip", "is packed with gzip", _UNPACK),
    b"PK\x03\x04": ("zip", "is a zip archive", _UNPACK),
    b"PK\x05\x06": ("zip", "is an empty zip archive", _AGAIN),
    b"BZh": ("bzip2", "is packed with bzip2", _UNPACK),
    b"\xfd7zXZ\x00": ("xz", "is packed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("zstd", "is packed with zstd", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("7z", "is a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("rar", "is a rar archive", _UNPACK),
    b"{\\rtf": ("rtf", "is a document of a word processor", "save it as plain text"),
    b"\xd0\xcf\x11\xe0": ("office", "is a document of an old Office program", "save it as plain text or CSV"),
    b"%PDF-": ("pdf", "is a PDF document", "name the data file itself"),
    b"\x89PNG": ("picture", "is a picture", "name the data file itself"),
    b"\xff\xd8\xff": ("picture", "is a picture", "name the data file itself"),
    b"\x89HDF": ("hdf5", "is an HDF5 file", "export what it holds to a format that is named here"),
    b"PAR1": ("parquet", "is a Parquet file", "save it as CSV"),
    b"SQLite format 3\x00": ("sqlite", "is an SQLite database", "export what it holds"),
    b"\x93NUMPY": ("numpy", "is a NumPy array", "export what it holds"),
    b"GGUF": ("gguf", "is a GGUF file of quantised weights", "get the weights as safetensors"),
}
_POINTER = re.compile(rb"version https?://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/")
_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_REFUSAL = re.compile(rb"\s*(?:<\?xml[^>]*>\s*<Error\b|\{\s*\"(?:error|message|detail|errors)\"\s*:)")


@dataclass(frozen=True)
class Content:
    """What the first bytes say.

    Args:
        kind: `empty`, `pointer`, `page`, `refusal`, or a format such as `zip`; empty where they say nothing.
        words: the same with a verb, to stand after the file's name.
        remedy: what the user can do.
    """

    kind: str = ""
    words: str = ""
    remedy: str = ""


def content(path: str | Path) -> Content:
    """What a file is, as far as its first bytes say it.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return content_of(file.read(_LENGTH))


def content_of(data: bytes) -> Content:
    """What data is, as far as its first bytes say it."""
    start = data[:_LENGTH]
    text = start.removeprefix(b"\xef\xbb\xbf")
    if not text.strip(b"\x00 \t\r\n"):
        words = "is empty" if not start else "holds nothing but blanks"
        return Content("empty", words, "get the file again, or write it again")
    if _POINTER.match(text):
        return Content("pointer", f"is a Git LFS pointer{_size(text)}, not the file", "git lfs pull fetches the file")
    if text.startswith(b"# xet version"):
        return Content("pointer", "is a Xet pointer, not the file", "git xet or huggingface-cli fetches the file")
    if text.startswith((b"/annex/objects/", b"../.git/annex/", b".git/annex/")):
        return Content("pointer", "is a git-annex pointer, not the file", "git annex get fetches the file")
    if _PAGE.match(text):
        return Content("page", "is a web page, not the file", _AGAIN)
    if _REFUSAL.match(text):
        return Content("refusal", f"is the answer of a server, not the file: {_first_line(text)}", _AGAIN)
    if start[257:262] == b"ustar":
        return Content("tar", "is a tar archive", _UNPACK)
    known = [found for beginning, found in _BEGINNINGS.items() if start.startswith(beginning)]
    return Content(*known[0]) if known else Content()


def check_content(path: str | Path, accepted: Collection[str] = ()) -> None:
    """Looks whether a file that a user names is there and can be what it is taken for.

    Args:
        path: the file.
        accepted: kinds of `Content` that the reader knows, such as `gzip`.

    Raises:
        ValueError: if there is no such file, or if its first bytes say that it is something else.
        OSError: if it cannot be read.
    """
    check(not Path(path).is_dir(), f"{path} is a folder, not a file")
    check(Path(path).is_file(), f"there is no file {str(path)!r}")
    found = content(path)
    check(not found.kind or found.kind in accepted, f"{path} {found.words}: {found.remedy}")


def _size(pointer: bytes) -> str:
    size = re.search(rb"^size (\d+)", pointer, re.MULTILINE)
    return f" of {int(size[1]):,} bytes" if size else ""


def _first_line(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:80]
