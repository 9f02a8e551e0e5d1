"""ESM-2 and DPLM: logits against transformers' own, every layout of their files, and what is refused by name."""

import json
import re
import warnings
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import EsmConfig, EsmForMaskedLM

import svdd
from svdd.chain.rng import Rng
from svdd.domains.protein.language.esm import _network
from svdd.domains.protein.language.esm_files import TOKENS, read_esm
from svdd.domains.protein.language.process import FewMasksWarning
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import infill

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONFIG = {
    "vocab_size": 33, "mask_token_id": 32, "pad_token_id": 1, "position_embedding_type": "rotary", "token_dropout": True,
    "max_position_embeddings": 66, "layer_norm_eps": 1e-5, **SIZES,
}  # fmt: skip
MASK, LENGTH = 32, 43


def written(folder, **changes):
    """A folder that transformers writes, and its own network; weights are far from those that a network begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = EsmForMaskedLM(EsmConfig(**{**CONFIG, **changes})).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    return network


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("esm") / "tiny"
    return folder, written(folder)


@pytest.fixture
def copy(tiny, tmp_path):
    """The same folder, to be changed."""
    for file in tiny[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def configured(folder, **changes):
    """With other settings; None takes one out."""
    file = folder / "config.json"
    told = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))
    return folder


def rows(masked=0.5, n=6):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 24, (n, LENGTH + 2), generator=generator)
    tokens[torch.rand(tokens.shape, generator=generator) < masked] = MASK
    tokens[:, 0], tokens[:, -1] = 0, 2
    return tokens


@torch.no_grad()
def ours(path, tokens, scheme="esm", **options):
    return _network(read_esm(scheme, path, options.get("heads")))(tokens)


@torch.no_grad()
def theirs(network, tokens):
    return network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits


def load(name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewMasksWarning)
        return svdd.load(name, **options)


@pytest.mark.parametrize("masked", [0.0, 0.15, 0.6, 1.1])
def test_logits_are_those_of_transformers(tiny, masked):
    torch.testing.assert_close(ours(tiny[0], rows(masked)), theirs(tiny[1], rows(masked)), atol=2e-4, rtol=1e-4)


def test_masks_are_taken_out_and_the_rest_is_scaled(tiny):
    """All masks of 43 residues: only both ends are left, times 0.88 / (2 / 45)."""
    network, seen = _network(read_esm("esm", tiny[0], None)), []
    network.layers[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    network(rows(1.1)[:1])
    scaled = network.embed_tokens.weight[[0, 2]] * (0.88 * 45 / 2)
    torch.testing.assert_close(seen[0][0, [0, -1]], scaled)
    assert not seen[0][0, 1:-1].any()


@pytest.mark.parametrize(
    "changes", [{"token_dropout": False}, {"tie_word_embeddings": False}, {"layer_norm_eps": 1e-12}]
)
def test_settings_that_change_logits_are_read(tmp_path, changes):
    network = written(tmp_path, **changes)
    torch.testing.assert_close(ours(tmp_path, rows()), theirs(network, rows()), atol=2e-4, rtol=1e-4)


def test_a_head_that_is_left_out_is_that_of_the_embeddings(copy):
    weights = load_file(copy / "model.safetensors")
    weights.pop("lm_head.decoder.weight", None)
    wanted = ours(copy, rows())
    save_file(weights, copy / "model.safetensors")
    assert torch.equal(ours(copy, rows()), wanted)
    save_file({**weights, "lm_head.decoder.weight": torch.zeros(33, 16)}, copy / "model.safetensors")
    assert torch.equal(ours(copy, rows())[0, 0], weights["lm_head.bias"])


@pytest.mark.parametrize("spelling", ["gamma", "weight"])
def test_both_spellings_and_weights_without_use_are_read(copy, spelling):
    old, new = {"gamma": ("weight", "gamma"), "weight": ("gamma", "weight")}[spelling]
    shift = {"gamma": ("bias", "beta"), "weight": ("beta", "bias")}[spelling]
    wanted, weights = ours(copy, rows()), load_file(copy / "model.safetensors")
    spelt = {
        name.replace(f"LayerNorm.{old}", f"LayerNorm.{new}").replace(
            f"LayerNorm.{shift[0]}", f"LayerNorm.{shift[1]}"
        ): one
        for name, one in weights.items()
    }
    assert any(f"LayerNorm.{new}" in name for name in spelt)
    spelt |= {
        "esm.encoder.layer.*.attention.self.rotary_embeddings.inv_freq": torch.ones(4),
        "esm.embeddings.position_ids": torch.arange(66)[None],
        "esm.embeddings.position_embeddings.weight": torch.ones(66, 16),
        "esm.contact_head.regression.weight": torch.ones(1, 4),
        "esm.contact_head.regression.bias": torch.ones(1),
    }
    save_file(spelt, copy / "model.safetensors")
    assert torch.equal(ours(copy, rows()), wanted)


FAIR = (
    ("esm.embeddings.word_embeddings", "embed_tokens"), ("esm.encoder.layer", "layers"), ("esm.encoder.", ""),
    ("attention.self.query", "self_attn.q_proj"), ("attention.self.key", "self_attn.k_proj"),
    ("attention.self.value", "self_attn.v_proj"), ("attention.output.dense", "self_attn.out_proj"),
    ("attention.LayerNorm", "self_attn_layer_norm"), ("intermediate.dense", "fc1"), ("output.dense", "fc2"),
    ("LayerNorm", "final_layer_norm"), ("gamma", "weight"), ("beta", "bias"),
)  # fmt: skip


def fair(folder, prefix):
    named = {}
    for name, one in load_file(folder / "model.safetensors").items():
        if "inv_freq" in name or "contact_head" in name or "lm_head.decoder" in name:
            continue
        for old, new in FAIR:
            name = name.replace(old, new)
        named[("encoder." if name.startswith("lm_head") else prefix) + name] = one
    named["encoder.lm_head.weight"] = named[f"{prefix}embed_tokens.weight"]
    return named


@pytest.mark.parametrize("prefix", ["encoder.sentence_encoder.", "encoder."])
def test_files_of_fair_esm_are_the_same_network(tiny, tmp_path, prefix):
    sizes = {"encoder_layers": 2, "encoder_embed_dim": 16, "encoder_attention_heads": 2, "token_dropout": True}
    file = {"model": fair(tiny[0], prefix), "cfg": {"model": SimpleNamespace(**sizes)}}
    torch.save(file, tmp_path / "esm2.pt")
    assert torch.equal(ours(tmp_path / "esm2.pt", rows()), ours(tiny[0], rows()))
    sizes["token_dropout"] = False
    torch.save({**file, "cfg": {"model": SimpleNamespace(**sizes)}}, tmp_path / "esm2.pt")
    assert not torch.equal(ours(tmp_path / "esm2.pt", rows()), ours(tiny[0], rows()))


def test_learned_positions_of_fair_esm_are_those_of_another_kind(tiny, tmp_path):
    weights = fair(tiny[0], "encoder.sentence_encoder.")
    weights["encoder.sentence_encoder.embed_positions.weight"] = torch.zeros(1026, 16)
    torch.save({"model": weights}, tmp_path / "esm1b.pt")
    with pytest.raises(ValueError, match=r"esm1b\.pt is ESM-1, whose positions are learned"):
        ours(tmp_path / "esm1b.pt", rows())


def test_checkpoints_of_the_trainer_of_dplm_are_the_same_network(tiny, tmp_path):
    weights = load_file(tiny[0] / "model.safetensors")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("model:\n  net:\n    arch_type: esm\n")
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / "last.ckpt"
    torch.save({"state_dict": {f"model.net.{name}": one for name, one in weights.items()}}, file)
    assert torch.equal(ours(file, rows(), "dplm", heads=2), ours(tiny[0], rows()))
    weights = {name: one for name, one in weights.items() if "inv_freq" not in name}
    torch.save({"state_dict": {f"model.net.{name}": one for name, one in weights.items()}}, file)
    with pytest.raises(ValueError, match="how many attention heads"):
        ours(file, rows(), "dplm")


def test_heads_of_released_networks_are_known(tmp_path):
    written(tmp_path, hidden_size=320, num_attention_heads=20, num_hidden_layers=1)
    (tmp_path / "config.json").unlink()
    assert read_esm("esm", tmp_path, None).heads == 20


def test_designs_are_of_the_twenty_letters(copy):
    """A network that would write X, B, U, Z, O, gaps and ends alone, if it could."""
    weights = load_file(copy / "model.safetensors")
    weights["lm_head.bias"] = torch.where((torch.arange(33) < 4) | (torch.arange(33) > 23), 100.0, 0.0)
    save_file(weights, copy / "model.safetensors")
    process = load(f"dplm:{configured(copy, dplm_type='dplm_esm')}", length=9, steps=3)
    result = svdd.decode(process, lambda designs: [d.count("W") for d in designs], samples=4, candidates=2)
    assert all(len(sample) == 9 and set(sample) <= set(PROTEIN.letters) for sample in result.samples)
    assert process.kind.domain == "protein"
    assert "every share" in process.about["trained"]


def test_letters_are_numbered_as_in_the_file(tiny):
    """The posterior of a process is the softmax of transformers' logits over the twenty, in our order."""
    process = load(f"esm:{tiny[0]}", length=LENGTH, steps=4)
    x = process.prior(2, Rng(0, 2))
    log_p = process.denoiser(x, torch.tensor(1.0), {}).log_p
    tokens = torch.full((2, LENGTH + 2), MASK)
    tokens[:, 0], tokens[:, -1] = 0, 2
    places = [TOKENS.index(letter) for letter in PROTEIN.letters]
    wanted = theirs(tiny[1], tokens)[:, 1:-1, places].log_softmax(-1)
    torch.testing.assert_close(log_p.float(), wanted, atol=1e-3, rtol=1e-3)


def test_templates_are_kept(tiny):
    process = infill(load(f"esm:{tiny[0]}", length=12, steps=4), ["ACDEXXXXNNNN"])
    samples = svdd.decode(process, lambda designs: [0.0] * len(designs), samples=2, method="pretrained").samples
    assert all(sample[:4] == "ACDE" and sample[8:] == "NNNN" for sample in samples)


def test_esm_says_that_it_saw_few_masks(tiny):
    with pytest.warns(FewMasksWarning, match="esm:tiny was trained with 15 % of residues masked"):
        process = svdd.load(f"esm:{tiny[0]}", length=8)
    assert "15 %" in process.about["trained"]
    assert process.about["name"] == "esm:tiny"  # the file of every folder is model.safetensors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "dplm2"}, "is DPLM-2, whose tokens are structures too"),
        ({"model_type": "bert"}, "is a model of the type 'bert'"),
        ({"vocab_size": 8229}, "vocab_size = 8229"),
        ({"is_folding_model": True}, "ESMFold, which predicts structures"),
        ({"position_embedding_type": "absolute"}, "ESM-1, whose positions are learned"),
        ({"position_embedding_type": None}, "ESM-1, whose positions are learned"),
        ({"emb_layer_norm_before": True}, "ESM-1, whose positions are learned"),
        ({"mask_token_id": 31}, "mask_token_id = 31"),
        ({"rope_theta": 500_000.0}, "rope_theta = 500000.0"),
        ({"dplm_type": "dplm_esm"}, "give dplm:PATH"),
        ({"num_attention_heads": 3}, "3 attention heads do not divide the width"),
    ],
)
def test_other_kinds_are_refused_by_name(copy, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        svdd.load(f"esm:{configured(copy, **changes)}", length=8)


def test_esm_is_not_taken_for_dplm(tiny, copy):
    with pytest.raises(ValueError, match="give esm:PATH"):
        svdd.load(f"dplm:{tiny[0]}", length=8)
    old = configured(copy, architectures=["ESM_HF_FLASHATTN"])
    assert torch.equal(ours(old, rows(), "dplm"), ours(tiny[0], rows()))


def test_other_vocabularies_are_refused(copy):
    (copy / "vocab.txt").write_text("\n".join([*TOKENS[:4], "A", "L", *TOKENS[6:]]))
    with pytest.raises(ValueError, match=r"vocab\.txt lists 33 tokens that are not those of ESM-2 in its order"):
        svdd.load(f"esm:{copy}", length=8)
    (copy / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    weights = load_file(copy / "model.safetensors")
    weights["esm.embeddings.word_embeddings.weight"] = torch.zeros(8229, 16)
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(ValueError, match="knows 8,229 tokens, as DPLM-2 does"):
        svdd.load(f"esm:{copy}", length=8)


def test_an_encoder_without_its_head_is_refused(copy):
    weights = {name: one for name, one in load_file(copy / "model.safetensors").items() if "lm_head" not in name}
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"no weights of ESM with its language head: there is no lm_head\.dense\.weight"
    ):
        svdd.load(f"esm:{copy}", length=8)


def test_missing_and_unknown_weights_are_named(copy):
    weights = load_file(copy / "model.safetensors")
    weights["esm.encoder.layer.0.lora_A"] = torch.zeros(2)
    del weights["esm.encoder.layer.1.output.dense.bias"]
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing weights: layers\.1\.fc2\.bias; unknown weights: layers\.0\.lora_A"):
        svdd.load(f"esm:{copy}", length=8)


def test_lengths_are_asked_for_and_limited(tiny):
    with pytest.raises(ValueError, match="does not say how long its designs are; give length=100"):
        svdd.load(f"esm:{tiny[0]}")
    with pytest.raises(ValueError, match="takes at most 64 residues, got length 65"):
        svdd.load(f"esm:{tiny[0]}", length=65)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        svdd.load(f"esm:{tiny[0]}", length=0)
