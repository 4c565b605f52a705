"""Measure models under one protocol: every number with what it was measured on, its error, and real pictures beside the made ones."""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import genart_hub
from genart_hub import images, metrics
from genart_hub.cards import TRAINING, matrix, read_json
from genart_hub.data import Pictures
from genart_hub.errors import GenartError, whole
from genart_hub.files import sha256_of
from genart_hub.hub import HubModel
from genart_hub.models.base import MAX_SEED, FeatureNetwork, Generative, check_generative, evaluating

if TYPE_CHECKING:
    from genart_hub.memorisation import Training

BATCH = 500
JUDGED = 100  # up to so many classes, the share of each is worth a line
UNEVEN = 1.5  # times its even share, from which on the commonest class makes two distances of one
IMPORTANCE_SAMPLES = 500


@dataclass(frozen=True)
class Measure:
    """One number. error: its standard error; real, real_error: the same metric for real pictures, where there is one (the floor).

    value: None for what real pictures alone have. copied, copied_error: the metric of pictures that the feature network was trained on.
    protocol: counts, split, resize, feature network, seed.
    """

    name: str
    value: float | None
    error: float | None
    real: float | None
    real_error: float | None
    protocol: str
    metric: str
    copied: float | None = None
    copied_error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def pick_features(model: Generative) -> FeatureNetwork:
    """The bundled feature network for pictures like this model's: of its channels, and of the size nearest to its own."""
    networks = [genart_hub.from_pretrained(name) for name in genart_hub.bundled("features")]
    fitting = [features for features in networks if features.channels == model.channels]
    if not fitting:
        raise GenartError("no_features", channels=model.channels, size=model.image_size)
    return min(fitting, key=lambda features: abs(features.image_size - model.image_size))


def check_features(features: Any) -> Any:
    """`features`, if it is a feature network; else an error that names the bundled ones."""
    if not hasattr(features, "features") or not hasattr(features, "image_size"):
        name = features.source.name if getattr(features, "source", None) else type(features).__name__
        raise GenartError("not_features", model=name, choices=", ".join(genart_hub.bundled("features")))
    return features


def evaluate(
    model: HubModel,
    pictures: Pictures,
    features: FeatureNetwork | None = None,
    samples: int = 2000,
    count: int = 5000,
    seed: int = 0,
    reference: Pictures | None = None,
    rows: Tensor | None = None,
    training: "Training | None" = None,
    picture: Path | None = None,
) -> list[Measure]:
    """Every metric that fits the model.

    pictures: at the model's own size, for reconstructions, and for a classifier (`rows` of them). reference: the real pictures that made
    ones are compared with, best at the size of `features` (None: `pictures`). samples: how many made pictures the classifier judges.
    count: the most pictures on each side of a distance; the reference is cut in two halves, one to compare with and one for the floor,
    and as many are made. training: what the model was trained on, to tell how many of these are near-copies; the nearest are then shown
    in the PNG `picture`.
    """
    samples, count = whole("evaluate", "samples", samples, 2), whole("evaluate", "count", count, 8)
    seed = whole("evaluate", "seed", seed, 0, MAX_SEED)
    if isinstance(model, FeatureNetwork):
        return _of_labels(model, pictures if rows is None else pictures.take(rows), held_out=rows is not None)
    features = check_features(features or pick_features(model))
    check_generative(model, genart_hub.bundled())
    with evaluating(model), judging(features):
        measures = _of_samples(model, _in_order_of(model, reference or pictures), features, samples, count, seed, training, picture)
        return measures + (_of_reconstructions(model, pictures, seed) if model.family == "vae" else [])


def judging(features: Any) -> AbstractContextManager:
    """A feature network in eval mode for a while."""
    return evaluating(features) if isinstance(features, nn.Module) else nullcontext()


def fidelity(pictures: Pictures, features: FeatureNetwork, count: int, seed: int = 0) -> Callable[[Generative], float]:
    """A function model -> Fréchet distance of `count` samples to as many of `pictures`, for choosing the best of a run's states."""
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[:count]
    real = pictures.take(order)
    with evaluating(features):
        reference = features_of(features, real)

    def distance(model: Generative) -> float:
        with evaluating(model), evaluating(features):
            made = _made_features(model, features, len(reference), seed, _labels_like(model, real))
        return metrics.frechet_distance(reference, made) if bool(made.isfinite().all()) else math.nan

    return distance


# ---- made pictures beside real ones ----


def _of_samples(
    model: Generative,
    pictures: Pictures,
    features: FeatureNetwork,
    samples: int,
    count: int,
    seed: int,
    training: "Training | None",
    picture: Path | None,
) -> list[Measure]:
    reference, other = halves(pictures, count, seed)
    real, floor = features_of(features, reference), features_of(features, other)
    labels = _labels_like(model, reference)
    levels: list[Tensor] | None = [] if training else None
    made = _made_features(model, features, len(reference), seed, labels, levels)
    if not bool(made.isfinite().all()):
        raise GenartError("not_finite", model=model.source.name if model.source else type(model).__name__)
    classes = "of classes drawn by the seeds" if model.num_classes and labels is None else "conditional ones of the reference's classes"
    measures = _of_classes(model, features, pictures, torch.cat([real, floor]), samples, seed, eye_name(features))
    measures += distances(real, made, floor, protocol_of(reference, features, seed, classes))
    if labels is not None and (told := _unevenness(model, pictures.labels)):
        even = _made_features(model, features, len(reference), seed, None)
        measures.append(frechet(real, even, floor, protocol_of(reference, features, seed, told), even=True))
    if training:
        compared = training.compare(torch.cat(levels), made)
        measures += training.measures(compared, f"{len(made):,} made (seeds from {seed}, {classes})")
        if picture:
            images.save_png(compared.sheet(training.pictures), picture)
    return measures


def _unevenness(model: Generative, labels: Tensor) -> str | None:
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


def eye_name(features: Any) -> str:
    """What a protocol calls a feature network."""
    source = getattr(features, "source", None)
    sha256 = source.sha256 if source else getattr(features, "sha256", None)
    name = source.name if source else type(features).__name__
    return f"{name}@{sha256[:8]}" if sha256 else name


def protocol_of(reference: Pictures, features: Any, seed: int, asked: str) -> str:
    """What distances were measured on. reference: the half that made ones are compared with. asked: what made ones were asked to show."""
    half, own = len(reference), isinstance(features, FeatureNetwork)
    resized = f"resized to {features.image_size} px ({'bicubic' if own else 'by itself'}) where they differ"
    side = reference.pictures.shape[-1]
    at = "" if side == features.image_size else f" at {side} px"
    return (
        f"{half:,} made (seeds from {seed}, {asked}, {resized}) against {half:,} real of {split_of(reference)}{at}; "
        f"real: the other {half:,}; {eye_name(features)}{_trained_on(features, reference.path)}"
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
    model: Generative, features: FeatureNetwork, pictures: Pictures, real: Tensor, samples: int, seed: int, eye: str
) -> list[Measure]:
    """What a classifier makes of the samples: only where the eye is one. real: the features of real pictures."""
    if not isinstance(features, FeatureNetwork):
        return []
    protocol = f"{samples:,} made (seeds from {seed}), {len(real):,} real of {split_of(pictures)}, {eye}"
    caveat = f", which also recognises {_recognised_without_a_picture(features)}: read it beside a distance"
    logits = run(features, features.head, _made_features(model, features, samples, seed, None))
    real_logits = run(features, features.head, real)
    measures = []
    if features.num_classes <= JUDGED:
        recognised, real_recognised = (metrics.recognised(each).double() for each in (logits, real_logits))
        measures = [Measure("recognised (p > 0.9)", *mean(recognised), *mean(real_recognised), protocol + caveat, "recognised")]
        for name, of in (("evenness of the classes", metrics.evenness), ("rarest class", _smallest), ("commonest class", _largest)):
            figures = _of_shares(of, logits) + _of_shares(of, real_logits)
            measures.append(Measure(name, *figures, protocol, name.split()[0]))
    groups = _groups(model, features, pictures)
    if groups is not None:
        asked = torch.arange(samples) % model.num_classes
        logits = run(features, features.head, _made_features(model, features, samples, seed, asked))
        right = (_grouped(logits, groups, model.num_classes).argmax(dim=1) == asked).double()
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[: len(real)]
        real_right = (_grouped(real_logits, groups, model.num_classes).argmax(dim=1) == pictures.labels[order]).double()
        asked_protocol = f"{samples:,} made (seeds from {seed}, the classes in turn), {len(real):,} real of {split_of(pictures)}, {eye}"
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


def _groups(model: Generative, features: FeatureNetwork, pictures: Pictures) -> Tensor | None:
    """The model's class of each of the eye's classes: the same one, or the one that real pictures of it have. Returns (K,), or None."""
    if not _same_classes(model, pictures):
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


def _labels_like(model: Generative, real: Pictures) -> Tensor | None:
    """The classes that samples must have to be compared with these pictures: theirs."""
    return real.labels if _same_classes(model, real) else None


def _in_order_of(model: Generative, pictures: Pictures) -> Pictures:
    """The pictures, their classes numbered as the model's where all have the name of one."""
    names = set(pictures.class_names)
    if not model.num_classes or pictures.labels is None or bool((pictures.labels < 0).any()) or not names <= set(model.class_names):
        return pictures
    if not names or tuple(pictures.class_names) == tuple(model.class_names):
        return pictures
    return replace(pictures, labels=relabelled(model, pictures), class_names=tuple(model.class_names), digest=None)


def _same_classes(model: Generative, pictures: Pictures) -> bool:
    """Whether the pictures' labels are the model's classes: by their names, or by their numbers where they have none."""
    if not model.num_classes or pictures.labels is None or pictures.num_classes > model.num_classes or bool((pictures.labels < 0).any()):
        return False
    return tuple(pictures.class_names or map(str, range(model.num_classes))) == tuple(model.class_names)


def _made_features(
    model: Generative, features: FeatureNetwork, n: int, seed: int, labels: Tensor | None, levels: list[Tensor] | None = None
) -> Tensor:
    """The features of n samples. Picture k has seed `seed` + k, and the class labels[k] where they are given.

    levels: a list that the samples are added to as well, at the size of `features`, as 8-bit levels.
    """
    made = []
    for k in range(0, n, BATCH):
        label = None if labels is None else labels[k : min(k + BATCH, n)].tolist()
        x = model.sample(min(BATCH, n - k), seed + k, label=label)
        made.append(look(features, x))
        if levels is not None:
            levels.append(levels_seen_by(features, x))
    return torch.cat(made)


def levels_seen_by(features: Any, x: Tensor) -> Tensor:
    """Pictures as a feature network takes them, in 8 bits. x: (B, C, H, W) in [-1, 1]. Returns uint8."""
    return _seen_by(features, x).cpu().nan_to_num().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def split_of(pictures: Pictures) -> str:
    """What a protocol calls these pictures: the last two names of their path, and the part of them that was read."""
    name = "/".join(pictures.path.parts[-2:]) or pictures.path.resolve().name
    return f"{name} ({pictures.part})" if pictures.part else name


# ---- reconstructions and labels ----


def _of_reconstructions(model: Generative, pictures: Pictures, seed: int) -> list[Measure]:
    check_size(model, pictures)
    labels = relabelled(model, pictures) if model.num_classes else None
    generator = torch.Generator().manual_seed(seed)
    errors: dict[str, list[Tensor]] = {"elbo": [], "tight": [], "kl": []}
    of_errors = []
    for k, x in chunks(pictures):
        label = None if labels is None else labels[k : k + len(x)]
        x_hat = run(model, lambda x, label=label: model.reconstruct(x, *([] if label is None else [label])), x)
        of_errors.append(errors_of(x, x_hat))
        seen = metrics.binarise(x, generator) if model.likelihood == "bernoulli" else x
        bound = metrics.elbo(model, seen, seed + k, label=label)
        errors["elbo"].append(bound.elbo)
        errors["kl"].append(bound.kl)
        errors["tight"].append(metrics.importance_weighted_bound(model, seen, seed + k, IMPORTANCE_SAMPLES, label))
    values = {name: torch.cat(each).double().cpu() for name, each in errors.items()}
    split = whole_split(pictures)
    drawn = "pixels binarised" if model.likelihood == "bernoulli" else "8-bit pixels, dequantised"
    once, often = (f"{split}, {drawn} with seed {seed}, {n} of z" for n in ("1 draw", f"{IMPORTANCE_SAMPLES} draws"))
    measures = [
        *errors_of_reconstructions(of_errors, split),
        Measure("ELBO (nats)", *mean(values["elbo"]), None, None, once, "elbo"),
        Measure("importance-weighted bound (nats)", *mean(values["tight"]), None, None, often, "importance_weighted_bound"),
    ]
    for name, bound, protocol in (("bits per dimension", "elbo", once), ("bits per dimension, importance-weighted", "tight", often)):
        bits = metrics.bits_per_dimension(values[bound], pictures.pictures[0].numel())
        metric = "bits_per_dimension" + "_importance_weighted" * (bound == "tight")
        measures.append(Measure(name, *mean(bits), None, None, protocol, metric))
    if model.likelihood != "bernoulli":
        png = f"{split}, each as a PNG file"
        measures.append(Measure("bits per dimension of PNG", None, None, *mean(_bits_of_png(pictures)), png, "bits_per_dimension_png"))
    return [*measures, Measure("KL (nats)", *mean(values["kl"]), None, None, once, "kl")]


def _bits_of_png(pictures: Pictures) -> Tensor:
    """What a pixel's channel costs in each picture's smallest PNG file that Pillow writes. Returns (N,)."""
    sizes = []
    for _, x in chunks(pictures):
        for picture in images.to_pil(x):
            picture.save(file := io.BytesIO(), format="PNG", optimize=True)
            sizes.append(file.tell())
    return 8 * torch.tensor(sizes, dtype=torch.float64) / pictures.pictures[0].numel()


def check_size(model: Any, pictures: Pictures) -> None:
    """Refuse pictures that are not of the model's own size."""
    shape = (model.channels, model.image_size, model.image_size)
    if tuple(pictures.pictures.shape[1:]) != shape:
        raise GenartError("bad_images", where="evaluate", channels=shape[0], size=shape[1], shape=tuple(pictures.pictures.shape))


def whole_split(pictures: Pictures) -> str:
    """What a protocol calls all of these pictures, at the size at which they are."""
    return f"{len(pictures):,} of {split_of(pictures)} at {pictures.pictures.shape[-1]} px"


def errors_of(x: Tensor, x_hat: Tensor) -> dict[str, Tensor]:
    """How far reconstructions are from their pictures, by metric: (B,) each. SSIM has no value for pictures smaller than its window."""
    errors = {"mse": metrics.squared_error(x, x_hat), "psnr": metrics.psnr(x, x_hat)}
    return errors if x.shape[-1] < metrics.SSIM_WINDOW else errors | {"ssim": metrics.ssim(x, x_hat)}


def errors_of_reconstructions(errors: list[dict[str, Tensor]], protocol: str) -> list[Measure]:
    """The three of any autoencoder. errors: what `errors_of` gave, some pictures at a time."""
    names = {"mse": "reconstruction error (MSE, pixels in [0, 1])", "psnr": "reconstruction PSNR (dB)", "ssim": "reconstruction SSIM"}
    values = {metric: torch.cat([some[metric] for some in errors]) for metric in errors[0]}
    return [Measure(names[metric], *mean(each), None, None, protocol, metric) for metric, each in values.items()]


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


def relabelled(model: HubModel, pictures: Pictures) -> Tensor:
    """The pictures' labels in the order of the model's classes."""
    labels = pictures.require_labels("measure a model of classes").tolist()
    known = {name: k for k, name in enumerate(model.class_names)}
    names = [pictures.class_names[label] if pictures.class_names else str(label) for label in labels]
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise GenartError("other_classes", path=str(pictures.path), name=missing, column=", ".join(pictures.columns) or "none")
    return torch.tensor([known[name] for name in names])


def table(results: dict[str, list[Measure]]) -> str:
    """The results as a Markdown table: a row for each metric and protocol, a column for each model, and what was measured below."""
    return matrix({name: [measure.as_dict() for measure in measures] for name, measures in results.items()})


def mean(values: Tensor) -> tuple[float, float]:
    """A mean and its standard error. values: (N,)."""
    return values.double().mean().item(), metrics.mean_error(values)


def chunks(pictures: Pictures) -> Iterator[tuple[int, Tensor]]:
    """The pictures in [-1, 1], some at a time, each time with the row of the first."""
    for k in range(0, len(pictures), BATCH):
        yield k, pictures.images(slice(k, k + BATCH))


def features_of(features: FeatureNetwork, pictures: Pictures) -> Tensor:
    """The features of real pictures, made to the eye's size where they have another."""
    return torch.cat([look(features, x) for _, x in chunks(pictures)])


def look(features: FeatureNetwork, x: Tensor) -> Tensor:
    """The features of pictures, made to the eye's size where they have another. x: (B, C, H, W) in [-1, 1]. Returns (B, D)."""
    return run(features, features.features, _seen_by(features, x))


def _seen_by(features: Any, x: Tensor) -> Tensor:
    """Pictures as the eye takes them; Inception makes them its own size by itself."""
    return images.resize(x, features.image_size if isinstance(features, FeatureNetwork) else x.shape[-1], features.channels)


@torch.no_grad()
def run(module: Any, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """function(x) on the device that `module` is on, brought back to the CPU."""
    device = next(module.parameters()).device if isinstance(module, nn.Module) else x.device
    return function(x.to(device)).cpu()
