"""The identity of a reward: equal for an equal reward, another when anything changes that decides its numbers."""

import functools
import importlib
import os
import pickle
import sys
import time
from dataclasses import replace

import pytest

from exact.identity_checks import an_upgrade_makes_another_identity
from support import fragile
from svdd import registry
from svdd.registry import REWARDS, load_reward, origin
from svdd.rewards.commands import command
from svdd.rewards.endpoints import endpoint
from svdd.rewards.worker_pool import workers
from svdd.scoring.identity import file_hash
from svdd.scoring.identity import reward_identity as identity


def by_name(name, **options):
    return identity(load_reward(name, **options))


def test_a_function_is_its_name_and_its_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def f(designs): return [1.0] * len(designs)\n\ndef g(designs): return f(designs)\n")
    first = by_name(f"{file}:f")
    assert first == identity(workers(f"{file}:f", 1))
    assert first != by_name(f"{file}:g")
    file.write_text(file.read_text().replace("1.0", "2.0"))
    assert first != by_name(f"{file}:f")


def test_a_bundled_reward_is_its_name_and_its_options():
    assert by_name("gc-content") == by_name("gc-content") == identity(workers("gc-content", 1))
    assert by_name("gc-content", target=0.4) == identity(workers("gc-content", 1, target=0.4))
    assert len({by_name("gc-content"), by_name("gc-content", target=0.4), by_name("hepg2")}) == 3


def test_a_command_is_its_words_and_the_files_among_them(tmp_path):
    script = tmp_path / "score.py"
    script.write_text("print(1)")
    name = f"cmd:{sys.executable} {script}"
    first = by_name(name)
    assert first == identity(command(name, timeout=5.0))
    assert first != by_name(f"{name} --fast")
    script.write_text("print(2)")
    assert first != by_name(name)


def test_the_files_of_a_command_are_those_of_its_folder(tmp_path):
    script = tmp_path / "score.py"
    script.write_text("print(1)")
    first = identity(command("cmd:python score.py", folder=tmp_path))
    assert first != identity(command("cmd:python score.py"))
    script.write_text("print(2)")
    assert first != identity(command("cmd:python score.py", folder=tmp_path))


def test_a_word_that_is_too_long_for_a_path_is_a_word():
    assert identity(command(f"cmd:python -c {'1' * 5000}")) != identity(command(f"cmd:python -c {'1' * 5001}"))


def test_an_endpoint_is_its_address_and_the_version_it_is_said_to_have():
    one = endpoint("http://here/score", batch=2)
    assert identity(one) == by_name("http://here/score")
    assert identity(one) != by_name("http://here/score", version="2")
    assert identity(endpoint("http://here/score", version="2")) == by_name("http://here/score", version="2")


def test_a_reward_may_say_what_it_is():
    def f(designs):
        return designs

    f.identity = "mine, version 2"
    first = identity(f)
    f.identity = "mine, version 3"
    assert identity(f) != first


def test_arguments_tell_partial_functions_apart():
    assert identity(functools.partial(fragile.fragile)) != identity(functools.partial(fragile.fragile, x=1))
    with pytest.raises(ValueError, match="arguments of a reward must be plain"):
        identity(functools.partial(fragile.fragile, object()))


@pytest.mark.parametrize(
    "reward", [lambda designs: designs, print, fragile.LEAKED.append], ids=["lambda", "builtin", "method"]
)
def test_what_cannot_be_told_is_refused(reward):
    with pytest.raises(ValueError, match="which a file of scores needs"):
        identity(reward)


# --- bundled rewards ------------------------------------------------------------------------------------------------


def test_an_upgrade_makes_another_identity():
    an_upgrade_makes_another_identity()


def test_the_number_of_a_card_makes_another_identity(monkeypatch):
    before = by_name("gc-content")
    monkeypatch.setattr(REWARDS, "of_none", {"gc-content": replace(REWARDS["gc-content"], version="2")})
    assert by_name("gc-content") != before


def test_new_weights_change_the_identity_of_what_loads_them_alone(monkeypatch, tmp_path):
    names = ("qed", "hepg2", "hepg2-judge")
    before = {name: identity(origin(name, {})) for name in names}
    guide = tmp_path / "dna-enhancer" / "hepg2-guide.safetensors"
    guide.parent.mkdir()
    guide.write_bytes(b"new weights")
    real = registry.bundled
    monkeypatch.setattr("svdd.registry.names.bundled", lambda *parts: guide if guide.name in parts else real(*parts))
    after = {name: identity(origin(name, {})) for name in names}
    assert [name for name in names if before[name] != after[name]] == ["hepg2"]


@pytest.mark.parametrize("name", REWARDS)
def test_cards_name_weights_that_came_with_the_package(name):
    assert all(path.is_file() for path in origin(name, {}).weights)


def test_cards_name_the_weights_that_rewards_load(monkeypatch):
    loaded = []
    for name, card in REWARDS.items():
        module = importlib.import_module(card.target.partition(":")[0])
        readers = {
            reader: getattr(module, reader) for reader in ("load_network", "read_network") if hasattr(module, reader)
        }
        if not card.weights and not readers:
            continue
        with monkeypatch.context() as patch:
            for reader, original in readers.items():
                patch.setattr(module, reader, lambda path, real=original: loaded.append(path) or real(path))
            for cached in vars(module).values():  # what an earlier test has loaded is loaded again
                getattr(cached, "cache_clear", lambda: None)()
            load_reward(name)
        assert [f"{path.parent.name}/{path.name}" for path in loaded] == list(card.weights), name
        loaded.clear()


def test_an_identity_is_cheap():
    identity(origin("qed", {}))
    identity(origin("mrl", {}))
    start = time.perf_counter()
    for _ in range(10):
        identity(origin("qed", {}))
    assert (time.perf_counter() - start) / 10 < 0.01


def test_an_identity_travels_with_its_parts():
    made = by_name("gc-content", target=0.4)
    copy = pickle.loads(pickle.dumps(made))
    assert (copy, copy.parts) == (made, made.parts)
    assert made.parts == {"reward": "gc-content", "options": "[('target', 0.4)]", "version": "1"}


def test_a_file_that_changes_at_once_has_another_hash(tmp_path):
    file = tmp_path / "weights"
    hashes = set()
    for content in (b"1", b"2", b"3"):
        file.write_bytes(content)
        hashes.add(file_hash(file))
    assert len(hashes) == 3


def test_a_settled_file_is_read_once(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"1")
    os.utime(file, (1e9, 1e9))
    first = file_hash(file)
    file.write_bytes(b"2")
    os.utime(file, (1e9, 1e9))
    assert file_hash(file) == first  # it was not read: the size and the time are as before
    os.utime(file, (1e9 + 5, 1e9 + 5))
    assert file_hash(file) != first
