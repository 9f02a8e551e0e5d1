"""The `svdd` command. Nothing heavy is imported before a command needs it, so that `svdd --help` answers at once."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from svdd import __version__
from svdd.cli.commands import Commands, options_of

app = typer.Typer(name="svdd", cls=Commands, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, Option("--quiet", help="No progress.")]
Force = Annotated[bool, Option("--force", help="Replace the files of an earlier run in the folder.")]


def flag(kind: Any, panel: str | None, text: str) -> Any:
    """A flag that may be left out, under the heading of a panel."""
    return Annotated[kind | None, Option(help=text, rich_help_panel=panel, show_default=False)]


Judge = flag(
    str, None, "A reward that did not guide: NAME, or NAME,OPTION=VALUE,...; the guide's held-out reward unless given."
)


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


def _job() -> Any:
    from svdd.runs.job import Job

    return Job


def _value_job() -> Any:
    from svdd.runs.value_job import ValueJob

    return ValueJob


def _plan_job() -> Any:
    from svdd.runs.plan_job import PlanJob

    return PlanJob


@app.command()
@options_of(_job)
def run(
    job: Annotated[Path | None, Argument(help="A YAML file with any of these settings; flags win over it.")] = None,
    *,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    **flags: Any,
) -> None:
    """Decode a model towards a reward, and write designs, costs and a report into a folder."""
    from svdd.cli.flags import settings
    from svdd.cli.watching import Terminal
    from svdd.runs.job import Job, make_job, read_settings
    from svdd.runs.running import run_in_folder

    made = make_job(settings(Job, flags, read_settings(job) if job else {}))
    made.check_names()
    place = made.folder()  # before code of users, which may change the current folder
    _show_record(run_in_folder(made, force, Terminal(quiet)), place, json)


@app.command()
@options_of(_plan_job)
def plan(*, json: Json = False, **flags: Any) -> None:
    """Time a model and a reward on a few rows, and recommend method, value and sizes, with the cost and the command."""
    from svdd.cli.flags import settings
    from svdd.cli.planning import planned, show_plan
    from svdd.runs.guided import made_of
    from svdd.runs.plan_job import PlanJob

    show_plan(planned(made_of(PlanJob, settings(PlanJob, flags, {})), flags), json)


@app.command()
def resume(folder: Path, quiet: Quiet = False, json: Json = False) -> None:
    """Go on with a run that was stopped; the designs are those of a run that was not."""
    from svdd.cli.watching import Terminal
    from svdd.runs.running import resume_job
    from svdd.user_files import whole

    place = Path(whole(folder))
    _show_record(resume_job(place, Terminal(quiet)), place, json)


@app.command()
def demo(
    fast: Annotated[bool, Option("--fast", help="About ten seconds, for a check.")] = False,
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
    judge: Judge = None,
    model: flag(str, None, "What the likelihood is taken under; the runs' own model unless given.") = None,
    model_option: flag(list[str], None, "An option of that --model, NAME=VALUE; repeat for more.") = None,
    out: Annotated[Path, Option(help="The folder to write.")] = Path("runs/evaluation"),
    trust: Annotated[bool, Option("--trust", help="Import the model's code that the folders name.")] = False,
    force: Annotated[bool, Option("--force", help="Replace an earlier evaluation in the folder.")] = False,
    json: Json = False,
) -> None:
    """Measure runs: reward, held-out reward, naturalness, diversity, novelty and cost, with intervals."""
    from svdd.cli.evaluating import show_evaluation
    from svdd.cli.watching import Terminal
    from svdd.runs.evaluation import evaluate as measure
    from svdd.runs.options import read_options
    from svdd.runs.pairs import pairs

    options = read_options("model", model or "", pairs("model-option", model_option or []))
    given = {"reference": reference, "judge": judge, "model": model, "model_options": options}
    show_evaluation(measure(runs, out, **given, force=force, trust=trust, watch=Terminal(quiet=False)), json)


@app.command()
def hedge(
    run: Annotated[Path, Argument(help="The folder of a finished run, best of --method pretrained with many samples.")],
    *,
    judge: Judge = None,
    out: flag(Path, None, "The page to write, a file or a folder; none unless given.") = None,
    json: Json = False,
) -> None:
    """Weigh a run's designs anew: at which temperature, and at which N of best-of-N, a judge is highest."""
    from svdd.cli.hedging import show_hedge
    from svdd.cli.watching import Terminal
    from svdd.runs.doors import read
    from svdd.runs.hedging import weighed

    made = weighed(read(run), judge, Terminal(quiet=False))
    show_hedge(made, None if out is None else made.report(out), json)


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
    judge: Judge = None,
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
@options_of(_value_job)
def fit_value(
    job: Annotated[
        Path | None, Argument(help="A YAML file as of `svdd run`, whose model and reward these are; flags win over it.")
    ] = None,
    *,
    force: Annotated[bool, Option("--force", help="Replace a value that is in the folder.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    **flags: Any,
) -> None:
    """Fit a value to a model's own roll-outs, so that svdd spends T network rows per design, and write it with its card."""
    from svdd.cli.fitting import fit
    from svdd.cli.flags import settings
    from svdd.runs.guided import made_of
    from svdd.runs.value_job import ValueJob, of_job

    fit(made_of(ValueJob, settings(ValueJob, flags, of_job(job) if job else {})), force=force, quiet=quiet, json=json)


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
    """List the bundled models and the kinds of checkpoints that can be read, with the value that runs take unless given."""
    _show("models", json)


@app.command()
def rewards(json: Json = False) -> None:
    """List the bundled rewards, with their unit and range."""
    _show("rewards", json)


@app.command()
def methods(json: Json = False) -> None:
    """List the methods: what they sample from, and what a chain costs, with the value filtered too, and where that fails."""
    from svdd.cli.listing import show_methods

    show_methods(json)


def _show(what: str, json: bool) -> None:
    from svdd.cli import listing

    listing.show(getattr(listing, what)(), json)


@app.command()
def cite(method: str, json: Json = False) -> None:
    """Print what to cite for a method."""
    from svdd.cli.answering import answer
    from svdd.method.table import citations
    from svdd.runs.json_text import as_json

    papers = citations(method)
    answer(as_json(papers) if json else "\n".join(papers) or f"{method} needs no citation")


@app.command()
def schema() -> None:
    """Print the JSON schema of job files, with which editors complete and check them."""
    from svdd.cli.answering import answer
    from svdd.runs.job import Job
    from svdd.runs.json_text import as_json

    answer(as_json(Job.model_json_schema()))


@app.command()
def doctor(
    reward: flag(str, None, "A reward to ask about four designs of --model, instead: is it ready for a run?") = None,
    reward_option: flag(list[str], None, "Options of the reward, NAME=VALUE; repeat for more.") = None,
    model: flag(str, None, "The model whose designs the reward is asked about.") = None,
    deep: Annotated[bool, Option("--deep", help="Import the packages and load all that is bundled, too.")] = False,
    json: Json = False,
) -> None:
    """Check this installation: versions and extras, with --deep devices and bundled weights; or a reward before a run."""
    from svdd.cli.doctor import examine, examine_reward
    from svdd.cli.listing import show

    if reward or model:
        show(examine_reward(reward, model, reward_option or []), json)
        return
    rows = examine(deep)
    show(rows, json)
    if not all(row["ok"] for row in rows if not row["check"].startswith("extra")):
        raise typer.Exit(1)


def _show_record(record: dict[str, Any], folder: Path, json: bool) -> None:
    from svdd.cli.answering import answer
    from svdd.cli.summary import summary
    from svdd.runs.json_text import as_json

    answer(as_json(record | {"folder": str(folder)}) if json else summary(record, folder))


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: runs a command, and turns what goes wrong into a sentence and an exit status."""
    from svdd.cli.answering import a_process_of_ours, no_more_answers
    from svdd.cli.sentences import notes, report, say
    from svdd.exits import exits_as_errors
    from svdd.runs.watching import RunStopped

    if (
        arguments is None
    ):  # in a process of ours imports leave no garbage, and to look for it takes a tenth of their time
        gc.set_threshold(10_000)
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    command = typer.main.get_command(app)
    try:
        with a_process_of_ours(sys.argv[0]), notes(), exits_as_errors("code that the command runs"):
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
    if arguments is None:
        no_more_answers()
    sys.exit(status or 0)
