"""Measure models under one protocol: every number with what it was measured on, its error, and real pictures beside the made ones."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genart_hub import images, metrics
from genart_hub.data import Pictures
from genart_hub.errors import MAX_SEED, GenartError, whole
from genart_hub.evaluate.features import BATCH, check_features, chunks, features_of, mean, network_name, pick_features, run
from genart_hub.evaluate.inception import Inception
from genart_hub.evaluate.measure import split_of
from genart_hub.evaluate.memorisation import Training
from genart_hub.evaluate.paint import _labels_like, _made_features, _same_classes
from genart_hub.evaluate.reconstructions import of_reconstructions, relabelled
from genart_hub.files import sha256_of
from genart_hub.hub.cards.tables import TRAINING, Measure, read_json
from genart_hub.hub.described import name_of
from genart_hub.models.auto import check_image_model
from genart_hub.models.base import FeatureNetwork, ImageModel, evaluating
from genart_hub.models.inputs import check_request

JUDGED = 100  # up to so many classes, the share of each is worth a line
UNEVEN = 1.5  # times its even share, from which on the commonest class makes two distances of one


def evaluate(
    model: ImageModel | FeatureNetwork,
    pictures: Pictures,
    features: FeatureNetwork | Inception | None = None,
    samples: int = 2000,
    count: int = 5000,
    seed: int = 0,
    reference: Pictures | None = None,
    rows: Tensor | None = None,
    training: "Training | None" = None,
    picture: Path | None = None,
    manner: dict[str, Any] | None = None,
) -> list[Measure]:
    """Every metric that fits the model.

    pictures: at the model's own size, for reconstructions, and for a classifier (`rows` of them). reference: the real pictures that made
    ones are compared with, best at the size of `features` (None: `pictures`). samples: how many made pictures the classifier judges.
    count: the most pictures on each side of a distance; the reference is cut in two halves, one to compare with and one for the floor,
    and as many are made. training: what the model was trained on, to tell how many of these are near-copies; the nearest are then shown
    in the PNG `picture`. manner: inputs of the model that all of its pictures are sampled with, such as num_steps.
    """
    samples, count = whole("evaluate", "samples", samples, 2), whole("evaluate", "count", count, 8)
    seed = whole("evaluate", "seed", seed, 0, MAX_SEED)
    if isinstance(model, FeatureNetwork):  # measured on labels: nothing is sampled
        return _of_labels(model, pictures if rows is None else pictures.take(rows), held_out=rows is not None)
    model = check_image_model(model)
    features = check_features(features or pick_features(model))
    manner = check_request(name_of(model), model.inputs, manner or {})
    with evaluating(model), evaluating(features):
        measures = _of_samples(model, _in_order_of(model, reference or pictures), features, samples, count, seed, training, picture, manner)
        return [*measures, *of_reconstructions(model, pictures, seed)]


def fidelity(pictures: Pictures, features: FeatureNetwork, count: int, seed: int = 0) -> Callable[[ImageModel], float]:
    """A function model -> Fréchet distance of `count` samples to as many of `pictures`, for choosing the best of a run's states."""
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[:count]
    real = pictures.take(order)
    with evaluating(features):
        reference = features_of(features, real)

    def distance(model: ImageModel) -> float:
        with evaluating(model), evaluating(features):
            made = _made_features(model, features, len(reference), seed, _labels_like(model, real))
        return metrics.frechet_distance(reference, made) if bool(made.isfinite().all()) else math.nan

    return distance


# ---- made pictures beside real ones ----


def _of_samples(
    model: ImageModel,
    pictures: Pictures,
    features: FeatureNetwork,
    samples: int,
    count: int,
    seed: int,
    training: "Training | None",
    picture: Path | None,
    manner: dict[str, Any],
) -> list[Measure]:
    reference, other = halves(pictures, count, seed)
    real, floor = features_of(features, reference), features_of(features, other)
    labels = _labels_like(model, reference)
    levels: list[Tensor] = []
    made = _made_features(model, features, len(reference), seed, labels, levels if training else None, **manner)
    if not bool(made.isfinite().all()):
        raise GenartError("not_finite", model=name_of(model))
    classes = "of classes drawn by the seeds" if model.num_classes and labels is None else "conditional ones of the reference's classes"
    classes += told_of(manner)
    measures = _of_classes(model, features, pictures, torch.cat([real, floor]), samples, seed, manner)
    measures += distances(real, made, floor, protocol_of(reference, features, seed, classes))
    if labels is not None and pictures.labels is not None and (told := _unevenness(model, pictures.labels)):
        even = _made_features(model, features, len(reference), seed, None, **manner)
        measures.append(frechet(real, even, floor, protocol_of(reference, features, seed, told), even=True))
    if "prior" in model.inputs and "prior" not in manner:  # beside what the fitted one gives
        normal = _made_features(model, features, len(reference), seed, labels, prior="normal", **manner)
        distance = frechet(real, normal, floor, protocol_of(reference, features, seed, f"{classes}, prior N(0, I)"))
        measures.append(replace(distance, name="Fréchet distance, prior N(0, I)", metric="frechet_normal"))
    if training:
        compared = training.compare(torch.cat(levels), made)
        measures += training.measures(compared, f"{len(made):,} made (seeds from {seed}, {classes})")
        if picture:
            images.save_png(compared.sheet(training.pictures), picture)
    return measures


def told_of(manner: dict[str, Any]) -> str:
    """What a protocol says of a model's other inputs."""
    return "".join(f", {name} {value}" for name, value in manner.items())


def _unevenness(model: ImageModel, labels: Tensor) -> str | None:
    """What a protocol says of samples without a class where the real classes are uneven."""
    shares = torch.bincount(labels, minlength=model.num_classes) / len(labels)
    if shares.max() < UNEVEN / model.num_classes:
        return None
    commonest = f"{shares.max():.0%} of the reference are {model.class_names[int(shares.argmax())]}"
    return f"of {model.num_classes} classes drawn evenly, as `sample` does where none is named, while {commonest}"


def halves(pictures: Pictures, count: int, seed: int) -> tuple[Pictures, Pictures]:
    """The real pictures that made ones are compared with, and as many others for the floor: `count` each, or half of all."""
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
    half = min(count, len(pictures) // 2)
    if half < 8:
        raise GenartError("few_pictures", path=str(pictures.path), count=len(pictures), low=16, purpose="two halves to compare")
    return pictures.take(order[:half]), pictures.take(order[half : 2 * half])


def protocol_of(reference: Pictures, features: Any, seed: int, asked: str) -> str:
    """What distances were measured on. reference: the half that made ones are compared with. asked: what made ones were asked to show."""
    half = len(reference)
    resized = f"resized to {features.image_size} px ({'by itself' if features.resizes else 'bicubic'}) where they differ"
    side = reference.pictures.shape[-1]
    at = "" if side == features.image_size else f" at {side} px"
    return (
        f"{half:,} made (seeds from {seed}, {asked}, {resized}) against {half:,} real of {split_of(reference)}{at}; "
        f"real: the other {half:,}; {network_name(features)}{_trained_on(features, reference.path)}"
    )


def _trained_on(features: Any, file: Path) -> str:
    """What a protocol says where the file of real pictures is the one that the feature network's training.json names by its hash."""
    source = getattr(features, "source", None)
    about = source.companion(TRAINING) if source else None
    training = read_json(about) if about else None
    if not training or not file.is_file() or training.get("file_sha256") != sha256_of(file):
        return ""
    return ", which was trained on both halves" + " but for held-out variants" * ("--hold-out" in (training.get("command") or ""))


def distances(real: Tensor, made: Tensor, floor: Tensor, protocol: str) -> list[Measure]:
    """How far made pictures are from real ones, and how far other real ones are. The features of each: (N, D)."""
    measures: list[Measure] = []

    def add(name: str, metric: str, values: tuple[float, float], floors: tuple[float, float]) -> None:
        measures.append(Measure(name, *values, *floors, protocol, metric))

    def kernel(fake: Tensor) -> tuple[float, float]:
        return metrics.kernel_distance(real, fake), metrics.kernel_distance_error(real, fake)

    measures.append(frechet(real, made, floor, protocol))
    add("kernel distance (KID)", "kid", kernel(made), kernel(floor))
    pairs = zip(
        metrics.precision_recall(real, made) + metrics.density_coverage(real, made),
        metrics.precision_recall(real, floor) + metrics.density_coverage(real, floor),
        strict=True,
    )
    for name, (values, floors) in zip(("precision", "recall", "density", "coverage"), pairs, strict=True):
        add(name, name, mean(values), mean(floors))
    return measures


def frechet(real: Tensor, made: Tensor, floor: Tensor, protocol: str, even: bool = False) -> Measure:
    """The Fréchet distance alone. The features of each: (N, D). even: of made pictures whose classes are drawn evenly."""
    values = metrics.frechet_distance(real, made), metrics.frechet_distance_error(real, made)
    floors = metrics.frechet_distance(real, floor), metrics.frechet_distance_error(real, floor)
    return Measure(f"Fréchet distance{', classes even' * even}", *values, *floors, protocol, "frechet" + "_even" * even)


def _of_classes(
    model: ImageModel, features: FeatureNetwork, pictures: Pictures, real: Tensor, samples: int, seed: int, manner: dict[str, Any]
) -> list[Measure]:
    """What a classifier makes of the samples: only where the feature network is one. real: the features of real pictures."""
    if not features.num_classes:
        return []
    network, seeds = network_name(features), f"seeds from {seed}{told_of(manner)}"
    protocol = f"{samples:,} made ({seeds}), {len(real):,} real of {split_of(pictures)}, {network}"
    caveat = f", which also recognises {_recognised_without_a_picture(features)}: read it beside a distance"
    logits = run(features, features.head, _made_features(model, features, samples, seed, None, **manner))
    real_logits = run(features, features.head, real)
    measures = []
    if features.num_classes <= JUDGED:
        recognised, real_recognised = (metrics.recognised(each).double() for each in (logits, real_logits))
        measures = [Measure("recognised (p > 0.9)", *mean(recognised), *mean(real_recognised), protocol + caveat, "recognised")]
        for name, of in (("evenness of the classes", metrics.evenness), ("rarest class", _smallest), ("commonest class", _largest)):
            figures = _of_shares(of, logits) + _of_shares(of, real_logits)
            measures.append(Measure(name, *figures, protocol, name.split()[0]))
    groups = _groups(model, features, pictures)
    if groups is not None and pictures.labels is not None:
        asked = torch.arange(samples) % model.num_classes
        logits = run(features, features.head, _made_features(model, features, samples, seed, asked, **manner))
        right = (_grouped(logits, groups, model.num_classes).argmax(dim=1) == asked).double()
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[: len(real)]
        real_right = (_grouped(real_logits, groups, model.num_classes).argmax(dim=1) == pictures.labels[order]).double()
        asked_protocol = f"{samples:,} made ({seeds}, the classes in turn), {len(real):,} real of {split_of(pictures)}, {network}"
        measures.append(Measure("is the class asked for", *mean(right), *mean(real_right), asked_protocol, "label_accuracy"))
    return measures


def _recognised_without_a_picture(features: FeatureNetwork) -> str:
    """How much of what shows nothing a classifier recognises, all the same."""
    shape = (BATCH, features.channels, features.image_size, features.image_size)
    noise = 2 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 1
    shares = (metrics.recognised_share(run(features, features, x)) for x in (noise, -torch.ones(1, *shape[1:])))
    return "{:.0%} of noise and {:.0%} of black".format(*shares)


def _of_shares(of: Callable[[Tensor], float], logits: Tensor) -> tuple[float, float]:
    """A figure of the classes' shares, and its standard error."""
    return of(metrics.class_shares(logits)), metrics.bootstrap_error(lambda drawn: of(metrics.class_shares(drawn)), logits)


def _smallest(shares: Tensor) -> float:
    return shares.min().item()


def _largest(shares: Tensor) -> float:
    return shares.max().item()


def _groups(model: ImageModel, features: FeatureNetwork, pictures: Pictures) -> Tensor | None:
    """The model's class of each class of the feature network: the same one, or the one that real pictures of it have.

    Returns (K,), or None.
    """
    if not _same_classes(model, pictures) or pictures.labels is None:
        return None
    if tuple(model.class_names) == tuple(features.class_names):
        return torch.arange(features.num_classes)
    known = {name: k for k, name in enumerate(features.class_names)}
    for values in pictures.columns.values():
        if all(str(value) in known for value in values):
            groups = torch.full((features.num_classes,), model.num_classes)
            groups[torch.tensor([known[str(value)] for value in values])] = pictures.labels
            return groups
    return None


def _grouped(logits: Tensor, groups: Tensor, num_classes: int) -> Tensor:
    """The probability of each group, from the logits (N, K) of finer classes. Returns (N, num_classes)."""
    shares = torch.zeros(len(logits), num_classes + 1).index_add_(1, groups, logits.softmax(dim=1))
    return shares[:, :num_classes]


def _in_order_of(model: ImageModel, pictures: Pictures) -> Pictures:
    """The pictures, their classes numbered as the model's where all have the name of one."""
    names = set(pictures.class_names)
    if not model.num_classes or pictures.labels is None or bool((pictures.labels < 0).any()) or not names <= set(model.class_names):
        return pictures
    if not names or tuple(pictures.class_names) == tuple(model.class_names):
        return pictures
    return replace(pictures, labels=relabelled(model, pictures), class_names=tuple(model.class_names), digest=None)


# ---- reconstructions and labels ----


def _of_labels(model: FeatureNetwork, pictures: Pictures, held_out: bool) -> list[Measure]:
    labels = relabelled(model, pictures)
    with evaluating(model):
        logits = torch.cat([run(model, model, x) for _, x in chunks(pictures)])
    held = ", variants of their class that training left out" if held_out else ""
    protocol = f"{len(pictures):,} pictures of {split_of(pictures)}{held}"
    measures = [Measure("accuracy", *mean(metrics.top_k_accuracy(logits, labels, 1)), None, None, protocol, "accuracy")]
    if model.num_classes > 20:
        top = metrics.top_k_accuracy(logits, labels, 5)
        measures.append(Measure("accuracy, top 5", *mean(top), None, None, protocol, "top_5_accuracy"))
    return measures
