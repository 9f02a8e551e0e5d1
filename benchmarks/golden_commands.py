"""Golden cases of the command line: the files that a run writes, byte for byte where they are text."""

import contextlib
import csv
import io
import json
from functools import partial
from pathlib import Path

import golden_rewards
import torch
import yaml

STOPPING = """
import signal
from pathlib import Path

CALLS = 0


def score(designs):
    return [design.count("G") + 1000 / 3 * design.count("A") for design in designs]


def other(designs):
    return [design.count("C") / 7 for design in designs]


def stopping(designs):
    \"\"\"Presses Ctrl-C in its third call since there is a file `stop` beside this one.\"\"\"
    global CALLS
    CALLS += (Path(__file__).parent / "stop").exists()
    if CALLS == 3:
        CALLS += 1
        signal.raise_signal(signal.SIGINT)
    return score(designs)
"""
DNA = ["--model", "dna-enhancer", "--steps", 4, "--length", 24]
TIMED = ("evaluation.csv", "comparison.csv", "runs.csv")
"""Tables with columns of seconds, which are compared column by column."""
USUAL = ["--value", "posterior-mean"]
"""What all models had at the reference commit unless another value was given."""
SIZES = ["--samples", 4, "--candidates", 3, "--temperature", 0.5]
SMALL = [*SIZES, *USUAL]


def call(*words):
    """Calls `svdd`; gives the exit status."""
    from svdd.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            status = int(ended.code or 0)
    if status not in (0, 130):
        raise RuntimeError(f"svdd {words[0]} ended with status {status}: {said.getvalue()}")
    return status


def written(folder):
    """What a run wrote: text as it is, numbers of its tables, and run.json."""
    import pandas as pd
    from safetensors.torch import load_file

    folder, found = Path(folder), {}
    found["files"] = sorted(path.name for path in folder.iterdir())
    for path in sorted(folder.iterdir()):
        if path.name in TIMED:
            found[path.name] = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        elif path.suffix in (".csv", ".fasta", ".smi", ".yaml"):
            found[path.name] = path.read_bytes().decode("utf-8")
        elif path.name == "steps.parquet":
            found[path.name] = of_trace(pd.read_parquet(path))
        elif path.name == "run.json":
            found[path.name] = json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            found[path.name] = load_file(path)
    return found


def of_trace(table):
    """The columns of a trace, of other numbers than whole ones the 7 digits that it keeps; early versions kept more."""
    columns = {name: torch.from_numpy(table[name].to_numpy(copy=True)) for name in table}
    return {name: column.float() if column.is_floating_point() else column for name, column in columns.items()}


def run(folder, *words, out="out"):
    """`svdd run` into a folder, and what it wrote."""
    assert call("run", *words, "--out", folder / out, "--quiet") == 0
    return written(folder / out)


def user(folder):
    """A file with a user's own rewards."""
    (folder / "user.py").write_text(STOPPING, encoding="utf-8")
    return folder / "user.py"


def run_case(words, folder):
    user(folder)
    return run(folder, *(str(word).replace("FOLDER", str(folder)) for word in words))


def stopped_case(words, folder):
    """A run that was stopped by Ctrl-C, then resumed, beside one that was not."""
    file = user(folder)
    words = [*DNA, *USUAL, "--samples", 4, "--batch", 2, "--reward", f"{file}:stopping", *words]
    whole = run(folder, *words, out="whole")
    (folder / "stop").touch()
    status = call("run", *words, "--out", folder / "parts", "--quiet")
    (folder / "stop").unlink()
    assert status == 130, "the run was expected to stop"
    assert call("resume", folder / "parts", "--quiet") == 0
    parts = written(folder / "parts")
    return {"whole": whole, "resumed": parts, "same": whole["samples.csv"] == parts["samples.csv"]}


def objective_case(folder):
    """A job in YAML, whose objective has shapes, a veto, a component in workers, and a policy."""
    file, own = user(folder), golden_rewards.__file__
    parts = {
        "g": {"reward": f"{file}:score", "ramp": {"zero": 0, "one": 4000}, "weight": 2},
        "c": {"reward": f"{file}:other", "sigmoid": {"middle": 0.5}},
        "gc": {"reward": "gc-content", "must": True, "at_least": -0.3},
        "length": {"reward": f"{own}:length", "interval": {"low": 1, "high": 40}, "workers": 1, "batch": 4},
    }
    job = {
        "model": "dna-enhancer",
        "steps": 3,
        "length": 24,
        "objective": {"combine": "geometric-mean", "parts": parts},
        "on_failure": {"error": "invalid", "retries": 1},
        "method": "nested-is",
        "particles": 2,
        "candidates": 2,
        "value": "posterior-mean",
        "samples": 4,
        "out": str(folder / "job"),
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job, sort_keys=False), encoding="utf-8")
    (folder / "goal.yaml").write_text(yaml.safe_dump(job["objective"], sort_keys=False), encoding="utf-8")
    assert call("run", folder / "job.yaml", "--quiet") == 0
    flags = run(folder, *DNA, *SMALL, "--objective", folder / "goal.yaml", out="flags")
    return {"job": written(folder / "job"), "flags": flags}


def value_case(folder):
    """A fitted value in a folder, and a run that uses it."""
    sizes = {"channels": 8, "kernel": 3, "layers": 1, "hidden": 8}
    words = [word for name, size in sizes.items() for word in ("--network-option", f"{name}={size}")]
    small = ["--rollouts", 24, "--states", 3, "--train-steps", 4, "--held-out", 0, "--candidates", 0]
    fitted = call("fit-value", *DNA, "--reward", "gc-content", *small, *words, "--out", folder / "value", "--quiet")
    assert fitted == 0
    card = json.loads((folder / "value" / "card.json").read_text(encoding="utf-8"))
    return {"card": card, "run": run(folder, *DNA, *SIZES, "--reward", "gc-content", "--value", folder / "value")}


def measured_case(folder):
    """Runs, measured and compared."""
    for seed in (0, 1):
        run(folder, *DNA, *SMALL, "--reward", "hepg2", "--seed", seed, out=f"seed-{seed}")
    assert call("evaluate", folder / "seed-0", folder / "seed-1", "--out", folder / "evaluation") == 0
    return written(folder / "evaluation")


def compared_case(folder):
    job = {"model": "dna-enhancer", "steps": 3, "length": 24, "reward": "hepg2", "candidates": 2, "samples": 3}
    job |= {"value": "posterior-mean", "out": str(folder / "job")}
    (folder / "job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")
    words = ["--methods", "pretrained,best-of-n,smc,svdd", "--seeds", 1, "--out", folder / "table", "--quiet"]
    assert call("compare", folder / "job.yaml", *words) == 0
    return written(folder / "table")


COMMANDS = {
    "run-fix": partial(
        run_case,
        [*DNA, *SMALL, "--reward", "FOLDER/user.py:score", "--fix", "3:TGAGTCA", "--score", "hepg2", "--batch", 2],
    ),
    "run-workers": partial(
        run_case,
        [*DNA, *SMALL, "--reward", "FOLDER/user.py:score", "--workers", 1, "--cache", "FOLDER/scores.sqlite"],
    ),
    "run-budget": partial(
        run_case,
        [
            *DNA,
            *USUAL,
            "--samples",
            4,
            "--reward",
            "FOLDER/user.py:score",
            "--budget",
            "rewards=60",
            "--chunk",
            "reward=5",
        ],
    ),
    "run-rna": partial(
        run_case,
        ["--model", "rna-utr", "--steps", 3, *SMALL, "--reward", "mrl", "--score", "free-energy", "--method", "svdd"],
    ),
    "run-molecule": partial(
        run_case,
        ["--model", "molecule", "--steps", 8, *SMALL, "--reward", "qed", "--fragment", "c1ccccc1*", "--score", "logp"],
    ),
    "run-image": partial(
        run_case,
        ["--model", "image-small", "--steps", 3, "--samples", 2, "--candidates", 2, "--reward", "compressibility"],
    ),
    "run-toy": partial(
        run_case,
        [
            *("--model", "toy-gaussian", "--steps", 4, "--samples", 4, "--particles", 3, "--method", "smc"),
            *("--temperature", 0.5, "--reward", f"{Path(__file__).parent / 'golden_cases.py'}:sum_reward"),
        ],
    ),
    "stopped-svdd": partial(stopped_case, ["--candidates", 3]),
    "stopped-smc": partial(stopped_case, ["--method", "smc", "--particles", 3, "--temperature", 100]),
    "run-objective": objective_case,
    "run-value": value_case,
    "run-evaluate": measured_case,
    "run-compare": compared_case,
}
