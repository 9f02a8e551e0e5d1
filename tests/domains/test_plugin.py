"""A domain of another package, tests/dice, has all that built-in ones have: no file of svdd knows it.

These tests run against src as it is, so that they are also the proof that adding a domain touches no shared file.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import svdd
from support.places import ROOT
from svdd.registry import DomainClashError, DomainWarning, known_domains

DICE = ROOT / "tests" / "dice"


def install(package, target):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, package], check=True, timeout=200, capture_output=True)
    return target


def package(folder, name, code):
    """What an installed package `svdd-NAME` leaves in a folder: its module `svdd_NAME`, and what it declares."""
    declared = folder / f"svdd_{name}-1.dist-info"
    declared.mkdir(parents=True)
    (folder / f"svdd_{name}.py").write_text(code)
    (declared / "METADATA").write_text(f"Metadata-Version: 2.1\nName: svdd-{name}\nVersion: 1\n")
    (declared / "entry_points.txt").write_text(f"[svdd.domains]\n{name} = svdd_{name}:DOMAIN\n")
    return folder


def domain(name, home="__name__", **brought):
    """The code of a module that brings a domain."""
    given = "".join(f", {field}={text}" for field, text in brought.items())
    return f"from svdd.registry.cards import *\nDOMAIN = Domain({name!r}, {home}{given})\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder of packages that holds dice."""
    return install(DICE, tmp_path_factory.mktemp("packages"))


def python(*words, packages):
    """What Python prints with further folders of packages; its errors beside it."""
    before = [str(Path(svdd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    paths = os.pathsep.join([*map(str, packages), *filter(None, before)])
    told = [sys.executable, *map(str, words)]
    return subprocess.run(told, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def call(installed):
    """Calls `svdd` with dice installed; gives what it prints as JSON."""

    def called(*words):
        done = python("-m", "svdd", *words, "--json", packages=[installed])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return called


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dice")


@pytest.fixture(scope="module")
def guided(call, folder):
    """A run towards the payout, and one whose first die is given."""
    words = ["run", "--model", "dice", "--reward", "payout", "--samples", 8, "--quiet"]
    job = folder / "begun.yaml"
    job.write_text("model: dice\nreward: payout\nmethod: pretrained\nsamples: 8\nfirst: 6\n")
    return (
        call(*words, "--candidates", 3, "--out", folder / "guided"),
        call("run", job, "--quiet", "--out", folder / "begun"),
    )


@pytest.mark.slow
def test_it_is_listed(call):
    models = {row["name"]: row for row in call("models")}
    assert models["dice"]["options"] == ["steps", "count"]
    assert models["dice"]["summary"].startswith("Loaded dice")
    assert {"payout", "payout-judge"} <= {row["name"] for row in call("rewards")}


@pytest.mark.slow
def test_it_runs_and_is_measured(guided, folder):
    record, _ = guided
    written = {path.name for path in (folder / "guided").iterdir()}
    assert {"samples.dice", "report.html", "evaluation.csv", "samples.parquet"} <= written
    assert record["model"] == {"name": "dice", "domain": "dice", "dice": 5}
    assert record["evaluation"]["judge"] == "payout-judge"
    assert 0 <= record["evaluation"]["sixes"] <= 1
    assert record["evaluation"]["unique"] > 0
    assert {"samples.dice"} <= set(record["files"])


@pytest.mark.slow
def test_it_begins_as_its_setting_says(guided, folder):
    _, record = guided
    throws = [line.split()[1] for line in (folder / "begun" / "samples.dice").read_text().splitlines()]
    assert record["job"]["first"] == 6
    assert [throw[0] for throw in throws] == ["6"] * 8
    assert len(set(throws)) > 1


@pytest.mark.slow
def test_its_figure_and_gallery_are_in_the_report(guided, folder):
    page = (folder / "guided" / "report.html").read_text()
    assert "Faces" in page
    assert "Best throws" in page
    assert "sixes" in page


@pytest.mark.slow
def test_its_runs_are_evaluated(call, guided, folder):
    made = call("evaluate", folder / "guided", folder / "begun", "--out", folder / "evaluation")
    assert "sixes" in json.dumps(made)
    assert (folder / "evaluation" / "report.html").is_file()


@pytest.mark.slow
def test_its_methods_are_compared(call, folder):
    job = folder / "job.yaml"
    job.write_text("model: dice\nreward: payout\ncandidates: 2\nsamples: 4\n")
    call("compare", job, "--methods", "pretrained,svdd", "--seeds", 1, "--quiet", "--out", folder / "comparison")
    assert "sixes" in (folder / "comparison" / "comparison.csv").read_text().partition("\n")[0]
    assert (folder / "comparison" / "report.html").is_file()


@pytest.mark.slow
def test_the_doctor_looks_at_it(installed):
    done = python("-m", "svdd", "doctor", "--deep", "--json", packages=[installed])
    rows = {row["check"]: row for row in json.loads(done.stdout)}
    assert rows["model dice"] == {"check": "model dice", "ok": True, "says": "loads"}
    assert rows["reward payout"]["ok"]
    assert rows["reward payout-judge"]["ok"]


@pytest.mark.slow
def test_a_value_is_fitted_and_used(call, folder):
    words = ["--model", "dice", "--reward", "payout", "--quiet", "--out"]
    card = call("fit-value", *words, folder / "value", "--rollouts", 32, "--train-steps", 5, "--held-out", 0)
    assert card["reward"] == "payout"
    assert card["process"]["dice"] == 5
    used = call("run", *words, folder / "valued", "--samples", 2, "--candidates", 2, "--value", folder / "value")
    assert used["usage"]["value"]["rows"] > 0


@pytest.mark.slow
def test_python_reads_runs_and_decodes(installed, guided, folder):
    code = f"""
import svdd
result = svdd.decode("dice", "payout", candidates=3, samples=8, progress=False)
read = svdd.read({str(folder / "guided")!r})
assert read.samples == result.samples, (read.samples, result.samples)
assert read.kind == result.kind and type(read.kind).__name__ == "DiceKind"
assert "dice" in list(svdd.list_models()["name"])
result.report({str(folder / "python.html")!r})
"""
    done = python("-W", "error", "-c", code, packages=[installed])
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_run_can_be_read_where_the_package_is_missing(guided, folder):
    code = f"""
import svdd
read = svdd.read({str(folder / "guided")!r})
print(read.kind, *read.samples)
"""
    done = python("-W", "error", "-c", code, packages=[])
    assert done.returncode == 0, done.stderr
    throws = [line.split()[1] for line in (folder / "guided" / "samples.dice").read_text().splitlines()]
    assert done.stdout.split() == ["TextKind(domain='dice')", *throws]


@pytest.mark.slow
def test_it_conforms(installed):
    file = ROOT / "tests" / "domains" / "test_conformance.py"
    done = python("-m", "pytest", file, "-k", "dice or payout", "-p", "no:cacheprovider", packages=[installed])
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_package_that_cannot_be_imported_is_named_and_left_out(installed, tmp_path):
    broken = package(tmp_path, "broken", "import no_such_module")
    done = python("-m", "svdd", "models", "--json", packages=[installed, broken])
    assert done.returncode == 0, done.stderr
    assert {"dice", "toy-masked"} <= {row["name"] for row in json.loads(done.stdout)}
    assert "note: the domain broken of svdd-broken is left out" in done.stderr
    assert "no_such_module" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_package_that_takes_a_known_name_is_refused_in_one_sentence(installed, tmp_path):
    other = package(tmp_path, "other", domain("other", models="{'dice': Card('.m:f')}"))
    for words in (["models"], ["run", "--model", "dice", "--reward", "payout"]):
        done = python("-m", "svdd", *words, packages=[installed, other])
        assert done.returncode == 2, done.stdout
        (said,) = done.stderr.splitlines()
        assert said.startswith("svdd: the domains other of svdd-other and dice of svdd-dice both bring 'dice' (models)")


@pytest.fixture
def declare(monkeypatch, tmp_path):
    """Installs packages, each of one module, into a folder that this process looks into."""

    def declared(**modules):
        for name, code in modules.items():
            package(tmp_path, name, code)
        monkeypatch.syspath_prepend(tmp_path)
        known_domains.declared.cache_clear()
        return {one.name: one for one in known_domains.domains()}

    yield declared
    known_domains.declared.cache_clear()
    for name in [name for name in sys.modules if name.startswith("svdd_")]:
        del sys.modules[name]


def test_a_package_brings_a_domain_and_is_named_by_it(declare):
    assert declare(mine=domain("mine"))["mine"].distribution == "svdd-mine"


def test_a_name_may_be_given_again_to_the_same_thing(declare):
    rewards = "{'gc-content': RewardCard('svdd.domains.sequence.rewards:gc_content', unit='share')}"
    starts = "(Start('svdd.domains.sequence.starts:with_letters', (StartField('fix', 'Letters.', 'texts'),)),)"
    mine = declare(mine=domain("mine", rewards=rewards, starts=starts))["mine"]
    assert list(mine.rewards) == ["gc-content"]
    assert known_domains.REWARDS["gc-content"].range


@pytest.mark.parametrize(
    ("field", "name", "brought"),
    [
        ("models", "dna-enhancer", "{'dna-enhancer': Card('.m:f')}"),
        ("checkpoints", "mdlm", "{'mdlm': Card('.m:f')}"),
        ("rewards", "gc-content", "{'gc-content': RewardCard('.m:f')}"),
        ("reward_schemes", "docking", "{'docking': Card('.m:f')}"),
        ("networks", "ImageClassifier", "{'ImageClassifier': '.m:f'}"),
        ("readers", "graph", "{'graph': '.m:f'}"),
        ("starts", "template", "(Start('.m:f', (StartField('template', 'A file.', 'path'),)),)"),
    ],
)
def test_a_known_name_for_something_else_is_refused(declare, field, name, brought):
    said = (
        rf"the domains mine of svdd-mine and \w+ of svdd both bring '{name}' \({field.replace('_', ' ')}\); uninstall"
    )
    with pytest.raises(DomainClashError, match=said):
        declare(mine=domain("mine", **{field: brought}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["steps", "samples"])
def test_a_start_that_has_the_name_of_a_setting_of_every_job_is_refused(tmp_path, name):
    packages = [package(tmp_path, "mine", domain("mine", starts=f"(Start('.m:f', (StartField('{name}', 'A.'),)),)"))]
    done = python("-m", "svdd", "run", "--model", "toy-masked", packages=packages)
    assert done.returncode == 2
    assert f"begins runs by a setting {name}, which every job has already; uninstall it" in done.stderr


def test_two_domains_of_one_name_are_refused(declare):
    with pytest.raises(DomainClashError, match="svdd-mine and svdd both bring a domain 'dna'"):
        declare(mine=domain("dna"))


def test_two_packages_that_bring_one_domain_are_refused(declare):
    with pytest.raises(DomainClashError, match="both bring a domain 'mine'"):
        declare(mine=domain("mine"), other=domain("mine"))


def test_a_start_of_an_unknown_kind_of_setting_is_left_out_with_a_warning(declare):
    starts = "(Start('.m:f', (StartField('face', 'A face.', 'int'),)),)"
    with pytest.warns(DomainWarning, match="the domain mine of svdd-mine is left out.* unknown kind of setting 'int'"):
        assert "mine" not in declare(mine=domain("mine", starts=starts))


def test_what_is_no_domain_is_left_out_with_a_warning(declare):
    with pytest.warns(
        DomainWarning, match="the domain mine of svdd-mine is left out.* is a int, not a svdd.registry.Domain"
    ):
        assert "mine" not in declare(mine="DOMAIN = 5")
