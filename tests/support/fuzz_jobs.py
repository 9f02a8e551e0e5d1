"""Jobs, comparisons and objectives for fuzz tests: right ones, of which keys, values or the text are changed."""

import json

import yaml
from hypothesis import strategies as st

from support.fuzzing import AWKWARD, VALUES, damaged
from svdd.method.table import METHODS
from svdd.runs.job import SETTINGS, Job

NAMES = sorted(Job.model_fields)
REWARDS = st.sampled_from(
    [
        "gc-content",
        "qed",
        "hepg2",
        "nowhere.py:f",
        "os.path:join",
        "cmd:true",
        "cmd:",
        "http://",
        "docking:parp1",
        "no",
        "json:x",
    ]
)
MODELS = st.sampled_from(
    ["toy-masked", "dna-enhancer", "mdlm:x.ckpt", "gdss:x", "diffusers:x", "a.b:c", "x.py:m", ":", "a:"]
)
BASE = {
    "model": "toy-masked", "reward": "gc-content", "steps": 2, "samples": 2, "seed": 0, "method": "svdd", "candidates": 2,
    "temperature": 0.5, "scores": ["gc=gc-content,target=0.4", {"name": "qed"}], "chunks": {"network": 4},
    "model_options": {"device": "cpu"}, "on_failure": {"nan": "stop"}, "value": "log-mean-exp,samples=2", "out": "runs/a",
}  # fmt: skip
OBJECTIVE = {
    "combine": "product",
    "parts": {
        "gc-content": {"options": {"target": 0.4}, "weight": 0.5},
        "qed": {"ramp": {"low": 0, "high": 1}},
        "sa": None,
    },
}
COMPARISON = {
    "job": BASE, "match": "none", "judge": "qed", "seeds": 2, "pool": 8, "sizes": [2, 4], "temperatures": [0, 0.5],
    "methods": {"svdd": None, "smc": {"temperature": 0.3}, "mine": {"method": "beam", "width": 2, "fit": {"rollouts": 4}}},
    "options": {"smc": {"ess": 0.8}}, "variants": {"fast": {"seeds": 1, "job": {"steps": 1}}},
}  # fmt: skip


@st.composite
def changed(draw, whole):
    """A mapping of which up to three settings, at any depth, are left out, replaced or renamed."""
    made = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(0, 3))):
        inside = [made, *(one for one in made.values() if isinstance(one, dict))]
        place = draw(st.sampled_from(inside))
        name = draw(st.sampled_from([*sorted(place), *NAMES]) | AWKWARD)
        how = draw(st.sampled_from(["leave out", "replace", "rename"]))
        value = place.pop(name, None)
        if how == "replace":
            place[name] = draw(VALUES | REWARDS | MODELS | st.sampled_from(sorted(METHODS)))
        elif how == "rename":
            place[draw(AWKWARD | st.sampled_from(NAMES))] = value
    return made


@st.composite
def texts_of(draw, whole):
    """A mapping as YAML or JSON, then damaged as text."""
    made = draw(changed(whole))
    flow = draw(st.sampled_from([None, True, False]))
    text = (
        json.dumps(made) if draw(st.booleans()) else yaml.safe_dump(made, default_flow_style=flow, allow_unicode=True)
    )
    return draw(damaged(st.just(text)))


_ODD = st.sampled_from([0, -1, 3, 7, None, "2", 1.5, True, float("nan"), float("inf"), [], {}, "x"])
_TRIED = {
    "samples": st.integers(1, 4), "steps": st.integers(1, 3), "candidates": st.integers(1, 3), "particles": st.integers(1, 4),
    "width": st.integers(1, 3), "temperature": st.sampled_from([0, 0.5, 1]),
    "value": st.sampled_from(["zero", "posterior-mean", "rollout,steps=1", "log-mean-exp,samples=2"]),
    "batch": st.integers(1, 4), "every": st.integers(1, 3), "window": st.sampled_from([[1, 0], [0.6, 0.2]]),
    "ess": st.sampled_from([0.5, 1]), "fix": st.sampled_from([["1:ACG"], ["1:ACG"], ["1:ACG"], ["12:AC"], ["x"]]),
    "chunks": st.sampled_from([{"network": 2}, {"reward": 1}, {"nothing": 1}]), "potential": st.sampled_from(["max", "sum"]),
    "budget": st.sampled_from([{"rewards": 12}, {"rows": 20}, {"seconds": 1}, {"rewards": 0}, {"x": 1}]),
    "block_length": st.integers(1, 3), "replace": st.sampled_from([0.5, "all", 0.01]), "prior_candidates": st.integers(1, 2),
}  # fmt: skip
_SMALL = {"model": "dna-enhancer", "reward": "gc-content", "model_options": {"length": 12}, "steps": 2, "samples": 2}


@st.composite
def _runs(draw):
    """A small job of sequences with settings that its method takes, of which at most one is odd."""
    method = draw(st.sampled_from(sorted(METHODS)))
    own = [name for name in _TRIED if name not in SETTINGS or name in METHODS[method].options]
    names = draw(st.lists(st.sampled_from(own), max_size=3, unique=True)) + draw(st.sampled_from([[], ["fix"]]))
    job = _SMALL | {name: draw(_TRIED[name]) for name in names} | {"method": method}
    odd = draw(st.none() | st.none() | st.sampled_from(own))
    return job if odd in (None, "samples") else job | {odd: draw(_ODD)}


RUNS = _runs()
