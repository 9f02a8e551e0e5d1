"""What people type after flags and in the place of names: it is read as what it says, or one sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import svdd
from support.fuzzing import AWKWARD, VALUES, damaged, fuzz, sentences
from svdd.cli.comparing import method_options, names, numbers
from svdd.cli.flags import settings
from svdd.method.values_by_name import VALUES as VALUES_BY_NAME
from svdd.method.values_by_name import names_value, read_value
from svdd.registry import REWARDS, find_process, find_reward
from svdd.rewards.commands import command
from svdd.runs.job import Job, make_job
from svdd.runs.make import make_reward
from svdd.runs.options import check_options, read_options
from svdd.runs.pairs import as_yaml, pairs
from svdd.runs.reward_spec import ScoreSpec

pytestmark = pytest.mark.slow
WORDS = st.sampled_from(
    ["target", "gc-content", "samples", "log-mean-exp", "qed", "0.4", "smc.ess", "[OH]", "=", ",", ".", ":"]
)
TYPED = damaged(st.lists(WORDS | AWKWARD, max_size=6).map("".join))
SCHEMES = st.sampled_from(
    ["docking:", "cmd:", "http://", "https://", "esmfold:", "os:", "x.py:", "mdlm:", "gdss:", "diffusers:", "evodiff:"]
)
NAMED = TYPED | st.tuples(SCHEMES, TYPED).map("".join)


@fuzz(100)
@given(
    text=damaged(st.sampled_from(["log-mean-exp,samples=8", "rollout,steps=2,samples=1", "zero", "posterior-mean"]))
    | TYPED
)
def test_values(text):
    with sentences():
        name, options = read_value(text)
        assert names_value(text)
        assert name in VALUES_BY_NAME
        assert all(option in text and isinstance(number, int) for option, number in options.items())


@fuzz(100)
@given(text=damaged(st.sampled_from(["gc=gc-content,target=0.4", "qed", "a=cmd:x --y=1,2"])) | NAMED)
def test_scores(text):
    with sentences():
        score = make_job({"model": "toy-masked", "reward": "qed", "scores": [text]}).scores[0]
        assert score.name in text
        again = ScoreSpec.model_validate(score.record())
        assert (again.name, again.options, again.title) == (score.name, score.options, score.title)


@fuzz(60)
@given(name=NAMED, options=st.dictionaries(WORDS | AWKWARD, VALUES, max_size=2))
def test_rewards_by_name(name, options):
    with sentences():
        find_reward(name, options)
    with sentences():
        check_options("reward", name, options)


@fuzz(100)
@given(name=st.sampled_from(sorted(set(REWARDS) - {"esmfold"})), text=TYPED, data=st.data())
def test_options_of_bundled_rewards(name, text, data):
    import inspect

    from svdd.registry import locate

    known = sorted(inspect.signature(locate("reward", name, REWARDS)).parameters)
    option = data.draw(st.sampled_from([*known, "nothing"]))
    with sentences():
        read = read_options("reward", name, {option: text})
        check_options("reward", name, read)


@fuzz(40)
@given(name=NAMED, options=st.dictionaries(WORDS | AWKWARD, VALUES, max_size=2))
def test_models_by_name(name, options):
    with sentences():
        find_process(name, options)
    with sentences():
        check_options("model", name, options)


@fuzz(100)
@given(target=st.one_of(VALUES, TYPED))
def test_a_reward_with_an_option_of_any_value(target):
    with sentences():
        reward = make_reward("gc-content", {"target": target})
        (number,) = reward(["ACGT"])
        assert float(number) == pytest.approx(-abs(0.5 - float(target)))


@fuzz(100)
@given(texts=st.lists(TYPED, max_size=3))
def test_pairs(texts):
    with sentences():
        read = pairs("model-option", texts)
        assert all(f"{name}={value}" in texts for name, value in read.items())
    with sentences():
        for name, options in method_options(texts).items():
            assert all(any(text.startswith(f"{name}.{option}=") for text in texts) for option in options)


@fuzz(100)
@given(text=TYPED | st.text(max_size=12))
def test_values_as_yaml_never_fail(text):
    as_yaml(text)


@fuzz(100)
@given(text=TYPED)
def test_lists_with_commas(text):
    assert all(name.strip() == name for name in names(text))
    with sentences():
        assert all(isinstance(number, float) for number in numbers(text))


@fuzz(100)
@given(text=TYPED.map(lambda text: f"cmd:{text}"))
def test_commands(text):
    with sentences():
        assert command(text).words


FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "model": NAMED, "reward": NAMED, "method": WORDS | AWKWARD, "value": TYPED, "window": TYPED, "replace": TYPED,
        "model_option": st.lists(TYPED, max_size=2), "reward_option": st.lists(TYPED, max_size=2),
        "score": st.lists(NAMED, max_size=2), "chunk": st.lists(TYPED, max_size=2), "budget": st.lists(TYPED, max_size=2),
        "on_failure": st.lists(TYPED, max_size=2), "temperature": st.floats(), "fix": st.lists(TYPED, max_size=2),
    },
)  # fmt: skip


@fuzz(100)
@given(flags=FLAGS)
def test_flags(flags):
    with sentences():
        job = make_job(settings(Job, flags, {"model": "toy-masked", "reward": "gc-content"}))
        job.check_names()
        assert job.options() is not None


@fuzz(40)
@given(options=st.dictionaries(st.sampled_from(["steps", "length", "device", "weights"]), VALUES, max_size=2))
def test_models_with_options_of_any_value(options):
    with sentences():
        process = svdd.load("dna-enhancer", **options)
        assert process.steps == options.get("steps", process.steps)
