"""A page of a handful of designs: no chart and no matplotlib, but every picture of a single design."""

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as tree

import pytest
import torch

from svdd.decoding.result import Result
from svdd.report.figures import CHARTS_FROM
from svdd.report.html import write_report

RUN = """
import sys
from svdd.cli.main import main
try:
    main(sys.argv[1:])
finally:
    loaded = sorted(name for name in sys.modules if name.split(".")[0] == "matplotlib")
    assert not loaded, loaded
"""
SENTENCE = f"Charts begin at {CHARTS_FROM} designs"
PICTURE = re.compile(r'<img src="data:image/svg[+]xml;base64,([^"]+)" alt="([^":]+)')


def pictures(page):
    """What each picture of a page shows, and its bytes."""
    return [(alt, base64.b64decode(code)) for code, alt in PICTURE.findall(page)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reward", "shown"),
    [
        ("rna-utr", "mrl", ["Secondary structure"]),
        ("dna-enhancer", "hepg2", []),
        ("molecule", "qed", ["Structure of"] * 2),
    ],
)
def test_a_run_of_two_designs_has_no_chart_and_imports_no_matplotlib(tmp_path, model, reward, shown):
    sizes = ["--steps=3", "--samples=2", "--candidates=2", "--seed=1"]
    words = ["run", f"--model={model}", f"--reward={reward}", *sizes, f"--out={tmp_path / 'out'}"]
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    found = pictures(page)
    assert len(found) == page.count("<img ") == len(shown)
    assert all(alt.startswith(wanted) for (alt, _), wanted in zip(found, shown, strict=True))
    assert SENTENCE in page
    assert "Best designs" in page
    assert "<h2>Evaluation</h2>" in page


def designs(count):
    rewards = torch.arange(count, dtype=torch.float64)
    return Result(["ACGT"] * count, rewards, list(range(count)), settings={"method": "svdd"})


@pytest.mark.slow
def test_charts_begin_at_a_number_of_designs(tmp_path):
    fewer = write_report(designs(CHARTS_FROM - 1), tmp_path / "fewer").read_text(encoding="utf-8")
    enough = write_report(designs(CHARTS_FROM), tmp_path / "enough").read_text(encoding="utf-8")
    assert (pictures(fewer), SENTENCE in fewer) == ([], True)
    assert ([alt for alt, _ in pictures(enough)], SENTENCE in enough) == (["Rewards"], False)


@pytest.mark.slow
def test_designs_of_other_runs_on_the_page_count_too(tmp_path):
    page = write_report(designs(2), tmp_path, baselines={"pretrained": designs(CHARTS_FROM)})
    assert [alt for alt, _ in pictures(page.read_text(encoding="utf-8"))] == ["Rewards"]


def folds(*texts, titles=None):
    """The parts of a drawing of folds, by tag."""
    pytest.importorskip("RNA")
    from svdd.domains.rna.figures import structure_drawing

    drawn = tree.fromstring(structure_drawing(texts, titles or [""] * len(texts)))
    space = "{http://www.w3.org/2000/svg}"
    return lambda tag, within=drawn: list(within.iter(space + tag)), drawn


def test_a_fold_shows_every_letter_and_every_pair():
    hairpin = "GGGGAAAACCCC"
    parts, drawn = folds(hairpin, titles=["a<b>"])
    (panel,) = parts("svg")[1:]
    assert "".join(letter.text for letter in parts("text", panel)) == hairpin
    assert parts("path")[0].get("d").count("M") == 4
    filled = [circle.get("fill") != "white" for circle in parts("circle")]
    assert filled == [True] + [False] * (len(hairpin) - 1)
    assert parts("text", drawn)[0].text == "a<b>"
    assert re.fullmatch(r"-\d+\.\d kcal/mol", parts("text")[1].text)


def test_pairs_join_the_letters_that_they_are_of():
    parts, _ = folds("GGGGAAAACCCC")
    places = [(circle.get("cx"), circle.get("cy")) for circle in parts("circle")]
    lines = re.findall(r"M(\S+) (\S+)L(\S+) (\S+?)(?=M|$)", parts("path")[0].get("d"))
    joined = sorted((places.index(line[:2]), places.index(line[2:])) for line in lines)
    assert joined == [(0, 11), (1, 10), (2, 9), (3, 8)]


def test_every_letter_is_inside_its_panel():
    for text in ("AC", "ACGU" * 5, "GGGGAAAACCCC" * 25):
        parts, _ = folds(text)
        left, top, width, height = map(float, parts("svg")[1].get("viewBox").split())
        for circle in parts("circle"):
            x, y, radius = (float(circle.get(name)) for name in ("cx", "cy", "r"))
            assert left <= x - radius
            assert x + radius <= left + width
            assert top <= y - radius
            assert y + radius <= top + height


def test_what_does_not_fold_is_not_drawn():
    pytest.importorskip("RNA")
    from svdd.domains.rna.figures import structure_drawing

    assert structure_drawing(["ACGU" * 76], [""]) is None
    assert structure_drawing(["A"], [""]) is None
    assert structure_drawing(["ACGX"], [""]) is None
