"""Measures of images: distances of features, near-duplicates, rows with intervals, and figures of runs side by side."""

import base64
import io

import numpy
import pytest
import torch
from PIL import Image

from svdd.decoding.result import Result
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.figures import best_images, side_by_side
from svdd.domains.image.files import read_images, write_designs
from svdd.domains.image.kit import KIT
from svdd.domains.image.measures.distances import (
    ImageFeatures,
    ImageReference,
    bundled_features,
    bundled_reference,
    cosine_distances,
    distance_within,
    near_duplicates,
)
from svdd.domains.image.measures.features import moments_of
from svdd.domains.image.measures.measures import ImageDesigns, measured_images
from svdd.domains.image.pixels import from_uint8, to_uint8
from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.domains.image.rewards.pixels import brightness
from svdd.metrics import moments
from svdd.metrics.intervals import bootstrap_weights
from svdd.metrics.moments import Moments, floor, frechet

MEANS = ImageFeatures("means of the colours", lambda images: images.mean((2, 3)))


def noise(n=8, size=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return from_uint8(torch.randint(0, 256, (n, size, size, 3), generator=generator).byte())


def result(images, prompts=None, **more):
    n = len(images)
    given = {"rewards": torch.arange(n).double(), "chain": list(range(n)), "kind": ImageKind()} | more
    return Result(images if prompts is None else captioned(images, encode_prompts(prompts)), **given)


def test_distances_are_1_minus_the_cosine():
    rows = numpy.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, 0.0]])
    expected = [[0, 0, 1, 2, 1], [0, 0, 1, 2, 1], [1, 1, 0, 1, 1], [2, 2, 1, 0, 1], [1, 1, 1, 1, 1]]
    numpy.testing.assert_allclose(cosine_distances(rows), expected, atol=1e-12)


def test_near_duplicates_have_another_near_them_and_not_just_themselves():
    rows = numpy.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]])
    assert near_duplicates(cosine_distances(rows)).tolist() == [True, True, False]
    assert near_duplicates(cosine_distances(rows[:1])).tolist() == [False]


def test_the_distance_within_prompts_is_the_mean_over_pairs_of_one_prompt():
    generator = numpy.random.default_rng(0)
    distances = cosine_distances(generator.standard_normal((7, 3)))
    groups = ["a", "b", "a", "c", "b", "a", "b"]
    pairs = [(i, j) for i in range(7) for j in range(7) if i != j and groups[i] == groups[j]]
    expected = numpy.mean([distances[pair] for pair in pairs])
    statistic = distance_within(range(7), distances, groups)
    weights = bootstrap_weights([0] * 7, list(range(7)), draws=50)
    numbers = statistic(weights)
    assert numbers[0] == pytest.approx(expected)
    for number, w in zip(numbers[1:], weights[1:], strict=True):
        total, count = (sum(w[i] * w[j] * one[i, j] for i, j in pairs) for one in (distances, numpy.ones((7, 7))))
        assert number == pytest.approx(total / count) if count else numpy.isnan(number)


def test_no_prompt_with_two_images_has_no_distance():
    statistic = distance_within([0, 1], cosine_distances(numpy.eye(2)), ["a", "b"])
    assert numpy.isnan(statistic(numpy.ones((1, 2)))).all()


def test_the_frechet_distance_of_normals_is_its_closed_form():
    one = Moments(numpy.array([1.0, 0.0]), numpy.diag([4.0, 1.0]), 9)
    two = Moments(numpy.array([0.0, 2.0]), numpy.diag([1.0, 9.0]), 9)
    assert frechet(one, two) == pytest.approx(1 + 4 + (2 - 1) ** 2 + (1 - 3) ** 2)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)
    assert 0 < floor(one, 1000) < floor(one, 10)


def test_features_are_one_row_an_image():
    assert MEANS(noise()).shape == (8, 3)
    assert MEANS(noise()).dtype == numpy.float64
    for wrong in (lambda images: images, lambda images: images[:1].mean((2, 3))):
        with pytest.raises(ValueError, match="features are one row an image, got shape"):
            ImageFeatures("wrong", wrong)(noise())


PROMPTS = ["a cat", "a dog"] * 4


@pytest.mark.parametrize(("images", "photographs"), [(499, 500), (500, 499)])
def test_there_is_no_frechet_distance_of_fewer_than_500(images, photographs):
    designs = measured_images(result(noise(images)), MEANS)
    made = KIT.record(designs, ImageReference.of(noise(photographs, seed=1), "noise", MEANS), draws=5)
    assert numpy.isnan([made.row["image_distance"], made.row["image_distance_floor"]]).all()
    assert any("no image_distance: a Fréchet distance needs at least 500 designs" in note for note in made.notes)
    enough = KIT.record(
        measured_images(result(noise(500)), MEANS), ImageReference.of(noise(500, 1), "noise", MEANS), draws=5
    )
    assert enough.row["image_distance"] > 0


@pytest.mark.parametrize("prompts", [PROMPTS, None])
def test_a_row_has_every_measure_of_its_images(prompts, monkeypatch):
    monkeypatch.setattr(moments, "FEWEST", 8)
    images = noise()
    judge = brightness()
    designs = measured_images(result(images, prompts), MEANS, judge, "brightness", {"reward": 3})
    reference = ImageReference.of(noise(200, seed=1), "noise", MEANS)
    row = KIT.record(designs, reference, draws=50).row
    distances = cosine_distances(images.mean((2, 3)).double().numpy())
    upper = distances[numpy.triu_indices(8, 1)]
    assert row["diversity"] == pytest.approx(upper.mean())
    assert row["diversity_low"] <= row["diversity"] <= row["diversity_high"]
    assert row["near_duplicates"] == pytest.approx(near_duplicates(distances).mean())
    assert row["judge_mean"] == row["brightness"] == pytest.approx(float(judge(images).mean()))
    assert row["image_distance"] == pytest.approx(
        frechet(moments_of(torch.from_numpy(MEANS(images))), moments_of(torch.from_numpy(MEANS(noise(200, seed=1)))))
    )
    assert row["image_distance"] > 0
    assert row["image_distance_floor"] == pytest.approx(floor(reference.moments, 8))
    assert designs.judge_rows == 8
    if prompts:
        within = [distances[i, j] for i in range(8) for j in range(8) if i != j and (i - j) % 2 == 0]
        assert row["diversity_per_prompt"] == pytest.approx(numpy.mean(within))
    else:
        assert numpy.isnan(row["diversity_per_prompt"])


def test_rows_of_several_runs_pool_them_and_notes_say_by_what_they_are_measured(monkeypatch):
    monkeypatch.setattr(moments, "FEWEST", 24)
    parts = [measured_images(result(noise(seed=seed), PROMPTS), MEANS) for seed in range(3)]
    whole = ImageDesigns.pooled(parts)
    assert whole.features.shape == (24, 3)
    assert whole.run == [0] * 8 + [1] * 8 + [2] * 8
    assert whole.groups == tuple(PROMPTS * 3)
    made = KIT.record(whole, ImageReference.of(noise(50, seed=9), "noise", MEANS), draws=20)
    assert made.row["runs"] == 3
    assert any("means of the colours" in note for note in made.notes)
    assert any("24 designs to noise, by means of the colours" in note for note in made.notes)
    one = KIT.record(measured_images(result(noise(1)), MEANS), None, draws=20).row
    assert numpy.isnan(one["diversity"])
    assert "image_distance" not in one


def test_classes_stand_for_prompts_where_there_are_none():
    made = result(noise(), kind=ImageKind((3, 5)), chain=[0, 1, 2, 3, 4, 5, 6, 7])
    assert measured_images(made, MEANS).groups == ("3", "5") * 4


def test_the_bundled_features_are_those_of_the_bundled_photographs(monkeypatch):
    monkeypatch.setattr(moments, "FEWEST", 40)
    features, reference = bundled_features(), bundled_reference()
    made = features(noise(40, size=32))
    assert made.shape == (40, len(reference.moments.mean))
    assert reference.features == features.name
    row = KIT.record(measured_images(result(noise(40, size=32)), features), reference, draws=20).row
    assert row["image_distance"] > 2 * row["image_distance_floor"]  # noise is no photograph


def test_designs_are_files_that_are_read_back(tmp_path):
    images = noise()
    ids = [f"svdd-{i:04d}" for i in range(8)]
    rewards = numpy.array([0.0, 5.0, -numpy.inf, 1.0, 2.0, 3.0, numpy.nan, 4.0])
    write_designs(images, ids, {"reward": rewards}, tmp_path)
    assert torch.equal(to_uint8(read_images([tmp_path / f"{name}.png" for name in ids])), to_uint8(images))
    picture = read_images([tmp_path / "samples.png"])
    assert torch.equal(
        to_uint8(picture[:, :, :4, :4]), to_uint8(images[1:2])
    )  # the best first, and none without a reward
    assert len(read_images(tmp_path)) == 8
    with pytest.raises(ValueError, match="is not a folder with PNG or JPEG files"):
        read_images(tmp_path / "nowhere")


def pixels_of(source):
    head, _, data = source.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_best_images_are_shown_with_their_numbers():
    made = result(noise(20, size=16), [f"prompt {i}" for i in range(20)], settings={"method": "svdd"})
    made.rewards[19] = -torch.inf
    shown = best_images(made)
    assert [one["id"] for one in shown[:2]] == ["svdd-0018", "svdd-0017"]
    assert len(shown) == 12
    assert shown[0]["text"] == "prompt 18"
    assert shown[0]["numbers"] == {"reward": "18"}
    picture = pixels_of(shown[0]["source"])
    assert picture.size == (256, 256)  # by whole pixels
    assert (
        picture.getpixel((0, 0))
        == picture.getpixel((15, 15))
        == tuple(to_uint8(made.samples["images"])[18, 0, 0].tolist())
    )
    large = best_images(result(noise(1, size=300)))[0]
    assert pixels_of(large["source"]).size == (256, 256)
    assert best_images(result(noise(1), rewards=torch.tensor([-torch.inf]))) == []


def test_runs_side_by_side_show_the_chains_they_share():
    before = result(noise(4, size=32), PROMPTS[:4], chain=[0, 1, 2, 3])
    after = result(noise(4, size=32, seed=1), PROMPTS[:4], chain=[1, 1, 2, 7])
    (made,) = side_by_side({"pretrained": before, "svdd": after})
    assert made["says"] == "A row each, from the top: pretrained; svdd. A column each: chains 1, 2 (a dog; a cat)."
    picture = pixels_of(made["source"])
    assert picture.size == (2 * 128 + 4, 2 * 128 + 4)
    corners = [(0, 0), (132, 0), (0, 132), (132, 132)]
    firsts = [
        before.samples["images"][1],
        before.samples["images"][2],
        after.samples["images"][0],
        after.samples["images"][2],
    ]
    assert [picture.getpixel(place) for place in corners] == [
        tuple(to_uint8(one[None])[0, 0, 0].tolist()) for one in firsts
    ]
    assert side_by_side({"svdd": after}) == []
    assert side_by_side({"svdd": after, "words": Result(["ACGT"], torch.zeros(1).double(), [0])}) == []
    assert side_by_side({"svdd": after, "larger": result(noise(4, size=64))}) == []
