"""What lists show is read from sources: nothing heavy is imported for it."""

import subprocess
import sys

import pytest

from svdd.registry import MODELS, REWARDS, SCHEMES, locate, said_by, said_by_function

CARDS = [
    (kind, name, cards)
    for kind, cards in (("model", MODELS), ("model", SCHEMES), ("reward", REWARDS))
    for name in cards
]
READ = "import sys, svdd.registry as r; print([r.said_by(c[n].target) for c in (r.MODELS, r.SCHEMES, r.REWARDS) for n in c])"


def test_what_sources_say_is_what_functions_say():
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([said_by_function(locate(*card)) for card in CARDS])


@pytest.mark.parametrize("door", ["models", "rewards", "methods"])
def test_lists_import_nothing_heavy(door):
    code = f"import sys, svdd.runs.lists as l; l.{door}(); print(set(sys.modules) & {{'torch', 'numpy', 'rdkit', 'pandas'}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_only_importing_tells_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "of_others.py").write_text(
        "from json import dumps\n\ndef wrap(f):\n    return f\n\n@wrap\ndef g(a): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert said_by("of_others:dumps") is None
    assert said_by("of_others:g") is None
    assert said_by("of_others:wrap").options == ("f",)
    with pytest.raises(ModuleNotFoundError):
        said_by("nowhere_at_all:f")
