"""Strict loading: nothing loads but what was saved, and a refusal is one line that names the place and the cure."""

import json
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from spoiling import change_config, change_weights, rename_weights, same_state, set_weights, write_argument, write_config, write_weights
from torch import nn

import genart_hub
from genart_hub import devices
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel, loading
from genart_hub.models.gan import GAN


def truncate_weights(folder):
    write_weights(folder, (folder / "model.safetensors").read_bytes()[:-100])


def put(value):
    """A number that is none, in the last place of a weight."""
    return partial(change_weights, change=lambda tensors: tensors["generator.0.weight"].view(-1)[-1:].fill_(value))


def name_a_tensor_twice(folder):
    content = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    twice = json.dumps(header)[:-1] + ', "generator.0.bias": ' + json.dumps(header["generator.0.bias"]) + "}"
    write_weights(folder, len(twice).to_bytes(8, "little") + twice.encode() + content[8 + length :])


class Evil:
    """Unpickling it writes a file."""

    def __reduce__(self):
        return Path("unpickled").touch, ()


BAD_FOLDERS = {
    "no config": (lambda f: (f / "config.json").unlink(), "no_config"),
    "config of another class": (partial(change_config, _class_name="VAE"), "wrong_class"),
    "config of no class": (partial(change_config, _class_name=None), "config_no_class"),
    "class name that is a list": (partial(change_config, _class_name=["GAN"]), "config_no_class"),
    "unknown argument": (partial(change_config, depth=3), "unknown_keys"),
    "unknown argument of a later version": (partial(change_config, depth=3, genart_hub_version="99.0.0"), "newer_version"),
    "unknown argument of an earlier version": (partial(change_config, depth=3, genart_hub_version="0.0.1"), "unknown_keys"),
    "unknown argument and a version that is none": (partial(change_config, depth=3, genart_hub_version=["9"] * 99), "*"),
    "argument named self": (partial(change_config, self=3), "unknown_keys"),
    "a billion latents": (partial(change_config, latent_dim=10**9), "too_many_bytes"),
    "a million pixels a side": (partial(change_config, image_size=10**6), "too_many_bytes"),
    "more latents than a machine can count": (partial(change_config, latent_dim=10**30), "config_refused"),
    "product of arguments that overflows": (partial(change_config, image_size=2**40, channels=2**40), "config_refused"),
    "negative latents": (partial(change_config, latent_dim=-1), "config_refused"),
    "text for a number": (partial(change_config, latent_dim="x"), "config_refused"),
    "list for a number": (partial(change_config, latent_dim=[4]), "config_refused"),
    "object for a number": (partial(change_config, latent_dim={"a": 1}), "config_refused"),
    "null for a number": (partial(change_config, latent_dim=None), "config_refused"),
    "NaN for a number": (partial(change_config, latent_dim=float("nan")), "config_refused"),
    "infinity for a number": (partial(change_config, latent_dim=float("inf")), "config_refused"),
    "JSON list": (partial(write_config, text="[1, 2]"), "bad_config"),
    "JSON null": (partial(write_config, text="null"), "bad_config"),
    "broken JSON": (partial(write_config, text='{"_class_name": '), "bad_config"),
    "empty config": (partial(write_config, text=""), "bad_config"),
    "config that is no text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "bad_config"),
    "number of ten thousand digits": (partial(write_argument, text="9" * 10_000), "bad_config"),
    "deep nesting": (partial(write_config, text="[" * 60_000), "bad_config"),
    "deep nesting within an argument": (partial(write_argument, text="[" * 30_000 + "]" * 30_000), "bad_config"),
    "huge config": (partial(write_config, text='{"_class_name": "GAN"}' + " " * 70_000), "config_too_large"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no_weights"),
    "only a pickle": (partial(rename_weights, name="pytorch_model.bin"), "pickle_only"),
    "truncated weights": (truncate_weights, "weights_unreadable"),
    "empty weights": (partial(write_weights, content=b""), "weights_unreadable"),
    "pickled weights": (lambda f: write_weights(f, pickle.dumps(Evil())), "weights_unreadable"),
    "weights that torch.save wrote": (lambda f: torch.save({"a": torch.ones(1)}, f / "model.safetensors"), "weights_unreadable"),
    "pointer of Git LFS": (partial(write_weights, content=b"version https://git-lfs.github.com/spec/v1\n"), "weights_unreadable"),
    "header longer than the file": (partial(write_weights, content=b"\xff" * 8 + b"{}"), "weights_unreadable"),
    "missing tensor": (partial(change_weights, change=lambda t: t.pop("generator.0.bias")), "weights_mismatch"),
    "tensor too many": (partial(set_weights, extra=torch.ones(1)), "weights_mismatch"),
    "tensor of another shape": (partial(set_weights, **{"generator.0.bias": torch.ones(127)}), "weights_mismatch"),
    "NaN among the weights": (put(float("nan")), "weights_not_finite"),
    "infinity among the weights": (put(float("inf")), "weights_not_finite"),
    "minus infinity among the weights": (put(float("-inf")), "weights_not_finite"),
    "tensor named twice": (name_a_tensor_twice, "weights_unreadable"),
    "weights of another model": (partial(change_config, latent_dim=5), "weights_mismatch"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "code"), BAD_FOLDERS.values(), ids=BAD_FOLDERS)
@pytest.mark.parametrize("load", [GAN.from_pretrained, genart_hub.from_pretrained], ids=["class", "general"])
def test_a_spoiled_folder_is_refused_in_one_line(folder, monkeypatch, tmp_path, spoil, code, load):
    monkeypatch.chdir(tmp_path)
    spoil(folder)
    with pytest.raises(GenartError) as error:
        load(folder)
    if code == "wrong_class" and load is genart_hub.from_pretrained:
        code = "unknown_keys" if "latent" in str(error.value) else "weights_mismatch"  # it loads as a VAE, whose tensors differ
    assert code in ("*", error.value.code)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("unknown argument of a later version", ["depth", "99.0.0", "pip install --upgrade"]),
        ("unknown argument", ["depth", "image_size, channels, latent_dim"]),
        ("config of another class", ["VAE", "GAN", "VAE.from_pretrained"]),
        ("negative latents", ["GAN: latent_dim must be at least 1, got -1"]),
        ("a billion latents", ["max_bytes"]),
        ("missing tensor", ["generator.0.bias is missing"]),
        ("tensor too many", ["extra is not of the model"]),
        ("tensor of another shape", ["generator.0.bias has shape (127,) where (128,) belongs"]),
        ("only a pickle", ["pytorch_model.bin", "pickle"]),
        ("pickled weights", ["pickle"]),
        ("empty weights", ["empty"]),
        ("pointer of Git LFS", ["git lfs pull"]),
        ("no weights", ["model.safetensors", "save_pretrained"]),
        ("NaN among the weights", ["generator.0.weight", "NaN"]),
        ("tensor named twice", ["names 'generator.0.bias' twice"]),
    ],
)
def test_a_refusal_names_the_place_and_the_cure(folder, spoil, words):
    BAD_FOLDERS[spoil][0](folder)
    with pytest.raises(GenartError) as error:
        GAN.from_pretrained(folder)
    assert [word for word in [*words, str(folder) if "latents" not in spoil else ""] if word not in str(error.value)] == []


class Masked(nn.Module, HubModel):
    """What lies above the diagonal of its buffer is minus infinity, as in a causal attention."""

    def __init__(self, size: int = 3):
        super().__init__()
        self.layer = nn.Linear(size, size)
        self.register_buffer("mask", torch.full((size, size), -torch.inf).triu(1))


def test_a_mask_of_infinities_loads_where_the_constructor_makes_the_same(tmp_path):
    model = Masked()
    folder = model.save_pretrained(tmp_path)
    before = torch.get_rng_state()
    assert same_state(model, Masked.from_pretrained(folder))
    assert torch.equal(torch.get_rng_state(), before)
    for spoil in (lambda mask: mask.neg_(), lambda mask: mask.T.contiguous(), lambda mask: mask.nan_to_num_(neginf=torch.nan)):
        change_weights(folder, lambda tensors, spoil=spoil: tensors.update(mask=spoil(model.mask.clone())))
        with pytest.raises(GenartError, match="mask holds numbers that are not finite"):
            Masked.from_pretrained(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_number_that_is_none_is_found_wherever_it_stands(dtype):
    x = torch.linspace(-1, 1, 1000).to(dtype)
    assert loading.is_finite(x)
    for k in (0, 500, 999):
        spoiled = x.clone()
        spoiled[k] = torch.nan
        assert not loading.is_finite(spoiled)
    assert loading.is_finite(torch.zeros(0))
    assert loading.is_finite(torch.ones(3, dtype=torch.int64))


def test_double_precision_that_float32_cannot_hold_is_not_loaded_as_infinity(folder):
    change_weights(folder, lambda tensors: tensors.update({"generator.0.bias": torch.full((128,), 1e300, dtype=torch.float64)}))
    with pytest.raises(GenartError, match=r"generator\.0\.bias"):
        GAN.from_pretrained(folder)
    assert GAN.from_pretrained(folder, dtype=torch.float64).generator[0].bias[0] == 1e300


def test_a_pickle_is_never_opened_even_beside_a_readable_name(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rename_weights(folder, "gone")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(GenartError):
        GAN.from_pretrained(folder)
    assert not (tmp_path / "unpickled").exists()


def test_max_bytes_bounds_what_is_loaded(folder):
    size = sum(p.numel() * p.itemsize for p in GAN.from_pretrained(folder).state_dict().values())
    GAN.from_pretrained(folder, max_bytes=size)
    with pytest.raises(GenartError, match=f"{size:,} bytes") as error:
        GAN.from_pretrained(folder, max_bytes=size - 1)
    assert error.value.code == "too_many_bytes"


@pytest.mark.parametrize("name", ["no-such-model", "", "a b", "./nowhere", "~/nowhere-at-all", "a/b/c", "a\0b", "../..\\x", None, 7])
def test_a_name_that_is_no_model_lists_what_was_tried(name):
    with pytest.raises(GenartError, match="bundled model") as error:
        genart_hub.from_pretrained(name)
    assert error.value.code == "model_not_found"


def test_a_device_that_is_not_here_is_refused_with_those_that_are(folder):
    with pytest.raises(GenartError, match="auto, cpu") as error:
        GAN.from_pretrained(folder, device="abacus")
    assert error.value.code == "bad_device"


def test_the_device_is_that_of_the_environment_unless_named(monkeypatch):
    monkeypatch.setenv("GENART_DEVICE", "abacus")
    assert devices.pick_device("cpu") == torch.device("cpu")
    with pytest.raises(GenartError, match="abacus"):
        devices.pick_device()
    monkeypatch.delenv("GENART_DEVICE")
    assert devices.pick_device() == torch.device("cpu")


@pytest.mark.parametrize("wrong", [torch.int64, torch.bool, torch.complex64])
def test_a_weight_of_another_kind_of_number_is_refused(gan, folder, wrong):
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"generator.0.bias": tensors["generator.0.bias"].to(wrong)}, folder / "model.safetensors")
    with pytest.raises(GenartError, match="floating point belongs") as caught:
        genart_hub.from_pretrained(folder)
    assert caught.value.code == "weights_mismatch"


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("a" * 300, {}, "model_not_found"),
        ("a" * 300 + "/b", {}, "model_not_found"),
        ("~nosuchuser/x", {}, "model_not_found"),
        ("gan-mnist", {"device": "cpu:x"}, "bad_device"),
        ("gan-mnist", {"dtype": "float16"}, "not_choice"),
        ("gan-mnist", {"dtype": torch.int8}, "not_choice"),
        ("gan-mnist", {"max_bytes": "1GB"}, "not_whole"),
    ],
)
def test_an_argument_that_cannot_be_is_told(name, options, code):
    with pytest.raises(GenartError) as caught:
        genart_hub.from_pretrained(name, **options)
    assert caught.value.code == code
