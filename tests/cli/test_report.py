"""The report: one file, nothing loaded, nothing of a user's text taken for markup."""

import base64
import math
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path as MatplotlibPath

import svdd
from svdd.decoding.result import Result
from svdd.domains.sequence.figures import BASES, _draw, _information, sequence_logo
from svdd.metrics.kit import kit_of
from svdd.metrics.measures import Designs, Evaluation
from svdd.report import looks, plots, traces
from svdd.report.comparison import write_comparison
from svdd.report.html import write_report
from svdd.report.tables import captioned, readable

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(1)>&amp;{{ 7*7 }}$\\frac{$"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(text)
        self.text = "".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def decoded(model):
    process, score = svdd.load(f"{model}:model"), svdd.registry.load_reward(f"{model}:score")
    return {
        m: svdd.decode(process, score, method=m, samples=8, **o)
        for m, o in (("svdd", {"candidates": 3}), ("pretrained", {}))
    }


@pytest.fixture
def page(decoded, tmp_path):
    comparison = pd.DataFrame(
        [{"method": "svdd", "reward": 1.234, "reward_low": 1.0, "reward_high": float("inf"), "rows": 12345}]
    )
    path = write_report(decoded["svdd"], tmp_path / "new", comparison, {"pretrained": decoded["pretrained"]})
    assert path == tmp_path / "new" / "report.html"
    return Page(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_it_holds_settings_costs_designs_and_what_to_cite(page, decoded):
    result = decoded["svdd"]
    assert not page.open
    assert "svdd of toy" in page.text
    assert all(word in page.text for word in ("candidates", "seed", "network", "How to cite", "2408.08252"))
    assert f"{result.usage.network.asked:,}" in page.text
    assert result.samples[int(result.rewards.argmax())] in page.text
    assert "1.23 (1 to inf)" in page.text
    assert "12,345" in page.text


@pytest.mark.slow
def test_it_loads_nothing_from_elsewhere(page):
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "data:").startswith("data:")
        assert "url(" not in attributes.get("style", "")
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


@pytest.mark.slow
def test_its_figures_are_whole_and_load_nothing(page):
    import xml.etree.ElementTree as tree

    sources = [attributes["src"] for attributes in page.all("img")]
    assert len(sources) == 4
    for source in sources:
        kind, _, code = source.partition(",")
        assert kind == "data:image/svg+xml;base64"
        drawing = tree.fromstring(base64.b64decode(code))
        assert drawing.tag.endswith("svg")
        links = [v for e in drawing.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(link.startswith("#") for link in links)
        assert not [e for e in drawing.iter() if e.tag.endswith(("script", "image", "foreignObject"))]


@pytest.mark.slow
def test_it_can_be_read_by_everybody(page):
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("meta")[1]["name"] == "viewport"
    assert len(page.all("h1")) == 1
    assert all(attributes["alt"] for attributes in page.all("img"))
    assert all("scope" in attributes for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 3


@pytest.mark.slow
def test_hostile_texts_stay_texts(tmp_path):
    result = Result(
        [HOSTILE, "<b>two</b>"],
        torch.tensor([1.0, 2.0], dtype=torch.float64),
        [0, 1],
        {HOSTILE: torch.tensor([0.5, 0.5], dtype=torch.float64)},
        settings={"method": "svdd", HOSTILE: HOSTILE, "reward": HOSTILE},
        about={"name": HOSTILE, HOSTILE: HOSTILE},
    )
    comparison = pd.DataFrame([{"method": HOSTILE, HOSTILE: 1.0}])
    text = write_report(result, tmp_path, comparison, {HOSTILE: result, "_under": result}).read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert "<script" not in text
    assert "<b>" not in text
    assert not page.all("script")
    assert len(page.all("img")) == 1
    assert all(attributes["src"].startswith("data:") for attributes in page.all("img"))
    assert page.text.count(HOSTILE) >= 8
    assert "49" not in page.text.replace(HOSTILE, "")


@pytest.mark.slow
def test_hostile_labels_stay_texts_in_a_comparison(tmp_path):
    rows = [{"label": label, "method": label, "temperature": 1.0, "elbo_per_base": 1.0} for label in (HOSTILE, "plain")]
    names = [f"{kind}_{place}" for kind in ("reward", "judge") for place in ("q10", "median", "q90")]
    found = pd.DataFrame([row | {name + end: 2.0 for name in names for end in ("", "_low", "_high")} for row in rows])
    found = found.assign(elbo_per_base_low=0.5, elbo_per_base_high=1.5)
    plan = [{"label": HOSTILE, HOSTILE: HOSTILE}]
    facts = {"compared": HOSTILE, HOSTILE: HOSTILE}
    path = write_comparison(
        found, tmp_path, kit_of("dna"), facts, plan, [HOSTILE], [HOSTILE], {HOSTILE: HOSTILE}, [HOSTILE]
    )
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.open
    assert not page.all("script")
    assert len(page.all("img")) == 4
    for attributes in page.all("img"):
        assert set(attributes) == {"src", "alt"}
        assert b"<script" not in base64.b64decode(attributes["src"].partition(",")[2])
    assert page.text.count(HOSTILE) >= 8


@pytest.mark.slow
def test_designs_that_are_not_text(tmp_path):
    result = Result(
        torch.zeros(6, 2, 4, 4),
        torch.tensor([1.0, -torch.inf, 3.0] * 2, dtype=torch.float64),
        list(range(6)),
        settings={"method": "svdd"},
    )
    page = Page(write_report(result, tmp_path).read_text(encoding="utf-8"))
    assert len(page.all("img")) == 1
    assert "67%" in page.text


def test_no_valid_design(tmp_path):
    rewards = torch.full((5,), -torch.inf, dtype=torch.float64)
    result = Result(["a"] * 5, rewards, list(range(5)), settings={"method": "svdd"})
    page = Page(write_report(result, tmp_path).read_text(encoding="utf-8"))
    assert not page.all("img")
    assert "0%" in page.text


@pytest.mark.slow
@pytest.mark.parametrize("module", ["jinja2", "matplotlib.figure"])
def test_a_missing_extra_is_named(decoded, tmp_path, monkeypatch, module):
    if module == "matplotlib.figure":
        monkeypatch.delitem(sys.modules, "svdd.report.plots")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r'pip install "svdd\[sequences\]"') as refused:
        write_report(decoded["svdd"], tmp_path)
    assert module.partition(".")[0] in str(refused.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_a_run_writes_its_report(run, tmp_path):
    assert run().status == 0
    assert "svdd of toy" in Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text


@pytest.mark.slow
def test_a_run_without_the_extra_writes_all_but_the_report(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("--quiet")
    assert result.status == 0
    said = 'no report.html, the report needs jinja2, which is not installed: pip install "svdd[sequences]"'
    assert result.err == f"svdd: note: {said}\n"
    assert (tmp_path / "out" / "run.json").exists()
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.slow
def test_the_logo_is_for_nucleotides_of_one_length():
    assert sequence_logo(["ACGT", "ACGA"])
    assert sequence_logo(["ACGT", "ACG"]) is None
    assert sequence_logo(["ACGU", "ACGA"])
    assert sequence_logo(["ACGX"]) is None
    assert sequence_logo([""]) is None
    assert sequence_logo([]) is None


def test_information_is_two_bits_where_all_agree_and_none_where_all_differ():
    bits = _information(["AA", "AC", "AG", "AT"])
    assert bits[0].tolist() == [2.0, 0.0, 0.0, 0.0, 0.0]
    assert bits[1].sum() == pytest.approx(0.0)


def test_letters_of_a_logo_stand_on_each_other_as_tall_as_their_bits():
    axes = Figure().add_subplot()
    _draw(axes, bits := _information(["AAG", "ACG", "AGG", "AGU"]), 5)
    assert [patch.get_facecolor() for patch in axes.patches] == [to_rgba(colour) for colour in BASES.values()]
    letters = []
    for patch, heights in zip(axes.patches, bits.T, strict=True):
        path, count = patch.get_path(), int((heights > 0).sum())
        outlines = np.split(path.vertices, count) if count else []
        codes = np.split(path.codes, count) if count else []
        letters += [
            MatplotlibPath(*outline).get_extents().extents.tolist() for outline in zip(outlines, codes, strict=True)
        ]
    expected = [(4.5, 0, 5.5, 2), (5.5, 0, 6.5, 0.125), (5.5, 0.125, 6.5, 0.25), (5.5, 0.25, 6.5, 0.5)]
    low, high = sorted(bits[2][bits[2] > 0])
    expected += [(6.5, 0, 7.5, low), (6.5, low, 7.5, low + high)]
    assert sorted(letters) == [pytest.approx(one, abs=1e-5) for one in expected]


def trace(ancestor, log_w=0.0, children=1):
    """A trace of one chain: ancestors of the particles of each step."""
    rows = [
        {"step": step, "chain": 0, "particle": particle, "ancestor": a, "children": children, "log_w": log_w}
        for step, particles in enumerate(ancestor)
        for particle, a in enumerate(particles)
    ]
    return pd.DataFrame(rows)


def test_lineages_are_those_with_a_descendant_at_the_end():
    numbers = traces.particles(trace([[0, 1, 2, 3], [0, 0, 2, 3], [1, 1, 0, 0]]))
    # the last four come from particles 0 and 1 of the second step, which both come from particle 0 of the first
    assert numbers["surviving lineages"]["number"].tolist() == [1, 2, 4]
    assert numbers["effective particles"]["number"].tolist() == [4, 4, 4]


def test_a_lineage_goes_through_the_parent_of_a_candidate():
    numbers = traces.particles(trace([[0, 3], [2, 3]], children=2))
    assert numbers["surviving lineages"]["number"].tolist() == [1, 2]


def test_the_family_tree_joins_every_particle_to_its_parent():
    table = trace([[0, 1, 2, 3], [0, 0, 2, 3], [1, 1, 0, 0]])
    tree = traces.genealogy(pd.concat([table, table.assign(chain=1, ancestor=0)]))
    assert tree.parent.tolist() == [[0, 1, 2, 3], [0, 0, 2, 3], [1, 1, 0, 0]]
    assert tree.living.tolist() == [[True, False, False, False], [True, True, False, False], [True] * 4]
    drawn = plots.family_tree(tree)
    assert drawn.count(looks.BLUE) == 2 + 4  # lines that lead to the end
    assert drawn.count("#cbd5e1") == 2
    assert traces.genealogy(table[table["particle"] == 0]) is None
    assert traces.genealogy(table[table["step"] == 0]) is None


def test_particles_count_by_their_weight():
    table = trace([[0, 1], [0, 1], [0, 1]])
    table["log_w"] = [0.0, 0.0, 0.0, -math.inf, math.log(3), 0.0]
    assert traces.particles(table)["effective particles"]["number"].tolist() == pytest.approx([2, 1, 1.6])


def test_chains_that_were_cut_short_are_left_out():
    whole = trace([[0, 1], [0, 0], [0, 1]])
    cut = whole[whole["step"] < 2].assign(chain=1)
    numbers = traces.particles(pd.concat([whole, cut]))
    assert numbers["surviving lineages"]["number"].tolist() == [1, 2, 2]
    assert traces.particles(whole[whole["particle"] == 0]) == {}


def figure_titles(result, folder, **more):
    page = Page(write_report(result, folder, **more).read_text(encoding="utf-8"))
    return [attributes["alt"].partition(":")[0] for attributes in page.all("img")], page.text


@pytest.mark.slow
def test_methods_with_particles_show_their_genealogy(model, tmp_path):
    process, score = svdd.load(f"{model}:model"), svdd.registry.load_reward(f"{model}:score")
    smc = svdd.decode(process, score, method="smc", particles=4, samples=6)
    nested = svdd.decode(process, score, method="nested-is", particles=4, candidates=2, samples=6)
    best = svdd.decode(process, score, method="best-of-n", particles=4, samples=6)
    assert figure_titles(smc, tmp_path / "a")[0] == [
        "Value against step",
        "Weights and lineages",
        "Genealogy",
        "Rewards",
        "Sequence logo",
    ]
    titles = figure_titles(nested, tmp_path / "b")[0]
    assert titles[1:4] == ["Choice against step", "Weights and lineages", "Genealogy"]
    assert figure_titles(best, tmp_path / "c")[0] == ["Rewards", "Sequence logo"]


@pytest.mark.slow
def test_over_optimisation_is_shown_where_something_was_held_out(decoded, tmp_path):
    result, unknown = decoded["svdd"], np.full(8, np.nan)
    result.settings |= {"reward": "hepg2"}
    designs = Designs(result.samples, [0] * 8, result.chain, result.rewards.numpy(), np.arange(8.0), unknown)
    row = {"judge": "hepg2-judge", "diversity": 0.5, "unique": 1.0}
    titles, text = figure_titles(result, tmp_path / "a", evaluation=Evaluation(row, [], designs))
    assert "Over-optimisation" in titles
    assert "Designs far below the dashed line please the guide alone" in text
    differ = "mean edit distance of two designs, as a share of their letters 0.5"
    assert f"{len(set(result.samples))} different among 8 designs; {differ}" in text
    assert "distinct candidates a choice on average" in text
    other = Evaluation(row | {"judge": "stranger"}, [], designs)
    assert "dashed line" not in figure_titles(result, tmp_path / "b", evaluation=other)[1]
    alone = Evaluation(row | {"judge": ""}, [], replace(designs, judge=unknown))
    titles, text = figure_titles(result, tmp_path / "c", evaluation=alone)
    assert "Over-optimisation" not in titles
    assert "No held-out reward." in text


@pytest.mark.slow
def test_what_the_reward_had_no_number_for_is_told(decoded, tmp_path):
    decoded["svdd"].usage.outcomes.timeout = 3
    assert "3 timed out" in figure_titles(decoded["svdd"], tmp_path)[1]


def test_names_in_drawings_are_short_and_of_one_line():
    assert looks.brief("two\nlines") == "two lines"
    assert len(looks.brief(HOSTILE)) == looks.LETTERS
    drawing = plots.reward_histogram({"_under": [1.0, 2.0], HOSTILE: [1.0], "名前": [2.0]})
    assert "<script" not in drawing
    assert "_under" in drawing  # as a comment beside its shapes


@pytest.mark.slow
def test_global_matplotlib_state_is_untouched(decoded, tmp_path):
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams), matplotlib.get_backend(), pyplot.get_fignums()
    write_report(decoded["svdd"], tmp_path)
    assert (dict(matplotlib.rcParams), matplotlib.get_backend(), pyplot.get_fignums()) == before


def test_bounds_are_shown_only_beside_their_estimate():
    frame = pd.DataFrame([{"x": 1.0, "x_low": 0.5, "x_high": 2.0, "y_low": 3.0}])
    assert readable(frame) == (["x", "y low"], [["1 (0.5 to 2)", "3"]])


def test_a_number_without_an_interval_stands_alone():
    nothing = float("nan")
    frame = pd.DataFrame([{"label": "a", "reward_mean": 1.0, "reward_mean_low": nothing, "reward_mean_high": nothing}])
    (table,) = captioned(frame, kit_of("dna").all_columns)
    assert table["rows"] == [["a", "1"]]
    assert table["caption"] == "Reward"
