"""A default device or type that a user has set changes no number: what is computed here says where and in what type.

`meta` stands for any accelerator: a tensor that is made there without a word has no numbers, so the first use of it fails.
"""

import ast
from contextlib import contextmanager

import pytest
import torch

import svdd
from domains.sequence.test_mdlm import KINDS, random_weights
from support import gdss_checkpoints
from support.places import ROOT
from svdd.chain.defaults import as_tensor, usual_defaults
from svdd.chain.distributions import Categorical
from svdd.chain.process import Process
from svdd.chain.schedules import time_grid
from svdd.chain.transitions import masked_ancestral
from svdd.method.table import METHODS

pytestmark = pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")
SHORT = {"steps": 3, "length": 12}
MODELS = {
    "dna-enhancer": SHORT,
    "rna-utr": {"steps": 2},
    "rna-utr-uniform": {"steps": 2},
    "miniprotein": {"steps": 2},
    "proteinmpnn": {"path": "2ysh", "steps": 2},
    "molecule": {"steps": 3},
    "toy-masked": {"steps": 3},
    "toy-gaussian": {"steps": 3},
}


@contextmanager
def default(name):
    """As a notebook begins; put back afterwards."""
    before = torch.get_default_dtype()
    try:
        if name == "meta":
            with torch.device("meta"):
                yield
        else:
            torch.set_default_dtype(getattr(torch, name))
            yield
    finally:
        torch.set_default_dtype(before)


def length(designs):
    """Of anything, one number each; a tensor's text has its type where that is not the default."""
    texts = [str(design.tolist() if isinstance(design, torch.Tensor) else design) for design in designs]
    return [float(text.count("C")) + 0.01 * len(text) for text in texts]


def brightness(images):
    return images.mean((1, 2, 3)).double()


brightness.takes = "tensor"


def decoded(model, reward=length, samples=4, **settings):
    result = svdd.decode(model, reward, samples=samples, seed=1, **settings)
    designs = result.samples
    for _ in range(isinstance(designs, dict)):
        designs = designs["images"]
    return designs.tolist() if isinstance(designs, torch.Tensor) else list(designs), result.rewards.tolist()


def assert_alike(name, run):
    with default(name):
        found = run()
    assert found == run()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float64", "float16"])
@pytest.mark.parametrize("model", MODELS)
def test_bundled_models(name, model):
    assert_alike(name, lambda: decoded(model, model_options=MODELS[model], candidates=3))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float64", "float16"])
def test_the_bundled_model_of_images(name):
    assert_alike(name, lambda: decoded("image-small", brightness, 2, model_options={"steps": 2}, candidates=2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float16"])
@pytest.mark.parametrize("method", METHODS)
def test_methods(name, method):
    options = {"temperature": 0.5} if "temperature" in METHODS[method].defaults() else {}
    assert_alike(name, lambda: decoded("dna-enhancer", model_options=SHORT, samples=32, method=method, **options))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float16"])
@pytest.mark.parametrize("reward", ["hepg2", "gc-content"])
def test_rewards(name, reward):
    assert_alike(name, lambda: decoded("dna-enhancer", reward, model_options=SHORT, candidates=2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float16"])
@pytest.mark.parametrize(
    "value", ["zero", "log-mean-exp,samples=2", "rollout,steps=2", "filtered", "filtered,rescore=2"]
)
def test_values(name, value):
    assert_alike(name, lambda: decoded("dna-enhancer", model_options=SHORT, value=value, temperature=0.5))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float16"])
@pytest.mark.parametrize("network", ["convolutional", "transformer", "pooled"])
def test_learned_values_are_fitted_saved_and_read_alike(name, network, tmp_path):
    def run():
        process = svdd.load("dna-enhancer", **SHORT)
        value = svdd.fit_value(process, length, network=network, rollouts=64, train_steps=10)
        value.save(tmp_path / "value", force=True)
        read = svdd.load_value(tmp_path / "value", process, length)
        return decoded(process, value=read, candidates=3), read.card["quality"]

    assert_alike(name, run)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta", "float16"])
def test_checkpoints_of_others(name, tmp_path):
    graphs = gdss_checkpoints.write_safetensors(tmp_path / "graphs.safetensors")
    torch.save(gdss_checkpoints.checkpoint(), tmp_path / "graphs.pth")
    assert_alike(name, lambda: decoded(f"gdss:{graphs}", model_options={"steps": 3, "atoms": 5}, candidates=2))
    assert_alike(
        name, lambda: decoded(f"gdss:{tmp_path}/graphs.pth", model_options={"steps": 3, "atoms": 5}, candidates=2)
    )
    for kind in KINDS:
        torch.save(random_weights(KINDS[kind][0]()), tmp_path / f"{kind}.pt")
        options = {"steps": 3, "length": 8, "time_conditioning": True, "mask_index": 1}
        assert_alike(
            name, lambda kind=kind, options=options: decoded(f"mdlm:{tmp_path}/{kind}.pt", model_options=options)
        )


def test_code_of_users_sees_their_own_default():
    seen = set()

    def network(x, t, cond):
        seen.add(("network", torch.empty(0).device.type))
        return Categorical(torch.zeros(*x.shape, 2, device="cpu", dtype=torch.float64).log_softmax(-1))

    def prior(n, rng):
        seen.add(("prior", torch.empty(0).device.type))
        return torch.full((n, 3), 2, device="cpu")

    def reward(designs):
        seen.add(("reward", torch.empty(0).device.type))
        return [1.0] * len(designs)

    process = Process(prior, network, masked_ancestral(lambda t: 1 - t), time_grid(2))
    with default("meta"):
        svdd.decode(process, reward, samples=2, candidates=2)
    assert seen == {("network", "meta"), ("prior", "meta"), ("reward", "meta")}


def test_usual_defaults_are_those_of_torch():
    with default("meta"), usual_defaults():
        layer = torch.nn.utils.skip_init(torch.nn.Linear, 2, 2)
        assert {one.device.type for one in (*layer.parameters(), torch.tensor(1.5), torch.arange(3))} == {"cpu"}
        with torch.device("meta"):
            assert torch.empty(1).device.type == "meta"
    with default("float16"), usual_defaults():
        made = [torch.zeros(2), torch.tensor([0.5]), torch.full((2,), 0.5), torch.linspace(0, 1, 3), torch.arange(0.5)]
        assert {one.dtype for one in made} == {torch.float32}
        assert torch.tensor([1]).dtype == torch.int64
        assert torch.zeros(1, dtype=torch.float64).dtype == torch.float64
    with default("meta"):
        assert as_tensor([1.0, 2.0]).tolist() == [1.0, 2.0]
        assert as_tensor(torch.zeros(1, device="cpu")).device.type == "cpu"


# --- new tensors say where they are --------------------------------------------------------------------------------

MAKERS = {"tensor", "zeros", "ones", "full", "empty", "arange", "linspace", "eye", "rand", "randn", "randint", "randperm",
          "logspace", "triu_indices", "tril_indices", "scalar_tensor", "asarray", "as_tensor"}  # fmt: skip


FLOATING = {"zeros", "ones", "empty", "linspace", "eye", "rand", "randn", "logspace"}


def silent(tree):
    """Calls that make a tensor on the default device or of the default type; constructors of networks are let through."""
    networks = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    inside = {id(call) for one in networks for call in ast.walk(one)}
    for call in ast.walk(tree):
        made = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in MAKERS
        wanted = {"device", "dtype"} if made and call.func.attr in FLOATING else {"device"}
        told = made and wanted <= {word.arg for word in call.keywords}
        if made and not told and ast.unparse(call.func.value) == "torch" and id(call) not in inside:
            yield call


def test_new_tensors_say_where_they_are():
    source = ROOT / "src" / "svdd"
    found = [
        f"{path.relative_to(source)}:{call.lineno}"
        for path in sorted(source.rglob("*.py"))
        for call in silent(ast.parse(path.read_text(encoding="utf-8")))
        if path.name != "defaults.py"
    ]
    assert found == [], "give device= and dtype=, or the defaults of a user are taken"
    assert list(silent(ast.parse("x = torch.zeros(3)"))), "the check sees one"
