"""One tiny pipeline of each class that is listed as steerable, and a call for two prompts; parts are those of `tiny_pipelines`.

`CASES` has for each class a function that makes the pipeline and one that makes the arguments of a call with so many prompts.
"""

import inspect

import diffusers
import torch
from PIL import Image

from support import tiny_pipelines as tiny
from support.pipeline_calls import PROMPTS

COLOURS = ("red", "blue", "green", "white")


def quiet(pipe):
    """A pipeline as loaded ones are: its networks drop nothing out."""
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def picture(colour="red", size=(16, 16)):
    return Image.new("RGB", size, colour)


def pictures(count):
    return [picture(colour) for colour in COLOURS[:count]]


def hole(size=(16, 16)):
    """A mask whose upper left quarter is painted."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1] // 2))
    return mask


def made(name, base, **parts):
    """A pipeline of another class, of the parts of a tiny one and of others."""
    cls = getattr(diffusers, name)
    own = getattr(tiny, base)().components | parts
    takes = inspect.signature(cls.__init__).parameters
    if "requires_safety_checker" in takes:
        own["requires_safety_checker"] = False
    return quiet(cls(**{key: part for key, part in own.items() if key in takes}))


def controlnet(base):
    """Of a pipeline with a UNet."""
    unet = getattr(tiny, base)().unet
    return seeded(lambda: diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8)))


def wider_unet(base, channels):
    """The network of a pipeline that is given more channels: a mask, a picture."""
    unet = getattr(tiny, base)().unet
    return seeded(lambda: type(unet).from_config(unet.config, in_channels=channels, out_channels=4))


def vision():
    """An encoder of pictures, and what prepares them."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPVisionConfig(**sizes, image_size=16, patch_size=8, projection_dim=16)
    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return {
        "image_encoder": seeded(lambda: CLIPVisionModelWithProjection(config)),
        "feature_extractor": processor,
        "safety_checker": None,
    }


def adapter(several=1):
    one = [
        seeded(lambda: diffusers.T2IAdapter(channels=(8, 16), num_res_blocks=1, downscale_factor=2))
        for _ in range(several)
    ]
    return one[0] if several == 1 else diffusers.MultiAdapter(one)


def text(prompts, **more):
    return {"prompt": PROMPTS[:prompts], "height": 16, "width": 16, "num_inference_steps": 3} | more


def painting(prompts, **more):
    """From pictures, one for each prompt, whose size is that of the images unless more is said."""
    given = {"prompt": PROMPTS[:prompts], "image": pictures(prompts), "strength": 0.7, "num_inference_steps": 4}
    return given | more


def inpainting(prompts, **more):
    return text(prompts, image=pictures(prompts), mask_image=[hole()] * prompts, num_inference_steps=3) | more


def long(call):
    """A call of a model whose text is cut at so many tokens."""
    return lambda prompts: call(prompts) | {"max_sequence_length": 16}


def with_control(call, name="control_image", **more):
    return lambda prompts: call(prompts) | {name: pictures(prompts)} | more
