"""The bundled model of molecules: masked diffusion over SELFIES symbols, with the length as part of the state.

A chain first draws how many symbols its molecule has, as often as in the training set. The sites behind them are padding
from the start, the others are masks; revealed sites never change, so the length is kept and the network sees it.
"""

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.chain.denoisers import Denoiser, from_logits
from svdd.chain.distributions import Categorical
from svdd.chain.noising import MaskedNoise
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.schedules import masked_log_linear, time_grid
from svdd.chain.transitions import masked_ancestral
from svdd.chain.tree import Tree
from svdd.domains.molecule.designs import MoleculeKind
from svdd.domains.molecule.fragment_text import FragmentWarning
from svdd.domains.molecule.fragments import Template, filled, template
from svdd.domains.molecule.gdss.sizes import draw_sizes
from svdd.domains.molecule.given_fragments import slots_of
from svdd.domains.molecule.selfies import (
    LONGEST,
    MASK,
    PAD,
    SYMBOLS,
    VOCABULARY,
    encode,
    selfies_package,
    shown,
    tokens_of,
)
from svdd.domains.molecule.selfies import decode as canonical_smiles
from svdd.domains.sequence.bundled_models import batched_denoiser
from svdd.domains.sequence.masked import bound_per_site
from svdd.messages import check
from svdd.registry import bundled


@dataclass(frozen=True)
class Lengths:
    """The prior: a length for each row, drawn with its share of the counts, as many masks, and padding behind them.

    Args:
        counts: of the lengths 0, 1, ..., 48.
        device: where to put the rows; the CPU unless given.
    """

    counts: tuple[int, ...]
    device: torch.device | str | None = None

    def __call__(self, n: int, rng: Rng) -> Int64[Tensor, "n L"]:
        where = self.device or "cpu"
        return torch.where(
            torch.arange(LONGEST, device=where) < _drawn(self.counts, n, rng).to(where)[:, None], MASK, PAD
        )

    @property
    def span(self) -> list[int]:
        """The least and the most."""
        known = [symbols for symbols, count in enumerate(self.counts) if count]
        return [known[0], known[-1]]

    def within(self, length: int | Sequence[int]) -> "Lengths":
        """Only the lengths asked for.

        Args:
            length: a number of symbols, or [fewest, most].

        Raises:
            ValueError: for something else, and lengths that no training molecule has.
        """
        span = [length, length] if isinstance(length, int) else list(length)
        check(len(span) == 2, f"length is a number of symbols, or [fewest, most], got {length}")
        kept = tuple(count if span[0] <= symbols <= span[1] else 0 for symbols, count in enumerate(self.counts))
        if not any(kept):
            least, most = self.span
            raise ValueError(f"no training molecule has {length} symbols; they have {least} to {most}")
        return replace(self, counts=kept)


def molecule(
    steps: int = 64,
    length: int | Sequence[int] | None = None,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
    symbol_temperature: float | int = 1.0,
) -> Process:
    r"""Drug-like molecules as canonical SMILES, learned from MOSES (card: pretrained/molecule/card.md).

    Args:
        steps: T.
        length: SELFIES symbols of a design, a number or [fewest, most]; drawn as in the training set unless given. A symbol
            is an atom, a ring or a branch, or part of their sizes: a molecule of 25 heavy atoms has about 40.
        weights: another safetensors file of the same kind of network, beside a `lengths.json`.
        device: where the network runs.
        precision: `float32`, or `bfloat16`; a warning says where it is slower.
        symbol_temperature: b of the symbols that are drawn, $p_b(y) \propto p(y)^{1/b}$. Below 1 likely symbols become
            likelier: molecules are easier to make and less diverse. It makes another pretrained law, which rewards then tilt.

    Raises:
        ImportError: without the extra `molecules`.
        ValueError: for a file that is not such a network, an unknown precision, steps below 1, a length that no training
            molecule has, or a temperature that is not positive.
    """
    check(symbol_temperature > 0, f"symbol_temperature must be above 0, got {symbol_temperature}")
    selfies_package()  # without it no design could be read, which would be late to tell
    call, batch = batched_denoiser("molecule", VOCABULARY, LONGEST, weights, device, precision)
    lengths = replace(training_lengths(weights), device=device)
    lengths = lengths if length is None else lengths.within(length)

    def logits(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        answer = call(x, t, cond)
        answer[..., PAD] = -torch.inf  # the end of a molecule is where the prior has put it
        return answer / symbol_temperature

    about = {"name": "molecule", "precision": precision, "steps": steps, "symbols": lengths.span}
    about["symbol_temperature"] = symbol_temperature
    return Process(
        prior=lengths,
        denoiser=from_logits(logits, VOCABULARY),
        transition=masked_ancestral(masked_log_linear()),
        times=time_grid(steps),
        decode=canonical_smiles,
        rows_at_once=batch,
        time_independent=True,
        noising=MaskedNoise(MASK, masked_log_linear()),
        encode=partial(_encoded, device),
        kind=MoleculeKind(),
        about=about,
    )


def _encoded(device: torch.device | str | None, molecules: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Molecules as tokens, and masks of their lengths."""
    tokens = encode(molecules).to(device or "cpu")
    return tokens, torch.where(tokens == PAD, PAD, MASK)


def training_lengths(weights: str | Path | None = None) -> Lengths:
    """Those of the molecules that the weights were trained on, from `lengths.json` beside them.

    Raises:
        ValueError: if there is no such file.
    """
    path = Path(weights).with_name("lengths.json") if weights else bundled("molecule", "lengths.json")
    try:
        return Lengths(tuple(json.loads(path.read_text(encoding="utf-8"))["counts"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} must hold the lengths of training molecules, as the recipe wrote it: {error}"
        ) from error


def _drawn(counts: Sequence[int], n: int, rng: Rng) -> Int64[Tensor, " n"]:
    return draw_sizes(torch.tensor(counts, dtype=torch.float64, device="cpu"), n, rng)


def with_fragment(process: Process, fragment: str, free: Sequence[int] | None = None) -> Process:
    """The model of molecules whose designs all hold a fragment: motif extension, scaffold decoration, or linker design.

    The fragment's symbols are given from the start and condition the network; what is decoded is the fragment with what the
    free sites say bound to it, so that no reward and no temperature can lose it.

    Args:
        process: the model of molecules.
        fragment: SMILES with `*` where designs go on: one (`*c1ccc(F)cc1`), several, or two fragments to link with one each
            (`*c1ccncc1.*C1CCNCC1`). Stereochemistry, isotopes and atom numbers are left out, with a warning.
        free: fewest and most symbols to design, all places together; unless given, whatever makes molecules as long as
            the process makes them.

    Raises:
        ValueError: for another model, text that is no molecule, no `*`, no free valence at one, a radical, an unknown symbol,
            a fragment that is too long, and sizes that no training molecule has.
    """
    if not isinstance(process.prior, Lengths):
        name = process.about.get("name", "this model")
        raise ValueError(f"fragments are for the model molecule without one, and {name} is another or has one")
    made = template(fragment)
    if made.lost:
        held = re.sub(r"\[\*:\d+\]", "*", made.smiles)
        warnings.warn(
            f"{fragment} loses its {' and '.join(made.lost)}, which the model does not write: designs hold {held}",
            FragmentWarning,
            stacklevel=2,
        )
    counts = _free_counts(process.prior.counts, made, fragment, free)
    width = len(counts) - made.slots  # sites of a slot: all but one a slot of the others
    slots = torch.tensor(made.places(width), device="cpu")
    slots = torch.nn.functional.pad(slots, (0, max(0, LONGEST - len(slots))), value=-1)
    where = process.device
    first = (slots >= 0) & (slots != slots.roll(1))

    def prior(n: int, rng: Rng) -> Int64[Tensor, "n L"]:
        shares = split(_drawn(counts, n, rng), made.slots, rng)
        rows = [made.tokens(tuple(share), width) for share in shares.tolist()]
        padded = torch.nn.functional.pad(torch.tensor(rows, device="cpu"), (0, len(slots) - len(rows[0])), value=PAD)
        return padded.to(where)

    def decode(x: Tensor) -> list[str]:
        parts = [x.cpu()[:, slots == slot].tolist() for slot in range(made.slots)]
        return [filled(fragment, tuple(map(shown, row))) for row in zip(*parts, strict=True)]

    def encode(molecules: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows = [_in_slots(made, molecule, width, len(slots)) for molecule in molecules]
        x_0, x_T = (torch.tensor(part, device=where) for part in zip(*rows, strict=True))
        return x_0, x_T

    about = {**process.about, "fragment": fragment}
    begun = replace(
        process,
        prior=prior,
        encode=encode,
        given=None,
        denoiser=_within(process.denoiser, first.to(where)),
        about=about,
    )
    return begun.decoded_by(decode)


def _in_slots(made: Template, molecule: str, width: int, sites: int) -> tuple[list[int], list[int]]:
    """A molecule that holds the fragment as a row of tokens, and the row with masks in its slots."""
    slots = slots_of(made, molecule)
    free = tuple(map(len, slots))
    if max(free) > width or made.symbols(free) > LONGEST:
        raise ValueError(
            f"{molecule} needs {made.symbols(free)} symbols with the fragment, {max(free)} at one place, and there are at most "
            f"{LONGEST} and {width}"
        )
    masked, given = made.tokens(free, width), [iter(tokens_of(symbols)) for symbols in slots]
    sited = zip(masked, made.places(width), strict=True)
    tokens = [next(given[slot]) if token == MASK else token for token, slot in sited]
    padding = [PAD] * (sites - len(masked))
    return tokens + padding, masked + padding


def _free_counts(lengths: Sequence[int], made: Template, fragment: str, free: Sequence[int] | None) -> list[int]:
    """How often 0, 1, ... symbols are to be designed: as often as molecules of that length are wanted."""
    fixed = made.symbols((1,) * made.slots) - made.slots
    longest = (LONGEST,) * made.slots  # so that all branches round them have two index symbols
    spare = LONGEST - (made.symbols(longest) - sum(longest))
    if free is not None and len(free) != 2:
        raise ValueError(f"free is (fewest, most) symbols to design, got {free}")
    low, high = (made.slots, spare) if free is None else (max(free[0], made.slots), min(free[1], spare))
    counts = [lengths[fixed + count] if low <= count else 0 for count in range(high + 1)]
    if not any(counts):
        raise ValueError(
            f"{fragment} has {fixed} symbols and {free or (low, high)} free ones are asked for, but no molecule of the "
            "lengths asked for has so many; choose another length or free"
        )
    return counts


def split(total: Int64[Tensor, " n"], parts: int, rng: Rng) -> Int64[Tensor, "n k"]:
    """Splits whole numbers into parts of at least 1, every way of doing so as likely as any other."""
    cuts = torch.arange(1, LONGEST, device="cpu")
    order = rng.uniform((len(total), len(cuts))).masked_fill(cuts >= total[:, None], 1.0)
    chosen = cuts[order.argsort(1)[:, : parts - 1]].sort(1).values
    ends = torch.cat([torch.zeros_like(total)[:, None], chosen, total[:, None]], 1)
    return ends.diff(dim=1)


def _within(denoiser: Denoiser, first: Bool[Tensor, " S"]) -> Denoiser:
    """The denoiser for rows with padding between their symbols, which it is given without; a slot begins with an atom."""
    sized = torch.tensor([symbol[-4:-2] in ("ng", "ch") for symbol in SYMBOLS] + [False], device=first.device)

    def answered(x: Int64[Tensor, "n S"], t: Tensor, cond: Tree) -> Categorical:
        used = x != PAD
        front = (~used).to(torch.uint8).argsort(dim=1, stable=True)[:, :LONGEST]
        posterior: Any = denoiser(x.gather(1, front), t, cond)
        place = (used.cumsum(1) - 1).clamp(0, LONGEST - 1)
        log_p = posterior.log_p.gather(1, place[..., None].expand(-1, -1, VOCABULARY))
        ended = torch.where(torch.arange(VOCABULARY, device=x.device) == PAD, 0.0, -torch.inf).to(log_p)
        log_p = torch.where(used[..., None], log_p, ended)
        begun = (x == MASK) & first.to(x.device)
        return Categorical(log_p.masked_fill(begun[..., None] & sized.to(x.device), -torch.inf))

    return answered


def elbo_per_symbol(
    process: Process, molecules: Sequence[str], *, samples: int = 16, seed: int = 0, rows: int = 256
) -> Float[Tensor, " n"]:
    """A lower bound of the log-likelihood of molecules given their lengths, in nats a symbol; NaN where it cannot be.

    It is that of `elbo_per_site`, of the symbols in the order of the canonical SMILES: the model knows no other order.

    Args:
        process: the model of molecules.
        molecules: SMILES; those with an atom or a length that the model does not know get NaN.
        samples: noisy copies a molecule.
        seed: of the noise.
        rows: noisy copies at a time.

    Raises:
        NoLikelihoodBoundError: for a network that is given the time.
        ValueError: for a process that holds a fragment.

    Cost:
        n * samples network rows.
    """
    if not isinstance(process.prior, Lengths):
        raise ValueError("the bound is that of the model of molecules itself: give the process without a fragment")
    found, tokens = torch.full((len(molecules),), torch.nan, device="cpu", dtype=torch.float32), dict[int, Tensor]()
    for row, smiles in enumerate(molecules):
        try:
            tokens[row] = encode([smiles])
        except ValueError:
            continue
    if tokens:
        x_0 = torch.cat(list(tokens.values()))
        bound = bound_per_site(process, x_0, x_0 != PAD, MASK, samples=samples, seed=seed, rows=rows)
        found[list(tokens)] = bound
    return found
