"""The golden cases: one small run for every part of the package, written in public names.

A case is a function of an empty folder, and gives results, tensors, numbers and text that must not change. Modules move
between trees, so what has no public name is in `MOVED` with its new place and its old one.
"""

import importlib
import math
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import golden_models as models
import golden_rewards
import torch
from golden_commands import COMMANDS

import svdd

MOVED = {
    "product": ("svdd.domains.toy.toy", "svdd.models.toy"),
    "uniform": ("svdd.domains.toy.toy", "svdd.models.toy"),
    "mixture": ("svdd.domains.toy.toy", "svdd.models.toy"),
    "shapes": ("svdd.domains.molecule.gdss.files", "svdd.models.gdss_files"),
    "make_objective": ("svdd.runs.make", "svdd.runs.objectives", "svdd.cli.job_objectives"),
    "ObjectiveForm": ("svdd.runs.objectives", "svdd.cli.job_objectives"),
}
"""Names without a public home: the module that holds each now, and the module that held it before."""

Case = Callable[[Path], object]


class Skipped(Exception):
    """A case cannot run on this machine."""


def moved(name):
    """A name of `MOVED`, from the first of its modules that exists."""
    for module in MOVED[name]:
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"{name} is in none of {', '.join(MOVED[name])}; add its new module to MOVED")


def newer(name, **options):
    """A bundled model that the first reference has not: the case is skipped there, and compared with later ones."""
    try:
        return svdd.load(name, **options)
    except ValueError as error:
        if not str(error).startswith("unknown model"):
            raise
        raise Skipped(f"the reference has no {name}") from None


CASES: dict[str, Case] = {}


def case(function):
    """Adds a case, named by its function."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


def stepwise(decoding):
    """Runs a decoding to its end."""
    for _ in decoding:
        pass
    return decoding.result()


# rewards


def tokens_reward(designs):
    """Of the masked toy; large and no sum of halves, so that rounding shows."""
    return 1000 / 3 * (designs == 0).sum(-1).double() + 0.1 * (designs == 1).sum(-1)


def small_tokens_reward(designs):
    return (designs == 0).sum(-1).double() + 0.1 * (designs == 1).sum(-1)


def sum_reward(designs):
    return designs.sum(-1)


def gc(designs):
    return [text.count("G") + text.count("C") + 0.01 * text.count("A") for text in designs]


def lysines(designs):
    return [text.count("K") + 0.01 * text.count("E") for text in designs]


def brightness(images):
    return images.mean((1, 2, 3))


def redness(images):
    return images[:, 0].mean((1, 2)) - images[:, 2].mean((1, 2))


for _of_tensors in (brightness, redness):
    _of_tensors.takes = "tensor"


# every method, on both toys, and what takes another path through the loop

BLOCK = next(option for option in svdd.METHODS["blocks"].options if option.endswith("length"))
"""What the steps of a block are called; in older trees it is `length`."""
SETTINGS = {
    "pretrained": ("pretrained", {}),
    "best-of-n": ("best-of-n", {"particles": 3, "temperature": 0.5}),
    "svdd": ("svdd", {"candidates": 3, "temperature": 0.5}),
    "svdd-argmax": ("svdd", {"candidates": 3}),
    "svdd-tilted-prior": ("svdd", {"candidates": 2, "temperature": 0.5, "prior_candidates": 3}),
    "svdd-sometimes": ("svdd", {"candidates": 3, "temperature": 0.5, "every": 2, "window": (0.9, 0.0)}),
    "svdd-r": ("svdd-r", {"particles": 4, "candidates": 2, "temperature": 0.5, "replace": 0.5}),
    "svdd-r-all": ("svdd-r", {"particles": 4, "candidates": 2, "temperature": 0.5, "replace": None}),
    "smc": ("smc", {"particles": 4, "temperature": 0.5}),
    "smc-max": ("smc", {"particles": 4, "temperature": 0.5, "potential": "max", "ess": 0.9}),
    "smc-sum": ("smc", {"particles": 4, "temperature": 0.5, "potential": "sum", "every": 2}),
    "smc-tempered": ("smc", {"particles": 4, "temperature": 0.2, "tempering": "adaptive"}),
    "bfs": ("bfs", {"particles": 4, "temperature": 0.5}),
    "amc": ("amc", {"particles": 4}),
    "nested-is": ("nested-is", {"particles": 3, "candidates": 2, "temperature": 0.5}),
    "nested-is-tilted-prior": (
        "nested-is",
        {"particles": 3, "candidates": 2, "temperature": 0.5, "prior_candidates": 2, "ess": 1.0},
    ),
    "beam": ("beam", {"width": 2, "candidates": 3}),
    "blocks": ("blocks", {"candidates": 3, BLOCK: 2, "temperature": 0.5}),
}
TOYS = {
    "masked": (partial(models.masked, steps=6), small_tokens_reward),
    "gaussian": (partial(models.gaussian, steps=6), sum_reward),
}


def samples_of(method, options):
    """Two chains."""
    return 2 * options["particles"] if method == "svdd-r" else 2


def method_case(toy, setting, folder):
    make, reward = TOYS[toy]
    method, options = SETTINGS[setting]
    return svdd.decode(make(), reward, method=method, samples=samples_of(method, options), seed=3, **options)


def resumed_case(setting, folder):
    """A run that is saved to a file in the middle of its second batch, and its other half from the file."""
    method, options = SETTINGS[setting]
    samples = samples_of(method, options)
    settings = {"method": method, "samples": samples, "batch": 1, "seed": 5, **options}
    make = partial(svdd.Decoding, models.masked(decode=models.words), golden_rewards.letters, **settings)
    whole, stopped = stepwise(make()), make(journal=svdd.ScoreCache(folder / "journal.sqlite"))
    for number, _ in enumerate(stopped, 1):
        if number == 6:
            break
    torch.save(stopped.state(), folder / "state.pt")
    stopped.close()
    state = torch.load(folder / "state.pt", weights_only=True)
    resumed = make(journal=svdd.ScoreCache(folder / "journal.sqlite")).resume(state)
    result = stepwise(resumed)
    resumed.close()
    return {
        "whole": whole,
        "resumed": result,
        "same": whole.samples == result.samples and torch.equal(whole.rewards, result.rewards),
    }


for _toy in TOYS:
    for _setting in SETTINGS:
        CASES[f"method-{_setting}-{_toy}"] = partial(method_case, _toy, _setting)
for _setting in ("svdd", "svdd-r", "smc-max", "nested-is", "beam", "blocks", "best-of-n"):
    CASES[f"resume-{_setting}"] = partial(resumed_case, _setting)


@case
def method_table(folder):
    covered = {method for method, _ in SETTINGS.values()}
    missing = sorted(set(svdd.METHODS) - covered)
    assert not missing, f"no golden case runs {', '.join(missing)}; add one to SETTINGS"
    same = {BLOCK: "block_length"}
    return {
        name: [[same.get(o, o) for o in row.options], row.returns, row.weighted] for name, row in svdd.METHODS.items()
    }


@case
def methods_as_functions(folder):
    """The algorithms without `decode`: states, values, weights and ancestors of every step."""
    process, value = models.masked(), svdd.posterior_mean(small_tokens_reward)
    given = {"chains": 2, "rng": svdd.Rng(4, 2), "temperature": 0.5}
    runs = {
        "svdd": svdd.svdd(process, value, candidates=lambda step: 2 + step % 2, **given),
        "smc": svdd.smc(process, value, particles=3, **given | {"rng": svdd.Rng(5, 2)}),
        "nested-is": svdd.nested_is(process, value, particles=2, candidates=2, **given | {"rng": svdd.Rng(6, 2)}),
    }
    return {
        name: [[step.particles.x, step.value, step.log_w, step.ancestor] for step in steps]
        for name, steps in runs.items()
    }


# values

VALUES = {
    "posterior-mean": "posterior-mean",
    "log-mean-exp": "log-mean-exp",
    "log-mean-exp-2": "log-mean-exp,samples=2",
    "rollout": "rollout",
    "rollout-2": "rollout,steps=2,samples=2",
    "zero": "zero",
}


def value_case(toy, value, folder):
    make, reward = TOYS[toy]
    return svdd.decode(make(), reward, samples=2, seed=1, value=VALUES[value], candidates=3, temperature=0.5)


for _toy in TOYS:
    for _value in VALUES:
        CASES[f"value-{_value}-{_toy}"] = partial(value_case, _toy, _value)


@case
def value_learned(folder):
    def predictor(x, t, cond):
        return (x == 0).sum(-1) - 0.25 * float(t)

    value = svdd.learned(predictor)
    settings = {"samples": 4, "candidates": 3, "temperature": 0.5, "value": value}
    return [
        svdd.decode(models.masked(), small_tokens_reward, **settings),
        svdd.decode(models.masked(), small_tokens_reward, chunks={"value": 2, "network": 1}, **settings),
        svdd.decode(models.masked(), small_tokens_reward, share=False, **settings),
    ]


@case
def value_of_a_regressor(folder):
    from sklearn.linear_model import Ridge

    tables = torch.arange(60, dtype=torch.float64).reshape(20, 3).sin().numpy()
    fitted = Ridge().fit(tables, tables.sum(1))
    value = svdd.learned(
        fitted, features=lambda x, t, cond: torch.stack([(x == k).sum(-1).double() for k in range(3)], 1)
    )
    return svdd.decode(models.masked(), small_tokens_reward, samples=3, candidates=3, value=value)


@case
def value_of_your_own(folder):
    def value(particles):
        return small_tokens_reward(particles.x0) * 0.5

    made = svdd.monte_carlo(small_tokens_reward, 3, 0.5)
    settings = {"samples": 3, "candidates": 3, "temperature": 0.5}
    return [svdd.decode(models.masked(), small_tokens_reward, value=one, **settings) for one in (value, made)]


FIT = {"rollouts": 24, "states": 3, "train_steps": 4, "batch": 16, "held_out": 8, "nested": (4, 3), "candidates": 3}
SIZES = {"channels": 8, "kernel": 3, "layers": 1, "hidden": 8}


def fit_case(settings, folder):
    """A value, what a run does with it, and the same once it was saved and read."""
    process = svdd.load("dna-enhancer", steps=4, length=24)
    value = svdd.fit_value(process, gc, **FIT | {"network_options": SIZES} | settings)
    value.save(folder / "value")
    read = svdd.load_value(folder / "value", process, gc)
    run = {"samples": 3, "candidates": 3, "temperature": settings.get("temperature", 0.5)}
    results = [svdd.decode(process, gc, value=one, **run) for one in (value, read)]
    usage = value.usage
    return {
        "card": value.card,
        "rows": [usage.network.rows, usage.network.hits, usage.decode.rows, usage.reward.rows, usage.reward.hits],
        "weights": dict(value.network.state_dict()),
        "results": results,
    }


CASES["fit-mean"] = partial(fit_case, {})
CASES["fit-soft"] = partial(fit_case, {"target": "soft", "temperature": 1.0})
CASES["fit-soft-q"] = partial(fit_case, {"target": "soft-q", "temperature": 1.0, "sweeps": 2})
CASES["fit-forward-noise"] = partial(fit_case, {"forward_noise": True, "network": "transformer", "network_options": {}})


@case
def fit_a_regressor(folder):
    from sklearn.linear_model import Ridge

    settings = FIT | {"held_out": 0, "candidates": 0, "network": Ridge(), "cache": folder / "scores.sqlite"}
    value = svdd.fit_value(models.masked(decode=models.words), golden_rewards.letters, **settings)
    result = svdd.decode(
        models.masked(decode=models.words), golden_rewards.letters, value=value, samples=3, candidates=3
    )
    return {"card": value.card, "result": result}


# bundled models and rewards

USUAL = {"value": "posterior-mean"}
"""The value that all models had at the reference commit unless another was given."""
BUNDLED = {
    "dna-enhancer": ({"length": 60}, "hepg2", ["hepg2-judge", "gc-content"], USUAL),
    "rna-utr": ({}, "mrl", ["mrl-judge", "stability", "free-energy", "no-uaug", "kozak"], USUAL),
    "rna-utr-uniform": ({}, "mrl", ["ensemble-energy", "unpaired"], {"value": "log-mean-exp,samples=2"}),
    "molecule": (
        {},
        "penalised-logp",
        ["qed", "sa", "logp", "penalised-logp-zinc", "molecular-weight", "tpsa", "rings", "passes-filters"],
        {"on_failure": {"error": "invalid"}},
    ),
    "image-small": (
        {},
        "compressibility",
        ["class-score", "class-judge", "incompressibility", "brightness", "colourfulness", "symmetry", "sharpness"],
        {},
    ),
    "toy-masked": ({}, None, [], {}),
    "toy-gaussian": ({}, None, [], {}),
}


def bundled_case(name, method, folder):
    options, reward, scores, settings = BUNDLED[name]
    process = svdd.load(name, steps=4, **options)
    guide = svdd.load_reward(reward) if reward else sum_reward
    settings = settings | {"samples": 2, "candidates": 2, "temperature": 0.5, "seed": 2} | method
    return svdd.decode(process, guide, scores={one: svdd.load_reward(one) for one in scores}, **settings)


for _name in BUNDLED:
    CASES[f"model-{_name}"] = partial(bundled_case, _name, {})
    if not _name.startswith("toy"):
        CASES[f"model-{_name}-nested"] = partial(bundled_case, _name, {"method": "nested-is", "particles": 2})


@case
def model_options(folder):
    """Precision, guidance, prompts."""
    dna = svdd.load("dna-enhancer", steps=3, length=40, precision="bfloat16")
    image = svdd.load("image-small", steps=3, prompt=["a photo of a horse"], guidance_scale=1.0, eta=0.5)
    settings = {"samples": 2, "candidates": 2}
    return [
        svdd.decode(dna, svdd.load_reward("gc-content", target=0.25), **settings | USUAL),
        svdd.decode(image, svdd.load_reward("brightness"), **settings),
    ]


@case
def rewards_with_options(folder):
    """Golden numbers of bundled rewards that take options."""
    molecules = ["c1ccccc1O", "CCO", "CC(=O)Nc1ccccc1", "not a molecule", ""]
    rewards = {
        "similarity": {"to": ["CCO", "c1ccccc1"]},
        "has-substructure": {"smarts": "c1ccccc1"},
        "lacks-substructure": {"smarts": "[OH]"},
    }
    return {name: list(map(float, svdd.load_reward(name, **given)(molecules))) for name, given in rewards.items()}


# other states

OTHER = {"samples": 3, "candidates": 3, "temperature": 0.5, "seed": 7}


@case
def nodes_and_edges(folder):
    toy = moved("product")(5)
    return [svdd.decode(toy.process, toy.reward, value=value, **OTHER) for value in ("posterior-mean", "log-mean-exp")]


@case
def uniform_noise(folder):
    return svdd.decode(moved("uniform")(5).process, small_tokens_reward, **OTHER)


@case
def mixture_noise(folder):
    return svdd.decode(moved("mixture")(5).process, sum_reward, **OTHER)


@case
def conditioning(folder):
    cond = torch.tensor([[-1.0, 2.0], [0.5, 0.5], [3.0, -2.0]], dtype=torch.float64)
    return [
        svdd.decode(models.planar(), sum_reward, cond=cond, batch=2, **OTHER),
        svdd.decode(models.planar(), sum_reward, method="smc", samples=3, particles=4, cond=cond),
    ]


@case
def miniproteins(folder):
    process, reward = newer("miniprotein", steps=4), svdd.load_reward("miniprotein-stability", pessimism=1.0)
    scores = {"judge": svdd.load_reward("miniprotein-stability-judge")}
    return svdd.decode(process, reward, scores=scores, **OTHER)


@case
def backbones(folder):
    return [
        svdd.decode(newer("proteinmpnn", path="2ysh", steps=3, order=order), lysines, **OTHER)
        for order in ("free", "ascending")
    ]


@case
def moves(folder):
    return [
        svdd.decode(models.planar(move=models.langevin, move_each=each), sum_reward, **OTHER) for each in (False, True)
    ]


# what a run wraps round a process and a reward


@case
def large_rewards(folder):
    return svdd.decode(models.masked(), tokens_reward, scores={"small": small_tokens_reward}, **OTHER)


@case
def chunks(folder):
    bounds = {"network": 3, "decode": 2, "reward": 2}
    return [
        svdd.decode(svdd.load("dna-enhancer", steps=3, length=30), gc, chunks=bounds, **OTHER | USUAL),
        svdd.decode(models.gaussian(), sum_reward, chunks=bounds, batch=2, **OTHER),
        svdd.decode(models.masked(decode=models.words), golden_rewards.letters, chunks=bounds, **OTHER),
    ]


@case
def memory_runs_out(folder):
    def reward(designs):
        if len(designs) > 2:
            raise MemoryError("golden")
        return gc(designs)

    with_less = svdd.chunked(reward, 8)
    return with_less(["GC", "A", "C", "GGG", "T"])


@case
def nothing_shared(folder):
    return [
        svdd.decode(models.masked(decode=models.words), golden_rewards.letters, share=share, **OTHER)
        for share in (False, True)
    ]


@case
def groupwise_reward(folder):
    @svdd.groupwise
    def rarer(designs):
        return [1000 / 3 / designs.count(design) + design.count("a") for design in designs]

    process = models.masked(decode=models.words)
    refusal = refused(lambda: svdd.decode(process, rarer, chunks={"reward": 4}, **OTHER))
    return [svdd.decode(process, rarer, **OTHER), refusal]


@case
def parts_of_a_reward(folder):
    """Plain wrappers, used directly."""
    seen = []

    def reward(designs):
        seen.append(len(designs))
        return gc(designs)

    asked = svdd.memoised(svdd.metered(reward))
    answers = [list(map(float, asked(designs))) for designs in (["GC", "A", "GC"], ["A", "T"])]
    return {"answers": answers, "asked": seen}


@case
def designs_told_apart_by_a_key(folder):
    return svdd.decode(
        models.planar(), sum_reward, key=lambda design: round(float(design[0]), 1), cache=folder / "c.sqlite", **OTHER
    )


FRAGILE = USUAL | {"samples": 6, "candidates": 3, "temperature": 100.0, "seed": 4}


def short_dna():
    """Words that are seldom equal."""
    return svdd.load("dna-enhancer", steps=3, length=6)


@case
def failures(folder):
    policy = {"error": "invalid", "timeout": -2.5, "nan": 0.5, "abort": 1}
    decode = partial(svdd.decode, short_dna(), golden_rewards.moody, **FRAGILE)
    return [
        decode(on_failure=policy),
        decode(on_failure=svdd.Policy(**policy, retries=2)),
        decode(on_failure=policy, share=False, scores={"length": golden_rewards.length}),
        decode(on_failure=policy, cache=folder / "scores.sqlite"),
        decode(on_failure=policy, cache=folder / "scores.sqlite"),
        refused(lambda: decode()),
        refused(lambda: decode(on_failure={"error": "invalid", "timeout": "invalid", "nan": "stop"})),
        refused(lambda: decode(on_failure=policy | {"abort": 0.01})),
    ]


def refused(call):
    """The type and the sentence of an error."""
    try:
        call()
    except (ValueError, RuntimeError, KeyError, TimeoutError) as error:
        return [type(error).__name__, str(error)]
    raise AssertionError("the call was expected to fail")


@case
def in_workers(folder):
    """Time-outs, deaths, exceptions, NaN and reasons, in processes of their own."""
    policy, name = {"nan": "invalid", "abort": 1}, f"{golden_rewards.__file__}:fragile"
    with svdd.workers(name, 2, batch=2, timeout=1.5, policy=policy) as reward:
        direct = reward(["GGT", "AAGT", "GGA", "ACGT", "TTA", "AGT", "ATG", "GAT", "CCT", "GTA"])
        result = svdd.decode(short_dna(), reward, scores={"length": golden_rewards.length}, **FRAGILE)
    with svdd.workers(golden_rewards.length, 1, batch=2, timeout=60) as reward:
        chunked = svdd.decode(short_dna(), reward, on_failure={"retries": 1}, chunks={"reward": 3}, **FRAGILE)
    return {"direct": direct, "result": result, "chunked": chunked}


@case
def a_command_as_a_reward(folder):
    reward = svdd.load_reward(f"cmd:{sys.executable} {golden_rewards.__file__} {{input.txt}}", timeout=60)
    process = svdd.load("dna-enhancer", steps=2, length=20)
    return svdd.decode(process, reward, samples=2, candidates=2, **USUAL)


@case
def cached(folder):
    process, reward = svdd.load("dna-enhancer", steps=4, length=30), svdd.load_reward("gc-content")
    settings = OTHER | USUAL | {"cache": folder / "scores.sqlite", "scores": {"hepg2": svdd.load_reward("hepg2")}}
    first, second = (svdd.decode(process, reward, **settings) for _ in range(2))
    other = svdd.decode(process, reward, **settings | {"seed": 8, "on_failure": {"nan": 0.0}})
    with svdd.ScoreCache(folder / "scores.sqlite") as cache:
        contents = [[row[k] for k in sorted(row) if isinstance(row[k], int)] for row in cache.contents()]
    return {"first": first, "second": second, "other": other, "contents": contents}


@case
def budgets(folder):
    process, reward = models.masked(decode=models.words, steps=6), golden_rewards.letters
    return {
        "planned": svdd.decode(process, reward, samples=4, candidates=8, budget={"rewards": 60}),
        "open": svdd.decode(process, reward, method="smc", samples=2, budget={"rows": 60}),
        "spent": svdd.decode(
            process,
            reward,
            samples=4,
            batch=2,
            candidates=3,
            share=False,
            value=svdd.rollout(reward, 3, 2, 0.5),
            budget=svdd.Budget(rows=150, rewards=1000),
        ),
        "impossible": refused(lambda: svdd.decode(process, reward, samples=4, candidates=8, budget={"rewards": 3})),
    }


@case
def wrong_settings(folder):
    process = models.masked()
    tries = [{"method": "svd"}, {"candidate": 3}, {"candidates": 2, "samples": 0}, {"candidates": 2, "value": "x"}]
    return [refused(lambda given=given: svdd.decode(process, tokens_reward, **given)) for given in tries]


@case
def bad_answers(folder):
    process = models.masked()
    answers = [lambda x: x.sum(-1) * math.nan, lambda x: [1.0], lambda x: "much"]
    return [refused(lambda reward=reward: svdd.decode(process, reward, candidates=2)) for reward in answers]


# objectives

PARTS = {
    "a": {"reward": f"{golden_rewards.__file__}:letters", "ramp": {"zero": 0, "one": 1400}, "weight": 2.0},
    "long": {"reward": f"{golden_rewards.__file__}:length", "sigmoid": {"middle": 3, "steepness": 0.7}},
    "near": {"reward": f"{golden_rewards.__file__}:letters", "interval": {"low": 300, "high": 700, "margin": 200}},
    "some": {"reward": f"{golden_rewards.__file__}:letters", "must": True, "at_least": 0.1},
}


@case
def objectives(folder):
    results = {}
    for combine in ("weighted-sum", "product", "geometric-mean", "thresholds", "share-of-thresholds"):
        form = moved("ObjectiveForm").model_validate({"combine": combine, "parts": PARTS})
        objective = moved("make_objective")(form)
        results[combine] = svdd.decode(
            models.masked(decode=models.words), objective, cache=folder / f"{combine}.sqlite", **OTHER
        )
    return results


@case
def objectives_that_fail(folder):
    weak = {"reward": f"{golden_rewards.__file__}:moody", "workers": 1, "batch": 4, "timeout": 60}
    whole = {"reward": f"{golden_rewards.__file__}:length"}
    form = moved("ObjectiveForm").model_validate({"parts": {"whole": whole, "weak": weak}})
    policy = {"error": "invalid", "timeout": 0.25, "nan": "invalid", "abort": 1}
    return svdd.decode(short_dna(), moved("make_objective")(form), on_failure=policy, **FRAGILE)


# images and graphs


def steer_case(make, call, settings, folder):
    steered = svdd.steer(models.seeded(make), brightness, seed=3, scores={"redness": redness}, **settings)
    output = steered(**call)
    return {"images": list(map(_pixels, output.images)), "rewards": output.rewards, "result": output.result}


def _pixels(image):
    import numpy

    return torch.from_numpy(numpy.array(image))


_SIZES = {"height": 16, "width": 16, "num_inference_steps": 3}
_STABLE = {"prompt": models.PROMPTS[:2], "guidance_scale": 3.0} | _SIZES
_FLOW = {"prompt": models.PROMPTS[0], "max_sequence_length": 16} | _SIZES
_SVDD = {"candidates": 2, "temperature": 0.01}
CASES["steer-ddpm"] = partial(steer_case, models.ddpm, {"batch_size": 2, "num_inference_steps": 3}, _SVDD)
CASES["steer-stable"] = partial(steer_case, models.stable, _STABLE, _SVDD | {"chunks": {"network": 3, "decode": 2}})
CASES["steer-stable-batches"] = partial(
    steer_case,
    models.stable,
    _STABLE,
    {"method": "smc", "particles": 2, "temperature": 0.01, "batch": 1, "return_all": True},
)
CASES["steer-flow"] = partial(steer_case, models.flow, _FLOW, _SVDD | {"value": "log-mean-exp,samples=2"})


def diffusers_case(make, options, settings, folder):
    models.seeded(make).save_pretrained(folder / "pipeline")
    process = svdd.load(f"diffusers:{folder / 'pipeline'}", steps=3, **options)
    try:
        return svdd.decode(process, redness, scores={"brightness": brightness}, samples=3, seed=2, **settings)
    finally:
        shutil.rmtree(folder / "pipeline")


_GUIDED = {"prompt": models.PROMPTS, "guidance_scale": 3.0}
CASES["diffusers-pixels"] = partial(diffusers_case, models.ddpm, {}, {"candidates": 2})
CASES["diffusers-prompts"] = partial(diffusers_case, models.stable, _GUIDED, {"candidates": 2, "batch": 2})
CASES["diffusers-smc"] = partial(
    diffusers_case, models.stable, _GUIDED, {"method": "smc", "particles": 2, "temperature": 0.01}
)


@case
def graphs(folder):
    path = models.write_gdss(folder / "graphs.safetensors", moved("shapes"))
    settings = {"samples": 2, "candidates": 2, "temperature": 0.5, "on_failure": {"error": "invalid"}}
    return [
        svdd.decode(
            svdd.load(f"gdss:{path}", steps=3, corrector=corrector),
            svdd.load_reward("qed"),
            scores={"rings": svdd.load_reward("rings")},
            **settings,
        )
        for corrector in (True, "each", False)
    ]


@case
def on_ray(folder):
    try:
        import ray
    except ImportError:
        raise Skipped("ray is not installed") from None
    make = partial(svdd.load, "dna-enhancer", steps=3, length=30)
    settings = USUAL | {"method": "svdd", "samples": 4, "candidates": 2, "temperature": 0.1, "seed": 3, "batch": 2}
    small = {"num_cpus": 0.25}
    ray.init(address="local", num_cpus=1, log_to_driver=False, include_dashboard=False)  # no other run's cluster
    try:
        here = svdd.decode_on_ray(make, "gc-content", workers=1, resources=small, **settings)
        apart = svdd.decode_on_ray(
            make,
            f"{golden_rewards.__file__}:length",
            workers=1,
            resources=small,
            reward_workers=1,
            reward_resources=small,
            **settings,
        )
    finally:
        ray.shutdown()
    return {"here": here, "apart": apart}


CASES |= COMMANDS
