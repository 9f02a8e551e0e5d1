"""Weight files that people have: shards, files that are cut short or of another format, suffixes of any case."""

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from svdd.networks.foreign_files import check_downloaded, read_content, read_safetensors, weight_files

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00ff\nsize 123456\n"


def tensors(*names):
    return {name: torch.full((50,), float(i)) for i, name in enumerate(names)}


def read(path):
    return read_content(weight_files(path))


@pytest.fixture
def shards(tmp_path):
    """Two of a set, and their index."""
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    save_file(tensors("a", "b"), tmp_path / names[0])
    save_file(tensors("c"), tmp_path / names[1])
    index = {"weight_map": {"a": names[0], "b": names[0], "c": names[1]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


NAMED = [".", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]


@pytest.mark.parametrize("named", [*NAMED, "model-00002-of-00002.safetensors"])
def test_shards_are_read_together(shards, named):
    assert sorted(read(shards / named)) == ["a", "b", "c"]


def test_shards_of_torch_are_read_together(tmp_path):
    torch.save(tensors("a"), tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save(tensors("b"), tmp_path / "pytorch_model-00002-of-00002.bin")
    torch.save({"lr": 0.1}, tmp_path / "training_args.bin")
    assert sorted(read(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("named", NAMED)
def test_a_shard_that_is_missing_is_named(shards, named):
    (shards / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ValueError, match=r"shards, and model-00002-of-00002\.safetensors are missing beside it"):
        read(shards / named)


def test_a_tensor_in_two_shards_is_refused(shards):
    save_file(tensors("a", "c"), shards / "model-00002-of-00002.safetensors")
    with pytest.raises(ValueError, match="holds a again, which another shard has too"):
        read(shards)


def test_a_folder_of_two_files_is_not_chosen_from(shards):
    save_file(tensors("a"), shards / "other.safetensors")
    with pytest.raises(ValueError, match=r"must hold one weight file .* other\.safetensors"):
        read(shards)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("flax_model.msgpack", "Flax"),
        ("tf_model.h5", "TensorFlow"),
        ("model.onnx", "ONNX"),
        ("__0_0.distcp", "distributed"),
    ],
)
def test_formats_of_others_are_named(tmp_path, name, format):
    (tmp_path / name).write_bytes(b"\x84\x01\x02\x03")
    with pytest.raises(ValueError, match=rf"{name} is a file of .*{format}.*; get the weights as safetensors"):
        read(tmp_path / name)
    with pytest.raises(ValueError, match=rf"but has none; {name} is of .*{format}"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", [".CKPT", ".Pt", ".bin", ".weights", ".safetensors"])
def test_what_torch_saved_is_read_whatever_its_name(tmp_path, suffix):
    torch.save(tensors("a"), tmp_path / f"m{suffix}")
    assert list(read(tmp_path / f"m{suffix}")) == ["a"]


@pytest.mark.parametrize("suffix", [".SafeTensors", ".ckpt", ".bin"])
def test_safetensors_are_read_whatever_their_name(tmp_path, suffix):
    save_file(tensors("a"), tmp_path / f"m{suffix}")
    assert list(read(tmp_path / f"m{suffix}")) == ["a"]


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_that_is_cut_short_is_said_to_be(tmp_path, kept):
    torch.save(tensors("a", "b"), tmp_path / "m.pt")
    save_file(tensors("a", "b"), tmp_path / "m.safetensors")
    said = {"m.pt": "cut short or damaged", "m.safetensors": r"cut short: it has \d+ of \d+ bytes"}
    for name, words in said.items():
        file = tmp_path / name
        data = file.read_bytes()
        file.write_bytes(data[: int(kept * len(data))])
        with pytest.raises(ValueError, match=rf"{words}.*get the file again"):
            read(file)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_archives_of_others_are_named(tmp_path):
    torch.jit.save(torch.jit.trace(nn.ReLU(), torch.zeros(1, 2)), tmp_path / "script.pt")
    with pytest.raises(ValueError, match=r"is a TorchScript archive.*torch\.jit\.load"):
        read(tmp_path / "script.pt")
    with zipfile.ZipFile(tmp_path / "packed.ckpt", "w") as archive:
        archive.writestr("weights/model.ckpt", b"x")
    with pytest.raises(
        ValueError, match=r"of something else than torch\.save \(it holds weights/model\.ckpt\): unpack it"
    ):
        read(tmp_path / "packed.ckpt")


def test_files_from_before_archives_are_read_as_data(tmp_path):
    torch.save(tensors("a"), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read(tmp_path / "old.pth")["a"], torch.zeros(50))
    torch.save({"a": torch.zeros(1), "network": nn.Linear}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"written by torch before 1\.6 .* weights_only=False"):
        read(tmp_path / "old.pth")


def test_tensors_of_eight_bits_and_quantised_ones(tmp_path):
    torch.save({"a": torch.ones(3).to(torch.float8_e4m3fn)}, tmp_path / "m.pt")
    assert read(tmp_path / "m.pt")["a"].dtype == torch.float8_e4m3fn


def test_a_folder_that_was_not_fetched(tmp_path):
    check_downloaded(tmp_path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_text(POINTER)
    with pytest.raises(ValueError, match=r"model\.safetensors is a Git LFS pointer of 123,456 bytes.*git lfs pull"):
        check_downloaded(tmp_path)


def test_what_is_no_safetensors_file(tmp_path):
    torch.save(tensors("a"), tmp_path / "m.safetensors")
    with pytest.raises(
        ValueError, match=r"is not a readable safetensors file: it is a zip archive, as torch.save writes"
    ):
        read_safetensors(tmp_path / "m.safetensors")


@pytest.mark.parametrize("text", ["Entry not found", "Access denied\nask for access\n", "oid 12"])
def test_a_text_is_said_to_be_one(tmp_path, text):
    (tmp_path / "m.ckpt").write_text(text)
    with pytest.raises(ValueError, match=f"m.ckpt is text, which begins with '{text[:5]}.*get the file again"):
        read_content([tmp_path / "m.ckpt"])


def test_a_whole_module_is_said_to_be_one(tmp_path):
    with torch.device("meta"):  # no initial weights, which would draw global random numbers
        module = nn.Linear(2, 2)
    torch.save(module.to_empty(device="cpu"), tmp_path / "m.pt")
    with pytest.raises(ValueError, match=r"holds a whole object, as torch.save\(model\) writes.*state_dict\(\), OTHER"):
        read_content([tmp_path / "m.pt"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("somebody/mdlm-owt", "hf download somebody/mdlm-owt --local-dir FOLDER"),
        ("https://hub.example/m.ckpt", "download the file and name it"),
        ("runs/m.ckpt", "'runs/m.ckpt'$"),
        ("~/none/m.pt", "none/m.pt'$"),
    ],
)
def test_what_is_no_file_may_be_elsewhere(name, said):
    with pytest.raises(ValueError, match=f"there is no weight file or folder .*{said}"):
        weight_files(name)
