"""Near-copies: the nearest training picture by pixels and by features, beside that of unseen real pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from genart_hub import evaluate, metrics
from genart_hub.data import Pictures
from genart_hub.evaluate import features, memorisation
from genart_hub.evaluate.memorisation import Training
from genart_hub.hub.cards import models, tables
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE


def noisy(n, size=8, channels=1, seed=0, path="data/train.parquet"):
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)
    return Pictures(levels, None, Path(path))


@pytest.fixture
def training(vae, classifier):
    return Training(noisy(30), noisy(12, seed=1, path="data/test.parquet"), classifier, vae)


def by_metric(measures):
    return {measure.metric: measure for measure in measures}


def test_the_nearest_training_picture_is_that_of_the_smallest_rmse_however_they_are_cut_into_chunks(monkeypatch):
    made, known = noisy(7, seed=1).pictures, noisy(23)
    made[3] = known.pictures[17]
    rmse = ((made[:, None].double() - known.pictures[None].double()) / 255).square().mean(dim=(2, 3, 4)).sqrt()
    for chunk in (1000, 5):
        monkeypatch.setattr(memorisation, "CHUNK", chunk)
        found = memorisation.nearest_by_pixels(made, known)
        torch.testing.assert_close(found.distance, rmse.min(dim=1).values)
        assert torch.equal(found.row, rmse.argmin(dim=1))
    assert (found.distance[3].item(), found.row[3].item()) == (0, 17)


def test_a_picture_that_differs_by_one_level_in_one_pixel_is_not_taken_for_equal():
    known = noisy(5, size=32, channels=3)
    made = known.pictures[2:3].clone()
    made[0, 1, 4, 4] ^= 1
    assert memorisation.nearest_by_pixels(made, known).distance.item() == pytest.approx(1 / 255 / (3 * 32 * 32) ** 0.5, rel=1e-6)


def test_the_nearest_in_features_is_that_of_the_smallest_distance():
    made, known = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0)).unbind()
    found = memorisation.nearest_by_features(made, known)
    torch.testing.assert_close(found.distance, torch.cdist(made.double(), known.double()).min(dim=1).values, rtol=1e-5, atol=1e-6)


def test_near_is_nearer_than_nine_tenths_of_the_training_pictures_are_to_their_reconstruction(training, vae, classifier):
    x = training.pictures.images()
    with torch.no_grad():
        x_hat = vae.reconstruct(x)
        distance = (classifier.features(x) - classifier.features(x_hat)).norm(dim=1)
    expected = [each.double().quantile(0.9).item() for each in (metrics.squared_error(x, x_hat).sqrt(), distance)]
    assert training.limits == pytest.approx(expected, rel=1e-5)


def test_a_model_that_copies_is_told_from_one_that_draws_and_unseen_pictures_stand_beside_both(training, classifier, tiny):
    training = replace(training, autoencoder=fine(tiny))
    with torch.no_grad():
        for levels, share in ((training.pictures.pictures[:10], 1.0), (noisy(10, seed=7).pictures, 0.0)):
            compared = training.compare(levels, classifier.features(levels / 127.5 - 1))
            found = by_metric(training.measures(compared, "10 made"))
            assert found["near_copies_rmse"].value == share
            assert found["near_copies_rmse"].real == 0
            assert found["nearest_rmse"].value == pytest.approx(compared.by_pixels.distance.mean().item())
            assert found["nearest_rmse"].real == pytest.approx(training.beside.by_pixels.distance.mean().item())
            assert (found["nearest_features"].value == 0) is (share == 1)
    assert "near_copies_prompted" not in found
    protocol = found["near_copies_rmse"].protocol
    assert protocol.startswith("10 made and 12 unseen real ones of data/test.parquet, each with the nearest of 30 training pictures of ")
    assert " of data/train.parquet at 8 px; a near-copy is nearer " in protocol


def fine(tiny):
    """An autoencoder that moves every pixel a little."""
    vae = tiny(VAE)
    vae.reconstruct = lambda x: x + 0.02
    return vae


def test_the_picture_prompted_is_one_of_those_whose_caption_was_the_prompt(training, classifier, tiny):
    training = replace(training, autoencoder=fine(tiny))
    levels = training.pictures.pictures[[0, 1, 2, 3]]  # four copies, two of them of what was prompted
    with torch.no_grad():
        compared = training.compare(levels, classifier.features(levels / 127.5 - 1))
    captions = ["cat", "dog", "cat", *["owl"] * 27]
    found = by_metric(training.measures(compared, "4 made", ["cat", "cat", "cat", "dog"], captions))
    assert (found["near_copies_rmse"].value, found["near_copies_prompted"].value) == (1, 0.5)
    assert found["near_copies_prompted"].real is None


def test_without_unseen_pictures_there_is_no_yardstick_of_real_ones(training, classifier):
    alone = replace(training, unseen=None)
    compared = alone.compare(alone.pictures.pictures[:4], alone.known[:4])
    assert {measure.real for measure in alone.measures(compared, "4 made")} == {None}


def test_an_evaluation_measures_its_own_samples_at_the_feature_networks_size_and_shows_them(training, classifier, tiny, tmp_path):
    gan = tiny(GAN, image_size=12)
    found = by_metric(evaluate.evaluate(gan, noisy(40), classifier, samples=4, training=training, picture=tmp_path / "nearest.png"))
    x = features.images.resize(gan.sample(20, 0), 8, 1)
    levels = ((x + 1) * 127.5).round().to(torch.uint8)
    nearest = memorisation.nearest_by_pixels(levels, training.pictures)
    assert found["nearest_rmse"].value == pytest.approx(nearest.distance.mean().item(), rel=1e-6)
    assert found["nearest_rmse"].protocol.startswith("20 made (seeds from 0, ")
    picture = Image.open(tmp_path / "nearest.png")
    assert picture.size == (2 * (16 * 10 + 2), 2 * (6 * 10 + 2))
    shown = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.NEAREST).convert("L")
    for row, expected in ((3, levels[5, 0]), (4, training.pictures.pictures[nearest.row[5], 0])):
        cell = shown.crop((2 + 5 * 10, 2 + row * 10, 2 + 5 * 10 + 8, 2 + row * 10 + 8))
        assert list(cell.get_flattened_data()) == expected.flatten().tolist()


@pytest.mark.slow
def test_the_bundled_autoencoder_is_a_pipelines_for_colour_and_a_vae_for_grey_pictures():
    names = [memorisation.pick_autoencoder(noisy(1, size, channels)).source.name for size, channels in ((64, 3), (28, 1))]
    assert names == ["tiny-sd-emoji", "vae-mnist"]


# ---- on the card ----


def measured(**values):
    figures = {"near_copies_rmse": (0.3, 0.05), "near_copies_features": (0.6, 0.5)} | values
    return [tables.Measure("", value, 0.1, real, None, "", metric) for metric, (value, real) in figures.items()]


def test_a_card_says_how_often_training_pictures_come_again():
    (text,) = tables.memorisation(measured(near_copies_prompted=(0.284, None)), nearest=True)
    assert "30.0% of its pictures (unseen real pictures: 5.0%) by RMSE, and 60.0% of its pictures (unseen real pictures: 50.0%)" in text
    assert "It often redraws the very picture that was prompted: 28.4% of its pictures are near-copies of it." in text
    assert "](nearest.png)" in text


@pytest.mark.parametrize(("share", "word"), [(0.2, "often"), (0.19, "sometimes"), (0.049, "seldom"), (0.0, "seldom")])
def test_how_often_is_said_by_the_number(share, word):
    assert f" It {word} redraws" in tables.memorisation(measured(near_copies_prompted=(share, None)), nearest=False)[0]


def test_a_card_without_such_figures_says_nothing_and_shows_no_picture_of_another_evaluation():
    assert tables.memorisation([tables.Measure("", 1.0, None, None, None, "", "frechet")], nearest=True) == []


def test_a_card_of_uneven_classes_says_how_far_samples_without_a_class_are():
    def row(metric, value):
        return tables.Measure("", value, 0.1, None, None, "", metric)

    told = models._of_even_classes([row("frechet", 6.36), row("frechet_even", 13.7), row("bits_per_dimension_png", None)])
    assert told == [
        "Where no class is named, `sample` draws all classes equally often: the Fréchet distance is then 13.70 ± 0.10, and 6.36 ± 0.10 "
        "where they are as common as among the real pictures."
    ]
    assert models._of_even_classes([row("frechet", 6.36)]) == []
