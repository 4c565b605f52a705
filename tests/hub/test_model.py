"""What a HubModel saves comes back to the bit, and a save that fails leaves what was there."""

import copy
import errno
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from spoiling import change_config, change_weights, rename_weights, same_state, write_config
from torch import nn

import genart_hub
from genart_hub import files
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE


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


def test_bundled_lists_every_family_but_the_feature_networks():
    by_family = {family: genart_hub.bundled(family) for family in genart_hub.FAMILIES}
    assert genart_hub.FAMILIES == ("gan", "vae", "diffusion", "features")
    assert genart_hub.bundled() == sorted(set(genart_hub.list_models()) - set(by_family["features"]))
    assert "gan-mnist" in by_family["gan"]
    assert "vae-mnist" in by_family["vae"]
    assert "features-mnist" in by_family["features"]


def test_bundled_refuses_an_unknown_family():
    with pytest.raises(GenartError, match="gan, vae, diffusion, features"):
        genart_hub.bundled("flow")


def test_models_are_keyed_by_their_class_name():
    assert all(cls.__name__ == name for name, cls in genart_hub.MODELS.items())


def test_importing_the_package_imports_no_torch():
    import subprocess
    import sys

    code = "import genart_hub, sys; assert 'torch' not in sys.modules and 'gradio' not in sys.modules; dir(genart_hub)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


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
