"""The value of runs that name none: the card of a model says it, its process carries it, and the run's folder records it."""

from dataclasses import replace

import pytest
import yaml

import svdd
from support.processes import masked, mixed, reward
from svdd import registry
from svdd.chain.filtering import UnfilteredStepError
from svdd.registry import Card
from svdd.runs.job import make_job
from svdd.runs.running import OtherRunError
from svdd.runs.watching import RunWarning

pytestmark = pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")

SMALL = {"samples": 4, "candidates": 3}
STEPS = 5
DNA = {"model": "dna-enhancer", "model_options": {"steps": STEPS, "length": 24}}
CODE = """
from dataclasses import replace

import svdd


def model():
    return replace(svdd.load("dna-enhancer", steps=5, length=24), usual_value="{value}")


CALLS = {{"number": 0, "fails_at": -1}}


def score(designs):
    CALLS["number"] += 1
    if CALLS["number"] == CALLS["fails_at"]:
        raise KeyboardInterrupt
    return [float(design.count("G")) for design in designs]
"""


@pytest.fixture
def own(tmp_path):
    """Writes a model of a user's own whose process has a usual value; gives a small job of it."""

    def write(value="filtered"):
        file = tmp_path / f"own_{value.replace('-', '_')}.py"
        file.write_text(CODE.format(value=value))
        return {"model": f"{file}:model", "reward": f"{file}:score", **SMALL}

    return write


def recorded(folder):
    return yaml.safe_load((folder / "job.yaml").read_text())["value"]


def test_a_card_and_a_process_have_one_default():
    assert Card("m:f").usual_value == masked().usual_value == "posterior-mean"


def test_the_models_say_theirs():
    told = svdd.list_models().set_index("name")["usual_value"]
    filtered = {"dna-enhancer", "rna-utr"}
    assert set(told[told == "filtered"].index) == filtered
    assert set(told[told != "filtered"]) == {"posterior-mean"}
    for name in ("dna-enhancer", "rna-utr", "rna-utr-uniform", "toy-masked"):
        assert svdd.load(name).usual_value == told[name]


@pytest.mark.parametrize("method", ["svdd", "smc", "beam"])
def test_a_run_that_names_none_takes_it(method):
    sizes = {"svdd": {"candidates": 3}, "smc": {"particles": 3}, "beam": {"width": 2, "candidates": 2}}[method]
    settings = {"method": method, "samples": 4, "progress": False, **sizes}
    by_name = svdd.decode("dna-enhancer", "gc-content", model_options=DNA["model_options"], **settings)
    by_process = svdd.decode(svdd.load("dna-enhancer", **DNA["model_options"]), "gc-content", **settings)
    told = svdd.decode("dna-enhancer", "gc-content", model_options=DNA["model_options"], value="filtered", **settings)
    assert by_name.samples == by_process.samples == told.samples
    assert by_name.settings == by_process.settings == told.settings
    assert told.settings["value"] == "filtered"


def test_it_asks_for_no_row_per_candidate_and_the_posterior_mean_still_does():
    asked = {}
    for value in (None, "posterior-mean"):
        made = svdd.decode("dna-enhancer", "gc-content", model_options=DNA["model_options"], value=value, **SMALL)
        asked[value] = made.usage.network.asked
    assert asked == {None: 4 * STEPS, "posterior-mean": 4 * (1 + 3 * (STEPS - 1))}


def test_budgets_and_forecasts_plan_with_it():
    job = make_job({**DNA, "reward": "gc-content", "samples": 4})
    assert job.value == "filtered"
    limited = {"model_options": DNA["model_options"], "samples": 4, "budget": {"rows": 4 * (1 + 3 * (STEPS - 1))}}
    sizes = [
        svdd.decode("dna-enhancer", "gc-content", value=value, **limited).settings["candidates"]
        for value in (None, "posterior-mean")
    ]
    assert sizes == [100, 3]


def test_a_step_that_it_does_not_know_is_refused_with_the_remedy():
    step = masked().transition
    process = replace(masked(), transition=lambda *given: step(*given), usual_value="filtered")
    with pytest.raises(UnfilteredStepError, match=r"use posterior-mean$"):
        svdd.decode(process, reward, **SMALL)
    with pytest.raises(UnfilteredStepError, match=r"use posterior-mean$"):
        svdd.decode(replace(mixed(), usual_value="filtered"), lambda x: [0.0] * len(x["edges"]), **SMALL)
    assert len(svdd.decode(process, reward, value="posterior-mean", **SMALL)) == 4


def test_an_unknown_one_is_named():
    with pytest.raises(ValueError, match=r"unknown value 'filterd'; did you mean filtered"):
        svdd.decode(replace(masked(), usual_value="filterd"), reward, **SMALL)


def test_the_folder_of_a_run_records_it(tmp_path):
    result = svdd.run({**DNA, "reward": "gc-content", **SMALL}, tmp_path / "run", progress=False)
    assert recorded(tmp_path / "run") == "filtered"
    assert svdd.read(tmp_path / "run").settings["value"] == "filtered"
    told = {**DNA, "reward": "gc-content", **SMALL, "value": "filtered"}
    assert svdd.run(told, tmp_path / "run", progress=False).samples == result.samples
    with pytest.raises(OtherRunError, match=r"differs in value"):
        svdd.run(told | {"value": "posterior-mean"}, tmp_path / "run", progress=False)


def test_a_model_of_ones_own_is_asked_for_its_own(own, tmp_path):
    result = svdd.run(own(), tmp_path / "run", progress=False)
    assert recorded(tmp_path / "run") == "filtered"
    assert svdd.run(own(), tmp_path / "run", progress=False).samples == result.samples
    assert svdd.run(own(), progress=False).samples == result.samples
    with pytest.raises(OtherRunError, match=r"differs in value"):
        svdd.run(own() | {"value": "zero"}, tmp_path / "run", progress=False)
    svdd.run(own() | {"value": "zero"}, tmp_path / "zero", progress=False)
    with pytest.raises(OtherRunError, match=r"differs in value"):
        svdd.run(own(), tmp_path / "zero", progress=False)


def test_a_run_goes_on_with_the_value_that_it_began_with(own, tmp_path, monkeypatch):
    """Though what is usual has changed meanwhile: of a user's own process, and of a model with a card."""
    from svdd.user_files import module_of_file

    monkeypatch.setattr("svdd.runs.running.SAVE_SECONDS", 0.0)
    for name, job in (("own", own()), ("carded", {**own(), **DNA})):
        folder = tmp_path / name
        module = module_of_file(job["reward"].partition(":")[0])
        whole = svdd.run(job, progress=False).samples
        module.CALLS.update(number=0, fails_at=4)
        with pytest.raises(KeyboardInterrupt), pytest.warns(RunWarning):
            svdd.run(job, folder, progress=False)
        module.CALLS.update(fails_at=-1)
        with monkeypatch.context() as changed:
            changed.setattr(module, "model", lambda: svdd.load("dna-enhancer", steps=5, length=24))
            card = replace(registry.MODELS["dna-enhancer"], usual_value="zero")
            changed.setitem(registry.domain("dna").models, "dna-enhancer", card)
            from svdd.runs.running import resume_job

            resume_job(folder)
        assert recorded(folder) == "filtered"
        assert svdd.read(folder).samples == whole


def test_the_runs_of_a_comparison_share_it(own, tmp_path):
    made = svdd.compare(
        own(), {"svdd": None, "mean": {"method": "svdd", "value": "posterior-mean"}}, match="none", seeds=1,
        out=tmp_path / "out", progress=False,
    )  # fmt: skip
    rows = made.table.set_index("label")["network_rows_asked"]
    assert rows["svdd"] == 4 * STEPS
    assert rows[next(label for label in rows.index if label.startswith("mean"))] == 4 * (1 + 3 * (STEPS - 1))
    assert {recorded(one.parent) for one in (tmp_path / "out").rglob("job.yaml")} == {"filtered", "posterior-mean"}
