"""ProteinMPNN as a masked diffusion: the published numbers, what a pass reads, chains that are tied, kept and seen."""

import re

import numpy
import pytest
import torch

import svdd
from support.places import DOCS, ROOT
from svdd.domains.protein.inverse_folding import features
from svdd.domains.protein.inverse_folding import network as network_module
from svdd.domains.protein.inverse_folding.backbones import Backbone, DesignedBackbone, designed
from svdd.domains.protein.inverse_folding.designs import recovery
from svdd.domains.protein.inverse_folding.features import nearest, positions, with_beta
from svdd.domains.protein.inverse_folding.likelihood import before
from svdd.domains.protein.inverse_folding.model import READINGS, ascending, conditionals, free_of_order
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.inverse_folding.structures import BACKBONES
from svdd.domains.protein.inverse_folding.weights import bundled_weights, read_network
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import elbo_per_site, infill
from svdd.metrics import kit_of
from svdd.registry import bundled

GOLDEN = numpy.load(ROOT / "tests" / "data" / "proteinmpnn_golden.npz")
MASK = 20


@pytest.fixture(scope="module")
def network():
    return read_network(bundled_weights())


def backbone(name):
    return read_backbone(bundled("proteinmpnn", f"{name}.pdb"))


def golden(name, *keys):
    return [torch.from_numpy(GOLDEN[f"{name}_{key}"]) for key in keys]


def encoded(network, name):
    one = backbone(name)
    return network.encode(one.atoms, one.index, one.chain)


def log_probs(network, read, letters, reads):
    return network.decode(read, letters, reads).log_softmax(-1)


@pytest.mark.parametrize("name", BACKBONES)
def test_masked_conditionals_of_one_pass_are_the_published_ones(network, name):
    letters, visible, hidden, wanted = golden(name, "sequence", "visible", "hidden", "masked_log_probs")
    read, shown = encoded(network, name), torch.zeros(1, len(letters), dtype=torch.bool)
    shown[0, visible] = True
    found = log_probs(network, read, letters[None], ascending(read.neighbours, shown))[0, hidden]
    assert (found - wanted).abs().max() < 1e-4


def other_pairs(patch):
    patch.setattr(features, "PAIRS", tuple(pair[::-1] for pair in features.PAIRS))


def other_beta(patch):
    patch.setattr(features, "with_beta", lambda atoms: torch.cat([atoms, atoms[:, 1:2]], 1))


def other_direction(patch):
    patch.setattr(network_module, "positions", lambda index, *rest: positions(-index, *rest))


def fewer_neighbours(patch):
    patch.setattr(network_module, "nearest", lambda atoms, most: nearest(atoms, 30))


def other_scale(patch):
    patch.setattr(network_module, "_SCALE", 48)


@pytest.mark.parametrize("bug", [other_pairs, other_beta, other_direction, fewer_neighbours, other_scale])
def test_planted_bugs_in_features_and_messages_are_seen(network, monkeypatch, bug):
    letters, wanted = golden("1yu5", "sequence", "unconditional")
    bug(monkeypatch)
    read = encoded(network, "1yu5")
    found = log_probs(network, read, letters[None], torch.zeros(1, *read.neighbours.shape, dtype=torch.bool))[0]
    assert (found - wanted).abs().max() > 1e-2


def given_all_others(network, name, order):
    """The law of each letter given all others, which are read in an order."""
    (letters,) = golden(name, "sequence")
    read, last = encoded(network, name), len(order)
    for residue in range(last):
        rank = order.index_fill(0, torch.tensor(residue), last)
        yield log_probs(network, read, letters[None], before(rank, read.neighbours)[None])[0, residue]


@pytest.mark.parametrize("name", BACKBONES)
def test_each_letter_given_all_others_is_the_published_one(network, name):
    """The published code reads the others in an order that it draws, which stands beside its numbers."""
    order, wanted = golden(name, "order", "conditional")
    found = torch.stack([*given_all_others(network, name, order)])
    assert (found - wanted).abs().max() < 1e-4
    other = torch.stack([*given_all_others(network, name, order.flip(0))])
    assert (other - wanted).abs().max() > 1e-2


def test_half_precision_does_not_hold_the_published_numbers():
    """So the bundled weights are in single precision."""
    rounded = read_network(bundled_weights())
    for weight in rounded.parameters():
        weight.copy_(weight.half())
    letters, wanted = golden("2ysh", "sequence", "unconditional")
    read = encoded(rounded, "2ysh")
    found = log_probs(rounded, read, letters[None], torch.zeros(1, *read.neighbours.shape, dtype=torch.bool))[0]
    assert (found - wanted).abs().max() > 1e-3


def only_before(neighbours, visible):
    return visible[:, neighbours] & (neighbours < torch.arange(len(neighbours))[:, None])


def all_letters(neighbours, visible):
    return ascending(neighbours, torch.ones_like(visible))


def visible_read_nothing(neighbours, visible):
    return visible[:, neighbours] & ~visible[..., None]


@pytest.mark.parametrize("bug", [only_before, all_letters, visible_read_nothing])
def test_planted_bugs_in_reading_are_seen(network, bug):
    letters, visible, hidden, wanted = golden("1yu5", "sequence", "visible", "hidden", "masked_log_probs")
    read, shown = encoded(network, "1yu5"), torch.zeros(1, len(letters), dtype=torch.bool)
    shown[0, visible] = True
    found = log_probs(network, read, letters[None], bug(read.neighbours, shown))[0, hidden]
    assert (found - wanted).abs().max() > 1e-2


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_without_letters_it_is_the_published_network(network, name, reading):
    letters, wanted = golden(name, "sequence", "unconditional")
    read = encoded(network, name)
    hidden = torch.zeros(1, len(letters), dtype=torch.bool)
    found = log_probs(network, read, letters[None], reading(read.neighbours, hidden))[0]
    assert (found - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("name", BACKBONES)
def test_free_of_order_is_close_to_the_fixed_order(network, name):
    """Both are conditionals of the same letters: they differ by about 0.002 nats, what is visible tells ten times more."""
    letters, visible, hidden, wanted = golden(name, "sequence", "visible", "hidden", "masked_log_probs")
    (blind,) = golden(name, "unconditional")
    read, shown = encoded(network, name), torch.zeros(1, len(letters), dtype=torch.bool)
    shown[0, visible] = True
    found = log_probs(network, read, letters[None], free_of_order(read.neighbours, shown))[0, hidden]

    def divergence(other):
        return float((wanted.exp() * (wanted - other)).sum(1).mean())

    assert 1e-5 < divergence(found) < 4e-3
    assert divergence(blind[hidden]) > 10 * divergence(found)


def test_the_bundled_sequences_are_the_golden_ones():
    for name in BACKBONES:
        (letters,) = golden(name, "sequence")
        assert torch.equal(PROTEIN.encode([backbone(name).native])[0], letters)


@pytest.mark.parametrize("order", READINGS)
def test_one_pass_is_a_pass_per_masked_residue(network, order):
    """Masked residues do not hear of one another: each alone in its own pass has the same answer."""
    one = backbone("2ysh")
    call, _ = conditionals(network, one, designed(one), READINGS[order])
    tokens = PROTEIN.encode([one.native])
    tokens[0, ::3] = MASK
    together = call(tokens, torch.tensor(1.0), ())[0].log_softmax(-1)
    read, places = encoded(network, "2ysh"), (tokens[0] == MASK).nonzero()[:, 0]
    shown = (tokens[0] != MASK)[None]
    for place in places[:5].tolist():
        reads = READINGS[order](read.neighbours, shown)
        others = [other for other in places.tolist() if other != place]
        guessed = tokens.clone()
        guessed[0, places] = torch.tensor([7, 3, 11])[torch.arange(len(places)) % 3]
        assert not reads[0][torch.isin(read.neighbours, torch.tensor(others))].any()
        alone = network.decode(read, guessed, reads)[0, place, :MASK].log_softmax(-1)
        assert torch.allclose(alone, together[place], atol=1e-5)


def test_answers_depend_on_what_is_visible(network):
    one = backbone("2ysh")
    call, _ = conditionals(network, one, designed(one), free_of_order)
    tokens = PROTEIN.encode([one.native]).repeat(2, 1)
    tokens[:, 10] = MASK
    tokens[1, 12] = PROTEIN.letters.index("W")
    first, second = call(tokens, torch.tensor(1.0), ())[:, 10].log_softmax(-1)
    assert (first - second).abs().max() > 0.01


@pytest.mark.parametrize("order", READINGS)
def test_rows_answer_alone_as_in_a_batch(order):
    process = svdd.load("proteinmpnn", path="2ysh", steps=2, order=order)
    tokens = PROTEIN.encode([process.kind.native]).repeat(3, 1)
    tokens[0, ::2] = tokens[1, 1::2] = MASK
    together = process.denoiser(tokens, process.times[0], ()).log_p
    for row in range(3):
        assert torch.equal(process.denoiser(tokens[row : row + 1], process.times[0], ()).log_p[0], together[row])


def test_the_virtual_atom_stands_at_its_distance():
    """An ideal CB is 1.53 Angstrom from CA."""
    five = with_beta(backbone("1yu5").atoms)
    length = (five[:, 4] - five[:, 1]).norm(dim=1)
    assert ((length - 1.53).abs() < 0.1).all()


def test_neighbours_are_the_nearest_and_itself():
    atoms = backbone("1yu5").atoms
    found = nearest(atoms, 48)
    distances = torch.cdist(atoms[:, 1], atoms[:, 1])
    assert found.shape == (65, 48)
    assert torch.equal(found[:, 0], torch.arange(65))
    farthest = distances.gather(1, found).max(1).values
    assert ((distances <= farthest[:, None] + 1e-4).sum(1) == 48).all()
    assert nearest(atoms[:7], 48).shape == (7, 7)


def test_offsets_are_clipped_and_other_chains_have_their_own_class():
    index, chain = torch.tensor([0, 50, 3]), torch.tensor([0, 0, 1])
    classes = positions(index, chain, torch.tensor([[0, 1, 2]]).repeat(3, 1)).argmax(-1)
    assert classes.tolist() == [[32, 0, 65], [64, 32, 65], [65, 65, 32]]


def dimer():
    """The WW domain twice, the second moved by 25 Angstrom."""
    one = backbone("2ysh")
    moved = one.atoms + torch.tensor([25.0, 0.0, 0.0])
    return Backbone(
        "dimer", torch.cat([one.atoms, moved]), one.index.repeat(2), torch.arange(2).repeat_interleave(37), ("A", "B"),
        one.labels * 2, one.native * 2,
    )  # fmt: skip


def test_a_chain_that_is_not_designed_is_seen_with_its_letters(network):
    both = dimer()
    whole, _ = conditionals(network, both, designed(both), free_of_order)
    part, _ = conditionals(network, both, designed(both, "B"), free_of_order)
    native = PROTEIN.encode([both.native])
    masks = torch.full((1, 37), MASK)
    wanted = whole(torch.cat([native[:, :37], masks], 1), torch.tensor(1.0), ())[:, 37:]
    assert torch.allclose(part(masks, torch.tensor(1.0), ()), wanted, atol=1e-5)


def test_tied_chains_share_the_mean_of_their_logits(network):
    both = dimer()
    whole, _ = conditionals(network, both, designed(both), free_of_order)
    tied, _ = conditionals(network, both, designed(both, tied="A,B"), free_of_order)
    half = PROTEIN.encode([both.native[:37]])
    half[0, ::2] = MASK
    apart = whole(half.repeat(1, 2), torch.tensor(1.0), ())
    wanted = (apart[:, :37] + apart[:, 37:]) / 2
    assert (apart[:, :37] - apart[:, 37:]).abs().max() > 1e-3
    assert torch.allclose(tied(half, torch.tensor(1.0), ()), wanted, atol=1e-5)


def without(both, *residues):
    """A backbone that lacks some residues."""
    kept = [i for i in range(len(both.native)) if i not in residues]
    labels, native = ([one[i] for i in kept] for one in (both.labels, both.native))
    tensors = {name: getattr(both, name)[kept] for name in ("atoms", "index", "chain")}
    return Backbone(**{**vars(both), **tensors, "labels": tuple(labels), "native": "".join(native)})


def test_tied_chains_may_lack_residues_and_the_others_decide_there(network):
    """The first lacks its residues 1 and 6, the second its last: of a trimer's site with two copies both count half."""
    both = without(dimer(), 0, 5, 73)
    sites = designed(both, tied="A,B")
    assert len(sites.copies) == 37 and (sites.of[:35] == torch.tensor([*range(1, 5), *range(6, 37)])).all()
    assert sites.of[35:].tolist() == list(range(36))
    assert DesignedBackbone(both, sites).native == dimer().native[:37]
    whole, _ = conditionals(network, both, designed(both), free_of_order)
    tied, _ = conditionals(network, both, sites, free_of_order)
    design = PROTEIN.encode([dimer().native[:37]])
    design[0, ::2] = MASK
    apart = whole(design[:, sites.of], torch.tensor(1.0), ())
    found = tied(design, torch.tensor(1.0), ())
    for site in range(37):
        assert torch.allclose(found[:, site], apart[:, sites.of == site].mean(1), atol=1e-5)


def test_of_three_tied_chains_those_that_have_a_residue_count_alike():
    one = dimer()
    three = Backbone(
        "trimer", torch.cat([one.atoms, one.atoms[:37] + 50]), one.index.new_tensor([*range(37)] * 3),
        torch.arange(3).repeat_interleave(37), ("A", "B", "C"), one.labels[:37] * 3, one.native[:37] * 3,
    )  # fmt: skip
    share = designed(without(three, 4), tied="A,B,C").share()
    assert share[4].tolist() == [0.5, 0.5, 0.0]
    assert torch.allclose(share.sum(1), torch.ones(37)) and torch.allclose(share[0], torch.full((3,), 1 / 3))


def test_chains_that_cannot_be_tied_or_are_unknown_are_refused():
    both = dimer()
    other = Backbone(**{**vars(both), "labels": (*both.labels[:55], *(f"{i}" for i in range(200, 219)))})
    for given, sentence in (
        ({"design": "C"}, "unknown chain of dimer 'C'; known are A, B"),
        ({"design": "A", "tied": "A,B"}, "the tied chains A,B must all be among the designed ones, A"),
        ({"design": "A,A"}, "each chain is named once, got 'A,A'"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            designed(both, **given)
    with pytest.raises(
        ValueError, match="chains A and B of dimer cannot be tied: 18 of 37 residue numbers are in both"
    ):
        designed(other, tied="A,B")


def test_designs_keep_fixed_positions_and_know_the_native_sequence():
    process = svdd.load("proteinmpnn", path="2ysh", steps=3)
    template = "X" * 8 + "WWW" + "X" * 26
    kept = svdd.decode(
        infill(process, [template]), lambda designs: [0.0] * len(designs), samples=2, method="pretrained"
    )
    assert all(sample[8:11] == "WWW" and len(sample) == 37 for sample in kept.samples)
    assert process.kind.native == backbone("2ysh").native
    assert kit_of("protein").kind(process.facts) == process.kind
    with pytest.raises(
        ValueError,
        match=r"sequences for 2ysh\.pdb, a letter per designed residue, have 37 letters, but those given have 3",
    ):
        infill(process, ["XXX"])


def test_native_sequences_are_likelier_than_scrambled_ones():
    process = svdd.load("proteinmpnn", path="2ysh", steps=4)
    native = process.kind.native
    found = elbo_per_site(process, [native, "".join(sorted(native))], samples=4)
    assert float(found[0]) > float(found[1]) + 0.5


@pytest.mark.slow
def test_the_page_says_what_the_native_sequences_have():
    """The bound of 256 noisy copies has a standard error of 0.03."""
    page = (DOCS / "protein.md").read_text(encoding="utf-8")
    written = re.search(r"native\s+sequences is (-[\d.]+) and (-[\d.]+) nats", page).groups()
    for name, number in zip(BACKBONES, written, strict=True):
        process = svdd.load("proteinmpnn", path=name, steps=2)
        (found,) = elbo_per_site(process, [process.kind.native], samples=256).tolist()
        assert found == pytest.approx(float(number), abs=0.1)


def test_recovery_counts_known_letters():
    assert recovery("ACDE", "ACXF") == pytest.approx(2 / 3)
    assert numpy.isnan(recovery("AC", "XX"))


@pytest.mark.slow
def test_samples_recover_a_third_of_the_native_letters():
    process = svdd.load("proteinmpnn", steps=16)
    result = svdd.decode(process, lambda designs: [0.0] * len(designs), samples=8, method="pretrained")
    shares = [recovery(sample, process.kind.native) for sample in result.samples]
    assert 0.25 < numpy.mean(shares) < 0.7


def test_published_files_and_foreign_ones(network, tmp_path):
    state = network.state_dict()
    torch.save({"num_edges": 30, "noise_level": 0.1, "model_state_dict": state}, tmp_path / "v.pt")
    again = read_network(tmp_path / "v.pt")
    assert again.most == 30
    assert all(torch.equal(state[name], one) for name, one in again.state_dict().items())
    alpha = {**state, "features.edge_embedding.weight": torch.zeros(128, 167)}
    torch.save({"model_state_dict": alpha}, tmp_path / "ca.pt")
    with pytest.raises(ValueError, match="reads 167 numbers per pair of residues and not 416: it is for CA alone"):
        read_network(tmp_path / "ca.pt")
    del state["W_s.weight"]
    torch.save({"model_state_dict": state}, tmp_path / "half.pt")
    with pytest.raises(ValueError, match=r"half.pt is not quite a ProteinMPNN: missing weights: W_s.weight"):
        read_network(tmp_path / "half.pt")


def test_unknown_orders_and_structures_are_refused():
    with pytest.raises(ValueError, match="unknown order 'random'"):
        svdd.load("proteinmpnn", order="random")
    with pytest.raises(ValueError, match=r"there is no structure file '1abc\.pdb'"):
        svdd.load("proteinmpnn:1abc.pdb")
