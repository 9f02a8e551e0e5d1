"""Score networks of graphs against the equations written out with loops, padding and diagonals included."""

import math

import numpy as np
import pytest
import torch

from support.gdss_checkpoints import random_graphs, random_weights, settings
from svdd.domains.molecule.gdss.networks import MULTIPLE, ScoreNetworkA, ScoreNetworkX, ScoreNetworkX_GMH

NETWORKS = {"ScoreNetworkA": ScoreNetworkA, "ScoreNetworkX": ScoreNetworkX, "ScoreNetworkX_GMH": ScoreNetworkX_GMH}


# --- the equations -----------------------------------------------------------------------------------------------


def elu(u):
    return np.where(u > 0, u, np.exp(np.minimum(u, 0)) - 1)


def perceptron(w, name, u):
    number = 0
    while f"{name}.linears.{number}.weight" in w:
        u = elu(u) if number else u
        u = w[f"{name}.linears.{number}.weight"] @ u + w[f"{name}.linears.{number}.bias"]
        number += 1
    return u


def convolution(w, name, h, adjacency):
    n = len(h)
    looped = adjacency.copy()
    np.fill_diagonal(looped, 1.0)
    scale = [max(1.0, sum(looped[i])) ** -0.5 for i in range(n)]
    out = np.zeros((n, w[f"{name}.weight"].shape[1]))
    for i in range(n):
        for j in range(n):
            out[i] += scale[i] * looped[i, j] * scale[j] * (h[j] @ w[f"{name}.weight"])
    return out + w[f"{name}.bias"]


def attention(w, name, h, adjacency):
    query, key, value = (convolution(w, f"{name}.gnn_{kind}", h, adjacency) for kind in "qkv")
    n = len(h)
    s = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            heads = [query[i, 4 * r : 4 * r + 4] @ key[j, 4 * r : 4 * r + 4] for r in range(4)]
            s[i, j] = sum(math.tanh(dot / math.sqrt(value.shape[1])) for dot in heads) / 4
    return value, (s + s.T) / 2


def layer(w, name, h, channels, m):
    parts = [attention(w, f"{name}.attn.{c}", h, channel) for c, channel in enumerate(channels)]
    n, values = len(h), np.concatenate([value for value, _ in parts], 1)
    h = np.array([np.tanh(m[i] * perceptron(w, f"{name}.multi_channel", values[i])) for i in range(n)])
    mixed = np.array(
        [
            [perceptron(w, f"{name}.mlp", [s[i, j] for _, s in parts] + [a[i, j] for a in channels]) for j in range(n)]
            for i in range(n)
        ]
    )
    return h, [(mixed[:, :, c] + mixed[:, :, c].T) * np.outer(m, m) for c in range(mixed.shape[2])]


def network_a(w, x, adjacency, m, layers):
    h, channels = x, [adjacency, adjacency @ adjacency]
    seen = list(channels)
    for number in range(layers):
        h, channels = layer(w, f"layers.{number}", h, channels, m)
        seen += channels
    n = len(x)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            out[i, j] = (i != j) * m[i] * m[j] * perceptron(w, "final", [channel[i, j] for channel in seen])[0]
    return out


def network_x(w, x, adjacency, m):
    seen = [x]
    for number in range(2):
        seen.append(np.tanh(convolution(w, f"layers.{number}", seen[-1], adjacency)))
    rows = np.concatenate(seen, 1)
    return np.array([m[i] * perceptron(w, "final", rows[i]) for i in range(len(x))])


def network_x_gmh(w, x, adjacency, m):
    seen, channels = [x], [adjacency, adjacency @ adjacency]
    for number in range(2):
        h, channels = layer(w, f"layers.{number}", seen[-1], channels, m)
        seen.append(np.tanh(h))
    rows = np.concatenate(seen, 1)
    return np.array([m[i] * perceptron(w, "final", rows[i]) for i in range(len(x))])


def transcribed(name, weights, state, layers):
    w = {key: value.double().numpy() for key, value in weights.items()}
    rows = []
    for x, adjacency, m in zip(*(state[k].double().numpy() for k in ("x", "adj", "flags")), strict=True):
        if name == "ScoreNetworkA":
            rows.append(network_a(w, x, adjacency, m, layers))
        else:
            rows.append((network_x_gmh if name.endswith("GMH") else network_x)(w, x, adjacency, m))
    return torch.from_numpy(np.array(rows))


# --- the networks ------------------------------------------------------------------------------------------------


def made(name, kind="qm9", layers=3, dtype=torch.float64):
    params = settings(kind, name if name != "ScoreNetworkA" else "ScoreNetworkX", layers)
    weights = random_weights(params["params_adj" if name == "ScoreNetworkA" else "params_x"], dtype=dtype)
    return NETWORKS[name](weights), weights


def asked(network, state):
    return network(state["x"], state["adj"], state["flags"])


@pytest.mark.parametrize("kind", ["qm9", "zinc"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_its_equations(name, kind):
    network, weights = made(name, kind, layers=4 if kind == "zinc" else 3)
    state = random_graphs([8, 7, 3, 2, 1], 8, 9 if kind == "zinc" else 4)
    expected = transcribed(name, weights, state, 4 if kind == "zinc" else 3)
    assert float(expected.abs().max()) > 0.3
    assert float((asked(network, state) - expected).abs().max()) < 1e-11


@pytest.mark.parametrize("name", NETWORKS)
def test_single_precision_is_right_to_rounding(name):
    network, weights = made(name, dtype=torch.float32)
    state = random_graphs([8, 6, 5], 8, 4, dtype=torch.float32)
    expected = transcribed(name, weights, state, 3)
    assert float(((asked(network, state) - expected).abs() / expected.abs().clamp(min=1)).max()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_has_the_same_numbers_beside_whatever_others(name, dtype):
    network, _ = made(name, "zinc", dtype=dtype)
    for n in range(MULTIPLE, 41, 2 * MULTIPLE):
        state = random_graphs([n, n - 3, n, n - 1, n, n, n - 2], n, 9, seed=n, dtype=dtype)
        together = asked(network, state)
        order = torch.tensor([3, 6, 0, 5, 1, 4, 2])
        assert torch.equal(asked(network, {k: v[order] for k, v in state.items()}), together[order])
        alone = torch.cat([asked(network, {k: v[i : i + 1] for k, v in state.items()}) for i in range(7)])
        assert torch.equal(alone, together)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_says_nothing(name):
    network, _ = made(name)
    state = random_graphs([5, 4], 8, 4)
    larger = random_graphs([5, 4], 16, 4)
    larger["x"][:, :8], larger["adj"][:, :8, :8] = state["x"], state["adj"]
    larger["adj"][:, 8:] = larger["adj"][:, :, 8:] = 0
    small, large = asked(network, state), asked(network, larger)
    inside = (slice(None), slice(8), slice(8)) if name == "ScoreNetworkA" else (slice(None), slice(8))
    assert float((large[inside] - small).abs().max()) < 1e-12
    large[inside] = 0
    assert not large.any()


def test_bonds_are_symmetric_to_the_last_bit():
    network, _ = made("ScoreNetworkA")
    score = asked(network, random_graphs([8, 6, 1], 8, 4))
    assert torch.equal(score, score.mT)
    assert not score.diagonal(dim1=1, dim2=2).any()
    assert not score[2].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_nodes_have_no_order(name):
    network, _ = made(name)
    state = random_graphs([8, 8], 8, 4)
    order = torch.tensor([3, 1, 7, 0, 6, 2, 5, 4])
    turned = {"x": state["x"][:, order], "adj": state["adj"][:, order][:, :, order], "flags": state["flags"]}
    expected = asked(network, state)[:, order]
    expected = expected[:, :, order] if name == "ScoreNetworkA" else expected
    assert float((asked(network, turned) - expected).abs().max()) < 1e-12
