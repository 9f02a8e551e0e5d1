"""Weights wherever a trainer put them: nesting, prefixes, averages by name and in lists, and several networks in one file."""

from pathlib import Path

import pytest
import torch

from svdd.networks.foreign_layouts import Part, by_name, layout
from svdd.networks.foreign_weights import check_precise, single

FILE = Path("run.ckpt")
LAST = {"stem.weight": torch.ones(2, 3), "head.weight": torch.ones(4)}
AVERAGE = {name: 0.5 * one for name, one in LAST.items()}


def under(prefix, weights=LAST):
    return {f"{prefix}{name}": one for name, one in weights.items()}


def found(content, signs=("stem.weight",)):
    return layout(FILE, content, signs, "a network")


def same(weights, wanted):
    return weights.keys() == wanted.keys() and all(torch.equal(weights[name], wanted[name]) for name in wanted)


PREFIXES = [
    "",
    "module.",
    "_orig_mod.",
    "model.",
    "backbone.",
    "module._orig_mod.backbone.",
    "net.model.",
    "_forward_module.model.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("place", ["", "model", "state_dict", "model_state_dict", "net", "weights", "checkpoint.model"])
def test_nesting_and_prefixes_in_any_combination(place, prefix):
    content = under(prefix)
    for name in reversed(place.split(".")) if place else ():
        content = {name: content, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}}}
    one = found(content)
    assert same(one.part.weights, LAST)
    assert (one.averages, one.unread, one.averaged) == ((), (), False)


TWO_LISTS = {"decay": 0.9, "shadow_params": list(AVERAGE.values()), "collected_params": list(LAST.values())}
TWO_COPIES = {"step": torch.tensor(1)} | under("online_model.", LAST) | under("ema_model.", AVERAGE)
AVERAGES = {
    "a list in a dictionary": {"ema": TWO_LISTS},
    "names under shadow": {"ema": {"shadow": under("module.backbone.", AVERAGE)}},
    "a dictionary of its own": {"ema_state_dict": under("backbone.", AVERAGE)},
    "the average of a model": {"model_ema": {"module": under("", AVERAGE)}},
    "that of torch, with its count": {"averaged_model": {"n_averaged": torch.tensor(3), **under("module.", AVERAGE)}},
    "a package's two copies": {"ema": TWO_COPIES},
    "a callback's": {"callbacks": {"EMACallback": {"ema_state_dict": under("backbone.", AVERAGE)}}},
}  # fmt: skip


@pytest.mark.parametrize("extra", AVERAGES.values(), ids=AVERAGES)
@pytest.mark.parametrize("place", ["state_dict", "model"])
def test_averages_beside_the_weights(extra, place):
    one = found({place: under("backbone."), **extra})
    assert same(one.part.weights, LAST)
    assert same(by_name(one, LAST), AVERAGE)
    assert one.unread == ()


def test_an_average_in_the_same_dictionary():
    for prefix in ("", "backbone."):
        one = found({"state_dict": under(prefix) | under("ema_model.", AVERAGE)})
        assert same(one.part.weights, LAST)
        assert same(by_name(one, LAST), AVERAGE)


def test_the_average_of_lightning_is_where_the_weights_were():
    one = found(
        {"state_dict": under("backbone.", AVERAGE), "current_model_state": under("backbone."), "averaging_state": {}}
    )
    assert same(one.part.weights, LAST)
    assert same(by_name(one, LAST), AVERAGE)


def test_a_file_of_an_average_alone():
    one = found({"ema": AVERAGE})
    assert one.averaged and same(one.part.weights, AVERAGE) and by_name(one, LAST) == {}


def test_an_average_in_a_form_that_is_not_known_is_named():
    squashed = {"model_ema.stemweight": torch.ones(2, 3), "model_ema.headweight": torch.ones(4)}
    assert found({"state_dict": under("backbone.") | squashed}).unread == ("state_dict.model_ema.stemweight",)
    assert found({"model": LAST, "ema": {"w0": torch.ones(3)}}).unread == ("ema",)


def test_two_candidates_are_refused_by_name():
    with pytest.raises(ValueError, match=r"holds a network 2 times.* model, net; save the one that you mean"):
        found({"model": LAST, "net": AVERAGE})
    with pytest.raises(ValueError, match=r"2 times.* state_dict\.actor, state_dict\.critic"):
        found({"state_dict": under("actor.") | under("critic.", AVERAGE)})
    with pytest.raises(ValueError, match=r"holds 2 moving averages \(ema, ema_slow\); give ema=False"):
        by_name(found({"model": LAST, "ema": AVERAGE, "ema_slow": {name: one * 0 for name, one in LAST.items()}}), LAST)


def test_the_same_weights_twice_are_one():
    assert same(found({"model": LAST, "state_dict": under("module.")}).part.weights, LAST)


def test_a_network_beside_another_that_has_a_name_of_its_own():
    one = found({"state_dict": under("teacher.", AVERAGE) | under("model.")})
    assert same(one.part.weights, LAST) and one.part.name == "state_dict.model"


def test_what_is_there_is_named_where_nothing_fits():
    with pytest.raises(
        ValueError, match=r"no weights of a network: there is no stem\.weight in it; it has model\.x\.y"
    ):
        found({"model": {"x.y": torch.ones(1)}})
    with pytest.raises(ValueError, match=r"it has no tensors, but epoch, config"):
        found({"epoch": 1, "config": {}})
    with pytest.raises(ValueError, match="it is a LoRA, differences from the weights of a model"):
        found({"blocks.0.lora_A.weight": torch.ones(1)})


def test_an_average_that_does_not_fit():
    for wrong in ({"ema": {"shadow_params": [torch.ones(1)]}}, {"ema": {"stem.weight": torch.ones(1)}}):
        with pytest.raises(ValueError, match=r"\(1 tensors\) does not fit the network's 2 parameters; give ema=False"):
            by_name(found({"model": LAST, **wrong}), LAST)


def test_numbers_of_other_types():
    half, stored = single({name: one.bfloat16() for name, one in LAST.items()}, FILE)
    assert stored == "bfloat16" and {one.dtype for one in half.values()} == {torch.float32}
    for dtype in (torch.float8_e4m3fn, torch.int8):
        with pytest.raises(ValueError, match=rf"quantised weights, head\.weight of the type {str(dtype)[6:]}"):
            check_precise({"head.weight": torch.ones(2).to(dtype), "ids": torch.ones(2).long()}, FILE)


def test_a_dictionary_is_taken_whole_where_no_name_is_known():
    one = found({"state_dict": under("module."), "epoch": 1}, signs=())
    assert isinstance(one.part, Part) and same(one.part.weights, LAST)
