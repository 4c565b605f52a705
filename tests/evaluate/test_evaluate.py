"""The protocol: every number with what it was measured on, its error, real pictures beside it, and the same numbers however often."""

import hashlib
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genart_hub import evaluate, images, metrics
from genart_hub.data import Pictures
from genart_hub.errors import GenartError
from genart_hub.evaluate import features, paint, reconstructions, samples
from genart_hub.evaluate.inception import SHA256_PREFIX, Inception
from genart_hub.hub.cards.tables import Measure
from genart_hub.models import auto
from genart_hub.models.classifier import Classifier
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE

OF_SAMPLES = {"recognised", "evenness", "rarest", "commonest", "frechet", "kid", "precision", "recall", "density", "coverage"}
OF_LIKELIHOOD = {"elbo", "importance_weighted_bound", "bits_per_dimension", "bits_per_dimension_importance_weighted", "kl"}
OF_RECONSTRUCTIONS = {"mse", "psnr"} | OF_LIKELIHOOD  # no SSIM of 8 px


def noisy_pictures(n=41, size=8, channels=1, seed=0):
    """n pictures of three classes, in memory."""
    levels = torch.randint(0, 256, (n, channels, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Pictures(levels, torch.arange(n) % 3, Path("/somewhere/data/tiny.parquet"))


@pytest.fixture
def gan(tiny):
    """A GAN whose pictures differ from one another."""
    gan = tiny(GAN)
    for parameter in gan.generator.parameters():
        parameter.data.mul_(4)
    return gan


@pytest.fixture
def pictures():
    return noisy_pictures()


def by_metric(measures):
    return {measure.metric: measure for measure in measures}


def measure(model, pictures, eye, **options):
    return by_metric(evaluate.evaluate(model, pictures, eye, **({"samples": 8} | options)))


@torch.no_grad()
def halves(pictures, eye, count, seed):
    """The features of the two halves of real pictures, drawn as the protocol says, and their rows."""
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
    first, second = order[:count], order[count : 2 * count]
    return eye.features(pictures.images(first)), eye.features(pictures.images(second)), first


@torch.no_grad()
def decided(eye, x):
    """Move the borders of the eye's classes to where these pictures lie, so that it tells them apart, and is sure of some."""
    eye.head.bias.copy_(-eye.head.weight.mul_(1000) @ eye.features(x).mean(dim=0))


def standard_error(values):
    return values.std().item() / math.sqrt(len(values))


# ---- what is measured ----


def test_a_gan_is_measured_by_its_samples_and_a_vae_by_its_reconstructions_too(gan, vae, pictures, classifier):
    assert set(measure(gan, pictures, classifier)) == OF_SAMPLES
    assert set(measure(vae, pictures, classifier)) == OF_SAMPLES | OF_RECONSTRUCTIONS


def test_distances_are_between_made_pictures_and_half_of_the_real_ones_with_the_other_half_as_floor(gan, pictures, classifier):
    found = measure(gan, pictures, classifier, count=15, seed=3)
    real, other, _ = halves(pictures, classifier, 15, 3)
    with torch.no_grad():
        made = classifier.features(gan.sample(15, 3))
    for metric, distance in (("frechet", metrics.frechet_distance), ("kid", metrics.kernel_distance)):
        assert found[metric].value == pytest.approx(distance(real, made), rel=1e-4)
        assert found[metric].real == pytest.approx(distance(real, other), rel=1e-4)
    assert found["frechet"].error == pytest.approx(metrics.frechet_distance_error(real, made), rel=1e-3)
    assert found["kid"].real_error == pytest.approx(metrics.kernel_distance_error(real, other), rel=1e-3)


def test_precision_and_density_are_of_the_made_pictures_recall_and_coverage_of_the_real_ones(pictures, classifier, gan):
    found = measure(gan, pictures, classifier, count=20, seed=1)
    real, other, _ = halves(pictures, classifier, 20, 1)
    with torch.no_grad():
        made = classifier.features(gan.sample(20, 1))
    for fake, value_of in ((made, lambda m: m.value), (other, lambda m: m.real)):
        precision, recall = metrics.precision_recall(real, fake)
        density, coverage = metrics.density_coverage(real, fake)
        expected = [values.mean().item() for values in (precision, recall, density, coverage)]
        assert [value_of(found[name]) for name in ("precision", "recall", "density", "coverage")] == pytest.approx(expected)
    assert found["precision"].value != found["recall"].value


def test_the_classifier_judges_as_many_samples_as_were_asked_for_and_the_real_ones_beside_them(gan, pictures, classifier):
    decided(classifier, gan.sample(70, 2))
    found = measure(gan, pictures, classifier, samples=70, seed=2)
    real, other, _ = halves(pictures, classifier, 20, 2)
    with torch.no_grad():
        sides = {"value": classifier(gan.sample(70, 2)), "real": classifier.head(torch.cat([real, other]))}
    for side, logits in sides.items():
        shares, sure = metrics.class_shares(logits), (logits.softmax(1).amax(1) > 0.9).double()
        expected = {"rarest": shares.min(), "commonest": shares.max(), "evenness": metrics.evenness(shares), "recognised": sure.mean()}
        assert {name: getattr(found[name], side) for name in expected} == pytest.approx(
            {k: float(v) for k, v in expected.items()}, abs=1e-5
        )
    sure = (sides["value"].softmax(1).amax(1) > 0.9).double()
    assert 0 < sure.mean() < 1
    assert found["recognised"].error == pytest.approx(standard_error(sure), rel=0.4)
    assert 0 < found["evenness"].error < 0.2


def test_the_reference_is_what_samples_are_compared_with_at_the_eyes_own_size(vae, pictures, tiny):
    eye, reference = tiny(Classifier, image_size=12), noisy_pictures(30, size=12, seed=5)
    found = measure(vae, pictures, eye, reference=reference)
    real, other, _ = halves(reference, eye, 15, 0)
    with torch.no_grad():
        made = eye.features(images.resize(vae.sample(15, 0), 12, 1))
    assert found["frechet"].value == pytest.approx(metrics.frechet_distance(real, made), rel=1e-4)
    assert found["frechet"].real == pytest.approx(metrics.frechet_distance(real, other), rel=1e-4)
    assert "41 of data/tiny.parquet at 8 px" in found["mse"].protocol


def test_an_eye_of_another_kind_judges_distances_alone_and_sees_the_pictures_in_colour(gan, pictures):
    eye = Inception(lambda levels: levels[:, :, ::3, ::3].flatten(1).float())  # (B, 27), in place of the downloaded network
    found = measure(gan, pictures, eye)
    assert set(found) == OF_SAMPLES - {"recognised", "evenness", "rarest", "commonest"}
    assert "real of data/tiny.parquet at 8 px; " in found["frechet"].protocol  # of another size, the floor is another one
    assert features.network_name(Inception()) == f"Inception@{SHA256_PREFIX}"


def test_pictures_that_are_no_numbers_are_refused_by_the_models_name(gan, pictures, classifier):
    next(gan.generator.parameters()).data.fill_(math.nan)
    with pytest.raises(GenartError, match="GAN makes pictures whose pixels are no numbers"):
        measure(gan, pictures, classifier)
    assert math.isnan(samples.fidelity(pictures, classifier, 20)(gan))


# ---- classes ----


def test_samples_have_the_classes_of_the_reference_and_are_asked_for_each_class_in_turn(tiny, pictures, classifier):
    gan = tiny(DCGAN)
    gan.generator.norms[0].bias.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    decided(classifier, gan.sample(30, 4))
    found = measure(gan, pictures, classifier, samples=30, seed=4)
    real, _, rows = halves(pictures, classifier, 20, 4)
    with torch.no_grad():
        made = classifier.features(gan.sample(20, 4, label=pictures.labels[rows]))
        right = classifier(gan.sample(30, 4, label=[0, 1, 2] * 10)).argmax(1) == torch.tensor([0, 1, 2] * 10)
    assert found["frechet"].value == pytest.approx(metrics.frechet_distance(real, made), rel=1e-4)
    assert found["label_accuracy"].value == pytest.approx(right.double().mean().item())


def test_an_eye_of_finer_classes_recognises_a_class_by_the_sum_of_its_own(tiny, pictures):
    gan, eye = tiny(DCGAN, class_names=["a", "b", "c"]), tiny(Classifier, num_classes=6, class_names=list("uvwxyz"))
    named = replace(pictures, class_names=("a", "b", "c"), columns={"name": [("zwx", "vuy")[k // 3 % 2][k % 3] for k in range(41)]})
    decided(eye, gan.sample(60, 1))
    eye.head.bias.data[5] -= 50  # one of a pair says no, and the other decides
    found = measure(gan, named, eye, samples=60, seed=1)["label_accuracy"]
    with torch.no_grad():
        p = eye(gan.sample(60, 1, label=[0, 1, 2] * 20)).softmax(1)
    grouped = torch.stack([p[:, [5, 1]].sum(1), p[:, [2, 0]].sum(1), p[:, [3, 4]].sum(1)], dim=1)  # zv, wu, xy
    assert found.value == pytest.approx((grouped.argmax(1) == torch.tensor([0, 1, 2] * 20)).double().mean().item())


def test_the_order_of_the_classes_makes_no_difference(tiny, pictures):
    gan, eye = tiny(DCGAN, class_names=["a", "b", "c"]), tiny(Classifier, num_classes=3, class_names=["a", "b", "c"])
    decided(eye, gan.sample(30, 1))
    inner = replace(pictures, class_names=("a", "b", "c"))
    other = replace(pictures, class_names=("c", "a", "b"), labels=(pictures.labels + 1) % 3)
    one, two = (measure(gan, each, eye, samples=30, seed=1) for each in (inner, other))
    for metric in ("frechet", "label_accuracy"):
        assert (one[metric].value, one[metric].real) == (two[metric].value, two[metric].real)


def test_pictures_of_other_classes_are_compared_with_samples_of_any_class(tiny, pictures, classifier):
    gan = tiny(DCGAN)
    for other in (
        replace(pictures, labels=torch.arange(41) % 4),
        replace(pictures, class_names=("a", "b", "c")),
        replace(pictures, labels=None),
    ):
        found = measure(gan, other, classifier)
        real, _, _ = halves(other, classifier, 20, 0)
        with torch.no_grad():
            made = classifier.features(gan.sample(20, 0))
        assert found["frechet"].value == pytest.approx(metrics.frechet_distance(real, made), rel=1e-4)
        assert "label_accuracy" not in found


def test_a_conditional_vae_is_told_the_classes_of_the_pictures_whatever_their_order(tiny, pictures, classifier):
    vae = tiny(ConvVAE, class_names=["b", "a", "c"])
    named = replace(pictures, class_names=("a", "b", "c"))
    found = measure(vae, named, classifier, seed=2)
    labels = torch.tensor([1, 0, 2])[pictures.labels]  # "a" is the model's class 1
    bound = reconstructions.elbo(vae, pictures.images(), 2, label=labels)
    assert found["kl"].value == pytest.approx(bound.kl.mean().item(), rel=1e-4)
    assert found["mse"].value == pytest.approx(
        metrics.reconstruction_mse(pictures.images(), vae.reconstruct(pictures.images(), labels)), rel=1e-4
    )


@pytest.mark.parametrize(("change", "code"), [({"class_names": ("a", "b", "x")}, "other_classes"), ({"labels": None}, "no_labels")])
def test_a_conditional_vae_is_not_measured_on_pictures_of_other_classes(change, code, tiny, pictures, classifier):
    with pytest.raises(GenartError) as error:
        measure(tiny(ConvVAE, class_names=["a", "b", "c"]), replace(pictures, **change), classifier)
    assert error.value.code == code


# ---- reconstructions and labels ----


def test_a_bernoulli_vae_is_measured_on_binarised_pixels_and_its_errors_on_grey_ones(vae, pictures, classifier):
    found, x = measure(vae, pictures, classifier, seed=4), pictures.images()
    bits = metrics.binarise(x, torch.Generator().manual_seed(4))
    bound, x_hat = reconstructions.elbo(vae, bits, 4), vae.reconstruct(x)
    expected = {"elbo": bound.elbo, "kl": bound.kl, "psnr": metrics.psnr(x, x_hat)}
    expected |= {"importance_weighted_bound": reconstructions.importance_weighted_bound(vae, bits, 4, 500)}
    expected |= {"mse": metrics.squared_error(x, x_hat), "bits_per_dimension": metrics.bits_per_dimension(bound.elbo, 64)}
    assert {name: found[name].value for name in expected} == pytest.approx({k: v.mean().item() for k, v in expected.items()}, rel=1e-4)
    for name, values in expected.items():
        assert found[name].error == pytest.approx(standard_error(values), rel=0.4)
    assert "binarised with seed 4" in found["elbo"].protocol


def test_a_gaussian_vae_is_measured_on_dequantised_pixels(tiny, pictures, classifier):
    vae = tiny(ConvVAE, num_classes=0)
    found = measure(vae, pictures, classifier, seed=4)
    bound = reconstructions.elbo(vae, pictures.images(), 4).elbo.mean().item()
    assert found["elbo"].value == pytest.approx(bound, rel=1e-5)
    assert found["bits_per_dimension"].value == pytest.approx(-bound / 64 / math.log(2), rel=1e-5)
    assert "dequantised with seed 4" in found["elbo"].protocol


def test_a_classifier_is_measured_by_its_accuracy_on_the_rows_it_is_given(pictures, classifier):
    right = torch.tensor(
        [classifier(x[None]).argmax().item() == label for x, label in zip(pictures.images(), pictures.labels, strict=True)]
    )
    (found,) = evaluate.evaluate(classifier, pictures)
    assert (found.metric, found.value) == ("accuracy", pytest.approx(right.double().mean().item()))
    assert found.error == pytest.approx(standard_error(right.double()), rel=0.4)
    (found,) = evaluate.evaluate(classifier, pictures, rows=torch.tensor([3, 8, 11]))
    assert found.value == pytest.approx(right[[3, 8, 11]].double().mean().item())
    assert found.protocol == "3 pictures of data/tiny.parquet, variants of their class that training left out"


def test_a_classifier_of_many_classes_has_its_five_best_guesses_counted_too(pictures, tiny):
    many = tiny(Classifier, num_classes=30)
    found = by_metric(evaluate.evaluate(many, pictures))
    with torch.no_grad():
        best = many(pictures.images()).argsort(dim=1, descending=True)[:, :5]
    assert found["top_5_accuracy"].value == pytest.approx((best == pictures.labels[:, None]).any(1).double().mean().item())


def test_classes_in_another_order_are_matched_by_name_and_unknown_ones_refused(pictures, tiny):
    classifier = tiny(Classifier, class_names=["b", "c", "a"])
    with torch.no_grad():
        right = classifier(pictures.images()).argmax(1) == torch.tensor([2, 0, 1])[pictures.labels]
    (found,) = evaluate.evaluate(classifier, replace(pictures, class_names=("a", "b", "c")))
    assert found.value == pytest.approx(right.double().mean().item())
    with pytest.raises(GenartError, match="no class owl"):
        evaluate.evaluate(classifier, replace(pictures, class_names=("a", "owl", "c")))


# ---- choosing the best state of a run ----


def test_fidelity_is_the_frechet_distance_of_samples_to_as_many_pictures(gan, pictures, classifier):
    order = torch.randperm(41, generator=torch.Generator().manual_seed(6))[:20]
    with torch.no_grad():
        real, made = classifier.features(pictures.images(order)), classifier.features(gan.sample(20, 6))
    score = samples.fidelity(pictures, classifier, 20, seed=6)
    assert score(gan) == pytest.approx(metrics.frechet_distance(real, made), rel=1e-4)
    assert score(gan.train()) == score(gan.eval())


# ---- the same numbers each time, with what they were measured on ----


def test_the_numbers_do_not_depend_on_how_many_pictures_are_made_at_once(gan, pictures, classifier, monkeypatch):
    at_once = measure(gan, pictures, classifier, samples=30)
    monkeypatch.setattr(features, "BATCH", 7)
    for name, found in measure(gan, pictures, classifier, samples=30).items():
        assert (found.value, found.real) == pytest.approx((at_once[name].value, at_once[name].real), rel=1e-3, abs=1e-6), name


def test_the_numbers_are_the_same_each_time_and_in_train_mode(vae, pictures, classifier):
    first = measure(vae, pictures, classifier)
    torch.manual_seed(99)
    assert measure(vae.train(), pictures, classifier.train()) == first
    assert classifier.training
    assert evaluate.evaluate(classifier, pictures) == evaluate.evaluate(classifier.eval(), pictures)


def test_the_protocol_says_counts_data_seed_and_feature_network(gan, pictures, classifier, tmp_path):
    eye = Classifier.from_pretrained(classifier.save_pretrained(tmp_path / "eye"))
    found = measure(gan, pictures, eye, seed=3)
    for word in ("8 made", "40 real", "data/tiny.parquet", "seeds from 3", f"eye@{eye.source.sha256[:8]}"):
        assert word in found["recognised"].protocol
    assert "20 made" in found["frechet"].protocol
    assert str(tmp_path) not in str(found)
    assert "somewhere" not in str(found)


def test_a_table_has_a_row_for_each_metric_and_a_column_for_each_model(gan, vae, pictures, classifier):
    results = {"a": evaluate.evaluate(gan, pictures, classifier, samples=8), "b": evaluate.evaluate(vae, pictures, classifier, samples=8)}
    lines = evaluate.table(results).splitlines()
    assert lines[0] == "| metric | a | b | real pictures | note |"
    notes = lines[lines.index("") + 1 :]
    assert len(lines) == 2 + len(OF_SAMPLES | OF_RECONSTRUCTIONS) + 1 + len(notes)
    (elbo,) = (line.split(" | ") for line in lines if line.startswith("| ELBO"))
    assert elbo[1] == "–"
    assert float(elbo[2].split(" ± ")[0]) == pytest.approx(by_metric(results["b"])["elbo"].value, abs=0.1)
    assert elbo[3] == "–"
    protocol = by_metric(results["b"])["elbo"].protocol
    assert notes[int(elbo[4].removesuffix(" |")) - 1] == f"{elbo[4].removesuffix(' |')}. {protocol}"


# ---- refused ----


@pytest.mark.parametrize("options", [{"samples": 1}, {"count": 1}, {"samples": "x"}])
def test_a_count_that_measures_nothing_is_refused(gan, pictures, classifier, options):
    with pytest.raises(GenartError, match=f"evaluate: {next(iter(options))} must be"):
        evaluate.evaluate(gan, pictures, classifier, **options)


def test_too_few_real_pictures_are_refused(gan, pictures, classifier):
    with pytest.raises(GenartError, match="15, fewer than 16"):
        evaluate.evaluate(gan, pictures.take(torch.arange(15)), classifier)


def test_pictures_of_another_size_than_the_vaes_are_refused(vae, classifier):
    with pytest.raises(GenartError) as error:
        evaluate.evaluate(vae, noisy_pictures(size=12), classifier, samples=2)
    assert error.value.code == "bad_images"


def test_a_model_that_is_no_feature_network_is_no_eye(gan, vae, pictures):
    with pytest.raises(GenartError, match="VAE is no feature network"):
        evaluate.evaluate(gan, pictures, vae)


def test_the_bundled_feature_network_of_the_same_channels_and_the_nearest_size_is_picked_and_its_absence_told(tiny, tmp_path, monkeypatch):
    for size, channels in ((8, 1), (28, 1), (32, 3)):
        tiny(Classifier, image_size=size, channels=channels).save_pretrained(tmp_path / f"eye-{size}")
    monkeypatch.setattr(auto, "bundled", lambda family=None: sorted(str(folder) for folder in tmp_path.iterdir()))
    assert [features.pick_features(tiny(GAN, image_size=size)).image_size for size in (8, 16, 24, 64)] == [8, 8, 28, 28]
    assert features.pick_features(tiny(GAN, channels=3)).image_size == 32
    with pytest.raises(GenartError, match="genart-hub train classifier") as error:
        features.pick_features(tiny(GAN, channels=4))
    assert error.value.code == "no_features"


def test_numbers_of_different_protocols_stand_in_rows_of_their_own():
    kinds = [("a", 1.0, "8 pictures"), ("b", 2.0, "9 pictures"), ("c", 3.0, "8 pictures")]
    table = evaluate.table({name: [Measure("MSE", value, None, None, None, protocol, "mse")] for name, value, protocol in kinds})
    assert table.splitlines()[2:] == ["| MSE | 1 | – | 3 | – | 1 |", "| MSE | – | 2 | – | – | 2 |", "", "1. 8 pictures", "2. 9 pictures"]


def test_what_copies_would_get_has_a_column_where_it_was_measured_and_what_models_have_not_stays_empty():
    asked = Measure("asked", 0.5, None, 0.4, None, "8 prompts", "prompt_accuracy", 0.9, 0.01)
    png = Measure("bits of PNG", None, None, 2.87, 0.02, "9 files", "bits_per_dimension_png")
    lines = evaluate.table({"a": [asked, png]}).splitlines()
    assert lines[0] == "| metric | a | real pictures | copies | note |"
    assert lines[2:4] == ["| asked | 0.5 | 0.4 | 0.900 ± 0.010 | 1 |", "| bits of PNG | – | 2.870 ± 0.020 | – | 2 |"]


@pytest.mark.slow
def test_the_ssim_of_pictures_of_its_windows_size_and_more_is_measured(tiny, classifier):
    vae, pictures = tiny(VAE, image_size=16), noisy_pictures(20, size=16)
    x = pictures.images()
    found = measure(vae, pictures, classifier)["ssim"]
    assert found.value == pytest.approx(metrics.ssim(x, vae.reconstruct(x)).mean().item(), rel=1e-4)


def test_bits_per_dimension_stand_beside_those_of_png_files_where_pixels_have_8_bits(tiny, vae, pictures, classifier):
    found = measure(tiny(ConvVAE, num_classes=0), pictures, classifier)["bits_per_dimension_png"]
    sizes = []
    for picture in images.to_pil(pictures.images()):
        picture.save(file := io.BytesIO(), "PNG", optimize=True)
        sizes.append(len(file.getvalue()))
    assert (found.value, found.real) == (None, pytest.approx(8 * sum(sizes) / 41 / 64))
    assert "bits_per_dimension_png" not in measure(vae, pictures, classifier)  # a Bernoulli's pixels are black and white


def test_the_share_that_is_recognised_says_what_noise_and_black_would_get(gan, pictures, classifier):
    with torch.no_grad():
        classifier.head.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))
    found = measure(gan, pictures, classifier)
    assert found["recognised"].protocol.endswith("which also recognises 100% of noise and 100% of black: read it beside a distance")
    assert "noise" not in found["evenness"].protocol


def test_a_distance_says_where_the_feature_network_was_trained_on_what_it_compares(gan, pictures, classifier, tmp_path):
    (tmp_path / "tiny.parquet").write_bytes(b"the file")
    eye = Classifier.from_pretrained(classifier.save_pretrained(tmp_path / "eye"))
    here = replace(pictures, path=tmp_path / "tiny.parquet")
    file, trained = hashlib.sha256(b"the file").hexdigest(), ", which was trained on both halves"
    for sha256, command, said in (
        (file, "genart-hub train classifier", trained),
        (file, "genart-hub train resnet --hold-out style", trained + " but for held-out variants"),
        ("another", "genart-hub train classifier", eye.source.sha256[:8]),
    ):
        (tmp_path / "eye" / "training.json").write_text(json.dumps({"file_sha256": sha256, "command": command}))
        assert measure(gan, here, eye)["frechet"].protocol.endswith(said)


def test_uneven_classes_give_a_second_distance_of_samples_whose_classes_are_even(tiny, pictures, classifier):
    gan = tiny(DCGAN, class_names=["a", "b", "c"])
    gan.generator.norms[0].bias.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    even = replace(pictures, class_names=("a", "b", "c"))
    uneven = replace(even, labels=torch.where(torch.arange(41) < 30, 1, even.labels))
    assert "frechet_even" not in measure(gan, even, classifier)
    found = measure(gan, uneven, classifier, seed=4)
    real, _, _ = halves(uneven, classifier, 20, 4)
    with torch.no_grad():
        made = classifier.features(gan.sample(20, 4))
    assert found["frechet_even"].value == pytest.approx(metrics.frechet_distance(real, made), rel=1e-4)
    assert found["frechet"].value != found["frechet_even"].value
    share = (uneven.labels == 1).double().mean().item()
    assert f"while {share:.0%} of the reference are b" in found["frechet_even"].protocol


def test_classes_are_drawn_by_the_seeds_where_a_real_picture_has_none(tiny):
    model, pictures = tiny(DCGAN, num_classes=3), noisy_pictures(32)
    assert paint._labels_like(model, pictures) is not None
    assert paint._labels_like(model, replace(pictures, labels=pictures.labels - 1)) is None
