"""Rewards of sequences for a backbone: stability against the native sequence, likelihood, and how much of it is native.

Each is for the backbone of one structure, which is given as it is to the model: `ddg:PATH` beside `proteinmpnn:PATH`.
"""

import math
import os
import warnings
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.domains.protein.inverse_folding.backbone_reward import BackboneReward
from svdd.domains.protein.inverse_folding.backbones import CONTEXT, Backbone, DesignedBackbone
from svdd.domains.protein.inverse_folding.designs import recovery
from svdd.domains.protein.inverse_folding.likelihood import Likelihood
from svdd.domains.protein.inverse_folding.structures import designed_backbone, structure_file
from svdd.domains.protein.inverse_folding.substitutions import ROLES, SubstitutionEnsemble
from svdd.domains.protein.inverse_folding.weights import bundled_weights, read_network
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check
from svdd.networks.foreign_files import weight_files
from svdd.networks.weight_files import load_network
from svdd.registry import bundled
from svdd.registry.option_paths import PathWhere

LEARNED = range(32, 73)
"""Residues of the domains that predictors of ddG learned from, a single chain each."""


class ExtrapolationWarning(UserWarning):
    """A structure is unlike those that a reward learned from."""


StructurePath: TypeAlias = Annotated[str, PathWhere(os.path.exists)]


class Additive:
    r"""Sums of numbers per site and letter, by an ensemble.

    $$r(x) = \operatorname{mean}_k r_k(x) - \text{pessimism} \cdot \operatorname{sd}_k r_k(x), \qquad
    r_k(x) = \sum_i T_{i, x_i, k}$$

    Args:
        table: T.
        pessimism: how many standard deviations over members are taken off.

    Raises:
        ValueError: for a pessimism that is not a number of at least 0, and for a spread of a single member.
    """

    def __init__(self, table: Float[Tensor, "S 20 k"], pessimism: float) -> None:
        check(0 <= pessimism < math.inf, f"pessimism must be a number of at least 0, got {pessimism}")
        members = table.shape[-1]
        check(not pessimism or members > 1, f"pessimism needs a spread, but the ensemble has {members} member")
        self.table, self.pessimism = table.double(), pessimism

    def __call__(self, tokens: Int64[Tensor, "n S"]) -> Float[Tensor, " n"]:
        """The numbers of designs."""
        of_members = self.table[torch.arange(tokens.shape[1], device="cpu"), tokens].sum(1)
        mean = of_members.mean(1)
        return mean - self.pessimism * of_members.std(1) if self.pessimism else mean


def ddg(
    path: StructurePath = "1yu5",
    chains: str = "",
    design: str = "",
    tied: str = "",
    *,
    pessimism: float = 0.0,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
) -> BackboneReward:
    r"""Predicted stability against the native sequence: minus ddG of unfolding, kcal/mol, higher is more stable.

    $$r(x) = -\sum_{i: x_i \neq w_i} \Delta\Delta G_i(w_i \to x_i)$$

    for the native sequence w, whose reward is 0. Five networks learned $\Delta\Delta G$ of single substitutions in small
    natural domains (Tsuboyama et al. 2023) from what ProteinMPNN says of them and from their surroundings. That changes add
    up is assumed: no double mutant was in the data, so for many changes it is an extrapolation. It reads ProteinMPNN, so
    that it partly rewards what that network finds likely; report `ddg_judge` beside it (card: pretrained/ddg/card.md).

    Args:
        path: the structure that the model designs for, PDB or mmCIF, or a bundled one; `ddg:` may stand before it.
        chains: as of the model.
        design: as of the model.
        tied: as of the model; a change counts in each of the chains.
        pessimism: how many standard deviations over the networks are taken off, so that designs on which they disagree are
            worth less.
        weights: a file of `recipes.protein` in place of the bundled one.
        device: where the networks run, once.

    Raises:
        OSError: if there is no such file.
        ValueError: for what is no backbone, unknown chains, a pessimism below 0, and a file of other weights.
        ImportError: without Biopython.

    Cost:
        nine passes of ProteinMPNN when it is made, then a sum per design.

    References:
        Tsuboyama et al., Mega-scale experimental analysis of protein folding stability, Nature 620:434 (2023).
    """
    given = {"path": path, "chains": chains, "design": design, "tied": tied, "pessimism": pessimism}
    return _stability("ddg", given, weights, device)


def ddg_judge(
    path: StructurePath = "1yu5",
    chains: str = "",
    design: str = "",
    tied: str = "",
    *,
    pessimism: float = 0.0,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
) -> BackboneReward:
    r"""Predicted stability as of `ddg`, kcal/mol, by networks that know nothing of ProteinMPNN and saw other domains.

    They read the surroundings of a residue in the structure and properties of both letters. Decode towards `ddg` and report
    `ddg_judge`: a decoder that exploits what ProteinMPNN finds likely shows as a gap between the two. Both learned from one
    assay, and both add up changes.

    Args:
        path: the structure that the model designs for, PDB or mmCIF, or a bundled one; `ddg-judge:` may stand before it.
        chains: as of the model.
        design: as of the model.
        tied: as of the model; a change counts in each of the chains.
        pessimism: as of `ddg`.
        weights: a file of `recipes.protein` in place of the bundled one.
        device: where the networks run, once.

    Raises:
        OSError: if there is no such file.
        ValueError: for what is no backbone, unknown chains, a pessimism below 0, and a file of other weights.
        ImportError: without Biopython.
    """
    given = {"path": path, "chains": chains, "design": design, "tied": tied, "pessimism": pessimism}
    return _stability("ddg-judge", given, weights, device)


def proteinmpnn_likelihood(
    path: StructurePath = "1yu5",
    chains: str = "",
    design: str = "",
    tied: str = "",
    *,
    weights: str | Path | None = None,
    orders: int = 4,
    device: torch.device | str | None = None,
) -> BackboneReward:
    r"""Likelihood of a sequence for its backbone by ProteinMPNN, mean log-probability per residue in nats.

    $$r(x) = \operatorname{mean}_o \frac{1}{S} \sum_k \log p(x_{o(k)} \mid x_{o(1)}, \dots, x_{o(k-1)})$$

    over orders o of the S designed residues, always the same ones. With weights that were trained at another noise level, or
    on soluble proteins alone, it judges designs of the bundled ones; without them it is the likelihood by the generator
    itself.

    Args:
        path: the structure that the model designs for, PDB or mmCIF, or a bundled one; `proteinmpnn-likelihood:` may stand
            before it.
        chains: as of the model.
        design: as of the model.
        tied: as of the model.
        weights: a file of ProteinMPNN, such as `vanilla_model_weights/v_48_010.pt`; the bundled v_48_020 unless given.
        orders: how many orders.
        device: where the network runs.

    Raises:
        OSError: if there is no such file.
        ValueError: for what is no backbone, unknown chains, a file of other weights, and fewer orders than one.
        ImportError: without Biopython.

    Cost:
        `orders` passes of the decoder per design.

    References:
        Dauparas et al., Robust deep learning-based protein sequence design using ProteinMPNN, Science 378:49 (2022).
    """
    check(orders >= 1, f"orders must be at least 1, got {orders}")
    given = {"path": path, "chains": chains, "design": design, "tied": tied, "orders": orders}
    name, read = "proteinmpnn-likelihood", weights or bundled_weights()
    file, structure = _read(name, given)
    likelihood = Likelihood(read_network(read).to(device), structure, orders)
    return BackboneReward(name, given | _beside(weights, device), structure, likelihood, (file, *weight_files(read)))


def native_recovery(path: StructurePath = "1yu5", chains: str = "", design: str = "", tied: str = "") -> BackboneReward:
    """Share of letters that are those of the structure, of designed residues whose letter is known; 0 to 1.

    As a component of an objective it keeps designs near the native sequence, where `ddg` can be trusted more.

    Args:
        path: the structure that the model designs for, PDB or mmCIF, or a bundled one; `native-recovery:` may stand before.
        chains: as of the model.
        design: as of the model.
        tied: as of the model.

    Raises:
        OSError: if there is no such file.
        ValueError: for what is no backbone, and unknown chains.
        ImportError: without Biopython.
    """
    given = {"path": path, "chains": chains, "design": design, "tied": tied}
    file, structure = _read("native-recovery", given)
    _with_native("native-recovery", structure)

    def shares(tokens: Int64[Tensor, "n S"]) -> Float[Tensor, " n"]:
        return torch.tensor([recovery(text, structure.native) for text in PROTEIN.decode(tokens)], device="cpu")

    return BackboneReward("native-recovery", given, structure, shares, (file,))


def _stability(
    name: str, given: dict[str, Any], weights: str | Path | None, device: torch.device | str | None
) -> BackboneReward:
    role = _ROLES[name]
    file, structure = _read(name, given)
    _with_native(name, structure)
    _warn_if_unlike(name, structure.backbone)
    read = Path(weights) if weights else bundled("ddg", f"{role}.safetensors")
    network = load_network(read)
    if not isinstance(network, SubstitutionEnsemble):
        raise ValueError(f"{read} holds a {type(network).__name__}, not the SubstitutionEnsemble that {name} needs")
    gains = -of_sites(structure, changes_of(structure.backbone, network, role, device))
    files = (file, read, bundled_weights()) if role == "guide" else (file, read)
    return BackboneReward(name, given | _beside(weights, device), structure, Additive(gains, given["pessimism"]), files)


def changes_of(
    backbone: Backbone, network: SubstitutionEnsemble, role: str, device: torch.device | str | None
) -> Float[Tensor, "L 20 k"]:
    """The ddG of every substitution in a backbone, by each member, on the CPU.

    Raises:
        ValueError: for a network that reads other numbers than those of its role.
    """
    further = {"network": read_network(bundled_weights()).to(device)} if role == "guide" else {}
    numbers = ROLES[role](backbone, **further)
    wanted = {"residues": numbers.residues.shape[-1], "changes": numbers.changes.shape[-1]}
    sizes = {name: network.config[name] for name in wanted}
    check(
        sizes == wanted, f"the {role} of ddG reads {wanted}, but these weights read {sizes}; give those of the {role}"
    )
    return network.float().to(device).table(numbers.to(network.scale.device)).cpu()


def of_sites(structure: DesignedBackbone, table: Float[Tensor, "L 20 k"]) -> Float[Tensor, "S 20 k"]:
    """The sum of a table over the residues of each site."""
    of = structure.sites.of
    summed = torch.zeros(len(structure.sites.copies), *table.shape[1:], device="cpu", dtype=table.dtype)
    return summed.index_add_(0, of[of != CONTEXT], table[of != CONTEXT])


_ROLES = {"ddg": "guide", "ddg-judge": "judge"}


def _read(name: str, given: dict[str, Any]) -> tuple[Path, DesignedBackbone]:
    """The structure and its file; `NAME:` is taken off its path."""
    given["path"] = given["path"].removeprefix(f"{name}:")
    structure = designed_backbone(*(given[option] for option in ("path", "chains", "design", "tied")))
    return structure_file(given["path"]), structure


def _with_native(name: str, structure: DesignedBackbone) -> None:
    """Looks whether there is a native sequence to compare with."""
    check(
        bool(structure.native.strip("X")),
        f"{name} compares with the native sequence, but no designed residue of {structure.backbone.name} is one of the "
        "twenty amino acids",
    )


def _warn_if_unlike(name: str, backbone: Backbone) -> None:
    residues, chains = len(backbone.native), len(backbone.chains)
    if residues not in LEARNED or chains > 1:
        warnings.warn(
            f"{name} learned from single chains of {LEARNED[0]} to {LEARNED[-1]} residues, and {backbone.name} has {residues} "
            f"in {chains} chain{'s' * (chains > 1)}: take its numbers as an order at best, "
            "and look at native-recovery beside it",
            ExtrapolationWarning,
            stacklevel=2,
        )


def _beside(weights: str | Path | None, device: torch.device | str | None) -> dict[str, Any]:
    """Options that were given."""
    return {name: str(value) for name, value in (("weights", weights), ("device", device)) if value is not None}
