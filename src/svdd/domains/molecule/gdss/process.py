"""GDSS checkpoints as processes: molecules as graphs, noise on atoms and bonds alike.

One step is a Langevin corrector, which is the process's move, and a Gaussian predictor, its kernel. Candidates share their
parent's corrected graph, or make a corrector step each (`corrector="each"`).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree
from svdd.domains.molecule.chemistry import chem
from svdd.domains.molecule.designs import MoleculeKind
from svdd.domains.molecule.gdss.files import NETWORKS, GraphCheckpoint, read_graph_checkpoint
from svdd.domains.molecule.gdss.graphs import ELEMENTS, decode_graphs, encode_graphs
from svdd.domains.molecule.gdss.networks import MULTIPLE
from svdd.domains.molecule.gdss.sizes import COUNTS, draw_sizes, size_law
from svdd.domains.molecule.gdss.steps import GraphDiffusion, Graphs, graph_noise
from svdd.messages import check, unknown

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
_PAIRS_ON_CPU, _PAIRS_ON_ACCELERATOR = 4096, 2**20  # of one batch, so that activations stay in a core's cache
_SNR, _SMALLEST = 0.2, 1e-4
# Of the corrector's noise, which no checkpoint holds.
_SCALES = {("ZINC250k", "ScoreNetworkX"): 0.9, ("ZINC250k", "ScoreNetworkX_GMH"): 0.8, ("QM9", "ScoreNetworkX"): 0.7}


def gdss(
    path: str | Path,
    steps: int | None = None,
    atoms: int | str | None = None,
    corrector: bool | str = True,
    langevin: str = "graph",
    valency_correction: bool = True,
    snr: float | int | None = None,
    scale_eps: float | int | None = None,
    eps: float | int | None = None,
    precision: str = "float32",
    device: torch.device | str | None = None,
    ema: bool | None = None,
) -> Process:
    r"""A GDSS checkpoint of ZINC250k or QM9; designs are SMILES of the largest fragment.

    Args:
        path: the project's own .pth, read without running anything in it, or a .safetensors with its settings.
        steps: K; as in the checkpoint (1000) unless given.
        atoms: heavy atoms of every design, a JSON file with the counts of 0, 1, 2, ... atoms, or None for the sizes of the
            training molecules. Every particle draws its own.
        corrector: True, or `each` for a corrector step of every candidate in place of one a parent; False for none.
        langevin: `graph` gives every graph its own step size. `batch` is the published rule, one for all graphs of a batch:
            for parity only, because a design then depends on the designs beside it.
        valency_correction: lower the highest bond of atoms that have too many; otherwise such a graph is no molecule, "".
        snr: of the corrector, 0.2.
        scale_eps: the corrector's noise, 0.9 for ZINC250k, 0.8 for its second version, 0.7 for QM9.
        eps: the time of the last step, 1e-4.
        precision: of states and networks, float32 or float64.
        device: where the networks run.
        ema: take the moving averages of the weights (`ema_x`, `ema_adj`) in place of the last ones. Unless given, as
            `sample.use_ema` of the checkpoint says, and otherwise the last weights, with which GDSS samples molecules.

    Raises:
        ImportError: without the extra `molecules`.
        ValueError: for a file that is no such checkpoint, and for options that make no sense.

    Cost:
        2 network rows a state, one a network. With M candidates and the posterior mean svdd asks for 1 + (K - 1) M + K states a
        chain, 1 + (K - 1) M + K M with a corrector step of each; without a reward it is 2 K.

    References:
        Jo et al., Score-based generative modeling of graphs via the system of stochastic differential equations, arXiv
        2202.02514.
    """
    chem()  # without it no design could be read, which would be late to tell
    _one_of("precision", precision, PRECISIONS)
    _one_of("langevin", langevin, ("graph", "batch"))
    _one_of("corrector", corrector, (True, False, "each"))
    checkpoint = read_graph_checkpoint(path, ema)
    if checkpoint.data not in COUNTS:
        warnings.warn(
            f"{path} was trained on {checkpoint.data!r}, and its {checkpoint.features} elements are taken to be those of the "
            f"published models, in their order; look at the designs", GraphWarning, stacklevel=2,
        )  # fmt: skip
    count = checkpoint.features
    check(count in ELEMENTS, f"{path} has {count} elements; known are those of {sorted(ELEMENTS)} elements")
    diffusion = _diffusion(checkpoint, steps, eps)
    law = size_law(atoms, checkpoint.data, checkpoint.nodes)
    networks = score_networks(checkpoint, PRECISIONS[precision], torch.device(device or "cpu"))
    move = diffusion.corrector(*_strengths(checkpoint, snr, scale_eps), langevin == "batch") if corrector else None
    return Process(
        prior=partial(_prior, law, checkpoint, PRECISIONS[precision], networks.device),
        denoiser=diffusion.denoiser(networks),  # type: ignore[arg-type]
        transition=diffusion.transition,  # type: ignore[arg-type]
        times=diffusion.times,
        decode=partial(decode_graphs, valency_correction=valency_correction),
        rows_each=2,
        kind=MoleculeKind(),
        move=move,  # type: ignore[arg-type]
        move_each=corrector == "each",
        noising=diffusion.noising,
        encode=partial(_encoded, checkpoint, PRECISIONS[precision], networks.device),
        about={
            "name": f"gdss:{checkpoint.path.name}",
            "data": checkpoint.data,
            "weights": checkpoint.weights + ", an average is there (ema=True)" * checkpoint.unused,
            "precision": precision,
            "langevin": langevin if corrector else "none",
            "valency_correction": valency_correction,
        }
        | ({"stored_as": checkpoint.stored} if checkpoint.stored else {}),
    )


class GraphWarning(UserWarning):
    """A checkpoint is read as it is, though it may not be what was meant."""


def _one_of(option: str, given: Any, known: Any) -> None:
    check(given in known, unknown(option, str(given), [str(name) for name in known]))


def _diffusion(checkpoint: GraphCheckpoint, steps: int | None, eps: float | int | None) -> GraphDiffusion:
    count = checkpoint.noise_x.steps if steps is None else steps
    smallest = _SMALLEST if eps is None else eps
    if count < 1 or not 0 < smallest < 1:
        raise ValueError(f"steps must be at least 1 and eps between 0 and 1, got steps={count}, eps={smallest}")
    noise = {"x": replace(checkpoint.noise_x, steps=count), "adj": replace(checkpoint.noise_adj, steps=count)}
    return GraphDiffusion(noise, count, float(smallest))


def _strengths(
    checkpoint: GraphCheckpoint, snr: float | int | None, scale_eps: float | int | None
) -> tuple[float, float]:
    scale = _SCALES.get((checkpoint.data, checkpoint.network_x)) if scale_eps is None else scale_eps
    if scale is None:
        raise ValueError(
            f"{checkpoint.path} does not say how much noise its corrector adds, and it is none of the published ones; give "
            "scale_eps=0.9, say, or corrector=False"
        )
    strengths = {"snr": _SNR if snr is None else snr, "scale_eps": scale}
    for name, number in strengths.items():
        if not (isinstance(number, int | float) and number > 0):
            raise ValueError(f"{name} of the corrector is a number above 0, got {number!r}")
    return float(strengths["snr"]), float(scale)


def _prior(
    law: Float[Tensor, " S"], checkpoint: GraphCheckpoint, dtype: torch.dtype, device: torch.device, n: int, rng: Rng
) -> Tree:
    sizes = draw_sizes(law, n, rng).to(device)
    return graphs_of_sizes(sizes, checkpoint.nodes, checkpoint.features, dtype, rng)


def _encoded(
    checkpoint: GraphCheckpoint, dtype: torch.dtype, device: torch.device, molecules: Sequence[str]
) -> tuple[Graphs, Graphs]:
    """Molecules as graphs; they keep their sizes."""
    graphs = encode_graphs(molecules, checkpoint.nodes, checkpoint.features, dtype)
    there = {part: leaf.to(device) for part, leaf in graphs.items()}
    return there, there


def graphs_of_sizes(sizes: Int64[Tensor, " n"], nodes: int, features: int, dtype: torch.dtype, rng: Rng) -> Graphs:
    """x_T, standard normal whatever the noise at t = 1 is, as published."""
    flags = (torch.arange(nodes, device=sizes.device) < sizes[:, None]).to(dtype)
    return graph_noise(flags, features, rng) | {"flags": flags}


@dataclass(frozen=True)
class ScoreNetworks:
    """Both networks, on graphs without most of their padding.

    Args:
        networks: of `x` and `adj`.
        device: where they are.
        pairs: of one batch at most.
    """

    networks: Mapping[str, Any]
    device: torch.device
    pairs: int

    @torch.no_grad()
    def __call__(self, state: Graphs) -> Graphs:
        outputs = {part: torch.zeros_like(state[part]) for part in self.networks}
        places = torch.arange(1, state["flags"].shape[1] + 1, device="cpu")
        sizes = -(-(state["flags"].cpu() * places).amax(1).long() // MULTIPLE) * MULTIPLE
        for size in sizes[sizes > 0].unique().tolist():
            rows = (sizes == size).nonzero().flatten()
            for some in rows.split(max(1, self.pairs // max(size * (size - 1) // 2, 1))):
                self._answer(state, some.to(state["flags"].device), size, outputs)
        return outputs

    def _answer(self, state: Graphs, rows: Int64[Tensor, " r"], size: int, outputs: Graphs) -> None:
        """Writes the answers for some rows, whose graphs have at most `size` nodes."""
        nodes = state["flags"].shape[1]
        kept, missing = min(size, nodes), max(size - nodes, 0)
        x = functional.pad(state["x"][rows, :kept], (0, 0, 0, missing)).to(self.device)
        adjacency = functional.pad(state["adj"][rows, :kept, :kept], (0, missing, 0, missing)).to(self.device)
        flags = functional.pad(state["flags"][rows, :kept], (0, missing)).to(self.device)
        said = {part: network(x, adjacency, flags).to(outputs[part]) for part, network in self.networks.items()}
        outputs["x"][rows, :kept] = said["x"][:, :kept]
        outputs["adj"][rows, :kept, :kept] = said["adj"][:, :kept, :kept]


def score_networks(checkpoint: GraphCheckpoint, dtype: torch.dtype, device: torch.device) -> ScoreNetworks:
    """The networks of a checkpoint, in one precision, on one device."""

    def of(kind: str, weights: Mapping[str, Tensor]) -> Any:
        return NETWORKS[kind]({name: value.to(device, dtype) for name, value in weights.items()})

    parts = {"x": of(checkpoint.network_x, checkpoint.x), "adj": of("ScoreNetworkA", checkpoint.adj)}
    return ScoreNetworks(parts, device, _PAIRS_ON_CPU if device.type == "cpu" else _PAIRS_ON_ACCELERATOR)
