"""Options of a job are paths where the model or the reward declares them so, whatever is on the disk."""

import inspect
import sys
from pathlib import Path

import pytest

from svdd.registry import MODELS, REWARDS, locate, paths_of
from svdd.runs.job import make_job

LONG = "a photograph of " + "a very " * 60 + "white horse"
BASE = {"model": "image-small", "reward": "class-score", "out": "out"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with a folder in it that has the name of an image's class."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "horse").mkdir()
    return tmp_path


def anchored(**settings):
    return make_job(BASE | settings).anchored()


def test_a_prompt_is_no_path_although_a_folder_has_its_name(here):
    assert anchored(model_options={"prompt": "horse"}).model_options == {"prompt": "horse"}
    assert anchored(reward_options={"target": "horse"}).reward_options == {"target": "horse"}
    parts = {"class-score": {"options": {"target": "horse"}}}
    objective = make_job({"model": "image-small", "objective": {"parts": parts}, "out": "out"}).anchored().objective
    assert objective.parts["class-score"].options == {"target": "horse"}


def test_a_text_may_be_longer_than_a_path(here):
    given = anchored(model_options={"prompt": LONG}, reward=f"cmd:python -c '{LONG}'", scores=[f"x=cmd:echo '{LONG}'"])
    assert given.model_options == {"prompt": LONG}
    assert given.reward == f"cmd:python -c '{LONG}'"
    assert anchored(model=f"diffusers:{LONG}").model == f"diffusers:{LONG}"
    assert anchored(reward=f"docking:{LONG}").reward == f"docking:{LONG}"
    assert anchored(reward="similarity", reward_options={"to": "C" * 400}).reward_options == {"to": "C" * 400}


def test_paths_are_made_whole_although_nothing_is_there(here):
    weights = {"weights": "w.safetensors"}
    for model in ("dna-enhancer", "rna-utr", "rna-utr-uniform", "molecule"):
        assert anchored(model=model, model_options=weights).model_options == {"weights": str(here / "w.safetensors")}
    assert anchored(model="mdlm:m.ckpt").model == f"mdlm:{here / 'm.ckpt'}"
    assert anchored(reward="docking:mine.pdbqt.gz").reward == f"docking:{here / 'mine.pdbqt.gz'}"
    docking = anchored(reward="docking:parp1", reward_options={"receptors": "all", "seed": 3})
    assert docking.reward_options == {"receptors": str(here / "all"), "seed": 3}


def test_a_smiles_is_no_file_although_one_has_its_name(here):
    from svdd.domains.molecule.rewards.filters import similarity

    pytest.importorskip("rdkit")
    (here / "CCO").write_text("CCN\n")
    assert similarity("CCO").references == similarity(["CCO"]).references
    assert anchored(reward="similarity", reward_options={"to": "CCO"}).reward_options == {"to": "CCO"}
    known = anchored(reward="similarity", reward_options={"to": "known.csv.gz"}).reward_options
    assert known == {"to": str(here / "known.csv.gz")}


def test_weights_of_a_hub_keep_their_id(here):
    (here / "clip").mkdir()
    given = anchored(reward="hps", reward_options={"path": "clip", "weights": "owner/name/file.pt"}).reward_options
    assert given == {"path": str(here / "clip"), "weights": "owner/name/file.pt"}


USERS = '''
from __future__ import annotations
from os import PathLike
from pathlib import Path
from typing import Optional


def model(text: str, plain, one: Path, two: Path | str, three: Optional[Path] = None, four: PathLike[str] = "", **more):
    """Not made by these tests."""
'''


def test_paths_of_a_users_model_are_those_that_it_declares(here):
    (here / "mine.py").write_text(USERS)
    names = ("text", "plain", "one", "two", "three", "four", "five")
    given = anchored(model="mine.py:model", model_options=dict.fromkeys(names, "horse") | {"number": 3}).model_options
    assert {name for name in names if given[name] != "horse"} == {"one", "two", "three", "four"}
    assert given["one"] == str(here / "horse")
    assert given["number"] == 3


def test_an_annotation_that_cannot_be_evaluated_is_read_as_text():
    def model(weights: "Path | Unknown", text: "Unknown"):
        """Never called."""

    assert list(paths_of(model)) == ["weights"]


def test_bundled_options_that_are_called_as_files_are_declared_so():
    for kind, bundled in (("model", MODELS), ("reward", REWARDS)):
        for name in bundled:
            function = locate(kind, name, bundled)
            parameters = inspect.signature(function).parameters
            assert {"weights", "path", "file", "folder"} & set(parameters) <= set(paths_of(function)), name


def test_a_program_starts_in_the_folder_of_its_job(here, monkeypatch):
    """Its words stay as they are, also where files have their names."""
    (here / "score.py").write_text("import sys\nfor line in sys.stdin: print(len(sys.argv[1]))\n")
    (here / "fast").write_text("")
    job = anchored(reward=f"cmd:{sys.executable} score.py fast", scores=[f"again=cmd:{sys.executable} score.py slowly"])
    assert job.reward == f"cmd:{sys.executable} score.py fast"
    assert job.command_folder == str(here)
    (here / "horse" / "job.yaml").write_text(job.written())
    monkeypatch.chdir(here / "horse")
    from svdd.runs.job import read_settings
    from svdd.runs.make import job_reward, score_reward

    again = make_job(read_settings(Path("job.yaml")))
    assert again == job
    assert again.anchored() == job
    assert job_reward(again)(["ACGT"] * 2) == [4, 4]
    assert score_reward(again.scores[0].started_in(again.command_folder), again.placed())(["ACGT"] * 2) == [6, 6]


def test_a_program_in_an_objective_and_in_workers_starts_there_too(here, monkeypatch):
    from svdd.runs.make import job_reward
    from svdd.scoring.reward import close

    (here / "score.py").write_text("import sys\nfor line in sys.stdin: print(3)\n")
    name = f"cmd:{sys.executable} score.py"
    parts = {"program": {"reward": name, "at_least": 1.0}}
    jobs = [anchored(reward="objective", objective={"parts": parts}), anchored(reward=name, workers=1)]
    monkeypatch.chdir(here / "horse")
    rewards = [job_reward(job) for job in jobs]
    try:
        assert [float(reward(["ACGT"])[0]) for reward in rewards] == [1, 3]
    finally:
        for reward in rewards:
            close(reward)


def test_a_folder_that_is_gone_is_named(here):
    from svdd.rewards.commands import CommandError, command

    with pytest.raises(CommandError, match=r"there is no folder .*gone"):
        command("cmd:true", folder=here / "gone")(["ACGT"])
