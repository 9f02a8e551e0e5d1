"""Weight files for fuzz tests: small right ones, and what comes of them by damage to header or pickle."""

import io
import json
import pickle
import struct
import zipfile

import torch
from hypothesis import strategies as st
from safetensors.torch import save

from support.fuzzing import AWKWARD, VALUES, damaged

NAMES = ["convs.0.weight", "vocab_embed.embedding", "linear.weight", "x.layers.0.weight", "backbone.a", "a"]


def tensors():
    """Of no network."""
    return {name: torch.arange(4.0).reshape(2, 2) for name in NAMES[:3]}


def safetensors(metadata=None):
    """A right file."""
    return save(tensors(), metadata)


def saved(content):
    """What torch.save writes."""
    written = io.BytesIO()
    torch.save(content, written)
    return written.getvalue()


@st.composite
def headers(draw):
    """A safetensors file whose header is changed: fields of JSON, or its length."""
    whole = safetensors(
        {"format": draw(st.sampled_from(["pt", "svdd-network-1", ""])), "class": "SequenceDenoiser", "config": "{}"}
    )
    (size,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + size])
    for _ in range(draw(st.integers(0, 3))):
        entry = header.get(draw(st.sampled_from(sorted(header))), header)
        place = draw(st.sampled_from([header, entry if isinstance(entry, dict) else header]))
        place[draw(st.sampled_from([*NAMES, "dtype", "shape", "data_offsets", "__metadata__"]) | AWKWARD)] = draw(
            VALUES | st.sampled_from(["F32", "BF16", "F8_E4M3", [0, 16], [2, 2], [-1, 4], [2**62, 4], "config"])
        )
    text = json.dumps(header, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    length = draw(st.sampled_from([len(text), len(text), len(text) - 1, 0, 2**63, 2**40]))
    return struct.pack("<Q", length) + text + whole[8 + size :]


CONTENTS = st.sampled_from(
    [
        {"state_dict": tensors()}, tensors(), {"state_dict": {}}, {"state_dict": [1]}, [torch.zeros(2)], 3, None,
        {"state_dict": tensors(), "ema": {"shadow_params": [torch.zeros(2)]}, "hyper_parameters": {"config": {"model": 1}}},
        {"state_dict": tensors(), "ema": 3, "hyper_parameters": [1]}, {1: torch.zeros(2)}, {"model_config": {}, "params_x": 1},
    ]
)  # fmt: skip


@st.composite
def pickles(draw):
    """A zip of torch.save with its pickle changed: bytes, opcodes, or another one in its place."""
    whole = draw(CONTENTS.map(saved))
    how = draw(st.sampled_from(["as it is", "bytes", "program", "without", "old"]))
    if how == "old":
        return pickle.dumps(draw(st.sampled_from([{"a": 1}, [1], 3])), protocol=draw(st.integers(0, 4)))
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                if how == "without":
                    continue
                content = draw(damaged(st.just(content))) if how == "bytes" else content
                content = (
                    draw(st.binary(max_size=30).map(lambda code: b"\x80\x02" + code + b"."))
                    if how == "program"
                    else content
                )
            new.writestr(name, content)
    return written.getvalue()


def files():
    """Contents of weight files with the ending that they claim."""
    endings = st.sampled_from([".safetensors", ".ckpt", ".pt", ".pth", ".bin"])
    return st.tuples(headers() | pickles() | damaged(headers()) | damaged(pickles()) | st.binary(max_size=100), endings)


CONFIGS = damaged(
    st.sampled_from([json.dumps({"model": {"length": 4}}), "[]", "3", "{}", '{"model": [1], "T": "x"}', "[" * 3000])
)
"""Texts of config.json."""
