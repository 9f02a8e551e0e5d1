"""Results as people see them: a short text, a page of a notebook, a report, a figure, the best designs."""

import sys
from html.parser import HTMLParser

import pytest
import torch

import svdd
from support.processes import gaussian, masked, reward, words
from svdd.cost.ledger import Usage
from svdd.decoding.result import Result

pytestmark = pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")


@pytest.fixture
def result():
    return svdd.decode(masked(decode=words, about={"name": "letters"}), reward, samples=8, candidates=4)


def some(samples, rewards):
    settings = {"method": "svdd", "reward": "<b>mine</b>"}
    chain = list(range(len(samples)))
    return Result(samples, torch.tensor(rewards, dtype=torch.float64), chain, settings=settings, usage=Usage())


class Checked(HTMLParser):
    """Reads a page: its tags, its text, and whether every tag is closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_result_is_at_most_five_lines(result, tmp_path):
    assert len(repr(result).splitlines()) == 3
    assert repr(result).startswith("8 designs of letters towards reward by svdd\nreward: median ")
    assert f"{result.usage.network.rows:,} network rows" in repr(result)
    result.save(tmp_path / "saved")
    assert repr(result).splitlines()[-1] == f"saved in {tmp_path / 'saved'}"
    assert len(repr(result).splitlines()) == 4


def test_a_result_without_a_valid_design_has_a_text_and_a_page():
    none = some(["a", "b"], [-torch.inf, -torch.inf])
    assert "none of them valid" in repr(none)
    assert Checked(none._repr_html_()).open == []
    assert none.plot() is None
    assert len(none.best()) == 0


def test_a_notebook_shows_designs_rewards_and_cost(result):
    page = Checked(result._repr_html_())
    assert page.open == []
    assert page.tags.count("table") == 2
    assert page.tags.count("img") == 1
    assert result.best(1)["sample"].item() in page.text
    assert f"{result.usage.reward.rows:,}" in page.text


def test_every_text_of_a_page_is_escaped():
    page = some(["<script>alert(1)</script>", "b"], [2.0, 1.0])._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_without_matplotlib_there_is_no_histogram(result, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib" or name == "svdd.report.plots"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page = Checked(result._repr_html_())
    assert page.tags.count("table") == 2
    assert "img" not in page.tags
    with pytest.raises(ImportError, match=r"svdd\[sequences\]"):
        result.plot()


def test_ipython_displays_a_result_and_its_figure(result):
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(result)
    assert data["text/plain"] == repr(result)
    assert Checked(data["text/html"]).tags.count("table") == 2
    data, _ = formatters.DisplayFormatter().format(result.plot())
    assert data["image/svg+xml"].lstrip().startswith("<?xml")


def test_the_figure_holds_all_rewards(result):
    (axes,) = result.plot().axes
    heights = [patch.get_xy()[:, 1].sum() for patch in axes.patches]
    assert len(heights) == 1
    assert axes.get_xlabel() == "reward"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine.html", "folder"])
def test_a_report_is_written_where_it_was_wanted(result, tmp_path, name):
    path = result.report(tmp_path / name)
    assert path == (tmp_path / name if name.endswith("html") else tmp_path / name / "report.html")
    assert "letters" in path.read_text(encoding="utf-8")


def test_the_best_are_different_and_valid_and_in_order():
    made = some(["b", "a", "b", "c", "d"], [2.0, 1.0, 2.0, 3.0, -torch.inf])
    best = made.best(2)
    assert best["sample"].tolist() == ["c", "b"]
    assert best.index.tolist() == [3, 0]
    assert made.best()["sample"].tolist() == ["c", "b", "a"]
    assert [made.samples[i] for i in best.index] == best["sample"].tolist()
    assert best["id"].tolist() == ["svdd-0003", "svdd-0000"]


def test_the_best_of_states_are_found_by_their_place():
    result = svdd.decode(gaussian(), reward, samples=6, candidates=2)
    place = result.best(1).index.item()
    assert result.rewards[place] == result.rewards.max()
