"""Values of graphs: a network that does not see the order of nodes, fitted, saved and read back."""

import pytest
import torch

import svdd
from svdd import Process, Rng
from svdd.chain.distributions import Dirac, Normal, Product
from svdd.chain.schedules import vp_cosine
from svdd.chain.transitions import ddpm
from svdd.domains.molecule.graph_regressor import GraphRegressor
from svdd.fitting.fingerprint import FingerprintError
from svdd.networks.training import isolated_randomness
from svdd.networks.weight_files import load_network, save_network

SIZES = torch.tensor([6, 4, 3, 1])
STEPS = 6


def graphs(n=4, nodes=6, features=3, seed=0):
    rng = Rng(seed, n)
    flags = (torch.arange(nodes) < SIZES[torch.arange(n) % 4][:, None]).float()
    x = rng.normal((n, nodes, features)) * flags[..., None]
    upper = rng.normal((n, nodes, nodes)).triu(1) * flags[:, None] * flags[:, :, None]
    return {"x": x, "adj": upper + upper.mT, "flags": flags}


def network(**sizes):
    with isolated_randomness(0):
        return GraphRegressor(3, channels=8, timed=True, **sizes).eval()


def test_the_order_of_nodes_does_not_matter():
    state, net, order = graphs(), network(), torch.tensor([3, 1, 0, 2])
    moved = {name: leaf.clone() for name, leaf in state.items()}
    moved["x"][1, :4] = state["x"][1, order]
    moved["adj"][1, :4, :4] = state["adj"][1][order][:, order]
    t = torch.tensor([0.5])
    torch.testing.assert_close(net(moved, t), net(state, t))
    assert len(net(state, t).unique()) == 4


def test_nodes_without_a_flag_are_not_read():
    state, net, t = graphs(), network(), torch.tensor([0.5])
    other = {name: leaf.clone() for name, leaf in state.items()}
    other["x"][2, 3:], other["adj"][2, 3:] = 7.0, 7.0
    other["adj"][2, :, 3:] = 7.0
    assert torch.equal(net(other, t), net(state, t))


def test_time_and_bonds_are_read():
    state, net = graphs(), network()
    first = net(state, torch.tensor([0.5]))
    assert not torch.allclose(net(state, torch.tensor([0.9])), first)
    assert not torch.allclose(net(state | {"adj": 2 * state["adj"]}, torch.tensor([0.5])), first)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="reads 3 features"):
        network()(graphs(features=5), torch.tensor([0.5]))
    with pytest.raises(ValueError, match="needs times"):
        network()(graphs())
    with pytest.raises(ValueError, match="rounds must be at least 1, got 0"):
        GraphRegressor(3, rounds=0)


def test_it_is_saved_and_read_back(tmp_path):
    net, state, t = network(), graphs(), torch.tensor([0.5])
    save_network(net, tmp_path / "graph.safetensors")
    assert torch.equal(load_network(tmp_path / "graph.safetensors")(state, t), net(state, t))


def process(shift=0.0):
    """A Gaussian chain of small graphs, whose denoiser shrinks."""

    def denoiser(x, t, cond):
        return Dirac({name: x[name] * 0.7 + (shift if name == "x" else 0.0) * x["flags"][..., None] for name in ("x", "adj")}
                     | {"flags": x["flags"]})  # fmt: skip

    def transition(x, posterior, t, s):
        step = ddpm(vp_cosine())
        parts = {name: step(x[name], Dirac(posterior.x[name]), t, s) for name in ("x", "adj")}
        flags = x["flags"]
        parts["x"] = Normal(parts["x"].mean, parts["x"].std * flags[..., None])
        return Product({"x": parts["x"], "adj": Dirac(parts["adj"].mean), "flags": Dirac(flags)})

    def prior(n, rng):
        flags = (torch.arange(6) < SIZES[torch.tensor(rng.ids) % 4].repeat_interleave(n // len(rng))[:, None]).float()
        return {"x": rng.normal((n, 6, 3)) * flags[..., None], "adj": torch.zeros(n, 6, 6), "flags": flags}

    times = torch.linspace(0.99, 0, STEPS + 1)
    return Process(prior, denoiser, transition, times)


def reward(state):
    """The sum of the first features, which a network of messages can learn."""
    return state["x"][..., 0].sum(1)


def fit(**more):
    settings = {"rollouts": 64, "states": 4, "train_steps": 60, "held_out": 16, "nested": (4, 4), "candidates": 2}
    return svdd.fit_value(process(), reward, **settings, **more)


@pytest.mark.slow
def test_a_graph_value_is_fitted_saved_and_used(tmp_path):
    value = fit()
    assert value.card["network"] == "graph"
    value.save(tmp_path / "value")
    read = svdd.load_value(tmp_path / "value", process(), reward)
    state = process().prior(8, Rng(5, 8))
    t = process().times[2]
    assert torch.equal(read.predictor(state, t, ()), value.predictor(state, t, ()))
    alone = [read.predictor({k: v[i : i + 1] for k, v in state.items()}, t, ()) for i in range(8)]
    assert torch.equal(torch.cat(alone), read.predictor(state, t, ()))  # a row's number is its own
    guided = svdd.decode(process(), reward, value=read, samples=32, candidates=8, seed=1)
    free = svdd.decode(process(), reward, method="pretrained", samples=32, seed=1)
    assert guided.rewards.mean() > free.rewards.mean()
    with pytest.raises(FingerprintError, match="model"):
        svdd.load_value(tmp_path / "value", process(shift=0.5), reward)


def test_networks_of_tokens_do_not_read_graphs():
    with pytest.raises(ValueError, match="convolutional network reads rows of tokens"):
        fit(network="convolutional")
