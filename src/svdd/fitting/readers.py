"""Readers: the networks of fitted values by name, each with the states that it reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from svdd.chain.defaults import usual_defaults
from svdd.chain.tree import Tree
from svdd.networks.attention import TransformerRegressor
from svdd.networks.regressors import ConvolutionalRegressor, PooledRegressor
from svdd.registry import READERS, resolve

_SITES = 6400  # of a batch of tokens
_SHORT = 64  # sites up to which the place of a letter is learned better than its company


@dataclass(frozen=True)
class Reader:
    """A network that reads the states of some processes.

    Args:
        name: of the network, as `fit_value(network=...)` takes it.
        states: what it reads, in the plural, for messages.
        network: its class; it takes `timed`, what `shape` gives, and sizes.
        sizes: that it has unless others are given.
        reads: whether it reads states.
        shape: of states, and of how many symbols their tokens can be, to the arguments that they decide.
        rows_at_once: of states to the rows of a batch, always as many, so that a row's number is its own.
        suits: how well, a number, where several read the same states; the best is taken unless one is named.
    """

    name: str
    states: str
    network: Callable[..., nn.Module]
    sizes: Mapping[str, Any]
    reads: Callable[[Tree], bool]
    shape: Callable[[Tree, int], Mapping[str, Any]]
    rows_at_once: Callable[[Tree], int]
    suits: Callable[[Tree], float] = lambda x: 1.0

    def build(self, options: Mapping[str, Any], x: Tree, symbols: int) -> nn.Module:
        """The network for states.

        Raises:
            ValueError: for states that it does not read, and for sizes that make no sense.
        """
        if not self.reads(x):
            raise ValueError(
                f"the {self.name} network reads {self.states}, which this model's states are not; give network=... a torch "
                "module of (x, t) or a regressor with fit and predict"
            )
        try:
            with usual_defaults():
                return self.network(timed=True, **{**self.shape(x, symbols), **self.sizes, **options})
        except TypeError as error:
            raise ValueError(f"the {self.name} network cannot be made with {dict(options)}: {error}") from None


def _are_tokens(x: Tree) -> bool:
    return isinstance(x, Tensor) and x.ndim == 2 and not x.is_floating_point()


def _of_tokens(
    name: str, network: Callable[..., nn.Module], sizes: Mapping[str, Any], suits: Callable[[Tree], float]
) -> Reader:
    return Reader(
        name,
        "rows of tokens",
        network,
        sizes,
        reads=_are_tokens,
        shape=lambda x, symbols: {"vocabulary": symbols - 1, "length": x.shape[1]},
        rows_at_once=lambda x: max(1, _SITES // max(x[0].numel(), 1)),
        suits=suits,
    )


TOKENS = {
    one.name: one
    for one in (
        _of_tokens(
            "convolutional",
            ConvolutionalRegressor,
            {"channels": 64, "layers": 2, "bins": 25, "hidden": 64, "dropout": 0.2},
            lambda x: 1.0,
        ),
        _of_tokens("pooled", PooledRegressor, {"channels": 128, "dropout": 0.4}, lambda x: 2.0 * (x.shape[1] > _SHORT)),
        _of_tokens("transformer", TransformerRegressor, {"width": 64, "layers": 2, "dropout": 0.2}, lambda x: 0.0),
    )
}
"""The readers of token sequences; those of other states come with their domains."""


def known() -> list[str]:
    """The names of all readers."""
    return [*TOKENS, *READERS]


def reader(name: str) -> Reader:
    """A reader by a name of `known`."""
    return TOKENS[name] if name in TOKENS else resolve(READERS[name])


def suited(x: Tree) -> str:
    """The network for states unless one is named: of short sequences by place, of long ones by motifs wherever they are."""
    fitting = [one for one in map(reader, known()) if one.reads(x)]
    return max(fitting, key=lambda one: one.suits(x), default=TOKENS["convolutional"]).name


def rows_at_once(x: Tree) -> int:
    """Rows of a batch of one size, 0 for any."""
    return next((one.rows_at_once(x) for one in map(reader, known()) if one.reads(x)), 0)


def is_savable(network: Any) -> bool:
    """Whether it is one of the networks that have names, and so can be written to a file."""
    return any(type(network) is reader(name).network for name in known())
