"""Checkpoints of GDSS: read as data, in both forms; what is wrong with others is said in one sentence."""

import json
import os
import sys

import pytest
import torch

from support.gdss_checkpoints import checkpoint, easydict, write_pth, write_safetensors
from svdd.domains.molecule.gdss.files import read_graph_checkpoint
from svdd.domains.molecule.gdss.process import gdss
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
    with pytest.raises(ValueError, match=r"is not a zip archive of torch\.save"):
        read_graph_checkpoint(text)
    tensors = tmp_path / "tensors.pth"
    torch.save({"weight": torch.zeros(2)}, tensors)
    with pytest.raises(ValueError, match="it has no model_config, params_x, params_adj and 2 more"):
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


def test_what_no_file_says_has_a_default_by_kind_or_must_be_given(tmp_path):
    content = checkpoint()
    content["model_config"]["data"]["data"] = "MOSES"
    file = write_safetensors(tmp_path / "a.safetensors", content=content)
    with pytest.raises(ValueError, match="sizes of MOSES are not known; give atoms=20"):
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
