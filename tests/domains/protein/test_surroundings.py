"""What surrounds residues: geometry against Biopython and by hand, and what must not matter."""

from dataclasses import replace

import pytest
import torch
from Bio.PDB import PDBParser, PPBuilder

from svdd.domains.protein.inverse_folding import surroundings as room
from svdd.domains.protein.inverse_folding.backbones import Backbone
from svdd.domains.protein.inverse_folding.features import with_beta
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.inverse_folding.surroundings import RADII, along, properties, surroundings
from svdd.registry import bundled

PDB = bundled("proteinmpnn", "1yu5.pdb")
ONE = read_backbone(PDB)
RESIDUES = len(ONE.native)


def torsions(backbone):
    return room._torsions(backbone.atoms, along(backbone, -1), along(backbone, 1))


def angles(backbone):
    """phi and psi in radians, None where there is none."""
    found = torsions(backbone)
    return [[None if not pair.any() else float(torch.atan2(*pair)) for pair in (one[:2], one[2:])] for one in found]


def test_torsions_are_those_of_biopython():
    chain = next(iter(PDBParser(QUIET=True).get_structure("", str(PDB))[0]))
    wanted = [pair for piece in PPBuilder().build_peptides(chain) for pair in piece.get_phi_psi_list()]
    found = angles(ONE)
    assert len(found) == len(wanted) == RESIDUES
    for ours, theirs in zip(found, wanted, strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            assert (mine is None) == (other is None)
            assert mine is None or mine == pytest.approx(other, abs=1e-3)


def test_soft_counts_are_sums_over_pairs():
    beta = with_beta(ONE.atoms)[:, 4]
    found = surroundings(ONE)[:, : len(RADII)] * 10
    for residue in (0, 20, 64):
        distances = (beta - beta[residue]).norm(dim=1)
        for column, radius in enumerate(RADII):
            wanted = sum(1 / (1 + torch.exp((d - radius) / 0.5)) for i, d in enumerate(distances) if i != residue)
            assert float(found[residue, column]) == pytest.approx(float(wanted), abs=1e-3)


def test_half_spheres_divide_the_neighbours():
    five = with_beta(ONE.atoms)
    alpha = torch.cdist(five[:, 1], five[:, 1])
    halves = room._on_its_side(five, alpha)
    wanted = (torch.sigmoid((13 - alpha) / 0.5) * ~torch.eye(RESIDUES, dtype=torch.bool)).sum(1)
    assert torch.allclose(halves.sum(1) * 10, wanted, atol=1e-3)
    assert halves.std(0).min() > 0.1


def test_a_helix_has_bonds_to_near_residues_and_a_pair_of_strands_to_far_ones():
    strands = read_backbone(bundled("proteinmpnn", "2ysh.pdb"))  # a WW domain is all strands

    def bonds(backbone):
        return (room._bonds(backbone.atoms, along(backbone, -1)) > 0.5).float().mean(0)

    helices, pairs = bonds(ONE), bonds(strands)
    assert helices[:2].min() > 0.45 > 0.4 > pairs[:2].max()
    assert helices[2:].max() < 0.1 < 0.15 < pairs[2:].min()


def test_where_and_how_a_structure_lies_does_not_matter():
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    turn = turn * torch.det(turn)
    moved = replace(ONE, atoms=ONE.atoms @ turn.T + torch.tensor([10.0, -20.0, 5.0]))
    assert torch.allclose(surroundings(moved), surroundings(ONE), atol=2e-3)


def test_its_mirror_image_is_another_structure():
    mirrored = replace(ONE, atoms=ONE.atoms * torch.tensor([-1.0, 1.0, 1.0]))
    assert (surroundings(mirrored) - surroundings(ONE)).abs().max() > 0.5


def test_chains_and_gaps_end_what_stands_along():
    apart = replace(ONE, index=ONE.index + (torch.arange(RESIDUES) >= 10))
    assert along(ONE, 1)[9] == 10
    assert along(apart, 1)[9] == -1
    assert along(apart, 2)[8] == -1
    assert along(apart, 3)[8] == 10
    both = replace(ONE, chain=(torch.arange(RESIDUES) >= 10).long(), chains=("A", "B"))
    assert along(both, 1)[9] == along(both, -1)[10] == -1
    assert angles(apart)[9][1] is None
    assert angles(apart)[10][0] is None


def test_letters_are_read_of_neighbours_alone():
    changed = replace(ONE, native="W" + ONE.native[1:])
    moved = (surroundings(changed) - surroundings(ONE)).abs().amax(1) > 1e-6
    assert not moved[0]
    assert moved[1]
    assert not moved.all()


def test_unknown_letters_have_no_properties():
    assert properties()[20].eq(0).all()
    assert properties()[:20].unique(dim=0).shape[0] == 20
    unknown = replace(ONE, native="X" * RESIDUES)
    assert torch.isfinite(surroundings(unknown)).all()


def test_small_pieces_are_finite():
    for count in (1, 2, 3):
        piece = Backbone(
            "piece", ONE.atoms[:count], ONE.index[:count], ONE.chain[:count], ("A",), ONE.labels[:count], "A" * count
        )
        assert torch.isfinite(surroundings(piece)).all()
