"""Pixels: bytes and back, images of every usual kind, files, and prompts that travel with images."""

import numpy
import pytest
import torch
from PIL import Image as PIL

from svdd.cost.batches import between, picked
from svdd.domains.image.pixels import (
    checked_images,
    from_any,
    from_uint8,
    grid,
    to_pil,
    to_uint8,
    write_images,
)
from svdd.domains.image.prompts import captioned, decode_prompts, encode_prompts, images_of, prompts_of
from svdd.scoring.memory import keys_of
from svdd.scoring.scorer import memoised


def noise(n=2, height=5, width=4, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("number", "byte"),
    [
        (0.0, 0),
        (1.0, 255),
        (0.5 / 255 - 1e-6, 0),
        (0.5 / 255 + 1e-6, 1),
        (0.5, 128),
        (254.6 / 255, 255),
        (-0.2, 0),
        (1.3, 255),
    ],
)
def test_a_byte_is_the_nearest_and_halves_go_up(number, byte):
    assert to_uint8(torch.full((1, 3, 2, 2), number)).unique().tolist() == [byte]


def test_every_byte_comes_back_from_there_and_from_pil():
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3).contiguous()
    assert torch.equal(to_uint8(from_uint8(images)), images)
    assert torch.equal(to_uint8(from_any(to_pil(from_uint8(images)))), images)


def test_bytes_have_their_channels_last_however_many_images_there_are():
    images = noise(n=21)
    expected = torch.floor(images * 255 + 0.5).byte().permute(0, 2, 3, 1)
    assert torch.equal(to_uint8(images), expected)
    assert to_uint8(images[:0]).shape == (0, 5, 4, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_half_precision_is_rounded_as_the_numbers_it_holds(dtype):
    images = noise().to(dtype)
    assert torch.equal(to_uint8(images), to_uint8(images.float()))
    assert from_any(images).dtype == torch.float32


def test_every_kind_of_image_is_the_same_batch():
    images = from_uint8(to_uint8(noise()))
    arrays = to_uint8(images).numpy()
    kinds = [
        images, list(images), arrays, list(arrays), to_pil(images), arrays / 255, arrays.astype(numpy.float32) / 255,
        torch.from_numpy(arrays).permute(0, 3, 1, 2),
    ]  # fmt: skip
    for kind in kinds:
        torch.testing.assert_close(from_any(kind), images, rtol=0, atol=1e-7)
    torch.testing.assert_close(from_any(to_pil(images)[0]), images[:1], rtol=0, atol=1e-7)
    torch.testing.assert_close(from_any(arrays[0]), images[:1], rtol=0, atol=1e-7)


def test_grey_images_and_transparent_ones_become_red_green_and_blue():
    grey = numpy.arange(6, dtype=numpy.uint8).reshape(2, 3)
    expected = (torch.arange(6.0).reshape(2, 3) / 255).expand(1, 3, 2, 3)
    for kind in (
        grey,
        grey[..., None],
        PIL.fromarray(grey),
        torch.from_numpy(grey)[None],
        PIL.fromarray(grey).convert("RGBA"),
    ):
        assert torch.equal(from_any(kind), expected)


def test_what_lies_beyond_by_rounding_alone_is_clamped():
    images = torch.tensor([-5e-4, 1 + 5e-4]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert checked_images(images).flatten().unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (noise() * 2 - 1, r"from 0 to 1, got -0\.\d+ to 0\.\d+; x / 2 \+ 0.5"),
        (noise() * 255, r"divide by 255, or give bytes"),
        (noise() * 1000, r"got .* to 9\d\d"),
        (noise()[:, :2], r"shape \(2, 2, 5, 4\) and type torch.float32"),
        (numpy.zeros((3, 5, 5)), r"ndarray of shape \(3, 5, 5\) and type float64"),
        (torch.zeros(1, 3, 2, 2, dtype=torch.int64), r"type torch.int64"),
        (torch.zeros(1, 3, 2, 2, dtype=torch.complex64), r"type torch.complex64"),
        (["ACGT"], r"got str: 'ACGT'"),
        (numpy.array(["ACGT"]), r"got ndarray of shape \(1,\) and type <U4"),
        (torch.zeros(1, 3, 2, 2, dtype=torch.uint16), r"type torch.uint16, from 0 to 0"),
        (torch.full((1, 3, 2, 2), 3.0, dtype=torch.bfloat16), r"3"),
        ([], r"all of one size, got none"),
        ([noise()[0], noise(height=6)[0]], r"all of one size, got \[\(3, 5, 4\), \(3, 6, 4\)\]"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_told_with_shape_type_and_range(given, said):
    with pytest.raises(ValueError, match=said):
        from_any(given)


@pytest.mark.parametrize("use", [checked_images, to_uint8, from_any, to_pil])
def test_nan_is_told_with_its_row(use):
    images = noise(n=11)
    images[9, 1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="NaN at row 9, which is no pixel"):
        use(images)


def test_files_hold_the_bytes_of_the_images(tmp_path):
    images = noise()
    files = write_images(tmp_path / "new", ["first", "second"], images)
    assert [file.name for file in files] == ["first.png", "second.png"]
    assert torch.equal(to_uint8(from_any([PIL.open(file) for file in files])), to_uint8(images))
    with pytest.raises(ValueError, match="got 1 names for 2 images"):
        write_images(tmp_path, ["first"], images)


def test_a_grid_has_its_images_row_by_row():
    images = noise(n=3)
    canvas = grid(images, columns=2, gap=1)
    assert canvas.shape == (1, 3, 11, 9)
    assert torch.equal(canvas[0, :, :5, 5:], images[1])
    assert torch.equal(canvas[0, :, 6:, :4], images[2])
    assert canvas[0, :, 5].min() == canvas[0, :, 6:, 5:].min() == 1
    assert grid(images, columns=9, gap=0).shape == (1, 3, 5, 12)


PROMPTS = ["a photo of a horse", "", "ein Hörnchen ☃"]


def test_prompts_come_back_from_bytes():
    assert decode_prompts(encode_prompts(PROMPTS)) == PROMPTS
    assert decode_prompts(encode_prompts([])) == []
    for wrong in ("one text", [1]):
        with pytest.raises(ValueError, match="prompts are a list of text"):
            encode_prompts(wrong)


def test_prompts_stay_with_their_images_in_parts_and_in_memory():
    designs = captioned(noise(n=3), encode_prompts(PROMPTS))
    for part in (between(designs, 1, 3), picked(designs, [1, 2])):
        assert prompts_of(part) == PROMPTS[1:]
        assert torch.equal(images_of(part), designs["images"][1:])
    assert prompts_of(designs["images"]) is None
    assert images_of(designs["images"]) is designs["images"]
    with pytest.raises(ValueError, match="got 2 prompts for 3 images"):
        captioned(designs["images"], designs["prompt"][:2])


@pytest.mark.parametrize("with_prompts", [False, True])
def test_a_memory_with_a_key_asks_for_different_designs_once_and_as_they_are(with_prompts):
    images = noise(n=3)[[0, 1, 0, 2]]
    designs = captioned(images, encode_prompts(["a", "b", "a", "c"])) if with_prompts else images
    asked = []

    def reward(part):
        asked.append((len(images_of(part)), prompts_of(part)))
        return images_of(part).mean((1, 2, 3))

    def key(design):
        return images_of(design).numpy().tobytes()

    assert keys_of(designs, None) is None
    assert len(set(keys_of(designs, key))) == 3
    torch.testing.assert_close(memoised(reward, key)(designs), images.mean((1, 2, 3)).double())
    assert asked == [(3, ["a", "b", "c"] if with_prompts else None)]
