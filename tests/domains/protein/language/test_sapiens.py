"""Sapiens: a tiny RoBERTa of transformers under fairseq's names gives the same logits; other files are refused by name."""

import argparse
import re

import pytest
import torch
from transformers import RobertaConfig, RobertaForMaskedLM

import svdd
from svdd.domains.protein.language.process import FewMasksWarning
from svdd.domains.protein.language.sapiens import read_sapiens
from svdd.domains.sequence.alphabets import PROTEIN

LENGTH, MASK = 20, 24
NAMES = (
    ("roberta.embeddings.word_embeddings", "sentence_encoder.embed_tokens"),
    ("roberta.embeddings.position_embeddings", "sentence_encoder.embed_positions"),
    ("roberta.embeddings.LayerNorm", "sentence_encoder.emb_layer_norm"),
    ("roberta.encoder.layer", "sentence_encoder.layers"),
    ("attention.self.query", "self_attn.q_proj"), ("attention.self.key", "self_attn.k_proj"),
    ("attention.self.value", "self_attn.v_proj"), ("attention.output.dense", "self_attn.out_proj"),
    ("attention.output.LayerNorm", "self_attn_layer_norm"), ("intermediate.dense", "fc1"),
    ("output.dense", "fc2"), ("output.LayerNorm", "final_layer_norm"), ("lm_head.decoder.weight", "lm_head.weight"),
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny():
    """A network, and its weights under fairseq's names."""
    config = RobertaConfig(
        vocab_size=25, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
        max_position_embeddings=26, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        network = RobertaForMaskedLM(config).eval()
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        network.roberta.embeddings.token_type_embeddings.weight.zero_()  # which fairseq has none of
    named = {}
    for name, one in network.state_dict().items():
        for old, new in NAMES:
            name = name.replace(old, new)
        if "token_type" not in name and "position_ids" not in name and "decoder" not in name:
            named[f"decoder.{name}"] = one.clone()
    return network, named


def saved(weights, file, **args):
    told = argparse.Namespace(**{"encoder_attention_heads": 4, **args})
    torch.save({"args": told, "model": weights, "extra_state": {"epoch": 3}}, file)
    return file


def test_logits_are_those_of_transformers(tiny, tmp_path):
    network, weights = tiny
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 25, (5, LENGTH + 2), generator=generator)
    tokens[:, 0], tokens[:, -1] = 0, 2
    ours = read_sapiens(saved(weights, tmp_path / "checkpoint_vh.pt"))[0]
    with torch.no_grad():
        theirs = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    torch.testing.assert_close(ours(tokens), theirs, atol=1e-4, rtol=1e-4)
    untied = {name: one for name, one in weights.items() if name != "decoder.lm_head.weight"}
    again = read_sapiens(saved({**untied, "decoder.version": torch.tensor([3.0])}, tmp_path / "checkpoint_vl.pt"))[0]
    assert torch.equal(again(tokens), ours(tokens))


def test_designs_are_of_the_twenty_letters(tiny, tmp_path):
    weights = tiny[1] | {"decoder.lm_head.bias": torch.tensor([100.0] * 4 + [0.0] * 20 + [100.0])}
    with pytest.warns(FewMasksWarning, match=r"checkpoint_vh\.pt was trained with 15 %"):
        process = svdd.load(f"sapiens:{saved(weights, tmp_path / 'checkpoint_vh.pt')}", length=LENGTH, steps=3)
    samples = svdd.decode(process, lambda designs: [d.count("W") for d in designs], samples=3, candidates=2).samples
    assert all(len(sample) == LENGTH and set(sample) <= set(PROTEIN.letters) for sample in samples)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"decoder.sentence_encoder.embed_tokens.weight": torch.zeros(33, 16)},
            "knows 33 tokens, so it is not Sapiens",
        ),
        ({"decoder.sentence_encoder.embed_positions.weight": None}, "it has no learned positions"),
        ({"decoder.lm_head.dense.weight": None}, "no weights of Sapiens: there is no lm_head.dense.weight"),
        ({"decoder.sentence_encoder.layers.0.fc2.bias": None}, "missing weights: layers.0.fc2.bias"),
    ],
)
def test_other_files_are_refused(tiny, tmp_path, changes, message):
    weights = {name: one for name, one in (tiny[1] | changes).items() if one is not None}
    with pytest.raises(ValueError, match=re.escape(message)):
        svdd.load(f"sapiens:{saved(weights, tmp_path / 'checkpoint.pt')}", length=LENGTH)


def test_it_is_not_taken_for_esm(tiny, tmp_path):
    said = "knows 25 tokens, as Sapiens does, which sapiens:PATH reads; esm:PATH reads networks of ESM's 33"
    with pytest.raises(ValueError, match=re.escape(said)):
        svdd.load(f"esm:{saved(tiny[1], tmp_path / 'checkpoint_vh.pt')}", length=LENGTH)


def test_another_dictionary_and_other_heads_are_refused(tiny, tmp_path):
    file = saved(tiny[1], tmp_path / "checkpoint.pt", encoder_attention_heads=3)
    with pytest.raises(ValueError, match="3 attention heads do not divide the width"):
        read_sapiens(file)
    (tmp_path / "dict.txt").write_text("".join(f"{letter} 7\n" for letter in PROTEIN.letters))
    read_sapiens(saved(tiny[1], file))
    (tmp_path / "dict.txt").write_text("L 9\nA 8\n")
    with pytest.raises(ValueError, match=r"dict\.txt lists other letters"):
        read_sapiens(file)


def test_lengths_over_the_limit_are_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match="takes at most 22 residues, got length 23"):
        svdd.load(f"sapiens:{saved(tiny[1], tmp_path / 'checkpoint.pt')}", length=23)
