"""Rewards that are told with options on the command line: dockings, and further scores with titles."""

import pandas as pd
import pytest
import yaml

from svdd.decoding.columns import ColumnTakenError
from svdd.rewards.worker_pool import Workers
from svdd.runs.job import make_job
from svdd.runs.make import check_titles, job_reward, score_reward


def job(**settings):
    return make_job({"model": "toy-masked", "reward": "gc-content", "out": "nowhere"} | settings)


def read_scores(texts):
    scores = job(scores=texts).scores
    check_titles(scores)
    return scores


@pytest.mark.parametrize(
    ("text", "title", "reward", "options"),
    [
        ("hepg2-judge", "hepg2-judge", "hepg2-judge", {}),
        ("package.module:f", "f", "package.module:f", {}),
        ("mine=a/file.py:f", "mine", "a/file.py:f", {}),
        ("docking:parp1", "parp1", "docking:parp1", {}),
        ("vina8=docking:parp1,exhaustiveness=8", "vina8", "docking:parp1", {"exhaustiveness": 8}),
        (
            "d=docking:a,b.pdbqt,center=[1, 2, 3.5],size=[9,9,9]",
            "d",
            "docking:a,b.pdbqt",
            {"center": [1, 2, 3.5], "size": [9, 9, 9]},
        ),
        ("gc-content,target=0.4", "gc-content", "gc-content", {"target": 0.4}),
        ("tool=cmd:run --a=1,b=2 {input}", "tool", "cmd:run --a=1,b=2 {input}", {}),
        ("http://host:80/score?a=1,b=2", "80/score?a=1,b=2", "http://host:80/score?a=1,b=2", {}),
    ],
)
def test_scores_are_read(text, title, reward, options):
    (score,) = job(scores=[text]).scores
    assert (score.title, score.name, score.options) == (title, reward, options)
    assert job(scores=[{"title": title, "name": reward, "options": options}]).scores == [score]
    assert job(**{"scores": job(scores=[text]).record()["scores"]}).scores == [score]


def test_scores_keep_title_and_options_when_their_file_is_named_in_full(tmp_path):
    file = tmp_path / "f.py"
    file.write_text("")
    given = job(scores=["f=docking:x,seed=1", f"f2={file}:f"]).anchored()
    assert given.record()["scores"] == [{"title": "f", "name": "docking:x", "options": {"seed": 1}}, f"f2={file}:f"]
    assert given.code() == [f"{file}:f"]


def test_columns_have_different_titles():
    assert [score.title for score in read_scores(["gc-content", "b=gc-content"])] == ["gc-content", "b"]
    with pytest.raises(ValueError, match=r"'gc-content' is taken; .*TITLE=REWARD"):
        read_scores(["gc-content", "gc-content"])
    with pytest.raises(ColumnTakenError, match="'reward' is taken"):
        read_scores(["reward=gc-content"])


def test_scores_run_where_the_reward_does():
    """A user's own in worker processes if there are any, what came with the package here."""
    own, bundled = read_scores(["own=statistics:mode", "gc-content"])
    assert isinstance(score_reward(own, job(workers=2, reward_timeout=3).placed()), Workers)
    assert not isinstance(score_reward(own, job().placed()), Workers)
    assert not isinstance(score_reward(bundled, job(workers=2).placed()), Workers)


def test_a_docking_puts_itself_into_the_workers_of_the_job():
    pytest.importorskip("vina")
    pytest.importorskip("dockstring")
    options = {"size": [12, 12, 12], "exhaustiveness": 2}
    reward = job_reward(
        job(reward="docking:dockstring:PARP1", reward_options=options, workers=3, reward_timeout=7, reward_memory=900)
    )
    assert repr(reward) == "docking('dockstring:PARP1', exhaustiveness=2)"
    assert reward.receptor.size == (12, 12, 12)
    pool = reward.scores.pool
    assert (pool.workers, pool.timeout, pool.memory_mb) == (3, 7, 900)
    (score,) = read_scores(["vina8=docking:dockstring:PARP1,exhaustiveness=8"])
    judge = score_reward(score, job(workers=3).placed())
    assert (judge.scores.search.exhaustiveness, judge.scores.pool.workers, judge.scores.pool.timeout) == (8, 3, 800)
    with pytest.raises(ValueError, match="reward_batch is for rewards in workers and outside of Python"):
        job_reward(job(reward="docking:dockstring:PARP1", reward_batch=3))


def test_what_is_wrong_with_a_docking_is_one_sentence(call, tmp_path):
    pytest.importorskip("vina")
    given = ("run", "--model", "toy-masked", "--candidates", "2", "--out", str(tmp_path / "out"))
    said = call(*given, "--reward", "docking:parp1", "--reward-option", f"receptors={tmp_path}")
    assert said.status == 2
    assert f"there is no parp1.pdbqt or parp1.pdbqt.gz in {tmp_path}" in said.err
    said = call(*given, "--reward", "docking:parp2")
    assert "unknown receptor 'parp2'; did you mean parp1?" in said.err
    said = call(*given, "--reward", "docking:parp1", "--reward-option", "exhaust=8")
    assert "unknown option of docking 'exhaust'; did you mean exhaustiveness?" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_doctor_says_whether_docking_works_and_where_receptors_are(monkeypatch, tmp_path):
    pytest.importorskip("vina")
    from svdd.domains.molecule.docking.checks import checks

    monkeypatch.setenv("SVDD_RECEPTORS", str(tmp_path))
    (tmp_path / "jak2.pdbqt").write_text("")
    rows = {row["check"]: row for row in checks()}
    works = rows["extra docking: works"]
    assert works["ok"], works["says"]
    found = rows["extra docking: receptors"]
    assert not found["ok"]
    assert found["says"] == f"in {tmp_path}: jak2; not there: parp1, fa7, 5ht1b, braf"
    assert "mk_prepare_receptor.py" in rows["extra docking: a receptor of your own"]["says"]


def test_a_smarts_in_brackets_is_text(call, tmp_path):
    pytest.importorskip("rdkit")
    words = ("--model", "toy-masked", "--candidates", 2, "--out", tmp_path / "out", "--reward", "has-substructure")
    said = call("run", *words, "--reward-option", "smarts=[#7", "--samples", 1)
    assert "'[#7' is no SMARTS" in said.err
    (score,) = make_job({"model": "m", "reward": "r", "scores": ["n=has-substructure,smarts=[#7]"]}).scores
    assert score.options == {"smarts": "[#7]"}


@pytest.mark.slow
def test_failures_of_a_score_mean_what_it_says(call, model, tmp_path):
    more = "".join(f"\n\ndef {name}(designs):\n    return [float('nan')] * len(designs)\n" for name in ("b", "c"))
    model.write_text(model.read_text() + more)
    settings = {
        "model": f"{model}:model", "reward": f"{model}:score", "candidates": 2, "samples": 2, "out": str(tmp_path / "out"),
        "scores": [
            {"title": "zero", "name": f"{model}:nan", "on_failure": {"nan": 0}},
            {"title": "empty", "name": f"{model}:b"},
            {"title": "apart", "name": f"{model}:c", "workers": 1, "on_failure": {"nan": 3}},
        ],
    }  # fmt: skip
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(settings))
    done = call("run", tmp_path / "job.yaml")
    assert done.status == 0, done.err
    table = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert table["zero"].tolist() == [0, 0]
    assert table["empty"].isna().all()
    assert table["apart"].tolist() == [3, 3]


@pytest.mark.slow
def test_failures_of_a_part_mean_what_it_says(call, model, tmp_path):
    parts = {"g": {"reward": f"{model}:score"}, "n": {"reward": f"{model}:nan", "on_failure": {"nan": 100, "abort": 1}}}
    settings = {"model": f"{model}:model", "objective": {"parts": parts}, "candidates": 2, "samples": 2}
    settings["on_failure"] = {"abort": 1}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(settings | {"out": str(tmp_path / "out")}))
    done = call("run", tmp_path / "job.yaml")
    assert done.status == 0, done.err
    table = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert (table["reward"] == 100).all()
