"""Measuring from a terminal: evaluate, card."""

import argparse
import functools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genart_hub.cli.options import Commands, _title, _training_of, _training_pictures, add_command, add_model, load, print_json
from genart_hub.errors import number, whole
from genart_hub.hub.publish import Publishable
from genart_hub.models import auto
from genart_hub.models.base import FeatureNetwork, ImageModel
from genart_hub.models.inputs import INPUTS, MAX_STEPS


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "evaluate", evaluate, "measure models under one protocol")
    add_model(command, "models", nargs="+")
    command.add_argument("--data", required=True, help="pictures that the models were not trained on")
    command.add_argument("--reference", help="the real pictures that made ones are compared with (those of --data)")
    command.add_argument("--training", metavar="DATA", help="what the models were trained on: counts near-copies, and the card shows them")
    command.add_argument("--features", help="the feature network, any model's name or inception (the bundled one that fits)")
    command.add_argument("--split", default="test", help="of a dataset with splits (test)")
    command.add_argument("--fit", choices=("crop", "pad"), default="crop", help="how: cut to the centre square, or add a border (crop)")
    command.add_argument(
        "--label",
        metavar="COLUMN",
        help="the classes of a classifier or a conditional model (label), and those that a pipeline is asked for",
    )
    command.add_argument("--hold-out", metavar="COLUMN", help="only the pictures that a classifier's training with --hold-out left out")
    command.add_argument("--samples", type=int, default=2000, help="made pictures that a classifier judges (2000)")
    command.add_argument("--count", type=int, default=5000, help="the most pictures on each side of a distance (5000)")
    command.add_argument("--seed", type=int, default=0, help="of the generated pictures and of all draws (0)")
    command.add_argument("--caption", action="append", metavar="COLUMN", help="a pipeline's prompts; again for a second language (text)")
    command.add_argument("--prompts", type=int, default=500, help="classes that a pipeline is asked for, with --label and --hold-out (500)")
    command.add_argument(
        "--steps", dest="num_steps", help="of a model that takes them; with a prompt, several with commas are a column each"
    )
    command.add_argument("--guidance", help="the same, of its guidance")
    command.add_argument(
        "--json",
        metavar="FILE",
        help="also write the numbers here (-: print them alone); a card reads evaluation.json in the model's folder",
    )

    command = add_command(commands, "card", card, "write a model folder's card, its sample grid and its golden samples")
    command.add_argument("folder", help="a run or a model's folder")
    command.add_argument("--name", help="the card's title (the folder's name)")
    command.add_argument("--license", help="such as apache-2.0, mit or cc-by-sa-3.0 (that of the card that is there)")
    command.add_argument("--dataset", help="a dataset that the package can attribute: mnist or emoji64")


def evaluate(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from genart_hub import data
    from genart_hub.evaluate import evaluate as measure
    from genart_hub.evaluate.features import check_features, network_name, pick_features
    from genart_hub.evaluate.measure import table
    from genart_hub.evaluate.scores import of_real
    from genart_hub.files import replacing
    from genart_hub.hub.cards.markdown import NEAREST
    from genart_hub.hub.cards.tables import PLUS_MINUS, Evaluation, Measure
    from genart_hub.models.auto import check_image_model

    features = _feature_network(options.features) if options.features else None
    names = _with_best(options.models)
    read = functools.cache(functools.partial(data.load, fit=options.fit, split=options.split))  # once for all models of a size
    networks: dict[str, Any] = {}
    training_for = functools.cache(functools.partial(_training_pictures, options, read))  # which finds their features once
    picture = Path(options.json).with_name(NEAREST) if options.json and options.training else None
    results: dict[str, list[Measure]] = {}
    weights: dict[str, str | None] = {}
    scores: dict[str, list[float]] = {}
    for name in tqdm(names, unit="model", disable=len(names) < 2):
        model: ImageModel | FeatureNetwork = load(options, name)
        weights[_title(name, names)] = model.source.sha256 if model.source else None
        if isinstance(model, FeatureNetwork):  # it is measured on labels, of pictures of its own size, and takes no other network
            pictures = read(options.data, model.image_size, model.channels)
            pictures = pictures.labelled_by(options.label) if options.label else pictures
            rows = pictures.hold_out(options.hold_out)[1] if options.hold_out else None
            results[_title(name, names)] = measure(model, pictures, rows=rows)
            continue
        check_image_model(model)
        network = check_features(features or pick_features(model))
        network = networks.setdefault(network_name(network), network)
        size = model.image_size if network.resizes else network.image_size
        of_training = {"training": training_for(network, size), "picture": picture if name == names[0] else None}
        if model.prompted:  # what is asked for comes from captions, and several values of an input are a column each
            results |= _of_prompts(options, model, _title(name, names), network, size, read, of_training)
            continue
        reference = read(options.reference or options.data, size, network.channels)
        pictures = read(options.data, model.image_size, model.channels) if model.reconstructs else reference
        if options.label and model.num_classes:
            reference, pictures = reference.labelled_by(options.label), pictures.labelled_by(options.label)
        if hasattr(model, "discriminate"):
            real = read(options.data, model.image_size, model.channels)
            real = real.labelled_by(options.label) if options.label and model.num_classes else real
            if not model.num_classes or (real.labels is not None and bool((real.labels >= 0).all())):
                scores[_title(name, names)] = of_real(model, real, options.count, options.seed)
        manner = {name: _one(name, getattr(options, name)) for name in ("num_steps", "guidance")}
        counts = options.samples, options.count, options.seed
        results[_title(name, names)] = measure(model, pictures, network, *counts, reference, **of_training, manner=manner)
    if options.json:
        words = [Path(word).name if word in (*options.models, options.features) else word for word in options.arguments]
        words = ["/".join(Path(word).parts[-2:]) if word in (options.data, options.reference, options.training) else word for word in words]
        cut = words.index("--json") if "--json" in words else len(words)
        training = {_title(name, names): about for name in names if (about := _training_of(name))}
        numbers = Evaluation("genart-hub " + shlex.join(words[:cut] + words[cut + 2 :]), results, weights, training, scores).as_dict()
        if options.json == "-":
            return print_json(numbers)
        with replacing(options.json) as file:
            file.write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{table(results)}\n\n{PLUS_MINUS}")
    return None


def _of_prompts(
    options: argparse.Namespace, model: Any, title: str, network: Any, size: int, read: Callable, of_training: dict[str, Any]
) -> dict[str, list[Any]]:
    """A text-to-image model's columns: one, or one for each of several --steps or --guidance. read: data.load, as the options have it."""
    from genart_hub.evaluate import prompts

    steps = [whole("evaluate", "steps", value, 1, MAX_STEPS) for value in _numbers("steps", options.num_steps)]
    guidance = _numbers("guidance", options.guidance)
    reference = read(options.reference or options.data, size, network.channels)
    asked: dict[str, Any] = {"captions": options.caption or ["text"], "label": options.label, "hold_out": options.hold_out}
    asked |= {"prompts": options.prompts, "seed": options.seed}
    if len(steps) > 1 or len(guidance) > 1:
        count = min(options.count, options.samples)
        columns = prompts.sweep(model, reference, network, **asked, count=count, num_steps=steps, guidance=guidance)
        return {f"{title}, {column}": measures for column, measures in columns.items()}
    pictures = read(options.data, model.image_size, model.channels)
    asked |= {"num_steps": next(iter(steps), None), "guidance": next(iter(guidance), None)}
    return {title: prompts.evaluate(model, pictures, network, reference, **asked, count=options.count, **of_training)}


def _numbers(name: str, text: str | None) -> list[float]:
    """Numbers with commas between them."""
    return [number("evaluate", name, part.strip()) for part in text.split(",")] if text is not None else []


def _one(name: str, text: str | None) -> float | None:
    """The one number of a model that has no columns."""
    if text is None:
        return None
    return INPUTS[name].check("evaluate", number("evaluate", INPUTS[name].flag.lstrip("-"), text))


def _feature_network(name: str) -> Any:
    if name == "inception":
        from genart_hub.evaluate.inception import Inception

        return Inception()
    return auto.from_pretrained(name)


def _with_best(names: list[str]) -> list[str]:
    """The models, and after each run whose best state is not its last, that one."""
    from genart_hub.files import sha256_of
    from genart_hub.hub.names import WEIGHTS
    from genart_hub.train.run import BEST, CHECKPOINT

    with_best = []
    for name in names:
        run = Path(name)
        last, best = run / WEIGHTS, run / BEST / WEIGHTS
        kept = (run / CHECKPOINT).is_file() and last.is_file() and best.is_file() and sha256_of(best) != sha256_of(last)
        with_best += [name, str(run / BEST)] if kept else [name]
    return list(dict.fromkeys(with_best))


def card(options: argparse.Namespace) -> None:
    folder = Path(options.folder)
    model: Publishable = auto.from_pretrained(folder)
    print(model.write_card(folder, folder.resolve().name, options.license, options.dataset, title=options.name))
