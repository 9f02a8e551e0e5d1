"""Images: the bundled pipeline, diffusers' pipelines and checkpoints, rewards, measures, files."""

from svdd.registry.cards import Card, Domain, reward_cards

_EXTRA = "svdd[images]"
_JPEG = {"unit": "kB", "packages": ("pillow",), "extra": _EXTRA}
_NATS = {"unit": "nats", "range": "at most 0"}
_TEXT = {"packages": ("transformers", "tokenizers"), "extra": _EXTRA}
_PIXELS, _CLASSES, _MODELS = ".rewards.pixels", ".rewards.classes", ".rewards.models"

DOMAIN = Domain(
    "image",
    __name__,
    models={"image-small": Card(".image_small:image_small", _EXTRA)},
    checkpoints={"diffusers": Card(".diffusers_process:diffusers_process", _EXTRA)},
    rewards={
        **reward_cards(
            _CLASSES, "class-score", weights=("image-small/guide.safetensors",), twin="class-judge", **_NATS
        ),
        **reward_cards(_CLASSES, "class-judge", weights=("image-small/judge.safetensors",), **_NATS),
        **reward_cards(_PIXELS, "compressibility", range="below 0", judge="sharpness", **_JPEG),
        **reward_cards(_PIXELS, "incompressibility", range="above 0", **_JPEG),
        **reward_cards(_PIXELS, "brightness symmetry", range="0 to 1"),
        **reward_cards(_PIXELS, "colourfulness", range="0 to about 109"),
        **reward_cards(".rewards.quality", "sharpness", range="0 to 1", packages=("scikit-image",), extra=_EXTRA),
        **reward_cards(_MODELS, "aesthetic", range="about 1 to 10", packages=("transformers",), extra=_EXTRA),
        **reward_cards(_MODELS, "clip-score", range="-100 to 100", **_TEXT),
        **reward_cards(_MODELS, "pick-score", range="about 15 to 25", **_TEXT),
        **reward_cards(_MODELS, "hps", range="about 0.2 to 0.35", **_TEXT),
        **reward_cards(_MODELS, "image-reward", range="about -2.5 to 2", **_TEXT),
    },
    networks={
        "ImageClassifier": ".classifier:ImageClassifier",
        "ImageRegressor": ".regressor:ImageRegressor",
    },
    readers={"image": ".image_reader:READER"},
    kit=".kit:KIT",
    recognises=".designs:recognised",
    files=("samples.png",),
)
