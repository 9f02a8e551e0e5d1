r"""What surrounds each residue of a backbone, as numbers that need nothing but coordinates and letters.

How buried it is (soft counts $\sum_j \sigma((r - d_{ij})/0.5)$ of virtual CB atoms and of side chains within r Angstrom, and
sums of $1/d_{ij}^2$), how buried those beside it in the chain are, on which side its neighbours stand, how the chain runs
(torsions, distances of CA along it, hydrogen bonds of its backbone), and which amino acids are near.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from svdd.domains.protein.inverse_folding.backbones import Backbone
from svdd.domains.protein.inverse_folding.features import with_beta
from svdd.domains.protein.measures import CHARGE, HYDROPATHY
from svdd.domains.sequence.alphabets import PROTEIN

RADII = (6.0, 8.0, 10.0, 12.0, 14.0)
_SOFTNESS = 0.5
_HALF_SPHERE = 13.0
_STEPS = (-4, -3, -2, 2, 3, 4)
_SIDE = 2.4  # Angstrom from CA, towards CB
_NEAR_ALONG = 5
_END = 10
# Side chains: volumes in cubic Angstrom (Zamyatnin 1972).
_VOLUME = {
    **{"G": 60.1, "A": 88.6, "S": 89.0, "C": 108.5, "D": 111.1, "P": 112.7, "N": 114.1, "T": 116.1, "E": 138.4},
    **{"V": 140.0, "Q": 143.8, "H": 153.2, "M": 162.9, "I": 166.7, "L": 166.7, "K": 168.6, "R": 173.4, "F": 189.9},
    **{"Y": 193.6, "W": 227.8},
}
# Energies of helices, kcal/mol (Pace and Scholtz, Biophys J 75:422 (1998)).
_HELIX = {
    **{"A": 0.0, "L": 0.21, "R": 0.21, "M": 0.24, "K": 0.26, "Q": 0.39, "E": 0.40, "I": 0.41, "W": 0.49, "S": 0.50},
    **{"Y": 0.53, "F": 0.54, "H": 0.61, "V": 0.61, "N": 0.65, "T": 0.66, "C": 0.68, "D": 0.69, "G": 1.0, "P": 3.16},
}
_BRANCHED, _RINGS = "VIT", "FWYH"


def properties() -> Float[Tensor, "21 6"]:
    """Hydropathy, volume, charge, helix energy, branched at CB, aromatic; each about 1 in size, all 0 for X."""
    rows = [
        [HYDROPATHY[a] / 4.5, (_VOLUME[a] - 140) / 50, CHARGE.get(a, 0), _HELIX[a] - 0.5, a in _BRANCHED, a in _RINGS]
        for a in PROTEIN.letters
    ]
    return torch.tensor([*rows, [0.0] * 6], dtype=torch.float32, device="cpu")


def surroundings(backbone: Backbone) -> Float[Tensor, "L F"]:
    """The numbers of every residue."""
    letters = PROTEIN.encode([backbone.native], masked=True)[0]
    known = properties()[letters]
    named = torch.eye(len(PROTEIN) + 1, device="cpu", dtype=torch.float32)[letters, : len(PROTEIN)]
    five = with_beta(backbone.atoms)
    alpha, beta = five[:, 1], five[:, 4]
    side = alpha + _SIDE * normalize(beta - alpha, dim=1)
    of_alpha, of_beta, of_side = (torch.cdist(one, one) for one in (alpha, beta, side))
    at = {step: along(backbone, step) for step in (*_STEPS, -1, 1)}
    crowd, near = within(of_beta, 10.0).sum(1, keepdim=True) / 10, within(of_side, 7.0)
    return torch.cat(
        [
            *(within(of_beta, radius).sum(1, keepdim=True) / 10 for radius in RADII),
            *(within(of_side, radius).sum(1, keepdim=True) / 10 for radius in (6.0, 8.0, 10.0)),
            *((within(of_beta, radius) * _far(len(letters))).sum(1, keepdim=True) / 10 for radius in (8.0, 10.0, 12.0)),
            *(_inverse_squares(one) for one in (of_alpha, of_beta, of_side)),
            *(_at(crowd, residues) for residues in at.values()),
            _on_its_side(five, of_alpha),
            *(within(of_beta, radius) @ known / 10 for radius in (8.0, 12.0)),
            near @ (known * crowd) / 3,
            within(of_beta, 8.0) @ named / 3,
            near @ named / 3,
            *(_reach(alpha, at[step]) for step in _STEPS),
            _torsions(backbone.atoms, at[-1], at[1]),
            _bonds(backbone.atoms, at[-1]),
            _ends(backbone),
        ],
        1,
    )


def along(backbone: Backbone, step: int) -> Int64[Tensor, " L"]:
    """The residue that stands so many further along the same chain, missing ones counted, or -1."""
    there = backbone.index == (backbone.index + step)[:, None]
    there &= backbone.chain == backbone.chain[:, None]
    return torch.where(there.any(1), there.long().argmax(1), -1)


def _at(values: Float[Tensor, "L P"], residues: Int64[Tensor, " L"]) -> Float[Tensor, "L P"]:
    return values[residues.clamp(min=0)] * (residues >= 0)[:, None]


def within(distances: Float[Tensor, "L L"], radius: float) -> Float[Tensor, "L L"]:
    """Whether others are within a radius, softly; 0 of a residue and itself."""
    return torch.sigmoid((radius - distances) / _SOFTNESS) * ~torch.eye(len(distances), dtype=torch.bool, device="cpu")


def _inverse_squares(distances: Float[Tensor, "L L"]) -> Float[Tensor, "L 1"]:
    """Sums over others of 1/d^2, which counts near ones most and has no radius."""
    apart = ~torch.eye(len(distances), dtype=torch.bool, device="cpu")
    return 10 * (apart / (distances + 1e-3).square()).sum(1, keepdim=True)


def _far(residues: int) -> Bool[Tensor, "L L"]:
    own = torch.arange(residues, device="cpu")
    return (own[:, None] - own).abs() >= _NEAR_ALONG


def _on_its_side(five: Float[Tensor, "L 5 3"], distances: Float[Tensor, "L L"]) -> Float[Tensor, "L 2"]:
    """Neighbours in the half sphere round CA that its CB points into, and in the other."""
    alpha, beta = five[:, 1], five[:, 4]
    near = within(distances, _HALF_SPHERE)
    outward = normalize(beta - alpha, dim=1)
    direction = normalize(alpha[None] - alpha[:, None], dim=2)
    side = torch.sigmoid((direction * outward[:, None]).sum(2) / 0.1)
    return torch.stack([(near * side).sum(1), (near * (1 - side)).sum(1)], 1) / 10


def _reach(alpha: Float[Tensor, "L 3"], residues: Int64[Tensor, " L"]) -> Float[Tensor, "L 1"]:
    """The distance of CA to that of a residue along the chain; 0 where there is none."""
    distance = (alpha[residues.clamp(min=0)] - alpha).norm(dim=1, keepdim=True) / 10
    return distance * (residues >= 0)[:, None]


def _torsions(
    atoms: Float[Tensor, "L 4 3"], before: Int64[Tensor, " L"], after: Int64[Tensor, " L"]
) -> Float[Tensor, "L 4"]:
    """Sine and cosine of phi and psi; 0 where the chain ends or breaks."""
    n, alpha, c, _ = atoms.unbind(1)
    phi = _dihedral(c[before.clamp(min=0)], n, alpha, c) * (before >= 0)[:, None]
    psi = _dihedral(n, alpha, c, n[after.clamp(min=0)]) * (after >= 0)[:, None]
    return torch.cat([phi, psi], 1)


def _dihedral(
    a: Float[Tensor, "L 3"], b: Float[Tensor, "L 3"], c: Float[Tensor, "L 3"], d: Float[Tensor, "L 3"]
) -> Float[Tensor, "L 2"]:
    """Sine and cosine."""
    axis = normalize(c - b, dim=1)
    one, other = (v - (v * axis).sum(1, keepdim=True) * axis for v in (a - b, d - c))
    x, y = (one * other).sum(1), (torch.linalg.cross(axis, one) * other).sum(1)
    return normalize(torch.stack([y, x], 1), dim=1)


def _bonds(atoms: Float[Tensor, "L 4 3"], before: Int64[Tensor, " L"]) -> Float[Tensor, "L 4"]:
    """How surely the backbone's NH and CO are in hydrogen bonds, by the energy of DSSP, to near and to far residues."""
    n, _, c, o = atoms.unbind(1)
    previous = before.clamp(min=0)
    h = n + 1.01 * normalize(c[previous] - o[previous], dim=1)
    on, ch, oh, cn = (torch.cdist(one, other) for one, other in ((n, o), (h, c), (h, o), (n, c)))  # donor, acceptor
    energy = 27.9 * (1 / on + 1 / ch - 1 / oh - 1 / cn)
    bonded = torch.sigmoid((-0.5 - energy) / 0.2) * (before >= 0)[:, None]
    own = torch.arange(len(n), device="cpu")
    apart = (own[:, None] - own).abs()
    kinds = (bonded * ((apart >= 2) & (apart <= _NEAR_ALONG)), bonded * (apart > _NEAR_ALONG))
    return torch.stack([one.amax(dim) for one in kinds for dim in (1, 0)], 1)


def _ends(backbone: Backbone) -> Float[Tensor, "L 2"]:
    """Residues to both ends of the chain, at most ten."""
    found = torch.zeros(len(backbone.native), 2, device="cpu", dtype=torch.float32)
    for name in backbone.chains:
        residues = backbone.of(name)
        index = backbone.index[residues]
        found[residues] = torch.stack([index - index.min(), index.max() - index], 1).clamp(max=_END) / _END
    return found
