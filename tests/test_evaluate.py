"""The protocol: every number with what it was measured on, and the same numbers however often."""

import pytest
import torch

from genart_hub import data, evaluate, metrics
from genart_hub.errors import GenartError
from genart_hub.models.classifier import Classifier
from genart_hub.models.gan import GAN


@pytest.fixture
def pictures(parquet):
    return data.load(parquet)


def by_metric(measures):
    return {measure.metric: measure for measure in measures}


def measure(model, pictures, classifier, **options):
    return by_metric(evaluate.evaluate(model, pictures, classifier, **({"samples": 8} | options)))


def test_a_gan_is_measured_by_its_samples_and_a_vae_by_its_reconstructions_too(gan, vae, pictures, classifier):
    of_samples = {"recognised", "evenness", "rarest", "commonest", "frechet"}
    assert set(measure(gan, pictures, classifier)) == of_samples
    assert set(measure(vae, pictures, classifier)) == of_samples | {"mse", "elbo", "kl"}


def test_the_frechet_distance_is_between_made_pictures_and_half_of_the_real_ones_with_the_other_half_as_floor(gan, pictures, classifier):
    found = measure(gan, pictures, classifier, count=5, seed=3)["frechet"]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    reference, other, made = pictures.images(order[:5]), pictures.images(order[5:10]), gan.sample(5, 3)
    with torch.no_grad():
        reference, other, made = map(classifier.features, (reference, other, made))
    assert found.value == pytest.approx(metrics.frechet_distance(reference, made), rel=1e-4)
    assert found.real == pytest.approx(metrics.frechet_distance(reference, other), rel=1e-4)


def test_the_classifier_judges_as_many_samples_as_were_asked_for(gan, pictures, classifier):
    found = measure(gan, pictures, classifier, samples=7, seed=2)
    with torch.no_grad():
        shares = metrics.class_shares(classifier(gan.sample(7, 2)))
    assert (found["rarest"].value, found["commonest"].value) == pytest.approx((shares.min().item(), shares.max().item()))
    assert found["evenness"].value == pytest.approx(metrics.evenness(shares), abs=1e-5)


def test_the_elbo_and_the_error_of_a_vae_are_those_of_the_metrics(vae, pictures, classifier):
    found, x = measure(vae, pictures, classifier, seed=4), pictures.images()
    bits = metrics.binarise(x, torch.Generator().manual_seed(4))
    assert found["elbo"].value == pytest.approx(metrics.bernoulli_elbo(vae, bits, 4).elbo, rel=1e-5)
    assert found["mse"].value == pytest.approx(metrics.reconstruction_mse(x, vae.reconstruct(x)), rel=1e-5)


def test_a_classifier_is_measured_by_its_accuracy(pictures, classifier):
    (found,) = evaluate.evaluate(classifier, pictures)
    right = [classifier(x[None]).argmax().item() == label for x, label in zip(pictures.images(), pictures.labels, strict=True)]
    assert (found.metric, found.value) == ("accuracy", pytest.approx(sum(right) / 12))


def test_the_numbers_are_the_same_each_time_and_in_train_mode(vae, pictures, classifier):
    first = measure(vae, pictures, classifier)
    torch.manual_seed(99)
    assert measure(vae.train(), pictures, classifier.train()) == first
    assert classifier.training
    assert evaluate.evaluate(classifier, pictures) == evaluate.evaluate(classifier.eval(), pictures)


def test_the_protocol_says_counts_data_seed_and_feature_network(gan, pictures, classifier, tmp_path):
    eye = Classifier.from_pretrained(classifier.save_pretrained(tmp_path / "eye"))
    found = measure(gan, pictures, eye, seed=3)
    for word in ("8 made", "12 real", "tiny.parquet", "seeds from 3", f"eye@{eye.source.sha256[:8]}"):
        assert word in found["recognised"].protocol
    assert "6 made" in found["frechet"].protocol
    assert str(tmp_path) not in str(found)


def test_a_table_has_a_row_for_each_model_and_metric(gan, pictures, classifier):
    measures = evaluate.evaluate(gan, pictures, classifier, samples=8)
    lines = evaluate.table({"a": measures, "b": measures}).splitlines()
    assert len(lines) == 2 + 2 * len(measures)
    assert all(line.count("|") == 6 for line in lines)
    assert lines[2].startswith(f"| a | {measures[0].name} |")


@pytest.mark.parametrize("options", [{"samples": 1}, {"count": 1}, {"samples": "x"}])
def test_a_count_that_measures_nothing_is_refused(gan, pictures, classifier, options):
    with pytest.raises(GenartError, match=f"evaluate: {next(iter(options))} must be"):
        evaluate.evaluate(gan, pictures, classifier, **options)


def test_too_few_real_pictures_are_refused(gan, pictures, classifier):
    with pytest.raises(GenartError, match="3 pictures, fewer than 4"):
        evaluate.evaluate(gan, pictures.take(torch.arange(3)), classifier)


def test_the_bundled_feature_network_of_the_same_size_is_picked_and_its_absence_told(gan, tiny):
    assert evaluate.pick_features(tiny(GAN, image_size=28)).source.name == "features-mnist"
    with pytest.raises(GenartError, match="genart-hub train classifier") as error:
        evaluate.pick_features(gan)
    assert error.value.code == "no_features"
