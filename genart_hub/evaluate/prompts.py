"""Text-to-image models under the protocol of the others: is it what was asked for, how far from real pictures, what the latents keep.

A prompt is always a real picture's caption, so that what is made stands beside what is real.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genart_hub import images, metrics
from genart_hub.data import Pictures
from genart_hub.errors import MAX_SEED, GenartError, whole
from genart_hub.evaluate.costs import machine_of, seconds_of
from genart_hub.evaluate.features import check_features, features_of, look, mean, network_name, pick_features, run
from genart_hub.evaluate.inception import Inception
from genart_hub.evaluate.measure import split_of
from genart_hub.evaluate.memorisation import Training
from genart_hub.evaluate.paint import levels_seen_by
from genart_hub.evaluate.reconstructions import of_reconstructions, relabelled
from genart_hub.evaluate.samples import distances, frechet, halves, protocol_of
from genart_hub.hub.cards.pipelines import ENOUGH
from genart_hub.hub.cards.tables import Measure
from genart_hub.hub.described import name_of
from genart_hub.models.base import FeatureNetwork, ImageModel, evaluating
from genart_hub.models.inputs import INPUTS, check_request
from genart_hub.models.pictures import BATCH, paint

PROMPTED = "prompted with the reference's captions"
TIMED, TIMES = 16, 3  # pictures in a batch whose seconds are taken, and how often


def evaluate(
    model: ImageModel,
    pictures: Pictures,
    features: FeatureNetwork | Inception | None = None,
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
    training: "Training | None" = None,
    picture: Path | None = None,
) -> list[Measure]:
    """Every metric of a text-to-image model, at one number of steps and one guidance where it takes such.

    pictures: for the autoencoder, at the model's own size. reference: captioned pictures that made ones are compared with, best at the
    size of `features` (None: `pictures`). captions: its columns with prompts, each measured by itself; distances are those of the first.
    label, hold_out: the columns of the classes that `features` tells apart and of the variants that its training left out; both are
    needed to ask for `prompts` of the classes and see whether they come. count: the most pictures on each side of a distance.
    training: what the model was trained on, to tell how many of these are near-copies; the nearest are then shown in the PNG `picture`.
    """
    manner = manner_of(model, num_steps, guidance)
    prompts, count, seed = _checked(prompts, count, seed)
    features = check_features(features or pick_features(model))
    reference, how = reference or pictures, ", ".join(_told(manner))
    asked = draw_asked(reference, features, captions, label, hold_out, prompts, seed)
    levels: list[Tensor] = []
    with evaluating(features):
        measures = _of_asked(model, asked, features, captions, seed, manner, how)
        real, floor, made, protocol = _sides(model, reference, features, captions[0], count, seed, manner, how, levels)
    measures += distances(real, made, floor, protocol)
    if training:
        compared, prompted = training.compare(torch.cat(levels), made), captions_of(halves(reference, count, seed)[0], captions[0])
        what = f"{len(made):,} made (seeds from {seed}, {PROMPTED}{how and ', '}{how})"
        known = captions_of(training.pictures, captions[0]) if captions[0] in training.pictures.columns else []
        measures += training.measures(compared, what, prompted if set(prompted) <= set(known) else (), known)
        if picture:
            images.save_png(compared.sheet(training.pictures), picture)
    return [*measures, *of_reconstructions(model, pictures, seed)]


def sweep(
    model: ImageModel,
    reference: Pictures,
    features: FeatureNetwork | Inception | None = None,
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
    asked = draw_asked(reference, features, captions, label, hold_out, prompts, seed)
    columns = {}
    for steps in num_steps or (None,):
        for scale in guidance or (None,):
            manner, swept = manner_of(model, steps, scale), {"num_steps": len(num_steps) > 1, "guidance": len(guidance) > 1}
            told = dict(zip(manner, _told(manner), strict=True))
            title, fixed = (", ".join(text for name, text in told.items() if swept[name] is side) for side in (True, False))
            with evaluating(features):
                measures = _of_asked(model, asked, features, captions, seed, manner, fixed)
                real, floor, made, protocol = _sides(model, reference, features, captions[0], count, seed, manner, fixed)
            seconds = _seconds(model, captions_of(reference, captions[0])[:TIMED], seed, manner, fixed)
            distance = frechet(real, made, floor, protocol)
            if len(real) < ENOUGH:
                few = f"; of so few a Fréchet distance is far too large, as real pictures' {distance.real:.1f} shows: compare columns"
                distance = replace(distance, protocol=protocol + few)
            columns[title] = [*measures, distance, seconds]
    return columns


def draw_classes(reference: Pictures, label: str, hold_out: str, caption: str, num: int, seed: int = 0, held_out: bool = True) -> Pictures:
    """A held-out picture of each of `num` classes, in an order drawn by the seed: of several, the one whose caption is the class's name.

    (Which is a person of no skin tone, where there are all.) held_out: False for a picture of the same classes that was not held out.
    """
    named = reference.labelled_by(label)
    texts, labels = captions_of(reference, caption), named.require_labels("ask for classes").tolist()
    sides: list[dict[str, int]] = [{}, {}]
    for rows, found in zip(sides, named.hold_out(hold_out), strict=True):
        for row in found.tolist():
            name = named.class_names[labels[row]]
            if name not in rows or texts[row] == name != texts[rows[name]]:
                rows[name] = row
    names = sorted(sides[1])
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[:num]
    return named.take(torch.tensor([sides[held_out][names[k]] for k in order.tolist()]))


def captions_of(pictures: Pictures, column: str) -> list[str]:
    """A caption of each picture. Raises GenartError where there is no such column, or one with gaps."""
    texts = ["" if text is None else str(text).strip() for text in pictures.values(column)]
    if missing := texts.count(""):
        raise GenartError("missing_captions", path=str(pictures.path), count=missing, column=column)
    return texts


# ---- the parts ----


def _look_at(features: Any, x_hat: Tensor) -> Tensor:
    return torch.cat([look(features, some) for some in x_hat.split(BATCH)])


def draw_asked(
    reference: Pictures, features: Any, captions: Sequence[str], label: str | None, hold_out: str | None, prompts: int, seed: int
) -> tuple[Pictures, Pictures] | None:
    """The pictures to ask for, and as many of the same classes that the feature network was trained on.

    None where nothing says what its classes are.
    """
    if label is None or hold_out is None or not features.num_classes:
        return None
    held, known = (draw_classes(reference, label, hold_out, captions[0], prompts, seed, held_out) for held_out in (True, False))
    return held, known


def _of_asked(
    model: ImageModel,
    asked: tuple[Pictures, Pictures] | None,
    features: FeatureNetwork,
    captions: Sequence[str],
    seed: int,
    manner: dict[str, Any],
    how: str,
) -> list[Measure]:
    """Whether the feature network finds the class whose caption was the prompt, beside whether it does in the real picture of that caption.

    And in one of its class that it was trained on, as a model that copied its training pictures would show.
    """
    if asked is None:
        return []
    painted = ((column, paint(model, captions_of(asked[0], column), seed, **manner)) for column in captions)
    return judge_asked(asked, features, painted, seed, how)


def judge_asked(
    asked: tuple[Pictures, Pictures], features: FeatureNetwork, painted: Iterable[tuple[str, Tensor]], seed: int, how: str
) -> list[Measure]:
    """The same for pictures that were generated before.

    painted: for each column of captions its name and a picture (N, C, H, W) of each caption of `asked[0]`.
    """
    held, _ = asked
    labels = relabelled(features, held)
    real, copied = (run(features, features.head, features_of(features, some)) for some in asked)
    measures = []
    for column, x_hat in painted:
        logits = run(features, features.head, _look_at(features, x_hat))
        protocol = (
            f"{len(held):,} prompts of {split_of(held)}, column {column}, one a class (seeds from {seed}{how and ', '}{how}); "
            f"real: the pictures that they name, which {network_name(features)} did not see in training; "
            "copies: others of the same classes, which it did see"
        )
        for k, more in ((1, ""), (min(5, features.num_classes), ", top 5")):
            values, reals, copies = (mean(metrics.top_k_accuracy(each, labels, k)) for each in (logits, real, copied))
            metric = "prompt_accuracy" if k == 1 else "prompt_top_5_accuracy"
            measures.append(Measure(f"is what was asked for{more} ({column})", *values, *reals, protocol, metric, *copies))
    return measures


def _sides(
    model: ImageModel,
    reference: Pictures,
    features: FeatureNetwork,
    caption: str,
    count: int,
    seed: int,
    manner: dict[str, Any],
    how: str,
    levels: list[Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor, str]:
    """The features of the real half, of the other half and of as many made, and the protocol. levels: a list for the made ones' levels."""
    half, other = halves(reference, count, seed)
    x_hat = paint(model, captions_of(half, caption), seed, **manner)
    if levels is not None:
        levels += [levels_seen_by(features, some) for some in x_hat.split(BATCH)]
    asked = PROMPTED + (how and f", {how}")
    return features_of(features, half), features_of(features, other), _look_at(features, x_hat), protocol_of(half, features, seed, asked)


def _seconds(model: ImageModel, prompts: Sequence[str], seed: int, manner: dict[str, Any], how: str) -> Measure:
    """The seconds that a picture takes in a batch, after one batch that is not counted."""
    some = (list(prompts) * TIMED)[:TIMED]
    values = torch.tensor(seconds_of(model, TIMED, TIMES, seed, prompt=some, **manner), dtype=torch.float64)
    protocol = f"batches of {TIMED}{how and ', '}{how}; of the machine that measured it ({machine_of(model)}), and of no other"
    return Measure("seconds a picture", values.mean().item(), (values.std() / TIMES**0.5).item(), None, None, protocol, "seconds")


def manner_of(model: ImageModel, num_steps: int | None, guidance: float | None) -> dict[str, Any]:
    """The number of steps and the guidance, of a model that takes them: its own where they are not given."""
    given = check_request(name_of(model), model.inputs, {"num_steps": num_steps, "guidance": guidance})
    manner = {name: model.defaults.get(name) for name in ("num_steps", "guidance") if name in model.inputs} | given
    return {name: INPUTS[name].check("evaluate", value) for name, value in manner.items() if value is not None}


def _checked(prompts: object, count: object, seed: object) -> tuple[int, int, int]:
    return (
        whole("evaluate", "prompts", prompts, 2),
        whole("evaluate", "count", count, 2),
        whole("evaluate", "seed", seed, 0, MAX_SEED),
    )


def _told(manner: dict[str, Any]) -> list[str]:
    """How a protocol tells each input of `manner_of`."""
    say = {"num_steps": lambda n: f"{n} step{'s' * (n != 1)}", "guidance": lambda scale: f"guidance {scale:g}"}
    return [say[name](value) for name, value in manner.items()]
