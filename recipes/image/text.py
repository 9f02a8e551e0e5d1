"""The words of the image model: a CLIP tokenizer with a small vocabulary, the prompts of training, and a small text encoder."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, nn

from svdd.networks.training import isolated_randomness

__all__ = [
    "LENGTH",
    "TEMPLATES",
    "make_text_encoder",
    "make_tokenizer",
    "merges_of",
    "prompts_of",
    "some_prompts",
    "tokens_of",
]

LENGTH = 32
"""Tokens of a prompt, with its two marks."""
TEMPLATES = ("{}", "a {}", "a photo of a {}", "a picture of a {}", "an image of a {}")
"""The prompts of a class that the model is trained on."""
_FURTHER = (
    "the",
    "of",
    "in",
    "on",
    "with",
    "and",
    "photograph",
    "small",
    "big",
    "red",
    "green",
    "blue",
    "black",
    "white",
)
_START, _END = "<|startoftext|>", "<|endoftext|>"


def prompts_of(name: str) -> list[str]:
    """Every training prompt of a class; "an" stands before a vowel."""
    made = [template.format(name) for template in TEMPLATES]
    return [prompt.replace(f"a {name}", f"an {name}") if name[0] in "aeiou" else prompt for prompt in made]


def make_tokenizer(classes: Sequence[str], folder: Path) -> Any:
    """Write a CLIP tokenizer that has the words of the training prompts as tokens, and any other text as bytes."""
    from transformers import CLIPTokenizer

    words = sorted({word for name in classes for prompt in prompts_of(name) for word in prompt.split()} | set(_FURTHER))
    merges = merges_of(words)
    letters = sorted(_byte_letters())
    symbols = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges), _START, _END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, rules = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({symbol: number for number, symbol in enumerate(symbols)}))
    rules.write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n")
    tokenizer = CLIPTokenizer(str(vocabulary), str(rules), model_max_length=LENGTH)
    tokenizer.save_pretrained(folder)
    return tokenizer


def merges_of(words: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of byte-pair encoding, most frequent first, until each word is one symbol."""
    spelled = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while counts := Counter(pair for word in spelled for pair in itertools.pairwise(word)):
        pair = min(counts, key=lambda one: (-counts[one], one))
        merges.append(pair)
        spelled = [_joined(word, pair) for word in spelled]
    return merges


def _joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    made: list[str] = []
    for symbol in word:
        if made and (made[-1], symbol) == pair:
            made[-1] += symbol
        else:
            made.append(symbol)
    return made


def _byte_letters() -> list[str]:
    """The printable letters that byte-level encodings write the 256 bytes with."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(code) for code in printable] + [chr(256 + place) for place in range(256 - len(printable))]


def make_text_encoder(tokenizer: Any, seed: int, *, hidden: int = 64, layers: int = 1) -> nn.Module:
    """An untrained `CLIPTextModel` for a tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        projection_dim=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with isolated_randomness(seed):
        return CLIPTextModel(config)


def tokens_of(tokenizer: Any, prompts: Sequence[str]) -> torch.Tensor:
    """Tokens as a pipeline makes them, shape (n, 32)."""
    found = tokenizer(list(prompts), padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    return found.input_ids  # type: ignore[no-any-return]


def some_prompts(classes: int, labels: torch.Tensor, empty: float, generator: Generator) -> torch.Tensor:
    """For each label the number of a prompt drawn among its class's; the one after all classes' is the empty prompt."""
    template = torch.randint(len(TEMPLATES), labels.shape, generator=generator)
    dropped = torch.rand(labels.shape, generator=generator) < empty
    return torch.where(dropped, classes * len(TEMPLATES), labels * len(TEMPLATES) + template)
