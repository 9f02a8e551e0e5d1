"""Pictures of structures: what a trace tells, how a ribbon lies, what is drawn over what, and what a report holds."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import svdd
from svdd.domains.protein.figures.drawings import Panel, structure_drawing
from svdd.domains.protein.figures.panels import (
    CONFIDENCE,
    NATIVE,
    OTHER,
    change_drawing,
    folded_drawing,
    structure_scene,
)
from svdd.domains.protein.figures.ribbons import BREADTH, ribbon, turned
from svdd.domains.protein.figures.traces import COIL, HELIX, STRAND, Trace, secondary_structure, trace_of
from svdd.domains.protein.finished import NoStructuresWarning
from svdd.domains.protein.kit import KIT
from svdd.domains.protein.pdb_text import pdb_text
from svdd.domains.protein.structures import Structures, structures_of
from svdd.registry import bundled
from svdd.report.html import write_report

PDB = bundled("proteinmpnn", "1yu5.pdb").read_text()


def helix(residues, turn=100.0):
    """CA atoms of an ideal helix along the third axis, right-handed unless turned the other way."""
    angle = np.radians(turn) * np.arange(residues)
    return np.stack([2.3 * np.cos(angle), 2.3 * np.sin(angle), 1.5 * np.arange(residues)], 1)


def strand(residues):
    """CA atoms of an ideal strand, with its pleats."""
    number = np.arange(residues)
    return np.stack([3.35 * number, 0.9 * (-1.0) ** number, np.zeros(residues)], 1)


def traced(places, numbers=None):
    labels = [{"auth_asym_id": "A", "auth_seq_id": row + 1} for row in range(len(places))]
    return Trace(
        np.asarray(places, float), np.zeros(len(places)) if numbers is None else numbers, labels, (0, len(places))
    )


def fills(svg):
    """The colour of every piece of a ribbon, in the order of drawing."""
    return re.findall(r'class="f" color="(#[0-9a-f]{6})"', svg)


@pytest.fixture(scope="module")
def designed():
    process = svdd.load("proteinmpnn", path="2ysh", steps=3)
    return svdd.decode(process, lambda designs: [-d.count("K") for d in designs], samples=3, method="pretrained")


def test_a_trace_is_the_alpha_carbons_and_what_is_said_of_each():
    found = trace_of(PDB)
    assert len(found) == 65
    assert found.ends == (0, 65)
    assert found.labels[0] == {"auth_asym_id": "X", "auth_seq_id": 12}
    first = next(line for line in PDB.splitlines() if line[12:16] == " CA ")
    assert found.places[0].tolist() == [float(first[30:38]), float(first[38:46]), float(first[46:54])]
    assert found.numbers[0] == float(first[60:66])


def test_a_trace_is_broken_at_gaps_and_between_chains():
    atoms = [line for line in PDB.splitlines() if line[12:16] == " CA "]
    gap = trace_of("\n".join(atoms[:10] + atoms[14:]))
    assert gap.ends == (0, 10, 61)
    other = [line[:21] + "B" + line[22:26] + "A" + line[27:] for line in atoms[5:]]
    assert trace_of("\n".join(atoms[:5] + other)).ends == (0, 5, 65)
    assert trace_of("\n".join(other)).labels[0] == {"auth_asym_id": "B", "auth_seq_id": 17, "pdbx_PDB_ins_code": "A"}
    with pytest.raises(ValueError, match="no CA atom"):
        trace_of("HEADER    NOTHING")


def test_distances_tell_helices_and_strands():
    assert set(secondary_structure(helix(12))) == {HELIX}
    assert set(secondary_structure(strand(12))[1:-1]) == {STRAND}
    assert set(secondary_structure(np.arange(36.0).reshape(12, 3) * 0.7)) == {COIL}
    assert set(secondary_structure(helix(3))) == {COIL}


def test_a_turn_is_no_mirror():
    """A right-handed helix stays one: three of its steps span a volume of the same sign."""
    for one in (helix(15), helix(15, turn=-100)):
        seen = turned(one @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0])
        volumes = [np.linalg.det(np.diff(places[:4], axis=0)) for places in (one, seen)]
        proper = np.linalg.det(np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0])
        assert np.sign(volumes[1]) == np.sign(volumes[0] * proper)
        assert np.ptp(seen[:, 0]) > np.ptp(seen[:, 1]) > np.ptp(seen[:, 2]) * 0.9


def test_a_ribbon_goes_through_its_residues_and_is_broad_in_helices():
    found = ribbon(traced(helix(12)), 5)
    assert len(found.corners) == 11 * 5
    assert np.unique(found.residue).tolist() == list(range(12))
    line = traced(np.arange(12.0)[:, None] * [3.8, 0, 0])
    thin = ribbon(line, 4)
    breadth = np.linalg.norm(thin.corners[:, 0] - thin.corners[:, 1], axis=1)
    assert breadth == pytest.approx(2 * BREADTH[COIL])
    upright = helix(12)[:, [2, 0, 1]]  # seen from the side
    broad = ribbon(traced(upright), 4).corners
    assert np.linalg.norm(broad[:, 0] - broad[:, 1], axis=1).mean() > 4 * BREADTH[COIL]


def test_a_ribbon_never_turns_over_between_pieces():
    """The corners of each piece go round it: its two edges do not cross."""
    for name in ("1yu5", "2ysh"):
        trace = trace_of(bundled("proteinmpnn", f"{name}.pdb").read_text())
        corners = ribbon(traced(turned(trace.places)), 5).corners
        straight = np.linalg.norm(corners[:, 0] - corners[:, 3], axis=1) + np.linalg.norm(
            corners[:, 1] - corners[:, 2], axis=1
        )
        crossed = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=1) + np.linalg.norm(
            corners[:, 1] - corners[:, 3], axis=1
        )
        assert (straight < crossed + 0.5).all()


def test_a_residue_alone_is_a_dot():
    places = np.array([[0.0, 0, 0], [30, 0, 0], [33, 2, 0]])
    found = ribbon(Trace(places, np.zeros(3), [{"auth_asym_id": "A"}] * 3, (0, 1, 3)), 2)
    assert set(found.residue.tolist()) == {0, 1, 2}


def test_what_is_in_front_is_drawn_last():
    """Of two crossing stretches the one nearer to the viewer, after the white lines that set it off."""
    line = np.arange(-4.0, 5)[:, None]
    low, high = line * [3.8, 0, 0], line * [0, 3.4, 0] + [0, 0, 8]
    trace = Trace(
        np.concatenate([low, high]), np.zeros(18), [{"auth_asym_id": "A"}] * 9 + [{"auth_asym_id": "B"}] * 9, (0, 9, 18)
    )
    svg = structure_drawing([Panel("cross", trace, ["#ff0000"] * 9 + ["#0000ff"] * 9)], {})
    reds = [int(colour[1:3], 16) > int(colour[5:], 16) for colour in fills(svg)]
    red_in_front = turned(trace.places)[0, 2] > turned(trace.places)[9, 2]
    assert reds == sorted(reds, reverse=not red_in_front)
    assert len(reds) == 2 * 8 * 5
    assert ">N<" not in svg  # of two chains
    kinds = re.findall(r'class="([fh])"', svg)
    assert kinds[0] == "h"
    assert "h" in kinds[kinds.index("f") :]


def test_a_drawing_is_one_small_picture_that_loads_nothing():
    long = traced(np.cumsum(np.random.default_rng(0).normal(size=(400, 3)) * 2.2, 0))
    svg = structure_drawing([Panel('<script>"&', long, ["#112233"] * 400)], {"a < b": "#112233"})
    assert len(svg) < 120_000
    root = ElementTree.fromstring(svg)
    assert "".join(root.itertext()).count('<script>"&') == 1
    assert not re.search(r"href|url\(|<image", svg)
    assert len(fills(svg)) == 399 * 2


def test_the_best_design_is_coloured_by_what_it_changes(designed):
    best = int(designed.rewards.argmax())
    structure = designed.kind.structure
    svg = change_drawing(structure, designed)
    assert f"{designed.ids[best]}, reward" in svg
    assert "3 different designs" in svg
    assert svg.count(">N<") == svg.count(">C<") == 2
    alone = svdd.decode(
        svdd.load("proteinmpnn", path="2ysh", steps=2), lambda d: [0.0] * len(d), samples=1, method="pretrained"
    )
    alone.samples[0] = alone.kind.native
    unchanged = change_drawing(structure, alone)
    grey = [max(int(c[at : at + 2], 16) for at in (1, 3, 5)) - int(c[1:3], 16) for c in fills(unchanged)]
    assert min(grey) >= 0  # no piece is redder than it is blue
    assert any(int(c[1:3], 16) > int(c[5:], 16) + 60 for c in fills(svg))
    alone.rewards[:] = -torch.inf
    assert change_drawing(structure, alone) is None


def folding(structure, plddt):
    """A reward that folds every design onto a backbone, as sure of each residue as is said."""
    backbone = structure.backbone

    def structures(designs):
        return [pdb_text(backbone, design, plddt) for design in designs]

    reward = lambda designs: [0.0] * len(designs)  # noqa: E731
    reward.structures = structures
    return reward


def test_predicted_structures_are_saved_and_coloured_by_confidence(designed, tmp_path):
    sure = [95.0] * 10 + [75.0] * 10 + [55.0] * 10 + [20.0] * 7
    told = []
    finish = KIT.finish(designed, folding(designed.kind.structure, sure), tmp_path, told.append)
    assert told == ["folding the 3 best designs"]
    lines = (tmp_path / "folded.pdb").read_text().splitlines()
    assert sum(line.startswith("MODEL") for line in lines) == 3
    best = int(designed.rewards.argmax())
    assert lines[1] == f"REMARK  99 {designed.ids[best]} reward={designed.rewards[best]:.6g}"
    assert next(line for line in lines if line.startswith("ATOM"))[60:66].strip() == "95.00"
    (figure,) = finish.figures()
    assert figure["title"] == "Predicted structures"
    scene = structure_scene(Structures([], [], [], {"reward": []}), finish.folded)
    painted = scene.choices[0][1][0]["children"][0]["children"][0]["children"][0]["children"][0]["children"]
    assert {one["params"]["color"]: len(one["params"]["selector"]) for one in painted} == dict(
        zip(CONFIDENCE.values(), (10, 10, 10, 7), strict=True)
    )
    svg = folded_drawing(finish.folded)
    assert svg.count("reward") == 3


@pytest.mark.parametrize("text", ["", "HEADER    NOTHING\n", PDB.replace(" -11.007", "     nan"), None])
def test_a_reward_that_cannot_fold_now_does_not_cost_the_run(designed, tmp_path, text):
    reward = folding(designed.kind.structure, [])  # numbers of no residue
    if text is not None:
        reward.structures = lambda designs: [text] * len(designs)
    with pytest.warns(NoStructuresWarning, match="no structures of the designs"):
        finish = KIT.finish(designed, reward, tmp_path, lambda words: None)
    assert finish.figures() == []
    assert not (tmp_path / "folded.pdb").exists()
    assert structures_of(designed, lambda designs: designs) is None


def test_a_report_shows_the_backbone_and_tells_of_the_viewer(designed, tmp_path, monkeypatch):
    monkeypatch.setattr("svdd.report.viewer._PACKAGE", "no_such_package")
    finish = KIT.finish(designed, lambda designs: designs, tmp_path, lambda words: None)
    page = write_report(designed, tmp_path, finish=finish).read_text(encoding="utf-8")
    assert "<h3>Structure</h3>" in page
    assert "structures.pdb opens in any other viewer" in page
    assert "<script" not in page


def test_designs_on_their_backbone_can_be_turned(designed, tmp_path):
    pytest.importorskip("ipymolstar")
    (widget,) = KIT.finish(designed, lambda designs: designs, tmp_path, lambda words: None).widgets()
    assert widget.body.count("<button") == 3
    assert NATIVE in widget.foot
    assert OTHER in widget.foot


def test_proteins_without_a_structure_have_no_picture(tmp_path):
    process = svdd.load("miniprotein", steps=2)
    result = svdd.decode(process, lambda designs: [0.0] * len(designs), samples=2, method="pretrained")
    assert KIT.figures(result, {}) == []
    finish = KIT.finish(result, lambda designs: designs, tmp_path, lambda words: None)
    assert finish.figures() == finish.widgets() == []
