"""The command line, in process: what it writes, what it prints, and one line for every error."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import genart_hub
from genart_hub import cli, images
from genart_hub.models import auto

OF_SAMPLES = ["recognised", "evenness", "rarest", "commonest", "frechet", "kid", "precision", "recall", "density", "coverage"]
OF_RECONSTRUCTIONS = ["mse", "psnr", "elbo", "importance_weighted_bound"]  # no SSIM of 8 px
OF_RECONSTRUCTIONS += ["bits_per_dimension", "bits_per_dimension_importance_weighted", "kl"]


@pytest.fixture
def folder(gan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(gan.save_pretrained(tmp_path / "tiny-gan"))


@pytest.fixture
def vae_folder(vae, tmp_path):
    return str(vae.save_pretrained(tmp_path / "tiny-vae"))


@pytest.fixture
def tiny_coloured(classifier, tmp_path):
    """A folder of twenty grey pictures of two shades, which metadata.jsonl names, and an eye for them."""
    folder = tmp_path / "shades"
    folder.mkdir()
    for k in range(20):
        Image.effect_noise((8, 8), 90).save(folder / f"{k:02}.png")
    lines = [json.dumps({"file_name": f"{k:02}.png", "shade": ("light", "dark")[k % 2]}) for k in range(20)]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder, classifier.save_pretrained(tmp_path / "eye")


def run(capsys, *words):
    """Run a command that must succeed. Returns what it printed."""
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def fail(capsys, *words):
    """Run a command that must fail. Returns its one line, whatever bars stand before it."""
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line and not re.search(r"(pictures|step)/s.*]$", line)]
    assert (status, out, len(lines)) == (1, "", 1)
    assert lines[0].startswith("genart-hub: ")
    return lines[0]


def test_list_has_a_line_for_each_bundled_model(capsys):
    lines = run(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines[1:]] == [name for f in auto.families() for name in genart_hub.bundled(f)]
    (line,) = (line for line in lines if line.startswith("gan-mnist"))
    assert line.split()[1:5] == ["gan", "GAN", "28x28x1", "1,114,769"]


def test_list_of_a_family_has_that_family_only(capsys):
    assert [line.split()[0] for line in run(capsys, "list", "--family", "vae").splitlines()[1:]] == genart_hub.bundled("vae")


def test_info_says_class_arguments_parameters_and_weights(capsys):
    text = run(capsys, "info", "gan-mnist")
    for words in ("gan-mnist: GAN, family gan", "latent_dim: 100", "parameters of generator: 581,264", "discriminator: 533,505"):
        assert words in text
    assert genart_hub.from_pretrained("gan-mnist").source.sha256 in text


def test_sample_writes_a_grid_that_carries_its_recipe(capsys, folder, gan, tmp_path):
    out = tmp_path / "new" / "a.png"
    assert str(out) in run(capsys, "sample", folder, "-n", 5, "--seed", 3, "--truncation", 0.5, "--columns", 2, "--out", out)
    expected = images.grid(gan.sample(5, 3, truncation=0.5), columns=2)
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(expected))
    recipe = images.read_recipe(out)
    assert (recipe["model"], recipe["seed"], recipe["n"], recipe["truncation"]) == ("tiny-gan", 3, 5, 0.5)


def test_one_sample_is_the_picture_itself(capsys, folder, gan, tmp_path):
    run(capsys, "sample", folder, "-n", 1, "--out", tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(images.to_pil(gan.sample(1, 0)[0])))


def test_sample_from_a_picture_makes_the_picture_again_to_the_byte(capsys, folder, tmp_path):
    run(capsys, "sample", "gan-mnist", "-n", 3, "--seed", 9, "--out", tmp_path / "a.png")
    run(capsys, "sample", "--from", tmp_path / "a.png", "--out", tmp_path / "b.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(Image.open(tmp_path / "b.png")))
    assert images.read_recipe(tmp_path / "b.png") == images.read_recipe(tmp_path / "a.png")


@pytest.mark.parametrize("place", ["tiny-gan/samples.png", "a.png", "pictures/a.png"])
def test_the_run_of_a_picture_is_found_at_the_picture(capsys, folder, tmp_path, monkeypatch, place):
    run(capsys, "sample", folder, "-n", 3, "--out", tmp_path / place)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run(capsys, "sample", "--from", tmp_path / place, "--out", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / place).read_bytes()


def test_a_picture_whose_run_is_not_there_says_how_to_name_it(capsys, folder, tmp_path):
    run(capsys, "sample", folder, "-n", 3, "--out", tmp_path / "a.png")
    shutil.move(folder, tmp_path / "runs" / "tiny-gan")
    told = fail(capsys, "sample", "--from", "a.png", "--out", tmp_path / "b.png")
    assert "Say where it is: genart-hub sample runs/tiny-gan --from a.png" in told
    run(capsys, "sample", "runs/tiny-gan", "--from", "a.png", "--out", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()


def test_a_run_that_went_on_does_not_make_its_old_picture_again(capsys, folder, gan, tmp_path):
    run(capsys, "sample", folder, "-n", 3, "--out", tmp_path / "a.png")
    for parameter in gan.parameters():
        parameter.data.add_(1)
    gan.save_pretrained(folder)
    assert "made with other weights of tiny-gan" in fail(capsys, "sample", "--from", tmp_path / "a.png")


@pytest.mark.parametrize(
    "words",
    [["-n", "3"], ["--seed", "0"], ["--label", "3"], ["--truncation", "1"], ["--columns", "2"], ["--prompt", "x"], ["--steps", "3"]],
)
def test_what_the_recipe_says_is_not_given_beside_it(capsys, tmp_path, words):
    run(capsys, "sample", "gan-mnist", "-n", 1, "--out", tmp_path / "a.png")
    assert f"{words[0]} cannot be given beside --from: it comes from the picture's recipe" in fail(
        capsys, "sample", "--from", tmp_path / "a.png", *words
    )


def test_sample_from_words_writes_what_the_pipeline_draws(capsys, pipeline_folder, tmp_path):
    asked = {"prompt": "red 苹果", "num_steps": 3, "guidance": 2.0, "negative_prompt": "grey", "size": 24}
    words = ["--prompt", "red 苹果", "--steps", 3, "--guidance", 2, "--negative-prompt", "grey", "--size", 24]
    text = run(capsys, "sample", pipeline_folder, *words, "-n", 2, "--seed", 5, "--out", tmp_path / "a.png")
    assert "2 of tiny-sd, seeds from 5" in text
    expected = images.sheet(genart_hub.from_pretrained(pipeline_folder).sample(2, 5, **asked), 8)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(expected))
    assert asked.items() <= images.read_recipe(tmp_path / "a.png").items()


def test_a_picture_from_words_is_made_again_to_the_byte(capsys, pipeline_folder, tmp_path):
    run(capsys, "sample", pipeline_folder, "--prompt", "red", "--steps", 2, "-n", 3, "--out", tmp_path / "a.png")
    run(capsys, "sample", pipeline_folder, "--from", tmp_path / "a.png", "--out", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_end_of_a_prompt_that_is_not_read_is_told(capsys, pipeline_folder, tmp_path):
    words = ["sample", pipeline_folder, "--prompt", "abcdefghijklmnop", "--steps", 1, "-n", 1, "--out", tmp_path / "a.png"]
    assert cli.main([str(word) for word in words]) == 0
    assert "its end was not read: op\n" in capsys.readouterr().err


def test_info_of_a_pipeline_says_its_parts_and_its_own_settings(capsys, pipeline_folder):
    model, text = genart_hub.from_pretrained(pipeline_folder), run(capsys, "info", pipeline_folder)
    unet = sum(parameter.numel() for parameter in model.pipeline.unet.parameters())
    for words in ("family diffusion", "image_size: 16", "latent_channels: 4", "num_steps: 20", f"parameters of unet: {unet:,}"):
        assert words in text
    assert f"sha256 {model.source.sha256}, " in text


def test_a_bundled_pipeline_is_listed(capsys, pipeline_folder, monkeypatch):
    monkeypatch.setattr("genart_hub.hub.locate.WEIGHTS_FOLDERS", (pipeline_folder.parent,))
    (line,) = run(capsys, "list", "--family", "diffusion").splitlines()[1:]
    assert line.split()[:4] == ["tiny-sd", "diffusion", "StableDiffusion", "16x16x3"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "tiny-sd makes pictures from words"),
        (["--prompt", " "], "prompt is empty"),
        (["--prompt", "red", "--label", "3"], "--label is no input of tiny-sd, which takes --prompt"),
        (["--prompt", "red", "--truncation", "1"], "--truncation is no input of tiny-sd, which takes --prompt"),
        (["--prompt", "red", "--size", "20"], "Use 16 or 24"),
        (["--prompt", "red", "--steps", "1001"], "num_steps must be between 1 and 1000"),
        (["--prompt", "red", "--guidance", "51"], "guidance must be between 0 and 50"),
        (["--prompt", "red", "-n", "0"], "n must be at least 1"),
    ],
)
def test_a_request_that_a_pipeline_cannot_serve_is_one_line(capsys, pipeline_folder, words, part):
    assert part in fail(capsys, "sample", pipeline_folder, *words)


@pytest.mark.parametrize("words", [["--prompt", "red"], ["--steps", "3"], ["--guidance", "3"], ["--negative-prompt", "x"], ["--size", "8"]])
def test_what_only_a_pipeline_reads_is_refused_by_any_other_model(capsys, words):
    assert f"{words[0]} is no input of gan-mnist, which takes --truncation." in fail(capsys, "sample", "gan-mnist", *words)


def test_a_pipeline_has_no_latent_space_to_walk_through(capsys, pipeline_folder):
    assert "makes no pictures from latents" in fail(capsys, "walk", pipeline_folder)


def test_a_pipelines_autoencoder_gives_a_picture_back(capsys, pipeline_folder, picture_folder, tmp_path):
    out = tmp_path / "back.png"
    assert "tiny-sd's answer" in run(capsys, "reconstruct", pipeline_folder, picture_folder / "cat" / "0.png", "--out", out)
    with Image.open(out) as picture:
        assert picture.mode == "RGB"


@pytest.mark.parametrize("words", [["walk", "tiny-sd-emoji"], ["walk", "features-mnist"]])
def test_who_is_refused_for_a_walk_is_not_offered_for_one(capsys, words):
    told = fail(capsys, *words)
    assert told.startswith(f"genart-hub: {words[1]} makes no pictures from latents. Choose one of: ")
    offered = told.partition("Choose one of: ")[2].rstrip(".").split(", ")
    assert sorted(offered) == sorted(genart_hub.bundled("gan") + genart_hub.bundled("vae"))


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_walk_writes_every_frame(capsys, folder, tmp_path, suffix):
    out = tmp_path / f"walk.{suffix}"
    assert "6 frames through seeds 3,9" in run(capsys, "walk", folder, "--seeds", "3,9", "--frames", 6, "--loop", "--out", out)
    with Image.open(out) as animation:
        assert (animation.n_frames, animation.size) == (6, (256, 256))


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_reconstruct_writes_the_picture_beside_the_models_answer(capsys, folder, vae_folder, picture_folder, tmp_path, model):
    name = folder if model == "gan" else vae_folder
    words = ["reconstruct", name, picture_folder / "cat" / "0.png", "--steps", 3, "--out", tmp_path / "r.png"]
    assert "mean squared error 0." in run(capsys, *words)
    with Image.open(tmp_path / "r.png") as picture:
        assert picture.width > picture.height


def test_a_label_for_a_vae_without_classes_is_refused_in_a_sentence(capsys, vae_folder, picture_folder):
    assert "takes no label" in fail(capsys, "reconstruct", vae_folder, picture_folder / "cat" / "0.png", "--label", 3)


def test_an_interrupted_train_promises_no_checkpoint_where_there_is_none(capsys, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("genart_hub.data.smallest_side", interrupted)
    assert cli.main(["train", "vae", "--data", "x", "--out", str(tmp_path / "run")]) == 130
    assert capsys.readouterr().err == "genart-hub: stopped.\n"


def test_a_digit_is_prepared_before_it_is_reconstructed(capsys, vae_folder, tmp_path):
    Image.new("L", (50, 50), "white").save(tmp_path / "empty.png")
    run(capsys, "reconstruct", vae_folder, tmp_path / "empty.png", "--digit", "--out", tmp_path / "r.png")
    assert np.asarray(Image.open(tmp_path / "r.png"))[128, 20] == 0  # an empty sheet of paper is an empty black picture


SETTINGS = {
    "gan": ["--set", "latent_dim=4"],
    "vae": ["--set", "latent_dim=3", "--set", "hidden_dims=[16]"],
    "classifier": ["--set", "width=2"],
}


@pytest.mark.parametrize("model", SETTINGS)
def test_train_writes_a_model_that_loads(capsys, parquet, tmp_path, model):
    words = ["train", model, "--data", parquet, "--out", tmp_path / "run", "--epochs", 1, "--batch-size", 4, *SETTINGS[model]]
    assert "3 steps" in run(capsys, *words)
    loaded = genart_hub.from_pretrained(tmp_path / "run")
    assert (loaded.image_size, loaded.channels) == (8, 1)
    assert "go on with --resume" in fail(capsys, *words).lower()
    run(capsys, *words, "--resume")


def test_a_classifier_learns_as_many_classes_as_the_data_has(capsys, parquet, tmp_path):
    run(capsys, "train", "classifier", "--data", parquet, "--out", tmp_path / "run", "--epochs", 1, "--batch-size", 4)
    assert genart_hub.from_pretrained(tmp_path / "run").num_classes == 3


def test_evaluate_prints_a_table_and_writes_the_numbers(capsys, folder, vae_folder, classifier, noisy, tmp_path):
    eye = classifier.save_pretrained(tmp_path / "eye")
    words = ["--data", noisy, "--features", eye, "--samples", 4, "--json", tmp_path / "numbers.json"]
    table, notes, plus_minus = run(capsys, "evaluate", folder, vae_folder, *words).strip().split("\n\n")
    lines = table.splitlines()
    assert "not of training" in plus_minus
    assert [note[:3] for note in notes.splitlines()] == [f"{k}. " for k in range(1, 1 + len(notes.splitlines()))]
    assert lines[0] == "| metric | tiny-gan | tiny-vae | real pictures | note |"
    assert len(lines) == 2 + len(OF_SAMPLES) + len(OF_RECONSTRUCTIONS)
    results = json.loads((tmp_path / "numbers.json").read_text())["results"]
    assert [m["metric"] for m in results["tiny-gan"]] == OF_SAMPLES
    assert [m["metric"] for m in results["tiny-vae"]] == OF_SAMPLES + OF_RECONSTRUCTIONS
    assert str(tmp_path) not in (tmp_path / "numbers.json").read_text()


@pytest.mark.slow
def test_evaluate_finds_near_copies_and_the_card_shows_the_nearest_training_pictures(capsys, gan, classifier, noisy, parquet, tmp_path):
    eye, folder = classifier.save_pretrained(tmp_path / "eye"), gan.save_pretrained(tmp_path / "mine")
    words = ["--data", noisy, "--features", eye, "--samples", 4, "--training", parquet, "--json", folder / "evaluation.json"]
    assert "| near-copies of training pictures (RMSE) |" in run(capsys, "evaluate", folder, *words)
    numbers = json.loads((folder / "evaluation.json").read_text())
    assert f"--training {parquet.parent.name}/{parquet.name}" in numbers["command"]
    assert "unseen real ones of" in numbers["results"]["mine"][-1]["protocol"]
    run(capsys, "card", folder, "--license", "mit")
    assert "](nearest.png)" in (folder / "README.md").read_text()
    with Image.open(folder / "nearest.png") as picture:
        assert picture.width > 100


def test_two_models_of_one_folder_name_are_both_in_the_table(capsys, gan, vae, classifier, noisy, tmp_path):
    eye = classifier.save_pretrained(tmp_path / "eye")
    a, b = gan.save_pretrained(tmp_path / "a" / "best"), vae.save_pretrained(tmp_path / "b" / "best")
    lines = run(capsys, "evaluate", a, b, "--data", noisy, "--features", eye, "--samples", 4).splitlines()
    assert lines[0] == "| metric | a/best | b/best | real pictures | note |"


def test_a_model_of_the_classes_of_another_column_is_measured_by_that_column(capsys, tiny_coloured, tmp_path):
    data, eye = tiny_coloured
    words = ["--data", data, "--label", "shade", "--epochs", 1, "--batch-size", 8, "--conditional", "--set", "width=2"]
    run(capsys, "train", "dcgan", *words, "--out", tmp_path / "run")
    lines = run(capsys, "evaluate", tmp_path / "run", "--data", data, "--label", "shade", "--features", eye, "--samples", 8)
    assert "conditional ones of the reference's classes" in lines


def test_a_card_is_made_of_the_numbers_of_its_own_weights(capsys, gan, vae, classifier, noisy, tmp_path):
    eye = classifier.save_pretrained(tmp_path / "eye")
    a, b = gan.save_pretrained(tmp_path / "a"), vae.save_pretrained(tmp_path / "b")
    words = ["--data", noisy, "--features", eye, "--samples", 4, "--json", b / "evaluation.json"]
    run(capsys, "evaluate", a, b, *words)
    run(capsys, "card", b, "--license", "mit")
    numbers = json.loads((b / "evaluation.json").read_text())["results"]
    card = (b / "README.md").read_text()
    assert len(numbers) == 2
    assert all(part in card for part in ("type: elbo", "| metric | b | a | real pictures"))
    gan.save_pretrained(tmp_path / "c")
    (tmp_path / "c" / "evaluation.json").write_text((b / "evaluation.json").read_text())
    for parameter in gan.parameters():
        parameter.data.add_(1)
    gan.save_pretrained(tmp_path / "c")
    assert "measured other weights" in fail(capsys, "card", tmp_path / "c", "--license", "mit")


def test_the_title_of_a_card_is_no_name_to_load_by(capsys, gan, tmp_path, monkeypatch):
    folder, sizes = gan.save_pretrained(tmp_path / "mine"), []
    run(capsys, "card", folder, "--license", "mit", "--name", "My best GAN")
    body = (folder / "README.md").read_text().split("---")[2]
    assert body.count("My best GAN") == 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda picture: sizes.append(picture.size))
    exec(re.search(r"```python\n(.*?)```", body, flags=re.S)[1], {})
    assert len(sizes) == 1
    run(capsys, "sample", "--from", folder / "samples.png", "--out", tmp_path / "again.png")


@pytest.mark.parametrize("front", ["tags: dataset:emoji64", "tags: [dataset:emoji64]", "tags: 3\ndatasets: {}\nlicense: mit"])
def test_a_cards_metadata_may_be_written_by_hand(capsys, gan, tmp_path, front):
    (gan.save_pretrained(tmp_path / "a") / "README.md").write_text(f"---\n{front}\n---\nmine")
    run(capsys, "card", tmp_path / "a", "--license", "mit")
    card = (tmp_path / "a" / "README.md").read_text()
    assert card.endswith("mine")
    assert ("dataset:emoji64" in card) == ("emoji64" in front)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("evaluation.json", b"[]", "evaluation.json is not a JSON object (it is a list)"),
        ("evaluation.json", b"{}x", "evaluation.json is not a JSON object"),
        ("evaluation.json", b'{"command": "a"}', "results is missing"),
        ("README.md", b"---\nlicense: mit\n---\n\xff", "README.md is no text in UTF-8"),
    ],
)
def test_a_card_is_not_made_of_damaged_files(capsys, gan, tmp_path, name, content, part):
    (gan.save_pretrained(tmp_path / "a") / name).write_bytes(content)
    assert part in fail(capsys, "card", tmp_path / "a", "--license", "mit")
    assert (tmp_path / "a" / name).read_bytes() == content


def test_evaluate_reads_the_pictures_once_for_all_models(capsys, gan, vae, classifier, noisy, tmp_path):
    (noisy / "broken.png").write_bytes(b"no picture")
    eye = classifier.save_pretrained(tmp_path / "eye")
    a, b = gan.save_pretrained(tmp_path / "a"), vae.save_pretrained(tmp_path / "b")
    assert cli.main(["evaluate", str(a), str(b), "--data", str(noisy), "--features", str(eye), "--samples", "4"]) == 0
    assert capsys.readouterr().err.count("1 of 21 pictures cannot be read: 'broken.png'.") == 1


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["info", "no-such-model"], "no-such-model"),
        (["sample"], "gan-mnist"),
        (["sample", "gan-mnist", "-n", "0"], "n must be between 1 and 100000"),
        (["sample", "gan-mnist", "--seed", "-1"], "seed must be"),
        (["sample", "gan-mnist", "--truncation", "nan"], "truncation must be"),
        (["sample", "gan-mnist", "--label", "3"], "--label is no input of gan-mnist"),
        (["sample", "gan-mnist", "--columns", "0"], "columns must be"),
        (["sample", "gan-mnist", "--device", "abacus"], "abacus"),
        (["sample", "gan-mnist", "--out", "tiny-gan/config.json/x.png"], "could not be written"),
        (["sample", "--from", "missing.png"], "missing.png"),
        (["walk", "gan-mnist", "--seeds", "1"], "two keys"),
        (["walk", "gan-mnist", "--seeds", "a,b"], "commas"),
        (["walk", "gan-mnist", "--frames", "1"], "frames"),
        (["walk", "gan-mnist", "--frames", "4", "--out", "walk.avi"], "walk.avi"),
        (["walk", "gan-mnist", "--frames", "4", "--fps", "0"], "fps"),
        (["reconstruct", "vae-mnist", "missing.png"], "missing.png"),
        (["reconstruct", "vae-mnist", "tiny-gan/config.json"], "known picture format"),
        (["train", "gan", "--data", "missing.parquet", "--out", "run"], "does not exist"),
        (["train", "gan", "--data", "tiny-gan", "--out", "run"], "no pictures"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--set", "latent_dim"], "NAME=JSON"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--batch-size", "4", "--set", "depth=3"], "depth"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--batch-size", "4", "--set", "latent_dim=0"], "latent_dim must be"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--recipe", "none"], "default, article"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--epochs", "0"], "epochs"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--batch-size", "99"], "fewer than 99"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--size", "0"], "size must be"),
        (["train", "gan", "--data", "tiny.parquet", "--out", "run", "--resume"], "no checkpoint"),
        (["evaluate", "tiny-gan", "--data", "tiny.parquet"], "12, fewer than 16"),
        (["evaluate", "gan-mnist", "--data", "missing.parquet"], "does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_error_is_one_line_and_exit_status_one(capsys, folder, parquet, words, part):
    assert part.lower() in fail(capsys, *words).lower()


def test_ctrl_c_ends_with_status_130(capsys, folder, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(auto, "from_pretrained", stop)
    assert cli.main(["info", folder]) == 130
    assert capsys.readouterr().err == "genart-hub: stopped.\n"


@pytest.mark.parametrize("command", ["list", "info", "sample", "walk", "directions", "reconstruct", "train", "evaluate"])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert "usage: genart-hub" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [["sample"], ["walk"], ["reconstruct", "x.png"]])
def test_a_classifier_is_refused_where_pictures_are_made(capsys, verb):
    assert cli.main([verb[0], "features-mnist", *verb[1:]]) == 1
    assert "features-mnist makes no pictures" in capsys.readouterr().err


@pytest.mark.slow
def test_a_card_carries_no_path_however_the_options_are_written(tmp_path, monkeypatch):
    from pyarrow import Table, parquet

    pictures = []
    for picture in images.to_pil(genart_hub.from_pretrained("gan-mnist").sample(16)):
        picture.save(buffer := io.BytesIO(), "PNG")
        pictures.append({"image": {"bytes": buffer.getvalue(), "path": None}})
    parquet.write_table(Table.from_pylist(pictures), tmp_path / "few.parquet")
    data, out = f"--data={tmp_path / 'few.parquet'}", f"--out={tmp_path / 'run'}"
    assert cli.main(["train", "vae", data, out, "--epochs=1", "--batch-size=4"]) == 0
    json_file = tmp_path / "run" / "evaluation.json"
    assert cli.main(["evaluate", str(tmp_path / "run"), data, f"--json={json_file}", "--samples=4", "--features=features-mnist"]) == 0
    assert cli.main(["card", str(tmp_path / "run"), "--license=mit"]) == 0
    for file in ("training.json", "evaluation.json", "README.md"):
        assert str(tmp_path) not in (tmp_path / "run" / file).read_text(encoding="utf-8")
