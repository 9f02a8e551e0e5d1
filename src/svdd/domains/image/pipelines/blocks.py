"""Blocks: the denoising stage of a Modular Diffusers pipeline, steered towards a reward.

A modular pipeline is a sequence of blocks over one state. `steered_blocks` puts a block round the stage that denoises: it asks
the stage for as many rows as there are candidates, runs it as `svdd.steer` runs a pipeline, and leaves the chosen latents to
the blocks behind it.
"""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from svdd.domains.image.pipelines.steered_scheduler import with_attributes
from svdd.domains.image.pipelines.steering import steer
from svdd.domains.image.pipelines.supported import check_blocks

_OF_THE_STAGE = ("num_images_per_prompt", "num_inference_steps", "height", "width", "generator", "latents")


def steered_blocks(blocks: Any, reward: Callable[..., Any] | str, stage: str = "denoise", **settings: Any) -> Any:
    """The same blocks, their denoising stage steered; its state has `rewards` and `result` too.

    Args:
        blocks: of a text-to-image pipeline, one of `svdd.domains.image.pipelines.supported.BLOCKS`; they are changed.
        reward: as for `steer`.
        stage: the name of the block that makes latents of embeddings, the multiplying of rows included.
        **settings: as for `steer`, but for `batch`.

    Raises:
        ValueError: for blocks that were not tested, unless `experimental`, or are without that stage, and for `batch`.
        ImportError: without a diffusers that has modular pipelines.
    """
    check_blocks(blocks, settings.pop("experimental", False))
    if stage not in blocks.sub_blocks:
        raise ValueError(f"these blocks have no stage {stage!r}; they have {', '.join(blocks.sub_blocks)}")
    if settings.get("batch") is not None:
        raise ValueError("a stage is steered for all prompts of its state at once; give the pipeline fewer prompts")

    def steered(pipe: Any) -> Any:
        # a function is the same in copies of the blocks, which pipelines make: a reward's networks must not be copied
        return steer(pipe, reward, experimental=True, **settings)

    blocks.sub_blocks[stage] = _steered_stage()(blocks.sub_blocks[stage], steered)
    return blocks


class _Stage:
    """The stage as a pipeline: what it is called with goes into the state, and what it leaves there is its output."""

    def __init__(self, components: Any, blocks: Any, state: Any) -> None:
        self.components, self.blocks, self.state = components, blocks, state
        self.scheduler = components.scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["components"], name)

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the guider asks the network twice."""
        return self.components.guider.num_conditions > 1

    def __call__(
        self,
        batch_size: int,
        num_images_per_prompt: int = 1,
        num_inference_steps: int | None = None,
        height: int | None = None,
        width: int | None = None,
        generator: Any = None,
        latents: Tensor | None = None,
    ) -> Any:
        own = self.state.get(["num_images_per_prompt", "generator"])
        given = {"num_images_per_prompt": num_images_per_prompt, "generator": generator, "latents": latents}
        for name, value in given.items():
            self.state.set(name, value)
        with with_attributes(self.components, scheduler=self.scheduler):
            self.blocks(self.components, self.state)
        for name, value in own.items():
            self.state.set(name, value)
        return SimpleNamespace(images=self.state.get("latents"))


@functools.cache
def _steered_stage() -> Any:
    """The class of the block, which needs diffusers to be made."""
    from diffusers import ModularPipelineBlocks
    from diffusers.modular_pipelines import OutputParam

    class SteeredStage(ModularPipelineBlocks):  # type: ignore[misc]
        """A denoising stage that is steered."""

        def __init__(self, blocks: Any, steered: Callable[[Any], Any]) -> None:
            super().__init__()
            self.blocks, self.steered, self.model_name = blocks, steered, blocks.model_name

        description = property(lambda self: f"Steered towards a reward.\n{self.blocks.description}")
        inputs = property(lambda self: self.blocks.inputs)
        expected_components = property(lambda self: self.blocks.expected_components)
        expected_configs = property(lambda self: self.blocks.expected_configs)

        @property
        def intermediate_outputs(self) -> Any:
            return [*self.blocks.intermediate_outputs, OutputParam("rewards"), OutputParam("result")]

        def __call__(self, components: Any, state: Any) -> tuple[Any, Any]:
            stage = type(type(components).__name__, (_Stage,), {})(components, self.blocks, state)
            given = {name: value for name, value in state.get(list(_OF_THE_STAGE)).items() if value is not None}
            given |= {"batch_size": len(state.get("prompt_embeds")), "prompts": state.get("prompt")}
            output = self.steered(stage)(**given)
            state.set("rewards", output.rewards)
            state.set("result", output.result)
            return components, state

    return SteeredStage
