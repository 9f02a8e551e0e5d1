import time
from functools import partial

import pytest
import ray
import torch

import svdd

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own processes, pipes and deprecations
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),  # one cluster, in one worker
    pytest.mark.timeout(900),  # each starts processes that import torch, beside the other tests
]

SETTINGS = {"method": "svdd", "samples": 6, "candidates": 3, "temperature": 0.1, "seed": 3}
SMALL = {"num_cpus": 0.5}


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes on this machine; the driver is on the first."""
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_worker_niceness", "0")  # 15 by default: actors would starve beside other tests
    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)  # before there is a second node that it might choose
    second = cluster.add_node(**node)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()
    patch.undo()


@pytest.fixture(scope="module")
def local():
    make = partial(svdd.load, "dna-enhancer", steps=6, length=40)
    return make, "gc-content", svdd.decode(make(), svdd.load_reward("gc-content"), **SETTINGS)


def same(left, right):
    return left.samples == right.samples and torch.equal(left.rewards, right.rewards)


def test_the_designs_are_those_of_the_local_run(nodes, local):
    process, reward, expected = local
    seen = []
    options = {"workers": 2, "resources": SMALL, "batch": 2, "progress": lambda done, all_: seen.append((done, all_))}
    result = svdd.decode_on_ray(process, reward, **options, **SETTINGS)
    assert same(result, expected)
    assert torch.equal(result.trace.rows()[:, 4].sort().values, expected.trace.rows()[:, 4].sort().values)
    assert result.usage.network.asked == expected.usage.network.asked
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_rewards_have_workers_of_their_own(nodes, local):
    process, reward, expected = local
    options = {"workers": 1, "resources": SMALL, "reward_workers": 2, "reward_resources": {"num_cpus": 0.25}}
    assert same(svdd.decode_on_ray(process, reward, **options, **SETTINGS), expected)


@pytest.mark.parametrize("reward_workers", [0, 1])
def test_names_travel_with_their_options(nodes, reward_workers):
    names = {"model_options": {"steps": 6, "length": 40}, "reward_options": {"target": 0.25}}
    expected = svdd.decode("dna-enhancer", "gc-content", **names, **SETTINGS)
    options = {
        "workers": 1,
        "resources": SMALL,
        "reward_workers": reward_workers,
        "reward_resources": {"num_cpus": 0.25},
    }
    assert same(svdd.decode_on_ray("dna-enhancer", "gc-content", **options, **names, **SETTINGS), expected)


def test_functions_of_images_are_given_what_they_take_in_workers_of_their_own(nodes):
    from exact import image_checks
    from support import image_functions

    settings = {"method": "svdd", "samples": 3, "candidates": 2, "seed": 1, "cond": image_checks.COND}
    options = {
        "workers": 1,
        "resources": SMALL,
        "reward_workers": 1,
        "reward_resources": {"num_cpus": 0.25},
    }
    process = partial(svdd.load, f"{image_checks.__file__}:process")
    result = svdd.decode_on_ray(process, f"{image_functions.__file__}:fitting", **options, **settings)
    expected = svdd.decode(image_checks.process(), image_functions.fitting, **settings)
    assert torch.equal(result.rewards, expected.rewards)
    assert torch.equal(result.samples["images"], expected.samples["images"])
    assert result.rewards.floor().tolist() == [1, 5, 10]


def test_a_change_of_a_reward_on_actors_leaves_the_reward_as_it_was(nodes):
    from support import image_functions
    from svdd.clusters.remote_reward import reward_on_ray
    from svdd.domains.image.rewards.image_reward import as_reward

    make = partial(svdd.load_reward, f"{image_functions.__file__}:process_id")
    with reward_on_ray(make(), make, 1, {"num_cpus": 0.25}) as reward:
        adapted = as_reward(reward)
        assert as_reward(adapted) is adapted
        (whole,), (half,) = reward(["no image"]).tolist(), adapted(torch.zeros(1, 3, 4, 4)).tolist()
        assert (whole % 1, half) == (0, whole + 0.5)
        assert reward(["no image"]).tolist() == [whole]


@pytest.mark.parametrize("reward_workers", [0, 2])
def test_components_of_an_objective_are_columns_wherever_they_are_asked(nodes, local, reward_workers):
    from svdd.rewards import ramp, weighted_sum

    def no_t(designs):
        return [svdd.Invalid("starts with a T") if design.startswith("T") else 1.0 for design in designs]

    def gc(designs):
        return [float(design.count("G") + design.count("C")) for design in designs]

    objective = weighted_sum({"no_t": no_t, "gc": ramp(gc, 0, 40)})
    expected = svdd.decode(local[0](), objective, **SETTINGS)
    options = {"workers": 1, "resources": SMALL, "reward_workers": 1, "batch": 3}
    result = svdd.decode_on_ray(local[0], objective, **options, reward_resources={"num_cpus": 0.25}, **SETTINGS)
    assert same(result, expected)
    assert torch.equal(result.scores["gc"], expected.scores["gc"])
    assert set(result.breakdown.invalid) == set(expected.breakdown.invalid) == {"starts with a T"}
    asked = {name: cost.asked for name, cost in result.breakdown.components.items()}
    assert {*asked} == {"no_t", "gc"}
    assert asked["gc"] < asked["no_t"]


def test_what_a_reward_raises_is_raised_here(nodes, local):
    def reward(designs):
        raise KeyError("the oracle is away")

    with pytest.raises(KeyError, match="the oracle is away"):
        svdd.decode_on_ray(local[0], reward, workers=1, resources=SMALL, **SETTINGS)


def test_sizes_are_refused_before_anything_travels(local):
    with pytest.raises(ValueError, match="workers >= 1"):
        svdd.decode_on_ray(local[0], local[1], workers=0, **SETTINGS)
    with pytest.raises(ValueError, match="candidates"):
        svdd.decode_on_ray(local[0], local[1], candidate=3)


RUN = [
    "run",
    "--model",
    "dna-enhancer",
    "--length",
    "40",
    "--steps",
    "4",
    "--samples",
    "4",
    "--candidates",
    "2",
    "--quiet",
]


def svdd_command(words):
    from svdd.cli.main import main

    with pytest.raises(SystemExit) as status:
        main([str(word) for word in words])
    return status.value.code


def samples(folder):
    return (folder / "samples.csv").read_bytes()


@pytest.mark.parametrize("more", [[], ["--workers", "2", "--reward-resources", "num_cpus=0.25"]])
def test_the_command_line_writes_the_run_of_the_local_engine(nodes, tmp_path, more):
    common = [*RUN, "--reward", "gc-content"]
    assert svdd_command([*common, "--out", tmp_path / "here"]) == 0
    there = ["--engine", "ray", "--ray-workers", "1", "--ray-resources", "num_cpus=0.5"]
    assert svdd_command([*common, *there, *more, "--out", tmp_path / "ray"]) == 0
    assert samples(tmp_path / "here") == samples(tmp_path / "ray")


CRASHES = """
import os

def score(designs):
    if any(design.startswith("C") for design in designs):
        os._exit(1)
    return [design.count("G") for design in designs]
"""


def test_a_design_that_crashes_a_reward_costs_that_design_on_a_cluster_too(nodes, tmp_path):
    (tmp_path / "crashes.py").write_text(CRASHES)
    common = [*RUN, "--reward", f"{tmp_path}/crashes.py:score", "--workers", "1"]
    assert svdd_command([*common, "--out", tmp_path / "here"]) == 0
    there = ["--engine", "ray", "--ray-workers", "1", "--ray-resources", "num_cpus=0.5"]
    there += ["--reward-resources", "num_cpus=0.25"]
    assert svdd_command([*common, *there, "--out", tmp_path / "ray"]) == 0
    assert samples(tmp_path / "here") == samples(tmp_path / "ray")


COMES_BACK = """
from pathlib import Path

here = Path(__file__).parent

def score(designs):
    with open(here / "calls", "a") as calls:
        calls.write("\\n".join(designs) + "\\n")
    if not (here / "back").exists() and len((here / "calls").read_text().split()) > 12:
        raise OSError("the oracle is away")
    return [design.count("G") for design in designs]
"""


def test_a_run_that_fails_keeps_the_batches_it_has_finished(nodes, tmp_path, capsys):
    (tmp_path / "oracle.py").write_text(COMES_BACK)
    common = [*RUN, "--reward", f"{tmp_path}/oracle.py:score", "--batch", "1"]
    there = ["--engine", "ray", "--ray-workers", "1", "--ray-resources", "num_cpus=0.5"]
    assert svdd_command([*common, *there, "--out", tmp_path / "ray"]) == 2
    told = capsys.readouterr().err
    assert "the oracle is away" in told
    assert "svdd resume" in told
    finished = len(list((tmp_path / "ray").glob("batch-*.pt")))
    assert 1 <= finished < 4
    (tmp_path / "back").touch()
    (tmp_path / "calls").unlink()
    assert svdd_command(["resume", tmp_path / "ray", "--quiet"]) == 0
    again = len((tmp_path / "calls").read_text().split())
    (tmp_path / "calls").unlink()
    assert svdd_command([*common, "--out", tmp_path / "here"]) == 0
    assert samples(tmp_path / "here") == samples(tmp_path / "ray")
    assert again < len((tmp_path / "calls").read_text().split())  # what was finished was not paid for again
    assert not list((tmp_path / "ray").glob("batch-*.pt"))


def test_a_budget_is_refused(local):
    make, reward, _ = local
    with pytest.raises(ValueError, match="budget"):
        svdd.decode_on_ray(make, reward, workers=1, resources=SMALL, budget={"rewards": 100}, **SETTINGS)


def test_a_node_lost_in_mid_run_is_made_up_for(nodes, local):
    cluster, second = nodes
    process, _, expected = local

    def slow(designs):
        time.sleep(0.3)
        return svdd.load_reward("gc-content")(designs)

    lost = []

    def progress(done, total):
        if not lost:
            lost.append(second)
            cluster.remove_node(second, allow_graceful=False)

    result = svdd.decode_on_ray(process, slow, workers=2, resources=SMALL, batch=1, progress=progress, **SETTINGS)
    assert lost
    assert same(result, expected)
    assert sum(node["Alive"] for node in ray.nodes()) == 1
