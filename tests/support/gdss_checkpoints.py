"""Checkpoints of GDSS with random weights, in the layout of the published files, for tests."""

import json
import sys
import types
from copy import deepcopy

import torch
from safetensors.torch import save_file

from svdd.domains.molecule.gdss.files import shapes

SDES = {
    "qm9": {
        "x": {"type": "VE", "beta_min": 0.1, "beta_max": 1.0, "num_scales": 6},
        "adj": {"type": "VE", "beta_min": 0.1, "beta_max": 1.0, "num_scales": 6},
    },
    "zinc": {
        "x": {"type": "VP", "beta_min": 0.1, "beta_max": 1.0, "num_scales": 6},
        "adj": {"type": "VE", "beta_min": 0.2, "beta_max": 1.0, "num_scales": 6},
    },
}
ATTENTION = {
    "nhid": 16,
    "num_linears": 3,
    "c_init": 2,
    "c_hid": 8,
    "c_final": 4,
    "adim": 16,
    "num_heads": 4,
    "conv": "GCN",
}


def settings(kind="qm9", network_x="ScoreNetworkX", layers=3):
    """`model_config`, `params_x` and `params_adj`."""
    data, nodes, features = {"qm9": ("QM9", 9, 4), "zinc": ("ZINC250k", 38, 9)}[kind]
    params_x = {"model_type": network_x, "max_feat_num": features, "depth": 2, "nhid": 16}
    if network_x == "ScoreNetworkX_GMH":
        params_x |= ATTENTION
    params_adj = {"model_type": "ScoreNetworkA", "max_feat_num": features, "max_node_num": nodes, "num_layers": layers}
    config = {
        "data": {"data": data, "max_node_num": nodes, "max_feat_num": features},
        "sde": deepcopy(SDES[kind]),
        "seed": 42,
    }
    return {"model_config": config, "params_x": params_x, "params_adj": params_adj | ATTENTION}


def random_weights(params, seed=0, dtype=torch.float32):
    """Of a size that keeps numbers within a few units; biases too."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(shape, generator=generator) * (shape[0] ** -0.5 if len(shape) > 1 else 0.3)).to(dtype)
        for name, shape in shapes(params).items()
    }


def checkpoint(**given):
    """All that a published file holds, in plain dictionaries."""
    made = settings(**given)
    states = {
        f"{part}_state_dict": random_weights(made[f"params_{part}"], seed=number)
        for number, part in enumerate(("x", "adj"))
    }
    return made | states


def easydict():
    """A module like the one that the files name: a dictionary whose items are attributes too."""

    class EasyDict(dict):
        def __init__(self, items):
            super().__init__({k: EasyDict(v) if isinstance(v, dict) else v for k, v in items.items()})
            self.__dict__.update(self)

    EasyDict.__module__, EasyDict.__qualname__ = "easydict", "EasyDict"
    module = types.ModuleType("easydict")
    module.EasyDict = EasyDict
    return module


def write_pth(path, monkeypatch, content=None, **given):
    """As torch.save of a training run writes it."""
    content = dict(content or checkpoint(**given))
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "easydict", easydict())
        content["model_config"] = sys.modules["easydict"].EasyDict(content["model_config"])
        torch.save(content, path)
    return path


def write_safetensors(path, header=True, content=None, **given):
    """The converted form, its settings in the header or in a file beside it."""
    content = content or checkpoint(**given)
    tensors = {
        f"{part}.{name}": value for part in ("x", "adj") for name, value in content[f"{part}_state_dict"].items()
    }
    told = {name: content[name] for name in ("model_config", "params_x", "params_adj")}
    save_file(tensors, str(path), {name: json.dumps(value) for name, value in told.items()} if header else None)
    if not header:
        path.with_suffix(".json").write_text(json.dumps(told))
    return path


def random_graphs(sizes, nodes, features, seed=0, dtype=torch.float64):
    """Noisy states of given sizes."""
    generator = torch.Generator().manual_seed(seed)
    flags = (torch.arange(nodes) < torch.tensor(sizes)[:, None]).to(dtype)
    x = torch.randn(len(sizes), nodes, features, generator=generator, dtype=dtype) * flags[:, :, None]
    upper = torch.randn(len(sizes), nodes, nodes, generator=generator, dtype=dtype).triu(1)
    adj = (upper + upper.mT) * flags[:, :, None] * flags[:, None]
    return {"x": x, "adj": adj, "flags": flags}
