"""How well an autoencoder gives pictures back."""

import io
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genart_hub import images, losses, metrics
from genart_hub.data import Pictures
from genart_hub.errors import GenartError, whole
from genart_hub.evaluate.features import check_size, chunks, mean, run
from genart_hub.evaluate.measure import split_of
from genart_hub.hub.cards.tables import Measure
from genart_hub.metrics import CHUNK, dequantise
from genart_hub.models.base import FeatureNetwork, Generative, ImageModel, evaluating

IMPORTANCE_SAMPLES = 500


# ---- reconstructions and labels ----


def of_reconstructions(model: Any, pictures: Pictures, seed: int) -> list[Measure]:
    """What a model that can give pictures back makes of these; beside it the likelihood, where it has one. Nothing of another model."""
    if not model.reconstructs:
        return []
    check_size(model, pictures)
    labels = relabelled(model, pictures) if model.reconstructs_classes else None
    errors = []
    for k, some in chunks(pictures):
        label = [] if labels is None else [labels[k : k + len(some)]]
        errors.append(errors_of(some, run(model, model.reconstruct, some, *label)))
    measures = errors_of_reconstructions(errors, whole_split(pictures))
    return measures + (_of_likelihood(model, pictures, labels, seed) if model.likelihood else [])


def _of_likelihood(model: Generative, pictures: Pictures, labels: Tensor | None, seed: int) -> list[Measure]:
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list[Tensor]] = {"elbo": [], "tight": [], "kl": []}
    for k, x in chunks(pictures):
        label = None if labels is None else labels[k : k + len(x)]
        seen = metrics.binarise(x, generator) if model.likelihood == "bernoulli" else x
        bound = elbo(model, seen, seed + k, label=label)
        found["elbo"].append(bound.elbo)
        found["kl"].append(bound.kl)
        found["tight"].append(importance_weighted_bound(model, seen, seed + k, IMPORTANCE_SAMPLES, label))
    values = {name: torch.cat(each).double().cpu() for name, each in found.items()}
    split = whole_split(pictures)
    drawn = "pixels binarised" if model.likelihood == "bernoulli" else "8-bit pixels, dequantised"
    once, often = (f"{split}, {drawn} with seed {seed}, {n} of z" for n in ("1 draw", f"{IMPORTANCE_SAMPLES} draws"))
    measures = [
        Measure("ELBO (nats)", *mean(values["elbo"]), None, None, once, "elbo"),
        Measure("importance-weighted bound (nats)", *mean(values["tight"]), None, None, often, "importance_weighted_bound"),
    ]
    for name, which, protocol in (("bits per dimension", "elbo", once), ("bits per dimension, importance-weighted", "tight", often)):
        bits = metrics.bits_per_dimension(values[which], pictures.pictures[0].numel())
        metric = "bits_per_dimension" + "_importance_weighted" * (which == "tight")
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


def relabelled(model: ImageModel | FeatureNetwork, pictures: Pictures) -> Tensor:
    """The pictures' labels in the order of the model's classes."""
    labels = pictures.require_labels("measure a model of classes").tolist()
    known = {name: k for k, name in enumerate(model.class_names)}
    names = [pictures.class_names[label] if pictures.class_names else str(label) for label in labels]
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise GenartError("other_classes", path=str(pictures.path), name=missing, column=", ".join(pictures.columns) or "none")
    return torch.tensor([known[name] for name in names])


# ---- the likelihood of a VAE ----


@dataclass
class ELBO:
    """The evidence lower bound on log p(x) and its two parts, in nats, one a picture: each (N,)."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """-(reconstruction + kl), (N,)."""
        return -(self.reconstruction + self.kl)


@torch.no_grad()
def elbo(vae: Generative, x: Tensor, seed: int = 0, num_samples: int = 1, label: object = None) -> ELBO:
    """E_q[log p(x | z)] - KL(q(z | x) || p(z)) of each picture, in nats, by `num_samples` draws of z.

    Kingma & Welling 2014, https://arxiv.org/abs/1312.6114, eq. 3. x: (N, C, H, W) in [-1, 1]; label: a class, or N of them.
    Bernoulli: every pixel -1 or 1, as grey levels under a Bernoulli are no normalised likelihood. Gaussian: every pixel of 8 bits;
    a level's probability is the density's integral over a cell of width 1 / 127.5, which Jensen's inequality bounds:
    log P(x) >= E_u[log p(x + u)] - C H W log(127.5), with u as `dequantise` draws it (Theis et al. 2016, https://arxiv.org/abs/1511.01844).
    """
    num_samples = whole("elbo", "num_samples", num_samples, 1)
    bernoulli, cells = _cells("elbo", vae, x)
    generator, parameter = torch.Generator().manual_seed(seed), next(vae.parameters())
    labels = vae.check_label(label, len(x))
    reconstruction, kl = [], []
    with evaluating(vae):
        for k in range(0, len(x), CHUNK):
            chunk = x[k : k + CHUNK]
            told = () if labels is None else (labels[k : k + CHUNK],)
            mu, logvar = vae.encode(chunk.to(parameter.device), *told)
            kl.append(losses.kl_to_standard_normal(mu, logvar).double().cpu())
            total = torch.full((len(chunk),), cells, dtype=torch.float64)
            for _ in range(num_samples):
                z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator).to(mu)
                seen = chunk if bernoulli else dequantise(chunk, generator)
                total += vae.nll(vae.decode(z, *told), seen.to(parameter.device)).double().cpu() / num_samples
            reconstruction.append(total)
    return ELBO(torch.cat(reconstruction), torch.cat(kl))


@torch.no_grad()
def importance_weighted_bound(vae: Generative, x: Tensor, seed: int = 0, num_samples: int = 500, label: object = None) -> Tensor:
    """E[log 1/K sum_k p(x, z_k) / q(z_k | x)] of each picture, in nats, with K = `num_samples` draws of z: tighter than `elbo`.

    Burda et al. 2016, https://arxiv.org/abs/1509.00519, eq. 8. Pictures and likelihoods as in `elbo`; a Gaussian's pixels are
    dequantised anew for each z. x: (N, C, H, W) in [-1, 1]. Returns (N,).
    """
    num_samples = whole("importance_weighted_bound", "num_samples", num_samples, 1)
    bernoulli, cells = _cells("importance_weighted_bound", vae, x)
    generator, parameter = torch.Generator().manual_seed(seed), next(vae.parameters())
    labels = vae.check_label(label, len(x))
    bounds = []
    with evaluating(vae):
        for row, one in enumerate(x.split(1)):
            told = () if labels is None else (labels[row : row + 1],)
            mu, logvar = vae.encode(one.to(parameter.device), *told)  # (1, Z)
            log_weights = []
            for eps in torch.randn(num_samples, mu.shape[1], generator=generator).to(mu).split(CHUNK):
                z, copies = mu + (0.5 * logvar).exp() * eps, one.expand(len(eps), -1, -1, -1)
                seen = copies if bernoulli else dequantise(copies, generator)
                nll = vae.nll(vae.decode(z, *(label.expand(len(eps)) for label in told)), seen.to(parameter.device))
                log_ratio = 0.5 * (eps.square() + logvar - z.square()).sum(dim=1)  # log p(z) - log q(z | x)
                log_weights.append((log_ratio - nll).double().cpu() - cells)
            bounds.append(torch.cat(log_weights).logsumexp(dim=0) - math.log(num_samples))
    return torch.stack(bounds)


def _cells(where: str, vae: Generative, x: Tensor) -> tuple[bool, float]:
    """Whether a VAE's likelihood is Bernoulli, and the nats that an 8-bit level's cell adds to a picture's -log p under a Gaussian."""
    bernoulli = vae.likelihood == "bernoulli"
    if bernoulli and not bool((x.abs() == 1).all()):
        raise GenartError("not_binary", where=where)
    return bernoulli, 0.0 if bernoulli else x[0].numel() * math.log(127.5)
