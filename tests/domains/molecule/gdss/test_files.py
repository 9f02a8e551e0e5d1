"""Checkpoints of GDSS: read as data, in both forms; what is wrong with others is said in one sentence."""

import json
import os
import sys

import pytest
import torch

from support.gdss_checkpoints import checkpoint, easydict, write_pth, write_safetensors
from svdd.domains.molecule.gdss.files import read_graph_checkpoint
from svdd.domains.molecule.gdss.process import GraphWarning, gdss
from svdd.domains.molecule.gdss.steps import VE, VP


@pytest.mark.parametrize("network_x", ["ScoreNetworkX", "ScoreNetworkX_GMH"])
def test_every_form_holds_the_same(tmp_path, monkeypatch, network_x):
    given = {"kind": "zinc", "network_x": network_x}
    content = checkpoint(**given)
    forms = [
        write_pth(tmp_path / "a.pth", monkeypatch, content),
        write_safetensors(tmp_path / "b.safetensors", content=content),
        write_safetensors(tmp_path / "c.safetensors", header=False, content=content),
    ]
    assert "easydict" not in sys.modules
    for file in forms:
        made = read_graph_checkpoint(file)
        assert (made.data, made.nodes, made.features, made.network_x) == ("ZINC250k", 38, 9, network_x)
        assert made.noise_x == VP(0.1, 1.0, 6)
        assert made.noise_adj == VE(0.2, 1.0, 6)
        for part, weights in (("x", made.x), ("adj", made.adj)):
            expected = content[f"{part}_state_dict"]
            assert weights.keys() == expected.keys()
            assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert "easydict" not in sys.modules


def test_a_file_runs_nothing(tmp_path, monkeypatch):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    content = checkpoint()
    content["model_config"]["note"] = Hostile()
    file = write_pth(tmp_path / "hostile.pth", monkeypatch, content)
    with pytest.raises(ValueError, match=r"hostile.pth cannot be read as weights: it names \w+.system, which no such"):
        read_graph_checkpoint(file)
    assert not (tmp_path / "ran").exists()


def test_another_class_is_refused_by_name(tmp_path, monkeypatch):
    content = checkpoint()
    content["params_x"]["path"] = tmp_path
    with pytest.raises(ValueError, match=r"it names pathlib.*PosixPath, which no such checkpoint needs"):
        read_graph_checkpoint(write_pth(tmp_path / "a.pth", monkeypatch, content))


def broken(content, *path, value=None):
    """The content with something put in the place of another, or taken away."""
    place = content
    for name in path[:-1]:
        place = place[name]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["adj_state_dict"], None, "is no checkpoint of GDSS: it has no adj_state_dict"),
        (["params_x", "model_type"], "Transformer", "networks 'Transformer' and 'ScoreNetworkA'; only ScoreNetworkX"),
        (["x_state_dict", "layers.0.bias"], None, "not quite a ScoreNetworkX: missing weights: layers.0.bias; unknown"),
        (["x_state_dict", "extra"], torch.zeros(1), "missing weights: none; unknown weights: extra"),
        (["adj_state_dict", "final.linears.2.bias"], torch.zeros(2), r"final.linears.2.bias is \(2,\), not numbers of"),
        (["adj_state_dict", "final.linears.2.bias"], torch.full((1,), torch.nan), "numbers that are not finite"),
        (["model_config", "sde", "x", "type"], "subVP", "trained with 'subVP' noise; only VP and VE"),
        (["model_config", "sde"], None, "its settings lack something: 'sde'"),
        (["params_adj", "num_heads"], 8, "ScoreNetworkA with num_heads=8; only 4 can be loaded"),
        (["params_x", "max_feat_num"], 20, "20 node features"),
        (["model_config", "data", "max_node_num"], "9", "has max_node_num='9'; it is a whole number"),
        (["model_config", "sde", "x", "beta_min"], "abc", "noise with beta_min='abc', beta_max=1.0 and num_scales=6"),
        (["model_config", "sde", "adj", "beta_min"], 5.0, "noise with beta_min=5.0, beta_max=1.0"),
        (["model_config", "sde", "adj", "beta_min"], -0.1, "noise with beta_min=-0.1"),
        (["params_adj", "use_bn"], True, "ScoreNetworkA with use_bn=True, which is not known here"),
        (["model_config", "data", "init"], "deg", r"whose nodes begin as 'deg'; only molecules \('atom'\)"),
        (["model_config", "sde", "x", "num_scales"], 5, "5 steps of noise for atoms and 6 for bonds"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, monkeypatch, path, value, said):
    file = write_pth(tmp_path / "a.pth", monkeypatch, broken(checkpoint(), *path, value=value))
    with pytest.raises(ValueError, match=said):
        read_graph_checkpoint(file)


def test_files_that_are_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint file"):
        read_graph_checkpoint(tmp_path / "none.pth")
    text = tmp_path / "text.pth"
    text.write_text("weights")
    with pytest.raises(ValueError, match=r"text\.pth is text, which begins with 'weights'"):
        read_graph_checkpoint(text)
    tensors = tmp_path / "tensors.pth"
    torch.save({"weight": torch.zeros(2)}, tensors)
    with pytest.raises(ValueError, match="it has no model_config, params_x, params_adj and 2 more; it has weight"):
        read_graph_checkpoint(tensors)
    text.rename(tmp_path / "text.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        read_graph_checkpoint(tmp_path / "text.safetensors")


def test_settings_beside_a_file_must_be_json(tmp_path):
    file = write_safetensors(tmp_path / "a.safetensors", header=False)
    file.with_suffix(".json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        read_graph_checkpoint(file)
    file.with_suffix(".json").unlink()
    with pytest.raises(ValueError, match="it has no model_config"):
        read_graph_checkpoint(file)


@pytest.mark.filterwarnings("ignore::svdd.domains.molecule.gdss.process.GraphWarning")
def test_what_no_file_says_has_a_default_by_kind_or_must_be_given(tmp_path):
    content = checkpoint()
    content["model_config"]["data"]["data"] = "MOSES"
    file = write_safetensors(tmp_path / "a.safetensors", content=content)
    with (
        pytest.warns(
            GraphWarning, match="was trained on 'MOSES', and its 4 elements are taken to be those of the published"
        ),
        pytest.raises(ValueError, match="sizes of MOSES are not known; give atoms=20"),
    ):
        gdss(str(file))
    with pytest.raises(ValueError, match=r"how much noise its corrector adds.*give scale_eps"):
        gdss(str(file), atoms=5)
    with pytest.raises(ValueError, match="atoms is a whole number, or a JSON file of counts, got True"):
        gdss(str(file), atoms=True, corrector=False)
    for wrong in ({"snr": -1}, {"snr": 0.1, "scale_eps": 0.0}):
        with pytest.raises(ValueError, match="of the corrector is a number above 0, got"):
            gdss(str(file), atoms=5, **({"scale_eps": 0.5} | wrong))
    assert gdss(str(file), atoms=5, scale_eps=0.5).move is not None
    assert gdss(str(file), atoms=5, corrector=False).move is None


def test_the_stand_in_is_a_dictionary_with_attributes():
    made = easydict().EasyDict({"a": {"b": 1}})
    assert made.a.b == 1
    assert json.dumps(made) == '{"a": {"b": 1}}'


# --- what trainers do to weights -----------------------------------------------------------------------------------


def averaged(content, as_names=False):
    """The content with averages that are half of the weights, as the project or as another one keeps them."""
    states = {part: content[f"{part}_state_dict"] for part in ("x", "adj")}
    if as_names:
        return content | {
            f"ema_{part}": {f"module.{k}": v * 0.5 for k, v in state.items()} for part, state in states.items()
        }
    lists = {part: [value * 0.5 for value in state.values()] for part, state in states.items()}
    return content | {f"ema_{part}": {"decay": 0.999, "num_updates": 3, "shadow_params": lists[part]} for part in lists}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_prefixes_of_trainers_are_taken_off(tmp_path, prefix):
    content = checkpoint()
    named = {
        f"{part}_state_dict": {f"{prefix}{k}": v for k, v in content[f"{part}_state_dict"].items()}
        for part in ("x", "adj")
    }
    torch.save(content | named, tmp_path / "a.pth")
    files = [tmp_path / "a.pth", write_safetensors(tmp_path / "b.safetensors", content=content | named)]
    for made in map(read_graph_checkpoint, files):
        assert made.x.keys() == content["x_state_dict"].keys()
        assert all(torch.equal(made.adj[name], one) for name, one in content["adj_state_dict"].items())


@pytest.mark.parametrize("as_names", [False, True])
def test_averages_are_taken_where_they_are_wanted(tmp_path, as_names):
    content = checkpoint()
    torch.save(averaged(content, as_names), tmp_path / "a.pth")
    half = read_graph_checkpoint(tmp_path / "a.pth", ema=True)
    last = read_graph_checkpoint(tmp_path / "a.pth", ema=False)
    assert (half.weights, last.weights) == ("average", "last")
    for name, one in content["x_state_dict"].items():
        assert torch.equal(half.x[name], one * 0.5)
        assert torch.equal(last.x[name], one)
    assert gdss(str(tmp_path / "a.pth"), ema=True).about["weights"] == "average"
    assert gdss(str(tmp_path / "a.pth"), ema=False).about["weights"] == "last"


def test_an_average_that_nobody_asked_for_is_said_without_a_warning(tmp_path):
    torch.save(averaged(checkpoint()), tmp_path / "a.pth")
    assert gdss(str(tmp_path / "a.pth")).about["weights"] == "last, an average is there (ema=True)"


def test_settings_that_are_off_need_no_word(tmp_path):
    content = checkpoint()
    content["params_adj"] |= {"use_bn": False, "dropout": 0.0}
    torch.save(content, tmp_path / "a.pth")
    assert gdss(str(tmp_path / "a.pth")).about["weights"] == "last"


def test_the_checkpoint_says_what_it_is_sampled_with(tmp_path):
    content = checkpoint()
    content["model_config"]["sample"] = {"use_ema": True}
    torch.save(averaged(content), tmp_path / "a.pth")
    assert gdss(str(tmp_path / "a.pth")).about["weights"] == "average"


def test_averages_that_are_not_there_or_do_not_fit(tmp_path):
    torch.save(checkpoint(), tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"has no moving average ema_x, ema_adj; leave out ema for the last weights"):
        gdss(str(tmp_path / "a.pth"), ema=True)
    content = averaged(checkpoint())
    content["ema_adj"]["shadow_params"].pop()
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"the moving average .* does not fit the network's \d+ parameters; give ema=False"
    ):
        gdss(str(tmp_path / "a.pth"), ema=True)


def test_weights_in_half_precision_are_said_to_be(tmp_path):
    content = checkpoint()
    for part in ("x", "adj"):
        content[f"{part}_state_dict"] = {name: one.half() for name, one in content[f"{part}_state_dict"].items()}
    torch.save(content, tmp_path / "a.pth")
    assert gdss(str(tmp_path / "a.pth")).about["stored_as"] == "float16"


def test_a_pointer_is_no_checkpoint(tmp_path):
    (tmp_path / "a.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00ff\nsize 123456\n")
    with pytest.raises(ValueError, match=r"a\.pth is a Git LFS pointer of 123,456 bytes"):
        read_graph_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("form", ["pth", "safetensors", "json"])
def test_a_folder_with_one_checkpoint_is_read(tmp_path, monkeypatch, form):
    if form == "pth":
        write_pth(tmp_path / "a.pth", monkeypatch)
    else:
        write_safetensors(tmp_path / "a.safetensors", header=form == "safetensors")
    assert read_graph_checkpoint(tmp_path).data == "QM9"
