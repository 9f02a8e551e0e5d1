r"""What ProteinMPNN is told of a backbone: for each residue its nearest others, and for each such pair numbers.

The numbers of a pair (i, j) are a one-hot position, the offset of j along the chain clipped to $\pm 32$ or "another chain",
and 25 distances between the atoms N, CA, C, O and a virtual CB of both, each as 16 radial basis functions
$\exp(-((D - \mu)/1.25)^2)$ with centres $\mu$ from 2 to 22 Angstrom.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

OFFSETS = 32
"""Residues along the chain beyond which offsets look the same."""
POSITIONS = 2 * OFFSETS + 2
"""Offsets, and the class of other chains."""
CENTRES = 16
_NEAREST, _FARTHEST = 2.0, 22.0
_SMALL = 1e-6  # under the root, in Angstrom squared
_BETA = (-0.58273431, 0.56802827, -0.54067466)
# Places of atoms in (N, CA, C, O, CB); the first of residue i, the second of its neighbour j, in the order of the weights.
_ATOMS = {"N": 0, "A": 1, "C": 2, "O": 3, "B": 4}
_PAIRS = "AA NN CC OO BB AN AC AO AB NC NO NB BC BO OC NA CA OA BA CN ON BN CB OB CO"
PAIRS = tuple(_PAIRS.split(" "))
"""Pairs of atoms; A is CA, B is CB."""

Atoms = Float[Tensor, "L 4 3"]
Neighbours = Int64[Tensor, "L K"]


def with_beta(atoms: Atoms) -> Float[Tensor, "L 5 3"]:
    """N, CA, C and O with a virtual CB, which stands where it would in an ideal residue."""
    n, alpha, c, _ = atoms.unbind(1)
    b, c = alpha - n, c - alpha
    a = torch.linalg.cross(b, c)
    beta = _BETA[0] * a + _BETA[1] * b + _BETA[2] * c + alpha
    return torch.cat([atoms, beta[:, None]], 1)


def nearest(atoms: Atoms, most: int) -> Neighbours:
    """The `most` residues that are nearest to each by CA, itself among them; all of them if there are fewer."""
    alpha = atoms[:, 1]
    distances = _distances(alpha[:, None], alpha[None])
    return distances.topk(min(most, len(alpha)), dim=1, largest=False).indices


def positions(index: Int64[Tensor, " L"], chain: Int64[Tensor, " L"], neighbours: Neighbours) -> Float[Tensor, "L K P"]:
    """The offset of each neighbour along the chain, one-hot.

    Args:
        index: the number of each residue along its chain, missing ones counted.
        chain: the number of its chain.
        neighbours: of each residue.
    """
    offset = (index[:, None] - index[neighbours] + OFFSETS).clamp(0, 2 * OFFSETS)
    same = chain[:, None] == chain[neighbours]
    return functional.one_hot(torch.where(same, offset, POSITIONS - 1), POSITIONS).float()


def radial(atoms: Atoms, neighbours: Neighbours) -> Float[Tensor, "L K F"]:
    """The distances of all pairs of atoms as radial basis functions."""
    five = with_beta(atoms)
    first = five[:, [_ATOMS[pair[0]] for pair in PAIRS]]
    second = five[:, [_ATOMS[pair[1]] for pair in PAIRS]][neighbours]
    centres = torch.linspace(_NEAREST, _FARTHEST, CENTRES, device=atoms.device, dtype=atoms.dtype)
    width = (_FARTHEST - _NEAREST) / CENTRES
    distances = _distances(first[:, None], second)
    return torch.exp(-(((distances[..., None] - centres) / width) ** 2)).flatten(2)


def _distances(one: Float[Tensor, "*shape 3"], other: Float[Tensor, "*others 3"]) -> Float[Tensor, "*both"]:
    return ((one - other).square().sum(-1) + _SMALL).sqrt()
