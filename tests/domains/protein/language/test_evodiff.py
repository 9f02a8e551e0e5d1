"""EvoDiff: logits against the formula of its block, sizes of the published files, and what is refused by name."""

import math
import re

import pytest
import torch
from torch.nn import functional

import svdd
from svdd.domains.protein.language.evodiff import ByteNet, read_evodiff
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import infill

WIDTH, INNER, LAYERS, LENGTH, MASK = 32, 16, 10, 30, 28  # dilations begin again after eight layers


def shapes(symbols=31, layers=LAYERS):
    named = {"embedder.embedder.weight": (symbols, 8), "embedder.up_embedder.conv.weight": (WIDTH, 8, 1)}
    named |= {"embedder.up_embedder.conv.bias": (WIDTH,)}
    for i in range(layers):
        block = {"conv.weight": (INNER, INNER, 5), "conv.bias": (INNER,)}
        block |= {"sequence1.0.weight": (WIDTH,), "sequence1.0.bias": (WIDTH,)}
        block |= {"sequence1.2.conv.weight": (INNER, WIDTH, 1), "sequence1.2.conv.bias": (INNER,)}
        block |= {"sequence1.3.weight": (INNER,), "sequence1.3.bias": (INNER,)}
        block |= {"sequence2.0.weight": (INNER,), "sequence2.0.bias": (INNER,)}
        block |= {"sequence2.2.conv.weight": (WIDTH, INNER, 1), "sequence2.2.conv.bias": (WIDTH,)}
        named |= {f"embedder.layers.{i}.{name}": shape for name, shape in block.items()}
    named |= {"last_norm.weight": (WIDTH,), "last_norm.bias": (WIDTH,)}
    return named | {"decoder.conv.weight": (symbols, WIDTH, 1), "decoder.conv.bias": (symbols,)}


def random_weights(**sizes):
    generator = torch.Generator().manual_seed(0)
    return {name: 0.4 * torch.randn(shape, generator=generator) for name, shape in shapes(**sizes).items()}


def saved(weights, file, prefix="module.", **extra):
    torch.save(
        {"model_state_dict": {f"{prefix}{name}": one for name, one in weights.items()}, "epoch": 3, **extra}, file
    )
    return file


def reference(w, tokens):
    def norm(x, name):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x):
        return x / 2 * (1 + torch.erf(x / math.sqrt(2)))

    def pointwise(x, name):
        return x @ w[f"{name}.conv.weight"][..., 0].T + w[f"{name}.conv.bias"]

    x = pointwise(w["embedder.embedder.weight"][tokens], "embedder.up_embedder")
    for i, power in enumerate([*range(8), *range(LAYERS - 8)]):
        name = f"embedder.layers.{i}"
        h = pointwise(gelu(norm(x, f"{name}.sequence1.0")), f"{name}.sequence1.2")
        h = gelu(norm(h, f"{name}.sequence1.3")).transpose(1, 2)
        reach = 2 * 2**power
        h = functional.pad(h, (reach, reach))
        h = sum(
            torch.einsum("ck,nkl->nlc", w[f"{name}.conv.weight"][..., k], h[:, :, k * 2**power :][:, :, : x.shape[1]])
            for k in range(5)
        )
        h = h + w[f"{name}.conv.bias"]
        x = x + pointwise(gelu(norm(h, f"{name}.sequence2.0")), f"{name}.sequence2.2")
    return pointwise(norm(x, "last_norm"), "decoder")


def test_logits_are_those_of_the_formula(tmp_path):
    weights, generator = random_weights(), torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 20, (4, LENGTH), generator=generator)
    tokens[torch.rand(tokens.shape, generator=generator) < 0.5] = MASK
    network, _ = read_evodiff(saved(weights, tmp_path / "oaar-38M.tar"))
    torch.testing.assert_close(network(tokens), reference(weights, tokens), atol=1e-3, rtol=1e-4)


def test_the_small_published_model_has_as_many_weights():
    with torch.device("meta"):
        weights = ByteNet(symbols=31, embedded=8, width=1024, inner=512, kernel=5, layers=16).state_dict()
    assert (len(weights), sum(one.numel() for one in weights.values())) == (199, 37_890_327)


def test_designs_are_of_the_twenty_letters(tmp_path):
    """The sampler of EvoDiff itself may write B, the letter after the twenty."""
    weights = random_weights()
    weights["decoder.conv.bias"] = torch.where(torch.arange(31) < 20, 0.0, 100.0)
    process = svdd.load(f"evodiff:{saved(weights, tmp_path / 'oaar-38M.tar')}", length=LENGTH, steps=4)
    kept = infill(process, ["MK" + "X" * 26 + "NN"])
    samples = svdd.decode(kept, lambda designs: [d.count("W") for d in designs], samples=4, candidates=2).samples
    assert all(sample[:2] == "MK" and sample[-2:] == "NN" and set(sample) <= set(PROTEIN.letters) for sample in samples)
    assert process.time_independent
    assert process.kind.domain == "protein"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("d3pm-uniform-38M.tar", {}, "is a D3PM model, which is told the time and has other noise"),
        ("lrar-38M.tar", {}, "is a model that writes from left to right"),
        ("carp_38M.pt", {}, "is CARP, a masked language model of 30 letters"),
        ("x.pt", {"embedder.time_encoding.weight": torch.zeros(2)}, "is a D3PM model"),
        ("x.pt", {"embedder.layers.0.extra": torch.zeros(2)}, "unknown weights: embedder.layers.0.extra"),
        ("x.pt", {"embedder.layers.0.conv.weight": torch.zeros(2)}, "is not a network of EvoDiff"),
        ("x.pt", {"decoder.conv.bias": torch.zeros(7)}, "do not fit one another"),
    ],
)
def test_other_models_are_refused_by_name(tmp_path, name, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        svdd.load(f"evodiff:{saved(random_weights(layers=1) | changes, tmp_path / name)}", length=8)


def test_a_file_that_says_that_it_is_another_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a D3PM model"):
        read_evodiff(saved(random_weights(layers=1), tmp_path / "x.pt", config={"mask": "d3pm-uniform"}))
    with pytest.raises(ValueError, match="knows 30 tokens, as CARP does"):
        read_evodiff(saved(random_weights(layers=1, symbols=30), tmp_path / "x.pt", prefix=""))


def test_a_length_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match="does not say how long its designs are"):
        svdd.load(f"evodiff:{saved(random_weights(layers=1), tmp_path / 'oaar.pt')}")
