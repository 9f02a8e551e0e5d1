"""What docs/cost.md shows: the picture of a tiny measurement, and tables of whole measurements alone."""

import importlib
import json
import subprocess
import sys

import pytest

from support.places import ROOT


@pytest.fixture
def script(monkeypatch):
    """A script of benchmarks, as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.mark.slow
def test_a_fast_measurement_has_every_panel_and_is_drawn(script, tmp_path):
    path = tmp_path / "cost.json"
    words = [sys.executable, "benchmarks/cost_picture.py", "--fast", f"--out={path}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    panels = json.loads(path.read_text())
    assert list(panels) == ["T", "B", "M", "L"]
    for letter, panel in panels.items():
        first, second = panel["points"]
        assert second[letter] == 2 * first[letter]
        for point in panel["points"]:
            assert 0 < point["limit"] < point["ours"]
            assert point["network"] > 0
    drawn = script("cost_picture").picture(panels)
    for words in ("steps T", "chains B", "candidates M", "letters L", "plain loop", "ours", "limit"):
        assert f">{words}<" in drawn
    assert len(drawn) < 50_000


def test_the_limit_counts_a_row_of_a_full_batch(script, monkeypatch):
    import svdd

    cost_picture = script("cost_picture")
    asked = []
    process, reward = svdd.load("rna-utr", steps=2), svdd.load_reward("kozak")
    network_row, reward_row = cost_picture.cost_of_rows(
        process, lambda designs: asked.append(len(designs)) or reward(designs)
    )
    assert asked == [4 * process.rows_at_once] * 3
    assert 0 < reward_row < network_row


def test_a_fast_measurement_is_not_published(script, tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(json.dumps({"setting": {"fast": True}, "parts": {}}))
    with pytest.raises(ValueError, match=r"speed\.json is of tiny sizes \(--fast\).* measure it without --fast"):
        script("speed_page").Speed(path)
