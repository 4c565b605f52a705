"""`train`: what keeps a run from beginning or from going on is told in a sentence, and what is there is not lost."""

import copy
import importlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from run_folders import lines_of, same, states
from safetensors.torch import load_file

import genart_hub
from genart_hub import data
from genart_hub.errors import GenartError
from genart_hub.files import only_one
from genart_hub.train import GANSettings, Run, VAESettings, pick_settings, train


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("latent_dim \\(3, now 5\\)", {"arguments": {"latent_dim": 5, "hidden_dims": [16]}}),
        ("lr \\(0.001, now 0.002\\)", {"settings": VAESettings(epochs=3, batch_size=4, lr=2e-3, ema=0.9, schedule="linear")}),
        ("seed", {"seed": 6}),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(parquet, tmp_path, what, change, train_tiny):
    train_tiny("VAE", parquet, tmp_path / "run")
    with pytest.raises(GenartError, match=f"another {what}") as error:
        train_tiny("VAE", parquet, tmp_path / "run", resume=True, **change)
    assert error.value.code == "other_run"


def test_a_run_is_not_resumed_on_other_data(parquet, picture_folder, tmp_path, train_tiny):
    settings = VAESettings(epochs=1, batch_size=4, lr=1e-3)
    train_tiny("VAE", parquet, tmp_path / "run", settings)
    with pytest.raises(GenartError, match="another data"):
        train_tiny("VAE", picture_folder, tmp_path / "run", settings, resume=True)


def test_a_run_is_not_resumed_as_another_model(parquet, tmp_path, train_tiny):
    settings = VAESettings(epochs=1, batch_size=4, lr=1e-3)
    train_tiny("VAE", parquet, tmp_path / "run", settings)
    with pytest.raises(GenartError, match="another model"):
        train_tiny("GAN", parquet, tmp_path / "run", resume=True)


def test_a_run_of_a_version_whose_settings_had_fewer_fields_goes_on(parquet, tmp_path, train_tiny):
    run = train_tiny("VAE", parquet, tmp_path / "run")
    older = copy.deepcopy(run.description)
    del older["recipe"]["binarised"], older["recipe"]["class_weights"]
    run.description = older
    run.save()
    assert train_tiny("VAE", parquet, tmp_path / "run", resume=True).step == 9


GOLDEN = Path(__file__).parent / "golden"  # runs that version 0.3.0 began and cut after 5 of 9 steps, and the weights of the uncut ones
BEGUN = {
    "DCGAN": (
        GANSettings(
            epochs=3, batch_size=4, lr=1e-3, betas=(0.5, 0.99), ema=0.9, schedule="linear", objective="relativistic", r1=0.1, r1_every=2,
            augment=("translation",),
        ),
        {"latent_dim": 2, "width": 1},
    ),
    "VAE": (
        VAESettings(epochs=3, batch_size=4, lr=1e-3, ema=0.9, schedule="cosine", warmup=0.1, beta=2.0),
        {"latent_dim": 2, "hidden_dims": [4]},
    ),
}  # fmt: skip


@pytest.mark.budget
@pytest.mark.parametrize("name", BEGUN)
def test_a_run_that_an_older_version_began_goes_on_where_it_was(name, tmp_path, train_tiny, capsys):
    (tmp_path / "pictures").mkdir()
    for k in range(12):
        levels = bytes((k * 37 + 11 * row * column + 3 * row) % 256 for row in range(8) for column in range(8))
        Image.frombytes("L", (8, 8), levels).save(tmp_path / "pictures" / f"{k:02}.png")
    shutil.copytree(GOLDEN / name, tmp_path / "run")
    run = train_tiny(name, tmp_path / "pictures", tmp_path / "run", *BEGUN[name], size=8, conditional=False, resume=True)
    assert run.step == 9
    assert [line["step"] for line in lines_of(tmp_path / "run") if "diagnosis" not in line and "spread" not in line] == list(range(1, 10))
    resumed, uncut = (load_file(tmp_path / "run" / f"{file}.safetensors") for file in ("model", "uncut"))
    for key, value in uncut.items():
        torch.testing.assert_close(resumed[key], value, rtol=1e-4, atol=1e-6)
    other = {"VAE": "objective, r1", "DCGAN": "beta, binarised"}[name]
    assert f"its settings {other}" in capsys.readouterr().err


def test_a_setting_that_only_another_version_knows_keeps_a_run_from_going_on(parquet, tmp_path, train_tiny):
    run = train_tiny("VAE", parquet, tmp_path / "run")
    run.description["recipe"]["gamma"] = 2.0
    run.save()
    with pytest.raises(GenartError, match="another gamma .2.0, now None."):
        train_tiny("VAE", parquet, tmp_path / "run", resume=True)


def test_settings_of_another_family_do_not_train_a_model(parquet, tmp_path, train_tiny, runs):
    with pytest.raises(GenartError, match="A VAE is trained by VAESettings, not by GANSettings. Make them with .*'vae'"):
        train_tiny("VAE", parquet, tmp_path / "run", runs["GAN"][0])


def test_a_run_without_settings_takes_the_preset_of_its_class(parquet, tmp_path):
    with pytest.raises(GenartError, match="12, fewer than 64"):  # of "convolutional"; "default" has 128
        train("ConvVAE", parquet, tmp_path / "run", size=8, progress=False)


def test_a_folder_that_holds_a_run_is_not_overwritten_and_an_empty_one_not_resumed(parquet, tmp_path, train_tiny):
    train_tiny("VAE", parquet, tmp_path / "run")
    before = states(tmp_path / "run")
    for out, resume, code in ((tmp_path / "run", False, "run_exists"), (tmp_path / "none", True, "no_checkpoint")):
        with pytest.raises(GenartError) as error:
            train_tiny("VAE", parquet, out, resume=resume)
        assert error.value.code == code
    assert same(states(tmp_path / "run"), before)


def test_a_second_training_into_the_same_folder_is_refused_while_the_first_lives(parquet, tmp_path, train_tiny):
    train_tiny("VAE", parquet, tmp_path / "run", VAESettings(epochs=1, batch_size=4, lr=1e-3))
    with only_one(tmp_path / "run"):
        for resume in (True, False):
            with pytest.raises(GenartError, match="Another process trains into|holds a run"):
                train_tiny("VAE", parquet, tmp_path / "run", VAESettings(epochs=2, batch_size=4, lr=1e-3), resume=resume)
    assert train_tiny("VAE", parquet, tmp_path / "run", VAESettings(epochs=2, batch_size=4, lr=1e-3), resume=True).step == 6


def test_a_training_holds_its_folder_while_it_lives(parquet, tmp_path, train_tiny, monkeypatch):
    training, codes = importlib.import_module("genart_hub.train.launch"), []

    def second(*arguments, **options):
        with pytest.raises(GenartError) as error:
            train_tiny("VAE", parquet, tmp_path / "run")
        codes.append(error.value.code)
        return iter(())

    monkeypatch.setattr(training, "fit_steps", second)
    train_tiny("VAE", parquet, tmp_path / "run")
    assert codes == ["run_in_use"]
    assert not (tmp_path / "run").exists()


def test_a_run_that_goes_on_sets_aside_what_was_measured_before_and_says_so(parquet, tmp_path, train_tiny, capsys):
    once, twice = (VAESettings(epochs=count, batch_size=4, lr=1e-3) for count in (1, 2))
    train_tiny("VAE", parquet, tmp_path / "run", once)
    for folder in (tmp_path / "run", tmp_path / "run" / "best"):
        (folder / "evaluation.json").write_text("{}")
    train_tiny("VAE", parquet, tmp_path / "run", once, resume=True)  # nothing is left to do
    assert (tmp_path / "run" / "evaluation.json").is_file()
    train_tiny("VAE", parquet, tmp_path / "run", twice, resume=True)
    for folder in (tmp_path / "run", tmp_path / "run" / "best"):
        assert not (folder / "evaluation.json").exists()
        assert (folder / "evaluation.1.json").read_text() == "{}"
    assert capsys.readouterr().err.count("measured the weights of before; it is evaluation.1.json now") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "told"),
    [
        ("GAN", 8, "Pictures of 8 x 8 px: the size of the first one."),
        ("GAN", 100, "Pictures of 64 x 64 px: the first one has 100, and 64 is the largest that is taken unasked."),
        ("ConvVAE", 40, "Pictures of 64 x 64 px: the first one has 40, and 64 is the smallest of a ConvVAE (32, 64) that loses nothing."),
    ],
)
def test_the_size_that_was_chosen_is_said_with_its_reason(name, side, told, tmp_path, train_tiny, capsys):
    (tmp_path / "pictures").mkdir()
    for k in range(4):
        Image.effect_noise((side, side), 90).save(tmp_path / "pictures" / f"{k}.png")
    settings = pick_settings(genart_hub.MODELS[name].family, epochs=1, batch_size=4)
    train_tiny(name, tmp_path / "pictures", tmp_path / "run", settings, size=None, progress=True)
    assert f"{told} Another size with --size.\n" in capsys.readouterr().err


def test_a_model_that_is_no_run_is_not_overwritten(parquet, tmp_path, train_tiny, vae):
    vae.save_pretrained(tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    with pytest.raises(GenartError, match="holds a run or a model"):
        train_tiny("VAE", parquet, tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


def test_a_run_that_held_pictures_out_does_not_go_on_with_them(styles, tmp_path, train_tiny):
    train_tiny("Classifier", styles, tmp_path / "run", label="name", hold_out="style")
    with pytest.raises(GenartError, match="another hold_out") as error:
        train_tiny("Classifier", styles, tmp_path / "run", label="name", resume=True)
    assert error.value.code == "other_run"


def test_a_run_does_not_go_on_with_fewer_epochs_than_it_has_done(parquet, tmp_path, train_tiny, runs):
    train_tiny("VAE", parquet, tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()}
    with pytest.raises(GenartError, match="has done 9 steps already, more than the 3 of 1 epochs") as error:
        train_tiny("VAE", parquet, tmp_path / "run", replace(runs["VAE"][0], epochs=1), resume=True)
    assert error.value.code == "fewer_epochs"
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()}


def test_a_run_has_a_checkpoint_from_its_first_look_on(parquet, tmp_path, train_tiny, monkeypatch):
    save, saved = Run.save, []
    monkeypatch.setattr(Run, "save", lambda run: saved.append((run.step, run.best["step"])) or save(run))
    train_tiny("VAE", parquet, tmp_path / "run")
    assert [step for step, _ in saved] == list(range(1, 10))
    assert all(best <= step for step, best in saved)


def test_weights_of_classes_that_are_balanced_are_relative_to_an_equal_share(runs):
    training, labels = importlib.import_module("genart_hub.train.launch"), torch.tensor([0, 0, 0, 0, 1, 1, 2])
    pictures = data.Pictures(torch.zeros(7, 1, 8, 8, dtype=torch.uint8), labels, Path("pictures"), ("a", "b", "c"))
    settings = replace(runs["VAE"][0], balance=True, class_weights={"a": 5.0})
    assert (training._class_weights(settings, pictures, None) * labels.bincount()).tolist() == pytest.approx([5.0, 1.0, 1.0])
    rows = torch.tensor([0, 1, 4, 6])
    assert (training._class_weights(settings, pictures, rows) * labels[rows].bincount()).tolist() == pytest.approx([5.0, 1.0, 1.0])


def test_a_damaged_checkpoint_is_told_in_a_sentence(parquet, tmp_path, train_tiny):
    train_tiny("VAE", parquet, tmp_path / "run")
    file = tmp_path / "run" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(GenartError) as error:
        train_tiny("VAE", parquet, tmp_path / "run", resume=True)
    assert error.value.code == "weights_unreadable"


def test_an_argument_that_the_model_does_not_have_is_refused_by_name(parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match="it has no depth, but image_size, channels, latent_dim"):
        train_tiny("GAN", parquet, tmp_path / "run", arguments={"depth": 3})


@pytest.mark.parametrize(
    ("name", "change", "code", "words"),
    [
        ("GAN", {"batch_size": 13}, "few_pictures", "12, fewer than 13"),
        ("VAE", {"class_weights": {"9": 2.0}}, "not_choice", "class_weights must be one of"),
    ],
)
def test_a_recipe_that_the_data_cannot_serve_is_refused(name, change, code, words, parquet, tmp_path, train_tiny, runs):
    with pytest.raises(GenartError, match=words) as error:
        train_tiny(name, parquet, tmp_path / "run", replace(runs[name][0], **change))
    assert error.value.code == code
    assert not (tmp_path / "run").exists()


def test_one_picture_is_too_few(tmp_path, train_tiny):
    (tmp_path / "pictures").mkdir()
    Image.effect_noise((8, 8), 90).save(tmp_path / "pictures" / "only.png")
    with pytest.raises(GenartError, match="1, fewer than 4"):
        train_tiny("VAE", tmp_path / "pictures", tmp_path / "run")


def test_a_learning_rate_far_too_large_diverges_in_a_sentence(parquet, tmp_path, train_tiny, runs):
    with pytest.raises(GenartError, match="Lower the learning rate") as error:
        train_tiny("VAE", parquet, tmp_path / "run", replace(runs["VAE"][0], lr=1e6))
    assert error.value.code == "diverged"
    kept = load_file(tmp_path / "run" / "model.safetensors")  # of the looks before
    assert all(value.isfinite().all() for value in kept.values())


@pytest.mark.parametrize(("size", "near"), [(50, 64), (40, 32)])
def test_a_size_that_a_dcgan_cannot_have_is_refused_with_the_nearest(size, near, parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match=f"--size {near}") as error:
        train_tiny("DCGAN", parquet, tmp_path / "run", size=size)
    assert error.value.code == "not_power_of_two"


def test_pictures_become_the_smallest_size_of_the_model_that_loses_nothing(parquet, tmp_path, train_tiny, runs):
    run = train_tiny("ConvVAE", parquet, tmp_path / "run", replace(runs["ConvVAE"][0], epochs=1), size=None)
    assert run.model.image_size == 32


def test_a_class_without_pictures_is_refused_by_name(picture_folder, tmp_path, train_tiny):
    (picture_folder / "owl").mkdir()
    with pytest.raises(GenartError, match="owl") as error:
        train_tiny("Classifier", picture_folder, tmp_path / "run")
    assert error.value.code == "empty_class"


def test_pictures_without_classes_cannot_train_a_classifier_or_a_conditional_model(tmp_path, train_tiny):
    (tmp_path / "pictures").mkdir()
    for k in range(6):
        Image.effect_noise((8, 8), 90).save(tmp_path / "pictures" / f"{k}.png")
    for name in ("Classifier", "DCGAN"):
        with pytest.raises(GenartError) as error:
            train_tiny(name, tmp_path / "pictures", tmp_path / name)
        assert error.value.code == "no_labels"


def test_a_model_that_takes_no_classes_is_not_trained_with_them(parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match="takes no classes; leave --conditional out"):
        train_tiny("VAE", parquet, tmp_path / "run", conditional=True)


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [({"image_size": 16}, "pictures, 8; choose it with --size"), ({"num_classes": 3}, "num_classes .* choose it with --conditional")],
)
def test_arguments_that_say_of_the_pictures_what_they_are_not_are_refused(arguments, cure, parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match=cure) as error:
        train_tiny("DCGAN", parquet, tmp_path / "run", arguments=arguments, conditional=False)
    assert error.value.code == "config_refused"


def test_a_model_that_no_memory_holds_is_refused_in_a_sentence(parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match="memory") as error:
        train_tiny("GAN", parquet, tmp_path / "run", arguments={"latent_dim": 10**13})
    assert error.value.code == "config_refused"


def test_one_picture_of_a_vae_leaves_no_nan_in_the_log(tmp_path, train_tiny, runs):
    (tmp_path / "pictures").mkdir()
    Image.effect_noise((8, 8), 90).save(tmp_path / "pictures" / "only.png")
    train_tiny("VAE", tmp_path / "pictures", tmp_path / "run", replace(runs["VAE"][0], batch_size=1, epochs=1))
    assert "NaN" not in (tmp_path / "run" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("weights", [{"1": 0.0, "2": 0.0, "0": 0.0}, {"cat": 2.0}])
def test_class_weights_that_leave_nothing_to_draw_or_name_no_class_are_refused(weights, parquet, tmp_path, train_tiny, runs):
    with pytest.raises(GenartError, match="cats=2; got 1=0, 2=0, 0=0|must be one of 0, 1, 2, got 'cat'"):
        train_tiny("VAE", parquet, tmp_path / "run", replace(runs["VAE"][0], class_weights=weights))


@pytest.mark.parametrize(("name", "value"), [("save_minutes", float("nan")), ("save_minutes", -1)])
def test_a_pause_between_checkpoints_that_is_none_is_refused(name, value, parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match=name):
        train_tiny("VAE", parquet, tmp_path / "run", **{name: value})


def test_a_batch_that_cannot_be_cut_evenly_is_refused(parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError) as error:
        train_tiny("VAE", parquet, tmp_path / "run", accumulate=3)
    assert error.value.code == "uneven_batch"


def test_a_gan_is_not_trained_on_pieces_of_one_picture(parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match="batch_size must be at least 8"):
        train_tiny("GAN", parquet, tmp_path / "run", accumulate=4)
