"""The job schema knows every option of every method, and so do the flags and the YAML files."""

import pytest
import yaml

from svdd.cli.flags import flags_of, settings
from svdd.method.table import METHODS
from svdd.runs.guided import REWARD_SETTINGS
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.reward_spec import RewardSpec

pytestmark = pytest.mark.usefixtures("quick_report")

OPTIONS = {option for row in METHODS.values() for option in row.options}
BASE = {"model": "m", "reward": "r", "out": "o"}
GIVEN = {
    "candidates": 3, "particles": 4, "width": 2, "temperature": 0.5, "replace": 0.5, "ess": 0.4, "potential": "max",
    "prior_candidates": 2, "every": 2, "window": (0.9, 0.1), "block_length": 3, "tempering": "adaptive", "narrowing": "psp",
    "deviations": 0.7,
    "moves": 5, "fraction": 0.3, "tries": 2, "best_of": 4, "population": 3, "exact": True,
}  # fmt: skip


def test_every_option_of_every_method_is_a_setting_and_a_flag():
    flags = flags_of(Job)
    for option in OPTIONS:
        assert option in Job.model_fields
        assert option in flags
    assert set(GIVEN) == OPTIONS


def test_every_setting_is_a_flag():
    flags = flags_of(Job)
    assert set(Job.model_fields) == set(flags)
    assert {name: flag.name for name, flag in flags.items() if flag.name != name} == {
        "scores": "score", "model_options": "model_option", "reward_options": "reward_option", "chunks": "chunk",
    }  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_options_reach_the_method_unchanged(method):
    wanted = {option: GIVEN[option] for option in METHODS[method].options}
    job = Job(**BASE, method=method, **wanted)
    assert job.options() == wanted


@pytest.mark.parametrize("method", METHODS)
def test_an_option_of_another_method_is_refused_by_name(method):
    for option in OPTIONS - set(METHODS[method].options):
        job = Job(**BASE, method=method, **{option: GIVEN[option]})
        with pytest.raises(ValueError, match=f"unknown option of {method} '{option}'"):
            job.options()


@pytest.mark.parametrize("method", METHODS)
def test_options_that_nobody_gives_are_left_to_the_method(method):
    assert Job(**BASE, method=method).options() == {}


def test_replacing_all_is_none_for_the_method():
    job = Job(**BASE, method="svdd-r", particles=2, candidates=2, replace="all")
    assert job.options() == {"particles": 2, "candidates": 2, "replace": None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"candidate": 3}, "unknown setting 'candidate'; did you mean candidates"),
        ({"samples": 0}, "samples should be greater than 0, got 0"),
        ({"samples": "many"}, "samples should be a valid integer"),
        ({"seed": -1}, "seed should be greater than or equal to 0, got -1"),
        ({"temperature": -0.5}, "temperature should be greater than or equal to 0"),
        ({"temperature": float("nan")}, "temperature should be"),
        ({"chunks": {"network": 0}}, "chunks.network should be greater than 0, got 0"),
        ({"model": None}, "model has no value"),
        ({"window": [1.0]}, "window"),
    ],
)
def test_a_wrong_setting_is_one_sentence(given, said):
    with pytest.raises(ValueError, match=said) as refused:
        make_job(BASE | given)
    assert "\n" not in str(refused.value)


def test_a_job_without_a_model_says_how_to_give_one():
    with pytest.raises(ValueError, match=r"a job needs model: add --model, or model: \.\.\. in the file"):
        make_job({"reward": "hepg2", "out": "o"})


def test_a_job_survives_being_written(tmp_path):
    job = Job(
        **BASE,
        method="smc",
        particles=4,
        window=(1.0, 0.2),
        scores=["a"],
        chunks={"network": 3},
        model_options={"x": 1},
    )
    (tmp_path / "job.yaml").write_text(job.written())
    assert make_job(read_settings(tmp_path / "job.yaml")) == job


def test_a_job_written_elsewhere_keeps_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = Job(model="here/m.py:f", reward="hepg2", out="o", scores=["package.module:f"], template="t.fa").anchored()
    assert job.model == f"{tmp_path / 'here' / 'm.py'}:f"
    assert (job.reward, job.template) == ("hepg2", str(tmp_path / "t.fa"))
    assert [score.name for score in job.scores] == ["package.module:f"]


def test_flags_become_settings():
    flags = {
        "model": "toy-masked",
        "score": ["a", "b"],
        "chunk": ["network=64"],
        "model_option": ["steps=8", "device=cpu"],
        "window": "1.0,0.2",
        "fix": [],
        "noise": None,
    }
    assert settings(Job, flags, {"steps": 3, "model": "hidden"}) == {
        "model": "toy-masked",
        "steps": 3,
        "scores": ["a", "b"],
        "chunks": {"network": 64},
        "model_options": {"steps": 8, "device": "cpu"},
        "window": [1.0, 0.2],
    }


@pytest.mark.parametrize(
    "flags", [{"chunk": ["network"]}, {"model_option": ["=3"]}, {"window": "1.0"}, {"window": "a,b"}]
)
def test_flags_that_are_not_settings_are_refused(flags):
    with pytest.raises(ValueError, match="takes"):
        settings(Job, flags, {})


@pytest.mark.parametrize(
    "text", ["a: [1", "- a\n- b\n", "just words", "1: 2\n", "", "!!python/object/apply:os.getcwd []"]
)
def test_what_is_not_a_job_file_is_refused(tmp_path, text):
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"job\.yaml"):
        read_settings(tmp_path / "job.yaml")


@pytest.mark.slow
def test_a_job_file_runs_and_flags_win(run, call, model, tmp_path, contents):
    job = {
        "model": f"{model}:model",
        "reward": f"{model}:score",
        "candidates": 3,
        "samples": 6,
        "seed": 5,
        "out": str(tmp_path / "a"),
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    assert call("run", tmp_path / "job.yaml").status == 0
    assert call("run", tmp_path / "job.yaml", "--seed", 6, "--out", tmp_path / "b").status == 0
    assert run(out="c", seed=5).status == run(out="d", seed=6).status == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "c") != contents(tmp_path / "b") == contents(tmp_path / "d")


@pytest.mark.parametrize("name", ["reward_options", "workers", "reward_timeout", "reward_batch", "reward_memory"])
def test_a_reward_that_is_a_mapping_is_the_flat_settings(name):
    whole = {
        "name": "unpaired", "options": {"last": 10}, "workers": 2, "timeout": 3.0, "batch": 4, "memory": 5.0,
        "on_failure": {"nan": 0},
    }  # fmt: skip
    job = make_job({"model": "rna-utr", "reward": whole})
    assert job == make_job({"model": "rna-utr"} | {flat: whole[one] for one, flat in REWARD_SETTINGS.items()})
    assert job.placed() == RewardSpec(**{one: value for one, value in whole.items() if one != "on_failure"})
    assert make_job(job.record()) == job
    with pytest.raises(ValueError, match=f"{name} is given twice, in reward: and beside it"):
        make_job({"model": "m", "reward": {**whole, "name": "r"}, name: 1})


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ({"nam": "hepg2"}, "reward: unknown setting 'nam'; did you mean name"),
        ({"options": {}}, "reward needs name, such as reward: {name: hepg2}"),
        ({"name": "hepg2", "workers": 0}, "workers should be greater than 0, got 0"),
        (3, "reward should be a valid string, got 3"),
    ],
)
def test_what_is_wrong_with_the_mapping_of_a_reward_is_one_sentence(reward, said):
    with pytest.raises(ValueError, match=said):
        make_job({"model": "m", "reward": reward})


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ({"title": "x"}, "scores needs name"),
        ({"name": "qed", "option": {}}, "scores: unknown setting 'option'; did you mean options"),
        ("gc-content,target=high", "target of gc-content should be a valid number"),
        ({"name": "qed", "workers": 0}, "scores.workers should be greater than 0, got 0"),
    ],
)
def test_what_is_wrong_with_a_score_is_one_sentence(score, said):
    with pytest.raises(ValueError, match=said) as refused:
        make_job(BASE | {"scores": [score]})
    assert "\n" not in str(refused.value)


def test_flags_win_over_the_mapping_of_a_file():
    file = {"model": "rna-utr", "reward": {"name": "unpaired", "options": {"last": 10}, "workers": 2}}
    made = make_job(settings(Job, {"workers": 3, "reward_option": ["last=5"]}, file))
    assert (made.reward, made.reward_options, made.workers) == ("unpaired", {"last": 5}, 3)


def test_a_job_needs_no_folder_in_python():
    job = Job(model="toy-masked", reward="gc-content")
    assert "out" not in job.record()
    with pytest.raises(ValueError, match="a job needs out: add --out"):
        job.folder()


def test_the_seed_and_the_folder_decide_nothing():
    given = {"seed": 1, "scores": ["qed"], "save_seconds": 3, "workers": 2, "steps": 3, "value": "posterior-mean"}
    one = make_job(BASE | given)
    law = {"model": "m", "steps": 3, "reward": "r", "method": "svdd", "value": "posterior-mean", "samples": 64}
    assert one.deciding("law") == law
    assert one.deciding("either") == law | {"workers": 2}
    assert one.deciding("cost") == one.deciding("either")


def test_python_gives_records_where_files_give_mappings():
    spec = RewardSpec(name="unpaired", options={"last": 10}, workers=2)
    job = Job(model="rna-utr", reward=spec, scores=[spec, "mrl"])
    made = make_job({"model": "rna-utr", "reward": spec.given(), "scores": [spec.given(), "mrl"]})
    assert make_job(job.record()) == made
    objective = Job(model="rna-utr", objective={"parts": {"paired": spec, "mrl": None}}).objective
    assert [(part.name, part.workers) for part in objective.parts.values()] == [("unpaired", 2), ("mrl", None)]
