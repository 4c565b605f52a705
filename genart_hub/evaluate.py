"""Measure models under one protocol: every number with what it was measured on, and real pictures measured beside the made ones."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

import genart_hub
from genart_hub import metrics
from genart_hub.cards import figure
from genart_hub.data import Pictures
from genart_hub.errors import GenartError, whole
from genart_hub.hub import HubModel
from genart_hub.models.base import MAX_SEED, Generative, check_generative, evaluating
from genart_hub.models.classifier import Classifier
from genart_hub.models.vae import VAE

BATCH = 500


@dataclass(frozen=True)
class Measure:
    """One number. real: the same metric for real pictures, where there is one; protocol: counts, split, feature network, seed."""

    name: str
    value: float
    real: float | None
    protocol: str
    metric: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def pick_features(model: Generative) -> Classifier:
    """The bundled feature network for pictures of this model's size and channels."""
    for name in genart_hub.bundled("features"):
        features = genart_hub.from_pretrained(name)
        if (features.image_size, features.channels) == (model.image_size, model.channels):
            return features
    raise GenartError("no_features", channels=model.channels, size=model.image_size)


def evaluate(
    model: HubModel, pictures: Pictures, features: Classifier | None = None, samples: int = 2000, count: int = 5000, seed: int = 0
) -> list[Measure]:
    """Every metric that fits the model, on `pictures`, which the model should not have been trained on.

    samples: how many made pictures are shown to the classifier. count: the most pictures on each side of the Fréchet distance;
    the real ones are cut in two halves, one the reference and one for the floor, and as many are made.
    """
    samples, count = whole("evaluate", "samples", samples, 2), whole("evaluate", "count", count, 2)
    if isinstance(model, Classifier):
        labels = pictures.require_labels("measure a classifier")
        with evaluating(model):
            logits = torch.cat([_run(model, model, x) for x in _chunks(pictures)])
        protocol = f"{len(pictures):,} pictures of {pictures.path.name}"
        return [Measure("accuracy", metrics.accuracy(logits, labels), None, protocol, "accuracy")]
    features = features or pick_features(model)
    if not isinstance(features, Classifier):
        name = features.source.name if getattr(features, "source", None) else type(features).__name__
        raise GenartError("not_features", model=name, choices=", ".join(genart_hub.bundled("features")))
    check_generative(model, genart_hub.bundled())
    seed = whole("evaluate", "seed", seed, 0, MAX_SEED)
    with evaluating(model), evaluating(features):
        measures = _of_samples(model, pictures, features, samples, count, seed)
        return measures + (_of_reconstructions(model, pictures, seed) if isinstance(model, VAE) else [])


def _of_samples(model: Generative, pictures: Pictures, features: Classifier, samples: int, count: int, seed: int) -> list[Measure]:
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
    half = min(count, len(pictures) // 2)
    if half < 2:
        raise GenartError("few_pictures", path=str(pictures.path), count=len(pictures), low=4, purpose="two halves")
    reference, other = pictures.take(order[:half]), pictures.take(order[half : 2 * half])
    made = torch.cat([model.sample(min(BATCH, max(half, samples) - k), seed + k).cpu() for k in range(0, max(half, samples), BATCH)])
    real_features, other_features = _features(features, reference), _features(features, other)
    made_features = torch.cat([_run(features, features.features, x) for x in made.split(BATCH)])
    made_logits = _run(features, features.head, made_features[:samples])
    real_logits = _run(features, features.head, torch.cat([real_features, other_features]))
    made_shares, real_shares = metrics.class_shares(made_logits), metrics.class_shares(real_logits)

    eye = f"{features.source.name}@{features.source.sha256[:8]}" if features.source else "features"
    split = pictures.path.name
    judged = f"{samples:,} made (seeds from {seed}), {len(real_logits):,} real of {split}, {eye}"
    halves = f"{half:,} made (seeds from {seed}) against {half:,} real of {split}; real: the other {half:,}; {eye}"
    return [
        Measure("recognised (p > 0.9)", metrics.recognised_share(made_logits), metrics.recognised_share(real_logits), judged, "recognised"),
        Measure("evenness of the classes", metrics.evenness(made_shares), metrics.evenness(real_shares), judged, "evenness"),
        Measure("rarest class", made_shares.min().item(), real_shares.min().item(), judged, "rarest"),
        Measure("commonest class", made_shares.max().item(), real_shares.max().item(), judged, "commonest"),
        Measure(
            "Fréchet distance",
            metrics.frechet_distance(real_features, made_features[:half]),
            metrics.frechet_distance(real_features, other_features),
            halves,
            "frechet",
        ),
    ]


def _of_reconstructions(model: VAE, pictures: Pictures, seed: int) -> list[Measure]:
    x = pictures.images()
    x_hat = torch.cat([_run(model, model.reconstruct, chunk) for chunk in x.split(BATCH)])
    generator = torch.Generator().manual_seed(seed)
    bound = metrics.bernoulli_elbo(model, metrics.binarise(x, generator), seed)
    split = f"{len(pictures):,} of {pictures.path.name}"
    binarised = f"{split}, pixels binarised with seed {seed}, 1 draw of z"
    return [
        Measure("reconstruction error (MSE, pixels in [0, 1])", metrics.reconstruction_mse(x, x_hat), None, split, "mse"),
        Measure("ELBO (nats)", bound.elbo, None, binarised, "elbo"),
        Measure("KL (nats)", bound.kl, None, binarised, "kl"),
    ]


def table(results: dict[str, list[Measure]]) -> str:
    """The results as a Markdown table: a row for each model and metric."""
    lines = ["| model | metric | value | real | protocol |", "|---|---|---|---|---|"]
    for name, measures in results.items():
        for m in measures:
            lines.append(f"| {name} | {m.name} | {figure(m.value)} | {'–' if m.real is None else figure(m.real)} | {m.protocol} |")
    return "\n".join(lines)


def _chunks(pictures: Pictures):
    for k in range(0, len(pictures), BATCH):
        yield pictures.images(slice(k, k + BATCH))


def _features(features: Classifier, pictures: Pictures) -> Tensor:
    return torch.cat([_run(features, features.features, x) for x in _chunks(pictures)])


@torch.no_grad()
def _run(module: nn.Module, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """function(x) on the device that `module` is on, brought back to the CPU."""
    return function(x.to(next(module.parameters()).device)).cpu()
