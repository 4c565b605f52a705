"""Directions of a latent space from a terminal: directions."""

import argparse
from typing import Any

import torch
from torch import Tensor

from genart_hub.cli.options import Commands, add_command, add_inputs, add_json, add_model, flag, load, print_json
from genart_hub.errors import GenartError, whole
from genart_hub.hub.described import name_of
from genart_hub.latents import Directions
from genart_hub.models.auto import check_latent
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import check_request

METHODS = ("sefa", "pca", "labels")


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "directions", directions, "directions of a latent space, a row each, as one PNG")
    add_model(command)
    told = "from the first weights (sefa), from where pictures vary most (pca), or from class to class (labels)"
    command.add_argument("--method", choices=METHODS, default="sefa", help=f"{told} (sefa)")
    command.add_argument("--data", help="pictures to encode, for a VAE's pca or labels (those that the model draws)")
    command.add_argument("--split", default="train", help="of a dataset with splits (train)")
    command.add_argument("--column", help="of --data: what the pictures' classes are (label)")
    command.add_argument(
        "--features", help="the network that classifies drawn pictures, for labels without --data (the bundled one that fits)"
    )
    command.add_argument("--samples", type=int, default=2000, help="the most pictures that pca and labels look at (2000)")
    command.add_argument("--count", type=int, help="how many directions (8; all classes)")
    command.add_argument("--strength", type=float, default=3.0, help="how far each row goes to both sides (3)")
    command.add_argument("--columns", type=int, default=7, help="pictures in a row, an odd number (7)")
    command.add_argument("--seed", type=int, default=0, help="of the picture in the middle, and of those that are looked at (0)")
    add_inputs(command, "prompt", "label", "truncation", "prior")
    add_json(command)
    command.add_argument("--out", default="directions.png", help="the PNG to write (directions.png)")


def directions(options: argparse.Namespace) -> None:
    from genart_hub import images, latents

    model = check_latent(load(options))
    asked = {name: getattr(options, name) for name in ("prompt", "label", "truncation", "prior")}
    given = check_request(name_of(model), model.inputs, asked, flag)
    classes = model.check_label(given["label"]) if "label" in given else model.labels(1, options.seed)
    shown = {"label": None if classes is None else int(classes[0]), "prompt": given.get("prompt")}  # one class, the seed's own
    found = found_by(options, model, shown)
    strengths = latents.directions.strengths_of(options.strength, options.columns)
    scale, request = 2 if model.image_size <= 32 else 1, given | {name: value for name, value in shown.items() if value is not None}
    recipe = latents.directions.recipe(model, found, strengths, options.seed, scale, **request)
    x = latents.directions.traversal(model, found, strengths, options.seed, **request)
    path = images.save_png(images.sheet(x, len(strengths), scale), options.out, recipe)
    if options.json:
        about = {"model": recipe["model"], "weights_sha256": recipe["weights_sha256"], "seed": options.seed, "strengths": strengths}
        return print_json(about | {"picture": str(path)} | found.as_dict())
    print(
        f"{path}: {len(found)} directions of {recipe['model']} by {found.method}, from {strengths[0]:g} to {strengths[-1]:g}, row by row:"
    )
    for name, value in zip(found.names, found.values, strict=True):
        print(f"  {name}  {value:.3g}")
    return None


def found_by(options: argparse.Namespace, model: ImageModel, shown: dict[str, Any]) -> Directions:
    """The directions by the method that is asked for. shown: the class and the prompt of all pictures that the model draws."""
    from genart_hub.latents import directions as by

    n = whole("directions", "samples", options.samples, 2, 100_000)
    if options.method == "sefa":
        if options.data:
            raise GenartError("not_by_data", method="sefa")
        return by.sefa(model, options.count, **shown)
    if options.method == "labels":
        z, labels, names = _labelled(options, model, n) if options.data else _classified(options, model, n, shown)
        return by.from_labels(z, labels, names, options.count)
    pictures = _pictures(options, model, n).images() if options.data else None
    return by.pca(model, options.count, pictures, n=n, seed=options.seed, **shown)


def _pictures(options: argparse.Namespace, model: ImageModel, n: int) -> Any:
    """At most n pictures of --data at the model's size, drawn by the seed."""
    from genart_hub import data

    pictures = data.load(options.data, model.image_size, model.channels, split=options.split, progress=not options.quiet)
    pictures = pictures.labelled_by(options.column) if options.column else pictures
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(whole("directions", "seed", options.seed, 0)))
    return pictures.take(order[:n])


def _labelled(options: argparse.Namespace, model: ImageModel, n: int) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """The latents of somebody's pictures, their labels and the classes' names."""
    from genart_hub.latents.directions import encoded

    pictures = _pictures(options, model, n)
    if pictures.labels is None:
        raise GenartError("no_labels", path=options.data, purpose="find directions between classes")
    return encoded(model, pictures.images()), pictures.labels, pictures.class_names


def _classified(options: argparse.Namespace, model: ImageModel, n: int, shown: dict[str, Any]) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """The latents of drawn pictures, and what a feature network sees in them."""
    from genart_hub.evaluate.features import look, network_of, pick_features, run
    from genart_hub.latents.directions import samples

    network = network_of(options.features) if options.features else pick_features(model)
    parts = [(z, run(network, network.head, look(network, x)).argmax(dim=1)) for z, x in samples(model, n, options.seed, **shown)]
    return torch.cat([z for z, _ in parts]), torch.cat([labels for _, labels in parts]), tuple(network.class_names)
