"""The schema of job files is published, equal to what the package says, and it accepts what the package accepts."""

import json

import pytest
from pydantic import ValidationError

from support.places import DOCS
from svdd.cli.main import main
from svdd.runs.job import Job
from svdd.runs.settings import settings_of


def test_the_published_schema_is_the_packages(capsys):
    with pytest.raises(SystemExit):
        main(["schema"])
    printed = capsys.readouterr().out
    published = (DOCS / "job.schema.json").read_text(encoding="utf-8")
    assert printed == published, "svdd schema > docs/job.schema.json writes it again"


def test_every_setting_says_what_it_is_for():
    said, schema = settings_of(Job), Job.model_json_schema()["properties"]
    assert list(said) == list(Job.model_fields) == list(schema)
    assert {name: one["description"] for name, one in schema.items()} == {name: one.help for name, one in said.items()}


@pytest.mark.parametrize(
    "job",
    [
        {"model": "m", "reward": "r"},
        {"model": "m", "reward": {"name": "r", "options": {"last": 10}, "workers": 2}, "out": "o"},
        {"model": "m", "objective": {"parts": {"qed": None, "sa": "sa", "x": {"reward": "r", "weight": 2}}}},
        {"model": "m", "reward": "r", "scores": ["a", "b=c,d=1", {"name": "e", "title": "f", "timeout": 3}]},
        {"model": "m", "reward": "r", "replace": "all", "window": [1.0, 0.2], "chunks": {"network": 3}},
    ],
)
def test_what_a_job_may_be_is_valid_by_the_schema(job):
    jsonschema = pytest.importorskip("jsonschema")
    Job(**job)
    jsonschema.validate(json.loads(json.dumps(job)), Job.model_json_schema())


@pytest.mark.parametrize(
    "job",
    [
        {"model": "m"},
        {"model": "m", "reward": "r", "sample": 3},
        {"model": "m", "reward": "r", "samples": 0},
        {"model": "m", "reward": {"options": {}}},
        {"model": "m", "reward": "r", "scores": [{"title": "f"}]},
    ],
)
def test_what_no_job_may_be_is_not(job):
    jsonschema = pytest.importorskip("jsonschema")
    with pytest.raises(ValidationError):
        Job(**job)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, Job.model_json_schema())
