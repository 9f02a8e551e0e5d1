"""`svdd compare`: equal costs by the formulas, every run paid for once, and a table that can be made again."""

import json
import math
import re

import pandas as pd
import pytest

import svdd
from svdd.cli.comparing import method_options, numbers
from svdd.decoding.planning import Forecast
from svdd.runs.compare_request import Entry
from svdd.runs.comparison import _had
from svdd.runs.job import Job
from svdd.runs.matches import MATCHES
from svdd.runs.matching import Compared, Planner, asked, largest, temperatures, variant
from svdd.runs.pilots import on_a_line

METHODS = ("pretrained", "best-of-n", "smc", "svdd")


def formula(text, **sizes):
    """What a formula of the method table comes to."""
    text = re.sub(r"(?<=[A-Za-z0-9)])(?=[A-Za-z(])(?<!every)", "*", text.replace("every", "E"))
    return eval(text, {}, sizes)


@pytest.fixture
def process():
    return svdd.load("toy-masked")


def pictures(page):
    """The titles of a report's pictures, in order."""
    return re.findall(r'<img [^>]*alt="([^:"]*)', page)


def base(**changes):
    return Job(**({"model": "m", "reward": "r", "out": "o", "method": "svdd", "candidates": 5, "samples": 4} | changes))


@pytest.mark.slow
@pytest.mark.parametrize("match", ["network-rows", "reward-calls"])
@pytest.mark.parametrize("method", ["best-of-n", "smc", "nested-is", "beam"])
def test_sizes_are_the_largest_whose_formula_is_not_above_the_job(process, method, match):
    job, row, T = base(), svdd.METHODS[method], process.steps
    (planned,) = Planner(job, MATCHES[match], process, {}).plan(Entry(method))
    text = row.network_rows if match == "network-rows" else row.reward_rows
    target = 1 + (T - 1) * 5 if match == "network-rows" else T * 5

    def cost(size):
        return formula(text, T=T, E=1, N=size, n=size, M=2)

    assert cost(planned.size) <= target < cost(planned.size + 1)
    assert planned.share == pytest.approx(cost(planned.size) / target)
    assert planned.asks.rows == 4 * formula(row.network_rows, T=T, E=1, N=planned.size, n=planned.size, M=2)


def test_sizes_of_a_method_whose_formula_is_about_right_are_those_of_a_rehearsal(process):
    job = base()
    (planned,) = Planner(job, MATCHES["network-rows"], process, {}).plan(Entry("blocks", options={"block_length": 2}))
    larger = planned.job.model_copy(update={"candidates": planned.size + 1})
    assert planned.asks.rows <= asked(job, process).rows < asked(larger, process).rows


def test_a_size_that_the_network_does_not_see_is_left_as_it_is(process):
    """With filtered values rows do not depend on the candidates, so that a match of rows decides nothing."""
    job = base(method="best-of-n", particles=5, candidates=None, value="filtered")
    (planned,) = Planner(job, MATCHES["network-rows"], process, {}).plan(Entry("svdd"))
    assert planned.size == svdd.METHODS["svdd"].defaults()["candidates"]
    assert planned.asks.rows == 4 * process.steps


def test_best_of_n_gets_a_full_sample_for_every_reward_call(process):
    (planned,) = Planner(base(), MATCHES["reward-calls"], process, {}).plan(Entry("best-of-n"))
    assert planned.job.particles == 5 * process.steps
    assert planned.folder == f"best-of-n-N{5 * process.steps}"


@pytest.mark.slow
def test_a_method_whose_particles_are_all_designs_gets_candidates(process):
    planner = Planner(base(samples=20), MATCHES["network-rows"], process, {})
    (planned,) = planner.plan(Entry("svdd-r", options={"particles": 20}))
    assert (planned.size, planned.job.candidates, planned.share) == (5, 5, 1.0)
    with pytest.raises(ValueError, match="samples must be a multiple, got 20"):
        planner.plan(Entry("svdd-r", options={"particles": 3}))


def test_the_cadence_of_the_job_is_kept_and_its_other_options_are_not(process):
    job = base(every=2, prior_candidates=3, temperature=0.5)
    assert variant(job, Entry("smc"), None).every == 2
    assert variant(job, Entry("best-of-n"), None).every is None
    assert variant(job, Entry("nested-is"), None).prior_candidates is None
    assert variant(job, Entry("svdd"), 2.0).prior_candidates == 3
    assert asked(variant(job, Entry("smc", options={"particles": 4}), None), process).rewards == 4 * 4 * math.ceil(
        process.steps / 2
    )


def test_a_method_that_cannot_be_as_cheap_is_refused(process):
    job = base(method="best-of-n", particles=2, candidates=None)
    with pytest.raises(ValueError, match=r"svdd at its smallest asks for .* reward calls, the job only for 8"):
        Planner(job, MATCHES["reward-calls"], process, {}).plan(Entry("svdd"))


def test_only_methods_that_choose_by_a_temperature_are_swept():
    assert temperatures("svdd", [0, 0.5, 0.5]) == [0, 0.5]
    assert temperatures("smc", [0, 0.5]) == [0.5]
    assert temperatures("smc", [0]) == temperatures("pretrained", [1]) == temperatures("best-of-n", [1]) == [None]
    assert variant(base(temperature=0.0), Entry("smc"), None).temperature == 1.0
    assert variant(base(temperature=0.3), Entry("smc"), None).temperature == 0.3


@pytest.mark.parametrize(
    ("slope", "first", "target", "size"), [(3, 1, 10, 4), (3, 1, 12, 4), (3, 5, 4, 0), (0, 5, 5, 1)]
)
def test_a_straight_line_is_solved_exactly(slope, first, target, size):
    assert largest(lambda n: first + slope * (n - 1), target) == size


@pytest.mark.parametrize(
    ("share", "match", "said"),
    [
        (0.99, "network-rows", " at the same network rows"),
        (0.75, "reward-calls", ", where best-of-n had 75% of the job's reward calls"),
        (0.75, "seconds", " in about the same seconds"),
    ],
)
def test_a_baseline_that_had_less_is_not_called_equal(share, match, said):
    planned = [Compared(base(method="best-of-n", particles=3, candidates=None), Forecast(1, 1), share)]
    assert _had(planned, MATCHES[match]) == said


def test_a_size_is_read_off_the_line_through_two_pilots():
    assert on_a_line({5: 1.5, 10: 2.5}, 3.2) == 13
    assert on_a_line({10: 2.5, 5: 1.5}, 0.1) == 1
    assert on_a_line({5: 1.5, 10: 1.4}, 3.0) == 10  # noise: no line


def test_options_of_methods_are_read():
    assert method_options(["smc.ess=0.8", "blocks.block_length=4", "smc.potential=max"]) == {
        "smc": {"ess": 0.8, "potential": "max"},
        "blocks": {"block_length": 4},
    }
    assert numbers(" 0, 0.25,1") == [0, 0.25, 1]


def test_sizes_and_temperatures_that_differ_have_folders_of_their_own():
    heats = [1 / 3, 0.333333, 0.25, 0.0]
    names = [Compared(base(temperature=heat), Forecast(1, 1), 1.0).folder for heat in heats]
    assert len(set(names)) == 4
    assert [name.rpartition("-a")[2] for name in names[1:]] == ["0.333333", "0.25", "0"]


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def job(model, tmp_path):
    """Writes a job file of the user's model."""

    def write(**changes):
        settings = {
            "model": f"{model}:model", "reward": f"{model}:score", "method": "svdd", "candidates": 3, "samples": 4,
            "temperature": 0.5, "seed": 7,
        } | changes  # fmt: skip
        path = tmp_path / "job.yaml"
        path.write_text("\n".join(f"{name}: {json.dumps(value)}" for name, value in settings.items()))
        return path

    return write


@pytest.fixture
def compare(call, job, tmp_path):
    """Compares two seeds of a job; keywords are flags."""

    def svdd_compare(*words, path=None, **flags):
        given = {"seeds": 2, "out": tmp_path / "c"} | flags
        pairs = [(f"--{name}", value) for name, value in given.items()]
        return call("compare", path or job(), *words, *(part for pair in pairs for part in pair))

    return svdd_compare


def written(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/seed-*/samples.csv")}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_runs_table_and_report_are_written(compare, call, model, tmp_path):
    judge = f"{model}:other"
    done = compare("--judge", judge, temperatures="0,0.5")
    assert done.status == 0, done.err
    assert done.out.index("best-of-n-N2") < done.out.index("reward median")
    folders = {path.parent.relative_to(tmp_path / "c").as_posix() for path in written(tmp_path / "c")}
    names = ("pretrained", "best-of-n-N2", "smc-N2-a0.5", "svdd-M3-a0", "svdd-M3-a0.5")
    assert folders == {f"{name}/seed-{seed}" for name in names for seed in (7, 8)}
    table = pd.read_csv(tmp_path / "c" / "comparison.csv")
    assert table["method"].tolist() == ["pretrained", "best-of-n", "smc", "svdd", "svdd"]
    assert table["particles"].tolist()[1:3] == [2, 2]
    assert table["temperature"].tolist()[2:] == [0.5, 0, 0.5]
    assert table["network_rows_asked"].tolist() == [8 * rows for rows in (6, 12, 12, 16, 16)]
    assert (table["runs"] == 2).all()
    assert (table["judge_rows"] == 0).all()  # the runs have the score already
    mine = pd.concat(pd.read_csv(tmp_path / "c" / f"svdd-M3-a0/seed-{seed}/samples.csv") for seed in (7, 8))
    assert table.loc[3, "reward_median"] == pytest.approx(mine["reward"].median())
    assert table.loc[3, "judge_median"] == pytest.approx(mine["other"].median())
    assert {"reward_q10_low", "reward_q90_high", "elbo_per_base", "diversity", "valid", "seconds"} <= set(table)
    page = (tmp_path / "c" / "report.html").read_text()
    priced = ["Held-out reward and network rows", "Held-out reward and reward calls"]
    rewards = ["Guiding reward", "Held-out reward"]
    assert pictures(page) == [*rewards, "Reward and naturalness", "Reward and held-out reward", *priced]
    assert "lines join a method&#39;s temperatures" in page
    again = call(
        "evaluate",
        *(tmp_path / "c" / name / "seed-7" for name in names),
        "--judge",
        "",
        "--out",
        tmp_path / "e",
        "--trust",
    )
    assert again.status == 0, again.err


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_nothing_is_paid_for_twice(compare, tmp_path):
    methods = {"methods": "pretrained,svdd"}
    assert compare(**methods).status == 0
    first, table = written(tmp_path / "c"), (tmp_path / "c" / "comparison.csv").read_bytes()
    (tmp_path / "c" / "pretrained" / "seed-7" / "run.json").unlink()  # stopped while it wrote
    second = compare("--quiet", **methods)
    assert second.status == 0, second.err
    assert second.err == ""
    changed = {path for path, when in written(tmp_path / "c").items() if when != first[path]}
    assert {path.parent.parent.name for path in changed} == {"pretrained"}
    more = compare("--json", temperatures="0,0.5", seeds=3, **methods)
    assert len(written(tmp_path / "c")) == 3 * 3
    assert [row["done"] for row in json.loads(more.out)["plan"]] == ["2 of 3", "0 of 3", "2 of 3"]
    kept = {path: when for path, when in written(tmp_path / "c").items() if path in first and path not in changed}
    assert kept == {path: first[path] for path in kept}
    assert table != (tmp_path / "c" / "comparison.csv").read_bytes()
    assert compare("--force", **methods).status == 0
    assert all(when != first[path] for path, when in written(tmp_path / "c").items() if path in first)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_a_stopped_comparison_goes_on_to_the_same_designs(compare, job, model, contents, tmp_path):
    path = job(reward=f"{model}:stopping")
    flags = {"path": path, "methods": "best-of-n,svdd", "seeds": 1}
    assert compare(out=tmp_path / "whole", **flags).status == 0
    text = model.read_text()
    model.write_text(text.replace('"call": -1', '"call": 4'))
    stopped = compare("--quiet", out=tmp_path / "parts", **flags)
    assert stopped.status == 130
    assert "go on with the same svdd compare command" in stopped.err
    model.write_text(text)
    assert compare(out=tmp_path / "parts", **flags).status == 0
    for name in ("best-of-n-N2", "svdd-M3-a0.5"):
        assert contents(tmp_path / "parts" / name / "seed-7") == contents(tmp_path / "whole" / name / "seed-7")


@pytest.mark.slow
def test_a_model_without_an_alphabet_is_compared_by_its_rewards(compare, job, tmp_path):
    reward = tmp_path / "gaussian.py"
    reward.write_text("def near(x):\n    return -(x**2).flatten(1).sum(1)\n\ndef far(x):\n    return near(x) - 1\n")
    path = job(model="toy-gaussian", reward=f"{reward}:near", steps=4)
    done = compare("--judge", f"{reward}:far", path=path)
    assert done.status == 0, done.err
    table = pd.read_csv(tmp_path / "c" / "comparison.csv")
    assert table["label"].tolist() == list(METHODS)
    assert "diversity" not in table
    assert (table["judge_median"] - table["reward_median"]).tolist() == pytest.approx([-1] * 4)
    assert table["reward_median_low"].notna().all()
    assert "nothing is known of designs of this kind" in done.out
    assert "By the reward, " in done.out
    assert "at the same network rows" not in done.out  # 2 particles are 80 % of 3 candidates
    priced = ["Held-out reward and network rows", "Held-out reward and reward calls"]
    page = (tmp_path / "c" / "report.html").read_text()
    assert pictures(page) == ["Guiding reward", "Held-out reward", "Reward and held-out reward", *priced]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_a_file_of_a_comparison_is_run_and_flags_win_over_it(compare, job, tmp_path):
    comparison = tmp_path / "comparison.yaml"
    comparison.write_text(
        f"job: {job()}\nmatch: none\nseeds: 1\nmethods:\n  some: {{method: best-of-n, particles: 4}}\n  svdd:\n"
    )
    done = compare(path=comparison, seeds=2, pool=16)
    assert done.status == 0, done.err
    assert "2 runs of each, at given sizes" in done.out
    table = pd.read_csv(tmp_path / "c" / "comparison.csv")
    assert table["label"].tolist() == ["some", "svdd"]
    assert table["method"].tolist() == ["best-of-n", "svdd"]
    assert table["runs"].tolist() == [2, 2]
    assert len(written(tmp_path / "c")) == 2 * 3  # two methods, and the pool


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_seconds_are_measured_once(compare, tmp_path):
    done = compare("--json", match="seconds", seeds=1)
    assert done.status == 0, done.err
    plan = tmp_path / "c" / "comparison.json"
    read = json.loads(plan.read_text())
    assert set(read["sizes"]) == {"best-of-n", "smc"}
    assert all(size >= 1 for size in read["sizes"].values())
    plan.write_text(json.dumps(read | {"sizes": {"best-of-n": 4, "smc": 5}}))  # as if the machine had been quick
    assert [row["sizes"] for row in json.loads(compare("--json", match="seconds", seeds=1).out)["plan"]][1:3] == [
        "N = 4",
        "N = 5",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_report")
def test_a_run_with_other_settings_is_left_alone(compare, job, refused, tmp_path):
    assert compare("--quiet", seeds=1, methods="svdd").status == 0
    before = written(tmp_path / "c")
    said = refused(compare("--quiet", "--json", path=job(samples=8), seeds=1, methods="svdd"))
    assert "holds a run with other settings; choose another --out, or replace it with --force" in said
    assert written(tmp_path / "c") == before


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused(compare, job, model, refused, tmp_path):
    assert "did you mean svdd" in refused(compare(methods="sdd"))
    assert "did you mean reward-calls" in refused(compare(match="reward-call"))
    assert "at least 1 method, 1 seed" in refused(compare(seeds=0))
    assert "at least 1 method, 1 seed" in refused(compare(temperatures="-1"))
    assert "--temperatures takes numbers" in refused(compare(temperatures="hot"))
    assert "METHOD.NAME=VALUE" in refused(compare("--option", "ess=0.5"))
    assert "unknown option of smc 'candidates'" in refused(compare("--option", "smc.candidates=3"))
    assert "take budget out of the job" in refused(compare(path=job(budget={"rewards": 10})))
    assert "guides these runs" in refused(compare("--judge", f"{model}:score"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "letter.txt").write_text("dear")
    assert "not a comparison" in refused(compare())
    assert not list((tmp_path / "c").glob("*/*"))
