"""What files are, whatever their names say."""

import gzip
import tarfile
import zipfile

import pytest

from svdd.first_bytes import check_content, content

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00ff\nsize 123456\n"
FOREIGN = {
    "empty": (b"", "empty"),
    "blanks": (b"\n \n", "empty"),
    "zeros": (bytes(4096), "empty"),
    "pointer": (POINTER, "pointer"),
    "pointer with a mark": (b"\xef\xbb\xbf" + POINTER, "pointer"),
    "annex": (b"/annex/objects/SHA256E-s1--00.ckpt\n", "pointer"),
    "page": (b"\n<!DOCTYPE html><html><title>Sign in</title>", "page"),
    "page with a comment": (b"<!-- proxy -->\n<HTML>", "page"),
    "refusal of a store": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "refusal"),
    "refusal of a hub": (b'{"error":"Repository not found"}', "refusal"),
    "gzip": (gzip.compress(b"text"), "gzip"),
    "picture": (b"\x89PNG\r\n\x1a\n", "picture"),
}


@pytest.mark.parametrize(("data", "kind"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_something_else_is_named(tmp_path, data, kind):
    file = tmp_path / "weights.ckpt"
    file.write_bytes(data)
    assert content(file).kind == kind
    with pytest.raises(ValueError, match=r"weights\.ckpt (is|holds)"):
        check_content(file)
    check_content(file, accepted=[kind])


def test_archives_are_known(tmp_path):
    member = tmp_path / "a.txt"
    member.write_text("text")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(member)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(member)
    assert (content(tmp_path / "a.zip").kind, content(tmp_path / "a.tar").kind) == ("zip", "tar")


def test_the_sentence_says_the_size_behind_a_pointer(tmp_path):
    (tmp_path / "a.pdbqt").write_bytes(POINTER)
    with pytest.raises(ValueError, match=r"is a Git LFS pointer of 123,456 bytes, not the file: git lfs pull"):
        check_content(tmp_path / "a.pdbqt")


@pytest.mark.parametrize("text", ["CCO\n", ">a\nACGT\n", '{"a": 1}\n', "<note>a</note>", "ATOM      1  N   MET A   1"])
def test_texts_of_users_are_nothing_else(tmp_path, text):
    (tmp_path / "mine.txt").write_text(text)
    check_content(tmp_path / "mine.txt")


def test_a_folder_and_a_missing_file_are_said(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        check_content(tmp_path)
    with pytest.raises(ValueError, match="there is no file"):
        check_content(tmp_path / "none")
