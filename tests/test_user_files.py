"""Files of users: executed once, told apart, and found again by other processes."""

import os
import pickle
import subprocess
import sys

import pytest

from svdd.registry import load_reward, locate
from svdd.rewards.worker_pool import workers
from svdd.runs.make import make_reward
from svdd.scoring.identity import reward_identity
from svdd.user_files import module_of_file, pickled

CODE = """
import os

with open(os.environ["EXECUTED"], "a") as file:
    print(os.getpid(), file=file)


def f(designs):
    return [float(len(design)) for design in designs]


class Letters:
    def __init__(self, letter):
        self.letter = letter

    def __call__(self, designs):
        return [float(design.count(self.letter)) for design in designs]


reward = Letters("A")
nameless = lambda designs: f(designs)
"""


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """The processes that executed the file, so far."""
    monkeypatch.setenv("EXECUTED", str(tmp_path / "executed.txt"))
    return lambda: (tmp_path / "executed.txt").read_text().split()


@pytest.fixture
def file(tmp_path, executed):
    path = tmp_path / "score.py"
    path.write_text(CODE)
    return path


def test_a_file_is_executed_once_for_loading_and_identity(file, executed):
    for name in ("f", "reward", "nameless"):
        reward = load_reward(f"{file}:{name}")
        assert reward_identity(reward) == reward_identity(make_reward(f"{file}:{name}"))
        assert reward_identity(reward) == reward_identity(workers(f"{file}:{name}", 1))
    assert executed() == [str(os.getpid())]


def test_a_file_that_changed_is_executed_again(file):
    first = load_reward(f"{file}:f")
    before = reward_identity(first)
    file.write_text(CODE.replace("len(design)", "2 * len(design)").replace('"a"', '"a" '))
    second = load_reward(f"{file}:f")
    assert (first(["AC"]), second(["AC"])) == ([2.0], [4.0])
    assert reward_identity(second) != before


def test_a_change_of_equal_length_is_seen(tmp_path):
    path = tmp_path / "score.py"
    for number in "1234":
        path.write_text(f"def f(designs): return [{number}.0]")
        assert load_reward(f"{path}:f")(["A"]) == [float(number)]


def test_two_files_of_one_name_do_not_collide(tmp_path):
    paths = [tmp_path / folder / "score.py" for folder in ("one", "two")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text(f"def f(designs): return [{number}.0 for design in designs]")
    rewards = [load_reward(f"{path}:f") for path in paths]
    assert [reward(["A"]) for reward in rewards] == [[0.0], [1.0]]
    assert [pickle.loads(pickle.dumps(reward)) for reward in rewards] == rewards


def test_a_file_finds_the_files_beside_it(tmp_path):
    (tmp_path / "helper_for_test.py").write_text("K = 3.0")
    path = tmp_path / "score.py"
    path.write_text("from helper_for_test import K\n\ndef f(designs): return [K for design in designs]")
    before = list(sys.path)
    assert load_reward(f"{path}:f")(["A"]) == [3.0]
    assert sys.path == before
    sys.modules.pop("helper_for_test")


def test_a_file_that_fails_is_executed_again(tmp_path):
    path = tmp_path / "score.py"
    path.write_text(
        "import os\nif 'FIXED' not in os.environ: raise RuntimeError('inside')\ndef f(designs): return [1.0]"
    )
    for _ in range(2):
        with pytest.raises(RuntimeError, match="inside"):
            module_of_file(path)


def test_objects_of_a_file_can_be_sent_to_workers(file, executed):
    with workers(load_reward(f"{file}:reward"), 1) as pool:
        assert list(pool(["AAC", "GA"])) == [2.0, 1.0]
    assert len(set(executed())) == 2


def test_functions_of_a_file_are_found_in_another_process(file):
    sent = pickled([load_reward(f"{file}:f"), locate("reward", f"{file}:Letters", {})])
    code = (
        "import pickle, sys; f, Letters = pickle.loads(sys.stdin.buffer.read()); print(f(['AC']), Letters('A')(['AC']))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True)
    assert done.stdout.decode().strip() == "[2.0] [1.0]", done.stderr.decode()


def test_what_cannot_be_sent_is_one_sentence(file):
    with pytest.raises(ValueError, match="cannot be sent to a worker process; give it by name"):
        workers(load_reward(f"{file}:nameless"), 1)


def test_an_object_without_room_for_a_note_can_be_used(tmp_path):
    path = tmp_path / "score.py"
    path.write_text("class R:\n    __slots__ = ()\n    def __call__(self, designs): return [1.0]\n\nr = R()")
    reward = load_reward(f"{path}:r")
    assert reward(["A"]) == [1.0]
    with pytest.raises(ValueError, match="which a file of scores needs"):
        reward_identity(reward)
