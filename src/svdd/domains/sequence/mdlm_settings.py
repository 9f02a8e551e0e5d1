"""What a checkpoint says of its noise and training: each setting is checked, known to change nothing, or said not to be known.

Projects that share MDLM's networks train them in other ways and say so in settings of other names: uniform noise (UDLM,
SEDD, D3PM, DUO), score entropy (SEDD), blocks (BD3LM), mixed noise (GIDD), left to right (AR). Decoded as masked models, all
of those give designs, and all of them wrong ones.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.messages import check
from svdd.networks.foreign_files import few

Settings = Mapping[str, Any]

LENGTHS = (
    "model.length", "model_length", "length", "seq_length", "seq_len", "sequence_length", "model.seq_len", "max_seqlen",
    "model.max_seqlen",
)  # fmt: skip
HEADS = ("model.n_heads", "n_heads", "num_heads", "model.num_heads", "heads", "num_attention_heads", "model.heads")
MASKS = ("mask_token_id", "mask_index", "mask_id", "mask_token_index", "mask_idx", "mask_token")
TIMED = ("time_conditioning", "time_conditioned", "model.time_conditioning", "algo.time_conditioning")


def setting(settings: Settings, names: tuple[str, ...], kind: type) -> Any:
    """The first setting of these names that is of one type, None if there is none."""
    found = [settings[name] for name in names if name in settings]
    return next((one for one in found if isinstance(one, kind) and (kind is bool or not isinstance(one, bool))), None)


@dataclass(frozen=True)
class Told:
    """What a setting is compared with.

    Args:
        settings: all.
        steps: T.
        timed: whether the network is told the noise level.
        length: of designs.
        symbols: of the network, the mask among them; None before it is known.
        layers: of the network.
    """

    settings: Settings
    steps: int
    timed: bool
    length: int | None
    symbols: int | None = None
    layers: int | None = None


@dataclass(frozen=True)
class Rule:
    """What a setting must be.

    Args:
        names: of it, alone or at the end of a longer one.
        fits: whether a value is right.
        only: what can be loaded, to end the sentence.
        known: a pattern of values that need no further word.
        words: of the sentence about another value.
    """

    names: tuple[str, ...]
    fits: Callable[[Any, Told], bool]
    only: str
    known: str = ""
    words: str = "with the {name} {value!r}"


def _words(value: Any) -> set[str]:
    """Of names such as `absorbing_state`."""
    values = value if isinstance(value, list) else [value]
    return {word for one in values for word in re.split(r"[^a-z0-9]+", str(one).lower()) if word}


def _is_off(value: Any) -> bool:
    return value in (None, False, 0, -1, []) or str(value).lower() in ("", "none", "false", "null", "no")


def _one_of(*known: str) -> Callable[[Any, Told], bool]:
    return lambda value, told: value is None or str(value).lower() in known


def _off(value: Any, told: Told) -> bool:
    return _is_off(value)


_MASKED = {"absorb", "absorbing", "mask", "masked", "masking", "mdlm"}
_KIN = {  # methods that train these networks for another noise, loss or order
    "udlm", "usdm", "sedd", "d3pm", "bd3lm", "bd3", "bd3lms", "duo", "gidd", "ar", "arm", "gpt", "autoregressive", "uniform",
    "gaussian", "score", "flow", "dfm", "dirichlet", "riemannian", "ardm", "lrar", "block", "causal", "simplex", "dimamba",
}  # fmt: skip


def _masked_noise(value: Any, told: Told) -> bool:
    return _is_off(value) or bool(_words(value) & _MASKED and not _words(value) & _KIN)


def _own_method(value: Any, told: Told) -> bool:
    return not _words(value) & _KIN and not re.search("udlm|bd3|sedd|d3pm|duo|gidd", str(value).lower())


def _masked_graph(value: Any, told: Told) -> bool:
    """SEDD names its noise so, and learns scores; a project that says `subs` beside it does not."""
    subs = str(_ending(told.settings, "parameterization")).lower() == "subs"
    return value is None or (subs and _masked_noise(value, told))


def _whole_blocks(value: Any, told: Told) -> bool:
    return _is_off(value) or value in (told.length, *(told.settings.get(name) for name in LENGTHS))


def _time_grid(value: Any, told: Told) -> bool:
    return _is_off(value) or not told.timed or (isinstance(value, int) and value > 0 and value % told.steps == 0)


def _untimed_or(*known: str) -> Callable[[Any, Told], bool]:
    return lambda value, told: value is None or not told.timed or re.sub("[-_]", "", str(value).lower()) in known


def _close(wanted: float) -> Callable[[Any, Told], bool]:
    return lambda value, told: value is None or (isinstance(value, int | float) and abs(value - wanted) < 1e-3 * wanted)


def _symbols(value: Any, told: Told) -> bool:
    return told.symbols is None or not isinstance(value, int) or value in (told.symbols, told.symbols - 1)


def _letters(value: Any, told: Told) -> bool:
    return told.symbols is None or not isinstance(value, int) or value == told.symbols - 1


def _layers(value: Any, told: Told) -> bool:
    return told.layers is None or not isinstance(value, int) or value == told.layers


RULES = (
    Rule(("parameterization", "parameterisation"), _one_of("subs"), "'subs' can be loaded",
         words="with the {value!r} parameterisation"),
    Rule(("graph.type", "graph"), _masked_graph, "'absorb' with parameterization 'subs' can be loaded"),
    Rule(
        (
            "diffusion", "diffusion_type", "forward_process", "noise_distribution", "noise_dist", "prior", "prior_type",
            "transition", "transition_type", "transition_mat_type", "limiting_distribution", "limit_distribution", "prior.type",
            "corruption", "corruption_type", "type_of_noise", "source_distribution", "kernel_type",
        ),
        _masked_noise, "masks ('absorbing_state') can be loaded",
    ),
    Rule(
        ("algo.name", "algo", "algorithm", "method", "model_type", "architectures", "loss_type", "objective"),
        _own_method, "masked diffusion (MDLM) can be loaded", "mdlm|mask|subs|absorb|elbo|diffusion|none",
    ),
    Rule(("mode", "backbone", "model.type", "model.backbone"), _own_method, "dit and cnn of masked diffusion can be loaded"),
    Rule(("block_size", "block_length", "num_blocks_ar"), _whole_blocks, "the whole length as one block can be loaded"),
    Rule(
        ("cross_attn", "cross_attention", "causal", "causal_attention", "is_causal", "autoregressive", "is_decoder"),
        _off, "False can be loaded",
    ),
    Rule(
        (
            "guidance", "training.guidance", "cls_free_guidance", "classifier_free_guidance", "class_conditional",
            "conditional", "class_cond", "cond", "cond_dropout", "self_conditioning", "self_condition", "self_cond",
        ),
        _off, "a network that is given nothing but tokens (and time) can be loaded",
    ),
    Rule(
        ("absorbing", "absorb", "masked", "use_mask", "mask_diffusion", "masked_diffusion", "subs", "use_subs", "bidirectional",
         "rotary", "use_rotary", "use_rope", "rope"),
        lambda value, told: value is not False, "True can be loaded",
    ),
    Rule(("p_uniform", "uniform_prob", "hybrid_p_uniform", "gamma_uniform"), _off, "0 can be loaded"),
    Rule(("T", "num_timesteps", "timesteps", "diffusion_steps"), _time_grid, "its divisors as steps can be used with time"),
    Rule(
        ("noise.type", "noise_type", "noise_schedule", "schedule.type", "noise"),
        _untimed_or("loglinear"), "'loglinear' can be loaded", words="with time and {value!r} noise",
    ),
    Rule(("noise.eps",), lambda value, told: not told.timed or _close(1e-3)(value, told), "0.001 can be loaded with time"),
    Rule(("change_of_variables",), lambda value, told: not told.timed or _is_off(value), "False can be loaded with time"),
    Rule(("tokens", "num_tokens", "n_tokens"), _letters, "the symbols of the network without its mask fit"),
    Rule(("vocab_size", "vocabulary_size", "alphabet_size"), _symbols, "its symbols, with the mask or without, fit"),
    Rule(("n_blocks", "num_layers", "n_layers", "num_hidden_layers", "num_blocks"),
         _layers, "as many as the file has weights of fit"),
    Rule(("rope_theta", "rotary_base", "rope_base"), _close(10_000.0), "10000 can be loaded"),
    Rule(("norm_eps", "layer_norm_eps", "layer_norm_epsilon"), _close(1e-5), "0.00001 can be loaded"),
)  # fmt: skip

# Settings of how a run was driven, and of sizes that the weights tell themselves: parts of a name, at any place in it.
_CHANGES_NOTHING = {
    "training", "train", "trainer", "optim", "optimizer", "lr_scheduler", "scheduler", "lr", "learning_rate", "weight_decay",
    "sampling", "sampler", "loader", "dataloader", "data", "dataset", "datamodule", "eval", "evaluation", "wandb", "logging",
    "logger", "callbacks", "checkpointing", "checkpoint", "checkpoint_path", "hydra", "strategy", "seed", "random_seed",
    "tokenizer", "tokenizer_name", "tokenizer_name_or_path", "ngpus", "gpus", "devices", "num_workers", "batch_size",
    "global_batch_size", "eval_batch_size", "epoch", "epochs", "step", "global_step", "iteration", "num_updates", "decay",
    "best_loss", "loss_value", "val_loss", "run_name", "project", "experiment", "exp_name", "cwd", "work_dir", "run_dir",
    "output_dir", "save_dir", "log_dir", "hparams_name", "pytorch-lightning_version", "lightning_version", "version",
    "hidden_size", "hidden_dim", "d_model", "width", "cond_dim", "mlp_ratio", "dropout", "scale_by_sigma", "name", "size",
    "tie_word_embeddings", "torch_dtype", "dtype", "precision", "transformers_version", "auto_map", "_name_or_path",
    "return_dict", "_class_name", "_diffusers_version", "use_cache", "use_flash_attn", "flash_attn", "attn_backend", "compile",
    "zero_recon_loss", "subs_masking", "antithetic_sampling", "antithetic", "importance_sampling", "sampling_eps", "ema",
    "sigma_min", "sigma_max", "var_min", "mdlm_loss_scale", "accumulate_grad_batches", "grad_clip", "gradient_clip_val",
    "warmup", "warmup_steps", "max_steps", "max_epochs", "bos_token_id", "eos_token_id", "pad_token_id", "cls_token_id",
    "sep_token_id", "unk_token_id", "fp16", "bf16", "amp", "format", "stacks", "num_cnn_stacks", "kernel", "kernel_size",
    "license", "tags", "mode_train", "use_lora", "gen_ppl_eval_model_name_or_path", "perplexity_batch_size",
    "compute_generative_perplexity", "compute_perplexity_on_sanity", "finetuning", "finetune_path", "is_vision", "adaln",
    "clip_search_delta", "clip_search_widths", "fix_clipping", "prior_pseudocount", "num_classifier", "coeff_clip", "betas",
    "max_position_embeddings", "initializer_range", "model_name", "model_path", "model_dir", "ema_decay",
    "neg_infinity_mode",
}  # fmt: skip
# What a setting is about that may change what is computed, at the beginning of a word of its name or of a place of it.
_TELLING = (
    "model", "algo", "nois", "diffus", "graph", "mask", "absorb", "uniform", "loss", "objective", "param", "predict",
    "target", "time", "sigma", "alpha", "schedule", "mode", "transition", "process", "forward", "kernel", "block", "layer",
    "norm", "attn", "attention", "causal", "guid", "cond", "embed", "rope", "rotary", "positional", "shift", "score", "entropy",
    "subs", "cfg", "network", "arch", "backbone", "activation", "order", "prior", "flow", "bridge", "latent", "remask",
)  # fmt: skip
_DRIVING = {
    "lr",
    "log",
    "save",
    "val",
    "wandb",
    "ckpt",
    "grad",
    "path",
    "dir",
    "file",
    "every",
    "freq",
    "interval",
    "compile",
}
_READ = {*LENGTHS, *HEADS, *MASKS, *TIMED}


def check_settings(file: Path, told: Told) -> dict[str, Any]:
    """Looks whether what a checkpoint says is what is computed here.

    Args:
        file: for messages.
        told: its settings, and what they are compared with.

    Returns:
        Settings that are not known, so that somebody may look at them.

    Raises:
        ValueError: for a setting of another noise, training or network; it names it with its value.
    """
    unknown = {}
    for name, value in told.settings.items():
        rule = next((rule for rule in RULES if _is_called(name, rule.names)), None)
        if rule is not None:
            words = rule.words.format(name=name, value=value)
            check(rule.fits(value, told), f"{file} was trained {words}; only {rule.only}")
        if not (re.search(rule.known, str(value).lower()) if rule else _changes_nothing(name, value)):
            unknown[name] = value
    return unknown


def telling(settings: Settings) -> dict[str, Any]:
    """Those that may change what is computed, as far as their names say: not `log_every`, as trainers have by the dozen."""
    return {
        name: value
        for name, value in settings.items()
        if any(word.startswith(_TELLING) for word in _words(name)) and not _words(name) & _DRIVING
    }


def contradicted(settings: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of options that were given otherwise.

    Args:
        settings: of the checkpoint.
        given: options; None for what was not given.
    """
    named = {"time_conditioning": (TIMED, bool), "heads": (HEADS, int), "mask_index": (MASKS, int)}
    told = {option: setting(settings, *named[option]) for option, value in given.items() if value is not None}
    return {option: value for option, value in told.items() if value not in (None, given[option])}


def said(settings: Settings) -> str:
    """Settings with their values, for people."""
    return few(f"{name} = {value!r:.60}" for name, value in settings.items())


def _is_called(name: str, names: tuple[str, ...]) -> bool:
    """Whether a name is one of these, or ends so in a part of the configuration that is about the model."""
    outside = set(name.split(".")[:-1]) & _CHANGES_NOTHING
    return any(name == one or (name.endswith(f".{one}") and not outside) for one in names)


def _changes_nothing(name: str, value: Any) -> bool:
    return _is_off(value) or name in _READ or bool(set(name.split(".")) & _CHANGES_NOTHING)


def _ending(settings: Settings, name: str) -> Any:
    return next((value for one, value in settings.items() if one.rpartition(".")[2] == name), None)
