"""Kinds of designs: what a process that names none makes, what a kind keeps, and what has moved into it."""

import json
from dataclasses import replace

import numpy
import pytest
import torch
from PIL import Image

import svdd
from support.processes import gaussian, masked, mixed, words
from svdd import decode
from svdd.chain import DesignKind, MovedSettingError, Process, TensorKind, TextKind
from svdd.cost.batches import count
from svdd.decoding.result import kind_of
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.designs import SequenceKind
from svdd.runs.doors import read

PICTURES = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (0, 100, 200)]


def pixels(x):
    """Tokens as images of their shades."""
    return (x[:, :, None].double() / 3).repeat(1, 1, 4)[:, None].repeat(1, 3, 1, 1).float()


def with_prompts(x):
    return captioned(pixels(x), encode_prompts(["a cat"] * len(x)))


def pictures(x):
    return [PICTURES[int(row[0])] for row in x]


def ones(designs):
    return [1.0] * count(designs)


@pytest.mark.parametrize(
    ("designs", "kind"),
    [
        (["ACGT", ""], TextKind()),
        ([3, 4], DesignKind()),
        ([], DesignKind()),
        ([("a", 1)], DesignKind()),
        (PICTURES, DesignKind()),
        ([numpy.zeros(2)], DesignKind()),
        (torch.zeros(2, 3), TensorKind()),
        (torch.zeros(2, 3, 8, 8), TensorKind()),
        ({"nodes": torch.zeros(2, 3), "edges": torch.zeros(2)}, TensorKind()),
        (captioned(torch.zeros(1, 3, 8, 8), encode_prompts(["a cat"])), ImageKind()),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_kind_is_inferred(designs, kind):
    assert kind_of(designs) == kind


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "kind"),
    [
        (masked(decode=words), TextKind()),
        (masked(), TensorKind()),
        (gaussian(), TensorKind()),
        (mixed(), TensorKind()),
        (masked(decode=with_prompts), ImageKind()),
    ],
    ids=["text", "tokens", "numbers", "dictionary", "images with prompts"],
)
def test_designs_of_an_inferred_kind_are_written_and_read_back(process, kind, tmp_path):
    decoded = decode(process, ones, method="pretrained", samples=4)
    assert decoded.kind == kind
    decoded.save(tmp_path)
    keys = kind.keys(decoded.samples)
    assert len(set(keys)) > 1
    frame = decoded.to_frame()
    again = kind.read(frame, tmp_path)
    if kind == ImageKind():  # their files hold bytes
        assert torch.allclose(again["images"], decoded.samples["images"], atol=1 / 509)
        assert frame["prompt"].tolist() == ["a cat"] * 4
    else:
        assert kind.keys(again) == keys


MODEL = """
import sys
sys.path.insert(0, {tests!r})
from chain.test_designs import gaussian, masked, mixed, ones, pictures, with_prompts, words

def text(): return masked(decode=words)
def tokens(): return masked()
def both(): return mixed()
def captioned(): return masked(decode=with_prompts)
def objects(): return masked(decode=pictures)
"""


@pytest.fixture
def run(tmp_path):
    """Runs a process by its name in MODEL, in a folder, and reads it back."""
    from support.places import ROOT

    file = tmp_path / "kinds_for_test.py"
    file.write_text(MODEL.format(tests=str(ROOT / "tests")))

    def made(name):
        job = {"model": f"{file}:{name}", "reward": f"{file}:ones", "method": "pretrained", "samples": 4}
        result = svdd.run(job, tmp_path / "run", progress=False)
        return result, read(tmp_path / "run")

    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [("text", TextKind()), ("tokens", TensorKind()), ("both", TensorKind()), ("captioned", ImageKind())],
)
def test_a_run_is_read_back_as_the_kind_that_was_inferred(run, name, kind):
    result, again = run(name)
    assert again.kind == result.kind == kind
    assert type(again.samples) is type(result.samples)
    if kind != ImageKind():
        assert kind.keys(again.samples) == kind.keys(result.samples)


@pytest.mark.slow
def test_designs_of_an_inferred_kind_are_measured_by_their_domain(run, tmp_path):
    result, _ = run("captioned")
    record = json.loads((result.folder / "run.json").read_text())
    assert record["model"] == {"domain": "image"}
    assert "diversity" in record["evaluation"]
    made = svdd.evaluate([result.folder], out=tmp_path / "evaluation")
    assert "diversity" in made.table


@pytest.mark.slow
def test_objects_are_rows_that_are_told_by_their_names(run):
    result, again = run("objects")
    assert result.kind == again.kind == DesignKind()
    assert result.to_frame()["sample"].tolist() == [0, 1, 2, 3]
    assert again.samples == result.ids
    assert (result.folder / "report.html").is_file()


def test_objects_of_which_nothing_is_known_all_differ():
    keys = DesignKind().keys([PICTURES[0], PICTURES[0], numpy.zeros(2), object()])
    assert len(set(keys)) == 4
    assert len(set(DesignKind().keys([torch.zeros(2), torch.zeros(2), torch.ones(2)]))) == 2
    assert DesignKind().keys([("a", 1), ("a", 1), 2]) == [("a", 1), ("a", 1), 2]


def sequences():
    return masked(decode=words, kind=SequenceKind(DNA, 4))


def test_a_new_decode_drops_the_kind_of_the_old_one():
    process = sequences()
    changed = replace(process, decode=lambda x: x)
    assert changed.kind is None
    assert replace(changed, about={"name": "toy"}).kind is None
    assert decode(changed, ones, samples=2, candidates=2).kind == TensorKind()


def test_what_else_is_replaced_keeps_the_kind():
    process = sequences()
    assert replace(process, times=process.times[1:]).kind is process.kind
    assert replace(process, about={"name": "toy"}).kind is process.kind
    given = replace(process, decode=lambda x: x, kind=TensorKind())
    assert given.kind == TensorKind()
    assert replace(given, rows_each=2).kind == TensorKind()


def test_the_same_designs_made_by_another_function_keep_their_kind():
    process = sequences()
    other = process.decoded_by(lambda x: [word.upper() for word in words(x)])
    assert other.kind is process.kind
    assert other.decode is not process.decode
    assert replace(other, rows_each=2).kind is process.kind
    assert replace(other, decode=words).kind is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"adapt": lambda one: one}, r"a process takes no adapt=: .* the method adapt of its kind="),
        ({"export": print}, r"a process takes no export=: .* the method write of its kind="),
        ({"about": {"domain": "dna"}}, r"about=\{'domain': \.\.\.\} does not say what designs are: give kind="),
        (
            {"about": {"alphabet": "ACGT", "name": "mine"}},
            r"about=\{'alphabet': \.\.\.\} .*SequenceKind\(Alphabet\('ACGT'\)",
        ),
        ({"about": {"alphabet": "ACGT", "domain": "dna"}}, r"about=\{'alphabet': \.\.\., 'domain': \.\.\.\}"),
    ],
)
def test_settings_that_have_moved_are_told_with_the_new_spelling(settings, said):
    process = masked()
    parts = process.prior, process.denoiser, process.transition, process.times
    with pytest.raises(MovedSettingError, match=rf"{said}.*; see docs/your-own.md"):
        Process(*parts, **settings)


def test_beside_a_kind_about_may_say_anything():
    process = masked(kind=TextKind(domain="dna"), about={"domain": "mine", "name": "toy"})
    assert process.facts == {"domain": "dna", "name": "toy"}
