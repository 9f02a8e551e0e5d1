"""Values of images and latents: what the network reads, and files that come back the same."""

import pytest
import torch

from svdd.chain.rng import Rng
from svdd.chain.tree import take
from svdd.domains.image.regressor import ImageRegressor
from svdd.fitting.predictors import of_network
from svdd.fitting.readers import reader, suited
from svdd.networks.training import isolated_randomness
from svdd.networks.weight_files import load_network, save_network

T = torch.tensor([0.5])


def latents(n=4, size=8, features=3):
    return Rng(0, n).normal((n, features, size, size))


def network(**options):
    with isolated_randomness(0):
        return ImageRegressor(3, channels=8, timed=True, **options).eval()


@pytest.mark.parametrize("size", [1, 5, 8, 17])
def test_any_size_is_read(size):
    assert network(outputs=2)(latents(size=size), T).shape == (4, 2)


def test_the_time_the_condition_and_every_channel_are_read():
    net, x = network(conditions=3), latents()
    first = net({"latents": x, "condition": torch.tensor([0, 1, 2, 0])}, T)
    assert len(first.unique()) == 4
    other = net({"latents": x, "condition": torch.tensor([0, 2, 2, 0])}, T)
    assert (other != first).flatten().tolist() == [False, True, False, False]
    assert not torch.allclose(net({"latents": x, "condition": torch.tensor([0, 1, 2, 0])}, torch.tensor([0.9])), first)
    for channel in range(3):
        moved = x.clone()
        moved[:, channel] += 1
        assert not torch.allclose(net({"latents": moved, "condition": torch.tensor([0, 1, 2, 0])}, T), first)


def test_one_condition_may_be_left_out():
    net, x = network(conditions=1), latents()
    assert torch.equal(net(x, T), net({"latents": x, "condition": torch.zeros(4, dtype=torch.int64)}, T))


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({}, {"latents": latents(), "condition": torch.zeros(4, dtype=torch.int64)}),
        ({"conditions": 2}, latents()),
        ({}, latents(features=4)),
    ],
)
def test_other_states_are_refused(options, state):
    with pytest.raises(ValueError, match="the network reads states of 3 channels"):
        network(**options)(state, T)


def test_times_are_wanted_or_not():
    with pytest.raises(ValueError, match="needs times"):
        network()(latents())
    with isolated_randomness(0), pytest.raises(ValueError, match="takes no times"):
        ImageRegressor(3)(latents(), T)


def test_it_is_what_images_get():
    x = latents()
    state = {"latents": x, "condition": torch.tensor([0, 1, 0, 1])}
    assert suited(x) == suited(state) == "image"
    with isolated_randomness(0):
        assert reader("image").build({}, x, 0).config["conditions"] == 0
        assert (
            reader("image").build({"levels": 1}, state, 2).config | {"conditions": 2, "levels": 1}
            == reader("image").build({"levels": 1}, state, 2).config
        )
    with pytest.raises(ValueError, match="reads images or latents"):
        reader("image").build({}, torch.zeros(3, 5, dtype=torch.int64), 4)
    with pytest.raises(ValueError, match="reads rows of tokens"):
        reader("pooled").build({}, x, 0)


def test_a_row_does_not_depend_on_the_batch():
    predictor, x = of_network(network()), latents(n=200)
    whole = predictor(x, T, ())
    for n in (1, 63, 65):
        assert torch.equal(predictor(take(x, torch.arange(n)), T, ()), whole[:n])


def test_a_file_comes_back_the_same(tmp_path):
    net = network(conditions=2)
    net.scale.fill_(3.0)
    save_network(net, tmp_path / "net.safetensors")
    state = {"latents": latents(), "condition": torch.tensor([0, 1, 0, 1])}
    assert torch.equal(load_network(tmp_path / "net.safetensors")(state, T), net(state, T))
