"""The model card of photographs as text and pictures, rendered from its numbers and samples alone."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

from torch import Tensor

from recipes.card_parts import table
from svdd.domains.image.pixels import grid, to_pil

__all__ = ["draw_samples", "draw_training", "render_card"]

_HEAD = """\
# image-small

A small text-to-image latent diffusion model of photographs of 32x32 pixels: ten classes of objects. It is a folder that
diffusers reads as a `StableDiffusionPipeline`:

    StableDiffusionPipeline.from_pretrained(svdd.registry.bundled("image-small"))("a photo of a horse").images[0]

Every number below is measured by the recipe that trained the weights.

    python -m recipes.image.train --data DIR --out DIR

## What it is, and what it is not

A model to try guidance on without a download or an accelerator, of the same parts as the pipelines people use: an autoencoder,
a text encoder, a UNet with cross-attention, classifier-free guidance. It was trained for a few hours on one CPU core. Its
images are small, many are malformed, and it knows no word of a prompt but the names of its classes (and a few that surround
them).
"""

_DATA = """\
CIFAR-10 (Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html), a labelled part of 80 Million Tiny Images, which was collected
by web search. CIFAR-10 states no licence, and its photographs have owners of their own; none is shipped, only weights and
aggregate statistics (`reference.npz`). They were read from a copy as JPEG files, which has lost a little of each. The weights
come with the licence of the package; whether that is enough for a use beyond research is for its user to judge.
"""

_LIMITS = """\
## Limits

- Ten classes, and whatever came with them in the pictures of one web search: horses come with riders, ships with blue. The
  collection that CIFAR-10 is a part of was withdrawn by its authors for other classes' labels.
- The features of the Fréchet distance are this judge's, not Inception's: compare its numbers with its floor and with each
  other, not with published ones.
- The judge shares the images' source and the kind of network with the guide. An image that convinces both may still be of
  nothing.
- Details finer than what the autoencoder keeps are lost: images are softer than photographs, and compress better.
"""


def render_card(card: dict[str, Any]) -> str:
    """Return the model card in Markdown."""
    parts = [_HEAD, _samples(card), _data(card), _networks(card), _autoencoder(card), _quality(card), _classes(card)]
    return "\n".join([*parts, _LIMITS])


def draw_samples(samples: Tensor, classes: int, path: Path, *, each: int = 8, enlarged: int = 3) -> None:
    """Write the first samples of each class as one picture, a row a class."""
    count = len(samples) // classes
    shown = samples.unflatten(0, (classes, count))[:, : min(each, count)].flatten(0, 1)
    pixels = shown.repeat_interleave(enlarged, 2).repeat_interleave(enlarged, 3)
    to_pil(grid(pixels, min(each, count)))[0].save(path, optimize=True)


def draw_training(card: dict[str, Any]) -> str:
    """Return the training curves as an SVG picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    runs = card["training"]
    units = {"vae": "absolute error", "unet": "squared error of the velocity", "guide": "share wrong"}
    with rc_context({"svg.hashsalt": "svdd", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 2.8), layout="constrained")
        for axes, (name, unit) in zip(figure.subplots(1, 3), units.items(), strict=True):
            for run, key, label in _curves(name):
                rows = runs[run]["history"]
                axes.plot([row["step"] for row in rows], [row[key] for row in rows], label=label)
            axes.set(xlabel="step", ylabel=unit)
            axes.legend(frameon=False, fontsize=8)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None})
    return page.getvalue()


def _curves(name: str) -> list[tuple[str, str, str]]:
    if name == "guide":
        return [("guide", "value", "guide, validation"), ("judge", "value", "judge, validation")]
    return [(name, "loss", f"{name}, training"), (name, "value", f"{name}, validation")]


def _samples(card: dict[str, Any]) -> str:
    return (
        f"![eight samples of each class](samples.png)\n\nNot selected: the first eight of each class, "
        f"{', '.join(card['classes'])}, row by row;\n{card['steps']} steps, guidance scale {card['guidance']['chosen']:g}.\n"
    )


def _data(card: dict[str, Any]) -> str:
    data = card["data"]
    halves = data["halves"]
    rows = [
        ["training of the diffusion model and the autoencoder", sum(halves.values())],
        ["of these, training of the guide", halves["guide"]],
        ["of these, training of the judge", halves["judge"]],
        ["validation, for the choice of weights and for calibration", data["validation"]],
        ["test, for this card", data["test"]],
    ]
    return f"## Data\n\n{_DATA}\n{table(['part', 'photographs'], rows)}"


def _networks(card: dict[str, Any]) -> str:
    runs, sizes = card["training"], card["networks"]
    rows = []
    for name in ("vae", "unet", "guide", "judge"):
        run, settings = runs[name], runs[name]["settings"]
        parameters = sizes[name] + (sizes["text_encoder"] if name == "unet" else 0)
        minutes = f"{run['history'][-1]['seconds'] / 60:.0f}"
        rows.append([name, f"{parameters:,}", settings["steps"], settings["learning_rate"], minutes, run["best_step"]])
    header = ["network", "parameters", "steps", "learning rate", "minutes", "weights of step"]
    speed, setting = card["speed"], card["speed_setting"]
    how = _filled(
        "The autoencoder makes 6 latents at each of 8x8 places of 32x32 pixels, by absolute error and a small price on what "
        "they tell. The UNet predicts the velocity of its latents, with the text encoder trained beside it on prompts such as "
        "`horse` and `a photo of a horse`, one in ten left empty. Averaged weights of the best validation are shipped, in "
        "float16. Trained on a CPU with other work beside it: minutes are those of a clock. The row `unet` counts "
        "the text encoder too."
    )
    took = _filled(
        f"An image in {speed['steps']} steps with guidance took {speed['seconds_each']:.2f} s in a batch of {speed['n']} "
        f"({setting['dtype']}, {setting['threads']} threads of an {setting['processor']} CPU, torch {setting['torch']}; other "
        "work ran beside it)."
    )
    shown = "![training curves](training.svg)\n"
    return f"## Networks and training\n\n{how}\n\n{table(header, rows)}\n{took}\n\n{shown}"


def _autoencoder(card: dict[str, Any]) -> str:
    found, judge = card["autoencoder"], card["classifiers"]["judge"]
    text = _filled(
        f"Reconstructions of the {found['n']:,} test images: {found['psnr']:.1f} dB of peak signal to noise, Fréchet distance "
        f"{found['distance']:.2f}. The judge finds the class of {found['accuracy']:.1%} of them, and of "
        f"{judge['accuracy']:.1%} of the originals."
    )
    return f"## Autoencoder\n\n{text}\n"


def _quality(card: dict[str, Any]) -> str:
    features, quality, floor = card["features"], card["quality"], card["floor"]
    rows = [
        [f"{float(scale):g}", found["distance"], found["accuracy"]["judge"], found["accuracy"]["guide"]]
        for scale, found in card["guidance"]["tried"].items()
    ]
    tried = next(iter(card["guidance"]["tried"].values()))["n"]
    header = ["guidance scale", "Fréchet distance", "class found by the judge", "by the guide"]
    scale, accuracy = card["guidance"]["chosen"], quality["accuracy"]
    text = _filled(
        f"Fréchet distance to the {features['count']:,} test images, of the {features['width']} features before the logits of "
        f"the judge. For {quality['n']:,} samples at guidance scale {scale:g} in {card['steps']} steps of DDIM it is "
        f"**{quality['distance']:.2f}**; as many photographs that the judge was not trained on have "
        f"{floor[str(quality['n'])]:.2f}. The judge finds the class of the prompt in **{accuracy['judge']:.1%}** of them, the "
        f"guide in {accuracy['guide']:.1%}."
    )
    choice = f"Of {tried} samples (floor: {floor[str(tried)]:.2f}), the scale with the least distance was taken:"
    return f"## Samples\n\n{text}\n\n{choice}\n\n{table(header, rows)}"


def _classes(card: dict[str, Any]) -> str:
    found = card["classifiers"]
    rows = [
        [name, *(found[which]["each"][number] for which in ("guide", "judge")), card["quality"]["each"][number]]
        for number, name in enumerate(card["classes"])
    ]
    rows.append(["all", *(found[which]["accuracy"] for which in found), card["quality"]["accuracy"]["judge"]])
    header = ["class", "guide, test photographs", "judge, test photographs", "judge, samples by prompt"]
    temperatures = " and ".join(f"{found[which]['temperature']:.2f} ({which})" for which in found)
    nats = " and ".join(f"{found[which]['nats']:.3f}" for which in found)
    text = _filled(
        "Share of images whose class a classifier finds. `guide` and `judge` were trained on disjoint halves of the "
        f"photographs and calibrated on the validation part (temperatures {temperatures}); their cross-entropy on test "
        f"photographs is {nats} nats."
    )
    return f"## Classes\n\n{text}\n\n{table(header, rows)}"


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
