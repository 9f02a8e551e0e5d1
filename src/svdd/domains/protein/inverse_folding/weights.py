"""Weights of ProteinMPNN: those that came with the package, and files as they were published."""

from pathlib import Path

from svdd.domains.protein.inverse_folding.features import CENTRES, PAIRS
from svdd.domains.protein.inverse_folding.network import ProteinMPNN
from svdd.messages import check
from svdd.networks.foreign_files import METADATA, read_content, weight_files
from svdd.networks.foreign_layouts import layout
from svdd.networks.foreign_weights import check_names, single
from svdd.registry import bundled

_SIGN = "features.edge_embedding.weight"
_NEIGHBOURS = "num_edges"
_USUAL = 48
_INPUTS = 16 + len(PAIRS) * CENTRES


def bundled_weights() -> Path:
    """The file that came with the package: `v_48_020`, 48 neighbours, trained with 0.2 Angstrom of noise."""
    return bundled("proteinmpnn", "v_48_020.safetensors")


def read_network(path: str | Path) -> ProteinMPNN:
    """The network of a weight file, in evaluation mode.

    Args:
        path: `.pt` as published, vanilla or soluble, or safetensors with the same names.

    Raises:
        ValueError: for a file that cannot be read, weights that are missing, unknown or do not fit, and for networks that
            read other features, such as CA alone.
    """
    files = weight_files(path)
    content, file = read_content(files), files[0]
    weights, _ = single(layout(file, content, [_SIGN], "ProteinMPNN").part.weights, file)
    inputs = weights[_SIGN].shape[-1]
    check(
        inputs == _INPUTS,
        f"{file} reads {inputs} numbers per pair of residues and not {_INPUTS}: it is for CA alone, or another network; give "
        "vanilla or soluble weights of ProteinMPNN",
    )
    said = content.get(_NEIGHBOURS, content.get(METADATA, {}).get(_NEIGHBOURS, _USUAL))
    check("W_e.weight" in weights, f"{file} is not quite a ProteinMPNN: missing weights: W_e.weight")
    network = ProteinMPNN.shaped(weights, int(said))
    check_names(file, "ProteinMPNN", network.state_dict(), weights)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"the weights of {file} do not fit one another: {' '.join(str(error).split()):.300}"
        ) from error
    return network.eval().requires_grad_(False)
