"""Finished batches of a run on other machines: kept in files until the run is finished."""

import pytest
import torch

from svdd.runs.folder import RunFolder
from svdd.runs.parts import Parts


def state(number):
    return {"batch": 1, "trace": torch.full((2, 3), float(number)), "finished": [{"samples": ["ACGT"]}]}


def test_batches_are_kept_whole_and_in_order(tmp_path):
    parts = Parts(tmp_path)
    for number in (10, 2):
        parts[number] = state(number)
    again = Parts(tmp_path)
    assert list(again) == [2, 10]
    assert 2 in again
    assert 3 not in again
    assert torch.equal(again[10]["trace"], state(10)["trace"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch-000002.pt", "batch-000010.pt"]


def test_the_folder_is_made_before_the_first_batch_and_only_once(tmp_path):
    made = []

    def make():
        (tmp_path / "new").mkdir()
        made.append(True)

    parts = Parts(tmp_path / "new", make)
    assert len(parts) == 0
    parts[0], parts[1] = state(0), state(1)
    assert made == [True]


def test_a_damaged_batch_says_how_to_go_on(tmp_path):
    (tmp_path / "batch-000004.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"batch-000004.pt is damaged .*; remove it to compute that batch again"):
        Parts(tmp_path)[4]
    with pytest.raises(KeyError):
        Parts(tmp_path)[5]


def test_a_folder_with_batches_can_go_on_and_a_new_run_removes_them(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim("model: dna-enhancer\n")
    assert not folder.started
    folder.parts[0] = state(0)
    assert folder.started
    folder.claim("model: dna-enhancer\n")
    assert not folder.started
