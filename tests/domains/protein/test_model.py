"""The bundled model of miniproteins: what it designs, keeps and revises, and what is refused."""

import re

import pytest
import torch

import svdd
from support.places import DOCS
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.fasta import read_fasta
from svdd.domains.sequence.masked import elbo_per_site, from_sequences, infill
from svdd.registry import bundled, load_reward

FREE = "X" * 37
NO_REWARD = {"reward": lambda designs: [0.0] * len(designs), "samples": 2, "method": "pretrained"}
BUNDLE = "DEEKLRELAKRAGLPEEVVRRAEELLRRGLDPEEVLRRLKEEA"


@pytest.fixture(scope="module")
def miniproteins():
    return svdd.load("miniprotein", steps=6)


def test_the_mask_is_x_and_asparagine_is_a_residue():
    assert PROTEIN.decode(PROTEIN.encode(["NAX"], masked=True)) == ["NAX"]
    assert len(PROTEIN) == 20
    with pytest.raises(ValueError, match="'X' at position 1; allowed letters are ACDEFGHIKLMNPQRSTVWY"):
        PROTEIN.encode(["XA"])


def test_the_model_designs_forty_three_residues(miniproteins):
    samples = svdd.decode(
        miniproteins, lambda designs: [d.count("W") for d in designs], samples=4, candidates=3
    ).samples
    assert all(len(sample) == 43 and set(sample) <= set(PROTEIN.letters) for sample in samples)
    assert miniproteins.kind.domain == "protein"
    assert miniproteins.about["name"] == "miniprotein"


def test_templates_and_starts_are_kept(miniproteins):
    kept = svdd.decode(infill(miniproteins, [f"WWW{FREE}NNN"]), **NO_REWARD).samples
    assert all(sample[:3] == "WWW" and sample[-3:] == "NNN" for sample in kept)
    revised = svdd.decode(from_sequences(miniproteins, [BUNDLE], noise=0.1), **NO_REWARD).samples
    assert sum(a == b for a, b in zip(revised[0], BUNDLE, strict=True)) > 30


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("X" * 42, "have 43 letters, but those given have 42"),
        ("B" + "X" * 42, "sequence 0 has 'B' at position 1; allowed letters are ACDEFGHIKLMNPQRSTVWYX"),
        ("-" + "X" * 42, "sequence 0 has '-' at position 1"),
        (BUNDLE, "template 0 leaves nothing to design; write X at the sites that are free"),
    ],
)
def test_a_bad_template_is_one_sentence(miniproteins, template, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        infill(miniproteins, [template])


def test_the_model_knows_the_library(miniproteins):
    """No cysteine, padding that begins with GSS, and a likelihood far above that of even letters (-2.996)."""
    posterior = miniproteins.denoiser(torch.full((1, 43), 20), miniproteins.times[0], ())
    chances = posterior.log_p[0].exp()
    assert chances[:, PROTEIN.letters.index("C")].max() < 1e-3
    assert chances[0].argmax() == PROTEIN.letters.index("G") or chances[0].argmax() == PROTEIN.letters.index("S")
    folded, scrambled = elbo_per_site(miniproteins, [BUNDLE, "".join(sorted(BUNDLE))], samples=64).tolist()
    assert folded > -2.6
    assert folded > scrambled + 0.3


def test_bfloat16_is_close(miniproteins):
    tokens = PROTEIN.encode([BUNDLE])
    tokens[0, ::2] = 20
    other = svdd.load("miniprotein", steps=6, precision="bfloat16")
    exact, rounded = (one.denoiser(tokens, one.times[0], ()).log_p.exp() for one in (miniproteins, other))
    assert torch.allclose(exact, rounded, atol=0.05)
    assert not torch.equal(exact, rounded)


def test_other_weights_are_checked(tmp_path):
    with pytest.raises(ValueError, match="knows 4 tokens, but miniprotein has 20"):
        svdd.load("miniprotein", weights=bundled("dna-enhancer", "denoiser.safetensors"))


def test_bundled_weights_are_small():
    assert sum(file.stat().st_size for file in bundled("miniprotein").glob("*.safetensors")) < 8 * 2**20


@pytest.mark.slow
def test_fasta_carries_every_score(miniproteins, tmp_path):
    scores = {"judge": load_reward("miniprotein-stability-judge")}
    result = svdd.decode(miniproteins, load_reward("miniprotein-stability"), samples=2, candidates=2, scores=scores)
    result.save(tmp_path / "out")
    header = (tmp_path / "out" / "samples.fasta").read_text().splitlines()[0]
    assert header == f">svdd-0000 reward={result.rewards[0]:.6g} judge={result.scores['judge'][0]:.6g}"
    assert read_fasta(tmp_path / "out" / "samples.fasta") == result.samples


@pytest.mark.slow
def test_guidance_pays_by_the_judge_too():
    process, guide, judge = (
        svdd.load("miniprotein", steps=16),
        load_reward("miniprotein-stability"),
        load_reward("miniprotein-stability-judge"),
    )
    free = svdd.decode(process, guide, method="pretrained", samples=32, scores={"judge": judge})
    guided = svdd.decode(process, guide, samples=32, candidates=8, temperature=0.0, scores={"judge": judge})
    assert guided.rewards.median() > free.rewards.median() + 0.5
    assert guided.scores["judge"].median() > free.scores["judge"].median() + 0.25


@pytest.mark.slow
def test_the_code_of_its_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "protein.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)).replace("steps=43", "steps=4")
    names = {}
    exec(compile(code, "protein.md", "exec"), names)
    assert "judge" in capsys.readouterr().out
    assert len(names["result"].samples) == 16
    assert all(sample[19:23] == "NGNG" for sample in names["kept_result"].samples)
