"""YAML as people write it: what would be lost or changed without a word is refused with its line, or stays what was typed."""

import os
import threading
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from svdd.runs.job import make_job, read_settings
from svdd.runs.yaml_text import YamlError, as_yaml_text, read_yaml, yaml_of_file

BOMB = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("samples: 64\nsteps: 2\nsamples: 1\n", "line 3: 'samples' is there already in line 1; keep one of them"),
        ("samples: 64\n'samples': 1\n", "line 2: 'samples' is there already in line 1"),
        ("options:\n  a: 1\n  b: {c: 1,\n   c: 2}\n", "line 4: 'c' is there already in line 3"),
        ("x-a: &a\n  b: 1\n  b: 2\n<<: *a\n", "line 3: 'b' is there already in line 2"),
        ("<<: {b: 1, b: 2}\n", "line 1: 'b' is there already in line 1"),
        ("x: &a {b: 1}\n<<: *a\n<<: *a\n", "line 3: '<<' is there already in line 2; give it one list"),
        ("no: 1\n'no': 2\n", "line 2: 'no' is there already in line 1"),
        ('{"a": 1,\n "a": 2}', "line 2: 'a' is there already in line 1"),
        ("a:\n\tb: 1\n", "line 2 is not valid YAML: a tab stands .*indent with spaces"),
        ("a: 1\n---\nb: 2\n", r"line 2 is not valid YAML: it begins a second document \(---\)"),
        ("a: 1\nb: @x\n", "line 2 is not valid YAML: text that begins with '@' stands in quotes"),
        ("a: *CC\n", r"text that begins with \* stands in quotes, unless an anchor"),
        ("reward: cmd:score: x\n", "write text that holds ': ' in quotes"),
        ("samples:64\nmodel: x\n", "line 2 is not valid YAML: .* put a blank after each colon"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "line 1: settings have no tags such as !!python/object/apply:os.system",
        ),
        ("a: !mine x\n", "line 1: settings have no tags such as !mine"),
        ("a: !!bool maybe\n", "line 1: 'maybe' is no bool"),
        ("a: " + "9" * 5000, "line 1: '999"),
        ("? [a, b]\n: 1\n", "line 1: a list or a mapping stands where a name is needed"),
        ("<<: 3\n", "<< takes a mapping, or a list of mappings"),
        ("[" * 5000, "line 1: lists and mappings are more than 40 deep"),
        ("a: " + "{b: " * 100, "more than 40 deep"),
        (BOMB, r"line 6: its references \(\*\) repeat more than 100,000 values"),
        (CHAIN, r"line 40: its references \(\*\) are more than 40 deep"),
        ("a: &a\n  b: *a\n", "line 1: a reference .* leads back to what holds it"),
        ("a: \x01\n", "the character '.x01' at position 4 is no text"),
        ("#" * 1_000_001, "1,000,001 characters are too many"),
    ],
)
def test_what_yaml_would_hide_is_refused_with_its_line(text, said):
    started = time.monotonic()
    with pytest.raises(YamlError, match=said):
        read_yaml(text)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("012", "012"), ("08", "08"), ("1:30", "1:30"), ("2026-01-31", "2026-01-31"), ("0b11", "0b11"), ("1_", "1_"),
        ("1e-3", 0.001), ("1E5", 1e5), ("-.5", -0.5), ("1.", 1.0), (".inf", float("inf")), ("1_000", 1000), ("0x1f", 31),
        ("no", False), ("On", True), ("'no'", "no"), ("~", None), ("", None), ("=", "="), ("[C, '#6']", ["C", "#6"]),
    ],
)  # fmt: skip
def test_plain_values(text, value):
    assert read_yaml(f"a: {text}") == {"a": value}


def test_names_are_text_as_typed():
    assert read_yaml("{no: 1, on: 2, ~: 3, null: 4, 1.5: 5, 2026-01-31: 6}") == {
        "no": 1, "on": 2, "~": 3, "null": 4, "1.5": 5, "2026-01-31": 6
    }  # fmt: skip


def test_json_may_be_indented_with_tabs():
    assert read_yaml('{\n\t"a": [true, null],\n\t"b": 1e5\n}') == {"a": [True, None], "b": 1e5}


def test_anchors_merge_and_what_stands_beside_them_wins():
    assert read_yaml("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 0}\n")["z"] == {
        "a": 0,
        "b": 2,
        "c": 4,
    }


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.from_regex(r"[-+]?[0-9_]{1,4}([:.][0-9_]{0,3})?([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(plain)
def test_what_is_written_is_read_back_by_these_rules_and_by_older_ones(value):
    written = as_yaml_text(value)
    assert read_yaml(written) == value
    assert yaml.safe_load(written) == value


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "job.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_keys_that_begin_with_x_hold_anchors(file):
    job = "x-sizes: &sizes\n  steps: 2\n  length: 12\nmodel: dna-enhancer\nreward: gc-content\n<<: *sizes\n"
    made = make_job(read_settings(file(job)))
    assert (made.steps, made.length) == (2, 12)
    assert "x-sizes" not in made.written()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"), (b"# only words\n", "holds nothing but comments"), (b"\x00", "holds nothing but blanks"),
        ("model: é".encode("latin-1"), "is not a text file"), ("model: a".encode("utf-16"), "is not a text file"),
        (b"<!DOCTYPE html><p>sign in", "is a web page"), (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"- model\n", "must hold settings"), (b"model\n", "must hold settings"), (b"12: 3\n", "must hold settings"),
        (b"samples: 1\nsamples: 2\n", "job.yaml, line 2: 'samples' is there already in line 1"),
    ],
)  # fmt: skip
def test_files_that_are_no_jobs(file, content, said):
    with pytest.raises(ValueError, match=said):
        read_settings(file(content))


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="is a folder, not a file"):
        yaml_of_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        yaml_of_file(tmp_path / "nowhere.yaml")


def test_a_mark_of_byte_order_is_no_part_of_the_first_name(file):
    assert read_settings(file(b"\xef\xbb\xbfmodel: a\r\nreward: b\r\n")) == {"model": "a", "reward": "b"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("samples:", "samples has no value; give it one, or leave it out"),
        ("reward_options:", "reward_options has no value"),
        ("samples: yes", "samples takes no truth value, got True; yes, no, on, off"),
        ("seed: off", "seed takes no truth value, got False"),
        ("cache: no", "cache takes no truth value, got False"),
        ("chunks: {network: on}", "chunks takes no truth value, got True"),
        ("cache: 12", "cache should be a valid string, got 12; write '12' in quotes"),
        ("cache: [a, b]", "give one value, without brackets, or text with brackets in quotes"),
        ("scores: [{name: qed, options: }]", "scores.options has no value"),
        ("scores: [{name: no}]", "scores.name should be a valid string, got False; yes, no, on"),
        ("model_options: {1: 2}", "a name in model_options should be a valid string, got 1; write '1' in quotes"),
        ("samples: 1:30", "samples should be a valid integer, .* got '1:30'"),
        ("ѕamples: 3", "unknown setting 'ѕamples'; did you mean samples"),
    ],
)
def test_values_that_yaml_takes_for_something_else(file, line, said):
    with pytest.raises(ValueError, match=said):
        make_job(read_settings(file(f"model: toy-masked\nreward: gc-content\n{line}\n")))


def test_numbers_as_people_type_them(file):
    job = make_job(
        read_settings(file("model: m\nreward: gc-content\nsamples: 012\ntemperature: 1e-3\nforce_value: yes\n"))
    )
    assert (job.samples, job.temperature, job.force_value) == (12, 0.001, True)


def test_a_pipe_is_read_as_a_file_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # what `svdd run <(sed ... job.yaml)` gives
    writing = threading.Thread(target=lambda: pipe.write_text("model: dna-enhancer"))
    writing.start()
    assert yaml_of_file(pipe) == {"model": "dna-enhancer"}
    writing.join()
