"""Finished batches of a run in a folder: each is written once, and the state and the memory of the run stay as they were."""

import gc
import json
import signal
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from types import FunctionType, MethodType, ModuleType

import pandas as pd
import pytest
import torch

import svdd
from svdd.decoding.decoding import Decoding
from svdd.runs.folder import RunFolder
from svdd.runs.job import make_job
from svdd.runs.parts import BILLED, Parts
from svdd.runs.running import resume_job, run_job
from svdd.runs.watching import RunStopped, Watch

REWARDS = '''
import os, signal
from pathlib import Path

CALLS = Path(__file__).parent / "calls"
KILL = Path(__file__).parent / "kill"


def total(x):
    return x[:, 0]


def killing(x):
    """Ends its process, as nothing else can, in the call that the file `kill` names."""
    calls = int(CALLS.read_text()) + 1 if CALLS.exists() else 1
    CALLS.write_text(str(calls))
    if KILL.exists() and calls == int(KILL.read_text()):
        os.kill(os.getpid(), signal.SIGKILL)
    return total(x)
'''
SETTINGS = {"model": "toy-gaussian", "steps": 3, "candidates": 2, "batch": 2, "seed": 4, "save_seconds": 1e-9}


@pytest.fixture(autouse=True)
def quick_report(monkeypatch):
    """A report without its figures, for tests of something else."""
    monkeypatch.setattr("svdd.report.html.write_report", lambda result, folder, **more: None)


@pytest.fixture
def rewards(tmp_path):
    """A file of rewards."""
    path = tmp_path / "rewards.py"
    path.write_text(REWARDS)
    return path


@pytest.fixture
def job(tmp_path, rewards):
    """A job of some batches."""

    def make(out="run", reward="total", samples=80, **more):
        named = {"reward": f"{rewards}:{reward}", "out": str(tmp_path / out), "samples": samples}
        return make_job(SETTINGS | named | more)

    return make


def contents(folder):
    """What a run gives, but for its times."""
    files = {
        name: (Path(folder) / name).read_bytes() for name in ("samples.csv", "samples.safetensors", "steps.parquet")
    }
    record = json.loads((Path(folder) / "run.json").read_text())
    return files | {"settings": record["settings"], "reward rows": record["usage"]["reward"]["rows"]}


class Follows(Watch):
    """Looks at a run after each step, and stops it after some."""

    def __init__(self, look=lambda decoding: None, stop=-1):
        self.look, self.left, self.seen = look, stop, []

    def steps(self, decoding):
        self.decoding = decoding
        return super().steps(decoding)

    def stops(self):
        self.seen.append(self.look(self.decoding))
        self.left -= 1
        return self.left == 0


def stopped(job, step, resumed=False):
    """Runs until a number of steps are done."""
    with pytest.raises(RunStopped):
        resume_job(Path(job.out), Follows(stop=step)) if resumed else run_job(job, watch=Follows(stop=step))


def held(decoding):
    """Bytes of tensors, and objects, that the finished and the open batches of a run hold."""
    code = FunctionType | MethodType | ModuleType | type | svdd.Process
    seen, waiting = dict[int, object](), [decoding.parts, decoding._open, decoding._position]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not issubclass(type(one), code):
            seen[id(one)] = one
            waiting += [] if isinstance(one, torch.Tensor) else gc.get_referents(one)
    sizes = [one.untyped_storage().nbytes() for one in seen.values() if isinstance(one, torch.Tensor)]
    return sum(sizes), len(seen)


def test_the_state_and_the_memory_of_40_batches_are_those_of_one(job):
    whole = job()
    folder = RunFolder(Path(whole.out))
    watch = Follows(lambda decoding: (len(folder.parts), size_of(folder.state), *held(decoding)))
    run_job(whole, watch=watch)
    at_first_steps = [seen for seen in watch.seen[3::3] if seen[1]]
    assert [batches for batches, *_ in at_first_steps] == list(range(1, 40))
    for what in (1, 2, 3):
        sizes = [seen[what] for seen in at_first_steps[1:]]
        assert max(sizes) <= 1.1 * min(sizes), sizes
    assert not list(folder.path.glob("batch-*"))


def size_of(file):
    return file.stat().st_size if file.exists() else 0


def test_without_a_folder_finished_batches_are_in_the_state():
    settings = {"candidates": 2, "samples": 6, "batch": 2}
    decoding = Decoding("toy-gaussian", lambda x: x[:, 0], **settings)
    for _ in decoding:
        pass
    assert [len(batch["finished"]["chain"]) for batch in decoding.state()["batches"]] == [2, 2, 2]
    again = Decoding("toy-gaussian", lambda x: x[:, 0], **settings).resume(decoding.state()).result()
    assert torch.equal(again.samples, decoding.result().samples)
    assert again.trace.to_frame().equals(decoding.result().trace.to_frame())


@pytest.mark.parametrize("at", [1, 3, 4, 7, 11, 12])
def test_a_run_that_stops_goes_on_from_its_files(job, at):
    run_job(alone := job("alone", samples=8))
    stopped(often := job("often", samples=8), at)
    finished = (at - 1) // 3
    assert torch.load(RunFolder(Path(often.out)).state)["batch"] == finished
    assert sorted(path.name for path in Path(often.out).glob("batch-*")) == [
        f"batch-{n:06}.pt" for n in range(finished)
    ]
    resume_job(Path(often.out))
    assert contents(often.out) == contents(alone.out)
    assert not list(Path(often.out).glob("batch-*"))


def test_a_run_that_stops_in_every_batch_goes_on(job):
    run_job(alone := job("alone", samples=8))
    stopped(often := job("often", samples=8), 2)
    for step in (3, 3, 3):
        stopped(often, step, resumed=True)
    resume_job(Path(often.out))
    assert contents(often.out) == contents(alone.out)


def test_the_best_designs_of_all_batches_outlast_a_stop(tmp_path):
    lines = "def gc(designs):\n    return [float(design.count('G')) for design in designs]\n"
    (tmp_path / "gc.py").write_text(lines)
    common = {
        "model": "rna-utr",
        "steps": 3,
        "candidates": 2,
        "samples": 6,
        "batch": 2,
        "reward": f"{tmp_path / 'gc.py'}:gc",
    }
    run_job(make_job(common | {"out": str(tmp_path / "alone")}))
    stopped(often := make_job(common | {"out": str(tmp_path / "often")}), 7)
    early = pd.read_csv(tmp_path / "often" / "best.csv")
    assert len(early) > 2 * 2, "designs that were scored in finished batches"
    resume_job(Path(often.out))
    for name in ("best.csv", "samples.csv", "steps.parquet"):
        assert (tmp_path / "often" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


COMMAND = [sys.executable, "-c", "from svdd.cli.main import main; main()"]


def command(*words):
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_killed_refinement_goes_on_to_the_same_bytes(job, tmp_path):
    """SIGKILL in the ninth call of the reward, within the moves of the second batch."""
    moves = {"method": "refine", "candidates": None, "moves": 5, "samples": 4}
    alone = job("alone", "killing", **moves)
    run_job(alone)
    calls = int((tmp_path / "calls").read_text())
    (tmp_path / "calls").unlink()
    (tmp_path / "kill").write_text("9")
    killed = job("killed", "killing", **moves)
    (tmp_path / "job.yaml").write_text(killed.written())
    assert command("run", tmp_path / "job.yaml", "--quiet")[0] == -signal.SIGKILL
    assert list(RunFolder(Path(killed.out)).parts) == [0]
    resume_job(Path(killed.out))
    assert contents(killed.out) == contents(alone.out)
    assert int((tmp_path / "calls").read_text()) == calls + 1


@pytest.mark.slow
@pytest.mark.parametrize("saved_every", [1e-9, 1000])
def test_a_kill_between_a_batch_and_the_state_neither_loses_nor_doubles_it(job, rewards, tmp_path, saved_every):
    alone = job("alone", "killing", samples=8, save_seconds=saved_every)
    run_job(alone)
    of_each = Counter(pd.read_csv(Path(alone.out) / "samples.csv")["chain"])
    assert set(of_each.values()) == {1}
    each = int((tmp_path / "calls").read_text()) // 4
    (tmp_path / "calls").unlink()
    (tmp_path / "kill").write_text(
        str(2 * each + 1)
    )  # the first call of the third batch: the second is written, no state after it
    often = job("often", "killing", samples=8, save_seconds=saved_every)
    (tmp_path / "job.yaml").write_text(often.written())
    assert command("run", tmp_path / "job.yaml", "--quiet")[0] == -signal.SIGKILL
    folder = RunFolder(Path(often.out))
    assert list(folder.parts) == [0, 1]
    if saved_every < 1:  # the state counts on the first batch, and has the second one open
        assert torch.load(folder.state)["batch"] == 1
    else:
        assert not folder.state.exists()
    (tmp_path / "kill").unlink()
    status, said = command("resume", folder.path, "--quiet")
    assert status == 0, said
    assert contents(often.out) == contents(alone.out)


def test_a_run_killed_before_its_record_is_written_has_all_it_paid_for(job, tmp_path, monkeypatch):
    def killed(record):
        raise KeyboardInterrupt

    run_job(alone := job("alone", samples=8))
    with monkeypatch.context() as patched:
        patched.setattr("svdd.runs.folder.as_json", killed)
        with pytest.raises(KeyboardInterrupt):
            run_job(job("often", "killing", samples=8))
    calls = int((tmp_path / "calls").read_text())
    resume_job(tmp_path / "often")
    assert int((tmp_path / "calls").read_text()) == calls
    assert {path.name for path in (tmp_path / "often").iterdir()} == {path.name for path in Path(alone.out).iterdir()}
    assert (tmp_path / "often" / "samples.csv").read_bytes() == (tmp_path / "alone" / "samples.csv").read_bytes()


def test_a_batch_that_is_damaged_is_named_and_made_again_once_it_is_removed(job):
    run_job(alone := job("alone", samples=8))
    stopped(often := job("often", samples=8), 11)
    part = Path(often.out) / "batch-000001.pt"
    part.write_bytes(part.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"batch-000001\.pt is damaged .*; remove it to compute that batch again"):
        resume_job(Path(often.out))
    part.unlink()
    resume_job(Path(often.out))
    assert contents(often.out) == contents(alone.out)


def test_a_new_run_leaves_no_batch_of_the_old_one(job):
    stopped(job(samples=8), 11)
    folder = RunFolder(Path(job().out))
    (folder.path / "batch-000002.part").write_bytes(b"half")
    assert len(folder.parts) == 3
    with pytest.raises(RunStopped):
        run_job(job(samples=6), force=True, watch=Follows(stop=1))
    assert not list(folder.path.glob("batch-*"))


def test_a_batch_of_this_machine_is_none_of_a_cluster(tmp_path):
    Parts(tmp_path)[0] = {"finished": {}, "trace": {}}
    with pytest.raises(ValueError, match=r"batch-000000\.pt is damaged .*; remove it to compute that batch again"):
        Parts(tmp_path, names=BILLED)[0]


def test_steps_of_many_batches_are_one_table(job, monkeypatch):
    from pyarrow.parquet import ParquetFile

    run_job(one := job("one", samples=8, batch=8))
    monkeypatch.setattr("svdd.decoding.trace._GROUP", 10)
    run_job(many := job("many", samples=8, batch=1))
    file = ParquetFile(Path(many.out) / "steps.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [12, 12]
    order = ["step", "chain", "particle"]
    frames = [
        pd.read_parquet(Path(job.out) / "steps.parquet").sort_values(order, ignore_index=True) for job in (one, many)
    ]
    pd.testing.assert_frame_equal(*frames)
    types = Counter(map(str, chain.from_iterable(frame.dtypes for frame in frames)))
    assert types == {"int32": 12, "float32": 14}
    assert svdd.read(many.out).trace.to_frame().equals(pd.read_parquet(Path(many.out) / "steps.parquet"))
