"""`svdd evaluate`, and the evaluation inside a run: what is written, what differs, and what is refused."""

import base64
import json
import re
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import svdd
from svdd.domains.sequence.measures import ELBO_SAMPLES
from svdd.runs import evaluation as evaluating
from svdd.runs import reward_spec
from svdd.runs.job import Job
from svdd.runs.labels import labels
from svdd.runs.trust import UntrustedCodeError
from svdd.user_files import module_of_file

JOB = {"model": "m", "reward": "r", "out": "o"}


@pytest.fixture
def evaluate(call, tmp_path):
    """Evaluates folders under the temporary one into another of them."""

    def svdd_evaluate(*words, out="evaluation", trust=True, **flags):
        words = (*words, "--trust") if trust else words
        pairs = [(f"--{name}", value) for name, value in ({"out": tmp_path / out} | flags).items()]
        folders = [tmp_path / word if not str(word).startswith("--") else word for word in words]
        return call("evaluate", *folders, *(part for pair in pairs for part in pair))

    return svdd_evaluate


@pytest.fixture
def table(tmp_path):
    return lambda out="evaluation": pd.read_csv(tmp_path / out / "evaluation.csv")


@pytest.fixture
def fasta(tmp_path):
    def write(*sequences):
        path = tmp_path / "natural.fa"
        path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)))
        return path

    return write


@pytest.mark.slow
def test_a_run_writes_the_evaluation_of_its_designs(run, table, tmp_path):
    assert run("--quiet").status == 0
    samples, (row,) = pd.read_csv(tmp_path / "out" / "samples.csv"), table("out").to_dict("records")
    assert row["designs"] == 6
    assert row["reward_mean"] == pytest.approx(samples["reward"].mean())
    assert pd.isna(row["reward_mean_low"])  # of 6 chains
    assert row["elbo_per_base"] < 0
    assert row["diversity"] > 0
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "evaluation.csv" in written["files"]
    assert written["evaluation"]["reward_mean"] == pytest.approx(row["reward_mean"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "elbo per base" in page
    assert "on top of the run" in page


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_rows_of_the_evaluation_are_told_apart_from_the_runs(run, table, tmp_path):
    assert run("--score", f"{tmp_path / 'toymodel.py'}:other").status == 0
    usage = json.loads((tmp_path / "out" / "run.json").read_text())["usage"]
    network = usage["network"]["rows"] + usage["network"]["hits"]
    assert network == 6 * (1 + 5 * 3)
    (row,) = table("out").to_dict("records")
    assert (row["elbo_rows"], row["judge_rows"]) == (6 * ELBO_SAMPLES, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_a_resumed_run_has_the_same_evaluation(run, call, model, tmp_path):
    assert run(out="whole").status == 0
    text = model.read_text()
    model.write_text(text.replace('"call": -1', '"call": 3'))
    assert run(out="parts", reward="stopping").status == 130
    model.write_text(text)
    assert call("resume", tmp_path / "parts").status == 0
    assert (tmp_path / "parts" / "evaluation.csv").read_bytes() == (tmp_path / "whole" / "evaluation.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_the_held_out_twin_judges_by_itself(run, table, model, tmp_path, monkeypatch):
    reward = f"{model}:score"
    monkeypatch.setattr(reward_spec, "held_out", lambda name: f"{model}:other" if name == reward else "")
    assert run().status == 0
    samples, (row,) = pd.read_csv(tmp_path / "out" / "samples.csv"), table("out").to_dict("records")
    assert row["judge_mean"] == pytest.approx(samples["sample"].str.count("A").mean())
    assert row["judge_rows"] == 6


@pytest.mark.usefixtures("quick_report")
def test_only_sequences_are_evaluated(call, model, tmp_path):
    words = "run", "--model", "toy-masked", "--reward", "toys.py:r", "--candidates", 2, "--samples", 4
    (tmp_path / "toys.py").write_text("def r(designs): return designs.sum(1)")
    result = call(*[w if w != "toys.py:r" else f"{tmp_path / 'toys.py'}:r" for w in words], "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert not (tmp_path / "out" / "evaluation.csv").exists()
    assert "evaluation" not in json.loads((tmp_path / "out" / "run.json").read_text())


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_a_measure_that_fails_does_not_fail_the_run(run, tmp_path, monkeypatch, contents):
    assert run(out="before").status == 0
    monkeypatch.setattr("svdd.domains.sequence.kit.measured", lambda *_: 1 / 0)
    result = run("--quiet", out="after")
    assert result.status == 0
    assert result.err == "svdd: note: no evaluation of the designs, ZeroDivisionError: division by zero\n"
    assert contents(tmp_path / "after") == contents(tmp_path / "before")


@pytest.mark.usefixtures("quick_report")
def test_a_missing_extra_is_a_note_in_the_record(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    assert run("--quiet").status == 0
    assert "rapidfuzz" in json.loads((tmp_path / "out" / "run.json").read_text())["evaluation"]["notes"][0]


@pytest.mark.slow
def test_runs_that_differ_only_in_the_seed_share_a_row(run, evaluate, table, tmp_path):
    for seed in (0, 1, 2):
        run(out=f"a{seed}", seed=seed)
    run(out="b", temperature=2.5)
    run(out="c", method="pretrained")
    result = evaluate("a0", "b", "a1", "c", "a2", judge=f"{tmp_path / 'toymodel.py'}:other")
    assert result.status == 0, result.err
    found = table()
    assert found["label"].tolist() == ["svdd, temperature 0", "svdd, temperature 2.5", "pretrained"]
    assert found["runs"].tolist() == [3, 1, 1]
    assert found["designs"].tolist() == [18, 6, 6]
    rewards = pd.concat([pd.read_csv(tmp_path / f"a{seed}" / "samples.csv") for seed in (0, 1, 2)])
    assert found.loc[0, "reward_mean"] == pytest.approx(rewards["reward"].mean())
    assert found.loc[0, "judge_mean"] == pytest.approx(rewards["sample"].str.count("A").mean())
    assert found.loc[0, "network_rows_asked"] == 3 * 6 * (1 + 5 * 3)
    assert found.loc[0, "judge_rows"] == 18
    assert "resampled over chains, and over seeds too where a row has several runs" in result.out
    assert f"written to {tmp_path / 'evaluation'}: evaluation.csv, evaluation.json, report.html" in result.out


@pytest.mark.slow
def test_its_report_draws_reward_against_judge_and_likelihood(run, evaluate, tmp_path):
    run(out="a")
    run(out="b", method="pretrained")
    assert evaluate("a", "b", judge=f"{tmp_path / 'toymodel.py'}:other").status == 0
    page = (tmp_path / "evaluation" / "report.html").read_text()
    drawings = re.findall(r'data:image/svg\+xml;base64,([^"]+)', page)
    assert len(drawings) == 2
    assert all(b"</svg>" in base64.b64decode(drawing) for drawing in drawings)
    assert "script" not in page
    assert all(title in page for title in ("Held-out reward", "Naturalness", "pretrained", "network rows asked"))


@pytest.mark.slow
def test_a_reference_tells_novelty(run, evaluate, table, fasta, tmp_path):
    run(out="a", samples=12)
    first = pd.read_csv(tmp_path / "a" / "samples.csv")["sample"]
    result = evaluate("a", reference=fasta(first[0].lower(), "A" * 12))
    assert result.status == 0, result.err
    (row,) = table().to_dict("records")
    assert row["novel"] == pytest.approx((first != first[0]).mean())
    assert row["nearest_distance"] >= 0
    assert row["reference"] == "natural.fa"
    assert -1 <= row["correlation_3mer"] <= 1


@pytest.mark.slow
def test_another_model_takes_the_likelihood(run, evaluate, table, model, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(model.read_text().replace("[0.1, 0.2, 0.3, 0.4]", "[9.0, 0.2, 0.3, 0.4]"))
    run(out="a")
    assert evaluate("a").status == evaluate("a", model=f"{other}:model", out="second").status == 0
    assert table()["elbo_per_base"][0] != table("second")["elbo_per_base"][0]


OTHER = """

SEEN = []


def pale(steps: int = 6, length: int = 12, weights: str = "its own", shade: float = 0.5):
    SEEN.append((steps, length, weights, shade))
    return model(steps, length)


def bare(shade: float = 0.5):
    SEEN.append(shade)
    return model()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_options_of_the_runs_belong_to_their_model(run, call, evaluate, table, refused, model, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(model.read_text() + OTHER)
    model.write_text(
        model.read_text().replace("length: int = 12):", 'length: int = 12, weights: str = "", dye: str = ""):')
    )
    assert run("--model-option", "weights=mine", "--model-option", "dye=red", steps=4).status == 0
    assert evaluate("out").status == 0
    assert evaluate("out", model=f"{other}:pale", out="pale").status == 0
    assert evaluate("out", model=f"{other}:bare", out="bare").status == 0
    given = {"model": f"{other}:pale", "model-option": "shade=0.25"}
    assert evaluate("out", **given, out="given").status == 0
    seen = module_of_file(other).SEEN
    assert seen == [(4, 12, "its own", 0.5), 0.5, (4, 12, "its own", 0.25)]
    python = svdd.evaluate(tmp_path / "out", model=f"{other}:pale", model_options={"steps": 3})
    assert seen[-1] == (3, 12, "its own", 0.5)
    assert python.table["elbo_per_base"][0] == pytest.approx(table("pale")["elbo_per_base"][0])


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_options_of_a_model_that_is_not_named_or_does_not_take_them(run, evaluate, refused, model):
    assert run().status == 0
    unnamed = evaluate("out", **{"model-option": "steps=3"})
    assert "model_options are of the model that the likelihood is taken under: name it with --model" in refused(unnamed)
    misspelt = evaluate("out", **{"model": "dna-enhancer", "model-option": "stepps=3"})
    assert "unknown option of dna-enhancer 'stepps'; did you mean steps" in refused(misspelt)
    wrong = evaluate("out", **{"model": "dna-enhancer", "model-option": "steps=many"})
    assert "steps of dna-enhancer should be a valid integer" in refused(wrong)


@pytest.mark.slow
def test_json(run, evaluate, tmp_path):
    run(out="a")
    given = json.loads(evaluate("a", "--json").out)
    assert given["evaluation"][0]["label"] == "svdd"
    assert given["evaluation"][0]["judge_mean"] is None
    assert given["folder"] == str(tmp_path / "evaluation")


@pytest.mark.slow
def test_an_evaluation_is_replaced_only_if_asked(run, evaluate, refused, table, tmp_path):
    run(out="a")
    assert evaluate("a").status == 0
    assert "already holds an evaluation; choose another folder, or replace it with --force" in refused(evaluate("a"))
    assert evaluate("a", "--force").status == 0
    assert "holds files that are not an evaluation" in refused(evaluate("a", "--force", out="a"))
    assert table("a")["designs"][0] == 6


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        ([], "must hold FASTA records"),
        (["ACGTACGTACGT", "ACG"], "sequence 1 has 3 letters but sequence 0 has 12"),
        (["ACGUACGUACGU"], "'U' at position 4; allowed letters are ACGT"),
        (["ACGTAC"], "has sequences of 6 letters, but the designs have 12"),
    ],
)
def test_a_bad_reference_is_one_sentence(run, evaluate, refused, fasta, sequences, said):
    run(out="a")
    assert said in refused(evaluate("a", reference=fasta(*sequences)))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_what_is_no_finished_run_is_refused(run, evaluate, refused, call, model, tmp_path):
    assert "holds no finished run; give folders that svdd run wrote" in refused(evaluate("nowhere"))
    text = model.read_text()
    model.write_text(text.replace('"call": -1', '"call": 2'))
    run(out="half", reward="stopping")
    model.write_text(text)
    assert f"go on with: svdd resume {tmp_path / 'half'}" in refused(evaluate("half"))
    run(out="a")
    (tmp_path / "a" / "samples.parquet").write_bytes(b"no table")
    assert "the samples of" in refused(evaluate("a"))
    (tmp_path / "a" / "samples.parquet").unlink()
    assert "the samples of" in refused(evaluate("a"))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_runs_that_cannot_be_compared_are_refused(run, evaluate, refused, model, tmp_path):
    twin = tmp_path / "twin.py"
    twin.write_text(model.read_text())
    run(out="a")
    run(out="reward", reward="other")
    run(out="model", model=f"{twin}:model")
    run(out="length", length=10)
    for name, what in (("reward", "guiding reward"), ("model", "model"), ("length", "length")):
        assert f"differ in their {what}" in refused(evaluate("a", name))
    assert "are the same run, seed 0; give one of them" in refused(evaluate("a", "a"))
    assert "cannot judge them" in refused(evaluate("a", judge=f"{model}:score"))
    assert "unknown reward 'hepg3'" in refused(evaluate("a", judge="hepg3"))
    assert "does not make sequences of the kind" in refused(evaluate("a", model="toy-masked"))
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.usefixtures("quick_report")
def test_a_run_without_letters_is_refused(call, evaluate, refused, tmp_path):
    (tmp_path / "toys.py").write_text("def r(designs): return designs.sum(1)")
    words = "--model", "toy-masked", "--reward", f"{tmp_path / 'toys.py'}:r", "--candidates", 2, "--samples", 4
    assert call("run", *words, "--out", tmp_path / "a").status == 0
    assert "nothing but rewards is measured: no domain knows their kind" in refused(evaluate("a"))


def test_labels_say_what_differs_and_no_more():
    jobs = [
        Job(**JOB, method="pretrained"),
        Job(**JOB, candidates=5, value="posterior-mean"),
        Job(**JOB, candidates=10, temperature=0.0, value="posterior-mean"),
        Job(**JOB, candidates=10, temperature=0.5, value="log-mean-exp"),
        Job(**JOB, method="smc", particles=5),
    ]
    assert labels(jobs) == [
        "pretrained",
        "svdd, M = 5, temperature 0, posterior-mean",
        "svdd, M = 10, temperature 0, posterior-mean",
        "svdd, M = 10, temperature 0.5, log-mean-exp",
        "smc",
    ]
    assert labels([Job(**JOB, candidates=2, steps=8), Job(**JOB, candidates=2)]) == [
        "svdd, steps 8",
        "svdd, steps by default",
    ]
    blocks = [Job(**JOB, method="blocks", candidates=2, block_length=n) for n in (2, 4)]
    assert labels(blocks) == ["blocks, block length 2", "blocks, block length 4"]


@given(st.lists(st.floats(0, 10), min_size=2, max_size=5, unique=True))
def test_runs_that_differ_have_labels_that_differ(temperatures):
    made = labels([Job(**JOB, candidates=2, temperature=heat) for heat in temperatures])
    assert len(set(made)) == len(made)


@pytest.mark.usefixtures("quick_report")
def test_temperatures_that_print_alike_have_rows_of_their_own(run, evaluate, table):
    heats = {"a": 1 / 3, "b": 0.333333}
    for out, heat in heats.items():
        assert run(out=out, temperature=heat).status == 0
    done = evaluate("a", "b")
    assert done.status == 0, done.err
    assert table()["label"].tolist() == [f"svdd, temperature {heat}" for heat in heats.values()]


NOTED = """

with open(__file__ + ".log", "a") as log:
    log.write("imported\\n")
"""


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_code_that_a_folder_names_runs_only_when_it_is_trusted(run, evaluate, refused, model, tmp_path):
    assert run(out="a").status == 0
    model.write_text(model.read_text() + NOTED)
    said = refused(evaluate("a", trust=False))
    assert f"evaluating runs {model}:model, which {tmp_path / 'a'} names: add --trust if you trust it" in said
    assert not (tmp_path / "evaluation").exists()
    assert not (tmp_path / "toymodel.py.log").exists()
    done = evaluate("a")
    assert done.status == 0
    assert f"svdd: running {model}:model, which {tmp_path / 'a'} names\n" in done.err
    named = evaluate("a", out="second", trust=False, model=f"{model}:model", judge=f"{model}:other")
    assert named.status == 0
    assert f"running {model}:other, as you asked" in named.err


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_python_measures_what_it_is_given(run, tmp_path):
    assert run(out="a").status == 0
    found = evaluating.evaluate([tmp_path / "a"], tmp_path / "evaluation")
    assert len(found.table) == 1
    with pytest.raises(UntrustedCodeError):
        evaluating.evaluate([tmp_path / "a"], tmp_path / "other", trust=False)
