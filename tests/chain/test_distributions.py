"""Distributions: what is drawn follows what log_prob says, and siblings are independent neighbours."""

import math

import pytest
import torch
from torch.distributions import Normal as TorchNormal

from support.processes import streams
from svdd.chain.distributions import Categorical, Dirac, Distribution, Normal, Product, is_deterministic, log_normalised
from svdd.chain.tree import repeat

LOG_P = torch.tensor([[[0.5, 0.0, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4]], [[0.0, 1.0, 0.0, 0.0], [0.25] * 4]]).double().log()
EXAMPLES = {
    "normal": Normal(torch.tensor([[0.0, 1.0], [5.0, 6.0], [-5.0, 0.5]]).double(), 0.5),
    "categorical": Categorical(LOG_P.repeat(2, 1, 1)[:3]),
    "dirac": Dirac(torch.tensor([[0.0, 1.0], [5.0, 6.0], [-5.0, 0.5]]).double()),
}
EXAMPLES["product"] = Product({"a": EXAMPLES["normal"], "b": EXAMPLES["categorical"]})


def chi_square(counts, expected):
    """Standard deviations that chi^2 lies above its mean."""
    here = expected > 0
    assert int(counts[~here].sum()) == 0, "something of probability zero was drawn"
    df = int(here.sum()) - 1
    return (float(((counts - expected)[here] ** 2 / expected[here]).sum()) - df) / max(1, 2 * df) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tokens_follow_log_prob(dtype):
    m = 20_000
    distribution = Categorical(LOG_P.to(dtype))
    tokens = distribution.sample(m, streams(2)).view(2, m, 2)
    for row in range(2):
        cells = (tokens[row, :, 0] * 4 + tokens[row, :, 1]).bincount(minlength=16).double()
        grid = torch.cartesian_prod(torch.arange(4), torch.arange(4))
        law = distribution[torch.full((16,), row)].log_prob(grid).double().exp()
        assert abs(float(law.sum()) - 1) < (1e-2 if dtype == torch.bfloat16 else 1e-5)
        assert chi_square(cells, law / law.sum() * m) < 5


def test_normals_follow_their_density():
    m, distribution = 40_000, Normal(torch.tensor([0.3, -2.0]).double(), torch.tensor([0.5, 2.0]).double())
    x = distribution.sample(m, streams(2)).view(2, m)
    for row, (mean, std) in enumerate(((0.3, 0.5), (-2.0, 2.0))):
        edges = torch.linspace(0, 1, 21).double()[1:-1]
        cells = torch.bucketize(x[row], TorchNormal(mean, std).icdf(edges)).bincount(minlength=20)
        assert chi_square(cells.double(), torch.full((20,), m / 20).double()) < 5
        at = torch.tensor([0.7, 0.7]).double()
        assert float(distribution.log_prob(at)[row]) == pytest.approx(float(TorchNormal(mean, std).log_prob(at)[row]))


def test_log_prob_sums_over_sites():
    normal = EXAMPLES["normal"]
    expected = TorchNormal(normal.mean, 0.5).log_prob(normal.mean + 0.1).sum(1)
    assert torch.allclose(normal.log_prob(normal.mean + 0.1), expected)
    tokens = Categorical(LOG_P).log_prob(torch.tensor([[0, 3], [0, 0]]))
    assert tokens.tolist() == pytest.approx([math.log(0.5 * 0.4), -math.inf])
    both = EXAMPLES["product"]
    x = both.mode()
    assert torch.allclose(both.log_prob(x), both.parts["a"].log_prob(x["a"]) + both.parts["b"].log_prob(x["b"]))


def test_log_prob_normalises():
    x = torch.tensor([[1], [2]])
    assert torch.allclose(
        Categorical(torch.zeros(2, 1, 4) + 7.0).log_prob(x), torch.full((2,), math.log(0.25)), atol=1e-6
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_distribution_keeps_the_protocol(name):
    distribution = EXAMPLES[name]
    assert isinstance(distribution, Distribution)
    assert distribution.log_prob(distribution.mode()).shape == (3,)
    index = torch.tensor([2, 0, 2])
    chosen, mode = distribution[index], distribution.mode()
    assert torch.equal(chosen.log_prob(chosen.mode()), distribution.log_prob(mode)[index])


@pytest.mark.parametrize("name", ["normal", "dirac"])
def test_siblings_are_adjacent(name):
    distribution = EXAMPLES[name]
    x = distribution.sample(4, streams(3))
    assert torch.equal((x[:, 0] / 5).round().int(), torch.tensor([0, 1, -1]).int().repeat_interleave(4))


def test_siblings_of_tokens_are_adjacent_at_every_site():
    certain = torch.full((3, 2, 6), -math.inf)
    certain[torch.arange(3), 0, torch.arange(3)] = 0.0
    certain[torch.arange(3), 1, torch.arange(3) + 3] = 0.0
    x = Categorical(certain).sample(5, streams(3))
    assert torch.equal(x, repeat(torch.tensor([[0, 3], [1, 4], [2, 5]]), 5))


def test_tokens_may_have_no_site_or_many_axes():
    assert Categorical(torch.zeros(3, 5)).sample(4, streams(3)).shape == (12,)
    x = Categorical(torch.zeros(3, 2, 7, 5)).sample(4, streams(3))
    assert x.shape == (12, 2, 7)
    assert Categorical(torch.zeros(12, 2, 7, 5)).log_prob(x).shape == (12,)


def test_siblings_and_sites_are_drawn_independently():
    n, m = 5000, 3
    tokens = Categorical(torch.zeros(n, 2, 2)).sample(m, streams()).view(n, m, 2).double() * 2 - 1
    noise = Normal(torch.zeros(n, 2), 1.0).sample(m, streams()).view(n, m, 2)
    for x in (tokens, noise):
        for other in (x[:, 1, 0], x[:, 2, 0], x[:, 0, 1], x[:, 0, 0].roll(1)):
            assert abs(float((x[:, 0, 0] * other).mean())) < 5 / n**0.5


def test_forbidden_tokens_are_never_drawn():
    log_p = torch.full((1, 9), -math.inf)
    log_p[0, [2, 5]] = torch.tensor([0.0, -3.0])
    drawn = Categorical(log_p).sample(200_000, streams())
    assert sorted(drawn.unique().tolist()) == [2, 5]


@pytest.mark.parametrize("bad", [-math.inf, math.nan])
def test_a_site_without_a_possible_token_is_named(bad):
    log_p = torch.zeros(2, 3, 4)
    log_p[1, 2] = bad
    with pytest.raises(ValueError, match=r"row, site \[1, 2\]"):
        Categorical(log_p).sample(1, streams(2))


def test_the_std_of_a_row_goes_with_it():
    std = torch.tensor([[0.0], [1.0], [2.0]])
    normal = Normal(torch.zeros(3, 2), std)[torch.tensor([2, 0])]
    assert normal.std[:, 0].tolist() == [2.0, 0.0]
    assert Normal(torch.zeros(3, 2), torch.tensor([1.0, 2.0]))[torch.tensor([1])].std.tolist() == [[1.0, 2.0]]


def test_what_is_deterministic():
    assert is_deterministic(Normal(torch.zeros(2, 1)))
    assert not is_deterministic(Normal(torch.zeros(2, 1), torch.tensor([[0.0], [0.1]])))
    assert is_deterministic(Dirac(torch.zeros(2)))
    assert not is_deterministic(Categorical(torch.zeros(2, 3)))
    assert is_deterministic(Product({"a": Dirac(torch.zeros(2)), "b": Normal(torch.zeros(2))}))
    assert not is_deterministic(EXAMPLES["product"])


def test_a_dirac_may_hold_a_whole_state():
    state = {"a": torch.arange(2), "b": torch.zeros(2, 3)}
    dirac = Dirac(state)
    assert dirac.sample(2, streams(2))["a"].tolist() == [0, 0, 1, 1]
    elsewhere = {"a": torch.tensor([0, 5]), "b": torch.zeros(2, 3)}
    assert dirac.log_prob(elsewhere).tolist() == [0.0, -math.inf]


@pytest.mark.parametrize("vocabulary", [2, 4, 5, 7, 20])
def test_a_row_is_normalised_to_the_same_bits_whatever_is_beside_it(vocabulary):
    """The last numbers of an array go through other code of torch than those that fill a register."""
    rows = torch.randn(1100, vocabulary, generator=torch.Generator().manual_seed(vocabulary)) * 5
    rows[::7, 0] = -torch.inf
    alone = torch.cat([row[None].log_softmax(-1) for row in rows])
    for many in (1, 26, *range(120, 330), 1000, 1023, 1100):
        assert torch.equal(log_normalised(rows[:many]), alone[:many])
    for shape in ((22, 50, vocabulary), (4, 5, 55, vocabulary)):
        assert torch.equal(log_normalised(rows.view(shape)), alone.view(shape))
    assert torch.equal(
        log_normalised(rows.view(22, 50, vocabulary).transpose(0, 1)), alone.view(22, 50, -1).transpose(0, 1)
    )
