"""The RNA model card as text and picture, rendered from its numbers alone."""

from __future__ import annotations

import io
from typing import Any

from recipes.card_parts import table

__all__ = ["draw_training", "render_card"]

_HEAD = """\
# rna-utr

A masking-diffusion model of 5' untranslated regions (the 50 letters before the start codon of a reporter), two oracles of
their mean ribosome load, and one of RNA stability. Every number below is measured by the recipe that trained the weights,
on rows that the network in question did not see, unless said otherwise.

    python -m recipes.rna.utr --data DIR --out DIR

## What it is, and what it is not

The library that everything but the stability oracle was learned from is **random**: its letters were drawn, not evolved.
There is little for a generative model to learn beyond how often each letter stands at each position, and the denoiser has
learned little more (bits per base below). It is a well-behaved prior to decode from, not a model of natural 5'UTRs: its
samples do not look like human ones, and a high likelihood under it says nothing about biology.

The oracles `mrl` and `mrl-judge` predict what polysome profiling measured for one reporter (eGFP, unmodified mRNA) in one
cell line (HEK293T): the mean number of ribosomes on an mRNA. Nothing designed here has been tested in a cell.

## Data

Reporter library of Sample et al. 2019 (Nature Biotechnology 37:803; GEO GSE114002, sample GSM3130435). Natural human
5'UTRs and their single-nucleotide variants, measured the same way, are from the same work. Stability: 81-letter designs of
the OpenVaccine challenge (Wayment-Steele et al. 2022, Nature Machine Intelligence 4:1174), with the split of the CodonBERT
benchmark. No sequence is shipped, only weights and aggregate statistics (`reference.json`: k-mer counts, composition,
oracle quantiles).
"""

_LIMITS = """\
## Limits

- The number of the denoiser is an upper bound on its bits per base, compared with exact numbers of the other models.
- Loads of less deeply sequenced rows are noisier, so R2 on `test_random` is limited by the measurement as well.
- Guide and judge were trained on different rows and have different shapes, but learn from one experiment: the judge
  exposes errors of the guide, not of the assay, and few of those: the two agree better with each other than with what was
  measured. Designs with loads above those of the library are extrapolations of both.
- On natural 5'UTRs the oracles rank about as well as the published network, but a ribosome too high: use them there to
  compare, not for the number (R2 of the best line against R2).
- Measured loads include effects of the reporter: 25 fixed letters before the 50, and the eGFP gene after them.
- Stability was measured on designs of 81 letters; the score of other lengths, 50 among them, is an extrapolation, as is
  that of a 5'UTR out of its mRNA.
"""

_SPLIT = """\
No network saw the test parts; guide and judge share no row. The published work tested on the deepest-sequenced rows. The
file used here has no read counts: that its rows stand in order of depth, deepest first, is inferred from the spread of the
loads, which is largest in the first rows and falls after them.
"""

_NETWORKS = """\
The denoiser is a dilated convolutional network with whole-sequence context and no time input; padding shows it the ends,
so it knows positions. The oracles of load are position-aware convolutional regressors, trained on squared error and
calibrated by a line on their validation part. The best averaged weights on validation rows are shipped.
"""

_ORACLES = """\
The guide is `mrl`. Published networks reach an R2 of about 0.93 on the deepest 20,000 rows, trained on all others (twice
as many). The table of natural 5'UTRs carries predictions of the published network (`old_pred`) and of one trained again
(`retrained_pred`), some of whose training rows may be among them.
"""

_ROWS = {
    "gc": "share of G and C",
    "gc_sd": "its standard deviation",
    "uaug_rate": "share with an AUG",
    "uaug_mean": "AUG a sequence",
    "mfe_mean": "minimum free energy, kcal/mol",
}


def render_card(card: dict[str, Any]) -> str:
    """Return the model card in Markdown."""
    sections = [_HEAD, _split(card), _networks(card), _bits(card), _samples(card), _oracles(card)]
    return "\n".join([*sections, _stability(card), _LIMITS])


def draw_training(card: dict[str, Any]) -> str:
    """Return the training curves as an SVG picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "svdd", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name, run in card["training"].items():
            axes = left if name == "denoiser" else right
            steps = [row["step"] for row in run["history"]]
            axes.plot(steps, [row["value"] for row in run["history"]], label=f"{name}, validation")
        rows = card["training"]["denoiser"]["history"]
        left.plot([row["step"] for row in rows], [row["loss"] for row in rows], label="denoiser, training", alpha=0.5)
        for axes, unit in ((left, "bits per base"), (right, "1 - R2")):
            axes.set(xlabel="step", ylabel=unit)
            axes.legend(frameon=False, fontsize=8)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None})
    return page.getvalue()


def _split(card: dict[str, Any]) -> str:
    says = {
        "test_deep": "the first fourteenth of the rows: the deepest-sequenced",
        "test_random": "as many of the other rows, at random",
        "guide_train": "one half of what is left",
        "guide_validation": "a fortieth of that half",
        "judge_train": "the other half",
        "judge_validation": "a fortieth of that half",
        "denoiser_train": "both training halves",
        "denoiser_validation": "both validation parts",
    }
    rows = [[f"`{name}`", says[name], *part.values()] for name, part in card["split"].items()]
    rendered = table(["part", "which rows", "rows", "mean load", "its standard deviation"], rows)
    return f"## Split\n\n{_SPLIT}\n{rendered}"


def _networks(card: dict[str, Any]) -> str:
    setting = card["speed_setting"]
    rows = []
    for name, network in card["networks"].items():
        run, speed = card["training"][name], card["speed"][name]
        best = f"{run['best_step']} of {run['settings']['steps']}"
        rows.append([f"`{name}`", network["parameters"], best, speed["batch_64"], speed["batch_256"]])
    rendered = table(["network", "parameters", "best step", "ms a row, batch 64", "batch 256"], rows)
    speed = (
        f"{setting['dtype']}, {setting['threads']} threads of an {setting['processor']} CPU, torch {setting['torch']}"
    )
    return (
        f"## Networks and training\n\n{_NETWORKS}\n{rendered}\n"
        f"Speed: one row is 50 letters, {speed}; other work ran beside it.\n\n![training curves](training.svg)\n"
    )


def _bits(card: dict[str, Any]) -> str:
    text = "## Held-out bits per base\n"
    for name, bits in card["bits_per_base"].items():
        rows: list[list[Any]] = [
            ["**denoiser** (upper bound)", f"**{bits['denoiser']:.4f}** (s.e. {bits['standard_error']:.4f})", ""],
            ["even letters", "2.0000", _gain(2 - bits["denoiser"], bits["standard_error"])],
        ]
        for model, row in bits["others"].items():
            rows.append([model, f"{row['bits']:.4f}", _gain(row["gain"], row["standard_error"])])
        text += f"\n`{name}`, {bits['n']} rows:\n\n{table(['model', 'bits per base', 'denoiser better by'], rows)}"
    natural = card["natural_bits"]
    if natural is not None:
        text += f"\nNatural human 5'UTRs, under the denoiser: {natural['bits']:.4f} (s.e. {natural['standard_error']:.4f}).\n"
    return text + "\n" + _verdict(card)


def _gain(gain: float, error: float) -> str:
    verdict = "" if abs(gain) > 1.96 * error else ", not significant"
    return f"{gain:.4f} (s.e. {error:.4f}{verdict})"


def _verdict(card: dict[str, Any]) -> str:
    text = "Differences are paired over rows; beyond chance at 95 %, the denoiser beats\n\n"
    for name, bits in card["bits_per_base"].items():
        beaten = [model for model, row in bits["others"].items() if row["gain"] > 1.96 * row["standard_error"]]
        rest = [model for model in bits["others"] if model not in beaten]
        text += f"- on `{name}`: {'; '.join(beaten) or 'none'}. Not: {'; '.join(rest) or 'none'}.\n"
    below = 2 - card["bits_per_base"]["test_random"]["denoiser"]
    return f"{text}\nIt is {below:.3f} bits below even letters: the library is nearly random, and so is the model.\n"


def _samples(card: dict[str, Any]) -> str:
    samples = card["samples"]
    names = list(samples["composition"])
    rows = [[title, *(samples["composition"][name][key] for name in names)] for key, title in _ROWS.items()]
    rows.append(["mean edit distance of two, a letter", *(samples["diversity"][name] for name in names)])
    for place, letter in enumerate("ACGU"):
        shares = [samples["first_position"][name][place] for name in names]
        rows.append([f"share of {letter} at position 1", *shares])
    for role, quantiles in samples["oracle_quantiles"].items():
        rows.append([f"`mrl-{role}`, median", *(quantiles[name]["0.5"] for name in names)])
    kmers = [[k, samples[f"kmer{k}_correlation"], samples[f"kmer{k}_ceiling"]] for k in (3, 6)]
    gap, same = samples["position_gap"]["samples"], samples["position_gap"]["as_many_training_rows"]
    detection = card["detection"]
    return (
        f"## Unguided samples\n\n{samples['n']} samples in {samples['steps']} ancestral steps, beside `test_random` and, "
        "where given, natural human 5'UTRs.\n\n"
        f"{table(['statistic', *(name.replace('_', ' ') for name in names)], rows)}\n"
        "Pearson correlation of k-mer frequencies with those of `test_random`; the last column is the ceiling.\n\n"
        f"{table(['k', 'samples', 'as many training rows'], kmers)}\n"
        "Share of a letter at a position, against `test_random`: samples are off by "
        f"{gap['mean']:.4f} on average and {gap['largest']:.4f} at most,\n"
        f"as many training rows by {same['mean']:.4f} and {same['largest']:.4f}. "
        f"Distinct samples: {samples['unique_fraction']:.4f}.\n{_starts(card)}\n\n"
        f"How well a logistic regression tells {detection['n']} samples from as many held-out rows (five-fold AUROC; 0.5 is\n"
        f"not at all): {detection['words']:.3f} by words of 1 to 4 letters, {detection['sites']:.3f} by the letter at each\n"
        "position.\n"
    )


def _starts(card: dict[str, Any]) -> str:
    """How often samples and held-out rows have an upstream AUG, with the error of the difference."""
    rates = [card["samples"]["composition"][name]["uaug_rate"] for name in ("samples", "held_out")]
    rows = card["samples"]["n"], card["split"]["test_random"]["rows"]
    error = sum(rate * (1 - rate) / n for rate, n in zip(rates, rows, strict=True)) ** 0.5
    gap = rates[0] - rates[1]
    verdict = "more than" if abs(gap) > 1.96 * error else "within"
    return f"Share with an AUG: samples less held out {gap:+.4f} (s.e. {error:.4f}), {verdict} chance explains."


def _oracles(card: dict[str, Any]) -> str:
    rows = []
    for role, groups in card["oracles"].items():
        rows += [_quality(f"`mrl-{role}`", name, quality) for name, quality in groups.items()]
    rows += [_quality(f"table's `{name}`", "natural_human", quality) for name, quality in card["published"].items()]
    header = ["predictor", "rows", "n", "R2", "R2 of the best line", "Pearson", "Spearman", "error, ribosomes"]
    agreement = card["oracle_agreement"]
    return (
        f"## Oracles of ribosome load\n\n{_ORACLES}\n{table(header, rows)}\n"
        f"Pearson correlation of guide and judge: {agreement['test_deep']:.3f} on `test_deep`, "
        f"{agreement['samples']:.3f} on samples.\n"
    )


def _quality(predictor: str, rows: str, quality: dict[str, Any]) -> list[Any]:
    return [predictor, rows.replace("_", " "), *quality.values()]


def _stability(card: dict[str, Any]) -> str:
    found = card.get("stability")
    if found is None:
        return "## Oracle of stability\n\nThe data had no table of degradation, so there is none.\n"
    predictors = {f"**`stability`**, convolutional, {found['parameters']} parameters": found["network"]}
    predictors |= {f"{name} on words and ViennaRNA features": row for name, row in found["others"].items()}
    rows = [[name, row["r2"], row["spearman"]] for name, row in predictors.items()]
    far = found["far"]
    return (
        "## Oracle of stability\n\nThe reward is minus the standardised degradation of the table. "
        f"On its {found['n']} test designs of 81 letters:\n\n{table(['predictor', 'R2', 'Spearman'], rows)}\n"
        "The split is by design and many designs are relatives: the median test design is "
        f"{found['nearest_training_distance']:.0f} edits from a\n"
        f"training one. On the {far['n']} test designs at least that far away the Spearman correlation is "
        f"{far['spearman']:.3f}. That the sign is\n"
        "right shows in structure: measured stability falls with the share of unpaired letters "
        f"(Spearman {found['unpaired_spearman']:.3f}).\n"
    )
