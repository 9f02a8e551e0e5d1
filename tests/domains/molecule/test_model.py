"""The bundled model of molecules: its tokens, its lengths, its bound, and designs that must hold a fragment."""

import re

import pytest
import selfies
import torch
from rdkit import Chem

import svdd
from support.places import DOCS
from svdd.chain.given import begun_with
from svdd.chain.rng import Rng
from svdd.domains.molecule.designs import MoleculeKind
from svdd.domains.molecule.fragments import template
from svdd.domains.molecule.model import elbo_per_symbol, split, training_lengths, with_fragment
from svdd.domains.molecule.selfies import (
    LONGEST,
    MASK,
    PAD,
    SYMBOLS,
    VOCABULARY,
    canonical,
    decode,
    encode,
    molecule_of,
)
from svdd.fitting.fingerprint import FingerprintError, take_fingerprint
from svdd.runs.job import make_job
from svdd.runs.make import make_process

PARACETAMOL, CAFFEINE = "CC(=O)Nc1ccc(O)cc1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
MOTIF, SCAFFOLD, CROWDED, LINKER = "*c1ccc(F)cc1", "*C1CC(*)N(*)C1=O", "*C1C(*)C(*)C1*", "*c1ccncc1.*N1CCNCC1"


@pytest.fixture(scope="module")
def model():
    return svdd.load("molecule", steps=6)


def long_names(molecules):
    return [float(len(smiles)) for smiles in molecules]


def holds(fragment, smiles):
    """Whether a molecule has every part of a fragment, with an atom at each attachment point."""
    settings = Chem.AdjustQueryParameters.NoAdjustments()
    settings.makeDummiesQueries = True
    parts = [Chem.AdjustQueryProperties(Chem.MolFromSmiles(part), settings) for part in fragment.split(".")]
    return all(Chem.MolFromSmiles(smiles).HasSubstructMatch(part) for part in parts)


def lengths(x):
    return (x != PAD).sum(1)


@pytest.mark.parametrize("smiles", [PARACETAMOL, CAFFEINE, "CS(=O)(=O)N1CCOCC1", "C#CCBr", "c1ccc2[nH]ccc2c1"])
def test_molecules_survive_being_written_as_tokens(smiles):
    assert decode(encode([smiles])) == [Chem.CanonSmiles(smiles)]


def test_masks_padding_and_stereochemistry_are_left_out():
    tokens = encode(["C[C@H](N)O"])
    assert decode(tokens) == ["CC(N)O"]
    tokens[0, lengths(tokens)[0] - 1] = MASK
    assert decode(tokens) == ["CCN"]
    assert decode(torch.tensor([[MASK, PAD]])) == [""]


def test_an_unsaturated_nitrogen_gets_hydrogens():
    assert decode(torch.tensor([[SYMBOLS.index("[C]"), SYMBOLS.index("[NH1]")]])) == ["CN"]


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C[Si](C)C", r"does not know the SELFIES symbol \[Si\]; it knows neutral C"),
        ("C" * 49, "has 49 symbols, and the model's longest molecules have 48"),
        ("not a molecule", "'not a molecule' cannot be written as SELFIES"),
    ],
)
def test_what_the_model_cannot_write_is_refused(smiles, message):
    with pytest.raises(ValueError, match=message):
        encode([smiles])


def test_other_valences_are_noticed():
    selfies.set_semantic_constraints("octet_rule")
    try:
        with pytest.raises(ValueError, match="valences of selfies were changed"):
            decode(encode([PARACETAMOL]))
    finally:
        selfies.set_semantic_constraints("default")


@pytest.mark.slow
def test_designs_are_different_valid_molecules(model):
    samples = svdd.decode(model, long_names, candidates=2, samples=4).samples
    assert all(smiles and canonical(smiles) == smiles for smiles in samples)
    assert len(set(samples)) == 4
    assert (model.about["name"], model.facts["domain"]) == ("molecule", "molecule")


@pytest.mark.slow
def test_a_chain_keeps_its_length_whatever_is_beside_it(model):
    x = model.prior(6, Rng(0, 3))
    again = model.prior(2, Rng(0, [1]))
    assert torch.equal(x[2:4], again)
    assert set(x.unique().tolist()) == {PAD, MASK}
    ended = [step.particles.x for step in svdd.Decoding(model, long_names, samples=2, method="pretrained")][-1]
    assert torch.equal(lengths(ended), lengths(model.prior(2, Rng(0, 2))))
    assert not bool((ended == MASK).any())


def test_padding_is_no_answer_for_a_mask(model):
    x = model.prior(3, Rng(0, 3))
    log_p = model.denoiser(x, model.times[0], ()).log_p
    assert bool((log_p[x == MASK][:, PAD] == -torch.inf).all())
    assert bool((log_p[x == PAD].argmax(-1) == PAD).all())
    assert bool(log_p[..., :PAD].exp().sum(-1)[x == MASK].sub(1).abs().max() < 1e-5)


def test_symbols_can_be_drawn_at_another_temperature(model):
    sharp = svdd.load("molecule", steps=6, symbol_temperature=0.5)
    x = model.prior(8, Rng(0, 8))
    plain, drawn = (p.denoiser(x, p.times[0], ()).log_p for p in (model, sharp))
    masked = x == MASK
    torch.testing.assert_close((2 * plain[masked]).softmax(-1), drawn[masked].softmax(-1))
    assert sharp.about["symbol_temperature"] == 0.5
    with pytest.raises(ValueError, match="symbol_temperature must be above 0, got 0"):
        svdd.load("molecule", symbol_temperature=0)


def test_lengths_come_as_often_as_in_the_training_set(model):
    counts = torch.tensor(training_lengths().counts, dtype=torch.float64)
    found = torch.bincount(lengths(model.prior(20_000, Rng(0, 1))), minlength=LONGEST + 1)
    shares = counts / counts.sum()
    assert bool(((found / 20_000 - shares).abs() < 5 * (shares / 20_000).sqrt() + 1e-3).all())


@pytest.mark.slow
def test_lengths_can_be_asked_for():
    assert set(lengths(svdd.load("molecule", length=30).prior(50, Rng(0, 1))).tolist()) == {30}
    between = lengths(svdd.load("molecule", length=[30, 32]).prior(200, Rng(0, 1)))
    assert set(between.tolist()) == {30, 31, 32}


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (3, "no training molecule has 3 symbols; they have 13 to 48"),
        ([60, 70], r"no training molecule has \[60, 70\] symbols"),
        ([30], r"length is a number of symbols, or \[fewest, most\], got \[30\]"),
    ],
)
def test_lengths_that_cannot_be_are_refused(length, message):
    with pytest.raises(ValueError, match=message):
        svdd.load("molecule", length=length)


def test_weights_without_lengths_or_of_another_alphabet_are_refused(tmp_path):
    from svdd.registry import bundled

    other = bundled("rna-utr", "denoiser.safetensors")
    with pytest.raises(ValueError, match="knows 4 tokens, but molecule has 26"):
        svdd.load("molecule", weights=str(other))
    (tmp_path / "own.safetensors").write_bytes(bundled("molecule", "denoiser.safetensors").read_bytes())
    with pytest.raises(ValueError, match="must hold the lengths of training molecules"):
        svdd.load("molecule", weights=str(tmp_path / "own.safetensors"))


@pytest.mark.slow
def test_the_bound_tells_molecules_like_those_it_learned_from_others(model):
    odd = "N=NC=S=C1OC=NOC1(F)N=C=S"
    found = elbo_per_symbol(model, [PARACETAMOL, odd, "C[Si]C", ""], samples=32)
    assert found[0] > found[1] + 0.5
    assert bool(found[2:].isnan().all())
    assert torch.allclose(found[:1], elbo_per_symbol(model, [PARACETAMOL], samples=32, rows=7), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("fragment", [MOTIF, SCAFFOLD, CROWDED, LINKER])
@pytest.mark.parametrize(
    "options",
    [{"method": "pretrained"}, {"candidates": 2, "temperature": 1e6}, {"candidates": 2, "temperature": 0.0}],
    ids=["unguided", "hot", "greedy"],
)
def test_every_design_holds_its_fragment(model, fragment, options):
    made = with_fragment(model, fragment)
    samples = svdd.decode(made, long_names, samples=2, **options).samples
    assert all(canonical(smiles) == smiles and holds(fragment, smiles) for smiles in samples)
    assert made.about["fragment"] == fragment


@pytest.mark.parametrize("fragment", [MOTIF, SCAFFOLD, CROWDED, LINKER])
def test_the_string_that_the_network_reads_is_the_molecule_that_is_decoded(fragment):
    made = template(fragment)
    fillings = [["[C]", "[O]", "[C]"], ["[N]", "[C]", "[C]", "[C]"], ["[C]", "[=C]"], ["[O]"] + ["[C]"] * 14][
        : made.slots
    ]
    free = tuple(len(filling) for filling in fillings)
    names, left = [], [list(filling) for filling in fillings]
    for token, slot in zip(made.tokens(free, 15), made.places(15), strict=True):
        names += [left[slot].pop(0)] if token == MASK else [SYMBOLS[token]] if token < PAD else []
    assert made.symbols(free) == len(names)
    assert Chem.MolToSmiles(molecule_of(names)) == made.filled(fillings)


def test_what_a_slot_cannot_hold_is_cut_to_it():
    one, link = template(MOTIF), template(LINKER)
    assert one.filled([["[Ring1]", "[=Branch2]", "[C]"]]) == "Cc1ccc(F)cc1"
    assert one.filled([[]]) == "Fc1ccccc1"
    assert link.filled([["[C]", "[C]", "[F]", "[C]", "[C]"]]) == Chem.CanonSmiles("c1cc(CCN2CCNCC2)ccn1")
    assert link.filled([["[F]"]]) == Chem.CanonSmiles("c1cc(N2CCNCC2)ccn1")


def test_free_symbols_can_be_asked_for(model):
    made = with_fragment(model, LINKER, free=(3, 5))
    x = made.prior(200, Rng(0, 1))
    assert set((x == MASK).sum(1).tolist()) == {3, 4, 5}
    assert len(set(made.decode(x))) == 1  # nothing is designed yet


def test_totals_are_split_evenly_at_random():
    parts = split(torch.full((6000,), 6), 3, Rng(0, 1))
    assert bool((parts.sum(1) == 6).all())
    assert int(parts.min()) == 1
    assert bool((parts.float().mean(0) - 2).abs().max() < 0.1)


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ("xyz", "'xyz' cannot be read as SMILES"),
        ("c1ccccc1", "has no attachment point; write"),
        ("*C(C)(C)(C)C", r"is no molecule, counting a bond to each \*: Explicit valence for atom # 1 C, 5"),
        ("*=C", r"every \* of \*=C must hang on one atom by a single bond"),
        ("C*C", "must hang on one atom"),
        ("*C.*C.*C", r"must be one fragment, or two with one \* each"),
        ("*[N+](C)(C)C", r"does not know the SELFIES symbol \[N\+1\]"),
        ("C123C(*)C(*)C(C(*)C1*)(C(*)C2*)C(*)C3*", "cannot be written with its rings closed before its"),
        ("*[2H]", r"every \* of \*\[2H\] must hang on a heavy atom"),
        ("*" + "C" * 60, "needs 61 symbols, and the model's longest molecules have 48"),
    ],
)
def test_fragments_that_cannot_be_held_are_refused(model, fragment, message):
    with pytest.raises(ValueError, match=message):
        with_fragment(model, fragment)


def test_a_fragment_must_leave_room_and_be_the_only_one():
    short = svdd.load("molecule", length=20)
    with pytest.raises(ValueError, match="choose another length or free"):
        with_fragment(short, "*" + "C" * 30)
    with pytest.raises(ValueError, match=r"free is \(fewest, most\) symbols to design, got \[4\]"):
        with_fragment(short, MOTIF, free=[4])
    with pytest.raises(
        ValueError, match="fragments are for the model molecule without one, and molecule is another or has one"
    ):
        with_fragment(with_fragment(short, MOTIF), MOTIF)


@pytest.mark.slow
@pytest.mark.parametrize("fragment", [MOTIF, SCAFFOLD, CROWDED, LINKER])
def test_given_molecules_are_written_into_the_slots_of_a_fragment(fragment):
    """What the model makes comes back; refined molecules hold the fragment, with as many symbols at each place."""
    made = with_fragment(svdd.load("molecule", steps=8), fragment)

    def size(designs):
        return [float(len(design)) for design in designs]

    designs = svdd.decode(made, size, method="pretrained", samples=12, seed=3, progress=False).samples
    designs = [design for design in designs if "S" not in design]  # some have sulphur that no symbol writes
    assert len(designs) > 6
    assert made.decode(made.encode(designs)[0]) == designs
    begun = begun_with(made, designs[:2])
    refined = svdd.decode(begun, size, method="refine", samples=4, moves=4, fraction=0.5, progress=False)
    assert bool((refined.rewards >= torch.tensor(size(designs[:2] * 2))).all())
    assert made.decode(made.encode(refined.samples[:1])[0]) == refined.samples[:1]


@pytest.mark.parametrize("molecule", ["CCO", "Fc1ccccc1", "Cc1ccc(F)c(C)c1", "Cc1cc2cc(F)c1CC2"])
def test_given_molecules_without_the_fragment_are_refused(molecule):
    made = with_fragment(svdd.load("molecule", steps=8), MOTIF)
    with pytest.raises(ValueError, match=r"does not hold .* with an atom at each"):
        begun_with(made, [molecule])


def test_a_job_begins_with_molecules_that_hold_a_fragment(tmp_path):
    (tmp_path / "mine.smi").write_text("Cc1ccc(F)cc1\nOCc1ccc(F)cc1\n")
    job = {"model": "molecule", "reward": "x.py:f", "out": "o", "steps": 4, "start": str(tmp_path / "mine.smi")}
    made = make_process(make_job(job | {"fragment": MOTIF}))
    none = svdd.decode(made, lambda designs: [0.0] * len(designs), method="refine", moves=0, samples=3, progress=False)
    assert none.samples == ["Cc1ccc(F)cc1", "OCc1ccc(F)cc1", "Cc1ccc(F)cc1"]
    with pytest.raises(ValueError, match=r"mine.smi: .* does not hold"):
        make_process(make_job(job | {"fragment": "*C#N"}))


def test_the_molecules_of_a_run_are_those_that_are_valid(tmp_path):
    (tmp_path / "samples.csv").write_text("id,chain,sample,reward,valid\na,0,CCO,1.0,True\nb,1,,-inf,False\n")
    assert MoleculeKind().read_given(tmp_path) == ["CCO"]


def test_a_job_can_ask_for_a_fragment():
    asked = {"model": "molecule", "reward": "x.py:f", "out": "o", "steps": 3, "fragment": MOTIF}
    assert make_process(make_job(asked)).about["fragment"] == MOTIF
    with pytest.raises(ValueError, match="are different ways to begin; give one of them"):
        make_process(make_job(asked | {"fix": ["1:C"]}))
    with pytest.raises(
        ValueError, match="fragments are for the model molecule without one, and rna-utr is another or has one"
    ):
        make_process(make_job(asked | {"model": "rna-utr"}))


def test_the_bundled_files_are_those_of_the_vocabulary():
    assert len(SYMBOLS) + 1 == VOCABULARY == MASK
    assert list(SYMBOLS) == sorted(SYMBOLS)
    assert sum(training_lengths().counts) > 1_500_000


@pytest.mark.slow
def test_what_the_page_on_molecules_shows_runs(capsys):
    page = (DOCS / "molecules.md").read_text(encoding="utf-8")
    names = {}
    for title in ("The bundled model", "Fragments"):
        section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
        (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        code = (
            code.replace("steps=128", "steps=4")
            .replace("candidates=5", "candidates=2")
            .replace("samples=8", "samples=2")
        )
        exec(compile(code, "molecules.md", "exec"), names)
    assert len(names["result"]) == 2
    assert holds("*N1CCN(c2ccccc2)CC1", eval(capsys.readouterr().out)[0])


def test_the_bound_is_that_of_the_model_without_a_fragment(model):
    with pytest.raises(ValueError, match="give the process without a fragment"):
        elbo_per_symbol(with_fragment(model, "*c1ccccc1"), ["CCO"])


@pytest.mark.slow
def test_a_value_is_not_used_with_a_fragment_that_widens_its_states():
    process, reward = svdd.load("molecule", steps=3), svdd.load_reward("qed")
    x = process.prior(2, svdd.Rng(0, 2))
    fingerprint = take_fingerprint(process, reward, x, torch.tensor([0, 1]), encode(["CCO", "c1ccccc1"]))
    with pytest.raises(FingerprintError, match="another model"):
        fingerprint.check(with_fragment(process, "*c1ccccc1"), reward)
    with pytest.raises(
        FingerprintError, match=r"fitted for states of shape \(48,\), but the run's has states of shape"
    ):
        fingerprint.check(with_fragment(process, "*c1ccc2nc(*)sc2c1"), reward)
