"""Reports in a real browser: on a telephone and on a desk, nothing overflows, breaks, loads or complains."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

import svdd
from svdd.alphabets import DNA
from svdd.metrics.evaluation import Designs, Evaluation
from svdd.models.masked import masked_sequences
from svdd.report.comparison import write_comparison
from svdd.report.html import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the PATH")

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">{{ 7*7 }}${x}$ _"
LONG = "W" * 400
FRAME = """<!DOCTYPE html><html><body style="margin:0">
<iframe id="page" src="{page}" style="width:{width}px;height:9000px;border:0"></iframe><pre id="found"></pre><script>
addEventListener("load", () => {{
  const page = document.getElementById("page").contentDocument, root = page.documentElement;
  const found = {{
    width: root.scrollWidth, title: page.title, scripts: page.scripts.length,
    images: [...page.images].map(one => [one.complete, one.naturalWidth, one.naturalHeight, one.getBoundingClientRect().width]),
    smallest: Math.min(...[...page.querySelectorAll("body *")].map(one => parseFloat(getComputedStyle(one).fontSize))),
    loaded: page.defaultView.performance.getEntriesByType("resource").map(one => one.name.slice(0, 40)),
  }};
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script></body></html>"""


def browse(page, folder, width):
    """What a browser finds on a page in a window of a width, and what it complains about."""
    frame = folder / f"frame{width}.html"
    frame.write_text(FRAME.format(page=page.as_uri(), width=width), encoding="utf-8")
    words = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    words += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    done = subprocess.run([*words, frame.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found.group(1))), complaints


def reward(texts):
    return [text.count("G") for text in texts]


def run_report(folder, method, **options):
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    process = masked_sequences(lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=120, steps=8)
    result = svdd.decode(process, reward, method=method, samples=12, temperature=0.5, **options)
    result.settings |= {"reward": HOSTILE, LONG: HOSTILE, HOSTILE: LONG}
    result.about |= {"name": LONG, HOSTILE: LONG}
    result.scores[HOSTILE] = result.rewards + 1
    result.usage.outcomes.timeout = 3
    result.samples[0] = LONG
    unknown = np.full(12, np.nan)
    designs = Designs(result.samples, [0] * 12, result.chain, result.rewards.numpy(), np.arange(12.0), unknown)
    row = {"judge": LONG, "diversity": 0.5, "diversity_low": 0.4, "diversity_high": 0.6, "unique": 1.0}
    baselines = {HOSTILE: result, LONG: result}
    table = pd.DataFrame([{"method": HOSTILE, LONG: 1.0}, {"method": LONG, LONG: 2.0}])
    return write_report(result, folder, table, baselines, Evaluation(row, [HOSTILE, LONG], designs))


def comparison_report(folder):
    labels = ["pretrained", HOSTILE, LONG, "svdd, temperature 0.5", "svdd, temperature 1"]
    found = pd.DataFrame({"label": labels, "method": [*labels[:3], "svdd", "svdd"], "runs": 2, "designs": 8})
    measures = [f"{kind}_{place}" for kind in ("reward", "judge") for place in ("q10", "median", "q90")]
    for number, name in enumerate((*measures, "elbo_per_base")):
        found[name] = np.arange(5.0) + number
        found[f"{name}_low"], found[f"{name}_high"] = found[name] - 0.5, found[name] + 0.5
    found["temperature"] = [None, None, None, 0.5, 1.0]
    plan = [{"label": label, "sizes": "M = 10", "folder": label} for label in labels]
    facts = {"model": LONG, "reward": HOSTILE, "equal": "network rows"}
    return write_comparison(found, folder, facts, plan, [HOSTILE], [LONG], {HOSTILE: LONG}, [HOSTILE, LONG])


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return folder, {
        "candidates": run_report(folder / "a", "svdd", candidates=4),
        "particles": run_report(folder / "b", "smc", particles=4),
        "comparison": comparison_report(folder / "c"),
    }


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["candidates", "particles", "comparison"])
def test_a_report_is_whole_and_as_wide_as_the_window(pages, name, width):
    folder, named = pages
    found, complaints = browse(named[name], folder, width)
    assert complaints == []
    assert found["width"] <= width
    assert found["scripts"] == 0
    assert "owned" not in found["title"].replace(HOSTILE, "")
    assert len(found["images"]) >= 4
    assert all(complete and wide > 0 and high > 0 and shown > 300 for complete, wide, high, shown in found["images"])
    assert found["smallest"] >= 13
    assert all(loaded.startswith("data:") for loaded in found["loaded"])


def test_the_browser_would_have_seen_it(tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<!DOCTYPE html><title>t</title><div style="width:900px">x</div><img src="data:image/png;base64,AAAA">'
        '<script>document.title = "owned"; console.error("no")</script>'
    )
    found, complaints = browse(bad, tmp_path, 390)
    assert found["width"] >= 900
    assert found["images"][0][1] == 0
    assert (found["scripts"], found["title"]) == (1, "owned")
    assert any('"no"' in line for line in complaints)
