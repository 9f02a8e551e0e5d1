"""The model card of molecules as text and picture, rendered from its numbers alone."""

from __future__ import annotations

import io
from typing import Any

from recipes.card_parts import table

__all__ = ["draw_training", "render_card"]

_HEAD = """\
# molecule

A masking-diffusion model of drug-like molecules, written in SELFIES. Every number below is measured by the recipe that
trained the weights.

    python -m recipes.molecule.train --data DIR --out DIR

## What it is, and what it is not

A prior to decode from: small, fast on a CPU, and with valid molecules at every step. It is no state-of-the-art generator,
and it knows what its training set holds: neutral molecules of C, N, O, S, F, Cl and Br of 250 to 350 Da without
stereochemistry, which passed filters for leads. A high likelihood says that a molecule is of that kind, not that it binds,
that it can be made, or that it is safe. Nothing designed with it has been made.
"""

_DATA = """\
MOSES (Polykovskiy et al. 2020, arXiv 1811.12823; github.com/molecularsets/moses, MIT licence), a part of ZINC's clean
leads. Its scaffold test set holds molecules whose scaffolds are in no other part. Molecules were written as SELFIES
(Krenn et al. 2020, arXiv 1905.13741; the valences of the package's default) in the order of atoms of their canonical SMILES.
No molecule is shipped but the examples below, only weights and aggregate statistics (`reference.npz`, `lengths.json`).
"""

_BITS = """\
Given the length, which the model draws first from the training set's. The number of the denoiser is an upper bound, over
random orders of revealing; those of the others are exact, in reading order. Differences are paired over molecules.
"""

_LIMITS = """\
## Limits

- The strings that the model knows have their atoms in canonical order. Molecules it designs are written canonically
  anew, and their likelihood bound is that of the new string.
- A valid molecule can still be an odd one: SELFIES allows sulfur and phosphorus their highest valences, and cumulated double
  bonds in rings. Ask for what matters with a reward (`qed`, `sa`, alerts), or look at the bound beside it.
- Symbols of index and of atoms are shared in SELFIES: [P] counts atoms in the training set, whose molecules have no
  phosphorus. A design can have one, most of all under strong guidance.
- Filters of MOSES, such as that on logP, act on what it was trained on, not on what guidance makes of it.
- The ChemNet distance falls with the number of molecules: compare it with its floor, not with published numbers of other sizes.
"""

_NAMES = {
    "validity": "valid",
    "uniqueness": "different, of the valid",
    "internal_diversity": "internal diversity",
    "fcd": "ChemNet distance to the test set",
    "fcd_floor": "the least that so many can have",
    "nearest_similarity": "similarity to the nearest test molecule",
    "fragment_similarity": "BRICS fragments, cosine with the test set",
    "scaffold_similarity": "scaffolds, cosine with the test set",
}
_UNITS = {"qed": "QED", "sa": "SA score", "logp": "logP", "weight": "weight, Da"}
_USES = {"motif": "motif extension", "scaffold": "scaffold decoration", "linker": "linker design"}


def render_card(card: dict[str, Any]) -> str:
    """Return the model card in Markdown."""
    parts = [_HEAD, _data(card), _network(card), _bits(card), _samples(card), _properties(card), _held(card), _LIMITS]
    return "\n".join(parts)


def draw_training(card: dict[str, Any]) -> str:
    """Return the training curves as an SVG picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = card["training"]["denoiser"]["history"]
    with rc_context({"svg.hashsalt": "svdd", "svg.fonttype": "none"}):
        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.subplots()
        for key, name in (("loss", "training"), ("value", "validation")):
            axes.plot([row["step"] for row in rows], [row[key] for row in rows], label=name)
        axes.set(xlabel="step", ylabel="bits per symbol")
        axes.legend(frameon=False, fontsize=8)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None})
    return page.getvalue()


def _data(card: dict[str, Any]) -> str:
    data = card["data"]
    counts = data["counts"]
    rows = [["training", data["train"]], ["validation, for the choice of weights", data["validation"]]]
    rows += [[f"`{name}`, for this card", count] for name, count in data["tests"].items()]
    return (
        f"## Data\n\n{_DATA}\nOf {counts['read']:,} training molecules {counts['kept']:,} were kept: {counts['long']} have "
        f"more than 48 symbols, and {counts['foreign']} have\nsymbols that fewer than 1 in 5000 have. They have "
        f"{data['length_least']} to {data['length_most']} symbols, {data['length_mean']:.1f} on average.\n\n"
        f"{table(['part', 'molecules'], rows)}"
    )


def _network(card: dict[str, Any]) -> str:
    run, config, setting = card["training"]["denoiser"], card["network"]["config"], card["speed_setting"]
    speed, sampling = card["speed"], card["sampling"]
    return (
        f"## Network and training\n\nA dilated convolutional network with whole-sequence context and no time input: "
        f"{config['channels']} channels, {config['blocks']} blocks,\n{card['network']['parameters']:,} parameters, "
        f"{config['vocabulary'] - 1} symbols. Trained for {run['settings']['steps']} steps of 256 molecules, "
        f"{run['history'][-1]['seconds'] / 3600:.1f} hours\non one CPU thread; the averaged weights of step "
        f"{run['best_step']} are shipped. It may not answer with padding, and time does\nnot enter, so an unchanged state "
        f"is computed once.\n\nA design of {card['steps']} steps took {sampling['rows_each']:.1f} network rows and "
        f"{1 / sampling['seconds_each']:.1f} a second were made. A row of 48 sites takes\n{speed['batch_64']:.2f} ms in "
        f"batches of 64, {speed['batch_256']:.2f} in batches of 256 ({setting['dtype']}, {setting['threads']} threads of an "
        f"{setting['processor']} CPU, torch\n{setting['torch']}; other work ran beside it).\n\n"
        "![training curves](training.svg)\n"
    )


def _bits(card: dict[str, Any]) -> str:
    text = f"## Held-out bits per symbol\n\n{_BITS}"
    for name, bits in card["bits"].items():
        rows: list[list[Any]] = [
            ["**denoiser** (upper bound)", f"**{bits['denoiser']:.4f}** (s.e. {bits['standard_error']:.4f})", ""]
        ]
        for model, row in bits["others"].items():
            rows.append([model, f"{row['bits']:.4f}", f"{row['gain']:.4f} (s.e. {row['standard_error']:.4f})"])
        header = ["model", "bits per symbol", "denoiser better by"]
        text += f"\n`{name}`, {bits['n']} molecules:\n\n{table(header, rows)}"
    return text


def _samples(card: dict[str, Any]) -> str:
    quality, reference = card["quality"], card["reference"]
    rows = [[title, *(found[key] for found in quality.values())] for key, title in _NAMES.items()]
    rows.insert(2, ["not in the training set", card["novel"], 0.0])
    examples = "\n".join(f"    {smiles}" for smiles in card["examples"])
    return (
        f"## Unguided samples\n\n{quality['samples']['n']:,} samples in {card['steps']} steps, and as many training molecules "
        f"beside them. ChemNet distance, fragments and\nscaffolds are those of {reference['sampled']:,} molecules of the test "
        f"set; the nearest test molecule is searched among {reference['neighbours']:,}.\n"
        "Definitions are those of `svdd.domains.molecule.chemistry`.\n\n"
        f"{table(['statistic', *quality], rows)}\nThe first of them:\n\n{examples}\n"
    )


def _properties(card: dict[str, Any]) -> str:
    rows = []
    for name, title in _UNITS.items():
        for kind, quality in card["quality"].items():
            found = quality["properties"][name]
            rows.append([title, kind, found["mean"], found["sd"], found["wasserstein"], found["divergence"]])
    header = ["property", "of", "mean", "standard deviation", "Wasserstein distance", "KL divergence, nats"]
    return f"## Properties\n\nDistances are to the test set, of histograms.\n\n{table(header, rows)}"


def _held(card: dict[str, Any]) -> str:
    rows, examples = [], []
    for use, found in card["held"].items():
        shares = [found[name] for name in ("n", "held", "uniqueness", "internal_diversity")]
        rows.append([_USES[use], f"`{found['fragment']}`", *shares, *found["properties"].values()])
        examples.append(f"    {_USES[use]}: {', '.join(found['examples'])}")
    header = ["use", "fragment", "designs", "hold it", "different", "internal diversity", *_UNITS.values()]
    rendered = "\n".join([table(header, rows), *examples])
    return f"## Fragments\n\nUnguided designs that must hold a fragment; properties are means.\n\n{rendered}\n"
