"""Diffusers pipelines with tiny random networks, made from configs without a download; milliseconds a call.

Each is written once a session into a temporary folder by `save_pretrained` and loaded from there, as a user's own would be.
"""

import atexit
import functools
import shutil
import tempfile
import warnings
from pathlib import Path

import torch

WORDS = ["a", "photo", "of", "cat", "dog", "horse", "ship", "red", "blue", "green", "dark", "bright", "small", "big"]


def _seeded(make):
    """What `make` makes, its weights drawn from a seed of its own and the global generator left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sum(map(ord, make.__name__)))
        return make()


@functools.cache
def folder(make):
    """Where a pipeline is saved."""
    path = Path(tempfile.mkdtemp(prefix="svdd-tiny-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    _quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _seeded(make).save_pretrained(path)
    return path


def _quiet():
    import diffusers
    import transformers

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def _loaded(make, cls, **options):
    _quiet()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        pipe = cls.from_pretrained(folder(make), **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def clip_tokenizer():
    from transformers import CLIPTokenizer

    letters = [chr(i) for i in range(97, 123)]
    names = [*letters, *(letter + "</w>" for letter in letters), *(word + "</w>" for word in WORDS if len(word) > 1)]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts = [parts[0] + parts[1], *parts[2:]]
            names.append(parts[0])
    names = ["<|startoftext|>", "<|endoftext|>", *dict.fromkeys(names)]
    vocabulary = {name: i for i, name in enumerate(names)}
    return CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=16)


def t5_tokenizer():
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [("▁" + word, -1.0) for word in WORDS] + [(chr(i), -3.0) for i in range(97, 123)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=16)


def _clip_config(tokenizer, **options):
    from transformers import CLIPTextConfig

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    return CLIPTextConfig(
        vocab_size=len(tokenizer), max_position_embeddings=16, **sizes, **special, **{"projection_dim": 16} | options
    )


def _autoencoder(latent_channels=4, **options):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latent_channels,
        norm_num_groups=4,
        sample_size=16,
        **options,
    )


def _t5():
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=len(t5_tokenizer()), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    )


def _ddpm():
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
    )
    return DDPMPipeline(unet, DDPMScheduler())


def ddpm():
    """Pixels, 8 x 8, without conditioning; DDPM."""
    from diffusers import DDPMPipeline

    return _loaded(_ddpm, DDPMPipeline)


def _conditional_unet(**options):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **{"attention_head_dim": 4, "cross_attention_dim": 16} | options,
    )


def _sd15():
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel

    tokenizer = clip_tokenizer()
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        set_alpha_to_one=False,
    )
    return StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        unet=_conditional_unet(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd15(**options):
    """Stable Diffusion 1.5: latents 8 x 8, images 16 x 16; DDIM."""
    from diffusers import StableDiffusionPipeline

    return _loaded(_sd15, StableDiffusionPipeline, **options)


def _distilled():
    return _conditional_unet(time_cond_proj_dim=8)


def distilled_unet():
    """The network of a latent consistency model, told its guidance scale."""
    return _seeded(_distilled)


def _sdxl():
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = clip_tokenizer()
    unet = _conditional_unet(
        cross_attention_dim=32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
        transformer_layers_per_block=1,
        use_linear_projection=True,
    )
    scheduler = EulerAncestralDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
    )
    return StableDiffusionXLPipeline(
        vae=_autoencoder(scaling_factor=0.13025, force_upcast=True),
        text_encoder=CLIPTextModel(_clip_config(tokenizer)),
        text_encoder_2=CLIPTextModelWithProjection(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    )


def sdxl(**options):
    """Stable Diffusion XL: two text encoders, pooled embeddings, sizes; Euler ancestral."""
    from diffusers import StableDiffusionXLPipeline

    return _loaded(_sdxl, StableDiffusionXLPipeline, add_watermarker=False, **options)


def _sd3():
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection

    tokenizer = clip_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_autoencoder(scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModelWithProjection(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(_clip_config(tokenizer)),
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def sd3(**options):
    """Stable Diffusion 3: a flow, latents scaled and shifted; without its third text encoder."""
    from diffusers import StableDiffusion3Pipeline

    return _loaded(_sd3, StableDiffusion3Pipeline, text_encoder_3=None, tokenizer_3=None, **options)


def _flux():
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel

    tokenizer = clip_tokenizer()
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(2, 2, 4),
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_image_seq_len=4, max_image_seq_len=64
    )
    return FluxPipeline(
        scheduler=scheduler,
        vae=_autoencoder(scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModel(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=_t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=transformer,
    )


def flux(**options):
    """Flux: a flow over packed latents with a grid that depends on the size; give height and width (16 is small)."""
    from diffusers import FluxPipeline

    return _loaded(_flux, FluxPipeline, **options)


def _kandinsky():
    from diffusers import DDPMScheduler, KandinskyV22Pipeline, UNet2DConditionModel, VQModel

    movq = VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        num_vq_embeddings=16,
        norm_type="spatial",
        vq_embed_dim=4,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        attention_head_dim=4,
        cross_attention_dim=16,
        encoder_hid_dim=16,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
        resnet_time_scale_shift="scale_shift",
    )
    scheduler = DDPMScheduler(
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample_range=2.0,
        variance_type="learned_range",
    )
    return KandinskyV22Pipeline(unet=unet, scheduler=scheduler, movq=movq)


def kandinsky():
    """Kandinsky 2.2: an autoencoder that quantises unless it is told not to; embeddings of images in place of prompts."""
    from diffusers import KandinskyV22Pipeline

    return _loaded(_kandinsky, KandinskyV22Pipeline)


def _text_to_video():
    from diffusers import TextToVideoSDPipeline, UNet3DConditionModel

    unet = UNet3DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        attention_head_dim=4,
    )
    base = sd15()
    parts = {name: getattr(base, name) for name in ("vae", "text_encoder", "tokenizer", "scheduler")}
    return TextToVideoSDPipeline(unet=unet, **parts)


def text_to_video():
    """Text to video: a row of its scheduler is a frame."""
    from diffusers import TextToVideoSDPipeline

    return _loaded(_text_to_video, TextToVideoSDPipeline)


def _animatediff():
    from diffusers import AnimateDiffPipeline, MotionAdapter

    adapter = MotionAdapter(
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        use_motion_mid_block=False,
    )
    parts = {name: getattr(sd15(), name) for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    return AnimateDiffPipeline(**parts, motion_adapter=adapter)


def animatediff():
    """AnimateDiff: Stable Diffusion 1.5 with motion between frames; a row of its scheduler holds all frames."""
    pipe = _seeded(_animatediff)
    pipe.set_progress_bar_config(disable=True)
    return pipe
