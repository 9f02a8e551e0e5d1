"""Rewards that are slow, elsewhere or broken, through `svdd run`: real processes, a real server, real kills."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("quick_report")

REWARDS = '''
import os
import time

ASKED = os.environ.get("ASKED")


def score(designs):
    return [float(design.count("G")) for design in designs]


def noted(designs):
    """Writes down what it was asked."""
    with open(ASKED, "a") as file:
        file.writelines(f"{design}\\n" for design in designs)
    return score(designs)


def plodding(designs):
    time.sleep(0.02 * len(designs))
    return noted(designs)


def fragile(designs):
    """Hangs, dies, or has no number for some."""
    for design in designs:
        while design.startswith("GG"):
            pass
        if design.startswith("TT"):
            os._exit(1)
    special = {"CC": float("nan"), "AA": -float("inf")}
    return [special.get(design[:2], 1.0) for design in designs]


def shares(designs):
    return [float(len(designs))] * len(designs)


shares.groupwise = True
'''

PROGRAM = """
import json, sys
print(*[json.loads(line)["design"].count("G") for line in sys.stdin], sep="\\n")
"""


@pytest.fixture(autouse=True)
def asked(tmp_path, monkeypatch):
    """The file in which rewards write down what they were asked."""
    path = tmp_path / "asked.txt"
    path.touch()
    monkeypatch.setenv("ASKED", str(path))
    return path


@pytest.fixture(autouse=True)
def rewards(tmp_path):
    """Names of rewards in a file that imports nothing heavy, so that workers start at once."""
    path = tmp_path / "rewards.py"
    path.write_text(REWARDS)
    return lambda name: f"{path}:{name}"


@pytest.fixture
def record(tmp_path):
    return lambda out="out": json.loads((tmp_path / out / "run.json").read_text())


def samples(path):
    return pd.read_csv(path / "samples.csv")


# --- kinds -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_command_gives_the_designs_of_the_same_function(run, tmp_path, contents):
    program = tmp_path / "score.py"
    program.write_text(PROGRAM)
    assert run(out="function").status == 0
    outside = run(reward=f"cmd:{sys.executable} {program}", out="command")
    assert outside.status == 0, outside.err
    assert contents(tmp_path / "command") == contents(tmp_path / "function")


@pytest.mark.slow
def test_a_command_is_found_from_anywhere_when_a_run_goes_on(call, model, tmp_path, monkeypatch):
    (tmp_path / "score.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    words = ("--model", f"{model}:model", "--reward", f"cmd:{sys.executable} score.py", "--candidates", 2)
    assert call("run", *words, "--samples", 2, "--out", "out").status == 0
    assert f"command_folder: {tmp_path}\n" in (tmp_path / "out" / "job.yaml").read_text()


def test_a_command_that_fails_is_one_sentence(run, refused, tmp_path):
    said = refused(run(reward=f"cmd:{sys.executable} -c 'import sys; sys.exit(\"no licence\")'"))
    assert "ended with status 1; it said: no licence" in said
    assert not (tmp_path / "out").exists()


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        designs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["designs"]
        self.server.sizes.append(len(designs))
        body = json.dumps({"scores": [design.count("G") for design in designs]}).encode()
        self.send_response(503 if len(self.server.sizes) == 1 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.mark.slow
def test_an_endpoint_gives_the_designs_of_the_same_function(run, tmp_path, contents):
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    http.sizes = []
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        address = f"http://127.0.0.1:{http.server_port}/score"
        done = run("--reward-option", "rate=1000", reward=address, reward_batch=4, out="address")
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
    assert done.status == 0, done.err
    assert max(http.sizes) == 4
    assert run(out="function").status == 0
    assert contents(tmp_path / "address") == contents(tmp_path / "function")


# --- workers and outcomes ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_workers_change_no_design_and_no_row(run, rewards, tmp_path, contents, record):
    assert run(out="here", reward=rewards("score")).status == 0
    done = run(out="there", reward=rewards("score"), workers=2, reward_batch=2)
    assert done.status == 0, done.err
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    here, there = record("here")["usage"], record("there")["usage"]
    for component in ("network", "decode", "reward", "value"):
        for name in ("rows", "hits"):
            assert here[component][name] == there[component][name], (component, name)


@pytest.mark.slow
def test_a_run_survives_designs_that_hang_crash_and_have_no_number(run, rewards, tmp_path, record):
    failing = ("--on-failure", "nan=-1", "--on-failure", "abort=1")
    done = run(
        *failing,
        reward=rewards("fragile"),
        workers=2,
        reward_timeout=0.3,
        reward_batch=4,
        samples=20,
        method="pretrained",
        seed=6,
    )
    assert done.status == 0, done.err
    table = samples(tmp_path / "out")
    starts = {letters: table["sample"].str.startswith(letters) for letters in ("GG", "TT", "CC", "AA")}
    wanted = {"timeout": starts["GG"], "error": starts["TT"], "nan": starts["CC"], "invalid": starts["AA"]}
    outcomes = record()["usage"]["outcomes"]
    assert {name: int(rows.sum()) for name, rows in wanted.items()} == {name: outcomes[name] for name in wanted}
    assert outcomes["timeout"] > 0
    assert outcomes["error"] > 0
    assert outcomes["nan"] > 0
    assert (table.loc[starts["CC"], "reward"] == -1).all()
    assert not table.loc[starts["GG"] | starts["TT"] | starts["AA"], "valid"].any()
    assert f"{outcomes['timeout']} timed out" in done.out
    assert "note: the reward did not answer in time on 'GG" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"on_failure": "error=ignore"}, "error is stop, invalid or a number, got 'ignore'"),
        ({"on_failure": "erorr=invalid"}, "unknown setting of on_failure 'erorr'; did you mean error"),
        ({"on_failure": "invalid"}, "--on-failure takes NAME=VALUE, got 'invalid'"),
        ({"workers": 0}, "workers should be greater than 0"),
        ({"reward_timeout": 3}, "reward_timeout is for rewards in workers and outside of Python"),
        ({"reward_batch": 3}, "give chunks: reward="),
        ({"reward_memory": 100}, "reward_memory bounds worker processes: add --workers 2"),
        ({"budget": "rewards=0"}, "a budget is some of rewards"),
        ({"budget": "calls=3"}, "unknown part of a budget 'calls'"),
        (
            {"budget": "rewards=2"},
            "a budget of 2 reward calls does not cover 6 designs of 6 steps, which ask for at least",
        ),
        ({"reward": "cmd:"}, "cmd: needs a command"),
        ({"reward_option": "x=3"}, "is the reward itself and takes no options, got x"),
    ],
)
def test_settings_that_make_no_sense(run, refused, tmp_path, flags, said):
    assert said in refused(run(**flags))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_reward_of_whole_batches_is_asked_for_whole_batches(run, rewards, refused, tmp_path, record):
    assert run(reward=rewards("shares")).status == 0
    usage = record()["usage"]["reward"]
    assert (usage["rows"], usage["hits"]) == (6 * 3 * 6, 0)
    assert (samples(tmp_path / "out")["reward"] == 18).all()
    assert "leave reward out of chunks" in refused(run(reward=rewards("shares"), chunk="reward=2", out="other"))
    assert "nothing to keep in a file of scores" in refused(
        run(reward=rewards("shares"), cache=tmp_path / "c", out="other")
    )


# --- scores on disk ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_runs_share_a_file_of_scores(run, call, tmp_path, contents, record, asked, rewards):
    cache = tmp_path / "scores.sqlite"
    assert run(out="one", reward=rewards("noted"), cache=cache).status == 0
    first = record("one")["usage"]["reward"]
    assert len(asked.read_text().split()) == first["rows"] > 0
    assert run(out="two", reward=rewards("noted"), cache=cache).status == 0
    second = record("two")["usage"]["reward"]
    assert second["rows"] == 0
    assert second["hits"] == first["rows"] + first["hits"]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(asked.read_text().split()) == first["rows"]
    listed = json.loads(call("cache", cache, "--json").out)
    assert [row["scores"] for row in listed["rewards"]] == [first["rows"]]
    assert listed["rewards"][0]["reward"].endswith(":noted")
    assert f"{first['rows']:,} scores" in call("cache", cache).out
    assert call("cache", cache, "--prune", 1).err == "svdd: forgot 0 scores\n"
    assert (
        call("cache", cache, "--reward", listed["rewards"][0]["reward"]).err
        == f"svdd: forgot {first['rows']:,} scores\n"
    )
    assert json.loads(call("cache", cache, "--json").out)["rewards"] == []


@pytest.mark.slow
def test_another_reward_finds_nothing(run, tmp_path, record):
    cache = tmp_path / "scores.sqlite"
    assert run(out="one", cache=cache).status == 0
    assert run(out="two", reward="other", cache=cache).status == 0
    assert record("two")["usage"]["reward"]["rows"] > 0


@pytest.mark.slow
def test_files_that_are_no_cache(call, refused, run, model, tmp_path):
    assert "there is no file of scores" in refused(call("cache", tmp_path / "nowhere"))
    assert "cannot be used as a file of scores" in refused(call("cache", model))
    assert "cannot be used as a file of scores" in refused(run(cache=model))
    (tmp_path / "out").mkdir(exist_ok=True)
    assert run(cache=tmp_path / "c", out="made").status == 0
    assert "holds no scores of nobody" in refused(call("cache", tmp_path / "c", "--reward", "nobody"))


def started(model, reward, tmp_path, *words):
    flags = {"--model": f"{model}:model", "--reward": reward, "--out": tmp_path / "parts"}
    command = [sys.executable, "-c", "from svdd.cli.main import main; main()", "run"]
    command += [str(part) for pair in flags.items() for part in pair] + [str(word) for word in words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def scores_of(path):
    try:
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return base.execute("select count(*) from scores").fetchone()[0]
        finally:
            base.close()
    except sqlite3.Error:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("--workers", 2, "--reward-batch", 2)], ids=["here", "workers"])
def test_a_killed_run_goes_on_without_paying_twice(
    run, call, model, tmp_path, contents, record, asked, rewards, workers
):
    sizes = ("--candidates", 3, "--samples", 6, "--steps", 8, "--chunk", "reward=4", *workers)
    process = started(model, rewards("plodding"), tmp_path, *sizes)
    journal = tmp_path / "parts" / "rewards.sqlite"
    while scores_of(journal) < 30:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.3)  # workers note that they are alone
    written, before = scores_of(journal), len(asked.read_text().split())
    assert not (tmp_path / "parts" / "state.pt").exists()  # it was killed before its first save
    resumed = call("resume", tmp_path / "parts", "--quiet")
    assert resumed.status == 0, resumed.err
    assert not journal.exists()
    again = asked.read_text().split()
    assert len(again) - len(set(again)) <= before - written  # answers that were on their way when it was killed
    assert run(*sizes, out="whole", reward="score").status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    parts, whole = record("parts")["usage"], record("whole")["usage"]
    assert {k: parts["reward"][k] for k in ("rows", "hits")} == {k: whole["reward"][k] for k in ("rows", "hits")}


@pytest.mark.slow
def test_an_interrupted_run_has_the_bill_of_a_whole_one(run, call, model, tmp_path, contents, record):
    model.write_text(model.read_text().replace('"call": -1', '"call": 9'))
    assert run(out="parts", reward="stopping", batch=3, seed=2).status == 130
    assert scores_of(tmp_path / "parts" / "rewards.sqlite") > 0
    assert list(pd.read_csv(tmp_path / "parts" / "best.csv")) == ["sample", "reward"]
    assert call("resume", tmp_path / "parts").status == 0
    assert run(out="whole", reward="score", batch=3, seed=2).status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert (tmp_path / "parts" / "best.csv").read_bytes() == (tmp_path / "whole" / "best.csv").read_bytes()
    parts, whole = record("parts")["usage"], record("whole")["usage"]
    assert {k: parts["reward"][k] for k in ("rows", "hits")} == {k: whole["reward"][k] for k in ("rows", "hits")}
    assert parts["outcomes"] == whole["outcomes"]


@pytest.mark.slow
def test_ctrl_c_ends_workers_with_the_step(rewards, model, tmp_path):
    process = started(
        model, rewards("plodding"), tmp_path, "--candidates", 3, "--samples", 4, "--steps", 60, "--workers", 1
    )
    while not (tmp_path / "parts" / "rewards.sqlite").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "go on with: svdd resume" in said
    assert "Traceback" not in said
    assert "Error" not in said


# --- budgets -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_budget_shrinks_a_run_until_it_fits(run, record, tmp_path):
    done = run("--budget", "rewards=100", candidates=50)
    assert done.status == 0, done.err
    assert "svdd: a budget of 100 reward calls: candidates 50 -> 2" in done.err
    written = record()
    assert written["usage"]["reward"]["rows"] <= 100
    assert written["settings"]["candidates"] == 2
    assert written["settings"]["budget"] == {"rewards": 100}
    assert len(samples(tmp_path / "out")) == 6


@pytest.mark.slow
def test_a_budget_finds_a_size_that_nobody_gave(run, record):
    assert run("--budget", "rows=200", candidates=None).status == 0
    assert record()["settings"]["candidates"] == 6  # 6 (1 + 5 M) = 186
    assert record()["usage"]["network"]["rows"] <= 200


@pytest.mark.slow
def test_a_budget_of_time_stops_with_the_best_designs_so_far(run, record, tmp_path, asked, rewards):
    done = run("--budget", "seconds=0.6", reward=rewards("plodding"), steps=40, candidates=3)
    assert done.status == 0, done.err
    assert "the budget of 0.6 seconds is spent" in done.err
    table = samples(tmp_path / "out")
    assert len(table) == 6
    assert list(table["id"]) == [f"best-{i:04d}" for i in range(6)]
    assert table["reward"].is_monotonic_decreasing
    assert table["reward"].tolist() == [float(design.count("G")) for design in table["sample"]]
    assert table["reward"].max() == max(line.count("G") for line in asked.read_text().split())
    assert "is spent" in record()["settings"]["stopped"]
    best = pd.read_csv(tmp_path / "out" / "best.csv")
    assert best["sample"].tolist()[:6] == table["sample"].tolist()


@pytest.mark.slow
def test_the_best_of_everything_that_was_scored(run, tmp_path, asked, rewards):
    assert run(reward=rewards("noted")).status == 0
    best = pd.read_csv(tmp_path / "out" / "best.csv")
    seen = sorted({line: line.count("G") for line in asked.read_text().split()}.values(), reverse=True)
    assert best["reward"].tolist() == seen[:100]
    assert best["sample"].is_unique
