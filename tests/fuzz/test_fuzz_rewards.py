"""Whatever a reward answers: its numbers guide and are returned with designs, or one sentence."""

import math
import shlex
import sys
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import svdd
from support.fuzz_rewards import ANSWERS, FORMS, ONES, RIGHT, N, Odd
from support.fuzzing import damaged, fuzz, sentences
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences
from svdd.rewards.commands import command
from svdd.rewards.user_code import UserCodeError

pytestmark = pytest.mark.slow
UNGUIDED = {"method": "pretrained", "samples": N, "progress": False}


@pytest.fixture(scope="module")
def process():
    """A model of four letters in two steps."""
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    return masked_sequences(
        lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=8, steps=2, about={"name": "toy"}
    )


def decoded(process, reward, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return svdd.decode(process, reward, **UNGUIDED | more)


@fuzz(60)
@given(numbers=RIGHT, form=FORMS)
def test_right_answers_are_returned_as_they_are(process, numbers, form):
    result = decoded(process, lambda designs: form(numbers))
    given_ = [one.item() if hasattr(one, "item") else float(one) for one in form(numbers)]
    assert result.rewards.tolist() == pytest.approx(given_)
    assert all(len(design) == 8 and set(design) <= set("ACGT") for design in result.samples)


@fuzz(100)
@given(
    answer=ANSWERS, policy=st.sampled_from([{}, {"nan": "invalid", "error": "invalid"}, {"nan": 0.0, "error": -1.0}])
)
def test_other_answers_are_numbers_or_a_sentence(process, answer, policy):
    with sentences():
        result = decoded(process, lambda designs: answer, on_failure=policy)
        assert len(result) == N
        answers = answer if isinstance(answer, list) else result.rewards.tolist()
        for one, reward in zip(answers, result.rewards.tolist(), strict=True):
            assert not (isinstance(one, float) and math.isfinite(one)) or reward == pytest.approx(one)
        assert not any(math.isnan(one) or one == math.inf for one in result.rewards.tolist())


@fuzz(50)
@given(odd=ONES, method=st.sampled_from(["svdd", "best-of-n", "smc"]))
def test_one_odd_number_among_right_ones_of_a_guided_run(process, odd, method):
    def reward(designs):
        return [odd, *[float(design.count("G")) for design in designs[1:]]]

    with sentences():
        result = decoded(
            process, reward, method=method, **({"candidates": 2} if method == "svdd" else {"particles": 2})
        )
        assert len(result) == N
        assert not result.rewards.isnan().any()


@fuzz(40)
@given(
    error=st.sampled_from(
        [ValueError, KeyError, TypeError, RuntimeError, AttributeError, ZeroDivisionError, OSError, EOFError]
    )
)
def test_what_a_reward_raises_is_its_own_or_told_as_such(process, error):
    def reward(designs):
        raise error("of the user")

    with pytest.raises((error, UserCodeError), match="of the user"):
        decoded(process, reward)


WRITTEN = damaged(
    st.lists(st.sampled_from(["1.5", "nan", "-inf", "0", "x", "1,5", "", "1e400", "0x10"]), max_size=5).map("\n".join)
)


@fuzz(60)
@given(text=WRITTEN | st.binary(max_size=12), lines=st.booleans())
def test_what_a_program_writes(tmp_path, process, text, lines):
    path = tmp_path / "answer.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    words = f"cat {shlex.quote(str(path))}" if lines else f"cp {shlex.quote(str(path))} {{output}}"
    with sentences():
        result = decoded(process, command(words, timeout=10))
        assert len(result) == N
        assert not any(math.isnan(one) or one == math.inf for one in result.rewards.tolist())


@fuzz(10)
@given(
    code=st.sampled_from(["raise SystemExit(3)", "import os; os.abort()", "print('1\\n' * 3)", "print(1, end='')", ""])
)
def test_how_a_program_ends(process, code):
    with sentences():
        decoded(process, command(shlex.join([sys.executable, "-S", "-c", code]), timeout=10))
        pytest.fail("none of these answers for every design")


@pytest.mark.parametrize(
    "answer", [Odd(), [Odd(), 1.0, 1.0, 1.0], torch.zeros(N).to_sparse()], ids=["odd", "one odd", "sparse"]
)
def test_answers_that_cannot_be_shown_or_added(process, answer):
    with sentences():
        result = decoded(process, lambda designs: answer)
        assert result.rewards.tolist() == [0.0] * N


@fuzz(20)
@given(numbers=RIGHT)
def test_numbers_that_come_one_by_one(process, numbers):
    with sentences():
        result = decoded(process, lambda designs: iter(numbers))
        assert result.rewards.tolist() == pytest.approx(numbers)
