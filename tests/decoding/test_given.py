"""Wrong types at the door of `decode` are sentences; in a process without the shape checks of the tests, which come first."""

import subprocess
import sys

import pytest

import svdd
from support.processes import masked, words


def said(code):
    """The error of some code in a fresh interpreter."""
    lines = ["import svdd", "reward = lambda designs: [0.0] * len(designs)", "try:", f"    {code}"]
    lines += ["except ValueError as error:", "    print(error)"]
    words = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("svdd.decode('toy-masked', reward, scores=[reward])", "scores are rewards by the name of their column"),
        ("svdd.decode('toy-masked', reward, samples='4')", "samples is a whole number, got '4'"),
        ("svdd.decode('toy-masked', reward, budget=100)", "such as {'rewards': 100}, got 100"),
        ("svdd.decode('dna-enhancer', reward, steps=4)", "give model_options={'steps': 4}"),
        ("svdd.decode('toy-masked', reward, method='smc', returns='al')", "unknown returns 'al'; did you mean all?"),
        (
            "svdd.decode('toy-masked', reward, method='refine', moves=2.5)",
            "moves is a whole number, got 2.5",
        ),
        (
            "svdd.decode('toy-masked', reward, method='refine', tries=1.5)",
            "tries must be a whole number, 1 or more, got 1.5",
        ),
        (
            "svdd.decode('toy-masked', reward, method='refine', population=2.0)",
            "population must be a whole number, 1 or",
        ),
        ("from dataclasses import replace; replace(svdd.load('toy-masked'), kind='text')", "TextKind(), got 'text'"),
    ],
)
def test_a_wrong_type_is_a_sentence(call, sentence):
    assert sentence in said(call)


def test_an_option_of_a_model_that_is_made_already():
    with pytest.raises(ValueError, match="steps belongs to the process"):
        svdd.decode(masked(decode=words), len, steps=3)


def test_an_error_says_which_reward_raised_it():
    def broken(designs):
        raise KeyError("weights")

    with pytest.raises(KeyError) as raised:
        svdd.decode(masked(decode=words), broken, samples=2)
    assert raised.value.__notes__ == ["raised by the reward broken"]


def test_a_number_of_samples_may_be_of_numpy():
    """In a process of its own, as the types that are declared are not looked at there."""
    code = (
        "import svdd, numpy; made = svdd.decode('toy-masked', lambda x: x.sum(-1), samples=numpy.int64(3), candidates=2)\n"
        "print(len(made), type(made.settings['samples']).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "int"]
