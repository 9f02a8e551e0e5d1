"""The recipe of the uniform-noise RNA model, on sequences that the tests make."""

import json

import numpy
import torch

import svdd
from recipes.rna import uniform, utr
from recipes.trainer import main


def test_the_recipe_trains_measures_and_writes(tmp_path):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.multinomial(torch.tensor([0.7, 0.1, 0.1, 0.1]), 300 * 50, replacement=True, generator=generator)
    loads = torch.rand(300, generator=generator)
    numpy.savez(tmp_path / "library.npz", x=tokens.view(300, 50).numpy(), y=loads.numpy())
    arguments = [
        "uniform",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--steps",
        "40",
        "--samples",
        "20",
        "--rounds",
        "1",
    ]
    main("rna", {"utr": utr.RECIPE, "uniform": uniform.RECIPE}, arguments)
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["measured"]["composition_bits"] < 1.5
    history = card["training"]["denoiser"]["history"]
    assert history[-1]["value"] < 1.1, "bits a site of a sequence of mostly A, at a random time"
    assert "# rna-utr-uniform" in (tmp_path / "out" / "card.md").read_text()
    again = svdd.load("rna-utr-uniform", weights=str(tmp_path / "out" / "denoiser.safetensors"), steps=8)
    plain = svdd.decode(again, lambda sequences: [0.0] * len(sequences), method="pretrained", samples=32).samples
    assert "".join(plain).count("A") > 0.5 * 32 * 50
