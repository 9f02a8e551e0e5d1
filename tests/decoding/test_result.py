"""Results: the table, the files, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from support.processes import gaussian, masked, mixed, reward, words
from svdd import decode
from svdd.chain.designs import TextKind
from svdd.decoding.columns import ColumnTakenError, check_columns
from svdd.decoding.result import Result, join
from svdd.decoding.trace import Trace
from svdd.domains.image.designs import ImageKind

TRACE = [
    "step", "t", "chain", "particle", "value", "log_w", "ancestor",
    "children", "candidate_mean", "candidate_best", "distinct", "bellman_residual", "selection_ess",
]  # fmt: skip


@pytest.fixture
def text():
    return decode(
        masked(decode=words), reward, samples=6, candidates=4, scores={"a": lambda w: [x.count("a") for x in w]}
    )


def test_the_table_has_one_row_a_design(text):
    frame = text.to_frame()
    assert list(frame) == ["id", "chain", "sample", "reward", "valid", "a"]
    assert frame["sample"].tolist() == text.samples
    assert frame.id.tolist() == [f"svdd-{i:04d}" for i in range(6)]
    assert frame.reward.tolist() == text.rewards.tolist()
    assert frame.valid.all()
    assert len(text) == 6


@pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")
def test_designs_of_one_chain_are_numbered():
    result = decode(gaussian(), reward, method="svdd-r", samples=4, particles=2, candidates=2, replace=0.5)
    assert result.to_frame().id.tolist() == ["svdd-r-0000-000", "svdd-r-0000-001", "svdd-r-0001-000", "svdd-r-0001-001"]


def test_designs_that_are_not_text_are_numbered():
    frame = decode(gaussian(), reward, samples=3, candidates=2).to_frame()
    assert frame["sample"].tolist() == [0, 1, 2]


def test_invalid_designs_are_marked():
    result = decode(gaussian(), lambda x: torch.full((len(x),), -torch.inf), samples=3, candidates=2)
    assert not result.to_frame().valid.any()
    assert result.rewards.isneginf().all()


def test_files(text, tmp_path):
    path = text.save(tmp_path / "new" / "folder")
    assert sorted(p.name for p in path.iterdir()) == ["run.json", "samples.csv", "samples.parquet", "steps.parquet"]
    frame = text.to_frame()
    pd.testing.assert_frame_equal(pd.read_csv(path / "samples.csv"), frame, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(path / "samples.parquet"), frame, check_dtype=False)
    assert b"\r" not in (path / "samples.csv").read_bytes()
    assert list(pd.read_parquet(path / "steps.parquet")) == TRACE
    record = json.loads((path / "run.json").read_text())
    sizes = {"samples": 6, "seed": 0, "steps": 4, "candidates": 4}
    named = {"method": "svdd", "reward": "reward", "value": "posterior-mean"}
    assert record["settings"] == {"temperature": 0.0, "prior_candidates": 1} | named | sizes
    assert record["usage"]["reward"]["rows"] == text.usage.reward.rows
    assert set(record["versions"]) == {"python", "torch", "numpy", "svdd"}
    assert record["log_z"] is None


@pytest.mark.parametrize("make", [gaussian, mixed])
def test_designs_that_are_tensors_are_kept(make, tmp_path):
    from safetensors.torch import load_file

    result = decode(make(), reward, samples=3, candidates=2)
    kept = load_file(result.save(tmp_path) / "samples.safetensors")
    expected = result.samples if isinstance(result.samples, dict) else {"samples": result.samples}
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[k], expected[k]) for k in kept)


def test_a_run_is_never_overwritten(text, tmp_path):
    text.save(tmp_path)
    before = (tmp_path / "samples.csv").read_bytes()
    with pytest.raises(FileExistsError, match=r"already holds samples\.csv"):
        decode(gaussian(), reward, samples=3, candidates=2).save(tmp_path)
    assert (tmp_path / "samples.csv").read_bytes() == before


def test_the_domain_writes_its_own_file(tmp_path):
    class Own(TextKind):
        def write(self, designs, ids, numbers, folder):
            assert list(numbers) == ["reward", "length"]
            assert all(isinstance(column, np.ndarray) for column in numbers.values())
            lines = [f"{i} {s} {r:.2f}\n" for i, s, r in zip(ids, designs, numbers["reward"], strict=True)]
            (folder / "own.txt").write_text("".join(lines))

    process = masked(decode=words, kind=Own(), about={"name": "toy"})
    result = decode(process, reward, samples=2, candidates=3, scores={"length": lambda w: [len(x) for x in w]})
    path = result.save(tmp_path)
    assert (path / "own.txt").read_text().splitlines()[1].split()[:2] == ["svdd-0001", result.samples[1]]
    assert json.loads((path / "run.json").read_text())["model"] == {"name": "toy"}


def test_the_trace_has_one_row_a_survivor_and_scored_step():
    result = decode(gaussian(), reward, method="nested-is", samples=2, particles=3, candidates=2, every=2, batch=1)
    frame = result.trace.to_frame()
    assert list(frame) == TRACE
    assert frame.step.tolist() == [2, 2, 2, 4, 4, 4] * 2
    assert frame.chain.tolist() == [0] * 6 + [1] * 6
    assert frame.particle.tolist() == [0, 1, 2] * 4
    assert frame.t.tolist() == [0.5] * 3 + [0.0] * 3 + [0.5] * 3 + [0.0] * 3
    assert frame.children.tolist() == [2, 2, 2, 1, 1, 1] * 2
    assert (frame.candidate_best >= frame.candidate_mean).all()
    assert (frame.candidate_best >= frame.value).all()
    assert ((frame.selection_ess >= 1 - 1e-9) & (frame.selection_ess <= 2 + 1e-9)).all()
    assert str(frame.step.dtype) == "int32"


def test_an_empty_trace_is_a_table():
    assert list(Trace().to_frame()) == TRACE
    assert Trace().mean_distinct() is None


def test_results_are_joined_in_order():
    parts = [decode(masked(decode=words), reward, samples=n, candidates=3, seed=n) for n in (2, 3)]
    whole = join(parts, settings={"method": "svdd"})
    assert whole.samples == parts[0].samples + parts[1].samples
    assert torch.equal(whole.rewards, torch.cat([p.rewards for p in parts]))
    assert len(whole) == 5


def test_a_result_goes_round():
    result = decode(gaussian(), reward, samples=2, method="smc", particles=3)
    again = Result.from_state(result.state())
    assert torch.equal(again.samples, result.samples)
    assert (again.chain, again.log_z) == (result.chain, result.log_z)


def test_columns_that_designs_may_bring_are_taken():
    with pytest.raises(
        ColumnTakenError, match="a score cannot be named 'prompt': designs may bring that column already"
    ):
        check_columns(len, ["prompt"], ImageKind().further)
