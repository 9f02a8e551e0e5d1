"""Weight files of any content, which are no networks: one sentence, whatever their header or their pickle says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

import svdd
from support.fuzz_weights import CONFIGS, CONTENTS, files, headers, safetensors, saved, tensors
from support.fuzzing import VALUES, fuzz, sentences
from support.gdss_checkpoints import random_weights
from support.gdss_checkpoints import settings as gdss_settings
from svdd.networks.foreign_files import configuration_beside, read_content, weight_files
from svdd.networks.weight_files import load_network

pytestmark = pytest.mark.slow


def refused(call, *given, **options):
    """Whether a call ends with a sentence."""
    done = False
    with sentences():
        call(*given, **options)
        done = True
    return not done


@pytest.fixture
def written(tmp_path):
    def write(content, ending):
        path = tmp_path / f"given{ending}"
        path.write_bytes(content)
        return path

    return write


@fuzz(200)
@given(file=files())
def test_files_are_weights_or_a_sentence(written, file):
    with sentences():
        found = read_content(weight_files(written(*file)))
        assert isinstance(found, dict)


@fuzz(120)
@given(file=files())
def test_files_of_no_network_are_refused_by_every_reader(written, file):
    path = written(*file)
    assert refused(svdd.load, f"mdlm:{path}")
    assert refused(svdd.load, f"gdss:{path}")


@fuzz(60)
@given(content=CONTENTS, ending=st.sampled_from([".ckpt", ".pth"]))
def test_right_files_of_other_contents_are_refused_by_every_reader(written, content, ending):
    path = written(saved(content), ending)
    assert refused(svdd.load, f"mdlm:{path}")
    assert refused(svdd.load, f"gdss:{path}")


@fuzz(80)
@given(content=headers())
def test_files_of_no_network_of_ours_are_refused(written, content):
    assert refused(load_network, written(content, ".safetensors"))


@fuzz(80)
@given(text=CONFIGS)
def test_configurations_beside_a_file(tmp_path, written, text):
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    path = written(safetensors(), ".safetensors")
    with sentences():
        assert read_content(weight_files(path)).keys() >= tensors().keys()
        assert configuration_beside(path) is not None
    assert refused(svdd.load, f"mdlm:{path}")


@pytest.fixture(scope="module")
def graphs():
    """The settings and weights of a small right checkpoint of graphs."""
    told = gdss_settings()
    own = {f"x.{name}": one for name, one in random_weights(told["params_x"]).items()}
    return told, own | {f"adj.{name}": one for name, one in random_weights(told["params_adj"]).items()}


@fuzz(60)
@given(data=st.data())
def test_settings_of_a_checkpoint_of_graphs(tmp_path, graphs, data):
    told, weights = graphs
    told = json.loads(json.dumps(told))
    part = told[data.draw(st.sampled_from(sorted(told)))]
    part = part.get(data.draw(st.sampled_from(sorted(part))), part)
    part = part if isinstance(part, dict) else told["params_x"]
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(VALUES)
    path = tmp_path / "graphs.safetensors"
    try:
        header = {name: json.dumps(value) for name, value in told.items()}
        save_file(weights, path, metadata=header)
    except UnicodeEncodeError:
        return
    with sentences():
        process = svdd.load(f"gdss:{path}", steps=1)
        assert process.steps == 1
