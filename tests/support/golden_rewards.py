"""Golden values of rewards: `PYTHONPATH=tests python tests/support/golden_rewards.py` computes them again.

A new reward gets an entry with its designs and options by hand, without values. What changes shows in the diff.
"""

import json

import torch

from support.places import ROOT
from svdd.domains.image.pixels import from_uint8
from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.registry import load_reward

FILE = ROOT / "tests" / "data" / "golden_rewards.json"


def read():
    return json.loads(FILE.read_text(encoding="utf-8"))


def images():
    """Three images of 32 x 32: a ramp, a chequered one and noise, each darker at its right."""
    x, y = torch.arange(32).expand(32, 32), torch.arange(32).expand(32, 32).T
    noise = torch.randint(0, 256, (32, 32, 3), generator=torch.Generator().manual_seed(0))
    ramp = torch.stack([8 * x, 8 * y, 255 - 8 * x], -1)
    chequered = ((x // 4 + y // 4) % 2 * 200)[..., None] + torch.tensor([50, 20, 0])
    darker = (1 - x / 64)[..., None]
    return from_uint8(torch.stack([(one * darker).byte() for one in (ramp, chequered, noise)]))


def designs_of(name, texts):
    """Designs by their name in the file: text as it is written there, or the images with the prompts that are."""
    return captioned(images(), encode_prompts(texts)) if name == "images" else texts


def values(name, entry, designs):
    given = designs_of(entry["designs"], designs[entry["designs"]])
    return [float(one) for one in load_reward(name, **entry["options"])(given)]


def main():
    golden = read()
    for name, entry in golden["rewards"].items():
        entry["values"] = [round(one, 6) for one in values(name, entry, golden["designs"])]
    FILE.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
