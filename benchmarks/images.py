"""Steering a Stable Diffusion pipeline against a plain loop: network rows, decoded images, seconds, memory.

    python benchmarks/images.py [--pipe FOLDER | --full-size] [--steps 50] [--candidates 20] [--prompts 3]
                                     [--device cpu] [--guidance 3] [--out FILE.json]

Without `--pipe` the bundled `image-small` is steered; `--full-size` builds the architecture of Stable Diffusion 1.5 with random
weights (a step takes as long whatever the weights are), which wants a GPU. The reward is JPEG compressibility.

The plain loop is the way the method is usually written: one prompt after the other, candidates one by one, the winner's
prediction computed again at the next step, its latents moved to the CPU to be decoded. It calls the same network,
autoencoder and reward, without gradients, on the same number of threads. Each side runs in a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import svdd
from svdd.registry import bundled

PROMPTS = ("a photo of a horse", "a photo of a ship", "a photo of a frog")


@torch.no_grad()
def plain_loop(pipe, reward, *, prompts, steps, candidates, guidance, seed):
    """SVDD with the posterior mean, written plainly. Returns images, and rows of network and decoder."""
    device, rows = pipe.device, {"network": 0, "decode": 0}
    scheduler, generator = pipe.scheduler, torch.Generator().manual_seed(seed)
    scheduler.set_timesteps(steps)
    size = pipe.unet.config.sample_size

    def predicted(x, t, text):
        rows["network"] += 2
        blank, told = pipe.unet(torch.cat([x, x]), t, encoder_hidden_states=text).sample.chunk(2)
        return blank + guidance * (told - blank)

    def scored(x0):
        rows["decode"] += 1
        image = pipe.vae.decode(x0.cpu().to(device) / pipe.vae.config.scaling_factor).sample
        return float(reward((image / 2 + 0.5).clamp(0, 1).float().cpu())[0])

    images = []
    for prompt in prompts:
        text = torch.cat(pipe.encode_prompt(prompt, device, 1, True)[1::-1])
        x = torch.randn(1, pipe.unet.config.in_channels, size, size, generator=generator).to(device, pipe.dtype)
        for number, t in enumerate(scheduler.timesteps):
            output, proposals, values = predicted(x, t, text), [], []  # the winner's prediction, computed again
            for _ in range(candidates):
                noise = torch.randn(x.shape, generator=generator).to(x)
                child = scheduler.step(output, t, x, eta=1.0, variance_noise=noise).prev_sample
                if number + 1 < len(scheduler.timesteps):
                    s = scheduler.timesteps[number + 1]
                    x0 = scheduler.step(predicted(child, s, text), s, child).pred_original_sample
                else:
                    x0 = child
                values.append(scored(x0))
                proposals.append(child.cpu())
            x = proposals[max(range(candidates), key=values.__getitem__)].to(device)
        images.append(pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample)
        rows["decode"] += 1
    return images, rows


def steered(pipe, reward, *, prompts, steps, candidates, guidance, seed, chunks):
    """The same by `svdd.steer`. Returns its output, and rows of network and decoder."""
    run = svdd.steer(pipe, reward, candidates=candidates, seed=seed, chunks=chunks)
    out = run(prompt=list(prompts), num_inference_steps=steps, guidance_scale=guidance)
    usage = out.usage
    return out.images, {"network": usage.network.rows, "decode": usage.decode.rows + len(out.images)}


def full_size():
    """A pipeline of Stable Diffusion 1.5's sizes with random weights, in float16."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    small = bundled_pipe("cpu")
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
    )  # fmt: skip
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=small.text_encoder.config.vocab_size, hidden_size=768, intermediate_size=3072,
        num_hidden_layers=12, num_attention_heads=12,
        bos_token_id=small.text_encoder.config.bos_token_id, eos_token_id=small.text_encoder.config.eos_token_id,
        pad_token_id=small.text_encoder.config.pad_token_id,
    ))  # fmt: skip
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    return StableDiffusionPipeline(
        vae=vae.half(), text_encoder=text.half(), tokenizer=small.tokenizer, unet=unet.half(),
        scheduler=DDIMScheduler.from_config(small.scheduler.config, prediction_type="epsilon"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def bundled_pipe(device):
    from diffusers import StableDiffusionPipeline

    folder = bundled("image-small", "model_index.json").parent
    return StableDiffusionPipeline.from_pretrained(folder, local_files_only=True).to(device)


def one_side(side, args):
    """Runs one side in this process and prints what it took as JSON."""
    from diffusers import StableDiffusionPipeline

    on_gpu = args.device != "cpu"
    if args.pipe:
        kind = torch.float16 if on_gpu else torch.float32
        pipe = StableDiffusionPipeline.from_pretrained(args.pipe, torch_dtype=kind, local_files_only=True).to(
            args.device
        )
    else:
        pipe = bundled_pipe(args.device)
    pipe.set_progress_bar_config(disable=True)
    reward = svdd.load_reward("compressibility")
    chosen = {"prompts": [PROMPTS[i % len(PROMPTS)] for i in range(args.prompts)], "candidates": args.candidates}
    chosen |= {"guidance": args.guidance, "seed": 0}
    run = plain_loop if side == "plain" else steered
    more = {} if side == "plain" else {"chunks": {"decode": args.decode_rows}}
    run(pipe, reward, **chosen | {"candidates": 2}, steps=2, **more)  # warm: first calls compile and allocate
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started, processor = time.perf_counter(), time.process_time()
    _, rows = run(pipe, reward, **chosen, steps=args.steps, **more)
    if on_gpu:
        torch.cuda.synchronize()
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    peak = torch.cuda.max_memory_allocated() / 1e6 if on_gpu else _resident()
    print(json.dumps({"seconds": seconds, "processor": processor, "megabytes": peak, "rows": rows}))


def _resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipe", type=Path)
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--decode-rows", type=int, default=20, help="images decoded at a time when steering")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--side", choices=("plain", "steered"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        one_side(args.side, args)
        return
    with tempfile.TemporaryDirectory() as folder:
        given = sys.argv[1:]
        if args.full_size:
            full_size().save_pretrained(folder)
            given = [*given, "--pipe", folder]
        found = {side: _measured(given, side) for side in ("plain", "steered")}
    report(found, args)


def _measured(given, side):
    done = subprocess.run(
        [sys.executable, __file__, *given, "--side", side], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def report(found, args):
    """Prints the table and the ratios, checks the rows against the formula, and writes the file."""
    plain, ours = found["plain"], found["steered"]
    b, m, t = args.prompts, args.candidates, args.steps
    # DDIM ends without noise: the last step has one candidate, and no network row follows it
    assert plain["rows"]["network"] == 2 * b * (t + (t - 1) * m), plain["rows"]
    assert ours["rows"]["network"] == 2 * b * t * m, ours["rows"]
    print(f"{b} prompts, {m} candidates, {t} steps, {args.device}, {torch.get_num_threads()} threads")
    for side, one in found.items():
        rows = one["rows"]
        print(
            f"{side:8s} {one['seconds']:8.1f} s {one['megabytes']:8.0f} MB {rows['network']:8d} network rows "
            f"{rows['decode']:7d} images decoded"
        )
    print(f"plain / steered, seconds: {plain['seconds'] / ours['seconds']:.2f}")
    if args.out:
        names = ("prompts", "candidates", "steps", "guidance", "decode_rows", "device", "full_size")
        settings = {name: getattr(args, name) for name in names} | {"threads": torch.get_num_threads()}
        args.out.write_text(json.dumps(found | {"settings": settings}, indent=1) + "\n")


if __name__ == "__main__":
    main()
