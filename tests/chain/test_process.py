"""Particles: everything that belongs to a row goes with it, and the network is asked once."""

import re
from dataclasses import replace

import pytest
import torch

from support.places import ROOT
from support.processes import (
    DIMENSION,
    LENGTH,
    VOCABULARY,
    gaussian,
    gaussian_network,
    langevin,
    masked,
    mixed,
    spied,
    streams,
)
from svdd.chain.denoisers import from_x0
from svdd.chain.distributions import Dirac
from svdd.chain.process import Process
from svdd.chain.rng import Rng, UnevenChains
from svdd.chain.tree import leaves, repeat, rows


@pytest.mark.parametrize("make", [gaussian, masked, mixed])
def test_a_chain_runs_from_the_prior_to_the_end(make):
    process = make(steps=3)
    particles = process.start(4, (), streams(4))
    times = [float(particles.t)]
    while not particles.final:
        particles = particles.propose(1)
        times.append(float(particles.t))
    assert times == process.times.tolist()
    assert process.steps == particles.step == 3
    assert len(particles) == 4
    assert particles.x0 is particles.x


def test_the_network_is_asked_once_for_prediction_and_kernel():
    process, asked = spied(gaussian)
    particles = process.start(2, (), streams(2))
    for use in (lambda p: p.x0, lambda p: p.kernel, lambda p: p.propose(3), lambda p: p[torch.tensor([1, 1])].kernel):
        use(particles)
    assert len(asked) == 1
    child = particles.propose(1)
    child.x0, child.kernel, child.propose(2)
    assert len(asked) == 2
    assert asked[1][0] is child.x
    assert asked[1][1] == float(process.times[1])


def test_a_finished_particle_asks_nothing():
    process, asked = spied(gaussian, steps=1)
    particles = process.start(2, (), streams(2)).propose(1)
    asked.clear()
    assert particles.final
    assert particles.x0 is particles.x
    assert asked == []


def test_a_move_is_made_once_and_asks_the_network_once_more():
    process, asked = spied(gaussian, move=langevin)
    particles = process.start(2, (), streams(2))
    for use in (lambda p: p.kernel, lambda p: p.propose(3), lambda p: p.propose(2)):
        use(particles)
    assert [x is particles.x for x, _, _ in asked] == [True, False]
    moved = particles.moved
    assert asked[1][0] is moved.x
    assert asked[0][1] == asked[1][1] == float(particles.t)
    here = process.transition(moved.x, moved.posterior, particles.t, process.times[1])
    assert torch.equal(particles.kernel.mean, here.mean)
    assert moved.moved is moved
    assert gaussian().start(2, (), streams(2)).propose(1).moved.process.move is None


def test_a_move_draws_from_the_chains_own_stream_before_the_children_do():
    particles = gaussian(move=langevin).start(2, (), streams(2))
    rng = streams(2)
    x = particles.process.prior(2, rng)
    moved = langevin(x, particles.posterior, particles.t, rng)
    noise = rng.normal((6, DIMENSION), dtype=torch.float64)
    children = particles.propose(3)
    assert torch.equal(particles.moved.x, moved)
    expected = particles.kernel.mean.repeat_interleave(3, 0) + particles.kernel.std.repeat_interleave(3, 0) * noise
    assert torch.equal(children.x, expected)


def test_gathered_particles_keep_a_move_that_was_made():
    particles = gaussian(move=langevin).start(3, (), streams(3))
    moved = particles.moved.x
    index = torch.tensor([2, 0, 2])
    assert torch.equal(particles[index].moved.x, moved[index])


def test_every_child_can_make_its_own_move():
    process, asked = spied(gaussian, move=langevin, move_each=True)
    particles = process.start(2, (), streams(2))
    children = particles.propose(3)
    assert len(children) == 6
    assert [len(x) for x, _, _ in asked] == [2, 6]
    assert len(asked[1][0].unique(dim=0)) == 6


def test_children_have_their_parents_conditioning_and_memory():
    process = masked()
    cond = {"prompt": torch.arange(3)[:, None].double()}
    particles = process.start(3, cond, streams(3))
    particles.memory["seen"] = torch.tensor([10.0, 11.0, 12.0])
    children = particles.propose(2)
    assert children.cond["prompt"][:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert children.memory["seen"].tolist() == [10, 10, 11, 11, 12, 12]
    assert children.step == 1


@pytest.mark.parametrize("m", [1, 2])
def test_what_a_child_remembers_is_not_its_parents(m):
    parent = gaussian().start(2, (), streams(2))
    child = parent.propose(m)
    child.memory["new"] = torch.zeros(2 * m)
    assert parent.memory == {}
    parent[torch.tensor([0])].memory["new"] = torch.zeros(1)
    assert parent.memory == {}


def test_gathering_takes_state_conditioning_memory_and_answer():
    process, asked = spied(mixed)
    particles = process.start(3, torch.arange(3.0)[:, None].double(), streams(3))
    particles.memory["m"] = torch.arange(3)
    answer = particles.posterior
    index = torch.tensor([2, 0, 2, 1])
    chosen = particles[index]
    assert chosen.memory["m"].tolist() == chosen.cond[:, 0].tolist() == index.tolist()
    for mine, theirs in zip(leaves((chosen.x, chosen.posterior)), leaves((particles.x, answer)), strict=True):
        assert torch.equal(mine, theirs[index])
    assert len(asked) == 1


def test_gathering_asks_nothing_that_was_not_asked():
    process, asked = spied(gaussian)
    process.start(3, (), streams(3))[torch.tensor([1])]
    assert asked == []


def test_an_answer_for_the_wrong_number_of_rows_is_refused():
    process = gaussian(network=lambda x, t, cond: x[:1])
    with pytest.raises(ValueError, match="given 3 rows and answered 1; it must return one row for each"):
        process.start(3, (), streams(3)).posterior  # noqa: B018


def test_nan_of_the_network_is_named():
    def broken(x, t, cond):
        return torch.where(torch.arange(len(x))[:, None] == 2, torch.nan, x)

    with pytest.raises(ValueError, match=r"denoiser returned NaN at row 2, t = 1"):
        gaussian(network=broken).start(4, (), streams(4)).posterior  # noqa: B018


@pytest.mark.parametrize("times", [[0.0, 1.0], [1.0], [1.0, 0.5, 0.5]])
def test_times_must_decrease(times):
    with pytest.raises(ValueError, match="times must decrease from noise to data"):
        Process(lambda n, rng: rng.normal((n, 1)), from_x0(gaussian_network), lambda *_: None, torch.tensor(times))


def test_conditioning_needs_a_row_for_each():
    with pytest.raises(ValueError, match=r"3 particles need 3 rows of state and conditioning.*conditioning of 2"):
        gaussian().start(3, torch.zeros(2, 1), streams(3))


def test_a_prior_of_the_wrong_size_is_refused():
    process = gaussian()
    object.__setattr__(process, "prior", lambda n, rng: rng.normal((1, 2)))
    with pytest.raises(ValueError, match="a prior of 1 rows"):
        process.start(3, (), streams())


def test_shapes():
    assert gaussian().start(2, (), streams(2)).x.shape == (2, DIMENSION)
    x = masked().start(2, (), streams(2)).x
    assert x.tolist() == [[VOCABULARY] * LENGTH] * 2
    assert isinstance(gaussian().start(2, (), streams(2)).posterior, Dirac)
    assert rows(repeat(mixed().start(2, (), streams(2)).x, 3)) == 6


def test_a_posterior_computed_elsewhere_is_not_computed_again():
    process, asked = spied(gaussian)
    particles = process.start(3, (), streams(3))
    assert not particles.has_posterior
    given = gaussian().start(3, (), streams(3)).posterior
    same = particles.with_posterior(given)
    assert same.has_posterior
    assert same.posterior is given
    assert not particles.has_posterior
    assert particles.keep_posterior(given) is particles
    assert particles.posterior is given
    assert asked == []


def test_a_posterior_of_other_rows_is_refused():
    particles, other = gaussian().start(3, (), streams(3)), gaussian().start(2, (), streams(2))
    with pytest.raises(ValueError, match="a posterior of 2 rows does not belong to 3 particles"):
        particles.with_posterior(other.posterior)


def test_a_posterior_is_stored_by_its_own_method_alone():
    private, source = ("__dict__", "_moved", r"particles\._answers", r"pool\._answers"), ROOT / "src" / "svdd"
    users = {
        path.name
        for path in source.rglob("*.py")
        if any(re.search(rf"\b{name}\b", path.read_text()) for name in private)
    }
    assert users == {"process.py"}


@pytest.mark.parametrize(
    ("taken", "chains"),
    [
        ([2, 3], [1]),
        ([0, 1, 6, 7], [0, 3]),
        ([5, 4, 3, 2], [2, 1]),
        ([-1], [3]),
        ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("make", [gaussian, masked, mixed])
def test_rows_that_are_taken_draw_from_the_streams_of_their_own_chains(make, taken, chains):
    cond = torch.arange(8.0)[:, None].double()
    rows_of = make().start(8, cond, streams(4))[torch.tensor(taken)]
    alone = make().start(8, cond, streams(4))
    rng = Rng.from_state(alone.rng.state()[chains])  # of these chains, after the same draws
    expected = alone.kernel[torch.tensor(taken)].sample(3, rng)
    children = rows_of.propose(3)
    assert children.rng.ids == chains
    for mine, theirs in zip(leaves(children.x), leaves(expected), strict=True):
        assert torch.equal(mine, theirs)


def test_streams_of_rows_that_are_taken_go_on_where_the_others_stopped():
    particles = gaussian().start(4, (), streams(4))
    particles[torch.tensor([1, 3])].propose(1)
    before, after = streams(4), particles.rng.state()
    gaussian().start(4, (), before)
    assert (after != before.state()).any(1).tolist() == [False, True, False, True]


@pytest.mark.parametrize("taken", [[0, 1, 2], [0, 2, 1, 3], [0, 0, 2], []])
def test_rows_taken_unevenly_can_be_looked_at_and_do_not_draw(taken):
    particles = gaussian().start(4, (), streams(2))
    some = particles[torch.tensor(taken, dtype=torch.int64)]
    assert len(some.kernel.mean) == len(taken)
    for use in (
        lambda p: p.propose(1),
        lambda p: p[torch.tensor([0])[: len(taken)]].propose(1),
        lambda p: p.rng.state(),
    ):
        with pytest.raises(UnevenChains, match="give the rows streams of their own"):
            use(some)
    if taken:
        assert len(replace(some, rng=Rng(0, len(some))).propose(2)) == 2 * len(taken)
