"""What the documents say is so: code blocks run, links lead somewhere, tables agree with the library."""

import ast
import contextlib
import importlib
import re
import sys

import pytest
import torch

import svdd
from support.places import ROOT
from svdd.domains.image.designs import ImageKind
from svdd.scoring.policy import RewardFailureWarning

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")
def test_the_ten_lines_of_the_readme_print_what_it_shows(capsys):
    page = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Ten lines")[2]
    code, shown = re.findall(r"```(?:python)?\n(.*?)```", page, re.DOTALL)[:2]
    exec(
        compile(code.replace("samples=16", "samples=3").replace("candidates=8", "candidates=2"), "README.md", "exec"),
        {},
    )
    printed = capsys.readouterr().out
    assert [_form(line) for line in printed.splitlines()] == [_form(line) for line in shown.splitlines()]


def _form(line):
    """A line without its numbers and its spaces."""
    return re.sub(r"-?[\d.,]+", "#", " ".join(line.split()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")
def test_the_doors_of_python_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(ROOT / "docs" / "python.md", "python"))
    small = 'svdd.decode("dna-enhancer", "hepg2", samples=2, candidates=2, model_options={"steps": 4})'
    code = code.replace('svdd.decode("dna-enhancer", "hepg2")', small).replace('"steps": 32', '"steps": 4')
    exec(compile(code.replace('"steps": 8', '"steps": 4'), "python.md", "exec"), {})
    assert "2 designs of dna-enhancer towards hepg2 by svdd" in capsys.readouterr().out
    assert (tmp_path / "runs" / "a" / "report.html").is_file()
    assert (tmp_path / "compare.html").is_file()


@pytest.mark.slow
def test_the_loop_of_how_it_works_runs(capsys):
    (code,) = blocks(ROOT / "docs" / "how-it-works.md", "python")
    code = code.replace("steps=64", "steps=4").replace("candidates=10", "candidates=2")
    names = {"reward": lambda sequences: [s.count("G") for s in sequences]}
    exec(compile(code, "how-it-works.md", "exec"), names)
    assert len(names["designs"]) == 8


@pytest.mark.slow
def test_the_reward_of_your_own_runs():
    code = blocks(ROOT / "docs" / "your-own.md", "python")[0].replace("steps=32", "steps=4")
    names = {"svdd": svdd}
    exec(compile(code, "your-own.md", "exec"), names)
    assert len(names["result"]) == 8


def test_a_kind_of_your_own_runs(tmp_path):
    (code,) = [one for one in blocks(ROOT / "docs" / "your-own.md", "python") if "TextKind" in one]
    names = {"svdd": svdd, "torch": torch}
    exec(compile(code, "your-own.md", "exec"), names)
    result = names["result"]
    assert all(float(r) == len(s.replace("X", "")) for r, s in zip(result.rewards, result.samples, strict=True))
    result.save(tmp_path)
    assert (tmp_path / "samples.txt").read_text().split("\n") == result.samples


def test_the_domain_of_the_docs_is_the_package():
    page = (ROOT / "docs" / "domains.md").read_text(encoding="utf-8")
    home = ROOT / "tests" / "dice"
    files = [path for path in sorted(home.rglob("*")) if path.suffix in (".py", ".toml", ".json")]
    assert len(files) == 7
    for path in files:
        written = page.partition(f"`{path.relative_to(home).as_posix()}`:\n\n```")[2].partition("\n```")[0]
        assert written.partition("\n")[2] + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_rewards_of_every_kind_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    code = "".join(blocks(ROOT / "docs" / "rewards.md", "python"))
    code = code.replace("steps=32", "steps=4").replace("cmd:python", f"cmd:{sys.executable}")
    with pytest.warns(RewardFailureWarning, match=r"ended the program \(exit status 1\)"):
        exec(compile(code, "rewards.md", "exec"), names)
    scores, outcomes, plan = capsys.readouterr().out.splitlines()
    assert scores == "[1.0, 4.0]"
    assert outcomes.startswith("Outcomes(invalid=0, nan=0, error=")
    assert plan == "a budget of 2,000 reward calls: candidates 62, at most 1,984 reward calls and 32 network rows"


@pytest.mark.slow
def test_rewards_of_molecules_run(capsys):
    page = (ROOT / "docs" / "molecules.md").read_text(encoding="utf-8")
    section = page.partition("## Rewards of molecules")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names = {}
    exec(compile(code, "molecules.md", "exec"), names)
    assert capsys.readouterr().out.strip() == code.strip().rpartition("# ")[2]
    assert names["goal"](["CCO"])[0] > 0


@pytest.mark.slow
def test_measuring_molecules_runs(capsys):
    page = (ROOT / "docs" / "molecules.md").read_text(encoding="utf-8")
    section = page.partition("## Measuring molecules")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(code, "molecules.md", "exec"), {})
    assert capsys.readouterr().out.split() == ["0.75", "0.67", "0.80", "[False", "False", "True]"]


def _of_images(title):
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page.partition(f"## {title}")[2].partition("\n## ")[0], re.DOTALL)
    return code


def test_rewards_of_images_run(capsys):
    code = _of_images("Rewards of images")
    exec(compile(code, "images.md", "exec"), {})
    assert capsys.readouterr().out.strip() == code.strip().rpartition("# ")[2]


def test_measuring_images_runs(capsys):
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    made = svdd.Result(images[:3], torch.zeros(3).double(), [0, 1, 2], kind=ImageKind())
    exec(
        compile(_of_images("Files, report and measures"), "images.md", "exec"),
        {"result": made, "photographs": images[3:]},
    )
    numbers = [float(number) for number in capsys.readouterr().out.split()]
    assert len(numbers) == 3
    assert min(numbers) > 0


@pytest.mark.slow
def test_steering_a_pipeline_runs(capsys):
    names = {}
    with torch.random.fork_rng(devices=[]):
        exec(compile(blocks(ROOT / "docs" / "pipelines.md", "python")[0], "pipelines.md", "exec"), names)
    assert capsys.readouterr().out == "2 64\n"
    assert names["redness"](names["output"].images) == names["output"].rewards.tolist()


def test_schedulers_that_can_be_steered_are_listed():
    from svdd.domains.image.pipelines.kernels import KERNELS

    table = (
        (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8").partition("## Schedulers")[2].partition("\n## ")[0]
    )
    assert set(re.findall(r"`(\w+Scheduler)`", table)) == set(KERNELS)


@pytest.mark.slow
def test_the_evaluation_in_python_runs(capsys):
    (code,) = blocks(ROOT / "docs" / "evaluate.md", "python")
    process = svdd.load("dna-enhancer", steps=2)
    result = svdd.decode(process, lambda s: [t.count("G") for t in s], method="pretrained", samples=2)
    exec(compile(code, "evaluate.md", "exec"), {"svdd": svdd, "process": process, "result": result})
    assert "judge_mean" in capsys.readouterr().out


@pytest.mark.slow
def test_learned_values_are_fitted_saved_and_used(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks(ROOT / "docs" / "learned-values.md", "python"):
        exec(compile(code, "learned-values.md", "exec"), names)
    assert capsys.readouterr().out == f"{4 * 8} {3 * 4 * 8}\n"
    assert (tmp_path / "values" / "gc" / "card.md").exists()
    assert len(names["result"]) == 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def dotted(text):
    """Names of the package in a text: `svdd.x.y`, no file such as `svdd.yaml` and no address."""
    found = re.findall(r"(?<![\w./-])svdd(?:\.[A-Za-z_]\w*)+(?![\w/-])", text)
    return sorted({name for name in found if not name.endswith((".yaml", ".md", ".py"))})


def resolves(name):
    """Whether a dotted name is a module, or what a module or a class of it has."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            found = importlib.import_module(".".join(parts[:cut]))
            for part in parts[cut:]:
                if part not in getattr(found, "__dataclass_fields__", {}) and not hasattr(found, part):
                    return False
                found = getattr(found, part, None)
            return True
    return False


def imports_of(code):
    """The dotted names that code imports from the package."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "svdd":
            yield from (f"{node.module}.{one.name}" for one in node.names)
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.partition(".")[0] == "svdd")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_the_package_are_there(page):
    imported = [name for code in blocks(page, "python") for name in imports_of(code)]
    assert [name for name in [*dotted(page.read_text(encoding="utf-8")), *imported] if not resolves(name)] == []


def test_names_in_docstrings_are_there():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    named = {name for text in texts for span in re.findall(r"`([^`\n]+)`", text) for name in dotted(span)}
    assert len(named) > 20
    assert [name for name in sorted(named) if not resolves(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_of_the_pages_uses_what_import_svdd_brings(page):
    """A module is an attribute of `svdd` once something has imported it, which a reader's program may not have."""
    names = [name for code in blocks(page, "python") for name in dotted(_without_imports(code))]
    assert [name for name in names if name.split(".")[1] not in svdd.__all__] == []


def _without_imports(code):
    return "\n".join(line for line in code.splitlines() if not line.startswith(("import ", "from ")))


def test_names_that_are_not_there_are_found():
    text = "`svdd.decode`, svdd.yaml, ./svdd.sh, `svdd.no_such_thing` and svdd.chain.rng.Rng.uniform"
    assert [name for name in dotted(text) if not resolves(name)] == ["svdd.no_such_thing"]
    assert not resolves("svdd.scoring.no.such")


@pytest.mark.parametrize("page", ["README.md", "docs/choosing.md"])
def test_method_tables_agree_with_the_library(page):
    rows = re.findall(
        r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE
    )
    written = {
        name: (network.strip().replace(" ", ""), reward.strip().replace(" ", "")) for name, network, reward in rows
    }
    methods = {name: (m.network_rows, m.reward_rows) for name, m in svdd.METHODS.items()}
    assert {k: v for k, v in written.items() if k in methods} == methods
