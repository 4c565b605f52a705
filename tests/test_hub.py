"""Saving and strict loading: what was saved comes back to the bit, and nothing else loads."""

import copy
import errno
import json
import os
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import genart_hub
from genart_hub import files, hub
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE


@pytest.fixture
def folder(gan, tmp_path):
    return gan.save_pretrained(tmp_path / "model")


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def write_config(folder, text):
    (folder / "config.json").write_text(text)


def write_argument(folder, text):
    write_config(folder, '{"_class_name": "GAN", "latent_dim": ' + text + "}")


def set_weights(folder, **tensors):
    change_weights(folder, lambda saved: saved.update(tensors))


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def write_weights(folder, content):
    (folder / "model.safetensors").write_bytes(content)


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


def rename_weights(folder, name):
    (folder / "model.safetensors").rename(folder / name)


def same_state(a, b):
    a, b = a.state_dict(), b.state_dict()
    return list(a) == list(b) and all(a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a)


class Evil:
    """Unpickling it writes a file."""

    def __reduce__(self):
        return Path("unpickled").touch, ()


class Own(nn.Module, HubModel):
    """A class of a user's own: a tied weight, a buffer that is not saved, a plain tensor, and spectral normalisation."""

    def __init__(self, size: int = 4, shape: tuple[int, ...] = (2, 2), name: str | None = None):
        super().__init__()
        self.embedding = nn.Embedding(5, size)
        self.head = nn.Linear(size, 5, bias=False)
        self.head.weight = self.embedding.weight
        self.layer = nn.utils.parametrizations.spectral_norm(nn.Linear(size, size))
        self.norm = nn.BatchNorm1d(size)
        self.register_buffer("scale", torch.arange(size) / 2, persistent=False)
        self.table = torch.linspace(0, 1, size)
        self.shape = shape


# ---- what was saved comes back ----


def test_a_saved_model_comes_back_to_the_bit_in_eval_mode(gan, folder):
    loaded = GAN.from_pretrained(folder)
    assert same_state(gan, loaded)
    assert loaded.config == gan.config
    assert not any(module.training for module in loaded.modules())
    assert torch.equal(loaded.sample(3, 7), gan.sample(3, 7))


@pytest.mark.parametrize("to_name", [str, Path])
def test_any_model_of_the_package_loads_by_its_folder_alone(vae, tmp_path, to_name):
    loaded = genart_hub.from_pretrained(to_name(vae.save_pretrained(tmp_path / "made" / "here")))
    assert type(loaded) is VAE
    assert same_state(vae, loaded)
    assert list(loaded.config["hidden_dims"]) == [16]


def test_the_config_is_the_class_the_version_and_the_arguments_with_their_defaults(tmp_path):
    folder = GAN(8, latent_dim=4).save_pretrained(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    version = genart_hub.__version__
    assert config == {"_class_name": "GAN", "genart_hub_version": version, "image_size": 8, "channels": 1, "latent_dim": 4}


def test_the_weight_file_says_its_format_and_version(folder):
    with safe_open(folder / "model.safetensors", framework="pt") as saved:
        assert saved.metadata() == {"format": "pt", "genart_hub_version": genart_hub.__version__}


def test_a_model_names_its_weights_by_folder_name_and_sha256(folder):
    import hashlib

    source = genart_hub.from_pretrained(folder).source
    assert (source.name, source.revision) == ("model", None)
    assert source.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_missing_argument_takes_the_constructors_default(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["channels"]
    write_config(folder, json.dumps(config))
    assert GAN.from_pretrained(folder).channels == 1


def test_half_precision_on_disk_loads_as_float32(gan, folder):
    change_weights(folder, lambda t: t.update({key: v.half() for key, v in t.items() if v.is_floating_point()}))
    loaded = GAN.from_pretrained(folder)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.generator[0].weight, gan.generator[0].weight.half().float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_dtype_that_was_asked_for_is_given_and_counters_stay_whole(gan, folder, dtype):
    loaded = GAN.from_pretrained(folder, dtype=dtype)
    assert {p.dtype for p in loaded.parameters()} == {dtype}
    assert loaded.generator[3].num_batches_tracked.dtype == torch.int64
    torch.testing.assert_close(loaded.generator[0].weight, gan.generator[0].weight.to(dtype))


def test_a_subfolder_and_a_variant_are_found(gan, tmp_path):
    gan.save_pretrained(tmp_path / "repo" / "inner")
    rename_weights(tmp_path / "repo" / "inner", "model.fp16.safetensors")
    assert same_state(gan, genart_hub.from_pretrained(tmp_path / "repo", subfolder="inner", variant="fp16"))


@pytest.fixture
def own(tmp_path):
    torch.manual_seed(0)
    model = Own(3, (1, 2, 3), "mine")
    model.layer(torch.ones(1, 3))
    return model, model.save_pretrained(tmp_path / "own")


def test_a_class_of_ones_own_comes_back_without_registration(own):
    model, folder = own
    loaded = Own.from_pretrained(folder)
    assert same_state(model, loaded)
    assert (loaded.shape, loaded.config) == ((1, 2, 3), model.config)
    torch.testing.assert_close(loaded.layer(torch.ones(1, 3)), model.eval().layer(torch.ones(1, 3)))


def test_a_tied_weight_is_saved_once_and_tied_again(own):
    _, folder = own
    assert "embedding.weight" in load_file(folder / "model.safetensors")
    assert "head.weight" not in load_file(folder / "model.safetensors")
    loaded = Own.from_pretrained(folder)
    assert loaded.head.weight is loaded.embedding.weight


def test_tensors_that_no_file_holds_are_computed_again(own):
    loaded = Own.from_pretrained(own[1])
    assert loaded.scale.tolist() == [0.0, 0.5, 1.0]
    assert loaded.table.tolist() == [0.0, 0.5, 1.0]


def test_the_general_loader_says_how_a_class_of_ones_own_is_loaded(own):
    with pytest.raises(GenartError, match=r"Own\.from_pretrained") as error:
        genart_hub.from_pretrained(own[1])
    assert error.value.code == "unknown_class"


def test_views_of_one_storage_are_saved_as_they_are(tmp_path):
    class Views(nn.Module, HubModel):
        def __init__(self):
            super().__init__()
            both = torch.arange(6.0)
            self.register_buffer("left", both[:3])
            self.register_buffer("right", both[3:])

    loaded = Views.from_pretrained(Views().save_pretrained(tmp_path))
    assert (loaded.left.tolist(), loaded.right.tolist()) == ([0, 1, 2], [3, 4, 5])


class Rest(nn.Module, HubModel):
    """Whatever it is called with, by place and by name."""

    def __init__(self, size: int = 2, *widths: int, last: int = 1, **others):
        super().__init__()
        self.called = size, widths, last, others
        self.layers = nn.ModuleList(nn.Linear(size, width) for width in (*widths, last))


class First(nn.Module, HubModel):
    def __init__(self, size: int, /, **others):
        super().__init__()
        self.called = size, others


@pytest.mark.parametrize(
    "make",
    [
        Rest,
        lambda: Rest(3, 4, 5, last=2, name="mine", depth=7, nested={"a": [1, None]}),
        lambda: Rest(last=3, others=5, args=[1]),
        lambda: Rest(2, kwargs={"a": 1}),
        lambda: First(3),
        lambda: First(3, others={"others": 1}, name="x"),
    ],
)
def test_arguments_by_place_and_of_any_name_come_back(tmp_path, make):
    model = make()
    loaded = type(model).from_pretrained(model.save_pretrained(tmp_path))
    assert loaded.called == model.called
    assert same_state(model, loaded)
    assert type(model).from_pretrained(loaded.save_pretrained(tmp_path / "again")).called == model.called


def test_arguments_of_any_name_stand_among_the_others_in_the_config(tmp_path):
    folder = Rest(3, 4, 5, name="mine").save_pretrained(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    assert {key: value for key, value in config.items() if key not in ("_class_name", "genart_hub_version")} == {
        "size": 3,
        "widths": [4, 5],
        "last": 1,
        "name": "mine",
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (lambda: Rest(_class_name="Other"), "_class_name"),
        (lambda: Rest(genart_hub_version="1"), "genart_hub_version"),
        (lambda: Rest(widths=[3]), "widths"),
        (lambda: First(1, size=2), "size"),
    ],
)
def test_an_argument_whose_name_means_something_else_in_the_config_is_not_saved(tmp_path, model, name):
    with pytest.raises(GenartError, match=f"the argument {name} cannot be saved under its name") as error:
        model().save_pretrained(tmp_path / "own")
    assert error.value.code == "config_clash"
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize("changes", [{"widths": 3}, {"widths": "ab"}, {"widths": None}, {"widths": [[1]]}, {"self": 1}, {"size": [2]}])
def test_arguments_by_place_that_are_no_list_are_refused(tmp_path, changes):
    folder = Rest(2, 3).save_pretrained(tmp_path)
    change_config(folder, **changes)
    with pytest.raises(GenartError) as error:
        Rest.from_pretrained(folder)
    assert error.value.code == ("unknown_keys" if "self" in changes else "config_refused")


def test_a_hub_model_must_be_a_module():
    with pytest.raises(TypeError, match=r"class Loose\(nn.Module, HubModel\)"):
        type("Loose", (HubModel,), {})


@pytest.mark.parametrize("which", ["gan", "own"])
def test_loading_draws_no_random_number(which, folder, own):
    before = torch.get_rng_state()
    GAN.from_pretrained(folder) if which == "gan" else Own.from_pretrained(own[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_saving_and_loading_print_nothing(gan, tmp_path, capfd):
    GAN.from_pretrained(gan.save_pretrained(tmp_path))
    assert capfd.readouterr() == ("", "")


def test_a_loaded_model_can_be_copied_trained_and_saved_again(folder, tmp_path):
    loaded = copy.deepcopy(GAN.from_pretrained(folder))
    loaded.discriminate(loaded.generate(torch.ones(2, 4))).sum().backward()
    torch.optim.SGD(loaded.parameters(), lr=1.0).step()
    again = GAN.from_pretrained(loaded.save_pretrained(tmp_path / "again"))
    assert same_state(loaded, again)
    assert not torch.equal(again.generator[0].weight, GAN.from_pretrained(folder).generator[0].weight)


# ---- what is refused ----

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
    assert hub.is_finite(x)
    for k in (0, 500, 999):
        spoiled = x.clone()
        spoiled[k] = torch.nan
        assert not hub.is_finite(spoiled)
    assert hub.is_finite(torch.zeros(0))
    assert hub.is_finite(torch.ones(3, dtype=torch.int64))


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
    assert hub.pick_device("cpu") == torch.device("cpu")
    with pytest.raises(GenartError, match="abacus"):
        hub.pick_device()
    monkeypatch.delenv("GENART_DEVICE")
    assert hub.pick_device() == torch.device("cpu")


# ---- saving that fails ----


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, torch.ones(1), {1: "a"}, [{"a": {None: 1}}]])
def test_an_argument_that_is_no_json_value_is_not_saved(tmp_path, value):
    with pytest.raises(GenartError, match="Own: the argument name") as error:
        Own(name=value).save_pretrained(tmp_path / "own")
    assert error.value.code == "config_not_json"
    assert not (tmp_path / "own").exists()


def test_a_config_that_could_not_be_read_again_is_not_saved(tmp_path):
    with pytest.raises(GenartError, match="65,536") as error:
        Own(name="a" * 70_000).save_pretrained(tmp_path / "own")
    assert error.value.code == "config_too_large"
    assert not (tmp_path / "own").exists()


def test_the_next_save_removes_what_a_killed_one_left(gan, folder):
    left = folder / ".genart-model-abcdefgh"
    left.mkdir()
    (left / "model.safetensors").write_text("half")
    before = sorted(os.listdir(folder))
    gan.save_pretrained(folder)
    assert sorted(os.listdir(folder)) == [name for name in before if name != left.name]


def test_a_write_that_fails_leaves_the_old_files_and_nothing_else(gan, folder, monkeypatch):
    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(GenartError, match="No space left on device") as error:
        gan.save_pretrained(folder)
    assert error.value.code == "cannot_write"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_write_that_the_system_cuts_is_told_in_a_sentence(gan, folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(GenartError) as error:
            gan.save_pretrained(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.code == "cannot_write"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_that_is_a_file_cannot_be_written(gan, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GenartError) as error:
        gan.save_pretrained(tmp_path / "taken")
    assert error.value.code == "cannot_write"


# ---- what is in the package ----


def test_bundled_lists_every_family_but_the_feature_networks():
    by_family = {family: genart_hub.bundled(family) for family in genart_hub.FAMILIES}
    assert genart_hub.FAMILIES == ("gan", "vae", "diffusion", "features")
    assert genart_hub.bundled() == sorted(by_family["gan"] + by_family["vae"] + by_family["diffusion"])
    assert "gan-mnist" in by_family["gan"]
    assert "vae-mnist" in by_family["vae"]
    assert "features-mnist" in by_family["features"]


def test_bundled_refuses_an_unknown_family():
    with pytest.raises(GenartError, match="gan, vae, diffusion, features"):
        genart_hub.bundled("flow")


def test_models_are_keyed_by_their_class_name():
    assert all(cls.__name__ == name for name, cls in genart_hub.MODELS.items())
    assert {cls.family for cls in genart_hub.MODELS.values()} <= set(genart_hub.FAMILIES)


def test_importing_the_package_imports_no_torch():
    import subprocess
    import sys

    code = "import genart_hub, sys; assert 'torch' not in sys.modules and 'gradio' not in sys.modules; dir(genart_hub)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


class WithConfig(nn.Module, HubModel):
    def __init__(self, size: int = 3):
        super().__init__()
        self.config = {"something": "else"}
        self.layer = nn.Linear(size, 1)


def test_a_class_may_have_a_config_of_its_own(tmp_path):
    WithConfig(5).save_pretrained(tmp_path)
    again = WithConfig.from_pretrained(tmp_path)
    assert again.layer.in_features == 5
    assert again.config == {"something": "else"}


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


def test_a_model_in_half_precision_takes_its_own_latents_and_pictures():
    gan = genart_hub.from_pretrained("gan-mnist", dtype=torch.bfloat16)
    vae = genart_hub.from_pretrained("vae-mnist", dtype=torch.bfloat16)
    assert gan.generate(gan.latents(2)).dtype == torch.bfloat16
    assert gan.discriminate(gan.sample(2)).shape == (2,)
    assert vae.reconstruct(gan.sample(2)).shape == (2, 1, 28, 28)


def test_a_recipe_names_no_weights_that_did_not_make_the_picture(folder):
    model = genart_hub.from_pretrained(folder)
    assert model.recipe(0)["weights_sha256"] == model.source.sha256
    model.sample(2)
    assert model.recipe(0)["weights_sha256"] == model.source.sha256
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    assert model.recipe(0)["weights_sha256"] is None


def shift(weight):
    weight.data += 1  # as LoRA is melted in: no counter of torch's sees it


def replace_data(weight):
    weight.data = weight.data + 1


@pytest.mark.parametrize("change", [shift, replace_data, lambda weight: torch.nn.init.normal_(weight), lambda weight: weight.data.zero_()])
def test_however_a_weight_was_changed_the_recipe_names_none(folder, change):
    model = genart_hub.from_pretrained(folder)
    change(model.generator[0].weight)
    assert model.recipe(0)["model"] == "GAN"
    assert model.recipe(0)["weights_sha256"] is None


def test_what_does_not_change_the_pictures_leaves_the_recipe_as_it_is(folder):
    model = genart_hub.from_pretrained(folder)
    model.requires_grad_(False).train().eval()
    model.sample(2, seed=3)
    assert model.recipe(0)["weights_sha256"] == model.source.sha256
