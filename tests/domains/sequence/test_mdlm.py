"""Checkpoints of other projects: every layout, against a forward pass written from the names of the weights alone."""

import json
import math
import os
import re
import sys
import types
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

import svdd
from support.places import DOCS
from svdd.networks.foreign_files import read_content, weight_files
from svdd.networks.foreign_pickles import Foreign
from svdd.registry import load

LENGTH, SYMBOLS, MASK = 70, 5, 4  # longer than the widest dilation


def random_weights(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def cnn_shapes(width=8, stacks=2):
    """Names and shapes in the order in which the published class registers them."""
    layers = 5 * stacks
    shapes = {"linear.weight": (width, SYMBOLS, 9), "linear.bias": (width,), "time_embedder.0.W": (width // 2,)}
    shapes |= {"time_embedder.1.weight": (width, width), "time_embedder.1.bias": (width,)}
    for i in range(layers):
        shapes |= {f"convs.{i}.weight": (width, width, 9), f"convs.{i}.bias": (width,)}
    for i in range(layers):
        shapes |= {f"time_layers.{i}.dense.weight": (width, width), f"time_layers.{i}.dense.bias": (width,)}
    for i in range(layers):
        shapes |= {f"norms.{i}.weight": (width,), f"norms.{i}.bias": (width,)}
    shapes |= {"final_conv.0.weight": (width, width, 1), "final_conv.0.bias": (width,)}
    return shapes | {"final_conv.2.weight": (SYMBOLS, width, 1), "final_conv.2.bias": (SYMBOLS,)}


def dit_shapes(width=12, conditioning=6, blocks=2, heads=3):
    shapes = {"vocab_embed.embedding": (SYMBOLS, width), "sigma_map.mlp.0.weight": (conditioning, 256)}
    shapes |= {"sigma_map.mlp.0.bias": (conditioning,), "sigma_map.mlp.2.weight": (conditioning, conditioning)}
    shapes |= {"sigma_map.mlp.2.bias": (conditioning,), "rotary_emb.inv_freq": (width // heads // 2,)}
    for i in range(blocks):
        block = {"norm1.weight": (width,), "attn_qkv.weight": (3 * width, width), "attn_out.weight": (width, width)}
        block |= {"norm2.weight": (width,), "mlp.0.weight": (4 * width, width), "mlp.0.bias": (4 * width,)}
        block |= {"mlp.2.weight": (width, 4 * width), "mlp.2.bias": (width,)}
        block |= {"adaLN_modulation.weight": (6 * width, conditioning), "adaLN_modulation.bias": (6 * width,)}
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    shapes |= {"output_layer.norm_final.weight": (width,), "output_layer.linear.weight": (SYMBOLS, width)}
    shapes |= {"output_layer.linear.bias": (SYMBOLS,)}
    shapes |= {"output_layer.adaLN_modulation.weight": (2 * width, conditioning)}
    return shapes | {"output_layer.adaLN_modulation.bias": (2 * width,)}


def cnn_reference(w, tokens, sigma):
    """Eight layers of dilation 1, then 4, 16 and 64 for four stacks; half as many of each for two."""
    layers = sum(name.startswith("norms") for name in w) // 2
    each = layers // 5
    angle = sigma * w["time_embedder.0.W"] * 2 * math.pi
    time = torch.cat([torch.sin(angle), torch.cos(angle)])
    time = (w["time_embedder.1.weight"] @ time + w["time_embedder.1.bias"]).clamp(min=0)
    x = functional.one_hot(tokens, SYMBOLS).float().transpose(1, 2)
    x = functional.conv1d(x, w["linear.weight"], w["linear.bias"], padding="same").clamp(min=0)
    for i, dilation in enumerate([1] * 2 * each + [4] * each + [16] * each + [64] * each):
        h = x + (w[f"time_layers.{i}.dense.weight"] @ time + w[f"time_layers.{i}.dense.bias"])[None, :, None]
        h = (h - h.mean(1, keepdim=True)) / (h.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        h = h * w[f"norms.{i}.weight"][:, None] + w[f"norms.{i}.bias"][:, None]
        h = functional.conv1d(h, w[f"convs.{i}.weight"], w[f"convs.{i}.bias"], padding="same", dilation=dilation)
        x = x + h.clamp(min=0)
    x = torch.einsum("oc,ncl->nol", w["final_conv.0.weight"][..., 0], x) + w["final_conv.0.bias"][:, None]
    x = torch.einsum("oc,ncl->nlo", w["final_conv.2.weight"][..., 0], x.clamp(min=0))
    return x + w["final_conv.2.bias"]


def dit_reference(w, tokens, sigma):
    """Rotary positions as complex numbers, attention as matrices."""
    width, heads = w["vocab_embed.embedding"].shape[1], 3
    half = width // heads // 2

    def norm(x, scale):
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * scale

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)

    def turned(x):
        turns = torch.outer(torch.arange(x.shape[1]).double(), 10000.0 ** (-torch.arange(half).double() / half))
        z = torch.complex(x[..., :half].double(), x[..., half:].double()) * torch.exp(1j * turns)[None, :, None]
        return torch.cat([z.real, z.imag], -1).float()

    angle = sigma * torch.exp(-math.log(10000) * torch.arange(128) / 128)
    level = torch.cat([torch.cos(angle), torch.sin(angle)])
    level = functional.silu(linear(functional.silu(linear(level, "sigma_map.mlp.0")), "sigma_map.mlp.2"))
    x = w["vocab_embed.embedding"][tokens]
    for i in range(2):
        name = f"blocks.{i}"
        shift, scale, gate, shift2, scale2, gate2 = linear(level, f"{name}.adaLN_modulation").split(width)
        qkv = linear(norm(x, w[f"{name}.norm1.weight"]) * (1 + scale) + shift, f"{name}.attn_qkv")
        q, k, v = (part.unflatten(-1, (heads, -1)) for part in qkv.split(width, -1))
        logits = torch.einsum("nihd,njhd->nhij", turned(q), turned(k)) / math.sqrt(2 * half)
        mixed = torch.einsum("nhij,njhd->nihd", logits.softmax(-1), v).flatten(2)
        x = x + gate * linear(mixed, f"{name}.attn_out")
        h = linear(norm(x, w[f"{name}.norm2.weight"]) * (1 + scale2) + shift2, f"{name}.mlp.0")
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + gate2 * linear(h, f"{name}.mlp.2")
    shift, scale = linear(level, "output_layer.adaLN_modulation").split(width)
    return linear(norm(x, w["output_layer.norm_final.weight"]) * (1 + scale) + shift, "output_layer.linear")


KINDS = {"cnn": (cnn_shapes, cnn_reference), "dit": (dit_shapes, dit_reference)}
CONFIGURATION = {
    "parameterization": "subs",
    "time_conditioning": False,
    "noise": {"type": "loglinear"},
    "model": {"length": LENGTH},
}


@pytest.fixture
def omegaconf(monkeypatch):
    """A package of which files name the classes; it is gone when they are read."""

    class DictConfig:
        def __init__(self, content):
            self._content = {k: DictConfig(v) if isinstance(v, dict) else AnyNode(v, self) for k, v in content.items()}
            self._metadata, self._parent = SimpleNamespace(key=None), None

    class AnyNode:
        def __init__(self, value, parent):
            self._val, self._parent = value, parent

    homes = {DictConfig: "omegaconf.dictconfig", AnyNode: "omegaconf.nodes"}
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    for one, home in homes.items():
        one.__module__, one.__qualname__ = home, one.__name__
        module = types.ModuleType(home)
        setattr(module, one.__name__, one)
        monkeypatch.setitem(sys.modules, home, module)
    return SimpleNamespace(config=DictConfig, forget=lambda: [sys.modules.pop(home, None) for home in homes.values()])


def trained(shapes, seed=1):
    """The moving average: every weight but the frequencies, which are not trained."""
    frozen = ("time_embedder.0.W", "rotary_emb.inv_freq")
    return {k: v for k, v in random_weights(shapes, seed).items() if k not in frozen}


def lightning(weights, average=None, config=None, **extra):
    file = {"epoch": 3, "loops": {"fit_loop": {}}, "state_dict": {f"backbone.{k}": v for k, v in weights.items()}}
    if average is not None:
        file["ema"] = {"decay": 0.9999, "num_updates": 7, "shadow_params": list(average.values())}
    return file | {"hyper_parameters": {"config": config, **extra}}


def logits_of(process, tokens, t=0.5):
    """Unnormalised at masked sites: log-probabilities of the four letters."""
    return process.denoiser(tokens, torch.tensor(t).double(), ()).log_p


def reference_of(kind, weights, tokens, sigma=0.0):
    return KINDS[kind][1](weights, tokens, torch.tensor(sigma))[..., :MASK].log_softmax(-1)


@pytest.fixture
def tokens():
    return torch.randint(0, SYMBOLS, (3, LENGTH), generator=torch.Generator().manual_seed(2))


def assert_same(process, kind, weights, tokens, t=0.5, sigma=0.0):
    masked = tokens == MASK
    found, expected = logits_of(process, tokens, t)[masked], reference_of(kind, weights, tokens, sigma)[masked]
    assert float((found - expected).abs().max()) < 1e-4
    assert float(expected.std()) > 0.1, "the reference says nothing"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_lightning_checkpoint_gives_its_average(kind, tmp_path, tokens, omegaconf):
    shapes = KINDS[kind][0]()
    weights, average = random_weights(shapes), trained(shapes)
    path = tmp_path / "best.ckpt"
    torch.save(lightning(weights, average, omegaconf.config(CONFIGURATION)), path)
    omegaconf.forget()
    process = load(f"mdlm:{path}", steps=5)
    assert process.time_independent
    assert (process.kind.length, process.kind.domain) == (LENGTH, "dna")
    assert process.about["weights"] == "average"
    assert_same(process, kind, weights | average, tokens)
    last = load(f"mdlm:{path}", steps=5, ema=False)
    assert last.about["weights"] == "last"
    assert_same(last, kind, weights, tokens)
    assert float((logits_of(process, tokens) - logits_of(last, tokens)).nan_to_num().abs().max()) > 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "backbone.", "model.backbone."])
def test_a_plain_state_dict(kind, prefix, tmp_path, tokens):
    weights = random_weights(KINDS[kind][0]())
    path = tmp_path / "weights.pt"
    torch.save({f"{prefix}{k}": v for k, v in weights.items()}, path)
    assert_same(load(f"mdlm:{path}", length=LENGTH, time_conditioning=False), kind, weights, tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors_beside_a_configuration(kind, tmp_path, tokens):
    weights = random_weights(KINDS[kind][0]())
    kept = {k: v for k, v in weights.items() if k != "rotary_emb.inv_freq"}
    save_file({f"backbone.{k}": v for k, v in kept.items()}, tmp_path / "model.safetensors")
    config = {"model_length": LENGTH, "time_conditioning": False, "n_heads": 3, "vocab_size": SYMBOLS}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert_same(load(f"mdlm:{tmp_path}"), kind, weights, tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_with_time_is_told_the_noise_level(kind, tmp_path, tokens):
    weights = random_weights(KINDS[kind][0]())
    path = tmp_path / "timed.pt"
    torch.save(weights, path)
    process = load(f"mdlm:{path}", length=LENGTH, time_conditioning=True)
    assert not process.time_independent
    for t in (0.9, 0.2):
        assert_same(process, kind, weights, tokens, t, sigma=-math.log(1 - (1 - 1e-3) * t))


@pytest.mark.parametrize("kind", KINDS)
def test_another_mask_number_renumbers_tokens(kind, tmp_path, tokens):
    weights = random_weights(KINDS[kind][0]())
    path = tmp_path / "weights.pt"
    torch.save(weights, path)
    process = load(f"mdlm:{path}", length=LENGTH, time_conditioning=False, mask_index=1)
    theirs = torch.tensor([0, 2, 3, 4, 1])
    masked = tokens == MASK
    expected = KINDS[kind][1](weights, theirs[tokens], torch.tensor(0.0))[..., [0, 2, 3, 4]].log_softmax(-1)
    assert float((logits_of(process, tokens)[masked] - expected[masked]).abs().max()) < 1e-4


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "cnn.pt"
    torch.save(random_weights(cnn_shapes(stacks=1)), path)
    return f"mdlm:{path}"


def gc(sequences):
    return [(s.count("G") + s.count("C")) / len(s) for s in sequences]


@pytest.mark.slow
def test_decoding_and_its_pretrained_sampler(small):
    process = load(small, length=12, steps=6, time_conditioning=False)
    plain = svdd.decode(process, gc, method="pretrained", samples=8, seed=3)
    one = svdd.decode(process, gc, method="svdd", candidates=1, samples=8, seed=3)
    many = svdd.decode(process, gc, method="svdd", candidates=6, samples=8, seed=3)
    assert one.samples == plain.samples
    assert float(many.rewards.mean()) > float(plain.rewards.mean()) + 0.1
    assert {len(s) for s in many.samples} == {12} and set("".join(many.samples)) <= set("ACGT")


@pytest.mark.slow
def test_a_row_does_not_depend_on_its_company(small):
    process = load(small, length=12, steps=6, time_conditioning=False)
    settings = {"candidates": 3, "temperature": 0.1, "seed": 1}
    together = svdd.decode(process, gc, samples=5, **settings)
    apart = svdd.decode(process, gc, samples=5, batch=2, chunks={"network": 2}, share=False, **settings)
    assert together.samples == apart.samples


def test_alphabets(small):
    options = {"length": 8, "steps": 3, "time_conditioning": False}
    rna = load(small, alphabet="ACGU", **options)
    assert rna.kind.domain == "rna"
    assert set("".join(svdd.decode(rna, gc, method="pretrained", samples=4).samples)) <= set("ACGU")
    with pytest.raises(ValueError, match="alphabet must be 4 different letters, the mask not among them, got 'ACG'"):
        load(small, alphabet="ACG", **options)


def test_without_letters_designs_are_token_numbers(tmp_path):
    shapes = dit_shapes() | {"vocab_embed.embedding": (9, 12), "output_layer.linear.weight": (9, 12)}
    torch.save(random_weights(shapes | {"output_layer.linear.bias": (9,)}), tmp_path / "text.pt")
    process = load(f"mdlm:{tmp_path / 'text.pt'}", length=5, steps=3, time_conditioning=False)
    result = svdd.decode(process, lambda x: (x == 7).sum(1).float(), candidates=3, samples=4)
    assert result.samples.shape == (4, 5) and int(result.samples.max()) < 8


# --- what a file cannot do --------------------------------------------------------------------------------------


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_nothing_in_a_file_is_run(tmp_path):
    weights, marker, path = random_weights(cnn_shapes(stacks=1)), tmp_path / "ran", tmp_path / "bad.ckpt"
    torch.save(lightning(weights, config={"time_conditioning": False}, payload=Payload(marker)), path)
    process = load(f"mdlm:{path}", length=8)
    assert not marker.exists()
    assert process.about["weights"] == "last"
    torch.save(Payload(marker), path)
    with pytest.raises(ValueError, match=r"holds a whole object, .*, not named tensors"):
        read_content([path])
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), "the payload is one"


def test_a_placeholder_takes_anything_and_does_nothing():
    thing = Foreign(1, a=2)(3)
    thing.append(4)
    thing.extend([5])
    thing.__setstate__({"x": 1})
    thing["k"] = 2
    assert (thing.state, thing.items) == ({"x": 1}, {"k": 2})


def test_a_tensor_cannot_reach_beyond_its_numbers(tmp_path):
    """A view of more numbers than were saved, by a file that claims it."""

    class Claim:
        def __init__(self, tensor, size, stride):
            self.claim = tensor, size, stride

        def __reduce__(self):
            tensor, size, stride = self.claim
            return torch._utils._rebuild_tensor_v2, (tensor._typed_storage(), 0, size, stride, False, {})

    for size, stride in (((2**40,), (0,)), ((2,), (1000,)), ((1,), (-1,))):
        torch.save({"w": Claim(torch.zeros(4), size, stride)}, tmp_path / "w.pt")
        with pytest.raises(ValueError, match=r"w\.pt cannot be read as weights"):
            read_content([tmp_path / "w.pt"])


@pytest.mark.parametrize("content", [b"not weights\x01", b"\x80\x02}q\x00."])
def test_files_that_are_no_archives(tmp_path, content):
    path = tmp_path / "w.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not a zip archive of torch\.save; if you trust it, load it with"):
        load(f"mdlm:{path}")


def test_all_number_formats_are_read(tmp_path):
    kinds = (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.uint8,
        torch.bool,
    )
    tensors = {str(kind): torch.arange(6).reshape(2, 3).to(kind).t() for kind in kinds}
    tensors |= {"none": torch.zeros(0, 3), "one": torch.tensor(2.5), "parameter": torch.nn.Parameter(torch.ones(2))}
    torch.save(tensors, tmp_path / "w.pt")
    found = read_content(weight_files(tmp_path / "w.pt"))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


# --- sentences --------------------------------------------------------------------------------------------------


def saved(tmp_path, weights, **file):
    torch.save(lightning(weights, **file), tmp_path / "m.ckpt")
    return f"mdlm:{tmp_path / 'm.ckpt'}"


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {}, r"does not say whether its network was trained with time; give time_conditioning=False"),
        ({}, {"time_conditioning": False}, "does not say how long its designs are; give length=200"),
        ({"config": {"parameterization": "sedd"}}, {}, "trained with the 'sedd' parameterisation; only 'subs'"),
        (
            {"config": {"time_conditioning": True, "noise": {"type": "cosine"}}},
            {},
            "trained with time and 'cosine' noise; only 'loglinear'",
        ),
        ({}, {"steps": 4, "stepz": 4}, "unknown option of mdlm 'stepz'; did you mean steps"),
    ],
)
def test_what_is_missing_is_said(tmp_path, change, options, said):
    with pytest.raises(ValueError, match=said):
        load(saved(tmp_path, random_weights(cnn_shapes(stacks=1)), **change), **options)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda w: w.pop("norms.1.bias"), r"missing weights: norms\.1\.bias; unknown weights: none"),
        (
            lambda w: w.update({f"cls_layers.{i}.weight": torch.ones(1) for i in range(5)}),
            r"unknown weights: cls_layers\.0\.weight, cls_layers\.1\.weight, cls_layers\.2\.weight and 2 more",
        ),
        (lambda w: w.update({"final_conv.0.weight": torch.ones(3, 3, 1)}), "do not fit one another"),
        (lambda w: w.pop("convs.0.weight"), "neither network that can be read; it has linear.weight"),
        (lambda w: [w.pop(f"convs.4.{k}") for k in ("weight", "bias")], "there are 4 convolutions; only"),
        (lambda w: w.update({"linear.weight": torch.ones(5, 8)}), "only a convolutional stem"),
    ],
)
def test_weights_that_are_not_quite_right(tmp_path, changed, said):
    weights = random_weights(cnn_shapes(stacks=1))
    changed(weights)
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=said):
        load(f"mdlm:{tmp_path / 'w.pt'}", length=9, time_conditioning=False)


def test_a_configuration_that_is_not_json(tmp_path):
    save_file(random_weights(cnn_shapes(stacks=1)), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        load(f"mdlm:{tmp_path}")
    (tmp_path / "config.json").unlink()
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"model\.safetensors is not a readable safetensors file"):
        load(f"mdlm:{tmp_path}")


def test_heads_of_a_transformer(tmp_path):
    weights = {k: v for k, v in random_weights(dit_shapes()).items() if k != "rotary_emb.inv_freq"}
    torch.save(weights, tmp_path / "w.pt")
    options = {"length": 9, "time_conditioning": False}
    with pytest.raises(ValueError, match="does not say how many attention heads the network has; give heads=12"):
        load(f"mdlm:{tmp_path / 'w.pt'}", **options)
    with pytest.raises(ValueError, match="5 attention heads do not divide a width of 12"):
        load(f"mdlm:{tmp_path / 'w.pt'}", heads=5, **options)


def test_an_average_of_another_network(tmp_path):
    weights = random_weights(cnn_shapes(stacks=1))
    path = saved(tmp_path, weights, average=dict(list(weights.items())[:3]), config={"time_conditioning": False})
    with pytest.raises(ValueError, match=r"moving average .* \(3 tensors\) does not fit .*; give ema=False"):
        load(path, length=9)
    assert load(path, length=9, ema=False).about["weights"] == "last"


def test_folders_must_have_one_file(tmp_path):
    with pytest.raises(ValueError, match="but has none; name the file itself"):
        load(f"mdlm:{tmp_path}")
    for name in ("a.pt", "b.ckpt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"but has a\.pt, b\.ckpt; name the file itself"):
        load(f"mdlm:{tmp_path}")
    with pytest.raises(ValueError, match=r"there is no weight file or folder '/nowhere/x\.ckpt'"):
        load("mdlm:/nowhere/x.ckpt")


@pytest.mark.parametrize("index", [-1, 5])
def test_a_mask_beyond_the_symbols(small, index):
    with pytest.raises(ValueError, match="mask_index must be one of the network's 5 symbols, 0 to 4"):
        load(small, length=8, time_conditioning=False, mask_index=index)


def test_a_job_keeps_a_whole_path(small, tmp_path, monkeypatch):
    from svdd.runs.job import make_job

    monkeypatch.chdir(tmp_path)
    job = make_job({"model": "mdlm:cnn.pt", "reward": "gc-content", "out": "runs"})
    assert job.anchored().model == small


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::svdd.scoring.first_rewards.FlatRewardWarning")  # random weights lead to no motif
def test_the_page_on_checkpoints_runs(tmp_path, monkeypatch):
    page = (DOCS / "checkpoints.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    torch.save({f"backbone.{k}": v for k, v in random_weights(cnn_shapes()).items()}, "checkpoints/dna.ckpt")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        code = re.sub(r"steps=\d+", "steps=4", code)
        exec(compile(code, "checkpoints.md", "exec"), names)
    assert len(names["result"]) == len(names["rich"]) == 8
