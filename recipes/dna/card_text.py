"""The DNA model card as text and picture, rendered from its numbers alone."""

from __future__ import annotations

import io
from typing import Any

from recipes.card_parts import table

__all__ = ["draw_training", "render_card"]

_USEFUL_CORRELATION = 0.25

_HEAD = """\
# dna-enhancer

A masking-diffusion model of human regulatory DNA (200 bp), and two oracles that score how
specific a site is to HepG2 (liver) against K562 (blood). Every number below is measured by the
recipe that trained the weights, on chromosomes that no network saw, unless said otherwise.

    python -m recipes.dna.enhancer --data DIR --out DIR

## What it is, and what it is not

The training sites are DNase-accessible in HepG2 and not in K562, or the reverse. The oracles
are **classifiers of accessibility**. There is no reporter assay in the data: a high `hepg2`
reward says that a sequence looks like a site that is open in HepG2 only. It does not say that
the sequence drives expression, in HepG2 or anywhere. Nothing here has been tested in a cell.

## Data

DNase I hypersensitive sites of the ENCODE index (Meuleman et al. 2020, Nature 584:244, open
data), as selected and cut to 200 bp by the DNA-Diffusion project (pinellolab/DNA-Diffusion;
its repository is Apache-2.0 for academic and non-profit use). Sites open also in GM12878 or
hESCT0 are left out. No sequence is shipped, only weights and aggregate statistics
(`reference.json`: k-mer counts, GC, motif hits, oracle quantiles).
"""

_LIMITS = """\
## Limits

- About twenty thousand training sites: the denoiser has learned composition and short words.
  Its samples carry fewer motif sites than natural sequences (table above), and no long-range
  grammar can be claimed.
- The classifiers that fail to tell samples from natural sites are small and saw about two
  thousand sequences; a failure of theirs does not show that the two are alike.
- The masking-diffusion number is an upper bound on bits per base, compared with exact numbers
  of the Markov chains; the true value of the denoiser is at or below it.
- The oracles know two cell lines. A sequence open in neither, or in both, is outside their
  question, and their log-odds are then an extrapolation.
- Guide and judge were trained on different chromosomes and have different shapes, but learn
  from the same assay and cell lines: the judge exposes errors of the guide, not of the assay.
- Repeats and segmental duplications occur on many chromosomes, so a split by chromosome is
  not a split by homology.
"""


def render_card(card: dict[str, Any]) -> str:
    """Return the model card in Markdown."""
    sections = [
        _HEAD,
        _split(card),
        _networks(card),
        _bits(card),
        _samples(card),
        _oracles(card),
        _LIMITS,
    ]
    return "\n".join(sections)


def draw_training(card: dict[str, Any]) -> str:
    """Return the training curves as an SVG picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "svdd", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        _curve(left, card["training"]["denoiser"], "denoiser", "bits per base")
        for role in ("guide", "judge"):
            history = card["training"][f"hepg2-{role}"]
            _curve(right, history, role, "cross-entropy (nats)", training=False)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None})
    return page.getvalue()


def _curve(axes: Any, history: dict[str, Any], label: str, unit: str, *, training: bool = True) -> None:
    rows = history["history"]
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["value"] for row in rows], label=f"{label}, validation")
    if training:
        axes.plot(steps, [row["loss"] for row in rows], label=f"{label}, training", alpha=0.5)
    axes.set_xlabel("step")
    axes.set_ylabel(unit)
    axes.legend(frameon=False, fontsize=8)


def _split(card: dict[str, Any]) -> str:
    split = card["split"]
    chromosomes = {key: ", ".join(names) for key, names in split["chromosomes"].items()}
    rows = split["rows"]
    rendered = table(
        ["part", "chromosomes", "sites"],
        [
            ["test (no network sees it)", chromosomes["test"], rows["test"]],
            [
                "guide oracle, training",
                f"{chromosomes['guide']} without validation",
                rows["guide_train"],
            ],
            ["guide, validation", chromosomes["guide_validation"], rows["guide_validation"]],
            [
                "judge oracle, training",
                f"{chromosomes['judge']} without validation",
                rows["judge_train"],
            ],
            ["judge, validation", chromosomes["judge_validation"], rows["judge_validation"]],
            ["denoiser, training", "all but test and its validation", rows["denoiser_train"]],
            [
                "denoiser, validation",
                chromosomes["denoiser_validation"],
                rows["denoiser_validation"],
            ],
        ],
    )
    return f"## Split, by chromosome\n\n{rendered}"


def _networks(card: dict[str, Any]) -> str:
    setting = card["speed_setting"]
    rows = []
    for name, network in card["networks"].items():
        run, speed = card["training"][name], card["speed"][name]
        rows.append(
            [
                f"`{name}`",
                network["parameters"],
                f"{run['best_step']} of {run['settings']['steps']}",
                speed["batch_64"],
                speed["batch_256"],
            ]
        )
    rendered = table(["network", "parameters", "best step", "ms per row, batch 64", "batch 256"], rows)
    return (
        "## Networks and training\n\n"
        "The denoiser is a dilated convolutional network with whole-sequence context and no\n"
        "time input. It was trained on both strands with the masking-diffusion bound; the\n"
        "oracles average both strands and are Platt-scaled on their validation chromosomes.\n"
        "The checkpoint with the best averaged weights on validation chromosomes is shipped.\n\n"
        f"{rendered}\nSpeed: one row is 200 bp, {setting['dtype']}, {setting['threads']} threads of "
        f"an {setting['processor']} CPU that also did other work, torch {setting['torch']}.\n\n"
        f"{_notes(card)}![training curves](training.svg)\n"
    )


def _notes(card: dict[str, Any]) -> str:
    """Return what a run's history says about how it differed from the recipe's defaults."""
    noted = [(name, run["note"]) for name, run in card["training"].items() if "note" in run]
    return "".join(f"Note on `{name}`: {note}\n\n" for name, note in noted)


def _bits(card: dict[str, Any]) -> str:
    bits = card["bits_per_base"]
    error = bits["denoiser_standard_error"]
    rows: list[list[Any]] = [
        ["**denoiser** (upper bound)", f"**{bits['denoiser']:.4f}** (s.e. {error:.4f})"],
        ["denoiser, on training sites", f"{bits['denoiser_on_training_sites']:.4f}"],
        ["even bases", f"{bits['uniform']:.4f}"],
    ]
    rows += [
        [f"Markov chain of order {order}, interpolated, both strands", f"{value:.4f}"]
        for order, value in bits["markov"].items()
    ]
    beaten = ", ".join(bits["beats"]) or "none"
    lost = ", ".join(order for order in bits["markov"] if order not in bits["beats"]) or "none"
    return (
        f"## Held-out bits per base\n\n{table(['model', 'bits per base'], rows)}\n"
        f"The denoiser beats the Markov chains of orders: {beaten}. It does not beat: {lost}.\n"
    )


def _samples(card: dict[str, Any]) -> str:
    samples = card["samples"]
    kmers = table(
        ["k", "samples and test sites", "as many training sites and test sites"],
        [[k, samples[f"kmer{k}_correlation"], samples[f"kmer{k}_ceiling"]] for k in (3, 4, 5, 6)],
    )
    rows = [
        [name, value, samples["composition"]["natural"][name]]
        for name, value in samples["composition"]["samples"].items()
    ]
    rows += [
        [f"{name} hits per sequence", hits["samples"], hits["natural"]] for name, hits in samples["motif_hits"].items()
    ]
    both = ("samples", "natural")
    rows += [["diversity", *(samples["diversity"][which] for which in both)]]
    for level in ("smallest", "median"):
        values = [samples["nearest_training_distance"][which][level] for which in both]
        rows.append([f"{level} edit distance to a training site", *values])
    content = table(["statistic", "samples", "natural test sites"], rows)
    detection = card["detection"]
    network = detection["network"]
    return (
        f"## Unguided samples\n\n{samples['n']} samples in {samples['steps']} ancestral steps. "
        f"Pearson correlation of k-mer\nfrequencies; the last column is the ceiling.\n\n{kmers}\n"
        f"{content}\nMotif hits: JASPAR, either strand, chance of 1e-4 per site and strand. "
        f"Samples carry {_hit_share(samples):.0%}\nof the natural hits; Spearman correlation of "
        f"mean hits over the {len(samples['motif_hits'])} motifs: "
        f"{samples['motif_spearman']:.3f}.\nDistinct samples: "
        f"{samples['unique_fraction']:.4f}.\n\n"
        "How well a classifier tells samples from natural test sites (AUROC; 0.5 is not at all): "
        f"\n{detection['kmer_auroc']:.3f} for a logistic regression on words of 1 to 4 bases "
        f"(five-fold), {network['auroc']:.3f}\nfor a small convolutional network "
        f"({network['n']} sequences held out).\n"
    )


def _hit_share(samples: dict[str, Any]) -> float:
    hits = samples["motif_hits"].values()
    return sum(row["samples"] for row in hits) / max(sum(row["natural"] for row in hits), 1e-9)


def _oracles(card: dict[str, Any]) -> str:
    guide, judge = card["oracles"]["guide"], card["oracles"]["judge"]
    names = [name for name in guide if name != "reliability"]
    quality = table(["on test sites", "guide", "judge"], [[n, guide[n], judge[n]] for n in names])
    columns = zip(guide["reliability"], judge["reliability"], strict=True)
    reliability = table(
        ["guide predicts", "observed", "judge predicts", "observed", "sites"],
        [[g["predicted"], g["observed"], j["predicted"], j["observed"], g["n"]] for g, j in columns],
    )
    agreement = card["oracle_agreement"]
    return (
        "## Oracles\n\nOutput 0 (`hepg2`, `hepg2_judge`) is the log-odds of HepG2-only against "
        f"K562-only.\n\n{quality}\nReliability, in ten equally filled bins of the predicted "
        f"probability of HepG2:\n\n{reliability}\nPearson correlation of guide and judge: "
        f"{agreement['test_sites']:.3f} on test sites, {agreement['samples']:.3f} on samples.\n\n"
        f"{_accessibility(guide)}"
    )


def _accessibility(guide: dict[str, Any]) -> str:
    correlation = guide.get("accessibility_pearson")
    if correlation is None:
        return "The data gave no signal to train the accessibility output on.\n"
    verdict = (
        "enough to be of use as a reward"
        if correlation > _USEFUL_CORRELATION
        else "too little to be of use, so it is not\noffered as a reward"
    )
    return (
        "Output 1 predicts the base-10 logarithm of the DNase signal summed over all biosamples\n"
        f"of the index. Its held-out Pearson correlation is {correlation:.3f}: {verdict}.\n"
    )
