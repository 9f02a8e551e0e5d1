"""How cost grows with T, B, M and L: ours, the plain loop, and the limit, in processor seconds of one thread.

    python benchmarks/cost_picture.py [--fast] [--out benchmarks/results/cost.json]     # minutes
    python benchmarks/make_page.py                                                      # draws docs/pictures/cost.svg of it

One number of a base setting varies at a time: RNA for T, B and M, and DNA, whose model takes any length, for L. *Ours* is one
whole run at temperature 0. The *plain loop* (`plain.py`) takes two steps, which all cost the same, and is scaled. The *limit*
is what no exact run can go below: each state that ours met goes through the network once, in full batches, and each design
through the reward once.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from plain import plain_loop
from results_figures import drawn
from speed_parts import decoded, timed

import svdd
from svdd.chain.rng import Rng
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

HERE = Path(__file__).resolve().parent
RNA = {"model": "rna-utr", "reward": "mrl", "T": 64, "B": 16, "M": 8, "L": 50}
DNA = {"model": "dna-enhancer", "reward": "hepg2", "T": 64, "B": 4, "M": 8, "L": 100}
VARIED = {
    "T": (RNA, (16, 64, 256, 1024)),
    "B": (RNA, (4, 16, 64, 256)),
    "M": (RNA, (2, 8, 32, 64)),
    "L": (DNA, (50, 100, 200, 400)),
}
WORDS = {"T": "steps T", "B": "chains B", "M": "candidates M", "L": "letters L"}
LINES = {
    "plain": ("plain loop", "#ea580c", "s-"),
    "ours": ("ours", "#3b82f6", "o-"),
    "limit": ("limit", "#808080", "--"),
}
INK = "#808080"
"""Of letters and axes: as readable on white as on black."""


def point(setting):
    """Processor seconds per design of one setting."""
    steps, chains, candidates, length = (setting[letter] for letter in "TBML")
    options = {"length": length} if setting["model"] == "dna-enhancer" else {}
    process, reward = svdd.load(setting["model"], steps=steps, **options), svdd.load_reward(setting["reward"])
    network, sizes = (
        load_network(bundled(setting["model"], "denoiser.safetensors")),
        {"chains": chains, "candidates": candidates},
    )
    taken, shape = min(2, steps), {"length": length, "steps": steps} | sizes

    def plain(**changes):
        return plain_loop(network, reward, process.kind.alphabet, **shape | changes, only=taken)

    plain(chains=1, candidates=1), decoded(replace(process, times=process.times[-3:]), reward, sizes)  # set up kernels
    result, ours = timed(lambda: decoded(process, reward, sizes))
    scaled = timed(plain)[1] * steps / taken
    network_row, reward_row = cost_of_rows(process, reward)
    rows = {"network": result.usage.network.rows, "reward": result.usage.reward.rows}
    limit = rows["network"] * network_row + rows["reward"] * reward_row
    seconds = {"plain": scaled, "ours": ours, "limit": limit}
    return rows | {name: each / chains for name, each in seconds.items()}


@torch.no_grad()
def cost_of_rows(process, reward):
    """Processor seconds of one row of network and of reward, in full batches: the smallest of three."""
    full = 4 * process.rows_at_once
    tokens = torch.randint(
        len(process.kind.alphabet), (full, process.kind.length), generator=torch.Generator().manual_seed(0)
    )
    designs, masks = process.kind.alphabet.decode(tokens), process.start(full, (), Rng(0, range(full))).x
    calls = lambda: process.denoiser(masks, process.times[0], ()), lambda: reward(designs)
    return [min(timed(call)[1] for _ in range(3)) / full for call in calls]


def measured(fast):
    """Every point of every panel."""
    panels = {}
    for letter, (base, values) in VARIED.items():
        setting = base | {"T": 4, "B": 2, "M": 2} if fast else base
        panels[letter] = {"base": setting, "points": []}
        for value in (values[0], 2 * values[0]) if fast else values:
            found = {letter: value} | point(setting | {letter: value})
            panels[letter]["points"].append(found)
            print(
                f"{letter} = {value}: " + ", ".join(f"{name} {found[name]:.4g}" for name in ("plain", "ours", "limit")),
                flush=True,
            )
    return panels


def picture(panels):
    """A panel per number that varies, as SVG without a background."""
    figure = Figure(figsize=(10, 3.2), layout="constrained", facecolor="none")
    every = figure.subplots(1, len(panels), sharey=True)
    for axes, (letter, panel) in zip(every, panels.items(), strict=True):
        values = [found[letter] for found in panel["points"]]
        for name, (label, colour, form) in LINES.items():
            axes.plot(values, [found[name] for found in panel["points"]], form, label=label, color=colour, markersize=4)
        base = panel["base"]
        others = ", ".join(f"{other} {base[other]}" for other in "TBML" if other != letter)
        axes.set_title(f"{base['model']}\n{others}", fontsize="small", color=INK)
        axes.set(xscale="log", yscale="log", facecolor="none")
        axes.set_xlabel(WORDS[letter], color=INK)
        axes.set_xticks(values, values)
        axes.minorticks_off()
        axes.tick_params(colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
    every[0].yaxis.set_major_formatter("{x:g}")
    every[0].set_ylabel("processor seconds per design", color=INK)
    figure.legend(
        *every[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, labelcolor=INK
    )
    return drawn(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="tiny sizes, whose numbers mean nothing")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cost.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.write_text(json.dumps(measured(args.fast), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
