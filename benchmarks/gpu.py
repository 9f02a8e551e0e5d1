"""What a GPU makes of our loop: rows per second, ours beside the plain loops, the network's share of the time, memory.

    python benchmarks/gpu.py [--cases NAME ...] [--out FILE.json]        # on a GPU, under 8 minutes
    python benchmarks/gpu.py --fast                                      # tiny sizes on the CPU, whose numbers mean nothing

Cases: the bundled models of DNA, RNA, molecules and images; a masked transformer of 100 million random weights, from a file of
the form that other projects write; and a pipeline of Stable Diffusion 1.5's sizes with random weights in float16. Nothing is
downloaded.

- *rows/s*: the model's denoiser as our loop calls it; *plain*: its bare module; *bfloat16* and *compiled*: the same in this
  precision, and by `torch.compile`. Every rate is of calls for a second, after calls that set up kernels.
- *plain s*, *ours s*: the plain loop of `plain.py` (of `images.py` for pipelines) and ours at temperature 0, with rewards that
  run on the GPU where they are networks. *network* is the share of ours that is spent in the network.
- *MB*: the most that ours had on the GPU.

The clock is read after the GPU has ended its work (`torch.cuda.synchronize`). The share comes from a run of its own, whose
network calls wait for the GPU before and after.
"""

import argparse
import copy
import json
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import images
import torch
from gpu_clock import Watch, beside, rate
from plain import plain_loop
from safetensors.torch import save_file

import svdd
from svdd.chain.rng import Rng
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.mdlm_networks import DiffusionTransformer
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

COLUMNS = ("rows/s", "bfloat16", "plain", "compiled", "plain s", "ours s", "plain / ours", "network", "MB")


class Sizes:
    """Of all cases; small ones end within seconds on a CPU."""

    def __init__(self, fast):
        self.fast, self.device = fast, "cpu" if fast else "cuda"
        self.steps, self.chains, self.candidates = (2, 2, 2) if fast else (32, 16, 10)
        self.rows, self.seconds = (4, 0.0) if fast else (500, 1.0)
        self.image_rows = 2 if fast else 32
        # symbols, width, conditioning, heads, blocks, frequencies, ratio: 100 million weights
        self.transformer = (5, 16, 8, 2, 1, 8, 2) if fast else (5, 768, 128, 12, 13, 256, 4)
        self.backend = "eager" if fast else "inductor"


# sequences and molecules


def process_rate(process, sizes):
    """Rows per second of a process' denoiser."""
    rows = sizes.image_rows if isinstance(process.start(1, (), Rng(0, [0])).x, dict) else sizes.rows
    x = process.start(rows, (), Rng(0, range(rows))).x
    return rate(
        lambda: process.denoiser(x, process.times[0], ()), rows * process.rows_each, sizes.device, sizes.seconds
    )


def module_rates(network, symbols, length, sizes, compiled=True):
    """Rows per second of a module of tokens: as it is, and compiled."""
    tokens = torch.full((sizes.rows, length), symbols - 1, device=sizes.device)
    return both_rates(network, lambda module: module(tokens), sizes.rows, sizes, compiled)


def both_rates(network, call, rows, sizes, compiled):
    """Rows per second of a module, and of the compiled one; where it cannot be compiled, why."""
    found = {"plain": rate(lambda: call(network), rows, sizes.device, sizes.seconds)}
    if compiled:
        fast = torch.compile(network, backend=sizes.backend)
        try:
            found["compiled"] = rate(lambda: call(fast), rows, sizes.device, sizes.seconds)
        except Exception as error:  # no compiler, or one that this network is too much for
            print(f"gpu: {type(network).__name__} cannot be compiled: {error!s:.300}", file=sys.stderr)
    return found


def loops(process, reward, network, sizes):
    """Both loops on masked sequences; ours alone without a network for the plain one."""
    kind, watch = process.kind, Watch(sizes.device)
    shape = {"steps": sizes.steps, "candidates": sizes.candidates, "chains": sizes.chains}

    def ours(one):
        sized = {"samples": sizes.chains, "candidates": sizes.candidates}
        return svdd.decode(one, reward, value="posterior-mean", temperature=0.0, **sized)

    ours(replace(process, times=process.times[-3:]))
    if network is None:
        plain = None
    else:

        def plain(only=None):
            return plain_loop(network, reward, kind.alphabet, length=kind.length, **shape, only=only)

        plain(1)
    watched = replace(process, denoiser=watch.watched(process.denoiser))
    return beside(plain, lambda: ours(process), lambda: ours(watched), watch, sizes.device)


def bundled_sequences(name, reward, sizes, compiled=False):
    """A bundled model of DNA or RNA."""
    process = svdd.load(name, steps=sizes.steps, device=sizes.device)
    short = svdd.load(name, steps=sizes.steps, device=sizes.device, precision="bfloat16")
    network = load_network(bundled(name, "denoiser.safetensors")).to(sizes.device)
    found = {"rows/s": process_rate(process, sizes), "bfloat16": process_rate(short, sizes)}
    found |= module_rates(network, len(process.kind.alphabet) + 1, process.kind.length, sizes, compiled)
    return found | loops(process, svdd.load_reward(reward, device=sizes.device), network, sizes)


def molecules(sizes):
    """The bundled model of molecules, with QED on the CPU."""
    process, short = (
        svdd.load("molecule", steps=sizes.steps, device=sizes.device, precision=one) for one in ("float32", "bfloat16")
    )
    found = {"rows/s": process_rate(process, sizes), "bfloat16": process_rate(short, sizes)}
    return found | loops(process, svdd.load_reward("qed"), None, sizes)


class Letters(torch.nn.Module):
    """A transformer without time, and its logits of all symbols but the mask."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, tokens):
        sigma = torch.zeros((), device=tokens.device, dtype=self.network.output_layer["linear"].weight.dtype)
        return self.network(tokens, sigma)[..., :-1]


def transformer(sizes):
    """A masked transformer of random weights, from a file."""
    generator = torch.Generator().manual_seed(0)
    symbols, heads = sizes.transformer[0], sizes.transformer[3]
    network = DiffusionTransformer(*sizes.transformer)
    for weight in network.parameters():
        torch.nn.init.normal_(weight.requires_grad_(False), std=0.02, generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transformer.safetensors"
        save_file(network.state_dict(), path)
        options = {"length": 200, "heads": heads, "time_conditioning": False, "device": sizes.device}
        process = svdd.load(f"mdlm:{path}", steps=sizes.steps, **options)
    assert process.kind.alphabet is DNA
    network = Letters(network.eval().to(sizes.device))
    half = copy.deepcopy(network).to(torch.bfloat16)
    found = {
        "rows/s": process_rate(process, sizes),
        "bfloat16": module_rates(half, symbols, 200, sizes, False)["plain"],
    }
    found |= module_rates(network, symbols, 200, sizes)
    return found | loops(process, svdd.load_reward("hepg2", device=sizes.device), network, sizes)


# pipelines


def pipeline(pipe, sizes, compiled):
    """A Stable Diffusion pipeline: its network's rates, and the plain loop beside `svdd.steer`."""
    pipe.set_progress_bar_config(disable=True)
    half = copy.deepcopy(pipe.unet).to(torch.bfloat16)
    found = {"bfloat16": unet_rates(half, sizes, False)["plain"]} | unet_rates(pipe.unet, sizes, compiled)
    chosen = {"prompts": images.PROMPTS[:1], "candidates": sizes.candidates, "guidance": 3.0, "seed": 0}
    steps, reward, watch = max(sizes.steps // 3, 2), svdd.load_reward("compressibility"), Watch(sizes.device)

    def plain(steps=steps):
        return images.plain_loop(pipe, reward, **chosen, steps=steps)

    def ours(steps=steps):
        return images.steered(pipe, reward, **chosen, steps=steps, chunks={"decode": 16})

    def watched():
        hooks = pipe.unet.register_forward_pre_hook(watch.start), pipe.unet.register_forward_hook(watch.stop)
        ours()
        for hook in hooks:
            hook.remove()

    plain(2), ours(2)
    return found | beside(plain, ours, watched, watch, sizes.device)


def unet_rates(unet, sizes, compiled):
    """Rows per second of a text-conditioned network of latents, and compiled."""
    config, rows, like = unet.config, sizes.image_rows, {"device": sizes.device, "dtype": unet.dtype}
    x = torch.zeros(rows, config.in_channels, config.sample_size, config.sample_size, **like)
    text = torch.zeros(rows, 16, config.cross_attention_dim, **like)
    return both_rates(unet, lambda one: one(x, 500, encoder_hidden_states=text).sample, rows, sizes, compiled)


def small_images(sizes):
    """The bundled model of images."""
    process = svdd.load("image-small", steps=sizes.steps, device=sizes.device)
    return {"rows/s": process_rate(process, sizes)} | pipeline(images.bundled_pipe(sizes.device), sizes, False)


def full_size_images(sizes):
    """A pipeline of Stable Diffusion 1.5's sizes; the bundled one if it must be fast."""
    pipe = images.bundled_pipe("cpu") if sizes.fast else images.full_size()
    return pipeline(pipe.to(sizes.device), sizes, True)


CASES = {
    "dna-enhancer": lambda sizes: bundled_sequences("dna-enhancer", "hepg2", sizes, compiled=True),
    "rna-utr": lambda sizes: bundled_sequences("rna-utr", "mrl", sizes),
    "molecule": molecules,
    "transformer": transformer,
    "image-small": small_images,
    "stable-diffusion": full_size_images,
}


def line(name, cells):
    return f"{name:16s} " + " ".join(f"{cell:>12s}" for cell in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="NAME", help=", ".join(CASES)
    )
    parser.add_argument("--fast", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if not args.fast and not torch.cuda.is_available():
        sys.exit("gpu: torch sees no GPU here; run it where there is one, or with --fast for tiny sizes on the CPU")
    warnings.filterwarnings("ignore", message="b?float16 is .* times slower")  # the table says it
    sizes, found = Sizes(args.fast), {}
    where = "the CPU, tiny sizes" if args.fast else torch.cuda.get_device_name()
    print(f"{where}; T = {sizes.steps}, B = {sizes.chains}, M = {sizes.candidates}\n{line('', COLUMNS)}", flush=True)
    for name in args.cases:
        found[name] = CASES[name](sizes)
        cells = [f"{found[name][column]:.3g}" if column in found[name] else "-" for column in COLUMNS]
        print(line(name, cells), flush=True)
        if args.out:  # after every case: a run that is cut short has the others
            setting = {"device": where, "torch": torch.__version__} | vars(sizes)
            args.out.write_text(json.dumps({"setting": setting, "cases": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
