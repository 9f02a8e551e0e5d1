"""Steered pipelines: every method on every family, the plain pipeline as a special case, and what is paid."""

import math
from types import SimpleNamespace

import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import NAMES, PROMPTS, Counted, Recorded, arguments, brightness, network, redness, still
from svdd.cost.ledger import Usage
from svdd.domains.image.pipelines.arguments import Arguments
from svdd.domains.image.pipelines.kernels import KERNELS

pytestmark = pytest.mark.slow

METHODS = {
    "pretrained": ({}, 1),
    "best-of-n": ({"particles": 3}, 3),
    "svdd": ({"candidates": 3}, 3),
    "svdd at a temperature": ({"candidates": 3, "temperature": 0.1}, 3),
    "smc": ({"particles": 3, "temperature": 0.01}, 3),
    "smc with falling counts": ({"particles": 2, "temperature": 0.01, "narrowing": "psp"}, 4),
    "beam": ({"width": 2, "candidates": 2}, 4),
    "nested-is": ({"particles": 2, "candidates": 2, "temperature": 0.01}, 4),
    "blocks": ({"candidates": 2, "block_length": 2}, 2),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_steers_every_family(method, name):
    pipe, (options, slots) = getattr(tiny, name)(), METHODS[method]
    counted = Counted(pipe)
    steered = svdd.steer(pipe, brightness, method.split()[0], **options)
    output = steered(**arguments(name), output_type="pt")
    assert output.images.shape == (2, 3, *((8, 8) if name == "ddpm" else (16, 16)))
    # the last choice was by the true reward: that of the very images which the pipeline returns
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)
    assert torch.equal(output.result.rewards, output.rewards)
    assert isinstance(output.usage, Usage)
    assert (output.usage.network.rows, output.usage.network.calls) == (counted.rows, 3)
    guided = 2 if name in ("sd15", "sdxl", "sd3") else 1
    assert counted.rows == 3 * 2 * slots * guided


@pytest.mark.parametrize("name", NAMES)
def test_without_a_choice_it_is_the_plain_pipeline_step_by_step(name):
    pipe, runs = still(name), []
    sampled = svdd.steer(pipe, brightness, "pretrained", eta=0.0, seed=3)
    made = Arguments.of(pipe, (), arguments(name)).part(range(2), 1, 3)
    for call, given in ((pipe, made), (sampled, arguments(name))):
        recorded = Recorded()
        called = {} if name == "ddpm" else {"callback_on_step_end": recorded}
        runs.append((call(**given, **called, output_type="pt").images, recorded.latents))
    (plain, plain_latents), (steered, latents) = runs
    assert len(latents) == (0 if name == "ddpm" else 3)
    for mine, theirs in zip(latents, plain_latents, strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(steered, plain)


@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_one_candidate_is_the_plain_pipeline_too(name):
    output = svdd.steer(still(name), brightness, candidates=1, eta=0.0)(**arguments(name), output_type="pt")
    plain = svdd.steer(still(name), brightness, "pretrained", eta=0.0)(**arguments(name), output_type="pt")
    assert torch.equal(output.images, plain.images)


@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_at_an_infinite_temperature_no_reward_has_a_say(name):
    images = [
        svdd.steer(getattr(tiny, name)(), reward, candidates=3, temperature=math.inf)(
            **arguments(name), output_type="pt"
        ).images
        for reward in (brightness, redness)
    ]
    assert torch.equal(*images)
    cold = svdd.steer(getattr(tiny, name)(), brightness, candidates=3)(**arguments(name), output_type="pt").images
    assert not torch.allclose(images[0], cold, atol=1e-3)


def test_choosing_helps():
    sums = {}
    for candidates in (1, 8):
        output = svdd.steer(tiny.sd15(), redness, candidates=candidates)(**arguments("sd15", 3, 6))
        sums[candidates] = output.rewards
    assert bool((sums[8] > sums[1]).all())


@pytest.mark.parametrize("name", ["ddpm", "sd15", "sd3"])
def test_designs_do_not_depend_on_the_batch(name):
    given = arguments(name, 3) | ({} if name == "ddpm" else {"negative_prompt": ["dark", "a dog", "small"]})
    outputs = [
        svdd.steer(getattr(tiny, name)(), brightness, candidates=4, batch=batch)(**given, output_type="pt")
        for batch in (None, 1, 2)
    ]
    for output in outputs[1:]:
        torch.testing.assert_close(output.images, outputs[0].images, rtol=0, atol=1e-5)
        torch.testing.assert_close(output.rewards, outputs[0].rewards, rtol=0, atol=1e-6)
        assert output.usage.network.rows == outputs[0].usage.network.rows
        assert output.usage.decode.rows == outputs[0].usage.decode.rows
        assert len(output.trace.rows()) == len(outputs[0].trace.rows())


def test_the_bill_is_that_of_the_formula():
    b, m, steps = 2, 4, 5
    pipe = tiny.sd15()
    seen = []

    def counted(images):
        seen.append(len(images))
        return brightness(images)

    counted.takes = "tensor"
    usage = svdd.steer(pipe, counted, candidates=m)(**arguments("sd15", b, steps)).usage
    assert usage.network.rows == steps * b * m * 2
    assert sum(seen) == usage.reward.rows == b * m * (steps + 1)
    assert usage.decode.rows == usage.reward.rows + b  # and the winners once more, for the result
    assert usage.seconds >= usage.network.seconds > 0
    without = svdd.steer(tiny.sd15(), brightness, candidates=m, prior_candidates=1)(**arguments("sd15", b, steps)).usage
    assert without.network.rows == usage.network.rows
    assert without.reward.rows == b * m * steps


def test_several_images_of_a_prompt_are_chains_of_their_own():
    output = svdd.steer(tiny.sd15(), brightness, candidates=3)(
        **arguments("sd15"), num_images_per_prompt=2, output_type="pt"
    )
    assert output.images.shape == (4, 3, 16, 16)
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)
    assert len({float(reward) for reward in output.rewards}) == 4


def test_a_string_embeddings_and_no_dictionary():
    pipe = tiny.sd15()
    one = svdd.steer(pipe, brightness, candidates=3)
    given = arguments("sd15", 1)
    text = one(**given | {"prompt": PROMPTS[0]}, output_type="pt")
    del given["prompt"]
    assert torch.equal(text.images, one(PROMPTS[0], **given, output_type="pt").images)
    with torch.no_grad():
        embeds, negative = pipe.encode_prompt(PROMPTS[0], "cpu", 1, True)
    images, flags, result = one(
        **given, prompt_embeds=embeds, negative_prompt_embeds=negative, output_type="pt", return_dict=False
    )
    assert flags is None
    torch.testing.assert_close(images, text.images, rtol=0, atol=1e-6)
    assert torch.equal(result.rewards, text.rewards)


@pytest.mark.parametrize(("output_type", "batch"), [("pil", 1), ("np", 1), ("latent", 1), ("pil", None)])
def test_outputs_of_batches_are_put_together(output_type, batch):
    output = svdd.steer(tiny.sd15(), brightness, candidates=2, batch=batch)(
        **arguments("sd15"), output_type=output_type
    )
    assert len(output.images) == len(output.rewards) == 2
    assert type(output).__name__ == "StableDiffusionPipelineOutput"
    (images,) = svdd.steer(tiny.ddpm(), brightness, candidates=2, batch=batch)(
        batch_size=2, num_inference_steps=2, return_dict=False
    )[:1]
    assert len(images) == 2


def test_all_particles_can_be_returned():
    steered = svdd.steer(tiny.sd15(), brightness, "smc", particles=3, temperature=0.1, return_all=True, batch=1)
    output = steered(**arguments("sd15"), output_type="pt")
    assert output.images.shape == (6, 3, 16, 16)
    assert output.result.chain == [0, 0, 0, 1, 1, 1]
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)
    best = svdd.steer(tiny.sd15(), brightness, "best-of-n", particles=3)(**arguments("sd15"))
    every = svdd.steer(tiny.sd15(), brightness, "best-of-n", particles=3, return_all=True)(**arguments("sd15"))
    assert torch.equal(every.rewards.view(2, 3).amax(1), best.rewards)


@pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")
def test_a_method_that_returns_all_its_particles_does():
    output = svdd.steer(tiny.sd3(), brightness, "svdd-r", particles=2, candidates=2, replace=None)(**arguments("sd3"))
    assert len(output.images) == len(output.rewards) == 4


def test_a_generator_takes_the_place_of_the_seed():
    steered = svdd.steer(tiny.sd15(), brightness, candidates=2)
    rewards = [
        steered(**arguments("sd15"), generator=torch.Generator().manual_seed(seed)).rewards.tolist()
        for seed in (5, 5, 6)
    ]
    assert rewards[0] == rewards[1] != rewards[2]
    generator = torch.Generator().manual_seed(5)
    assert steered(**arguments("sd15"), generator=generator).rewards.tolist() == rewards[0]
    assert steered(**arguments("sd15"), generator=generator).rewards.tolist() != rewards[0]  # it has moved on


def test_latents_of_the_users_own_are_started_from():
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    pipe = tiny.sd15()
    plain = pipe(**arguments("sd15"), latents=latents, output_type="pt").images
    output = svdd.steer(pipe, brightness, "pretrained", eta=0.0)(**arguments("sd15"), latents=latents, output_type="pt")
    assert torch.equal(output.images, plain)
    steered = svdd.steer(pipe, brightness, candidates=3)
    usage = steered(**arguments("sd15"), latents=latents).usage
    assert usage.reward.rows == 2 * 3 * 3  # one noise a chain leaves nothing to choose from before the first step
    every = steered(**arguments("sd15"), latents=torch.cat([latents] * 3))
    assert every.usage.reward.rows == 2 * 3 * 4


def test_a_last_step_without_noise_has_nothing_to_choose_from():
    usage = svdd.steer(tiny.sdxl(), brightness, candidates=3)(**arguments("sdxl")).usage
    assert usage.reward.rows == 2 * 3 * 3 + 2  # the noise and two steps, and the finished image


def test_cadence_and_window_are_those_of_the_method():
    every = svdd.steer(tiny.sd15(), brightness, candidates=3, prior_candidates=1, every=2)(**arguments("sd15", 1, 5))
    assert every.usage.reward.rows == 3 * 3
    late = svdd.steer(tiny.sd15(), brightness, candidates=3, prior_candidates=1, window=(0.5, 0.0))(
        **arguments("sd15", 1, 5)
    )
    assert late.usage.reward.rows == 3 * 4  # children at 0.4, 0.2, 0.002 and 0
    assert every.usage.network.rows == late.usage.network.rows == 5 * 3 * 2  # rows that the pipeline computes anyway


def test_look_aheads_can_have_a_cheaper_decoder():
    pipe, seen = tiny.sd15(), []

    def cheap(latents):
        seen.append(len(latents))
        return latents[:, :3].sigmoid()

    steered = svdd.steer(pipe, brightness, candidates=3, look_ahead_decode=cheap)
    output = steered(**arguments("sd15", 2, 4), output_type="pt")
    assert sum(seen) == 2 * 3 * 4  # the first noise and three steps; the last step is judged in full
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)
    from diffusers import AutoencoderTiny

    with torch.random.fork_rng(devices=[]):
        width, blocks = (4, 4), (1, 1)
        smaller = AutoencoderTiny(3, 3, width, width, num_encoder_blocks=blocks, num_decoder_blocks=blocks)
    output = svdd.steer(pipe, brightness, candidates=3, look_ahead_decode=smaller)(
        **arguments("sd15"), output_type="pt"
    )
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)


def test_decoding_in_chunks_changes_nothing():
    outputs = [
        svdd.steer(tiny.sdxl(), brightness, candidates=3, chunks=chunks)(**arguments("sdxl"), output_type="pt")
        for chunks in (None, {"decode": 2, "reward": 4})
    ]
    torch.testing.assert_close(outputs[0].images, outputs[1].images, rtol=0, atol=1e-6)
    assert outputs[1].usage.decode.calls > outputs[0].usage.decode.calls


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [2, 4, 6])
def test_the_network_in_chunks_changes_nothing(name, rows):
    def made(chunks, most):
        pipe, given = getattr(tiny, name)(), arguments(name, 2, 4)
        network(pipe).register_forward_pre_hook(seen := Widest(most), with_kwargs=True)
        output = svdd.steer(pipe, brightness, candidates=5, chunks=chunks)(**given, output_type="pt")
        return output, seen.rows

    guided = 2 if name in ("sd15", "sdxl", "sd3") else 1
    whole, _ = made(None, 10 * guided)
    parts, seen = made({"network": rows}, rows * guided)
    torch.testing.assert_close(parts.images, whole.images, rtol=0, atol=1e-5)
    torch.testing.assert_close(parts.rewards, whole.rewards, rtol=0, atol=1e-6)
    assert parts.usage.network.rows == seen == whole.usage.network.rows == 4 * 2 * 5 * guided
    assert parts.usage.network.calls == 4 * math.ceil(5 / (rows // 2))
    assert parts.usage.reward.rows == whole.usage.reward.rows


class Widest:
    """Counts a network's rows, and fails where more come at once than it can hold."""

    def __init__(self, most):
        self.most, self.rows = most, 0

    def __call__(self, module, args, named):
        rows = len(args[0] if args else named["hidden_states"])
        assert rows <= self.most
        self.rows += rows


def test_prompts_wait_where_the_network_has_no_room_for_all():
    pipe = tiny.sd15()
    network(pipe).register_forward_pre_hook(Widest(2), with_kwargs=True)
    whole = svdd.steer(tiny.sd15(), brightness, candidates=3)(**arguments("sd15"), output_type="pt")
    parts = svdd.steer(pipe, brightness, candidates=3, chunks={"network": 1})(**arguments("sd15"), output_type="pt")
    torch.testing.assert_close(parts.images, whole.images, rtol=0, atol=1e-5)
    with pytest.raises(
        ValueError, match="takes 1 rows at once, but one candidate of each of 2 images is 2 rows; give a"
    ):
        svdd.steer(pipe, brightness, candidates=3, chunks={"network": 1}, batch=2)(**arguments("sd15"))


def test_several_calls_show_one_progress_bar(capfd):
    pipe = tiny.sd15()
    pipe.set_progress_bar_config(disable=False, desc="denoising")
    svdd.steer(pipe, brightness, candidates=3, chunks={"network": 1})(**arguments("sd15", 1))
    assert pipe._progress_bar_config == {"disable": False, "desc": "denoising"}
    shown = capfd.readouterr().err
    assert shown.count("denoising:   0%") == 1
    assert "3/3" in shown


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux"])
def test_embeddings_of_several_prompts(name):
    pipe, given = getattr(tiny, name)(), arguments(name)
    names = {"sdxl": _XL, "sd3": _XL, "flux": ("prompt_embeds", "pooled_prompt_embeds", None)}[name]
    with torch.no_grad():
        answers = pipe.encode_prompt(given["prompt"], None if name != "sdxl" else given["prompt"],
                                     **({"prompt_3": None} if name == "sd3" else {}),
                                     **({"max_sequence_length": 16} if name != "sdxl" else {}))  # fmt: skip
    embeds = {key: answer for key, answer in zip(names, answers, strict=True) if key}
    steered = svdd.steer(pipe, brightness, candidates=3)
    text = steered(**given, output_type="pt")
    del given["prompt"]
    output = steered(**given, **embeds, output_type="pt")
    torch.testing.assert_close(output.images, text.images, rtol=0, atol=1e-5)


_XL = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux"])
def test_one_image_to_start_from(name):
    import diffusers
    from PIL import Image

    pipe = diffusers.AutoPipelineForImage2Image.from_pipe(getattr(tiny, name)())
    pipe.set_progress_bar_config(disable=True)
    given = arguments(name, 2, 4) | {"image": Image.new("RGB", (16, 16), (90, 120, 30)), "strength": 0.5}
    if name in ("sd15", "sdxl"):
        del given["height"], given["width"]
    output = svdd.steer(pipe, brightness, candidates=3)(**given, output_type="pt")
    assert output.images.shape == (2, 3, 16, 16)
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)


def test_further_scores_and_a_reward_by_name():
    output = svdd.steer(tiny.sd15(), "brightness", candidates=2, scores={"red": redness})(
        **arguments("sd15"), output_type="pt"
    )
    torch.testing.assert_close(output.result.scores["red"].float(), redness(output.images), rtol=0, atol=1e-6)


def test_a_learned_value_predicts_from_latents():
    shapes = []

    def predictor(x, t, cond):
        shapes.append((tuple(x.shape), float(t)))
        return x.mean((1, 2, 3))

    output = svdd.steer(tiny.sd15(), brightness, candidates=3, value=svdd.learned(predictor))(**arguments("sd15"))
    assert shapes[0][0] == (6, 4, 8, 8)
    assert output.usage.value.rows == 2 * 3 * 3
    assert output.usage.reward.rows == 2 * 3


def test_the_noise_that_a_learned_value_chose_goes_on_as_the_network_answered_it():
    def left(x, t, cond):
        return x[..., 0].mean((1, 2))

    given, seeds = arguments("sd15", 2, 3), range(3)
    chosen = svdd.learned(left)
    for seed in seeds:
        every = svdd.steer(still("sd15"), brightness, "best-of-n", particles=4, eta=0.0, seed=seed, return_all=True)
        ends = every(**given, output_type="pt").images.view(2, 4, 3, 16, 16)
        one = svdd.steer(still("sd15"), brightness, candidates=1, prior_candidates=4, eta=0.0, seed=seed, value=chosen)
        found = one(**given, output_type="pt").images
        nearest = (ends - found[:, None]).abs().amax((2, 3, 4))
        assert float(nearest.amin(1).max()) < 1e-5  # the end of one of the four noises, as it goes on alone
        slots = nearest.argmin(1).tolist()
        if any(slots):
            return
    pytest.fail("the first noise was the best of every seed")


def test_a_reward_in_the_background_is_asked_too():
    class Later:
        at_once = 2

        def __init__(self):
            self.asked = []

        def sent_as(self, outside):
            return self

        def __call__(self, designs):
            return self.submit(designs).result()

        def submit(self, designs):
            self.asked.append(len(designs["images"]))
            return SimpleNamespace(result=lambda: brightness(designs["images"]))

    later = Later()
    output = svdd.steer(tiny.sd15(), later, candidates=3)(**arguments("sd15"), output_type="pt")
    plain = svdd.steer(tiny.sd15(), brightness, candidates=3)(**arguments("sd15"), output_type="pt")
    assert torch.equal(output.images, plain.images)
    assert sum(later.asked) == plain.usage.reward.rows


def test_draws_of_a_point_are_that_point():
    outputs = [
        svdd.steer(tiny.sd15(), brightness, candidates=2, value=value)(**arguments("sd15", 1)).rewards
        for value in ("posterior-mean", "log-mean-exp")
    ]
    assert torch.equal(*outputs)


def test_half_precision_is_steered_in_half():
    pipe = tiny.sd15(torch_dtype=torch.bfloat16)
    seen = []
    pipe.unet.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))
    output = svdd.steer(pipe, brightness, candidates=2)(**arguments("sd15"), output_type="pt")
    assert set(seen) == {torch.bfloat16}
    assert bool(torch.isfinite(output.rewards).all())


@pytest.mark.parametrize("scheduler", sorted(KERNELS))
def test_every_scheduler_steers(scheduler):
    import diffusers

    name = "sd3" if scheduler.startswith("Flow") else "sd15"
    pipe = getattr(tiny, name)()
    pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    output = svdd.steer(pipe, brightness, candidates=3)(**arguments(name), output_type="pt")
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)


def test_a_pipeline_that_reads_the_look_ahead_at_the_end_shows_the_chosen_image():
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler

    parts = tiny.sd15().components | {"scheduler": LCMScheduler(), "unet": tiny.distilled_unet()}
    pipe = LatentConsistencyModelPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    output = svdd.steer(pipe, brightness, candidates=3)(**arguments("sd15"), output_type="pt")
    torch.testing.assert_close(output.rewards.float(), brightness(output.images), rtol=0, atol=1e-6)
    assert output.usage.network.rows == 3 * 2 * 3
