"""How far each method is from its target, exactly: the tables of docs/exactness.md.

    python benchmarks/exactness.py

Everything is enumerated on the toy model E-A (three letters, four sites, eight steps, a dependent joint law): no sampling.
"""

import math

from svdd.domains.toy import toy

CANDIDATES = (1, 2, 5, 10, 20, 50, math.inf)


def total_variation(p, q):
    return float((p - q).abs().sum() / 2)


def divergence(p, q):
    return float((p * (p / q).log()).nan_to_num().sum())


def value_tables(model, temperature):
    return {
        "exact": model.soft_values(temperature),
        "E[r given x_t] (regression)": model.mean_reward_values(),
        "posterior-mean": model.posterior_mean_values(),
        "log-mean-exp, many samples": model.mean_field_values(temperature),
        "filtered": model.filtered_values(),
        "filtered, many samples": model.filtered_values(temperature),
    }


def distances(model, temperature):
    print(f"\nTotal variation to p exp(r/a), a = {temperature}, by candidates M\n")
    print("| value | " + " | ".join("limit" if m == math.inf else f"M = {m}" for m in CANDIDATES) + " |")
    print("|---" * (len(CANDIDATES) + 1) + "|")
    for name, tables in value_tables(model, temperature).items():
        laws = [model.finite_law(tables, candidates=m, temperature=temperature) for m in CANDIDATES]
        print(f"| {name} | " + " | ".join(f"{total_variation(p, model.tilted(temperature)):.3f}" for p in laws) + " |")


def argmax_against_best_of_n(model):
    print("\nMean reward and KL to the model at temperature 0, by M (best-of-n: N)\n")
    sizes = (2, 5, 10, 20)
    print("| | " + " | ".join(str(m) for m in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    rows = {
        name: [model.finite_law(t, candidates=m, temperature=0.0) for m in sizes]
        for name, t in value_tables(model, 0.2).items()
    }
    rows["best-of-n"] = [model.best_of_n_law(n) for n in sizes]
    for name, laws in rows.items():
        cells = [f"{float(p @ model.rewards):.3f}, {divergence(p, model.p_pre()):.2f}" for p in laws]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    model = toy.enumerable_a()
    for temperature in (1.0, 0.2):
        distances(model, temperature)
    argmax_against_best_of_n(model)


if __name__ == "__main__":
    main()
