"""Learned rewards of images on tiny random networks: inputs, numbers, published layouts of weights, and what is refused."""

import math
import shutil
from itertools import pairwise

import numpy
import pytest
import torch
import transformers
from safetensors.torch import save_file

from svdd.domains.image.pixels import from_uint8, to_pil, to_uint8
from svdd.domains.image.prompts import captioned, encode_prompts
from svdd.domains.image.rewards.clip import Clip, from_open_clip
from svdd.domains.image.rewards.inputs import ImageInputs
from svdd.domains.image.rewards.models import clip_score, hps, image_reward, pick_score
from svdd.domains.image.rewards.weights import linear_head, read_weights
from svdd.registry import load_reward
from svdd.scoring.identity import reward_identity

PROMPTS = ["a photo of a cat", "a small ship", "a photo of a cat"]
TEXT = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
IMAGE = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def noise(n=3, height=40, width=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return from_uint8(torch.randint(0, 256, (n, height, width, 3), generator=generator).byte())


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder with a tiny CLIP as transformers writes it, and the processor of its images."""
    from support.tiny_pipelines import _quiet, clip_tokenizer

    _quiet()
    tokenizer = clip_tokenizer()
    text = TEXT | {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_dim": 8}
    for name in ("bos", "eos", "pad"):
        text[f"{name}_token_id"] = getattr(tokenizer, f"{name}_token_id")
    image = IMAGE | {"image_size": 32, "patch_size": 8, "projection_dim": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=image, projection_dim=8)
    path = tmp_path_factory.mktemp("clip")
    seeded(lambda: transformers.CLIPModel(config)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    _processor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def _processor(**options):
    from transformers.models.clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(**options)


@pytest.mark.parametrize("shape", [(32, 32), (32, 33), (64, 48), (50, 300), (256, 256)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 30, "width": 24}},
        {"size": {"height": 48, "width": 40}, "do_center_crop": False},
        {
            "size": {"shortest_edge": 40},
            "do_center_crop": False,
            "resample": 2,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        },
    ],
)
def test_the_input_is_the_processors_up_to_its_rounding_to_bytes(shape, options):
    if options.get("crop_size", {}).get("width") == 24 and shape == (50, 300):
        options = options | {"size": {"shortest_edge": 31}}
    processor, images = _processor(**options), noise(2, *shape)
    expected = processor(to_pil(images), return_tensors="pt")["pixel_values"]
    inputs = ImageInputs.of(processor.to_dict())
    found = inputs(images)
    assert found.shape == expected.shape
    apart = (found - expected).abs() * torch.tensor(inputs.std)[:, None, None] * 255
    assert float(apart.max()) < 1.25
    assert float(apart.mean()) < 0.34


def test_gradients_reach_the_pixels():
    images = noise().requires_grad_()
    ImageInputs(32, (32, 32), (0.5,) * 3, (0.5,) * 3)(images).square().sum().backward()
    assert float(images.grad.abs().sum()) > 0


def test_impossible_inputs_are_told():
    with pytest.raises(ValueError, match="cannot cut 64 x 64 out of images that were made 32 x 40"):
        ImageInputs(32, (64, 64), (0.5,) * 3, (0.5,) * 3)(noise())
    with pytest.raises(ValueError, match="bicubic, bilinear or nearest filter"):
        ImageInputs.of({"resample": 1, "image_mean": [0.5] * 3, "image_std": [0.5] * 3})


def cosines(path, images, prompts):
    """By transformers' own processor, network and logits, image by image."""
    model = transformers.CLIPModel.from_pretrained(path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    pixels = _processor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})(
        to_pil(images), return_tensors="pt"
    )
    found = []
    for image, prompt in zip(pixels["pixel_values"], prompts, strict=True):
        with torch.no_grad():
            out = model(pixel_values=image[None], **tokenizer([prompt], return_tensors="pt"))
        found.append(float(out.logits_per_image) / math.exp(model.logit_scale.item()))
    return torch.tensor(found)


@pytest.mark.parametrize("batch", [1, 2, 32])
@pytest.mark.parametrize(("name", "scale"), [("clip-score", 100.0), ("pick-score", math.exp(2.6592)), ("hps", 1.0)])
def test_scores_are_the_cosines_of_transformers(clip, name, scale, batch):
    images = noise(height=32, width=32)
    found = load_reward(name, path=str(clip), batch=batch)(captioned(images, encode_prompts(PROMPTS)))
    torch.testing.assert_close(found, scale * cosines(clip, images, PROMPTS), rtol=1e-4, atol=scale * 1e-5)
    assert len(set(found.tolist())) == 3


def test_an_image_has_the_same_score_alone_and_the_prompt_is_of_its_row(clip):
    reward, images = load_reward("clip-score", path=str(clip)), noise()
    together = reward(images, PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        torch.testing.assert_close(reward(images[row : row + 1], prompt), together[row : row + 1], rtol=1e-5, atol=1e-4)
    crossed = reward(images, PROMPTS[1:] + PROMPTS[:1])
    assert float((crossed - together).abs()[:2].min()) > 1e-3
    with pytest.raises(ValueError, match=r"clip-score\(path=.*\) asks for prompts, and these images carry none"):
        reward(images)
    assert torch.equal(
        load_reward("clip-score", path=str(clip), prompts=PROMPTS[0])(images)[:1], reward(images, PROMPTS[0])[:1]
    )


def test_half_precision_is_near(clip):
    images = noise()
    near = load_reward("clip-score", path=str(clip), dtype="bfloat16")(images, PROMPTS)
    assert near.dtype == torch.float32
    torch.testing.assert_close(near, load_reward("clip-score", path=str(clip))(images, PROMPTS), rtol=0, atol=2.0)


@pytest.mark.slow
def test_rewards_made_in_python_are_told_apart_by_all_that_changes_their_answer(clip, other_clip, blip, tmp_path):
    home, model = other_clip
    files = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    for i, file in enumerate(files):
        save_file({name: one + i for name, one in open_clip_names(model).items()}, file)
    path, one, two = str(home), *map(str, files)
    made = [
        hps(path, weights=one), hps(path, weights=two), hps(path, weights=one, prompts="a cat"),
        hps(path, weights=one, dtype="bfloat16"), hps(path, weights=one, processor=str(clip)), hps(str(clip)),
        clip_score(str(clip)), pick_score(str(clip)), clip_score(str(clip), prompts="a cat"),
        pick_score(str(clip), dtype="bfloat16"),
    ]  # fmt: skip
    given = {"path": str(blip[0]), "weights": str(blip[0] / "ImageReward.pt")}
    made += [image_reward(**given), image_reward(**given, prompts="a cat"), image_reward(**given, dtype="bfloat16")]
    told = [reward_identity(reward) for reward in made]
    assert len(set(told)) == len(told)
    assert (
        reward_identity(load_reward("hps", path=path, weights=two, batch=4)) == told[1]
    )  # by name it is the same reward
    assert reward_identity(hps(path, weights=two, batch=2)) == told[1]


def open_clip_names(model):
    """The weights of a CLIP of transformers by the names of open_clip, written down as that library's modules have them."""
    state, made = model.state_dict(), {"logit_scale": model.logit_scale.detach()}

    def tower(ours, theirs, layers):
        for i in range(layers):
            here, there = f"{ours}.encoder.layers.{i}", f"{theirs}transformer.resblocks.{i}"
            for kind in ("weight", "bias"):
                parts = [state[f"{here}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                made[f"{there}.attn.in_proj_{kind}"] = torch.cat(parts)
                made[f"{there}.attn.out_proj.{kind}"] = state[f"{here}.self_attn.out_proj.{kind}"]
                made[f"{there}.ln_1.{kind}"] = state[f"{here}.layer_norm1.{kind}"]
                made[f"{there}.ln_2.{kind}"] = state[f"{here}.layer_norm2.{kind}"]
                made[f"{there}.mlp.c_fc.{kind}"] = state[f"{here}.mlp.fc1.{kind}"]
                made[f"{there}.mlp.c_proj.{kind}"] = state[f"{here}.mlp.fc2.{kind}"]

    tower("vision_model", "visual.", 2)
    tower("text_model", "", 2)
    for kind in ("weight", "bias"):
        made[f"visual.ln_pre.{kind}"] = state[f"vision_model.pre_layrnorm.{kind}"]
        made[f"visual.ln_post.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
        made[f"ln_final.{kind}"] = state[f"text_model.final_layer_norm.{kind}"]
    made["visual.class_embedding"] = state["vision_model.embeddings.class_embedding"]
    made["visual.positional_embedding"] = state["vision_model.embeddings.position_embedding.weight"]
    made["visual.conv1.weight"] = state["vision_model.embeddings.patch_embedding.weight"]
    made["visual.proj"] = state["visual_projection.weight"].T
    made["positional_embedding"] = state["text_model.embeddings.position_embedding.weight"]
    made["token_embedding.weight"] = state["text_model.embeddings.token_embedding.weight"]
    made["text_projection"] = state["text_projection.weight"].T
    return {name: tensor.clone().contiguous() for name, tensor in made.items()}


@pytest.fixture(scope="module")
def other_clip(clip, tmp_path_factory):
    """The same folder without weights, and a file of other weights by open_clip's names."""
    path = tmp_path_factory.mktemp("open")
    shutil.copytree(clip, path, dirs_exist_ok=True)
    (path / "model.safetensors").unlink()
    model = seeded(lambda: transformers.CLIPModel(transformers.CLIPConfig.from_pretrained(clip)))
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.linspace(-0.5, 0.5, parameter.numel()).sin().view(parameter.shape) * (1 + i % 3))
    return path, model


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_published_weights_of_hps_are_read_by_their_own_names(other_clip, tmp_path, kind):
    path, model = other_clip
    named = open_clip_names(model)
    file = tmp_path / f"HPS.{kind}"
    if kind == "pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": one for name, one in named.items()}}, file)
    else:
        save_file(named, file)
    mapped = from_open_clip(read_weights(str(file)))
    own = {name: one for name, one in model.state_dict().items() if not name.endswith("position_ids")}
    assert mapped.keys() == own.keys()
    assert all(torch.equal(mapped[name], own[name]) for name in own)
    folder = tmp_path / "whole"
    model.save_pretrained(folder)
    for name in path.iterdir():
        if name.name != "config.json":
            shutil.copy(name, folder)
    images = noise()
    found = load_reward("hps", path=str(path), weights=str(file))(images, PROMPTS)
    torch.testing.assert_close(found, load_reward("hps", path=str(folder))(images, PROMPTS))


def test_weights_that_do_not_fit_are_told(other_clip, tmp_path):
    path, model = other_clip
    named = open_clip_names(model)
    named["visual.proj"] = named["visual.proj"][:, :3].contiguous()
    save_file(named, tmp_path / "short.safetensors")
    with pytest.raises(
        ValueError, match=r"do not fit the model: 1 differ, such as visual_projection.weight, \(3, 24\) in the"
    ):
        load_reward("hps", path=str(path), weights=str(tmp_path / "short.safetensors"))


def head(widths=(8, 5, 3, 1), prefix="layers."):
    """Linear layers in the places that drop-out leaves, and what they come to: one affine map."""
    weights, matrix, offset = {}, torch.eye(widths[0]), torch.zeros(widths[0])
    places = [0, 2, 4, 6, 7]
    for place, (wide, narrow) in zip(places, pairwise(widths), strict=False):
        weights[f"{prefix}{place}.weight"] = torch.linspace(-1, 1, wide * narrow).view(narrow, wide)
        weights[f"{prefix}{place}.bias"] = torch.linspace(0, 1, narrow)
        matrix, offset = weights[f"{prefix}{place}.weight"] @ matrix, weights[f"{prefix}{place}.weight"] @ offset
        offset = offset + weights[f"{prefix}{place}.bias"]
    return weights, matrix[0], offset[0]


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_aesthetic_is_an_affine_map_of_the_unit_vector(clip, tmp_path, kind):
    weights, matrix, offset = head()
    file = tmp_path / f"head.{kind}"
    torch.save(weights, file) if kind == "pth" else save_file(weights, file)
    images = noise()
    found = load_reward("aesthetic", path=str(clip), head=str(file))(images)
    vectors = Clip(str(clip)).images(images)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(found, vectors @ matrix + offset)


def test_the_published_head_is_five_layers_whatever_their_names():
    weights, matrix, offset = head((768, 1024, 128, 64, 16, 1))
    x = torch.rand(2, 768, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(linear_head(weights, "file")(x)[:, 0], x @ matrix + offset, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (head((6, 3, 1))[0], "reads vectors of 6 numbers, but .* makes them of 8: give CLIP ViT-L/14"),
        (head((8, 3, 2))[0], "no stack of linear layers that ends in one number"),
        ({"layers.0.weight": torch.ones(5, 8), "layers.1.weight": torch.ones(1, 4)}, "no stack of linear layers"),
        ({"conv.0.weight": torch.ones(4, 3, 3, 3)}, "no stack of linear layers"),
        ({}, "no stack of linear layers"),
        ({"layers.0.weight": "text"}, "holds a dict, not named tensors"),
        ([1, 2], "holds a list, not named tensors"),
    ],
)
def test_heads_that_are_none_are_told(clip, tmp_path, weights, said):
    torch.save(weights, tmp_path / "head.pth")
    with pytest.raises(ValueError, match=said):
        load_reward("aesthetic", path=str(clip), head=str(tmp_path / "head.pth"))


class Boom:
    def __reduce__(self):
        return print, ("run",)


def test_a_file_of_weights_is_read_as_data(clip, tmp_path, capsys):
    torch.save(Boom(), tmp_path / "head.pth")
    (tmp_path / "torn.safetensors").write_bytes(b"123")
    for name in ("head.pth", "torn.safetensors"):
        with pytest.raises(ValueError, match="holds no weights that can be read without running code"):
            load_reward("aesthetic", path=str(clip), head=str(tmp_path / name))
    assert "run" not in capsys.readouterr().out
    with pytest.raises(
        ValueError, match=r"there is no file nowhere.pth; a file of a hub is given as owner/repository/file"
    ):
        load_reward("aesthetic", path=str(clip), head="nowhere.pth")


@pytest.mark.parametrize("name", ["aesthetic", "clip-score", "pick-score", "hps", "image-reward"])
def test_a_missing_path_is_one_sentence(name):
    with pytest.raises(ValueError, match=f"{name} cannot be made with no options: missing a required argument: 'path'"):
        load_reward(name)


def test_models_that_cannot_be_loaded_are_told(clip, tmp_path):
    with pytest.raises(ValueError, match=r"a CLIP model cannot be loaded from .*nowhere: "):
        load_reward("clip-score", path=str(tmp_path / "nowhere"))
    shutil.copytree(clip, tmp_path / "mute", ignore=shutil.ignore_patterns("token*", "vocab*", "merges*"))
    with pytest.raises(ValueError, match=r"the tokenizer of a CLIP model \(processor=\) cannot be loaded from .*mute"):
        load_reward("clip-score", path=str(tmp_path / "mute"))
    assert len(load_reward("clip-score", path=str(tmp_path / "mute"), processor=str(clip))(noise(), PROMPTS)) == 3
    transformers.BertConfig().save_pretrained(tmp_path / "bert")
    for reward in ("clip-score", "pick-score"):
        with pytest.raises(ValueError, match="is a model of the type 'bert', not 'clip'"):
            load_reward(reward, path=str(tmp_path / "bert"))
    with pytest.raises(ValueError, match="dtype is float32, float16 or bfloat16, got 'int8'"):
        load_reward("clip-score", path=str(clip), dtype="int8")
    with pytest.raises(ValueError, match="a batch has at least 1 image, got 0"):
        load_reward("clip-score", path=str(clip), batch=0)


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """A folder with the configuration and the tokenizer of a tiny BLIP, and a file laid out as ImageReward's is."""
    path = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "cat", "small", "ship"]
    (path / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)}, model_max_length=64)
    text = TEXT | {"vocab_size": len(words), "encoder_hidden_size": 24, "max_position_embeddings": 64}
    config = transformers.BlipConfig(text_config=text, vision_config=IMAGE | {"image_size": 64, "patch_size": 8})
    config.save_pretrained(path)
    tokenizer.save_pretrained(path)
    config.vision_config.image_size = 32  # the file's, which decides
    model = seeded(lambda: transformers.BlipForImageTextRetrieval(config)).eval()
    weights, matrix, offset = head((16, 5, 3, 1), "mlp.layers.")
    torch.save(image_reward_names(model) | weights, path / "ImageReward.pt")
    return path, model, tokenizer, matrix, offset


def image_reward_names(model):
    """The weights of a BLIP of transformers by the names in ImageReward's file: timm's for images, BERT's for text."""
    state, made = model.state_dict(), {}
    image = "vision_model.embeddings"
    made["visual_encoder.cls_token"] = state[f"{image}.class_embedding"]
    made["visual_encoder.pos_embed"] = state[f"{image}.position_embedding"]
    for kind in ("weight", "bias"):
        made[f"visual_encoder.patch_embed.proj.{kind}"] = state[f"{image}.patch_embedding.{kind}"]
        made[f"visual_encoder.norm.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
        for i in range(2):
            here, there = f"vision_model.encoder.layers.{i}", f"visual_encoder.blocks.{i}"
            made[f"{there}.norm1.{kind}"] = state[f"{here}.layer_norm1.{kind}"]
            made[f"{there}.norm2.{kind}"] = state[f"{here}.layer_norm2.{kind}"]
            made[f"{there}.attn.qkv.{kind}"] = state[f"{here}.self_attn.qkv.{kind}"]
            made[f"{there}.attn.proj.{kind}"] = state[f"{here}.self_attn.projection.{kind}"]
            made[f"{there}.mlp.fc1.{kind}"] = state[f"{here}.mlp.fc1.{kind}"]
            made[f"{there}.mlp.fc2.{kind}"] = state[f"{here}.mlp.fc2.{kind}"]
    made |= {name: one for name, one in state.items() if name.startswith("text_encoder.")}
    made["text_encoder.embeddings.position_ids"] = torch.arange(64)[None]
    return {f"blip.{name}": one.clone().contiguous() for name, one in made.items()}


@pytest.mark.parametrize("batch", [2, 16])
def test_image_reward_is_its_head_on_blips_first_state(blip, batch):
    path, model, tokenizer, matrix, offset = blip
    images = noise(height=32, width=32)
    reward = load_reward("image-reward", path=str(path), weights=str(path / "ImageReward.pt"), batch=batch)
    found = reward(captioned(images, encode_prompts(PROMPTS)))
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = (images - mean[:, None, None]) / std[:, None, None]
    for row, prompt in enumerate(PROMPTS):
        with torch.no_grad():
            out = model(pixel_values=pixels[row : row + 1], **tokenizer([prompt], return_tensors="pt"))
        expected = (float(out.question_embeds[0, 0] @ matrix + offset) - 0.16717362830052426) / 1.0333394966054072
        assert float(found[row]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_image_reward_tells_what_does_not_fit(blip, clip, tmp_path):
    path = blip[0]
    with pytest.raises(ValueError, match="is a model of the type 'clip', not 'blip'"):
        load_reward("image-reward", path=str(clip), weights=str(path / "ImageReward.pt"))
    torch.save({"mlp.layers.0.weight": torch.ones(1, 8)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"holds no weights of ImageReward: there is no blip.visual_encoder.pos_embed"):
        load_reward("image-reward", path=str(path), weights=str(tmp_path / "other.pt"))
    weights = torch.load(path / "ImageReward.pt", weights_only=True)
    del weights["blip.visual_encoder.norm.bias"]
    torch.save(weights, tmp_path / "part.pt")
    with pytest.raises(ValueError, match=r"1 differ, such as vision_model.post_layernorm.bias, not there in the file"):
        load_reward("image-reward", path=str(path), weights=str(tmp_path / "part.pt"))


def test_bytes_and_floats_give_one_score(clip):
    images, reward = noise(), load_reward("clip-score", path=str(clip))
    for kind in (to_pil(images), to_uint8(images).numpy(), numpy.moveaxis(images.numpy(), 1, -1)):
        torch.testing.assert_close(reward(kind, PROMPTS), reward(images, PROMPTS))
