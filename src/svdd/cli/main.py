"""The `svdd` command. Nothing heavy is imported before a command needs it, so that `svdd --help` answers at once."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from svdd import __version__

app = typer.Typer(name="svdd", add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, Option("--quiet", help="No progress.")]
Force = Annotated[bool, Option("--force", help="Replace the files of an earlier run in the folder.")]


def flag(kind: Any, panel: str | None, text: str) -> Any:
    """A flag that may be left out, under the heading of a panel."""
    return Annotated[kind | None, Option(help=text, rich_help_panel=panel, show_default=False)]


def _version(asked: bool) -> bool:
    if asked:
        print(__version__)
        raise typer.Exit
    return asked


@app.callback()
def common(
    version: Annotated[bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error; also after any command.")] = False,
) -> None:
    """Decode a pretrained diffusion model towards any reward."""


@app.command()
def run(
    job: Annotated[Path | None, Argument(help="A YAML file with any of these settings; flags win over it.")] = None,
    *,
    model: flag(str, "Model", "A name of `svdd models`, module:function or file.py:function.") = None,
    steps: flag(int, "Model", "Reverse steps.") = None,
    length: flag(int, "Model", "Letters of a sequence.") = None,
    model_option: flag(list[str], "Model", "Further options of the model, NAME=VALUE; repeat for more.") = None,
    reward: flag(
        str,
        "Reward",
        "A name of `svdd rewards`, module:function, file.py:function, docking:TARGET, 'cmd:PROGRAM ...' or http://...",
    ) = None,
    reward_option: flag(list[str], "Reward", "Options of the reward, NAME=VALUE; repeat for more.") = None,
    objective: flag(Path, "Reward", "A YAML file with several rewards as one, in the place of --reward.") = None,
    score: flag(
        list[str], "Reward", "Another reward, as a column: REWARD or TITLE=REWARD,NAME=VALUE,...; repeat for more."
    ) = None,
    workers: flag(
        int, "Reward", "Processes for a reward that is slow, hangs or crashes; the engine's, if given."
    ) = None,
    reward_timeout: flag(float, "Reward", "Seconds a design may take in a worker; a call, outside of Python.") = None,
    reward_batch: flag(int, "Reward", "Designs a worker or an address is given at a time.") = None,
    reward_memory: flag(float, "Reward", "MB a worker may take beyond the loaded reward.") = None,
    command_folder: flag(Path, "Reward", "Where programs (cmd:) start; this folder unless given.") = None,
    on_failure: flag(
        list[str], "Reward", "nan=, error= or timeout=stop, invalid or a number; retries=2; abort=0.5; repeat."
    ) = None,
    cache: flag(Path, "Reward", "A file of scores, shared with other runs.") = None,
    budget: flag(list[str], "Run", "rewards=2000, rows=... (of the network) or seconds=...; repeat.") = None,
    method: flag(str, "Method", "A name of `svdd methods`; svdd unless given.") = None,
    value: flag(
        str,
        "Method",
        "posterior-mean (the default), log-mean-exp, rollout, zero, with options as in log-mean-exp,samples=8, or a folder of "
        "`svdd fit-value`.",
    ) = None,
    force_value: Annotated[
        bool | None,
        Option("--force-value", help="Use the folder's value with another model or reward.", rich_help_panel="Method"),
    ] = None,
    candidates: flag(int, "Method", "Candidates a step, M.") = None,
    particles: flag(int, "Method", "Particles a chain, N.") = None,
    width: flag(int, "Method", "Beam width.") = None,
    temperature: flag(float, "Method", "Unit of reward in the choice; 0 takes the best.") = None,
    replace: flag(str, "Method", "Share of particles that svdd-r replaces, or all.") = None,
    ess: flag(float, "Method", "Resample below this part of the effective sample size.") = None,
    potential: flag(str, "Method", "difference, max or sum (smc).") = None,
    prior_candidates: flag(int, "Method", "Initial noises to choose from.") = None,
    every: flag(int, "Method", "Choose only at every so many steps.") = None,
    window: flag(str, "Method", "Choose only within these times, such as 0.8,0.2.") = None,
    block_length: flag(int, "Method", "Steps of a block (blocks).") = None,
    template: flag(Path, "Sequences", "FASTA of templates: letters stay, N is designed.") = None,
    fix: flag(list[str], "Sequences", "POSITION:LETTERS to keep, such as 90:TGAGTCA (1 is first); repeat.") = None,
    start: flag(Path, "Sequences", "FASTA of sequences to revise, with --noise.") = None,
    noise: flag(float, "Sequences", "Share of letters to redesign with --start.") = None,
    fragment: flag(str, "Molecules", "SMILES that designs hold and grow from, * where; two with one * to link.") = None,
    samples: flag(int, "Run", "Designs; 64 unless given.") = None,
    seed: flag(int, "Run", "Seed; 0 unless given.") = None,
    batch: flag(int, "Run", "Chains at once; all unless given.") = None,
    chunk: flag(list[str], "Run", "Rows at a time, network=64, decode=..., reward=... or value=...; repeat.") = None,
    engine: flag(str, "Run", "ray, or the address of a Ray cluster: chains run on its workers.") = None,
    ray_workers: flag(int, "Run", "Workers of the engine; 2 unless given.") = None,
    ray_resources: flag(list[str], "Run", "Of each of them, num_gpus=1 or num_cpus=4; repeat for more.") = None,
    reward_resources: flag(list[str], "Run", "Of each of --workers on the engine, num_cpus=2; repeat.") = None,
    save_seconds: flag(float, "Run", "Seconds between saves of an unfinished run; 30 unless given.") = None,
    out: flag(Path, "Run", "The folder to write.") = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Decode a model towards a reward, and write designs, costs and a report into a folder."""
    given = {k: v for k, v in locals().items() if v is not None and k not in ("job", "force", "quiet", "json")}
    from svdd.cli.flags import settings
    from svdd.cli.watching import Terminal
    from svdd.runs.job import make_job, read_settings
    from svdd.runs.running import run_job

    made = make_job((read_settings(job) if job else {}) | settings(given))
    _show_record(run_job(made, force, Terminal(quiet)), Path(made.out), json)


@app.command()
def resume(folder: Path, quiet: Quiet = False, json: Json = False) -> None:
    """Go on with a run that was stopped; the designs are those of a run that was not."""
    from svdd.cli.watching import Terminal
    from svdd.runs.running import resume_job

    _show_record(resume_job(folder, Terminal(quiet)), folder, json)


@app.command()
def demo(
    fast: Annotated[bool, Option("--fast", help="A few seconds, for a check.")] = False,
    full: Annotated[bool, Option("--full", help="More steps and candidates.")] = False,
    out: Annotated[Path, Option(help="The folder to write.")] = Path("runs/demo"),
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Decode enhancers with svdd, and compare with other methods at the same cost."""
    from svdd.cli.demo import demo_request, run_demo

    if fast and full:
        raise typer.BadParameter("--fast and --full exclude each other")
    variant = {(True, False): "fast", (False, True): "full"}.get((fast, full), "")
    run_demo(demo_request(out, variant), force=force, quiet=quiet, json=json)


@app.command()
def evaluate(
    runs: Annotated[
        list[Path], Argument(help="Folders of finished runs; those that differ only in the seed share a row.")
    ],
    *,
    reference: flag(
        Path, None, "FASTA, SMILES or a folder of images to compare with; what came with the model unless given."
    ) = None,
    judge: flag(str, None, "A reward that did not guide; the guide's held-out twin unless given.") = None,
    model: flag(str, None, "What the likelihood is taken under; the runs' own model unless given.") = None,
    out: Annotated[Path, Option(help="The folder to write.")] = Path("runs/evaluation"),
    force: Annotated[bool, Option("--force", help="Replace an earlier evaluation in the folder.")] = False,
    json: Json = False,
) -> None:
    """Measure runs: reward, held-out reward, naturalness, diversity, novelty and cost, with intervals."""
    from svdd.cli.evaluating import show_evaluation
    from svdd.runs.evaluation import evaluate as measure

    show_evaluation(measure(runs, out, reference=reference, judge=judge, model=model, force=force), json)


@app.command()
def compare(
    job: Annotated[
        Path, Argument(help="A job as of `svdd run`, whose method and sizes are the cost to match; or a comparison.")
    ],
    *,
    methods: flag(
        str, None, "Names of `svdd methods`, with commas; pretrained,best-of-n,smc,svdd unless given."
    ) = None,
    match: flag(str, None, "What is equal: network-rows (the default), reward-calls, seconds or none.") = None,
    seeds: flag(int, None, "Runs of each, from the job's seed on; 5 unless given.") = None,
    temperatures: flag(str, None, "To sweep, such as 0,0.25,1; the job's, or a method's own, unless given.") = None,
    option: flag(list[str], None, "METHOD.NAME=VALUE, such as smc.ess=0.8; repeat for more.") = None,
    judge: flag(str, None, "A reward that did not guide; the guide's held-out twin unless given.") = None,
    pool: flag(int, None, "Unguided samples per seed from which pretrained and best-of-n are read.") = None,
    out: Annotated[Path, Option(help="The folder to write; what is in it already is not run again.")] = Path(
        "runs/comparison"
    ),
    force: Annotated[bool, Option("--force", help="Run again what is in the folder already.")] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compare methods at equal cost: quantiles, held-out reward, naturalness, diversity and costs, with intervals."""
    from svdd.cli.comparing import compare as run_all
    from svdd.cli.comparing import settings
    from svdd.runs.compare_request import request_of

    given = {"match": match, "seeds": seeds, "judge": judge, "pool": pool}
    given |= settings(methods=methods, temperatures=temperatures, options=option)
    request = request_of(job, out, **{name: value for name, value in given.items() if value is not None})
    run_all(request, force=force, quiet=quiet, json=json)


@app.command("fit-value")
def fit_value(
    *,
    model: Annotated[str, Option(help="A name of `svdd models`, module:function or file.py:function.")],
    reward: Annotated[str, Option(help="A name of `svdd rewards`, module:function or file.py:function.")],
    reward_option: flag(list[str], "Reward", "Options of the reward, NAME=VALUE; repeat for more.") = None,
    out: Annotated[Path, Option(help="The folder to write.")],
    steps: flag(int, "Model", "Reverse steps; those of the runs that will use the value.") = None,
    length: flag(int, "Model", "Letters of a sequence.") = None,
    model_option: flag(list[str], "Model", "Further options of the model, NAME=VALUE; repeat for more.") = None,
    target: flag(str, "Value", "mean (the default), soft or soft-q.") = None,
    temperature: flag(float, "Value", "Unit of reward of soft and soft-q; that of the runs.") = None,
    network: flag(
        str, "Value", "convolutional (default up to 64 letters), pooled (beyond), transformer, graph or image."
    ) = None,
    network_option: flag(list[str], "Value", "Sizes of the network, NAME=VALUE; repeat for more.") = None,
    rollouts: flag(int, "Value", "Unguided chains to learn from; 2000 unless given.") = None,
    states: flag(int, "Value", "States kept of each; 8 unless given.") = None,
    children: flag(int, "Value", "Children of a state (soft-q); 8 unless given.") = None,
    train_steps: flag(int, "Value", "Optimiser steps; 1000 unless given.") = None,
    learning_rate: flag(float, "Value", "Its peak; 0.002 unless given.") = None,
    forward_noise: flag(bool, "Value", "Learn from the chains' designs masked again, not from their states.") = None,
    invalid: flag(
        float, "Value", "The reward that an invalid design counts as; target mean needs it to meet one."
    ) = None,
    held_out: flag(int, "Card", "Roll-outs to measure on; 256 unless given, 0 for none.") = None,
    candidates: flag(int, "Card", "M of the break-even; 10 unless given.") = None,
    seed: flag(int, "Run", "Seed; 0 unless given.") = None,
    cache: flag(Path, "Run", "A file of scores, shared with other fits and runs.") = None,
    chunk: flag(list[str], "Run", "Rows at a time, network=64, decode=... or reward=...; repeat.") = None,
    force: Annotated[bool, Option("--force", help="Replace a value that is in the folder.")] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Fit a value to a model's own roll-outs, so that svdd spends T network rows a design, and write it with its card."""
    given = {k: v for k, v in locals().items() if v is not None and k not in ("out", "force", "quiet", "json")}
    from svdd.cli.fitting import fit
    from svdd.cli.flags import settings

    fit(settings(given), out, force=force, quiet=quiet, json=json)


@app.command()
def cache(
    path: Annotated[Path, Argument(help="A file of scores, as --cache wrote it.")],
    prune: Annotated[float | None, Option(help="Forget scores older than so many days.")] = None,
    reward: Annotated[str | None, Option(help="Forget scores of this reward only.")] = None,
    json: Json = False,
) -> None:
    """Show what a file of scores holds, or forget some of it."""
    from svdd.cli.caching import show_cache

    show_cache(path, prune, reward, json)


@app.command()
def models(json: Json = False) -> None:
    """List the bundled models and the kinds of checkpoints that can be read."""
    _show("models", json)


@app.command()
def rewards(json: Json = False) -> None:
    """List the bundled rewards, with their unit and range."""
    _show("rewards", json)


@app.command()
def methods(json: Json = False) -> None:
    """List the methods: what they sample from, and what a chain costs (T steps, M candidates, N or n particles)."""
    _show("methods", json)


def _show(what: str, json: bool) -> None:
    from svdd.cli import listing

    listing.show(getattr(listing, what)(), json)


@app.command()
def cite(method: str, json: Json = False) -> None:
    """Print what to cite for a method."""
    from svdd.method.table import citations
    from svdd.runs.folder import as_json

    papers = citations(method)
    print(as_json(papers) if json else "\n".join(papers) or f"{method} needs no citation")


@app.command()
def doctor(json: Json = False) -> None:
    """Check this installation: versions, extras, threads, devices, bundled weights."""
    from svdd.cli.doctor import examine
    from svdd.cli.listing import show

    rows = examine()
    show(rows, json)
    if not all(row["ok"] for row in rows if not row["check"].startswith("extra")):
        raise typer.Exit(1)


def _show_record(record: dict[str, Any], folder: Path, json: bool) -> None:
    from svdd.cli.summary import summary
    from svdd.runs.folder import as_json

    print(as_json(record | {"folder": str(folder)}) if json else summary(record, folder))


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: runs a command, and turns what goes wrong into a sentence and an exit status."""
    from svdd.cli.sentences import notes, report, say
    from svdd.runs.watching import RunStopped

    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    command = typer.main.get_command(app)
    try:
        with notes():
            status = command([word for word in given if word != "--debug"], prog_name="svdd", standalone_mode=False)
        if status == 130:
            raise KeyboardInterrupt
    except RunStopped as stopped:
        say(str(stopped))
        status = 130
    except (KeyboardInterrupt, typer.Abort):
        say("stopped at once")
        status = 130
    except Exception as error:
        report(error, debug)
        status = 2
    sys.exit(status or 0)
