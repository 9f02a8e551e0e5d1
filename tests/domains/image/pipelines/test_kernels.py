"""Kernels: every step is the scheduler's own, for the same noise."""

import copy

import diffusers
import pytest
import torch

from svdd.chain.rng import Rng
from svdd.domains.image.pipelines.kernels import KERNELS, scheduler_kernel
from svdd.domains.image.pipelines.refusals import REASONS, refusal

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PIXELS = {"beta_schedule": "squaredcos_cap_v2"}
DDIM = [
    SD | {"clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False},
    SD | {"clip_sample": False, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    SD | {"clip_sample": False, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
    SD | {"clip_sample": False, "prediction_type": "sample", "timestep_spacing": "linspace"},
    PIXELS | {"clip_sample": True},
    PIXELS | {"thresholding": True, "sample_max_value": 2.0},
]
DDPM = [
    {},
    SD | {"clip_sample": False, "steps_offset": 1},
    PIXELS | {"variance_type": "fixed_large"},
    PIXELS | {"variance_type": "fixed_small_log", "prediction_type": "sample"},
    PIXELS | {"prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    {"variance_type": "learned_range"},
    {"variance_type": "learned"},
]
EULER = [
    SD | {"timestep_spacing": "leading", "steps_offset": 1},
    SD,
    SD | {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
]
LCM = [SD, SD | {"prediction_type": "v_prediction"}, SD | {"clip_sample": True, "prediction_type": "sample"}]
FLOW = [{"shift": 3.0}, {}, {"shift": 3.0, "use_karras_sigmas": True}, {"shift_terminal": 0.1}]
CASES = [
    *(("DDIMScheduler", config, eta) for config in DDIM for eta in (0.0, 0.4, 1.0)),
    ("DDIMParallelScheduler", DDIM[0], 1.0),
    *(("DDPMScheduler", config, None) for config in DDPM),
    ("DDPMParallelScheduler", DDPM[1], None),
    *(("EulerAncestralDiscreteScheduler", config, None) for config in EULER),
    *(("LCMScheduler", config, None) for config in LCM),
    *(("FlowMatchEulerDiscreteScheduler", config, 0.0) for config in FLOW),
    *(("FlowMatchEulerDiscreteScheduler", config | {"stochastic_sampling": True}, None) for config in FLOW),
]


def scheduler_of(name, config, steps=6):
    scheduler = getattr(diffusers, name)(**config)
    scheduler.set_timesteps(steps)
    return scheduler


def answers(scheduler, n=2):
    """What a network might say at every step."""
    channels = 6 if scheduler.config.get("variance_type", "").startswith("learned") else 3
    made = torch.randn(len(scheduler.timesteps), n, channels, 4, 4, generator=torch.Generator().manual_seed(1))
    if scheduler.config.get("variance_type") == "learned":
        made[:, :, 3:] = made[:, :, 3:].abs() / 10  # variances
    return made


@pytest.mark.parametrize(("name", "config", "eta"), CASES, ids=lambda case: str(case)[:60])
def test_a_step_is_the_schedulers_own(name, config, eta):
    scheduler = scheduler_of(name, config)
    kernel = scheduler_kernel(scheduler, eta)
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * kernel.init_sigma
    extra = {"eta": eta} if name.startswith("DDIM") else {}
    for k, (timestep, output) in enumerate(zip(scheduler.timesteps, answers(scheduler), strict=True)):
        scaled = getattr(scheduler, "scale_model_input", lambda x, t: x)(x, timestep)
        t, s = kernel.times[k], kernel.times[k + 1]
        torch.testing.assert_close(kernel.scaled(x, t), scaled, rtol=1e-6, atol=0)
        prediction = kernel.prediction(output, k, x)
        normal = kernel.transition(x, prediction, t, s)
        given = scheduler.step(output, timestep, x, **extra, generator=torch.Generator().manual_seed(k))
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(k))
        if eta == 0 and name.startswith("FlowMatch"):
            assert torch.equal(normal.mean, given.prev_sample)
        torch.testing.assert_close(normal.mean + normal.std * noise, given.prev_sample, rtol=1e-5, atol=1e-5)
        for look_ahead in ("pred_original_sample", "denoised"):
            if look_ahead in given:
                torch.testing.assert_close(prediction.mode(), given[look_ahead], rtol=1e-5, atol=1e-5)
        assert normal.deterministic or float(normal.std.max()) > 1e-6
        x = given.prev_sample


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_a_kernel_only_reads_its_scheduler(name):
    scheduler = scheduler_of(name, {})
    before = copy.deepcopy(vars(scheduler))
    kernel = scheduler_kernel(scheduler)
    x = torch.ones(1, 3, 4, 4)
    kernel.transition(x, kernel.prediction(x, 0, x), kernel.times[0], kernel.times[1])
    kernel.scaled(x, kernel.times[0])
    assert vars(scheduler).keys() == before.keys()
    for key, value in vars(scheduler).items():
        same = torch.equal(value, before[key]) if isinstance(value, torch.Tensor) else value == before[key]
        assert same, key


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_times_fall_from_noise_to_data(name):
    kernel = scheduler_kernel(scheduler_of(name, {}))
    assert len(kernel.times) == 7
    assert float(kernel.times[0]) <= 1
    assert float(kernel.times[-1]) == 0
    assert bool((kernel.times.diff() < 0).all())
    with pytest.raises(ValueError, match="is none of the 7 times"):
        kernel.index(torch.tensor(0.123))


def test_a_long_jump_is_one_step_of_the_coarser_grid():
    fine, coarse = (scheduler_of("DDIMScheduler", SD | {"clip_sample": False}, steps) for steps in (8, 4))
    x, output = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    kernel = scheduler_kernel(fine, 0.5)
    start = fine.timesteps.tolist().index(int(coarse.timesteps[1]))
    normal = kernel.transition(x, kernel.prediction(output, start, x), kernel.times[start], kernel.times[start + 2])
    given = coarse.step(output, coarse.timesteps[1], x, eta=0.5, generator=torch.Generator().manual_seed(3))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(normal.mean + normal.std * noise, given.prev_sample, rtol=1e-5, atol=1e-5)


def test_half_precision_is_stepped_in_single():
    kernel = scheduler_kernel(scheduler_of("DDIMScheduler", SD | {"clip_sample": False}))
    x = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0)).half()
    prediction = kernel.prediction(x, 0, x)
    normal = kernel.transition(x, prediction, kernel.times[0], kernel.times[1])
    assert prediction.output.dtype == torch.float16
    assert prediction.mode().dtype == normal.sample(2, Rng(0, 1)).dtype == torch.float32


def test_predictions_are_gathered_like_states():
    kernel = scheduler_kernel(scheduler_of("FlowMatchEulerDiscreteScheduler", {}))
    x = torch.arange(12.0).view(3, 1, 2, 2)
    prediction = kernel.prediction(x + 1, 1, x)
    again = prediction[torch.tensor([2, 0])]
    assert torch.equal(again.mode(), prediction.mode()[[2, 0]])
    assert torch.equal(again.output, x[[2, 0]] + 1)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("PNDMScheduler", "DDIMScheduler"),
        ("DPMSolverMultistepScheduler", "DDIMScheduler"),
        ("UniPCMultistepScheduler", "DDIMScheduler"),
        ("HeunDiscreteScheduler", "DDIMScheduler"),
        ("DEISMultistepScheduler", "DDIMScheduler"),
        ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"),
        ("TCDScheduler", "LCMScheduler"),
        ("FlowMatchHeunDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"),
    ],
)
def test_other_schedulers_are_refused_with_one_that_works(name, instead):
    scheduler = getattr(diffusers, name)()
    with pytest.raises(ValueError, match=rf"{name} .*; use pipe\.scheduler = {instead}\.from_config"):
        scheduler_kernel(scheduler)
    made = getattr(diffusers, instead).from_config(scheduler.config)
    made.set_timesteps(4)
    assert scheduler_kernel(made).times[-1] == 0


def test_a_solver_of_a_flow_is_replaced_by_one_of_flows():
    config = diffusers.DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True).config
    assert "use pipe.scheduler = FlowMatchEulerDiscreteScheduler" in refusal("DPMSolverMultistepScheduler", config)


def test_every_reason_is_of_a_scheduler_there_is():
    assert all(hasattr(diffusers, name) for name in REASONS)


def test_a_subclass_that_keeps_the_step_keeps_the_kernel_and_one_that_does_not_is_refused():
    class Renamed(diffusers.DDIMScheduler):
        pass

    class Rewritten(diffusers.DDIMScheduler):
        def step(self, *args, **kwargs):
            return super().step(*args, **kwargs)

    for cls, known in ((Renamed, True), (Rewritten, False)):
        scheduler = cls()
        scheduler.set_timesteps(4)
        if known:
            assert len(scheduler_kernel(scheduler).times) == 5
        else:
            with pytest.raises(ValueError, match="Rewritten is not known here"):
                scheduler_kernel(scheduler)


@pytest.mark.parametrize(
    ("name", "eta", "message"),
    [
        ("DDIMScheduler", 1.5, "eta must be from 0 to 1, got 1.5"),
        ("FlowMatchEulerDiscreteScheduler", -0.1, "eta must be from 0 to 1, got -0.1"),
        ("DDPMScheduler", 0.0, "DDPMScheduler has no eta, got 0.0"),
        ("EulerAncestralDiscreteScheduler", 0.5, "has no eta, got 0.5"),
    ],
)
def test_an_eta_that_a_scheduler_cannot_have_is_refused(name, eta, message):
    with pytest.raises(ValueError, match=message):
        scheduler_kernel(scheduler_of(name, {}), eta)


def test_settings_without_a_gaussian_are_refused():
    with pytest.raises(ValueError, match="has no standard deviation"):
        scheduler_kernel(scheduler_of("DDPMScheduler", {"variance_type": "fixed_large_log"}))
    with pytest.raises(ValueError, match="invert_sigmas"):
        scheduler_kernel(scheduler_of("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}))
