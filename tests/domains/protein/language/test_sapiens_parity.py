"""The published Sapiens against golden logits of trastuzumab, which transformers' RoBERTa with the same weights gives too.

SVDD_SAPIENS_DIR names a folder with `sapiens_{vh,vl}.safetensors` and `sapiens_golden.npz`. What can be tested without them
is in test_sapiens.py.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import svdd
from svdd.domains.protein.language.process import FewMasksWarning
from svdd.domains.protein.language.sapiens import VOCABULARY, read_sapiens
from svdd.domains.protein.rewards.her2 import NATIVE, varied
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import infill

FOLDER = Path(os.environ.get("SVDD_SAPIENS_DIR", ""))
pytestmark = pytest.mark.skipif(not os.environ.get("SVDD_SAPIENS_DIR"), reason="SVDD_SAPIENS_DIR names no folder")
VH = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
VL = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK"


@pytest.fixture
def golden():
    with np.load(FOLDER / "sapiens_golden.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def tokens_of(sequence):
    numbers = [VOCABULARY.numbers[PROTEIN.letters.index(letter)] for letter in sequence]
    return torch.tensor([*VOCABULARY.before, *numbers, *VOCABULARY.after])


@pytest.mark.parametrize("row", ["vh", "vh_masked", "vl"])
def test_logits_are_the_golden_ones(golden, row):
    network, _ = read_sapiens(FOLDER / f"sapiens_{row[:2]}.safetensors")
    tokens = golden.get(f"{row}_tokens", tokens_of(VL))
    torch.testing.assert_close(network(tokens[None])[0], golden[f"{row}_logits"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("chain", "longest"), [("vh", 142), ("vl", 126)])
def test_lengths_over_the_table_of_positions_are_refused(chain, longest):
    path = f"sapiens:{FOLDER}/sapiens_{chain}.safetensors"
    with pytest.raises(ValueError, match=f"takes at most {longest} residues, got length {longest + 1}"):
        svdd.load(path, length=longest + 1)
    with pytest.warns(FewMasksWarning, match="15 %"):
        assert svdd.load(path, length=longest).kind.length == longest


def test_a_loop_of_a_scaffold_is_designed_as_a_human_one(golden):
    """CDR-L3 of trastuzumab: most designed residues are those of human light chains, where a blind guess has 5 %."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewMasksWarning)
        process = svdd.load(f"sapiens:{FOLDER}/sapiens_vl.safetensors", length=len(VL), steps=9)
    start = VL.index("QQHYTTPPT")
    scaffold = VL[:start] + "X" * 9 + VL[start + 9 :]
    result = svdd.decode(
        infill(process, [scaffold]), lambda designs: [0.0] * len(designs), samples=8, method="pretrained"
    )
    assert all(sample[:start] == VL[:start] and sample[start + 9 :] == VL[start + 9 :] for sample in result.samples)
    assert np.mean([sample[start : start + 2] == "QQ" for sample in result.samples]) > 0.5


def test_binding_is_guided_in_the_scaffold_of_trastuzumab():
    """The ten open residues of CDR-H3: guided designs bind more often by the judge, and the rest of the scaffold stays."""
    scaffold = VH.replace(NATIVE, "X" * len(NATIVE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewMasksWarning)
        process = svdd.load(f"sapiens:{FOLDER}/sapiens_vh.safetensors", length=len(VH), steps=5)
    settings = {"samples": 16, "scores": {"judge": "her2-binding-judge"}, "progress": False}
    free, guided = (
        svdd.decode(infill(process, [scaffold]), "her2-binding", **settings, **how)
        for how in ({"method": "pretrained"}, {"candidates": 6})
    )
    assert all(text.replace(varied(text), "X" * len(NATIVE)) == scaffold for text in guided.samples)
    assert guided.rewards.mean() > free.rewards.mean() + 1
    assert guided.scores["judge"].mean() > free.scores["judge"].mean() + 0.5
