"""Frames: pipelines of videos are refused by what their rows are, and guidance is not blamed where there is none."""

import diffusers
import pytest

import svdd
from support import tiny_pipelines as tiny
from support.pipeline_calls import arguments, brightness


@pytest.mark.slow
@pytest.mark.parametrize("scale", [9.0, 1.0])
@pytest.mark.parametrize("name", ["text_to_video", "animatediff"])
def test_videos_are_refused_before_anything_is_computed(name, scale):
    pipe = getattr(tiny, name)()
    pipe.text_encoder.register_forward_pre_hook(lambda *given: pytest.fail("something was computed"))
    given = arguments("sd15", 1, 2) | {"num_frames": 2, "guidance_scale": scale}
    with pytest.raises(
        ValueError, match="makes videos, whose rows are frames; svdd steers images, and videos are not"
    ) as caught:
        svdd.steer(pipe, brightness, candidates=3)(**given)
    assert "experimental" not in str(caught.value)  # which would not help
    assert "guidance_scale" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [9.0, 1.0])
def test_frames_are_said_with_a_decoder_too(scale):
    given = arguments("sd15", 1, 2) | {"num_frames": 2, "guidance_scale": scale}
    own = {"decode": lambda x: x[:, :3].sigmoid(), "experimental": True}
    with pytest.raises(
        ValueError, match=r"steps 6 rows, but 1 images with 3 candidates .* rows are frames, and videos are not"
    ):
        svdd.steer(tiny.text_to_video(), brightness, candidates=3, **own)(**given)


class Doubled(diffusers.DDPMPipeline):
    """Steps its rows under guidance, as some pipelines of others do."""

    def __call__(self, batch_size=1, num_inference_steps=1, generator=None, guidance_scale=3.0):
        return super().__call__(2 * batch_size, generator=generator * 2, num_inference_steps=num_inference_steps)


@pytest.mark.parametrize(("scale", "advised"), [({}, True), ({"guidance_scale": 1.0}, False)])
def test_guidance_is_advised_against_only_where_it_is_on(scale, advised):
    pipe = Doubled(**tiny.ddpm().components)
    pipe.set_progress_bar_config(disable=True)
    with pytest.raises(ValueError, match="steps 8 rows, but 2 images with 2 candidates each were asked for") as caught:
        svdd.steer(pipe, brightness, candidates=2, experimental=True)(**arguments("ddpm"), **scale)
    assert ("guidance_scale=1" in str(caught.value)) is advised
