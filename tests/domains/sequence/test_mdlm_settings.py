"""What a checkpoint says of its noise and training: understood, refused by name and value, or said not to be known."""

import argparse
import json
import warnings

import pytest
import torch
from safetensors.torch import save_file

from domains.sequence.test_mdlm import LENGTH, SYMBOLS, dit_shapes, lightning, random_weights
from svdd.domains.sequence.mdlm import UnreadWarning
from svdd.registry import load

PLAIN = {"time_conditioning": False, "model": {"length": LENGTH}}
TIMED = {"time_conditioning": True, "model": {"length": LENGTH}}
WEIGHTS = random_weights(dit_shapes())


def beside(folder, config):
    save_file(WEIGHTS, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return f"mdlm:{folder}"


def in_yaml(folder, config):
    import yaml

    torch.save(WEIGHTS, folder / "checkpoint.pth")
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    return f"mdlm:{folder / 'checkpoint.pth'}"


def in_lightning(folder, config):
    torch.save(lightning(WEIGHTS, config=config), folder / "m.ckpt")
    return f"mdlm:{folder / 'm.ckpt'}"


def in_arguments(folder, config):
    torch.save({"model": WEIGHTS, "args": argparse.Namespace(**config)}, folder / "m.pt")
    return f"mdlm:{folder / 'm.pt'}"


def as_hyper_parameters(folder, config):
    torch.save({"state_dict": WEIGHTS, "hyper_parameters": config}, folder / "m.ckpt")
    return f"mdlm:{folder / 'm.ckpt'}"


def in_header(folder, config):
    save_file(WEIGHTS, folder / "m.safetensors", {"format": "pt", "config": json.dumps(config)})
    return f"mdlm:{folder / 'm.safetensors'}"


WRITERS = [beside, in_yaml, in_lightning, in_arguments, as_hyper_parameters, in_header]


@pytest.mark.parametrize("write", WRITERS)
def test_uniform_noise_is_refused_wherever_it_is_said(tmp_path, write):
    path = write(tmp_path, PLAIN | {"diffusion": "uniform"})
    with pytest.raises(ValueError, match="was trained with the diffusion 'uniform'; only masks"):
        load(path)


@pytest.mark.parametrize("write", WRITERS)
def test_masked_noise_is_read_wherever_it_is_said(tmp_path, write):
    path = write(tmp_path, PLAIN | {"diffusion": "absorbing_state", "parameterization": "subs"})
    assert load(path).kind.length == LENGTH


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"graph": {"type": "uniform"}, "tokens": 4}, "graph.type 'uniform'"),
        ({"graph": {"type": "absorb"}, "tokens": 4}, "graph.type 'absorb'; only 'absorb' with parameterization 'subs'"),
        ({"parameterization": "d3pm"}, "the 'd3pm' parameterisation"),
        ({"parameterization": "ar"}, "the 'ar' parameterisation"),
        ({"algo": {"name": "bd3lm", "parameterization": "subs"}}, "algo.name 'bd3lm'"),
        ({"algo": {"name": "duo_base", "diffusion_type": "uniform"}}, "algo.name 'duo_base'"),
        ({"model_type": "udlm"}, "model_type 'udlm'"),
        ({"architectures": ["BD3LM"]}, r"architectures \['BD3LM'\]"),
        ({"block_size": 4}, "block_size 4; only the whole length"),
        ({"cross_attn": True}, "cross_attn True"),
        ({"algo": {"causal_attention": True}}, "algo.causal_attention True"),
        ({"model": {"length": LENGTH, "p_uniform": 0.1}}, "model.p_uniform 0.1"),
        ({"training": {"guidance": {"cond_dropout": 0.1}}, "guidance": "cfg"}, "guidance 'cfg'"),
        ({"mode": "dirichlet"}, "mode 'dirichlet'"),
        ({"vocab_size": 9}, "vocab_size 9; only its symbols"),
        ({"tokens": SYMBOLS}, "tokens 5; only the symbols of the network without its mask"),
        ({"n_blocks": 3}, "n_blocks 3"),
        ({"rope_theta": 500000.0}, "rope_theta 500000.0"),
        ({"absorbing": False}, "absorbing False; only True"),
        ({"model": {"length": LENGTH, "bidirectional": False}}, "model.bidirectional False"),
    ],
)  # fmt: skip
def test_another_training_is_refused_with_its_value(tmp_path, said, named):
    with pytest.raises(ValueError, match=f"was trained with (the )?{named}"):
        load(beside(tmp_path, PLAIN | said))


def test_a_refusal_comes_before_questions(tmp_path):
    with pytest.raises(ValueError, match=r"graph\.type 'uniform'"):
        load(beside(tmp_path, {"graph": {"type": "uniform"}}))


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"noise": {"type": "cosine"}}, "time and 'cosine' noise; only 'loglinear'"),
        ({"noise_schedule": "linear"}, "time and 'linear' noise"),
        ({"noise": {"type": "loglinear", "eps": 0.1}}, "noise.eps 0.1"),
        ({"T": 1000}, "T 1000; only its divisors as steps"),
    ],
)
def test_the_schedule_matters_with_time_alone(tmp_path, said, named):
    with pytest.raises(ValueError, match=named):
        load(beside(tmp_path, TIMED | said), steps=7)
    assert load(beside(tmp_path, PLAIN | said), steps=7).time_independent


def test_discrete_times_are_met_by_their_divisors(tmp_path):
    assert load(beside(tmp_path, TIMED | {"T": 1000}), steps=8).steps == 8


# The published configurations of MDLM, in the hub and in a Lightning checkpoint.
HUB = {
    "architectures": ["MDLM"], "auto_map": {"AutoConfig": "configuration_mdlm.MDLMConfig"}, "cond_dim": 6, "dropout": 0.1,
    "hidden_dim": 12, "model_length": LENGTH, "model_type": "mdlm", "n_blocks": 2, "n_heads": 3, "return_dict": False,
    "time_conditioning": False, "torch_dtype": "float32", "transformers_version": "4.38.2", "vocab_size": SYMBOLS,
}  # fmt: skip
TRAINING = {
    "mode": "train", "diffusion": "absorbing_state", "backbone": "dit", "parameterization": "subs", "time_conditioning": False,
    "T": 0, "subs_masking": False, "seed": 1, "block_size": "${model.length}", "importance_sampling": False,
    "noise": {"type": "loglinear", "sigma_min": 1e-4, "sigma_max": 20},
    "model": {"name": "small", "type": "ddit", "hidden_size": 12, "cond_dim": 6, "length": LENGTH, "n_blocks": 2, "n_heads": 3,
              "scale_by_sigma": True, "dropout": 0.1, "tie_word_embeddings": False},
    "loader": {"global_batch_size": 512, "batch_size": 64}, "sampling": {"predictor": "ddpm_cache", "steps": 128},
    "training": {"ema": 0.9999, "antithetic_sampling": True, "sampling_eps": 1e-3, "change_of_variables": False},
    "eval": {"checkpoint_path": ""}, "optim": {"lr": 3e-4, "weight_decay": 0}, "data": {"train": "openwebtext-train"},
    "trainer": {"max_steps": 10}, "callbacks": {"checkpoint_every_n_steps": {"save_top_k": -1}}, "wandb": {"project": "x"},
    "guidance": None, "zero_recon_loss": False,
}  # fmt: skip


@pytest.mark.parametrize(("write", "config"), [(beside, HUB), (in_lightning, TRAINING), (in_yaml, TRAINING)])
def test_what_is_published_needs_no_word(tmp_path, write, config):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        process = load(write(tmp_path, config))
    assert process.kind.length == LENGTH and "settings_not_known" not in process.about


def test_a_setting_that_is_not_known_is_said(tmp_path):
    path = beside(tmp_path, PLAIN | {"model": {"length": LENGTH, "remasking": "confidence"}})
    with pytest.warns(
        UnreadWarning, match=r"says model\.remasking = 'confidence', which is not known here and was not used"
    ):
        process = load(path)
    assert process.about["settings_not_known"] == "model.remasking = 'confidence'"


# Masked models, in the configurations of projects that have others too, and of trainers that say much of themselves.
ALGORITHM = {"name": "mdlm", "backbone": "dit", "parameterization": "subs", "time_conditioning": False, "T": 0,
             "causal_attention": False, "ignore_bos": False}  # fmt: skip
OTHERS = {
    "blocks": TRAINING | {"block_size": LENGTH, "algo": ALGORITHM | {"cross_attn": False, "clip_search_delta": 0.05,
                          "clip_search_widths": [], "sampler": "semi_ar", "mdlm_loss_scale": False}},
    "duality": TRAINING | {"neg_infinity_mode": "large-finite", "prior": {"type": "none", "latent_width": -1},
                           "algo": ALGORITHM | {"loss_type": "elbo", "shift_labels": False}},
    "guided": HUB | {"cfg": False, "cfg_num_classes": -1},
    "DNA": TRAINING | {"debug_mode": False, "model": TRAINING["model"] | {"clean_data": False, "mode": "dna",
                       "cls_expanded_simplex": False, "prior_pseudocount": 2, "num_classifier": 1}},
    "saved again": HUB | {"id2label": {"0": "LABEL_0"}, "num_beams": 1, "is_decoder": False, "temperature": 1.0},
    "a trainer": PLAIN | {"log_every": 10, "lr_schedule": "cosine", "compile_model": True, "device": "cuda", "cuda": True,
                          "save_model_every": 5, "train_path": "x", "max_grad_norm": 1.0, "resume": None},
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_changes_nothing_needs_no_word(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(beside(tmp_path, OTHERS[name])).kind.length == LENGTH


def test_what_is_not_known_and_seems_to_change_nothing_stands_in_about_alone(tmp_path):
    assert load(beside(tmp_path, PLAIN | {"num_beams": 4})).about["settings_not_known"] == "num_beams = 4"


@pytest.mark.parametrize("name", [".hydra/config.yaml", "hparams.yaml"])
@pytest.mark.parametrize("folder", ["checkpoints", "checkpoints-meta", "weights"])
def test_the_configuration_of_the_run_is_read(tmp_path, folder, name):
    (tmp_path / folder).mkdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(json.dumps({"graph": {"type": "uniform"}, "tokens": 4}))
    torch.save({"model": WEIGHTS, "step": 1}, tmp_path / folder / "checkpoint_1.pth")
    with pytest.raises(ValueError, match=r"checkpoint_1\.pth was trained with the graph\.type 'uniform'"):
        load(f"mdlm:{tmp_path}/{folder}/checkpoint_1.pth", time_conditioning=True, length=9)


def test_the_configuration_of_another_folder_is_not_read(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "hparams.yaml").write_text("diffusion: uniform")
    torch.save(WEIGHTS, tmp_path / "mine" / "m.pt")
    assert load(f"mdlm:{tmp_path}/mine/m.pt", time_conditioning=False, length=9)


CONTRADICTED = [
    ({"time_conditioning": False}, {"time_conditioning": True}),
    ({"n_heads": 3}, {"heads": 2}),
    ({"mask_id": 1}, {"mask_index": 4}),
]


@pytest.mark.parametrize(("said", "option"), CONTRADICTED)
def test_an_option_that_is_not_what_the_file_says_is_taken_and_said(tmp_path, said, option):
    (name, given), (told,) = *option.items(), said.values()
    save_file({key: one for key, one in WEIGHTS.items() if "inv_freq" not in key}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"time_conditioning": False, "n_heads": 3, "length": 9} | said))
    with pytest.warns(UnreadWarning, match=f"says {name} = {told}, and the option {name}={given} is taken"):
        load(f"mdlm:{tmp_path}", **option)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(f"mdlm:{tmp_path}", **{name: told})


def test_heads_that_are_not_those_of_the_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match="frequencies are those of 3 attention heads, so heads=2 is wrong"):
        load(beside(tmp_path, PLAIN), heads=2)


def test_the_mask_is_where_the_file_says(tmp_path):
    told, given = (
        load(beside(tmp_path, PLAIN | said), mask_index=index)
        for said, index in (({"mask_token_id": 1}, None), ({}, 1))
    )
    tokens, t = torch.full((1, LENGTH), SYMBOLS - 1), torch.tensor(0.5).double()
    assert torch.equal(told.denoiser(tokens, t, ()).log_p, given.denoiser(tokens, t, ()).log_p)
    last = load(beside(tmp_path, PLAIN)).denoiser(tokens, t, ()).log_p
    assert not torch.equal(told.denoiser(tokens, t, ()).log_p, last)
    with pytest.raises(ValueError, match="mask_index must be one of the network's 5 symbols, 0 to 4, got 50257"):
        load(beside(tmp_path, PLAIN | {"mask_token_id": 50257}))


def test_an_average_that_is_not_understood_is_said(tmp_path):
    squashed = {f"model_ema.{name.replace('.', '')}": one for name, one in WEIGHTS.items()}
    torch.save(
        {"state_dict": {f"backbone.{name}": one for name, one in WEIGHTS.items()} | squashed}, tmp_path / "m.ckpt"
    )
    options = {"length": 9, "time_conditioning": False}
    with pytest.warns(
        UnreadWarning, match=r"may be a moving average \(state_dict\.model_ema.*the last weights are used"
    ):
        process = load(f"mdlm:{tmp_path / 'm.ckpt'}", **options)
    assert process.about["weights"] == "last" and "model_ema" in process.about["not_read"]
    assert "not_read" not in load(f"mdlm:{tmp_path / 'm.ckpt'}", ema=False, **options).about


def test_weights_in_half_precision_are_said_to_be(tmp_path):
    torch.save({name: one.bfloat16() for name, one in WEIGHTS.items()}, tmp_path / "m.pt")
    assert load(f"mdlm:{tmp_path / 'm.pt'}", length=9, time_conditioning=False).about["stored_as"] == "bfloat16"


def test_one_shard_of_a_network_is_said_to_be(tmp_path):
    save_file({name: one for name, one in WEIGHTS.items() if "blocks" not in name}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"it has no 'blocks\.0.*, so it is cut short, or one of several shards"):
        load(f"mdlm:{tmp_path / 'm.safetensors'}", length=9, time_conditioning=False)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, number):
    torch.save(WEIGHTS | {"blocks.0.norm1.weight": torch.full((12,), number)}, tmp_path / "m.pt")
    with pytest.raises(ValueError, match=r"m\.pt is damaged: blocks\.0\.norm1\.weight has numbers that are not finite"):
        load(f"mdlm:{tmp_path / 'm.pt'}", length=9, time_conditioning=False)
