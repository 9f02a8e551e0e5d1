"""What cannot be a reward is refused before the first call, and says what a reward is."""

import functools
import math
import sys

import pytest

import svdd
from support.processes import masked, words
from svdd.registry import as_reward


class Model:
    """With a method that scores, and one that is called."""

    def score(self, designs):
        return [0.0] * len(designs)

    def __call__(self, designs):
        return [0.0] * len(designs)


class Waits:
    async def __call__(self, designs):
        return [0.0]


def nothing():
    return []


def two(designs, weights):
    return [0.0] * len(designs)


def by_name(designs, *, weights):
    return [0.0] * len(designs)


def only_by_name(*, designs):
    return [0.0] * len(designs)


async def waits(designs):
    return [0.0] * len(designs)


def yields(designs):
    yield from designs


def asks(designs, prompts):
    return [0.0] * len(designs)


def with_default(designs, weights=None, *more, **further):
    return [0.0] * len(designs)


REFUSED = {
    "no parameter": (nothing, r"nothing\(\) takes no argument in its place"),
    "two": (two, r"two\(designs, weights\) needs weights too; give a default, or functools\.partial"),
    "by name": (by_name, "needs weights too"),
    "only by name": (only_by_name, "takes no argument in its place"),
    "a class": (Model, "Model is a class; give an instance"),
    "a method of a class": (Model.score, r"Model\.score\(self, designs\) is a method without its object"),
    "async": (waits, "is an async function, whose answer nobody waits for"),
    "an async object": (Waits(), "is an async function"),
    "an async partial": (functools.partial(waits), "is an async function"),
    "a generator": (yields, "is a generator; return a list in the place of yield"),
    "a module": (math, "is a module; give one of its functions"),
    "a number": (3, "but 3 cannot be called"),
    "nothing at all": (None, "but None cannot be called"),
    "a list": ([two], "cannot be called"),
    "a partial of too little": (functools.partial(two), "needs weights too"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", ["reward", "score", "workers", "file"])
def test_what_is_no_reward_is_refused_at_every_door(name, place, tmp_path, monkeypatch):
    given, said = REFUSED[name]
    doors = {
        "reward": lambda: svdd.decode(masked(decode=words), given, samples=2),
        "score": lambda: svdd.decode(masked(decode=words), Model(), samples=2, scores={"s": given}),
        "workers": lambda: svdd.workers(given),
        "file": lambda: svdd.decode(masked(decode=words), "of_this_test_for_signatures:given", samples=2),
    }
    module = type(math)("of_this_test_for_signatures")
    module.given = given
    monkeypatch.setitem(sys.modules, module.__name__, module)
    if place != "file" and not callable(given):  # which the types of these doors say
        doors[place] = lambda: as_reward(given)
    with pytest.raises(ValueError, match=said):
        doors[place]()


@pytest.mark.parametrize(
    "given",
    [Model(), Model().score, functools.partial(two, weights=1), with_default, lambda *designs: [0.0], len, asks],
)
def test_what_can_be_a_reward_is_taken(given):
    assert as_reward(given) is given


def test_a_type_error_inside_a_reward_is_its_own():
    def broken(designs):
        return len(3)

    with pytest.raises(TypeError, match="object of type 'int' has no len") as raised:
        svdd.decode(masked(decode=words), broken, samples=2)
    assert "parameter" not in str(raised.value)
