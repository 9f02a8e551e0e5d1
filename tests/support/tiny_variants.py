"""One tiny pipeline of each class that is listed as steerable, and a call for two prompts; parts are those of `tiny_pipelines`.

`CASES` has for each class a function of its name that makes the pipeline, and one that makes the arguments of a call with so
many prompts.
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


def adapter():
    return seeded(lambda: diffusers.T2IAdapter(channels=(8, 16), num_res_blocks=1, downscale_factor=2))


def attending_first(base):
    """The network of a pipeline whose first block attends to text, as those that adapters are made for."""
    unet = getattr(tiny, base)().unet
    kinds = {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return seeded(lambda: type(unet).from_config(unet.config, **kinds))


def transformer(base, **sizes):
    """The network of a pipeline of another size."""
    own = getattr(tiny, base)().transformer
    return seeded(lambda: type(own).from_config(own.config, **sizes))


def flux_controlnet():
    own, heads = tiny.flux().transformer, {"attention_head_dim": 8, "num_attention_heads": 2}
    make = diffusers.FluxControlNetModel.from_transformer
    return seeded(lambda: make(own, num_layers=1, num_single_layers=1, **heads))


def sd3_controlnet(further_channels=0):
    own, make = tiny.sd3().transformer, diffusers.SD3ControlNetModel.from_transformer
    further = {"num_extra_conditioning_channels": further_channels, "load_weights_from_transformer": False}
    return seeded(lambda: make(own, num_layers=1, **further))


def union():
    """A ControlNet of several kinds, which needs a network of 320 channels, and that network."""
    own = tiny.sdxl().unet
    unet = seeded(lambda: type(own).from_config(own.config, block_out_channels=(320, 16)))
    make = diffusers.ControlNetUnionModel.from_unet
    return {"unet": unet, "controlnet": seeded(lambda: make(unet, conditioning_embedding_out_channels=(4, 8)))}


def quantiser(**options):
    """A VQ autoencoder."""
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 2, "num_vq_embeddings": 16}
    return seeded(lambda: diffusers.VQModel(**kinds | options))


def kandinsky(name, channels=4, hint=False):
    unet = seeded(
        lambda: tiny._conditional_unet(
            in_channels=channels,
            out_channels=8,
            encoder_hid_dim=16,
            encoder_hid_dim_type="image_proj",
            addition_embed_type="image_hint" if hint else "image",
        )
    )
    movq = quantiser(
        block_out_channels=(32, 32),
        up_block_types=("AttnUpDecoderBlock2D",) * 2,
        latent_channels=4,
        vq_embed_dim=4,
        norm_type="spatial",
    )
    scheduler = diffusers.DDPMScheduler(clip_sample=False)
    return quiet(getattr(diffusers, name)(unet=unet, scheduler=scheduler, movq=movq))


def pixart(name):
    """Latents that are an eighth of the image, as its list of sizes expects."""
    vae = seeded(
        lambda: diffusers.AutoencoderKL(
            block_out_channels=(4,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
        )
    )
    sizes = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 32, "patch_size": 2}
    text = {"cross_attention_dim": 16, "caption_channels": 16, "use_additional_conditions": False}
    network = seeded(lambda: diffusers.PixArtTransformer2DModel(in_channels=4, out_channels=8, **sizes, **text))
    parts = {"tokenizer": tiny.t5_tokenizer(), "text_encoder": seeded(tiny._t5), "vae": vae, "transformer": network}
    return quiet(getattr(diffusers, name)(**parts, scheduler=diffusers.DDIMScheduler(clip_sample=False)))


def classes(name):
    sizes = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "sample_size": 8, "patch_size": 2}
    network = seeded(
        lambda: diffusers.DiTTransformer2DModel(in_channels=4, out_channels=8, num_embeds_ada_norm=10, **sizes)
    )
    return quiet(diffusers.DiTPipeline(network, seeded(tiny._autoencoder), diffusers.DDIMScheduler(clip_sample=False)))


def ddim(name):
    return quiet(diffusers.DDIMPipeline(tiny.ddpm().unet, diffusers.DDIMScheduler()))


def ldm(name):
    vqvae = quantiser(
        block_out_channels=(8, 8), up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=3, norm_num_groups=4
    )
    return quiet(diffusers.LDMPipeline(vqvae, tiny.ddpm().unet, diffusers.DDIMScheduler(clip_sample=False)))


def distilled(name):
    scheduler = diffusers.LCMScheduler.from_config(tiny.sd15().scheduler.config)
    return made(name, "sd15", unet=tiny.distilled_unet(), scheduler=scheduler)


def number(prompts):
    return {"batch_size": prompts, "num_inference_steps": 3}


def of_classes(prompts):
    return {"class_labels": [1, 7, 3][:prompts], "num_inference_steps": 3, "guidance_scale": 1.0}


def text(prompts, **more):
    return {"prompt": PROMPTS[:prompts], "height": 16, "width": 16, "num_inference_steps": 3} | more


def painting(prompts, **more):
    """From pictures, one for each prompt, whose size is that of the images unless more is said."""
    given = {"prompt": PROMPTS[:prompts], "image": pictures(prompts), "strength": 0.7, "num_inference_steps": 4}
    return given | more


def sized_painting(prompts):
    return painting(prompts, height=16, width=16)


def inpainting(prompts, **more):
    return text(prompts, image=pictures(prompts), mask_image=[hole()] * prompts) | more


def editing(prompts):
    return {"prompt": PROMPTS[:prompts], "image": pictures(prompts), "num_inference_steps": 3}


def sized_editing(prompts):
    return text(prompts, image=pictures(prompts))


def kontext(prompts):
    return text(prompts, image=pictures(prompts), max_area=256, _auto_resize=False)


def varying(prompts):
    return {"image": pictures(prompts), "height": 16, "width": 16, "num_inference_steps": 3}


def embedded(prompts, **more):
    """For Kandinsky's decoder."""
    embeds = torch.linspace(-1, 1, 16 * prompts).view(prompts, 16)
    sizes = {"height": 16, "width": 16, "num_inference_steps": 3}
    return {"image_embeds": embeds, "negative_image_embeds": torch.zeros(prompts, 16)} | sizes | more


def hinted(prompts):
    return embedded(prompts, hint=torch.linspace(0, 1, prompts).view(-1, 1, 1, 1).expand(-1, 3, 64, 64))


def embedded_painting(prompts):
    return embedded(prompts, image=pictures(prompts), strength=0.7)


def of_pixart(prompts):
    return text(prompts, use_resolution_binning=False, max_sequence_length=16, clean_caption=False)


def long(call):
    """A call of a model whose text is cut at so many tokens."""
    return lambda prompts: call(prompts) | {"max_sequence_length": 16}


def controlled(call, name="control_image"):
    """With a control picture for each prompt."""
    return lambda prompts: call(prompts) | {name: pictures(prompts)}


def of_two_kinds(call):
    return lambda prompts: call(prompts) | {"control_image": pictures(2), "control_mode": [0, 1]}


def masked_control(prompts):
    return text(prompts, control_image=pictures(prompts), control_mask=[hole()] * prompts, max_sequence_length=16)


def _with_unet(start, base):
    """The cases that Stable Diffusion and its XL have alike."""
    plain, control = lambda name: made(name, base), lambda name: made(name, base, controlnet=controlnet(base))

    def wide(channels):
        return lambda name: made(name, base, unet=wider_unet(base, channels))

    def both(name):
        return made(name, base, unet=wider_unet(base, 9), controlnet=controlnet(base))

    def adapted(name):
        return made(name, base, unet=attending_first(base), adapter=adapter())

    cases = {
        "": (plain, text),
        "PAG": (plain, text),
        "Img2Img": (plain, painting),
        "PAGImg2Img": (plain, painting),
        "Inpaint": (wide(9), inpainting),
        "PAGInpaint": (wide(9), inpainting),
        "InstructPix2Pix": (wide(8), sized_editing if base == "sdxl" else editing),
        "ControlNet": (control, controlled(text, "image")),
        "ControlNetPAG": (control, controlled(text, "image")),
        "ControlNetImg2Img": (control, controlled(painting)),
        "ControlNetInpaint": (both, controlled(inpainting)),
        "Adapter": (adapted, controlled(text, "image")),
    }
    return {f"{start}{name}Pipeline": case for name, case in cases.items()}


def _of_sd():
    def enlarging(name):
        return made(name, "sd15", unet=wider_unet("sd15", 7), low_res_scheduler=diffusers.DDPMScheduler())

    def both(name):
        return made(name, "sd15", unet=wider_unet("sd15", 9), controlnet=controlnet("sd15"))

    return _with_unet("StableDiffusion", "sd15") | {
        "LatentConsistencyModelPipeline": (distilled, text),
        "LatentConsistencyModelImg2ImgPipeline": (distilled, painting),
        "StableDiffusionSAGPipeline": (lambda name: made(name, "sd15"), text),
        "StableDiffusionUpscalePipeline": (enlarging, editing),
        "StableDiffusionImageVariationPipeline": (lambda name: made(name, "sd15", **vision()), varying),
        "StableDiffusionControlNetPAGInpaintPipeline": (both, controlled(inpainting)),
    }


def _of_sdxl():
    start, unioned = "StableDiffusionXLControlNet", lambda name: made(name, "sdxl", **union())
    return _with_unet("StableDiffusionXL", "sdxl") | {
        f"{start}PAGImg2ImgPipeline": (
            lambda name: made(name, "sdxl", controlnet=controlnet("sdxl")),
            controlled(painting),
        ),
        f"{start}UnionPipeline": (unioned, of_two_kinds(text)),
        f"{start}UnionImg2ImgPipeline": (unioned, of_two_kinds(painting)),
    }


def _of_sd3():
    def two_layers(name):
        return made(name, "sd3", transformer=transformer("sd3", num_layers=2))

    def control(channels):
        return lambda name: made(name, "sd3", controlnet=sd3_controlnet(channels))

    cases = {
        "": (lambda name: made(name, "sd3"), long(text)),
        "Img2Img": (lambda name: made(name, "sd3"), long(painting)),
        "PAG": (two_layers, long(text)),
        "PAGImg2Img": (two_layers, long(painting)),
        "ControlNet": (control(0), long(controlled(text))),
        "ControlNetInpainting": (control(1), masked_control),
    }
    return {f"StableDiffusion3{name}Pipeline": case for name, case in cases.items()}


def _of_flux():
    def wide(channels):
        return lambda name: made(name, "flux", transformer=transformer("flux", in_channels=channels, out_channels=16))

    def plain(name):
        return made(name, "flux")

    def control(name):
        return made(name, "flux", controlnet=flux_controlnet())

    cases = {
        "": (plain, text),
        "Img2Img": (plain, sized_painting),
        "Kontext": (plain, kontext),
        "Fill": (wide(48), inpainting),
        "Control": (wide(32), controlled(text)),
        "ControlImg2Img": (wide(32), controlled(sized_painting)),
        "ControlNet": (control, controlled(text)),
        "ControlNetImg2Img": (control, controlled(sized_painting)),
    }
    return {f"Flux{name}Pipeline": (make, long(call)) for name, (make, call) in cases.items()}


CASES = {
    "DDPMPipeline": (lambda name: tiny.ddpm(), number),
    "DDIMPipeline": (ddim, lambda prompts: number(prompts) | {"eta": 1.0}),
    "LDMPipeline": (ldm, lambda prompts: number(prompts) | {"eta": 1.0}),
    "DiTPipeline": (classes, of_classes),
    **_of_sd(),
    **_of_sdxl(),
    **_of_sd3(),
    **_of_flux(),
    **{f"PixArt{name}Pipeline": (pixart, of_pixart) for name in ("Alpha", "Sigma", "SigmaPAG")},
    "KandinskyV22Pipeline": (kandinsky, embedded),
    "KandinskyV22Img2ImgPipeline": (kandinsky, embedded_painting),
    "KandinskyV22ControlnetPipeline": (lambda name: kandinsky(name, 8, hint=True), hinted),
}


def pipeline(name):
    return CASES[name][0](name)


def call(name, prompts=2, **more):
    return CASES[name][1](prompts) | more
