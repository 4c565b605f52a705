"""One protocol for all models of the same pictures: each gets a row, which is kept and measured no second time."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genart_hub.data import Pictures
from genart_hub.errors import MAX_SEED, GenartError, whole
from genart_hub.evaluate.costs import costs, machine_of, seconds_of
from genart_hub.evaluate.features import check_features, features_of, look, mean, network_name, run
from genart_hub.evaluate.measure import split_of
from genart_hub.evaluate.memorisation import Training, pick_autoencoder
from genart_hub.evaluate.paint import _labels_like, levels_seen_by
from genart_hub.evaluate.prompts import captions_of, draw_asked, judge_asked, manner_of
from genart_hub.evaluate.samples import _grouped, _groups, _in_order_of, distances, halves
from genart_hub.files import parse_json, replacing, sha256_of
from genart_hub.hub.cards.tables import TRAINING, Measure, read_json
from genart_hub.hub.described import name_of
from genart_hub.models import auto
from genart_hub.models.base import FeatureNetwork, ImageModel, evaluating
from genart_hub.models.pictures import BATCH

VERSION = 1  # counts up when the same model would get other figures
BATCHES, TIMES = (1, 16), 3  # pictures in the batches that are timed, and how often
TIMES_AS_LARGE = 2  # or as small as the feature network's pictures, at most: another size is another task

Row = dict[str, Any]
Progress = Callable[[int], Any]  # told how many pictures are done


@dataclass(frozen=True)
class Protocol:
    """What every model is measured on. `measure` gives a model's row, `fits` refuses one that has no place here.

    training: what the models were trained on, at the size of the feature networks; the real pictures are of it. unseen: others that no
    model saw, for the share of near-copies. networks: the feature network that ranks, then those that check it. autoencoder: whose
    reconstructions say what is near. count: the most pictures on each side of a distance; prompts: how many concepts or classes are
    asked for. captions: the columns with prompts, a language each (None: text and all text_...).
    """

    training: Pictures
    unseen: Pictures | None
    networks: tuple[FeatureNetwork, ...]
    autoencoder: ImageModel | None = None
    count: int = 3000
    prompts: int = 500
    seed: int = 0
    captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        whole("leaderboard", "count", self.count, 8)
        whole("leaderboard", "prompts", self.prompts, 2)
        whole("leaderboard", "seed", self.seed, 0, MAX_SEED)
        if not self.networks:
            raise GenartError("no_features", channels=self.training.pictures.shape[1], size=self.training.pictures.shape[-1])
        for network in self.networks:
            check_features(network)
            if network.channels != self.training.pictures.shape[1]:
                raise GenartError("other_eye", model=name_of(network), channels=network.channels, wanted=self.training.pictures.shape[1])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns with prompts."""
        found = tuple(name for name in self.training.columns if name == "text" or name.startswith("text_"))
        return self.captions or found or ("text",)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The protocol as JSON values: a row holds for these and no others."""
        columns = json.dumps([self.training.columns, self.training.class_names], sort_keys=True, default=str)
        used = self.compared[0].autoencoder
        return {
            "version": VERSION,
            "training": split_of(self.training),
            "training_sha256": self.training.sha256,
            "columns_sha256": hashlib.sha256(columns.encode()).hexdigest(),
            "size": self.training.pictures.shape[-1],
            "unseen": split_of(self.unseen) if self.unseen else None,
            "unseen_sha256": self.unseen.sha256 if self.unseen else None,
            "networks": [network_name(network) for network in self.networks],
            "autoencoder": network_name(used) if used else None,
            "count": len(self.halves[0]),
            "prompts": self.prompts,
            "captions": list(self.columns),
            "seed": self.seed,
        }

    @cached_property
    def halves(self) -> tuple[Pictures, Pictures]:
        """The real pictures that generated ones are compared with, and as many others."""
        return halves(self.training, self.count, self.seed)

    @cached_property
    def real(self) -> list[tuple[Tensor, Tensor]]:
        """The features of both halves, by each network."""
        found = []
        for network in self.networks:
            with evaluating(network):
                found.append((features_of(network, self.halves[0]), features_of(network, self.halves[1])))
        return found

    @cached_property
    def asked(self) -> list[tuple[Pictures, Pictures] | None]:
        """What models with a prompt are asked for, by each network: its held-out pictures of the same classes, and some that it knows.

        None where a network held out nothing, or variants of other classes than the first one.
        """
        found: list[tuple[Pictures, Pictures] | None] = []
        for network in self.networks:
            label, hold_out = _trained_with(network)
            known = all(name in self._all_columns for name in (label, *self.columns, (hold_out or "").partition("+")[0]))
            drawn = draw_asked(self.training, network, self.columns, label, hold_out, self.prompts, self.seed) if known else None
            first = next(filter(None, found), drawn)
            found.append(drawn if drawn and first and drawn[0].values(label) == first[0].values(label) else None)
        return found

    @cached_property
    def _all_columns(self) -> tuple[str, ...]:
        label = self.training.label_column if self.training.labels is not None else None
        return *((label,) if label else ()), *self.training.columns

    @cached_property
    def compared(self) -> list[Training]:
        autoencoder = self.autoencoder or pick_autoencoder(self.training)
        return [Training(self.training, self.unseen, network, autoencoder) for network in self.networks]

    def fits(self, model: ImageModel) -> ImageModel:
        """`model`, if it makes pictures of this kind; else an error that says what to do."""
        model = auto.check_image_model(model)
        size, channels = self.networks[0].image_size, self.networks[0].channels
        low, high = size // TIMES_AS_LARGE, size * TIMES_AS_LARGE
        if model.channels != channels or not low <= model.image_size <= high:
            sides = {"side": model.image_size, "of": model.channels, "low": low, "high": high, "channels": channels}
            raise GenartError("other_board_size", model=name_of(model), **sides)
        if "prompt" in model.inputs:
            captions_of(self.training, self.columns[0])
        return model

    def manner(self, model: ImageModel) -> dict[str, Any]:
        """The number of steps and the guidance, as the model has them by itself."""
        return manner_of(model, None, None)

    def key(self, model: ImageModel) -> str | None:
        """What a row is kept by: the model's weights and all that they are measured on. None for weights of no file."""
        sha256 = _sha256_of(model)
        about = self.facts | {"weights": sha256, "manner": self.manner(model)}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest() if sha256 else None

    def pictures(self, model: ImageModel) -> int:
        """How many pictures a row takes, about."""
        first = next(filter(None, self.asked), None)
        asked = len(self.columns) * len(first[0]) if first else 0
        return len(self.halves[0]) + (asked if "prompt" in model.inputs else self.prompts if model.num_classes else 0)

    # ---- a row ----

    def measure(self, model: ImageModel, title: str | None = None, progress: Progress = lambda done: None) -> Row:
        """The row of a model: what each network makes of its pictures, and what they cost.

        Picture k has seed `seed` + k. A model with a prompt gets the captions of the real pictures, one with classes theirs.
        """
        model, manner, named = self.fits(model), self.manner(model), self._named(model)
        reads, like_real = "prompt" in model.inputs, self._like_real(model, named)
        with evaluating(model):
            found = self._of_words(model, manner, progress) if reads else self._of_label(model, named, manner, progress)
            x_hat = self._generate(model, len(self.halves[0]), like_real, manner, progress)
            about = costs_of(model, self._first(model, max(BATCHES)) | manner)
        levels = torch.cat([levels_seen_by(self.networks[0], some) for some in x_hat.split(BATCH)])
        for k, (network, (real, floor), training) in enumerate(zip(self.networks, self.real, self.compared, strict=True)):
            with evaluating(network):
                made = torch.cat([look(network, some) for some in x_hat.split(BATCH)])
            if not bool(made.isfinite().all()):
                raise GenartError("not_finite", model=name_of(model))
            found[k] += distances(real, made, floor, "")
            if training.autoencoder:
                words = captions_of(training.pictures, self.columns[0]) if reads else []
                found[k] += training.measures(training.compare(levels, made), "", like_real.get("prompt", ()), words)
        return {
            "model": title or name_of(model),
            "weights_sha256": _sha256_of(model),
            "family": model.family,
            "inputs": list(model.inputs),
            "manner": manner,
            "measures": {network_name(network): _by_key(each) for network, each in zip(self.networks, found, strict=True)},
            "costs": about,
        }

    def _of_words(self, model: ImageModel, manner: dict[str, Any], progress: Progress) -> list[list[Measure]]:
        """Is it what was asked for, in each language, by each network."""
        first = next(filter(None, self.asked), None)
        if first is None:
            return [[] for _ in self.networks]
        words = {column: captions_of(first[0], column) for column in self.columns}
        painted = [(column, self._generate(model, len(each), {"prompt": each}, manner, progress)) for column, each in words.items()]
        found = []
        for network, asked in zip(self.networks, self.asked, strict=True):
            with evaluating(network):
                found.append(judge_asked(asked, network, painted, self.seed, "") if asked else [])
        return found

    def _of_label(self, model: ImageModel, named: Pictures, manner: dict[str, Any], progress: Progress) -> list[list[Measure]]:
        """Is it the class asked for, by each network: the classes in turn. Nothing of a model whose classes the pictures do not have."""
        found: list[list[Measure]] = [[] for _ in self.networks]
        groups = [_groups(model, network, named) for network in self.networks]
        if all(each is None for each in groups):
            return found
        asked, half = torch.arange(self.prompts) % model.num_classes, halves(named, self.count, self.seed)[0]
        x_hat = self._generate(model, self.prompts, {"label": asked.tolist()}, manner, progress)
        for measures, network, group, (real, _) in zip(found, self.networks, groups, self.real, strict=True):
            if group is None:
                continue
            with evaluating(network):
                made = torch.cat([look(network, some) for some in x_hat.split(BATCH)])
                shares = [_grouped(run(network, network.head, each), group, model.num_classes) for each in (made, real)]
            labels = asked, half.require_labels("compare classes")
            right, real_right = (each.argmax(dim=1).eq(wanted).double() for each, wanted in zip(shares, labels, strict=True))
            measures.append(Measure("is the class asked for", *mean(right), *mean(real_right), "", "label_accuracy"))
        return found

    def _named(self, model: ImageModel) -> Pictures:
        """The training pictures with the model's classes as their labels, where a column has them."""
        for column in self._all_columns if model.num_classes else ():
            if set(map(str, self.training.values(column))) <= set(model.class_names):
                return _in_order_of(model, self.training.labelled_by(column))
        return self.training

    def _like_real(self, model: ImageModel, named: Pictures) -> dict[str, list]:
        """What pictures are asked to show that are compared with the real ones."""
        if "prompt" in model.inputs:
            return {"prompt": captions_of(self.halves[0], self.columns[0])}
        labels = _labels_like(model, halves(named, self.count, self.seed)[0])
        return {} if labels is None else {"label": labels.tolist()}

    def _first(self, model: ImageModel, n: int) -> dict[str, list]:
        """What n pictures are asked to show that are timed."""
        words = captions_of(self.training, self.columns[0]) if "prompt" in model.inputs else []
        return {"prompt": (words * n)[:n]} if words else {}

    def _generate(self, model: ImageModel, n: int, each: dict[str, list], manner: dict[str, Any], progress: Progress) -> Tensor:
        """n pictures, some at a time. each: inputs that have a value a picture. Returns (n, C, H, W) in [-1, 1] on the CPU."""
        parts = []
        for k in range(0, n, BATCH):
            some = {name: values[k : k + BATCH] for name, values in each.items()}
            parts.append(model.sample(min(BATCH, n - k), self.seed + k, **some, **manner).cpu())
            progress(len(parts[-1]))
        return torch.cat(parts)


def costs_of(model: ImageModel, request: dict[str, Any]) -> dict[str, Any]:
    """What a model takes: parameters, bytes, multiply-adds, the best of a few times for a picture alone and in a batch, and its training.

    request: the inputs of the largest batch that is timed; lists have a value a picture.
    """

    def of(n: int) -> dict[str, Any]:
        return {name: value[:n] if isinstance(value, list) else value for name, value in request.items()}

    about: dict[str, Any] = {"num_parameters": model.num_parameters, "bytes": sum(file.stat().st_size for file in model.weight_files)}
    about["multiply_adds"] = costs(model, **of(1)).multiply_adds
    about |= {f"ms_{n}": 1000 * min(seconds_of(model, n, TIMES, **of(n))) for n in BATCHES}
    return about | {"machine": machine_of(model), "training_seconds": training_seconds(model)}


def training_seconds(model: Any) -> float | None:
    """How long the training took, all stages of it, as its training.json says."""
    about = _about_training(model)
    stages = about.get("stages")
    parts = list(stages.values()) if isinstance(stages, dict) else [about]
    seconds = [part.get("seconds") for part in parts if isinstance(part, dict)]
    known = [float(each) for each in seconds if isinstance(each, int | float)]
    return sum(known) if known and len(known) == len(seconds) else None


def _sha256_of(model: Any) -> str | None:
    source = getattr(model, "source", None)
    return source.sha256 if source else None


def _about_training(model: Any) -> dict[str, Any]:
    source = getattr(model, "source", None)
    file = source.companion(TRAINING) if source else None
    return (read_json(file) or {}) if file else {}


def _trained_with(network: Any) -> tuple[str, str | None]:
    """The column of a feature network's classes, and that of the variants that its training left out, by its command."""
    words = shlex.split(_about_training(network).get("command") or "")
    label, hold_out = (next((b for a, b in zip(words, words[1:], strict=False) if a == flag), None) for flag in ("--label", "--hold-out"))
    return label or "label", hold_out


def check_trained_on(model: Any, training_file: Path) -> None:
    """Refuse a model whose training.json names another file of pictures than the one that a leaderboard is about."""
    about = _about_training(model)
    stages = about.get("stages")
    hashes = {part.get("file_sha256") for part in (stages.values() if isinstance(stages, dict) else [about]) if isinstance(part, dict)}
    if training_file.is_file() and (hashes - {None}) and sha256_of(training_file) not in hashes:
        raise GenartError("other_board_pictures", model=name_of(model), path="/".join(training_file.parts[-2:]))


def _by_key(measures: Sequence[Measure]) -> dict[str, dict[str, float | None]]:
    """The figures of measures by metric; one a language where there are several."""
    found = {}
    for measure in measures:
        _, bracket, column = measure.name.rpartition(" (")
        key = f"{measure.metric}.{column.rstrip(')')}" if bracket and measure.metric.startswith("prompt_") else measure.metric
        sides = ("value", "error", "real", "real_error") + ("copied", "copied_error") * (measure.copied is not None)
        found[key] = {side: getattr(measure, side) for side in sides}
    return found


# ---- the rows that are kept ----


class Rows:
    """Finished rows, a JSON file each in a folder, written beside and moved: a run that is cut, or several at once, lose none."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def get(self, key: str | None) -> Row | None:
        """The row of that key; None where there is none, or none that can be read."""
        if key is None:
            return None
        try:
            row = parse_json((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return row if isinstance(row, dict) and {"model", "measures", "costs"} <= row.keys() else None

    def put(self, key: str | None, row: Row) -> None:
        if key is not None:
            with replacing(self.folder / f"{key}.json") as file:
                file.write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def rows_of(
    models: Sequence[tuple[str, ImageModel]],
    protocol: Protocol,
    rows: Rows | None = None,
    progress: Progress = lambda done: None,
    anew: bool = False,
    retime: bool = False,
) -> Iterator[Row]:
    """A row a model, the finished ones at once: only what is missing is measured, and each is kept as soon as it is there.

    models: titles and models. A row whose times are another machine's gets new times. anew: measure what is there, too; retime: take
    the times of what is there again, as of rows that were measured while the machine had other work.
    """
    for title, model in models:
        key = protocol.key(model)
        row = rows.get(key) if rows and not anew else None
        if row is None:
            row = protocol.measure(model, title, progress)
        elif retime or row["costs"].get("machine") != machine_of(model):
            row = row | {"costs": costs_of(model, protocol._first(model, max(BATCHES)) | protocol.manner(model))}
        else:
            yield row | {"model": title}
            continue
        if rows:
            rows.put(key, row)
        yield row
