"""Text-to-image models under the protocol of the others: is it what was asked for, how far from real pictures, what the latents keep.

A prompt is always a real picture's caption, so that what is made stands beside what is real.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub import metrics
from genart_hub.data import Pictures
from genart_hub.errors import GenartError, number, whole
from genart_hub.evaluate import (
    Measure,
    check_features,
    check_size,
    chunks,
    distances,
    errors_of_reconstructions,
    eye_name,
    features_of,
    frechet,
    halves,
    look,
    mean,
    pick_features,
    protocol_of,
    relabelled,
    run,
    split_of,
    whole_split,
)
from genart_hub.models.base import MAX_SEED, FeatureNetwork, evaluating
from genart_hub.stable_diffusion import StableDiffusion

BATCH = 50
TIMED, TIMES = 16, 3  # pictures in a batch whose seconds are taken, and how often


def evaluate(
    model: StableDiffusion,
    pictures: Pictures,
    features: FeatureNetwork | None = None,
    reference: Pictures | None = None,
    *,
    captions: Sequence[str] = ("text",),
    label: str | None = None,
    hold_out: str | None = None,
    prompts: int = 500,
    count: int = 5000,
    seed: int = 0,
    num_steps: int | None = None,
    guidance: float | None = None,
) -> list[Measure]:
    """Every metric of a text-to-image model, at one number of steps and one guidance.

    pictures: for the autoencoder, at the model's own size. reference: captioned pictures that made ones are compared with, best at the
    size of `features` (None: `pictures`). captions: its columns with prompts, each measured by itself; distances are those of the first.
    label, hold_out: the columns of the classes that `features` tells apart and of the variants that its training left out; both are
    needed to ask for `prompts` of the classes and see whether they come. count: the most pictures on each side of a distance.
    """
    num_steps, guidance = _manner(model, num_steps, guidance)
    prompts, count, seed = _checked(prompts, count, seed)
    features = check_features(features or pick_features(model))
    reference, how = reference or pictures, f"{_steps(num_steps)}, {_guidance(guidance)}"
    asked = _asked(reference, features, captions, label, hold_out, prompts, seed)
    with _judging(features):
        measures = _of_asked(model, asked, features, captions, seed, num_steps, guidance, how)
        real, floor, made, protocol = _sides(model, reference, features, captions[0], count, seed, num_steps, guidance, how)
    return [*measures, *distances(real, made, floor, protocol), *_of_autoencoder(model, pictures)]


def sweep(
    model: StableDiffusion,
    reference: Pictures,
    features: FeatureNetwork | None = None,
    *,
    captions: Sequence[str] = ("text",),
    label: str | None = None,
    hold_out: str | None = None,
    prompts: int = 500,
    count: int = 2000,
    seed: int = 0,
    num_steps: Sequence[int] = (),
    guidance: Sequence[float] = (),
) -> dict[str, list[Measure]]:
    """What the number of steps and the guidance change: a column for each value, or each pair, called "4 steps" or "guidance 2".

    Whether it is what was asked for, the Fréchet distance of `count` pictures, and the seconds that one takes. The rest as in `evaluate`.
    """
    prompts, count, seed = _checked(prompts, count, seed)
    features = check_features(features or pick_features(model))
    asked = _asked(reference, features, captions, label, hold_out, prompts, seed)
    columns = {}
    for steps in num_steps or (None,):
        for scale in guidance or (None,):
            n, w = _manner(model, steps, scale)
            told = [(_steps(n), len(num_steps) > 1), (_guidance(w), len(guidance) > 1)]
            title, fixed = (", ".join(text for text, swept in told if swept is side) for side in (True, False))
            with _judging(features):
                measures = _of_asked(model, asked, features, captions, seed, n, w, fixed)
                real, floor, made, protocol = _sides(model, reference, features, captions[0], count, seed, n, w, fixed)
            seconds = _seconds(model, captions_of(reference, captions[0])[:TIMED], seed, n, w, fixed)
            columns[title] = [*measures, frechet(real, made, floor, protocol), seconds]
    return columns


def draw_classes(reference: Pictures, label: str, hold_out: str, caption: str, num: int, seed: int = 0) -> Pictures:
    """A held-out picture of each of `num` classes, in an order drawn by the seed: of several, the one whose caption is the class's name.

    (Which is a person of no skin tone, where there are all.)
    """
    named = reference.labelled_by(label)
    texts, labels = captions_of(reference, caption), named.require_labels("ask for classes").tolist()
    rows: dict[str, int] = {}
    for row in named.hold_out(hold_out)[1].tolist():
        name = named.class_names[labels[row]]
        if name not in rows or texts[row] == name != texts[rows[name]]:
            rows[name] = row
    names = sorted(rows)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[:num]
    return named.take(torch.tensor([rows[names[k]] for k in order.tolist()]))


def captions_of(pictures: Pictures, column: str) -> list[str]:
    """A caption of each picture. Raises GenartError where there is no such column, or one with gaps."""
    texts = ["" if text is None else str(text).strip() for text in pictures.values(column)]
    if missing := texts.count(""):
        raise GenartError("missing_captions", path=str(pictures.path), count=missing, column=column)
    return texts


def paint(
    model: StableDiffusion, prompts: Sequence[str], seed: int = 0, num_steps: int | None = None, guidance: float | None = None
) -> Tensor:
    """A picture of each prompt, some at a time under a bar. Picture k has seed `seed` + k. Returns (N, 3, H, W) in [-1, 1]."""
    from tqdm import tqdm

    made = []
    for k in tqdm(range(0, len(prompts), BATCH), unit=f"{BATCH} pictures", leave=False, disable=None):
        some = list(prompts[k : k + BATCH])
        made.append(model.sample(len(some), seed + k, prompt=some, num_steps=num_steps, guidance=guidance))
    return torch.cat(made)


# ---- the parts ----


def _look_at(features: Any, x_hat: Tensor) -> Tensor:
    return torch.cat([look(features, some) for some in x_hat.split(BATCH)])


def _judging(features: Any) -> AbstractContextManager:
    return evaluating(features) if isinstance(features, nn.Module) else nullcontext()


def _asked(
    reference: Pictures, features: Any, captions: Sequence[str], label: str | None, hold_out: str | None, prompts: int, seed: int
) -> Pictures | None:
    """The pictures to ask for, or None where nothing says what the eye's classes are."""
    if label is None or hold_out is None or not isinstance(features, FeatureNetwork):
        return None
    return draw_classes(reference, label, hold_out, captions[0], prompts, seed)


def _of_asked(
    model: StableDiffusion,
    asked: Pictures | None,
    features: FeatureNetwork,
    captions: Sequence[str],
    seed: int,
    num_steps: int,
    guidance: float,
    how: str,
) -> list[Measure]:
    """Whether the eye finds the class whose caption was the prompt, beside whether it does in the real picture of that caption."""
    if asked is None:
        return []
    labels = relabelled(features, asked)
    real = run(features, features.head, features_of(features, asked))
    measures = []
    for column in captions:
        x_hat = paint(model, captions_of(asked, column), seed, num_steps, guidance)
        logits = run(features, features.head, _look_at(features, x_hat))
        protocol = (
            f"{len(asked):,} prompts of {split_of(asked)}, column {column}, one a class (seeds from {seed}{how and ', '}{how}); "
            f"real: the pictures that they name, which {eye_name(features)} did not see in training"
        )
        for k, more in ((1, ""), (min(5, features.num_classes), ", top 5")):
            values, reals = (mean(metrics.top_k_accuracy(each, labels, k)) for each in (logits, real))
            metric = "prompt_accuracy" if k == 1 else "prompt_top_5_accuracy"
            measures.append(Measure(f"is what was asked for{more} ({column})", *values, *reals, protocol, metric))
    return measures


def _sides(
    model: StableDiffusion,
    reference: Pictures,
    features: FeatureNetwork,
    caption: str,
    count: int,
    seed: int,
    num_steps: int,
    guidance: float,
    how: str,
) -> tuple[Tensor, Tensor, Tensor, str]:
    """The features of the real half, of the other half and of as many made, and the protocol."""
    half, other = halves(reference, count, seed)
    x_hat = paint(model, captions_of(half, caption), seed, num_steps, guidance)
    asked = "prompted with the reference's captions" + (how and f", {how}")
    return features_of(features, half), features_of(features, other), _look_at(features, x_hat), protocol_of(half, features, seed, asked)


@torch.no_grad()
def _of_autoencoder(model: StableDiffusion, pictures: Pictures) -> list[Measure]:
    """Pictures through the mean of their latents, by the names that a VAE's figures have."""
    check_size(model, pictures)
    vae = model.pipeline.vae
    errors: dict[str, list[Tensor]] = {"mse": [], "psnr": [], "ssim": []}
    for _, several in chunks(pictures):
        for x in several.split(BATCH):
            x_hat = vae.decode(vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mean).sample.float().cpu().clamp(-1, 1)
            for name, metric in (("mse", metrics.squared_error), ("psnr", metrics.psnr), ("ssim", metrics.ssim)):
                errors[name].append(metric(x, x_hat))
    return errors_of_reconstructions(*(torch.cat(errors[name]).double() for name in ("mse", "psnr", "ssim")), whole_split(pictures))


def _seconds(model: StableDiffusion, prompts: Sequence[str], seed: int, num_steps: int, guidance: float, how: str) -> Measure:
    """The seconds that a picture takes in a batch, after one batch that is not counted."""
    some, taken = (list(prompts) * TIMED)[:TIMED], []
    for _ in range(TIMES + 1):
        start = time.perf_counter()
        model.sample(TIMED, seed, prompt=some, num_steps=num_steps, guidance=guidance)
        taken.append((time.perf_counter() - start) / TIMED)
    values, device = torch.tensor(taken[1:], dtype=torch.float64), torch.device(model.pipeline.device).type
    threads = torch.get_num_threads()
    machine = f"{device}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__.split('+')[0]}"
    protocol = f"batches of {TIMED}{how and ', '}{how}; of the machine that measured it ({machine}), and of no other"
    return Measure("seconds a picture", values.mean().item(), (values.std() / TIMES**0.5).item(), None, None, protocol, "seconds")


def _manner(model: StableDiffusion, num_steps: int | None, guidance: float | None) -> tuple[int, float]:
    """The number of steps and the guidance: the model's own where they are not given."""
    defaults = model.defaults
    steps = whole("evaluate", "steps", defaults["num_steps"] if num_steps is None else num_steps, 1, 1000)
    return steps, number("evaluate", "guidance", defaults["guidance"] if guidance is None else guidance, 0, 50)


def _checked(prompts: object, count: object, seed: object) -> tuple[int, int, int]:
    return (
        whole("evaluate", "prompts", prompts, 2),
        whole("evaluate", "count", count, 2),
        whole("evaluate", "seed", seed, 0, MAX_SEED),
    )


def _steps(num_steps: int) -> str:
    return f"{num_steps} step{'s' * (num_steps != 1)}"


def _guidance(guidance: float) -> str:
    return f"guidance {guidance:g}"
