"""Methods compared on the bundled photographs: a reward of pixels and a learned one, at equal compute.

    python benchmarks/image_rewards.py --case compressibility [--case class-score] [--out DIR]
    python benchmarks/image_rewards.py --page [--out DIR]       # docs/image-results.md and its pictures

A case is a reward. DIR (benchmarks/results unless given) gets `images.csv`, a row a case and method with 95 % bootstrap
intervals over seeds, then chains, and a picture of each method's first designs. The page is made from these alone.

Best-of-N gets the compute of svdd: seconds of the network, the decoder and the reward together, each row at what it cost svdd
in the same process, so N is that cost over the cost of one unguided image, decoded and scored. Methods with M candidates choose
the initial noise too. Run it with one thread (OMP_NUM_THREADS=1); `seconds` are of the processor.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from differences import VERDICTS, shown_only
from molecules_page import fits, listed_designs
from results_page import markdown, shown

import svdd
from svdd.decoding.result import Result
from svdd.domains.image.measures.distances import bundled_features, bundled_reference
from svdd.domains.image.measures.measures import ImageDesigns, measured_images, record_images
from svdd.domains.image.pixels import grid, write_images
from svdd.domains.image.prompts import images_of
from svdd.messages import number

ROOT = Path(__file__).parents[1]
STEPS, CHAINS, SEEDS, SIZE, PICTURED = 25, 20, 2, 8, 20
PRETRAINED, BEST, SMC, SVDD, LEARNED = "pretrained", "best-of-n, equal compute", "smc", "svdd", "svdd learned mean"
PARTS = ("network", "decode", "value", "reward")
FIT = {"rollouts": 200, "train_steps": 400}


@dataclass(frozen=True)
class Case:
    """A reward, its judge, and the temperatures of svdd beside 0; the last is that of smc."""

    reward: str
    judge: str
    temperatures: tuple[float, ...]
    unit: str


CASES = {
    "compressibility": Case("compressibility", "class-judge", (0.01, 0.05), "minus kB of the JPEG at quality 95"),
    "class-score": Case("class-score", "class-judge", (0.1, 0.5), "log-probability of the prompt's class, nats"),
}


def runs(case, folder, process):
    """Label, size, results of the seeds and what fitting took, one method after the other."""
    reward = svdd.load_reward(case.reward)
    search = {"candidates": SIZE, "prior_candidates": SIZE}
    cold = [decoded(process, case, reward, seed, method="svdd", temperature=0.0, **search) for seed in range(SEEDS)]
    yield f"{SVDD}, temperature 0", SIZE, cold, {}
    for a in case.temperatures:
        tempered = [decoded(process, case, reward, s, method="svdd", temperature=a, **search) for s in range(SEEDS)]
        yield f"{SVDD}, temperature {a:g}", SIZE, tempered, {}
    weighted = {"method": "smc", "particles": SIZE, "temperature": case.temperatures[-1]}
    yield f"{SMC}, temperature {weighted['temperature']:g}", SIZE, several(process, case, reward, weighted), {}
    value, paid = fitted(process, reward)
    greedy = {"method": "svdd", "temperature": 0.0, "value": value} | search
    yield LEARNED, SIZE, several(process, case, reward, greedy), paid
    yield PRETRAINED, 1, several(process, case, reward, {"method": "pretrained"}), {}
    n = round(cost(cold) / unguided(cold))
    best = {"method": "best-of-n", "particles": n}
    yield BEST, n, several(process, case, reward, best), {}


def several(process, case, reward, settings):
    return [decoded(process, case, reward, seed, **settings) for seed in range(SEEDS)]


def decoded(process, case, reward, seed, **settings):
    started = time.process_time()
    judge = {case.judge: svdd.load_reward(case.judge)}
    result = svdd.decode(process, reward, samples=CHAINS, seed=seed, scores=judge, **settings)
    result.usage.seconds = time.process_time() - started
    return result


def cost(results):
    """Seconds of all parts of svdd's runs, per design; those of `value` are of the same calls."""
    parts = [part for part in PARTS if part != "value"]
    return sum(getattr(r.usage, part).seconds for r in results for part in parts) / sum(map(len, results))


def unguided(results):
    """Seconds of one unguided image at the same seconds a row: T network rows under guidance, one decoded, one scored."""
    rows = {"network": 2 * STEPS, "decode": 1, "reward": 1}
    total = 0.0
    for part, wanted in rows.items():
        spent = sum(getattr(r.usage, part).seconds for r in results)
        total += wanted * spent / sum(getattr(r.usage, part).rows for r in results)
    return total


def fitted(process, reward):
    """The learned value, and what it cost."""
    started = time.process_time()
    made = svdd.fit_value(process, reward, held_out=0, nested=(0, 0), candidates=0, **FIT)
    paid = {f"fit_{part}_rows": getattr(made.usage, part).rows for part in ("network", "reward")}
    return made, paid | {"fit_seconds": time.process_time() - started}


def run_case(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    case, process = CASES[name], svdd.load("image-small", steps=STEPS)
    reference, features, rows = bundled_reference(), bundled_features(), []
    for label, size, results, paid in runs(case, folder, process):
        designs = ImageDesigns.pooled([measured_images(result, features, None, case.judge) for result in results])
        row = {"case": name, "label": label, "size": size, "steps": STEPS} | record_images(designs, reference).row
        rows.append(row | costs(results) | paid)
        picture(results[0], folder, f"images-{name}-{label.replace(',', '').replace(' ', '-')}")
        print(f"{name}: {label}, {size}: median {row['reward_median']:.3f}", flush=True)
        save(folder, name, rows)


def costs(results):
    """Of one design."""
    n = sum(map(len, results))
    each = {f"{part}_rows": sum(getattr(r.usage, part).rows for r in results) / n for part in PARTS}
    return each | {"seconds": sum(r.usage.seconds for r in results) / n}


def save(folder, name, rows):
    path = folder / "images.csv"
    before = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["case"])
    table = pd.concat([before[before["case"] != name], pd.DataFrame(rows)], ignore_index=True)
    table.to_csv(path, index=False, float_format="%.5g")


def picture(result: Result, folder, name):
    """The first designs, in the order of their chains: the same prompt at the same place of every picture."""
    images = images_of(result.samples)[:PICTURED]
    write_images(folder, [name], grid(images.repeat_interleave(3, 2).repeat_interleave(3, 3), 10))


HEAD = """# Results on images

This page is made by `python benchmarks/image_rewards.py --page` from the table that `python benchmarks/image_rewards.py
--case ...` wrote; sentences that compare come from the same table. The model is the bundled `image-small`: 32x32 photographs
of ten classes, two designs a class and seed. Brackets hold 95 % bootstrap intervals over seeds, then chains. Two methods are
called different only where the 95 % interval of their difference leaves zero out. The images were not kept, so that interval
comes from those of the two methods, as if they shared nothing (Zou and Donner, Statistics in Medicine 27, 1693, 2008). Costs
are of one design; network rows are two a state under classifier-free guidance.

*Best-of-n, equal compute* has as many samples as the seconds of svdd's network, decoder and reward together pay for. The
judge of both rewards is a classifier trained on other images than the one that guides; it tells how surely a design still
shows what its prompt says. Diversity is the mean cosine distance of the judge's features between designs of one prompt. No
method has the 500 designs that a Fréchet distance to photographs needs, so none is shown."""
WORTH = {"diversity_per_prompt": "diversity in a prompt", "diversity": "diversity", "near_duplicates": "near-duplicates",
         "image_distance": "distance to photographs", "image_distance_floor": "its floor",
         "sharpness": "sharpness"}  # fmt: skip
COSTS = {"network_rows": "network rows", "decode_rows": "decoded", "value_rows": "value rows", "reward_rows": "reward rows",
         "seconds": "seconds"}  # fmt: skip


def write_page(results, docs):
    """Writes image-results.md and copies of the pictures."""
    table, parts = shown_only(pd.read_csv(results / "images.csv")), [HEAD]
    (docs / "results").mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(table["case"]):
        parts += section(name, table[table["case"] == name].dropna(axis=1, how="all"))
        for label in (PRETRAINED, f"{SVDD}-temperature-0"):
            file = f"images-{name}-{label}.png"
            (docs / "results" / file).write_bytes((results / file).read_bytes())
    (docs / "image-results.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def section(name, table):
    rewards = [
        [r["label"], str(r["size"]), *(shown(r, m) for m in ("reward_median", "reward_q90", "judge_median"))]
        for _, r in table.iterrows()
    ]
    worth = [[r["label"], *(number(r[m]) for m in WORTH if m in table)] for _, r in table.iterrows()]
    costs = [[r["label"], *(number(r[m]) for m in COSTS if m in table)] for _, r in table.iterrows()]
    return [
        f"## {name}: {CASES[name].unit}",
        f"T = {table.iloc[0]['steps']}, seeds: {table.iloc[0]['runs']}, designs: {listed_designs(table)}.",
        markdown(["method", "M or N", "median", "best 10 %", "judge, median"], rewards),
        markdown(["method", *(title for m, title in WORTH.items() if m in table)], worth),
        markdown(["method", *(title for m, title in COSTS.items() if m in table)], costs),
        *compared(table),
        *fits(table),
        "Before (pretrained) and after (svdd, temperature 0), the same prompts at the same places:",
        f"![pretrained](results/images-{name}-pretrained.png)",
        f"![svdd](results/images-{name}-svdd-temperature-0.png)",
    ]


def compared(table):
    """Where svdd is above, level with or below the others, by the mean of its reward."""
    rows = {row["label"]: row for _, row in table.iterrows()}
    mine = rows[f"{SVDD}, temperature 0"]
    for label, row in rows.items():
        if label != mine["label"]:
            yield f"svdd at temperature 0 is {VERDICTS[verdict(mine, row, 'reward_mean')]} {label}."
    judged = VERDICTS[verdict(mine, rows[PRETRAINED], "judge_median")]
    yield f"By the judge, svdd at temperature 0 is {judged} the pretrained model."


def verdict(one, other, name):
    """1 where the first row is higher, -1 where it is lower, 0 where that is within the noise, None for few chains."""
    apart = one[name] - other[name]
    low = apart - np.hypot(one[name] - one[f"{name}_low"], other[f"{name}_high"] - other[name])
    high = apart + np.hypot(one[f"{name}_high"] - one[name], other[name] - other[f"{name}_low"])
    return None if np.isnan(low) else int(low > 0) - int(high < 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append", help="repeat for more")
    parser.add_argument("--page", action="store_true", help="write docs/image-results.md from the table")
    parser.add_argument("--out", type=Path, help="benchmarks/results unless given")
    args = parser.parse_args()
    if not (args.case or args.page):
        parser.error("give --case or --page")
    out = args.out or ROOT / "benchmarks" / "results"
    for name in args.case or []:
        run_case(name, out)
    if args.page:
        write_page(out, ROOT / "docs")


if __name__ == "__main__":
    main()
