"""Arguments: which rows of a call's arguments go to which of the pipeline's calls, and how rows are multiplied."""

import pytest
import torch
from PIL import Image

from svdd.domains.image.pipelines.arguments import Arguments


class Text:
    def __call__(
        self, prompt=None, num_images_per_prompt=1, generator=None, latents=None, negative_prompt=None, **kwargs
    ):
        """With everything by name, and what is left in `kwargs`."""


class Unconditional:
    def __call__(self, batch_size=1, generator=None):
        """As DDPM's pipeline has it."""


class Repeating:
    def __call__(self, prompt, negative_prompt=None, guidance=1.0, generator=None):
        """Without a way to make several images of a prompt."""


class Passing(Text):
    def __call__(self, *args, **kwargs):
        """Names nothing itself."""
        return super().__call__(*args, **kwargs)


def seeds(generators):
    return [generator.initial_seed() for generator in generators]


def test_prompts_are_shared_out_and_multiplied_by_the_pipeline():
    given = Arguments.of(
        Text(), (["a", "b", "c"],), {"num_images_per_prompt": 2, "negative_prompt": ["x", "y", "z"], "steps": 5}
    )
    assert (given.prompts, given.images, given.chains) == (3, 2, 6)
    assert given.captions == ["a", "a", "b", "b", "c", "c"]
    part = given.part(range(2, 6), 4, seed=0)
    assert part["prompt"] == ["b", "c"]
    assert part["negative_prompt"] == ["y", "z"]
    assert part["num_images_per_prompt"] == 2 * 4
    assert part["steps"] == 5
    assert len(part["generator"]) == 4 * 4


def test_noise_depends_on_seed_chain_and_slot_alone():
    given = Arguments.of(Text(), (["a", "b", "c"],), {})
    whole, last = (seeds(given.part(chains, 2, seed=1)["generator"]) for chains in (range(3), range(2, 3)))
    assert whole[4:] == last
    assert len(set(whole)) == 6
    assert seeds(given.part(range(3), 3, seed=1)["generator"])[:2] == whole[:2]
    assert not set(seeds(given.part(range(3), 2, seed=2)["generator"])) & set(whole)


def test_a_string_is_one_prompt_and_stays_as_it_is():
    given = Arguments.of(Passing(), (), {"prompt": "a cat", "negative_prompt": "dark"})
    part = given.part(range(1), 3, seed=0)
    assert (part["prompt"], part["negative_prompt"], part["num_images_per_prompt"]) == ("a cat", "dark", 3)


def test_embeddings_are_rows_of_prompts_and_other_lists_are_not():
    embeds = torch.arange(2.0).view(2, 1, 1)
    given = {"prompt_embeds": embeds, "timesteps": [9, 1], "ip_adapter_image": ["p", "q"], "num_images_per_prompt": 1}
    given = Arguments.of(Text(), (), given)
    assert (given.prompts, given.texts) == (2, None)
    part = given.part(range(1, 2), 2, seed=0)
    assert torch.equal(part["prompt_embeds"], embeds[[1, 1]])  # not every pipeline multiplies what it is given
    assert part["num_images_per_prompt"] == 1
    assert part["timesteps"] == [9, 1]
    assert part["ip_adapter_image"] == ["p", "q"]


def test_pipelines_without_prompts_make_a_batch():
    given = Arguments.of(Unconditional(), (), {"batch_size": 3})
    assert given.chains == 3
    assert given.part(range(2), 4, seed=0)["batch_size"] == 8
    assert Arguments.of(Unconditional(), (), {}).chains == 1


@pytest.mark.parametrize(
    ("prompt", "negative", "shown"), [(["a", "b"], "n", [["a", "b"], ["n", "n"]]), ("a", "n", [["a"], ["n"]])]
)
def test_prompts_are_repeated_where_the_pipeline_cannot(prompt, negative, shown):
    given = Arguments.of(Repeating(), (prompt,), {"negative_prompt": negative, "guidance": 2.0})
    part = given.part(range(given.chains), 2, seed=0)
    for name, texts in zip(("prompt", "negative_prompt"), shown, strict=True):
        assert part[name] == [text for text in texts for _ in range(2)]
    assert part["guidance"] == 2.0


@pytest.mark.parametrize("kind", ["list", "tensor"])
def test_prompts_with_images_of_their_own_are_repeated_with_them(kind):
    images = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    named = {"image": list(images) if kind == "list" else images, "num_images_per_prompt": 2}
    part = Arguments.of(Text(), (["a", "b"],), named).part(range(4), 3, seed=0)
    assert part["prompt"] == ["a"] * 6 + ["b"] * 6
    assert part["num_images_per_prompt"] == 1
    assert [float(image.mean()) for image in part["image"]] == [0.0] * 6 + [1.0] * 6


def test_one_image_for_all_prompts_is_left_to_the_pipeline():
    image = torch.zeros(3, 4, 4)  # three channels are not three prompts
    part = Arguments.of(Text(), (["a", "b", "c"],), {"image": image}).part(range(3), 2, seed=0)
    assert part["image"] is image
    assert part["num_images_per_prompt"] == 2


def test_one_image_to_start_from_is_every_rows():
    class Starting:
        def __call__(self, prompt=None, image=None, strength=0.8, num_images_per_prompt=1, generator=None):
            """As image to image pipelines have it."""

    for prompts in (["a", "b"], "a"):
        for image in (Image.new("RGB", (4, 4)), torch.zeros(1, 3, 4, 4)):
            given = Arguments.of(Starting(), (prompts,), {"image": image})
            part = given.part(range(given.chains), 3, seed=0)
            assert len(part["image"]) == 3 * given.chains == len(part["prompt"])


def test_a_part_of_the_rows_is_what_the_whole_has_there():
    given = Arguments.of(Text(), (["a", "b"],), {"latents": torch.arange(6.0).view(6, 1)})
    whole, part = given.part(range(2), 3, seed=1), given.part(range(2), 3, 1, range(1, 3))
    assert part["latents"].flatten().tolist() == [1.0, 2.0, 4.0, 5.0]
    assert part["num_images_per_prompt"] == 2
    made = seeds(whole["generator"])
    assert seeds(part["generator"]) == made[1:3] + made[4:6]


def test_no_prompt_at_all_is_told():
    with pytest.raises(ValueError, match=r"is given no prompt, prompt=\[\]; give it one at least"):
        Arguments.of(Text(), ([],), {})


def test_latents_are_one_a_chain_or_one_a_row():
    own = torch.arange(2.0).view(2, 1)
    given = Arguments.of(Text(), (["a", "b"],), {"latents": own})
    assert given.own_noise
    assert given.part(range(1, 2), 3, seed=0)["latents"].flatten().tolist() == [1.0] * 3
    every = Arguments.of(Text(), (["a", "b"],), {"latents": torch.arange(6.0).view(6, 1)})
    assert not every.own_noise
    assert every.part(range(1, 2), 3, seed=0)["latents"].flatten().tolist() == [3.0, 4.0, 5.0]
    with pytest.raises(ValueError, match="latents have 6 rows"):
        every.part(range(2), 2, seed=0)


def test_texts_for_the_reward_are_counted():
    told = {"prompt_embeds": torch.zeros(2, 1, 1), "prompts": "both"}
    assert Arguments.of(Text(), (), told).texts == ["both", "both"]
    with pytest.raises(ValueError, match="got 3 prompts for 2"):
        Arguments.of(Text(), (), told | {"prompts": ["a", "b", "c"]})
