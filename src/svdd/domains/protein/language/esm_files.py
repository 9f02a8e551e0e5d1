"""What a file of ESM-2 or DPLM holds, under one set of names, and whether it is one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from svdd.domains.protein.language.reading import Opened, check_heads
from svdd.domains.sequence.mdlm_settings import setting
from svdd.messages import check
from svdd.user_texts import text_of_file

_ENDS, _OTHERS = ["<cls>", "<pad>", "<eos>", "<unk>"], ["X", "B", "U", "Z", "O", ".", "-", "<null_1>", "<mask>"]
TOKENS = [*_ENDS, *"LAGVSERTIDPKQNFYMHWC", *_OTHERS]
_HEADS = ("num_attention_heads", "model.encoder_attention_heads", "encoder_attention_heads")
_RELEASED_HEADS = {320: 20, 480: 20, 640: 20, 1280: 20, 2560: 40, 5120: 40}  # of ESM-2, by width
_LONGEST = 1024  # residues in training, where the file does not say

# What settings must be, and what else they are known to be of.
_ONLY: dict[str, tuple[Any, ...]] = {
    "vocab_size": (len(TOKENS),),
    "mask_token_id": (len(TOKENS) - 1,),
    "pad_token_id": (1,),
    "position_embedding_type": ("rotary",),
    "rope_theta": (10_000,),
    "emb_layer_norm_before": (False, None),
    "is_folding_model": (False, None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
}
_KINDS = {
    "dplm2": "DPLM-2, whose tokens are structures too",
    "is_folding_model": "ESMFold, which predicts structures",
    "position_embedding_type": "ESM-1, whose positions are learned",
    "emb_layer_norm_before": "ESM-1, whose positions are learned",
}
# Names of transformers, in this order, and those of fair-esm.
_NAMES = (
    ("esm.embeddings.word_embeddings", "embed_tokens"),
    ("esm.encoder.layer.", "layers."),
    ("esm.encoder.", ""),
    ("attention.self.query", "self_attn.q_proj"),
    ("attention.self.key", "self_attn.k_proj"),
    ("attention.self.value", "self_attn.v_proj"),
    ("attention.output.dense", "self_attn.out_proj"),
    ("attention.LayerNorm", "self_attn_layer_norm"),
    ("intermediate.dense", "fc1"),
    ("output.dense", "fc2"),
    (".LayerNorm", ".final_layer_norm"),
    ("lm_head.decoder", "lm_head"),
    ("sentence_encoder.", ""),
    (".gamma", ".weight"),
    (".beta", ".bias"),
)
_UNUSED = re.compile(
    r".*(inv_freq|position_ids)|esm\.embeddings\.position_embeddings\.weight|.*contact_head\..*|lm_head\.decoder\.bias"
)
_HIDDEN = "embed_positions.weight"
# What knows another number of tokens.
_ALSO = {25: ", as Sapiens does, which sapiens:PATH reads", 8229: ", as DPLM-2 does, whose tokens are structures too"}


@dataclass(frozen=True)
class EsmFile:
    """The weights of a network of ESM-2 and what they cannot tell.

    Args:
        file: they are from.
        weights: by the names of fair-esm.
        heads: of the attention.
        epsilon: of the normalisations.
        token_dropout: whether masks have no embedding.
        longest: residues that it was made for.
    """

    file: Path
    weights: dict[str, Tensor]
    heads: int
    epsilon: float
    token_dropout: bool
    longest: int


def read_esm(scheme: str, path: str | Path, heads: int | None) -> EsmFile:
    """A checkpoint of ESM-2 or DPLM.

    Args:
        scheme: which of the two, `esm` or `dplm`.
        path: file or folder.
        heads: of the attention, if the file does not say.

    Raises:
        ValueError: for a file that cannot be read, and for another kind of model.
    """
    opened = Opened.at(path)
    of_transformers = "model_type" in opened.settings
    _check_kind(opened.file, opened.settings, of_transformers)
    _check_scheme(scheme, opened.file, opened.settings)
    _check_vocabulary(opened.file)
    theirs = opened.weights("lm_head.dense.weight", "ESM with its language head")
    weights = _renamed(theirs)
    check("embed_tokens.weight" in weights, f"{opened.file} has no word embeddings, so it is no ESM-2; get it whole")
    symbols, width = weights["embed_tokens.weight"].shape
    check(
        symbols == len(TOKENS),
        f"{opened.file} knows {symbols:,} tokens{_ALSO.get(symbols, '')}; {scheme}:PATH reads networks of ESM's {len(TOKENS)}",
    )
    check(_HIDDEN not in weights, _sentence(opened.file, "ESM-1, whose positions are learned"))
    check("layers.0.fc1.weight" in weights, f"{opened.file} has no layers; get it whole")
    found = EsmFile(
        opened.file,
        weights,
        _heads(opened, theirs, width, heads),
        # transformers leaves out what is as it would be anyway
        float(opened.settings.get("layer_norm_eps", 1e-12 if of_transformers else 1e-5)),
        _token_dropout(opened.settings, of_transformers),
        int(opened.settings.get("max_position_embeddings", _LONGEST + 2)) - 2,
    )
    check_heads(found.file, found.heads, width)
    return found


def _sentence(file: Path, kind: str) -> str:
    return f"{file} is {kind}, and only networks of ESM-2 can be read"


def _check_kind(file: Path, settings: Mapping[str, Any], of_transformers: bool) -> None:
    kind = str(settings.get("model_type", "esm")).lower()
    known = _KINDS.get(kind.replace("-", "").replace("_", ""), f"a model of the type {kind!r}")
    check(kind == "esm", _sentence(file, known))
    settings = {"position_embedding_type": "absolute", **settings} if of_transformers else settings
    for name, allowed in _ONLY.items():
        value = settings.get(name, allowed[0])
        also = f", as of {_KINDS[name]}" if name in _KINDS else ""
        check(
            value in allowed,
            f"{file} says {name} = {value!r}{also}; only networks of ESM-2 can be read, with {allowed[0]!r}",
        )


def _check_scheme(scheme: str, file: Path, settings: Mapping[str, Any]) -> None:
    """The network does not tell the two trainings apart; what the file says does."""
    architectures = settings.get("architectures") or []
    of_dplm = bool(settings.get("dplm_type")) or any(
        re.search("dplm|flashatt", str(one), re.I) for one in architectures
    )
    check(
        scheme == "dplm" or not of_dplm,
        f"{file} says that it is DPLM, which was trained with other masks than ESM; give dplm:PATH",
    )
    check(
        scheme == "esm" or of_dplm or "EsmForMaskedLM" not in architectures,
        f"{file} says EsmForMaskedLM and no dplm_type, so it is ESM and not DPLM; give esm:PATH",
    )


def _check_vocabulary(file: Path) -> None:
    beside = file.parent / "vocab.txt"
    tokens = text_of_file(beside).split() if beside.is_file() else TOKENS
    check(tokens == TOKENS, f"{beside} lists {len(tokens)} tokens that are not those of ESM-2 in its order")


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names of fair-esm; the head has the embeddings where the file leaves its own out."""
    named: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if _UNUSED.fullmatch(name):
            continue
        ours = name.removeprefix("encoder.")
        for old, new in _NAMES:
            ours = ours.replace(old, new)
        named[ours] = tensor
    if "embed_tokens.weight" in named:
        named.setdefault("lm_head.weight", named["embed_tokens.weight"])
    return named


def _heads(opened: Opened, weights: Mapping[str, Tensor], width: int, given: int | None) -> int:
    """As given, as the file says, as its rotary frequencies tell, or as the released network of this width has."""
    frequencies = [len(one) for name, one in weights.items() if name.endswith("inv_freq")]
    told = width // (2 * frequencies[0]) if frequencies else _RELEASED_HEADS.get(width)
    heads = given or setting(opened.settings, _HEADS, int) or told
    if heads is None:
        raise ValueError(f"{opened.file} does not say how many attention heads the network has; give heads=20, say")
    return int(heads)


def _token_dropout(settings: Mapping[str, Any], of_transformers: bool) -> bool:
    told = setting(settings, ("token_dropout", "model.token_dropout"), bool)
    return bool(told) if told is not None else not of_transformers
