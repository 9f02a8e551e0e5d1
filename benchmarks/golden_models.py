"""Small processes, pipelines and checkpoints of the golden cases, made without a download."""

import json
import warnings
from dataclasses import replace

import torch

import svdd

WORDS = ["a", "photo", "of", "cat", "dog", "ship", "red", "dark"]
PROMPTS = ["a photo of a cat", "a red dog", "dark ship"]


def words(x):
    """Tokens of the masked toy as text; a mask is a dash."""
    return ["".join("abc-"[int(token)] for token in row) for row in x]


def masked(steps=4, **changes):
    return replace(svdd.load("toy-masked", steps=steps), **changes)


def gaussian(steps=4, **changes):
    return replace(svdd.load("toy-gaussian", steps=steps), **changes)


def planar(steps=4, **changes):
    """Two numbers a state, drawn towards the conditioning, if there is any; made of public parts only."""

    def denoiser(x, t, cond):
        return svdd.Dirac(0.6 * x + 0.4 * (cond if isinstance(cond, torch.Tensor) else 0.5))

    def transition(x, posterior, t, s):
        return svdd.Normal(0.5 * x + 0.5 * posterior.mode(), 0.3 * s.to(x) + 0.05)

    times = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    return svdd.Process(lambda n, rng: rng.normal((n, 2), dtype=torch.float64), denoiser, transition, times, **changes)


def langevin(x, posterior, t, rng):
    """A move towards what the network says, with noise."""
    return 0.9 * x + 0.05 * posterior.mode() + 0.4 * rng.normal(x.shape, dtype=x.dtype)


def seeded(make, seed=1):
    """What `make` makes, its weights drawn from a seed of their own."""
    _quiet()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        pipe = make()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _quiet():
    import diffusers
    import transformers

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def ddpm():
    """Pixels, 8 x 8, without conditioning."""
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


def _tokenizer():
    from transformers import CLIPTokenizer

    letters = [chr(i) for i in range(97, 123)]
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts = [parts[0] + parts[1], *parts[2:]]
            names.append(parts[0])
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=16)


def _text_config(tokenizer):
    from transformers import CLIPTextConfig

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    return CLIPTextConfig(vocab_size=len(tokenizer), max_position_embeddings=16, projection_dim=16, **sizes, **special)


def _autoencoder(**options):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
        **options,
    )


def stable():
    """Stable Diffusion 1.5 in small: latents 8 x 8, images 16 x 16; DDIM."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    tokenizer = _tokenizer()
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=16,
    )
    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(_text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**noise, clip_sample=False, steps_offset=1, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def flow():
    """Stable Diffusion 3 in small: a flow, without its third text encoder."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection

    tokenizer = _tokenizer()
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
        text_encoder=CLIPTextModelWithProjection(_text_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer)),
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )


_NOISE = {"type": "VE", "beta_min": 0.1, "beta_max": 1.0, "num_scales": 6}
_ATTENTION = {"nhid": 16, "num_linears": 3, "c_init": 2, "c_hid": 8, "c_final": 4, "adim": 16, "num_heads": 4}


def write_gdss(path, shapes):
    """A checkpoint of GDSS for QM9 with random weights.

    Args:
        path: a .safetensors file.
        shapes: gives the shape of every tensor of a network with such settings.
    """
    from safetensors.torch import save_file

    settings = {
        "model_config": {
            "data": {"data": "QM9", "max_node_num": 9, "max_feat_num": 4},
            "sde": {"x": _NOISE, "adj": _NOISE},
            "seed": 42,
        },
        "params_x": {"model_type": "ScoreNetworkX", "max_feat_num": 4, "depth": 2, "nhid": 16},
        "params_adj": {"model_type": "ScoreNetworkA", "max_feat_num": 4, "max_node_num": 9, "num_layers": 3}
        | _ATTENTION
        | {"conv": "GCN"},
    }
    tensors = {}
    for number, part in enumerate(("x", "adj")):
        generator = torch.Generator().manual_seed(number)
        for name, shape in shapes(settings[f"params_{part}"]).items():
            scale = shape[0] ** -0.5 if len(shape) > 1 else 0.3
            tensors[f"{part}.{name}"] = torch.randn(shape, generator=generator) * scale
    save_file(tensors, str(path), {name: json.dumps(value) for name, value in settings.items()})
    return path
