"""A precision that is slower than float32 on this machine is said, others are not."""

import time
import warnings

import pytest
import torch

import svdd
from svdd.networks import isolated_randomness
from svdd.networks.precision import PrecisionWarning, warn_if_layers_are_slower, warn_if_slower


def sleeps(seconds):
    return lambda: time.sleep(seconds)


def test_a_slower_precision_is_said_with_how_much():
    with pytest.warns(PrecisionWarning, match=r"bfloat16 is (3|4)\.\d times slower than float32.* leave precision out"):
        warn_if_slower("bfloat16", sleeps(0.008), sleeps(0.002))


def test_a_faster_precision_is_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_slower("bfloat16", sleeps(0.002), sleeps(0.008))


def test_it_takes_a_fraction_of_a_second():
    started = time.perf_counter()
    with pytest.warns(PrecisionWarning):
        warn_if_slower("bfloat16", sleeps(0.2), sleeps(0.05))
    assert time.perf_counter() - started < 1


def test_large_networks_are_told_by_their_largest_layers():
    seen = []

    class Noted(torch.nn.Linear):
        def forward(self, x):
            seen.append((x.dtype, self.in_features))
            if x.dtype == torch.bfloat16:
                time.sleep(0.01)
            return super().forward(x)

    with isolated_randomness(0):
        network = torch.nn.Sequential(Noted(3, 4), Noted(5, 6), torch.nn.ReLU()).to(torch.bfloat16)
    with pytest.warns(PrecisionWarning):
        warn_if_layers_are_slower("bfloat16", network)
    assert set(seen) == {(torch.bfloat16, 5), (torch.float32, 5)}
    assert next(network.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["rna-utr", "molecule"])
def test_bundled_models_are_timed_when_it_is_asked_for(name, monkeypatch):
    asked = []
    monkeypatch.setattr("svdd.domains.sequence.bundled_models.warn_if_slower", lambda *given: asked.append(given[0]))
    svdd.load(name, steps=2)
    assert asked == []
    svdd.load(name, steps=2, precision="bfloat16")
    assert asked == ["bfloat16"]
