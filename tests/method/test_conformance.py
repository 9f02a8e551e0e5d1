"""What every row of METHODS promises, on every kind of state."""

import inspect
import re
import typing

import pytest
import torch

from support.processes import PROCESSES, SETTINGS, designs_a_chain, reward, streams
from svdd import METHODS, decode
from svdd.decoding.decoding import Decoding, make_method
from svdd.decoding.decoding import last as last_step
from svdd.method import cadence
from svdd.method.table import CADENCE, REFERENCES, Method
from svdd.method.values import posterior_mean

pytestmark = pytest.mark.filterwarnings(
    "ignore::svdd.method.algorithms.OverTiltWarning",
    "ignore::svdd.decoding.alarms.DegenerateProposalWarning",
)


def plain(method):
    return next(options for name, options in SETTINGS.values() if name == method)


def rows(formula, steps, options):
    """The number a formula of the table stands for."""
    n = options.get("particles", options.get("width", 1))
    numbers = {
        "N": n,
        "n": n,
        "T": steps,
        "M": options.get("candidates", 1),
        "L": options.get("block_length", 1),
        "every": 1,
        "K": options.get("moves", 0),
        "f": options.get("fraction", 1),
    }
    spaced = re.sub(r"(?<=[\dA-Za-z)])(?=[A-Z(])", "*", formula)
    return eval(spaced, {}, numbers)


def test_every_method_is_tested():
    assert {method for method, _ in SETTINGS.values()} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_row_is_complete(name):
    row = METHODS[name]
    assert isinstance(row, Method)
    assert 0 < len(row.summary) <= 80
    assert row.returns in typing.get_args(typing.get_type_hints(Method)["returns"])
    assert set(row.references) <= set(REFERENCES)
    assert row.target
    assert make_method(name, plain(name)) is row


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_documented_with_its_cost(name):
    text = inspect.getdoc(METHODS[name].function)
    assert text.splitlines()[0].endswith((".", "$"))
    cost = text.split("Cost:")[1]
    assert re.search(r"network rows", cost)
    if name not in ("pretrained", "best-of-n"):
        assert "References:" in text


@pytest.mark.parametrize("name", METHODS)
def test_options_are_parameters_of_the_function(name):
    row = METHODS[name]
    parameters = inspect.signature(row.function).parameters
    own = {k: p.default for k, p in parameters.items() if p.kind is p.KEYWORD_ONLY and k != "selector"}
    assert own == row.defaults()
    assert any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def test_the_cadence_in_the_table_is_that_of_the_loop():
    parameters = inspect.signature(cadence.run_guided).parameters
    assert {name: parameters[name].default for name in CADENCE} == CADENCE


@pytest.mark.parametrize("name", METHODS)
def test_a_method_without_sizes_runs_at_those_of_the_table(name):
    row = METHODS[name]
    samples = row.designs_per_chain({})
    result = decode(PROCESSES["masked"](steps=6), reward, method=name, samples=samples)
    given = decode(PROCESSES["masked"](steps=6), reward, method=name, samples=samples, **row.defaults())
    assert torch.equal(result.samples, given.samples)
    assert row.defaults().items() <= result.settings.items()


@pytest.mark.slow
@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_method_runs_on_every_kind_of_state(setting, process):
    method, options = SETTINGS[setting]
    toy = PROCESSES[process](steps=3)
    steps = METHODS[method].function(toy, posterior_mean(reward), chains=2, rng=streams(2), **options)
    last = last_step(steps)
    assert last.particles.final
    assert last.particles.step == 3
    assert bool(last.value.isfinite().all())
    assert bool(last.log_w.isfinite().any(1).all())
    assert method == "refine" or bool(last.log_w.isfinite().all())  # whose best designs are beside the law


@pytest.mark.parametrize("name", METHODS)
def test_the_rows_in_the_table_are_the_rows_of_a_run(name):
    options = plain(name) | ({"block_length": 1} if name == "blocks" else {})
    if name == "svdd-r":
        options |= {"replace": None}
    samples = 2 * designs_a_chain(name, options)
    decoding = Decoding(PROCESSES["masked"](steps=6), reward, method=name, samples=samples, share=False, **options)
    assert len(list(decoding)) == 6 + options.get("moves", 0)
    formulas = METHODS[name].network_rows, METHODS[name].reward_rows
    expected = [2 * rows(formula, 6, options) for formula in formulas]
    if name == "blocks":  # blocks of one step do not carry M trajectories
        expected[0] = 2 * (1 + 5 * options["candidates"])
    assert [decoding.usage.network.asked, decoding.usage.reward.asked] == expected


@pytest.mark.parametrize("name", METHODS)
def test_filtered_asks_the_network_for_winners_alone(name):
    options = plain(name) | ({"block_length": 3} if name == "blocks" else {})
    if name == "svdd-r":
        options |= {"replace": None}
    samples = 2 * designs_a_chain(name, options)
    settings = {"method": name, "value": "filtered", "samples": samples} | options
    decoding = Decoding(PROCESSES["masked"](steps=6), reward, **settings)
    assert len(list(decoding)) == 6 + options.get("moves", 0)
    assert decoding.usage.network.asked == 2 * rows(METHODS[name].filtered_rows, 6, options)
    assert decoding.usage.network.rows <= decoding.usage.network.asked
    assert decoding.usage.reward.asked == 2 * rows(METHODS[name].reward_rows, 6, options)


@pytest.mark.parametrize("name", METHODS)
def test_designs_and_weights_are_those_the_table_promises(name):
    samples = 2 * designs_a_chain(name, plain(name))
    result = decode(PROCESSES["text"](), reward, method=name, samples=samples, **plain(name))
    assert len(result) == samples
    assert (result.log_z is not None) == METHODS[name].weighted
    assert all(len(word) == 4 and "-" not in word for word in result.samples)
    assert torch.equal(result.rewards, torch.tensor(reward(result.samples), dtype=torch.float64))
