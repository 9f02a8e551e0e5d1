"""Networks: shapes, invariances, and files that come back the same or are refused."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import isolated_randomness
from svdd.networks.weight_files import load_network, save_network


def tokens(rows: int, length: int, symbols: int = 4) -> torch.Tensor:
    return torch.randint(symbols, (rows, length), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def denoiser() -> SequenceDenoiser:
    with isolated_randomness(0):
        return SequenceDenoiser(channels=16, blocks=3).eval()


@pytest.fixture
def classifier() -> SequenceClassifier:
    with isolated_randomness(0):
        return SequenceClassifier(outputs=2, channels=16, stages=2, both_strands=True).eval()


@pytest.mark.parametrize("length", [1, 5, 50, 200])
def test_shapes_at_any_length(denoiser, classifier, length):
    assert denoiser(tokens(3, length, 5)).shape == (3, length, 4)
    assert classifier(tokens(3, length)).shape == (3, 2)


def test_a_row_does_not_depend_on_the_batch(denoiser, classifier):
    rows = tokens(6, 60)
    for network in (denoiser, classifier):
        torch.testing.assert_close(network(rows)[2:4], network(rows[2:4]), rtol=1e-4, atol=1e-5)


def test_context_reaches_across_the_whole_sequence(denoiser):
    near = torch.full((1, 400), 4)
    far = near.clone()
    far[0, 399] = 2
    assert not torch.equal(denoiser(near)[0, 0], denoiser(far)[0, 0])


def test_both_strands_score_alike_in_evaluation_mode_only(classifier):
    rows = tokens(4, 60)
    other = 3 - rows.flip(1)
    torch.testing.assert_close(classifier(rows), classifier(other))
    classifier.train()
    assert not torch.allclose(classifier(rows), classifier(other))


def test_relaxed_sequences_agree_and_carry_gradients(classifier):
    rows = tokens(4, 60)
    soft = nn.functional.one_hot(rows, 4).transpose(1, 2).float().requires_grad_()
    output = classifier.forward_soft(soft)
    torch.testing.assert_close(output, classifier(rows))
    output.sum().backward()
    assert soft.grad.abs().sum() > 0


def test_files_come_back_the_same(tmp_path, denoiser, classifier):
    classifier.scale.fill_(2.0)
    for network in (denoiser, classifier):
        save_network(network, tmp_path / "network.safetensors")
        again = load_network(tmp_path / "network.safetensors")
        assert type(again) is type(network)
        assert again.config == network.config
        assert not again.training
        assert not any(parameter.requires_grad for parameter in again.parameters())
        assert torch.equal(again(tokens(2, 30)), network(tokens(2, 30)))


def test_foreign_and_corrupt_files_are_refused_by_name(tmp_path, denoiser):
    path = tmp_path / "network.safetensors"
    with pytest.raises(FileNotFoundError, match=r"network\.safetensors"):
        load_network(path)
    save_network(denoiser, path)
    tensors = denoiser.state_dict()
    whole = path.read_bytes()
    spoiled = [whole[:100], whole[:-8], b"", pickle.dumps({"weights": 1})]
    for content in spoiled:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"network\.safetensors"):
            load_network(path)
    config = json.dumps(denoiser.config)
    headers = [
        None,
        {"format": "svdd-network-1", "class": "Linear", "config": config},
        {"format": "svdd-network-1", "class": "SequenceDenoiser", "config": "{"},
        {"format": "svdd-network-1", "class": "SequenceDenoiser", "config": '{"size": 1}'},
        {"format": "svdd-network-1", "class": "SequenceDenoiser", "config": "{}"},
    ]
    for header in headers:
        save_file(tensors, path, metadata=header)
        with pytest.raises(ValueError, match=r"network\.safetensors"):
            load_network(path)


def test_only_known_classes_are_saved(tmp_path):
    class Other(SequenceDenoiser):
        pass

    with isolated_randomness(0):
        other = Other(channels=8, blocks=1)
    with pytest.raises(ValueError, match="cannot save a Other"):
        save_network(other, tmp_path / "network.safetensors")


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="blocks"):
        SequenceDenoiser(blocks=0)
    with pytest.raises(ValueError, match="stem_kernel"):
        SequenceDenoiser(stem_kernel=8)
    with pytest.raises(ValueError, match="kernel"):
        SequenceClassifier(kernel=4)
