"""Toy processes whose exact answers are known."""

from svdd.registry.cards import Card, Domain

DOMAIN = Domain(
    "toy",
    __name__,
    models={"toy-gaussian": Card(".toy:gaussian_process"), "toy-masked": Card(".toy:masked_process")},
)
