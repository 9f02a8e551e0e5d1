"""Files of users: executed once, told apart, and found again by other processes."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from svdd.cli.sentences import sentence
from svdd.exits import EndedProgramError
from svdd.registry import load_reward, locate
from svdd.rewards.worker_pool import workers
from svdd.runs.make import make_reward
from svdd.scoring.identity import reward_identity
from svdd.scoring.reward import close
from svdd.user_files import module_of_file, pickled, whole

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


def test_a_file_finds_the_files_beside_it_when_it_is_loaded_and_later(tmp_path):
    for name in ("helper_for_test", "late_helper_for_test"):
        (tmp_path / f"{name}.py").write_text("K = 3.0")
    path = tmp_path / "score.py"
    path.write_text(
        "from helper_for_test import K\n\ndef f(designs):\n    from late_helper_for_test import K as late\n"
        "    return [K + late for design in designs]"
    )
    before = list(sys.path)
    assert load_reward(f"{path}:f")(["A"]) == [6.0]
    assert sys.path[: len(before)] == before  # last, so that a file in the folder hides no module


def test_neighbours_of_one_name_do_not_collide(tmp_path):
    rewards = []
    for number, folder in enumerate([tmp_path / "one", tmp_path / "two"]):
        (folder / "package_for_test").mkdir(parents=True)
        (folder / "package_for_test" / "__init__.py").write_text(f"K = {number}.0")
        (folder / "twin_for_test.py").write_text(f"from package_for_test import K as P\nK = {number}.0")
        (folder / "score.py").write_text("from twin_for_test import K, P\n\ndef f(designs): return [K + P]")
        rewards.append(load_reward(f"{folder / 'score.py'}:f"))
    assert [reward(["A"]) for reward in rewards] == [[0.0], [2.0]]


ARGUMENTS = """
import argparse
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--weights", default="w.pt")
weights, words = parser.parse_args().weights, sys.argv


def f(designs): return [float(len(weights))]
"""


def test_a_file_is_given_no_words_of_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "score.py").write_text(ARGUMENTS)
    monkeypatch.setattr(sys, "argv", ["svdd", "run", "--model", "x"])
    assert load_reward(f"{tmp_path / 'score.py'}:f")(["A"]) == [4.0]
    assert module_of_file(tmp_path / "score.py").words == [str(tmp_path / "score.py")]
    assert sys.argv == ["svdd", "run", "--model", "x"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(0)", r"score\.py ended the program \(exit status 0\); put what is for its own command"),
        ("import sys; sys.exit('no licence')", r"score\.py ended the program \(exit status 1: no licence\)"),
        ("quit()", "exit status 0"),
        (
            ARGUMENTS.replace("default='w.pt'", "required=True").replace('default="w.pt"', "required=True"),
            "exit status 2",
        ),
        ("class Stop(BaseException): ...\nraise Stop('now')", r"loading .*score\.py raised Stop: now"),
    ],
)
def test_a_file_that_ends_the_program_is_an_error(tmp_path, code, said):
    (tmp_path / "score.py").write_text(code + "\n\ndef f(designs): return [1.0]\n")
    with pytest.raises(EndedProgramError, match=said):
        load_reward(f"{tmp_path / 'score.py'}:f")


@pytest.mark.parametrize(
    ("code", "kind"), [("import nowhere_for_test", ImportError), ("1 / 0", ZeroDivisionError), ("f(", SyntaxError)]
)
def test_what_goes_wrong_while_a_file_is_loaded_names_it(tmp_path, code, kind):
    (tmp_path / "score.py").write_text(code)
    with pytest.raises(kind) as raised:
        load_reward(f"{tmp_path / 'score.py'}:f")
    assert sentence(raised.value).find(f"raised while {tmp_path / 'score.py'} was loaded") > 0


def test_a_module_whose_own_imports_fail_is_there(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine_with_needs.py").write_text("import nowhere_for_test")
    with pytest.raises(ModuleNotFoundError, match="nowhere_for_test"):
        load_reward("mine_with_needs:f")
    with pytest.raises(ValueError, match=r"a file is given as nowhere_for_test\.sub\.py:function"):
        load_reward("nowhere_for_test.sub:f")


MOVES = """
import os

os.chdir(os.path.dirname(__file__) + "/elsewhere")


def f(designs):
    os.chdir("..")
    return [float(len(design)) for design in designs]
"""


def test_a_file_that_changes_the_folder_is_still_found(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "score.py").write_text(MOVES)
    monkeypatch.chdir(tmp_path)
    assert load_reward("score.py:f")(["AC"]) == [2.0]
    monkeypatch.chdir(tmp_path)
    module_of_file("score.py")
    with workers("score.py:f", 1) as pool:
        assert pool(["AC", "A"]).tolist() == [2.0, 1.0]


POOL = """
import multiprocessing
import pickle


class Model:
    def __call__(self, design):
        from neighbour_of_pool import K

        return K * design.count("G")


model = pickle.loads(pickle.dumps(Model()))


def score(designs):
    with multiprocessing.get_context(METHOD).Pool(1) as pool:
        return pool.map(model, designs)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver", None])
@pytest.mark.parametrize("where", ["here", "worker"])
def test_processes_that_a_reward_starts_find_its_file(tmp_path, method, where):
    (tmp_path / "neighbour_of_pool.py").write_text("K = 2.0")
    path = tmp_path / "own_pool.py"
    path.write_text(POOL.replace("METHOD", repr(method)))
    reward = load_reward(f"{path}:score") if where == "here" else workers(f"{path}:score", 1, timeout=60)
    assert list(reward(["GG", "A"])) == [4.0, 0.0]
    close(reward)


@pytest.mark.slow
def test_processes_find_the_file_after_the_path_of_modules_was_put_back(tmp_path, monkeypatch):
    (tmp_path / "neighbour_of_pool.py").write_text("K = 2.0")
    (tmp_path / "first.py").write_text("def score(designs):\n    return [0.0] * len(designs)\n")
    path = tmp_path / "own_pool.py"
    path.write_text(POOL.replace("METHOD", "'spawn'"))
    load_reward(f"{tmp_path / 'first.py'}:score")
    monkeypatch.setattr(sys, "path", [one for one in sys.path if "svdd-modules-" not in one])
    reward = load_reward(f"{path}:score")
    assert list(reward(["GG", "A"])) == [4.0, 0.0]
    close(reward)


def test_paths_are_read_as_a_shell_reads_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home of mine"))
    monkeypatch.chdir(tmp_path)
    assert whole("~/x") == str(tmp_path / "home of mine" / "x")
    assert whole("é/x y/") == str(tmp_path / "é" / "x y")
    assert whole(Path("/a/../b")) == "/a/../b"
    assert whole("costs $5") == str(tmp_path / "costs $5")
    for name in ("$HOME/x", "${HOME}/x", "runs/of-$HOME"):
        with pytest.raises(ValueError, match=r"only a shell reads; give .*home of mine itself"):
            whole(name)
    for name in ("$UNSET_HERE/x", "runs/job-${UNSET_HERE}"):
        with pytest.raises(ValueError, match=r"which is not set here; give what it stands for"):
            whole(name)
    assert whole("a$b/$5") == str(tmp_path / "a$b" / "$5")
    (tmp_path / "$RECYCLED").write_text("")
    assert whole("$RECYCLED") == str(tmp_path / "$RECYCLED")
    with pytest.raises(ValueError, match="~nobody_of_this_name/x begins with the home of a user"):
        whole("~nobody_of_this_name/x")
    (tmp_path / "~odd").write_text("")
    assert whole("~odd") == str(tmp_path / "~odd")


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
