"""Ehrlich functions: their maximum is known, equal arguments give equal functions, and what is impossible is refused."""

import pickle
import random
from itertools import product

import numpy
import pytest
import torch

import svdd
from exact import ehrlich_checks
from svdd.domains.sequence.alphabets import DNA, PROTEIN
from svdd.domains.sequence.ehrlich_functions import ehrlich
from svdd.domains.sequence.masked import masked_sequences
from svdd.registry import load_reward
from svdd.scoring.reward import Invalid

SIZES = [(12, 3, 4, "ACGT"), (43, 4, 4, PROTEIN.letters), (32, 8, 4, PROTEIN.letters), (60, 2, 10, "ACGU")]


def test_values_are_as_defined_over_all_sequences():
    ehrlich_checks.values_are_as_defined()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_the_constructed_optimum_is_feasible_and_scores_one(size, seed):
    length, motifs, motif_length, letters = size
    f = ehrlich(length, motifs, motif_length, letters=letters, seed=seed)
    assert len(f.optimum) == length
    assert f.feasible([f.optimum]) == [True]
    assert f([f.optimum]) == [1.0]
    assert (f.offsets[:, -1] < length // motifs).all()
    assert (numpy.diff(f.offsets, axis=1) >= 1).all()


def test_every_letter_bans_as_many_and_reaches_all_others():
    f = ehrlich(32, seed=3)
    assert (~f.allowed).sum(1).tolist() == [3] * 20
    assert f.allowed.diagonal().all()
    assert (numpy.linalg.matrix_power(f.allowed.astype(float), 19) > 0).all()


def test_uniform_sequences_are_feasible_as_seldom_as_the_transitions_say():
    f, length = ehrlich(8, motifs=2), 8
    draw = random.Random(0)
    rows = ["".join(draw.choices(PROTEIN.letters, k=length)) for _ in range(20_000)]
    share, expected = numpy.mean(f.feasible(rows)), 0.85 ** (length - 1)
    assert abs(share - expected) < 5 * (expected * (1 - expected) / 20_000) ** 0.5


def test_infeasible_sequences_are_invalid_and_say_why():
    f = ehrlich(8, motifs=2)
    first, second = (int(place[0]) for place in numpy.nonzero(~f.allowed))
    broken = f.alphabet.letters[first] + f.alphabet.letters[second] * 7
    (value,) = f([broken])
    assert isinstance(value, Invalid)
    assert value.why == "a banned transition"
    assert f([broken, f.optimum]) == [-float("inf"), 1.0]


def test_without_bans_everything_is_feasible():
    f = ehrlich(6, motifs=2, motif_length=2, banned=0)
    assert f.allowed.all()
    assert min(f(["ACDEFG", "WYWYWY"])) >= 0


def test_samples_are_feasible_and_told_by_their_seed():
    f = ehrlich(43)
    assert all(f.feasible(f.samples(50, seed=1)))
    assert f.samples(5, seed=1) == f.samples(5, seed=1)
    assert f.samples(5, seed=1) != f.samples(5, seed=2)


def test_equal_arguments_give_equal_functions_and_no_global_number_is_drawn():
    numbers, state = numpy.random.get_state()[1].tolist(), torch.get_rng_state()
    one, other = ehrlich(43, seed=7), ehrlich(43, seed=8)
    assert numpy.random.get_state()[1].tolist() == numbers
    assert torch.equal(torch.get_rng_state(), state)
    again = pickle.loads(pickle.dumps(ehrlich(43, seed=7)))
    assert again.optimum == one.optimum != other.optimum
    assert (again.allowed == one.allowed).all()


def test_the_function_of_a_seed_stays_what_it_is():
    """Scores in files are told apart by the seed alone."""
    f = ehrlich(12, motifs=2, motif_length=3, letters=DNA.letters, seed=3)
    assert f.optimum == "AAACCTCAAATT"
    assert f.offsets.tolist() == [[0, 3, 5], [0, 1, 4]]


@pytest.mark.slow
def test_a_method_climbs_towards_the_maximum():
    f = load_reward("ehrlich", length=43, banned=0)
    settings = {"samples": 8, "progress": False, "model_options": {"steps": 16}}
    plain = svdd.decode("miniprotein", f, method="pretrained", **settings)
    guided = svdd.decode("miniprotein", f, candidates=8, **settings)
    assert guided.rewards.mean() > 4 * plain.rewards.mean()
    assert guided.rewards.max() <= 1


@pytest.fixture(scope="module")
def enumerated():
    """A function of eight letters, and its values over all sequences, of which 0.5 % reach the maximum."""
    f = ehrlich(8, motifs=2, motif_length=3, banned=0, letters=DNA.letters)
    return f, numpy.array(f(["".join(one) for one in product(DNA.letters, repeat=8)]))


@pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")
@pytest.mark.parametrize("name", svdd.METHODS)
def test_every_method_climbs_from_the_exact_mean_towards_the_maximum(enumerated, name):
    """A model of even letters: unguided designs have the mean over all sequences, those of every method are far above."""
    f, everything = enumerated
    process = masked_sequences(lambda x, t, cond: torch.zeros(*x.shape, 4), DNA, length=8, steps=8)
    warm = {"temperature": 0.1} if svdd.METHODS[name].defaults().get("temperature") else {}
    found = svdd.decode(process, f, method=name, samples=64, progress=False, **warm).rewards.numpy()
    errors = (found.mean() - everything.mean()) / (everything.std() / len(found) ** 0.5)
    assert everything.max() == 1
    assert found.max() <= 1
    assert abs(errors) < 4 if name == "pretrained" else errors > 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 15}, "4 motifs of 4 letters do not fit beside each other in 15 letters"),
        ({"length": 43, "motifs": 0}, "motifs and their letters number at least 1, got 0 of 4"),
        ({"length": 43, "quantization": 5}, r"quantization lies between 1 and motif_length \(4\), got 5"),
        ({"length": 43, "quantization": 0}, "quantization lies between 1 and motif_length"),
        ({"length": 43, "banned": 19}, "banned lies between 0 and 18 for 20 letters, got 19"),
        ({"length": 43, "seed": -1}, "seed is at least 0, got -1"),
        ({"length": 43, "letters": "AA"}, "letters are at least 3 different ones, got 'AA'"),
        ({"length": 43, "letters": "acg"}, "letters are A to Z, got 'acg'"),
    ],
)
def test_what_is_impossible_is_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        load_reward("ehrlich", **options)


def test_other_lengths_and_letters_are_refused():
    f = ehrlich(6, motifs=2, motif_length=2)
    with pytest.raises(ValueError, match="this Ehrlich function is of 6 letters, but the sequences have 5"):
        f(["ACDEF"])
    with pytest.raises(ValueError, match="'X' at position 2; allowed letters are"):
        f(["AXDEFG"])
    with pytest.raises(ValueError, match="ehrlich cannot be made with no options"):
        load_reward("ehrlich")
