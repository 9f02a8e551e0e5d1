"""Trees of tensors: how a state of any shape is handled without knowing what it is.

A *tree* is a tensor, a dictionary or tuple of trees, or a frozen dataclass whose fields are trees (the distributions of
`svdd.chain.distributions` are). All leaves of one tree share their leading axis: the *rows*. Row `i` of every leaf belongs to
the same particle, so that tokens, masks, conditioning and predictions are gathered together or not at all.

The order of candidates is made here and nowhere else: `repeat` puts siblings next to each other (a a b b, never a b a b).
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

Tree: TypeAlias = Any

_INTEGER_VIEW = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def tree_map(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Applies `f` to every leaf of `tree` (and to the matching leaves of `rest`), keeping the structure.

    Raises:
        TypeError: if a leaf is not a tensor.
    """
    if isinstance(tree, Tensor):
        return f(tree, *rest)
    if isinstance(tree, dict):
        return {k: tree_map(f, v, *(r[k] for r in rest)) for k, v in tree.items()}
    if isinstance(tree, tuple):
        return tuple(tree_map(f, *v) for v in zip(tree, *rest, strict=True))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        parts = {k: tree_map(f, getattr(tree, k), *(getattr(r, k) for r in rest)) for k in _fields(type(tree))}
        return type(tree)(**parts)
    raise _not_a_tree(tree)


def _not_a_tree(leaf: Any) -> TypeError:
    return TypeError(
        f"a state is made of tensors in dicts and tuples, but one leaf is a {type(leaf).__name__}: {leaf!r:.80}"
    )


def leaves(tree: Tree) -> list[Tensor]:
    """All tensors of `tree`, in a fixed order.

    Raises:
        TypeError: if a leaf is not a tensor.
    """
    if isinstance(tree, Tensor):
        return [tree]
    if dataclasses.is_dataclass(tree):
        tree = tuple(getattr(tree, name) for name in _fields(type(tree)))  # type: ignore[arg-type]
    if not isinstance(tree, dict | tuple):
        raise _not_a_tree(tree)
    parts = tree.values() if isinstance(tree, dict) else tree
    return [leaf for part in parts for leaf in leaves(part)]


def rows(tree: Tree) -> int:
    """The length of the leading axis that all leaves share.

    Raises:
        ValueError: if the tree has no leaf or its leaves disagree.
    """
    if isinstance(tree, Tensor) and tree.ndim:
        return tree.shape[0]
    lengths = {leaf.shape[0] if leaf.ndim else -1 for leaf in leaves(tree)}
    if len(lengths) != 1 or -1 in lengths:
        raise ValueError(
            "all tensors of a state must share their leading axis (one row a particle), "
            f"but their lengths are {sorted(lengths)}"
        )
    return lengths.pop()


def take(tree: Tree, index: Int64[Tensor, " r"]) -> Tree:
    """Rows `index` of every leaf; an index on the CPU is sent to a device once."""
    if isinstance(tree, Tensor):
        return tree[index.to(tree.device)]
    sent = {index.device: index}

    def taken(leaf: Tensor) -> Tensor:
        if leaf.device not in sent:
            sent[leaf.device] = index.to(leaf.device)
        return leaf[sent[leaf.device]]

    return tree_map(taken, tree)


def repeat(tree: Tree, m: int) -> Tree:
    """Each row `m` times, siblings adjacent: row `i` becomes rows `i * m` to `i * m + m - 1`."""
    return tree if m == 1 else tree_map(lambda leaf: leaf.repeat_interleave(m, 0), tree)


def concatenate(trees: Sequence[Tree]) -> Tree:
    """The rows of all `trees`, one after the other."""
    return trees[0] if len(trees) == 1 else tree_map(lambda *parts: torch.cat(parts), *trees)


def _bits(leaf: Shaped[Tensor, "r ..."]) -> Int64[Tensor, "r s"]:
    flat = leaf.reshape(len(leaf), -1).contiguous()
    view = flat if flat.dtype == torch.bool else flat.view(_INTEGER_VIEW[flat.element_size()])
    return view.to(torch.int64)


def _spread(bits: Int64[Tensor, "r s"]) -> Int64[Tensor, "r s"]:
    """Copies the high half into the low one, one to one: the low bits of most float64 are 0 and would not be mixed."""
    return bits ^ ((bits >> 32) & 0xFFFFFFFF)


def row_hash(tree: Tree) -> Int64[Tensor, " r"]:
    r"""A 64-bit hash of every row, equal for bit-identical rows.

    $h = \sum_i b_i c_i \bmod 2^{64}$ with $b$ the row's bits read as integers and $c$ fixed odd constants. Different rows
    can share a hash (about $r^2 / 2^{65}$ of the time): compare the rows themselves where that matters.
    """
    total: Any = 0
    for number, leaf in enumerate(leaves(tree)):
        bits = _spread(_bits(leaf))
        place = torch.arange(1, bits.shape[1] + 1, device=bits.device) + number * 0x9E3779B1
        constant = place * 0x5851F42D4C957F2D
        constant = (constant ^ (constant >> 29)) * 0x14057B7EF767814F
        of_leaf = (bits * ((constant ^ (constant >> 31)) | 1)).sum(1)
        total = total.to(bits) + of_leaf if number else of_leaf
    return total  # type: ignore[no-any-return]
