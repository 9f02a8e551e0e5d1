"""Running: the pipeline sleeps inside its own call, and is as it was whatever happens."""

import contextvars
import inspect
import threading
import time

import diffusers
import pytest
import torch

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import NAMES, arguments, brightness, network, same_scheduler, state_of
from svdd.domains.image.pipelines.running import Running
from svdd.domains.image.pipelines.steered_scheduler import steered_scheduler
from svdd.exits import EndedProgramError


class Told(Exception):
    pass


class Failing:
    """Raises at its n-th call."""

    def __init__(self, error, n=3):
        self.error, self.left = error, n
        self.raised = None

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if not self.left:
            self.raised = self.error("here")
            raise self.raised


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_is_as_it_was_after_a_call(name, tmp_path):
    pipe = getattr(tiny, name)()
    before = state_of(pipe)
    svdd.steer(pipe, brightness, candidates=2, batch=1)(**arguments(name))
    assert same_scheduler(pipe, before)
    pipe.save_pretrained(tmp_path)
    saved = type(pipe.scheduler).from_pretrained(tmp_path / "scheduler")
    assert type(saved) is type(pipe.scheduler)
    assert dict(saved.config) == dict(pipe.scheduler.config)
    assert type(pipe.scheduler).__name__ in (tmp_path / "model_index.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("error", [Told, ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["reward", "network", "callback"])
@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_an_exception_reaches_the_user_unchanged_and_the_pipeline_is_as_it_was(name, where, error):
    pipe, failing, given = getattr(tiny, name)(), Failing(error), arguments(name)
    before = state_of(pipe)

    def reward(images):
        failing()
        return [0.0] * len(images)

    if where == "network":
        network(pipe).register_forward_pre_hook(failing)
    if where == "callback":
        failing.left = 2
        given["callback_on_step_end"] = lambda pipe, step, t, kwargs: failing() or {}
    steered = svdd.steer(pipe, reward if where == "reward" else brightness, candidates=2)
    exits = where == "reward" and error is SystemExit  # which would end a script without images as a success
    with pytest.raises(EndedProgramError if exits else error, match="here") as caught:
        steered(**given)
    assert (caught.value.__cause__ if exits else caught.value) is failing.raised
    if not (
        where == "reward" and error in (Told, ValueError, SystemExit)
    ):  # where a run's policy for failures has had its say
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    assert same_scheduler(pipe, before)
    failing.left = 1000
    assert len(steered(**given).images) == 2  # and it works again


def test_a_sleeping_pipeline_cleans_up_when_the_reward_fails():
    done = []

    class Careful(diffusers.DDPMPipeline):
        @torch.no_grad()
        def __call__(self, *args, **kwargs):
            try:
                return super().__call__(*args, **kwargs)
            finally:
                done.append(torch.is_grad_enabled())

    pipe = Careful(**tiny.ddpm().components)
    pipe.set_progress_bar_config(disable=True)

    def reward(images):
        raise Told("no")

    with pytest.raises(Told, match="no"):
        svdd.steer(pipe, reward, candidates=2, experimental=True)(**arguments("ddpm"))
    assert done == [False]
    assert torch.is_grad_enabled()


def test_each_side_has_its_own_grad_mode():
    seen = {"network": set(), "reward": set()}
    pipe = tiny.sd15()
    pipe.unet.register_forward_hook(lambda *args: seen["network"].add(torch.is_grad_enabled()))
    pipe.vae.decoder.register_forward_hook(lambda *args: seen["network"].add(torch.is_grad_enabled()))

    def reward(images):
        seen["reward"].add(torch.is_grad_enabled())
        with torch.enable_grad():
            x = torch.ones(1, requires_grad=True)
            (2 * x).sum().backward()
        return [float(x.grad)] * len(images)

    output = svdd.steer(pipe, reward, candidates=2)(**arguments("sd15"), output_type="pt")
    assert torch.is_grad_enabled()
    assert not output.images.requires_grad
    assert seen == {"network": {False}, "reward": {False}}
    assert output.rewards.tolist() == [2.0, 2.0]


def test_a_pipeline_that_wants_gradients_keeps_them_to_itself():
    class Training(diffusers.DDPMPipeline):
        def __call__(self, *args, **kwargs):
            with torch.enable_grad():
                return super().__call__.__wrapped__(self, *args, **kwargs)

    pipe, seen = Training(**tiny.ddpm().components), {"network": set(), "reward": set()}
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.register_forward_hook(lambda *args: seen["network"].add(torch.is_grad_enabled()))

    def reward(images):
        seen["reward"].add(torch.is_grad_enabled())
        return [0.0] * len(images)

    with torch.inference_mode():
        svdd.steer(pipe, reward, candidates=2, experimental=True)(**arguments("ddpm"), output_type="pt")
    assert torch.is_grad_enabled()
    assert seen == {"network": {True}, "reward": {False}}


@pytest.mark.slow
def test_context_variables_are_seen_on_both_sides():
    variable, seen = contextvars.ContextVar("variable", default="unset"), set()
    pipe = tiny.sd15()
    pipe.unet.register_forward_hook(lambda *args: seen.add(variable.get()))

    def reward(images):
        seen.add(variable.get())
        return [0.0] * len(images)

    variable.set("set")
    svdd.steer(pipe, reward, candidates=2)(**arguments("sd15"))
    assert seen == {"set"}


def test_a_reward_can_use_the_pipeline_itself():
    pipe = tiny.ddpm()

    def reward(images):
        other = pipe(batch_size=1, num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="pt")
        return [float(other.images.mean())] * len(images)

    output = svdd.steer(pipe, reward, candidates=2)(**arguments("ddpm"))
    assert len(set(output.rewards.tolist())) == 1


@pytest.mark.slow
def test_what_a_pipeline_notes_of_its_call_is_its_own():
    pipe, scales = tiny.sd15(), []

    def reward(images):
        pipe(**arguments("sd15", 1, 1), guidance_scale=9.0, generator=torch.Generator())
        return images.mean((1, 2, 3))

    reward.takes = "tensor"

    class Noting:
        def __call__(self, pipe, step, t, given):
            scales.append(pipe.guidance_scale)
            return {}

    given = arguments("sd15", 1) | {"guidance_scale": 3.0}
    output = svdd.steer(pipe, reward, candidates=2)(**given, callback_on_step_end=Noting(), output_type="pt")
    plain = svdd.steer(pipe, brightness, candidates=2)(**given, output_type="pt")
    assert scales == [3.0] * 3
    assert torch.equal(output.images, plain.images)
    assert output.usage.network.rows == plain.usage.network.rows == 3 * 2 * 2  # those of the reward are not counted


@pytest.mark.slow
def test_threads_that_steer_one_pipeline_take_turns():
    pipe, outputs = tiny.sd15(), {}
    before = state_of(pipe)

    def slow(images):
        time.sleep(0.02)
        return images.mean((1, 2, 3))

    slow.takes = "tensor"

    def call(seed):
        outputs[seed] = svdd.steer(pipe, slow, candidates=2, seed=seed)(**arguments("sd15"), output_type="pt").images

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same_scheduler(pipe, before)
    for seed in range(3):
        alone = svdd.steer(pipe, brightness, candidates=2, seed=seed)(**arguments("sd15"), output_type="pt").images
        assert torch.equal(outputs[seed], alone)


@pytest.mark.slow
def test_rows_of_a_third_kind_of_guidance_are_counted():
    parts = tiny.sd15().components | {"requires_safety_checker": False, "pag_applied_layers": "mid"}
    pipe = diffusers.StableDiffusionPAGPipeline(**parts)
    pipe.set_progress_bar_config(disable=True)
    output = svdd.steer(pipe, brightness, candidates=2)(**arguments("sd15", 1), pag_scale=2.0)
    assert output.usage.network.rows == 3 * 2 * 3


@pytest.mark.parametrize("name", NAMES)
def test_the_steered_scheduler_looks_like_the_pipelines_own(name):
    scheduler = getattr(tiny, name)().scheduler
    steered = steered_scheduler(scheduler, lambda question: question.latents)
    assert isinstance(steered, type(scheduler))
    assert type(steered).__name__ == type(scheduler).__name__
    assert dict(steered.config) == dict(scheduler.config)
    for method in ("step", "set_timesteps"):
        assert inspect.signature(getattr(steered, method)) == inspect.signature(getattr(scheduler, method))
    extra = {"mu": 0.5} if name == "flux" else {}
    before = scheduler.timesteps.clone()
    steered.set_timesteps(4, **extra)
    assert torch.equal(scheduler.timesteps, before)
    x = torch.ones(1, 4, 2, 2)
    scheduler.set_timesteps(4, **extra)
    drawn = {} if name == "flux" else {"generator": torch.Generator().manual_seed(0)}
    answers = [s.step(x, s.timesteps[0], x, **drawn, return_dict=False) for s in (steered, scheduler)]
    assert len(answers[0]) == len(answers[1])
    assert torch.equal(steered.step(x, steered.timesteps[1], x).prev_sample, x)


def test_noise_levels_are_counted_as_the_scheduler_would():
    scheduler = tiny.sdxl().scheduler
    steered = steered_scheduler(scheduler, lambda question: question.latents)
    x = torch.ones(1, 4, 2, 2)
    for one in (steered, scheduler):
        one.set_timesteps(3)
    for t in scheduler.timesteps:
        assert torch.equal(steered.scale_model_input(x, t), scheduler.scale_model_input(x, t))
        for one in (steered, scheduler):
            one.step(x, t, x, generator=torch.Generator().manual_seed(0))
        assert steered.step_index == scheduler.step_index


def test_a_call_is_driven_step_by_step():
    pipe = tiny.ddpm()
    with Running(pipe, {"batch_size": 1, "num_inference_steps": 2, "generator": [torch.Generator()]}) as running:
        question = running.start()
        assert pipe.scheduler is not running.scheduler  # it sleeps
        second = running.answer(question.latents * 0)
        assert float(second.latents.abs().max()) == 0
        output = running.finish(torch.ones(5, 3, 8, 8))
    assert len(output.images) == 5
    assert running.cost.calls == 2
    assert running.question is None


@pytest.mark.slow
def test_hooks_of_accelerate_slicing_and_compiling_work():
    import accelerate

    outputs = []
    for change in (
        lambda pipe: None,
        lambda pipe: pipe.enable_attention_slicing(),
        lambda pipe: [accelerate.cpu_offload(part, torch.device("cpu")) for part in (pipe.unet, pipe.vae)],
        lambda pipe: pipe.unet.conv_in.compile(backend="eager"),
        lambda pipe: pipe.unet.compile(backend="eager"),
    ):
        pipe = tiny.sd15()
        change(pipe)
        outputs.append(svdd.steer(pipe, brightness, candidates=2)(**arguments("sd15", 1), output_type="pt"))
    for output in outputs[1:]:
        torch.testing.assert_close(output.images, outputs[0].images, rtol=0, atol=1e-5)
        assert output.usage.network.rows == outputs[0].usage.network.rows == 3 * 2 * 2
