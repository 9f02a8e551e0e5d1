"""Conversations with programs as they were recorded: what earlier programs were given and answered holds for ever."""

import json
import math
import shlex
import sys

import pytest

from support.places import ROOT
from svdd.registry import load_reward
from svdd.rewards.commands import PROTOCOL
from svdd.rewards.worker_pool import workers

TRANSCRIPTS = sorted((ROOT / "tests" / "data" / "transcripts").glob("*.json"))
REPLAYS = """
import json, os, pathlib, sys

told, *files = sys.argv[1:]
told = json.loads(pathlib.Path(told).read_text(encoding="utf-8"))
heard = {pathlib.Path(path).name: path for path in files}
given = {name: pathlib.Path(path).read_bytes().decode() for name, path in heard.items() if name != "output"}
given = given or {"stdin": sys.stdin.buffer.read().decode()}
assert os.environ["SVDD_PROTOCOL"] == str(told["protocol"]), "another protocol"
assert given == told["given"], given
if "output" in heard:
    pathlib.Path(heard["output"]).write_bytes(told["answered"]["output"].encode())
sys.stdout.buffer.write(told["answered"]["stdout"].encode())
"""
"""A program that hears what was recorded, or fails, and answers what was recorded."""


@pytest.fixture(params=TRANSCRIPTS, ids=lambda path: path.stem)
def conversation(request, tmp_path):
    """The transcript, and the command that replays it."""
    (tmp_path / "replay.py").write_text(REPLAYS)
    told = json.loads(request.param.read_text(encoding="utf-8"))
    program = shlex.join([sys.executable, str(tmp_path / "replay.py"), str(request.param)])
    told["scores"] = [float(score) for score in told["scores"]]
    return told, told["command"].replace("PROGRAM", program)


def test_what_was_recorded_is_said_again(conversation):
    told, command = conversation
    assert load_reward(command)(told["designs"]) == told["scores"]


@pytest.mark.slow
def test_and_in_a_worker(conversation):
    told, command = conversation
    with workers(command, 1, batch=8) as reward:
        assert reward(told["designs"]).tolist() == told["scores"]


def test_every_way_of_this_protocol_is_recorded():
    told = [json.loads(path.read_text(encoding="utf-8")) for path in TRANSCRIPTS]
    heard = {name for one in told if one["protocol"] == PROTOCOL for name in one["given"]}
    assert heard == {"stdin", "input", "input.csv", "input.txt"}
    assert -math.inf in [float(score) for one in told for score in one["scores"]]
