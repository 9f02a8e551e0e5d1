"""Reports in a real browser: on a telephone and on a desk, nothing overflows, breaks, loads or complains."""

import html
import json
import queue
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
import torch

import svdd
from svdd.decoding.result import Result
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences
from svdd.metrics.kit import kit_of
from svdd.metrics.measures import Designs, Evaluation
from svdd.report.comparison import write_comparison
from svdd.report.html import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the PATH"),
    pytest.mark.browser,
]

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">{{ 7*7 }}${x}$ _"
LONG = "W" * 400
FRAME = """<!DOCTYPE html><html><body style="margin:0">
<iframe id="page" src="{page}" style="width:{width}px;height:9000px;border:0"></iframe><pre id="found"></pre><script>
addEventListener("load", () => {{
  const page = document.getElementById("page").contentDocument, root = page.documentElement;
  const found = {{
    width: root.scrollWidth, title: page.title, scripts: page.scripts.length,
    images: [...page.images].map(one => [one.complete, one.naturalWidth, one.naturalHeight, one.getBoundingClientRect().width]),
    smallest: Math.min(...[...page.querySelectorAll("body *")].filter(one => !one.closest("#scene-view")).map(
      one => parseFloat(getComputedStyle(one).fontSize))),
    canvases: [...page.querySelectorAll("canvas")].length,
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


WATCH = """<!DOCTYPE html><html><body style="margin:0">
<iframe id="page" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><script>
const part = document.getElementById("page");
function pixels(canvas, wanted) {{
  const copy = Object.assign(document.createElement("canvas"), {{ width: canvas.width, height: canvas.height }});
  const flat = copy.getContext("2d");
  flat.drawImage(canvas, 0, 0);
  const all = flat.getImageData(0, 0, copy.width, copy.height).data;
  return all.filter((_, n) => n % 4 === 0 && wanted(all[n], all[n + 1], all[n + 2])).length;
}}
function ligand(canvas) {{  // pixels that are much more green and blue than red
  return pixels(canvas, (red, green, blue) => green > red + 40 && blue > red + 40);
}}
part.addEventListener("load", () => {{
  const page = part.contentDocument, place = page.getElementById("scene-view");
  place.scrollIntoView();
  const wanted = {choice} && setInterval(() => {{  // once the first choice is drawn
    const canvas = place.querySelector("canvas");
    if (!canvas || pixels(canvas, (red, green) => red > green + 60) < 500) return;
    clearInterval(wanted);
    page.querySelectorAll("#scene button")[{choice}].click();
  }}, 200);
  setInterval(() => {{
    const canvas = place.querySelector("canvas"), found = {{ ligand: canvas ? ligand(canvas) : 0 }};
    if (found.ligand < 500) return;
    Object.assign(found, {{
      size: [canvas.clientWidth, canvas.clientHeight], width: page.documentElement.scrollWidth,
      title: page.title, scripts: page.scripts.length,
      chosen: [...page.querySelectorAll("#scene > div > button")].map(one => one.getAttribute("aria-pressed")),
      loaded: page.defaultView.performance.getEntriesByType("resource").map(one => one.name.slice(0, 40)),
    }});
    fetch("/found", {{ method: "POST", body: JSON.stringify(found) }});
  }}, 200);
}});
</script></body></html>"""


def watch(page, folder, width, choice=0):
    """What a browser has on a page once a structure is drawn, and what it complained about until then."""
    told = queue.Queue()

    class Answers(SimpleHTTPRequestHandler):
        def do_POST(self):
            told.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words):
            pass

    (page.parent / "watch.html").write_text(WATCH.format(width=width, choice=choice), encoding="utf-8")
    flags = "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"
    words = [BROWSER, *flags, f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr"]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Answers, directory=page.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/watch.html"
        with (folder / "log").open("wb") as log, subprocess.Popen([*words, address], stdout=log, stderr=log) as browser:
            try:
                found = told.get(timeout=150)
            finally:
                browser.terminate()
                server.shutdown()
    complaints = [line for line in (folder / "log").read_text(errors="replace").splitlines() if "CONSOLE" in line]
    return json.loads(found), complaints


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
    facts = {"model": LONG, "reward": HOSTILE, "compared": "at equal network rows"}
    return write_comparison(
        found, folder, kit_of("dna"), facts, plan, [HOSTILE], [LONG], {HOSTILE: LONG}, [HOSTILE, LONG]
    )


def molecules_report(folder, posed):
    from rdkit import Chem
    from rdkit.Chem import AllChem

    from svdd.domains.molecule.designs import MoleculeKind
    from svdd.domains.molecule.kit import PosedFinish
    from svdd.domains.molecule.poses import Poses

    texts = ["CC(=O)Oc1ccccc1C(=O)O", "CCO", "", "c1ccc(-c2ccccc2)cc1", "C" * 60]
    rewards = torch.tensor([3.0, 1.0, -torch.inf, 2.0, 0.5], dtype=torch.float64)
    scores = {HOSTILE: rewards, LONG: rewards}
    about = {"name": LONG}
    kind = MoleculeKind()
    result = Result(texts, rewards, list(range(5)), scores, settings={"method": "svdd"}, about=about, kind=kind)
    result.breakdown.count(HOSTILE)
    molecules = [Chem.AddHs(Chem.MolFromSmiles(texts[row])) for row in (0, 3)]
    for molecule in molecules:
        AllChem.EmbedMolecule(molecule, randomSeed=1)
    atom = "ATOM  {0:5d}  C   ALA A{0:4d}    {1:8.3f}   0.000   4.000  1.00  0.00           C\n"
    pocket = "".join(atom.format(n, 1.4 * n - 7) for n in range(1, 11)) + "END\n"
    poses = Poses([HOSTILE, LONG], molecules, {"reward": [3.0, 2.0]}, pocket)
    return write_report(result, folder, baselines={HOSTILE: result}, finish=PosedFinish(poses) if posed else None)


def proteins_report(folder):
    """Designs for a bundled backbone, with structures of which a network is sure (blue) and one whose name is hostile."""
    from svdd.domains.protein.finished import StructureFinish
    from svdd.domains.protein.pdb_text import pdb_text
    from svdd.domains.protein.structures import Structures

    process = svdd.load("proteinmpnn", path="2ysh", steps=2)
    result = svdd.decode(process, lambda designs: [0.0] * len(designs), samples=5, method="pretrained")
    texts = [pdb_text(process.kind.structure.backbone, design, [95.0] * 37) for design in result.samples[:2]]
    folded = Structures([HOSTILE, LONG], result.samples[:2], texts, {"reward": [3.0, 2.0]})
    result.samples[1] = result.samples[0]
    return write_report(result, folder, finish=StructureFinish(result, folded))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return folder, {
        "candidates": run_report(folder / "a", "svdd", candidates=4),
        "particles": run_report(folder / "b", "smc", particles=4),
        "comparison": comparison_report(folder / "c"),
        "molecules": molecules_report(folder / "d", posed=False),
    }


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["candidates", "particles", "comparison", "molecules"])
def test_a_report_is_whole_and_as_wide_as_the_window(pages, name, width):
    folder, named = pages
    found, complaints = browse(named[name], folder, width)
    assert complaints == []
    assert found["width"] <= width
    assert found["scripts"] == 0
    assert "owned" not in found["title"].replace(HOSTILE, "")
    assert len(found["images"]) >= 4
    narrowest = 180 if name == "molecules" else 300  # cards
    assert all(
        complete and wide > 0 and high > 0 and shown > narrowest for complete, wide, high, shown in found["images"]
    )
    assert found["smallest"] >= 13
    assert all(loaded.startswith("data:") for loaded in found["loaded"])


def test_poses_are_shown_in_three_dimensions_by_the_page_alone(tmp_path):
    found, complaints = watch(molecules_report(tmp_path / "a", posed=True), tmp_path, 390)
    assert complaints == []
    assert found["width"] <= 390
    assert found["title"] == f"svdd of {LONG}"
    assert found["scripts"] == 3  # the scene, the viewer's code, and what starts it
    assert min(found["size"]) > 200
    assert found["ligand"] > 500  # pixels of its carbons' colour, under any light
    assert found["chosen"] == ["true", "false"]
    assert all(loaded.startswith(("data:", "blob:")) for loaded in found["loaded"])


def test_structures_of_proteins_are_pictures_and_can_be_turned(tmp_path):
    found, complaints = watch(proteins_report(tmp_path / "a"), tmp_path, 390, choice=3)
    assert [line for line in complaints if "Schema changed" not in line] == []  # the viewer's word on another structure
    assert found["width"] <= 390
    assert found["scripts"] == 3
    assert found["ligand"] > 500  # pixels of the blue of what is sure
    assert found["chosen"] == ["false"] * 3 + ["true", "false"]
    assert all(loaded.startswith(("data:", "blob:")) for loaded in found["loaded"])


def test_without_the_viewer_there_are_pictures_of_the_poses_and_a_hint(tmp_path, monkeypatch):
    monkeypatch.setattr("svdd.report.viewer._PACKAGE", "no_such_package")
    page = molecules_report(tmp_path / "a", posed=True)
    found, complaints = browse(page, tmp_path, 390)
    assert complaints == []
    assert (found["scripts"], found["canvases"]) == (0, 0)
    text = page.read_text(encoding="utf-8")
    assert "<h3>Poses</h3>" in text
    assert "pip install &#34;svdd[viewer]&#34;" in text
    assert "script-src" not in text


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
