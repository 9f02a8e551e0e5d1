"""Rewards of images: golden values, what a function is given, prompts that stay with their images, and rewards elsewhere."""

import base64
import io
import pickle
import sys
from contextlib import closing
from dataclasses import replace

import pytest
import torch
from PIL import Image

import svdd
from exact import image_checks
from exact.image_checks import PROMPTS, SHADES, prompts_stay_with_their_images
from support import image_functions
from support.image_functions import first_red
from svdd.chain.distributions import Normal
from svdd.cost.batches import between
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.pixels import from_uint8, to_pil, to_uint8
from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.domains.image.rewards import pixels as rewards
from svdd.domains.image.rewards.image_reward import ImageReward, as_reward
from svdd.registry import load_reward, origin
from svdd.rewards.endpoints import endpoint
from svdd.rewards.worker_pool import workers
from svdd.scoring.identity import reward_identity


def flat(*colour, height=4, width=4):
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, height, width).contiguous()


def halves(left, right, height=4, width=4):
    return torch.cat([flat(*left, height=height, width=width // 2), flat(*right, height=height, width=width // 2)], 3)


def noise(n=2, height=16, width=16):
    return from_uint8(torch.randint(0, 256, (n, height, width, 3), generator=torch.Generator().manual_seed(0)).byte())


BLACK, WHITE, RED, GREEN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("name", "image", "golden"),
    [
        ("brightness", flat(*WHITE), 1.0),
        ("brightness", flat(*RED), 0.299),
        ("brightness", halves(BLACK, GREEN), 0.587 / 2),
        ("colourfulness", flat(0.4, 0.4, 0.4), 0.0),
        ("colourfulness", flat(*RED), 0.3 * (255**2 + 127.5**2) ** 0.5),
        ("colourfulness", halves(RED, GREEN), 255 + 0.3 * 127.5),  # rg is 255 and -255, yb 127.5 everywhere
        ("symmetry", halves(BLACK, WHITE), 0.0),
        ("symmetry", flat(*RED), 1.0),
        ("symmetry", torch.cat([halves(BLACK, WHITE), flat(*BLACK)], 3), 0.5),  # 2 of 4 pairs of columns differ
        ("sharpness", flat(0.5, 0.5, 0.5), 0.0),
    ],
)
def test_golden_values(name, image, golden):
    assert float(load_reward(name)(image)[0]) == pytest.approx(golden, abs=1e-4)


def test_sharpness_falls_with_every_blur():
    images = [noise(n=1, height=64, width=64)]
    for _ in range(3):
        images.append(torch.nn.functional.avg_pool2d(images[-1], 3, stride=1, padding=1, count_include_pad=False))
    found = load_reward("sharpness")(torch.cat(images))
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1


@pytest.mark.parametrize("threads", [1, 3, None])
def test_compressibility_is_the_size_of_the_file(tmp_path, threads):
    images = torch.cat([noise(n=2, height=256, width=256), flat(0.2, 0.4, 0.6, height=256, width=256)])
    sizes = []
    for number, image in enumerate(to_pil(images)):
        image.save(tmp_path / f"{number}.jpg", quality=95)  # Pillow's own sub-sampling is 4:2:0
        sizes.append((tmp_path / f"{number}.jpg").stat().st_size)
    assert rewards.compressibility(threads=threads)(images) == [-size / 1000 for size in sizes]
    assert rewards.incompressibility(threads=threads)(images) == [size / 1000 for size in sizes]
    assert sizes[2] < sizes[0] < -1000 * rewards.compressibility(subsampling="4:4:4")(images)[0]


@pytest.mark.parametrize("wrong", [{"quality": 0}, {"quality": 96}, {"subsampling": "4:1:1"}, {"threads": 0}])
def test_no_such_jpeg(wrong):
    with pytest.raises(
        ValueError, match="quality from 1 to 95, a subsampling 4:2:0, 4:2:2 or 4:4:4 and at least 1 thread"
    ):
        rewards.compressibility(**wrong)


@pytest.mark.parametrize("name", ["compressibility", "brightness", "colourfulness", "symmetry"])
def test_rewards_take_every_kind_of_image_and_give_the_same_number(name):
    images, reward = noise(), load_reward(name)
    expected = torch.as_tensor(reward(images))
    for kind in (to_pil(images), to_uint8(images).numpy(), list(images), captioned(images, encode_prompts(["a", "b"]))):
        torch.testing.assert_close(torch.as_tensor(reward(kind)), expected)


def wants_bytes(images):
    return images[:, 0, 0, 0].astype(float)


wants_bytes.takes = "uint8"


def length(images, prompts):
    return [len(prompt) for prompt in prompts]


class Network(torch.nn.Module):
    takes = "tensor"

    def forward(self, images, prompts):
        return images[:, 0, 0, 0] + torch.tensor([float(len(prompt)) for prompt in prompts])


def test_a_function_is_given_what_it_takes():
    images = noise(n=3)
    byte = to_uint8(images)[:, 0, 0, 0].tolist()
    assert as_reward(first_red)(images) == byte
    assert as_reward(wants_bytes)(images).tolist() == byte
    assert as_reward(lambda x: x[:, 0, 0, 0], takes="tensor")(images).tolist() == images[:, 0, 0, 0].tolist()
    assert as_reward(as_reward(first_red)).function is first_red


def test_prompts_reach_whoever_asks_for_them():
    images = noise(n=3)
    designs = captioned(images, encode_prompts(["a", "bb", ""]))
    keyword = as_reward(lambda images, *, prompts: [len(p) for p in prompts])
    one = as_reward(lambda images, prompt=None: [len(p) for p in prompt])
    other = as_reward(lambda images, texts: [len(p) for p in texts])
    for reward in (as_reward(length), keyword, one, other):
        assert reward(designs) == [1, 2, 0]
        assert reward(images, ["x", "yy", "zzz"]) == [1, 2, 3]
        assert reward(designs, "ignored: these have their own") == [1, 2, 0]
    assert as_reward(length, prompts="four")(images) == [4, 4, 4]
    assert as_reward(Network())(designs).tolist() == (images[:, 0, 0, 0] + torch.tensor([1.0, 2.0, 0.0])).tolist()
    assert as_reward(lambda images, quality=3: [quality] * len(images))(designs) == [3, 3, 3]
    assert as_reward(len)(images) == 3


def test_a_parameter_for_prompts_that_has_a_default_keeps_it_where_there_are_none():
    reward = as_reward(lambda images, prompts=None: [0 if prompts is None else 1] * len(images))
    assert reward(noise(n=2)) == [0, 0]
    assert reward(noise(n=2), "told") == [1, 1]


def test_prompts_that_are_missing_or_too_few_are_told():
    with pytest.raises(
        ValueError, match=r"the image reward length asks for prompts, and these images carry none: take"
    ):
        as_reward(length)(noise())
    with pytest.raises(ValueError, match="every image has one prompt, got 1 prompts for 2 images"):
        as_reward(length)(noise(), ["one"])
    with pytest.raises(ValueError, match="prompts is one text, for all images, got"):
        as_reward(length, prompts=["a", "b"])


def test_a_function_that_gets_another_form_than_it_takes_is_told_of_takes():
    with pytest.raises(TypeError, match=r"as 'pil' and raised AttributeError.*set its attribute takes to one of"):
        as_reward(lambda images: images.mean((1, 2, 3)))(noise())
    with pytest.raises(
        TypeError, match="was given images as 'tensor' and raised AttributeError: 'Tensor' object has no"
    ):
        as_reward(first_red, takes="tensor")(noise())
    with pytest.raises(
        ValueError, match="unknown form that a reward takes images in 'PIL'; known are pil, tensor, uint8"
    ):
        as_reward(first_red, takes="PIL")
    with pytest.raises(TypeError, match="a reward is a function of images, got 3"):
        as_reward(3)


def test_nan_images_are_told_before_any_reward_sees_them():
    images = noise()
    images[1] = float("nan")
    for name in ("brightness", "compressibility"):
        with pytest.raises(ValueError, match="NaN at row 1, which is no pixel"):
            load_reward(name)(images)


def test_rewards_are_told_apart_by_all_that_changes_their_answer(tmp_path):
    named = [
        reward_identity(load_reward("compressibility")), reward_identity(rewards.compressibility(quality=90)),
        reward_identity(load_reward("brightness")), reward_identity(as_reward(first_red)),
        reward_identity(as_reward(first_red, takes="uint8")), reward_identity(as_reward(length, prompts="a")),
        reward_identity(as_reward(length, prompts="b")),
    ]  # fmt: skip
    assert len(set(named)) == len(named)
    assert reward_identity(load_reward("compressibility", quality=90)) == named[1]
    weights = tmp_path / "weights"
    weights.mkdir()
    told = []
    for content in (b"one", b"two"):
        (weights / "model.safetensors").write_bytes(content)
        told.append(reward_identity(origin("clip-score", {"path": str(weights)})))
    assert told[0] != told[1]


def test_rewards_can_be_sent_to_processes():
    for reward in (as_reward(first_red), rewards.compressibility(), rewards.colourfulness()):
        sent = pickle.loads(pickle.dumps(reward))
        assert list(sent(noise())) == list(reward(noise()))
        assert isinstance(sent, ImageReward)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("svdd", {"candidates": 3, "prior_candidates": 2}),
        ("smc", {"particles": 4, "temperature": 0.1, "ess": 1.0}),
        ("best-of-n", {"particles": 4}),
        ("nested-is", {"particles": 2, "candidates": 2, "temperature": 0.1}),
        ("beam", {"width": 2, "candidates": 2}),
    ],
)
@pytest.mark.parametrize("value", ["posterior-mean", "log-mean-exp", "rollout"])
def test_every_image_is_judged_by_the_prompt_of_its_own_chain(method, options, value):
    prompts_stay_with_their_images(method, value, **options)


def designs():
    images = SHADES.float().view(3, 1, 1, 1).expand(3, 3, 4, 4).contiguous()
    return captioned(images, encode_prompts(PROMPTS))


@pytest.mark.slow
@pytest.mark.parametrize("given", ["by name", "itself"])
def test_workers_give_functions_what_they_take_and_prompts_and_are_sent_no_other_rows(given):
    named = f"{image_functions.__file__}:dark" if given == "by name" else as_reward(image_functions.dark)
    few = designs()
    many = captioned(few["images"].repeat(500, 1, 1, 1), few["prompt"].repeat(500, 1))
    sent = []
    with as_reward(workers(named, 1, batch=2)) as reward:
        assert as_reward(reward) is reward
        send = reward._scheduled
        reward._scheduled = lambda f, data, *rest, **named: sent.append(len(data)) or send(f, data, *rest, **named)
        answers = reward.submit(between(many, 600, 603)).result()
    assert answers[:2] == [1 - 51 / 255, 5 - 128 / 255]
    assert answers[2].kind == "error"
    assert "too bright" in answers[2].why
    assert max(sent) < 2000


def test_the_processes_of_a_block_serve_every_run_in_it_and_its_reward_stays_what_it_was():
    process = image_checks.process()
    given = {"cond": image_checks.COND, "samples": 3, "candidates": 2}
    with workers(f"{image_functions.__file__}:process_id", 1) as reward:
        before = dict(vars(reward))
        first = svdd.decode(process, reward, **given).rewards.tolist()
        again = svdd.decode(process, reward, **given).rewards.tolist()
        plain = reward(["no image"]).tolist()
        assert vars(reward) == before
    assert first == again == 3 * [plain[0] + 0.5]
    assert plain[0] % 1 == 0  # as it is given: nothing made PIL images for it


def test_the_processes_of_a_block_serve_a_fit_and_its_value_too(tmp_path):
    process = replace(
        image_checks.process(),
        prior=lambda n, rng: rng.normal((n, 3, 8, 8)),
        denoiser=lambda x, t, cond: Normal(0.5 + 0.01 * t * x, 0.2),
        decode=lambda x: x.clamp(0, 1),
        kind=ImageKind(),
        attach=None,
    )
    sizes = {"rollouts": 16, "states": 2, "train_steps": 2, "held_out": 0, "candidates": 0}
    with workers(f"{image_functions.__file__}:process_and_shade", 1) as reward:
        first = svdd.decode(process, reward, samples=3, candidates=2)
        value = svdd.fit_value(process, reward, network_options={"channels": 8}, **sizes)
        value.save(tmp_path / "value")
        loaded = svdd.load_value(tmp_path / "value", process, reward)
        last = svdd.decode(process, reward, value=loaded, samples=3, candidates=2)
    assert len({*first.rewards.floor().tolist(), *last.rewards.floor().tolist()}) == 1


def test_an_address_of_images_leaves_the_address_as_it_was():
    with image_functions.server() as (address, seen), closing(endpoint(address)) as reward:
        adapted = as_reward(reward)
        adapted(designs())
        reward(["ACGT"])
        assert as_reward(adapted) == adapted != reward
        assert seen[1] == {"designs": ["ACGT"]}
        assert reward._line is adapted._line  # closing one closes the connections of both


SCORES = "import csv, json, sys\nfrom PIL import Image\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("{input}", "rows = [json.loads(line) for line in open(sys.argv[1])]"),
        ("{input.csv}", "rows = list(csv.DictReader(open(sys.argv[1])))"),
        ("", "rows = [json.loads(line) for line in sys.stdin]"),
    ],
)
@pytest.mark.parametrize("with_prompts", [True, False])
def test_programs_are_given_files_and_prompts(tmp_path, words, code, with_prompts):
    program = tmp_path / "score.py"
    last = "for row in rows: print(Image.open(row['design']).getpixel((0, 0))[0], len(row.get('prompt', '')), sep='.')"
    program.write_text(SCORES + code + "\n" + last)
    reward = as_reward(load_reward(f"cmd:{sys.executable} {program} {words}"))
    given = designs() if with_prompts else designs()["images"]
    assert reward(given) == ([51.1, 128.5, 204.1] if with_prompts else [51.0, 128.0, 204.0])  # the last: 10 letters
    assert reward_identity(reward) == reward_identity(load_reward(f"cmd:{sys.executable} {program} {words}"))


def test_programs_are_given_plain_paths(tmp_path):
    program = tmp_path / "score.py"
    program.write_text(SCORES + "for line in open(sys.argv[1]): print(Image.open(line.rstrip()).getpixel((1, 1))[2])")
    assert as_reward(load_reward(f"cmd:{sys.executable} {program} {{input.txt}}"))(designs()) == [51, 128, 204]


@pytest.mark.parametrize("with_prompts", [True, False])
def test_addresses_are_given_pngs_and_prompts(with_prompts):
    with image_functions.server() as (address, seen):
        reward = as_reward(load_reward(address, batch=2))
        assert reward(designs() if with_prompts else designs()["images"]) == [1, 1, 1]
        reward.close()
    pngs = [Image.open(io.BytesIO(base64.b64decode(png))) for body in seen for png in body["designs"]]
    assert [png.getpixel((0, 0)) for png in pngs] == [(51,) * 3, (128,) * 3, (204,) * 3]
    assert [body.get("prompts") for body in seen] == ([PROMPTS[:2], PROMPTS[2:]] if with_prompts else [None, None])
