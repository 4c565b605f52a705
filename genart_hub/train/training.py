"""`train`: pictures, a model and a recipe become a run, on one process or on many."""

import copy
import inspect
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import asdict, fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub import data, images, metrics
from genart_hub.cards import TRAINING
from genart_hub.data import Batches, Pictures
from genart_hub.errors import GenartError, choice, first_line, number, whole
from genart_hub.evaluate import fidelity, pick_features
from genart_hub.files import only_one, replacing, sha256_of
from genart_hub.hub import pick_device
from genart_hub.models import MODELS
from genart_hub.models.base import MAX_SEED, evaluating
from genart_hub.remote import CONFIG
from genart_hub.train.fit import CHECKPOINT, FIRST_BEST, Run, fit, set_aside_evaluation
from genart_hub.train.noise import Noise
from genart_hub.train.recipes import Recipe, make_step, rate
from genart_hub.train.steps import trained_parts

PRECISIONS = ("auto", "no", "bf16", "fp16")
LARGEST = 64  # px that a model gets without being asked for more
OTHER_SEEDS = 1_000_000_000  # on from the run's seed: the samples that choose the best state are not those that measure it
LOOKS = 20  # in a run, at most: samples drawn, and the best model kept
FITS = 0.1  # a feature network's `shift`: emoji of any style 0.01, digits of one class 0.06; photographs 0.7, line drawings on white 0.2
MARGINS = {"gan": 0.1, "vae": 0.001, "features": 0.01}  # of a score; of 1,000 samples' Fréchet distance, other draws change 5 % to 16 %


def train(
    class_name: str,
    path: str | Path,
    out: str | Path,
    recipe: Recipe,
    arguments: dict[str, Any] | None = None,
    size: int | None = None,
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
    save_minutes: float = 2.0,
    progress: bool = True,
    command: str | None = None,
    *,
    fit_pictures: str = "crop",
    split: str = "train",
    conditional: bool = False,
    label: str | None = None,
    hold_out: str | None = None,
    accumulate: int = 1,
    precision: str = "auto",
    token: str | None = None,
) -> Run:
    """Train a new MODELS[class_name] on the pictures of `path` into the folder `out`, or go on with the run that is there.

    arguments: of the constructor; the size, the channels and, for a conditional model or a classifier, the classes of the pictures are
    added. label: the column that holds the classes; hold_out: the column of which one variant a class is left out. accumulate: pieces that
    a batch is cut into, for less memory. precision: auto, no, bf16 or fp16. command: for the card. Under torchrun or accelerate launch,
    every process calls this, and the first one writes.
    Returns the run, saved; its folder loads with from_pretrained, and holds the averaged weights where the recipe averages.
    """
    cls, out = MODELS[choice("train", "class_name", class_name, MODELS)], Path(out)
    seed, accumulate = whole("train", "seed", seed, 0, MAX_SEED), whole("train", "accumulate", accumulate, 1, 1024)
    save_minutes = number("train", "save_minutes", save_minutes, 0)
    _check_out(out, resume)
    accelerator = make_accelerator(pick_device(device), precision, accumulate)
    with ending(accelerator), only_one(out) if accelerator.is_main_process else nullcontext():
        _check_out(out, resume)  # another process may just have finished here
        with speaking_first(accelerator):
            options = {"fit": fit_pictures, "split": split, "token": token, "progress": progress and accelerator.is_main_process}
            pictures, why_this_size = _load(cls, path, size, options)
        run, batches, step = _prepare(
            cls, pictures, path, out, recipe, arguments, seed, accelerator, accumulate, conditional, label, hold_out, split, fit_pictures
        )
        if resume:
            run.load()
        if progress and accelerator.is_main_process:
            print(why_this_size + _told(accelerator, batches, run), file=sys.stderr)
        num_steps = recipe.epochs * batches.per_epoch
        if run.step > num_steps:  # what it has done must stay what its record says
            raise GenartError("fewer_epochs", path=str(out), done=run.step, asked=num_steps, epochs=recipe.epochs)
        if run.step < num_steps and accelerator.is_main_process:
            set_aside_evaluation(out)
        schedule = partial(rate, recipe.schedule, recipe.warmup)
        score, why_not = None, ""
        if accelerator.is_main_process:
            score, why_not = _score(run.model, batches, pictures, hold_out, seed, num_steps)
        if why_not and progress:
            print(f"No best state is kept: {why_not}.", file=sys.stderr)
        try:
            fit(
                step, batches, num_steps, run, seed, schedule, save_minutes, progress=progress, accelerator=accelerator,
                accumulate=accumulate, look_every=-(-num_steps // LOOKS), score=score, margin=MARGINS[run.model.family],
            )  # fmt: skip
        finally:
            if accelerator.is_main_process and (out / CHECKPOINT).exists():  # a run that was cut can be published too
                _write_about(run, pictures, path, recipe, seed, command, accelerator)
        accelerator.wait_for_everyone()
    return run


def _check_out(out: Path, resume: bool) -> None:
    """Refuse to start over what is there, or to go on where nothing is."""
    if ((out / CHECKPOINT).exists() or (out / CONFIG).exists()) and not resume:
        raise GenartError("run_exists", path=str(out))
    if resume and not (out / CHECKPOINT).exists():
        raise GenartError("no_checkpoint", path=str(out))


def make_accelerator(device: torch.device, precision: str, accumulate: int) -> Any:
    """Accelerate's view of the processes: one, or those that torchrun or accelerate launch started."""
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError as error:
        raise GenartError("needs_package", package="accelerate", install='"genart-hub[train]"') from error
    choice("train", "precision", precision, PRECISIONS)
    if precision == "auto":  # never on a CPU, where half precision is slower
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "no"
    if precision == "fp16" and device.type == "cpu":  # accelerate would train in float32 and not say so
        raise GenartError("precision_refused", precision=precision, device=device.type, reason=GenartError("reason_fp16"))
    if AcceleratorState._shared_state.get("num_processes") == 1:  # else an earlier run of this process decides device and precision
        AcceleratorState._reset_state(reset_partial_state=True)
    try:
        return Accelerator(cpu=device.type == "cpu", mixed_precision=precision, gradient_accumulation_steps=accumulate)
    except (ValueError, RuntimeError) as error:
        raise GenartError("precision_refused", precision=precision, device=device.type, reason=first_line(error)) from error


@contextmanager
def ending(accelerator: Any) -> Iterator[None]:
    """Several processes leave their group at the end, whatever happens."""
    try:
        yield
    finally:
        if accelerator.num_processes > 1:
            accelerator.end_training()


@contextmanager
def speaking_first(accelerator: Any) -> Iterator[None]:
    """The first process goes first, and what it says on stderr is said for all."""
    with accelerator.main_process_first(), nullcontext() if accelerator.is_main_process else redirect_stderr(io.StringIO()):
        yield


def _load(cls: type, path: str | Path, size: int | None, options: dict[str, Any]) -> tuple[Pictures, str]:
    """The pictures, at a size that the class can take where none was asked for: the smallest that loses nothing, else the largest.

    Returns a line about that size too, or "".
    """
    if size is not None:
        return data.load(path, size, **options), ""
    side = data.smallest_side(path, **options)
    sizes = cls.sizes or (min(side, LARGEST),)
    size = next((allowed for allowed in sizes if allowed >= side), sizes[-1])
    told = f"Pictures of {size} x {size} px: {_why(cls, size, side)}. Another size with --size.\n"
    return data.load(path, size, **options), told


def _why(cls: type, size: int, side: int) -> str:
    """Why pictures whose first one is `side` px are made `size` px."""
    if size == side:
        return "the size of the first one"
    if size < side:
        return f"the first one has {side}, and {size} is the largest that is taken unasked"
    return f"the first one has {side}, and {size} is the smallest of a {cls.__name__} ({', '.join(map(str, cls.sizes))}) that loses nothing"


def _prepare(
    cls: type,
    pictures: Pictures,
    path: str | Path,
    out: Path,
    recipe: Recipe,
    arguments: dict[str, Any] | None,
    seed: int,
    accelerator: Any,
    accumulate: int,
    conditional: bool,
    label: str | None,
    hold_out: str | None,
    split: str,
    fit_pictures: str,
) -> tuple[Run, Batches, Callable]:
    """The run, its batches, and the step bound to them."""
    if label:
        pictures = pictures.labelled_by(label)
    rows = pictures.hold_out(hold_out)[0] if hold_out else None
    with_labels = conditional or cls.family == "features"
    _check_arguments(cls, arguments or {}, pictures, with_labels)
    arguments = {"image_size": pictures.pictures.shape[-1], "channels": pictures.pictures.shape[1]} | (arguments or {})
    if with_labels:
        pictures.require_labels("train with classes")
        pictures.require_every_class()
        arguments = {"num_classes": pictures.num_classes, "class_names": list(pictures.class_names)} | arguments
    device = accelerator.device
    torch.manual_seed(seed)
    try:
        model = cls(**arguments).to(device).train()
    except (TypeError, RuntimeError) as error:  # an argument that the class does not have, or more memory than there is
        raise GenartError("config_refused", file="arguments", name=cls.__name__, reason=f"{first_line(error)}.") from error
    if cls.channels_last:
        model = model.to(memory_format=torch.channels_last)
    parts = accelerator.num_processes * accumulate
    weights = _class_weights(recipe, pictures, rows)
    batches = Batches(pictures, recipe.batch_size, seed, with_labels, device, rows, weights, recipe.flip, parts, cls.channels_last)
    if recipe.batch_size // parts < 2 and cls.family != "vae":  # batch normalisation needs two
        raise GenartError("too_small", where="train", name="batch_size", low=2 * parts, value=recipe.batch_size)
    step, optimizers = make_step(model, recipe)
    wired = _wired(model, accelerator)
    prepared = [accelerator.prepare_optimizer(optimizer) for optimizer in optimizers.values()]
    description = {
        "model": cls.__name__,
        "arguments": model.config,
        "recipe": asdict(recipe),
        "data": pictures.sha256,
        "hold_out": hold_out,
        "file": sha256_of(path) if Path(path).is_file() else None,
        "seed": seed,
    }
    networks = [getattr(wired, name) for name in trained_parts(model)]
    run = Run(out, model, optimizers, description, recipe.ema, networks=networks)
    return run, batches, partial(step, wired, *prepared, backward=accelerator.backward)


def _check_arguments(cls: type, arguments: dict[str, Any], pictures: Pictures, with_labels: bool) -> None:
    """Refuse arguments that the class does not have, or that say of the pictures what they are not."""
    known = list(inspect.signature(cls).parameters)
    reason = None
    if with_labels and "num_classes" not in known:
        reason = "it takes no classes; leave --conditional out, or train a dcgan or a conv-vae."
    elif unknown := [name for name in arguments if name not in known]:
        reason = f"it has no {unknown[0]}, but {', '.join(known)}."
    if reason:
        raise GenartError("config_refused", file="arguments", name=cls.__name__, reason=reason)
    side, channels = pictures.pictures.shape[-1], pictures.pictures.shape[1]
    theirs = {"image_size": (side, "--size"), "channels": (channels, "other pictures")}
    if not with_labels:
        theirs |= {"num_classes": (0, "--conditional"), "class_names": ([], "--conditional")}
    for name, (value, cure) in theirs.items():
        if arguments.get(name, value) != value:
            reason = f"{name} is that of the pictures, {value}; choose it with {cure}."
            raise GenartError("config_refused", file="arguments", name=cls.__name__, reason=reason)


def _class_weights(recipe: Recipe, pictures: Pictures, rows: Tensor | None) -> Tensor | str | None:
    """How often each class is drawn, relative to its share: where the recipe balances, relative to an equal one."""
    if not recipe.class_weights:
        return "balanced" if recipe.balance else None
    labels = pictures.require_labels("weigh the classes")
    names = pictures.class_names or tuple(map(str, range(pictures.num_classes)))
    for name in recipe.class_weights:
        choice("train", "class_weights", name, names)
    weights = torch.tensor([recipe.class_weights.get(name, 1.0) for name in names])
    if recipe.balance:
        weights = weights / torch.bincount(labels if rows is None else labels[rows], minlength=len(names)).clamp(min=1)
    if not bool(weights[labels].any()):
        raise GenartError("bad_weight", text=", ".join(f"{name}={weight:g}" for name, weight in recipe.class_weights.items()))
    return weights


def _wired(model: nn.Module, accelerator: Any) -> nn.Module:
    """A copy of the model that shares its weights, with each trained sub-network prepared by itself, as several processes need it."""
    wired = copy.copy(model)
    wired._modules = dict(model._modules)
    for name in trained_parts(model):
        setattr(wired, name, accelerator.prepare_model(getattr(model, name)))
    if model.family == "vae":
        wired.nll = model.nll  # a likelihood may have a weight of the decoder's, which a wrapper hides
    return wired


def _score(
    model: nn.Module, batches: Batches, pictures: Pictures, hold_out: str | None, seed: int, num_steps: int
) -> tuple[Callable[[nn.Module], float] | None, str]:
    """What chooses the best state of a run, lower is better; or None, and why nothing does.

    A GAN: the Fréchet distance of 1,000 samples to training pictures, where a bundled feature network was trained on such pictures; a
    VAE: minus the ELBO of some of them; a classifier: the share of the pictures held out that it gets wrong, where there are any.
    """
    if num_steps < FIRST_BEST:
        return None, f"a run of {num_steps:,} steps is too short to choose from ({FIRST_BEST} are needed)"
    if model.family == "gan":
        return _distance(model, batches, pictures, seed)
    if model.family == "vae":
        x = batches.some(500)
        labels = batches.data.labels[batches.picked(500)] if batches.labels is not None else None
        return partial(_minus_elbo, x=x, labels=labels, seed=seed), ""
    if hold_out:
        held = batches.data.take(batches.data.hold_out(hold_out)[1])
        return partial(_error_rate, pictures=held), ""
    return None, "no pictures were held out (--hold-out) to choose it by"


def _distance(model: nn.Module, batches: Batches, pictures: Pictures, seed: int) -> tuple[Callable[[nn.Module], float] | None, str]:
    """The Fréchet distance in a bundled network's features; or None, and why there is none."""
    if len(pictures) < 16:
        return None, f"{len(pictures)} pictures are too few to compare with (16 are needed)"
    try:
        eye = pick_features(model).to(batches.device)
    except GenartError:
        return None, f"no bundled feature network sees pictures of {model.channels} channels"
    shift = eye.shift(images.resize(batches.some(100), eye.image_size, eye.channels).to(batches.device))
    if shift > FITS:
        return None, (
            f"{eye.source.name}, the feature network nearest to these pictures, was trained on others "
            f"(they lie {shift:.2f} from its own, where {FITS} is the limit); look at samples/, and take the last state"
        )
    distance = cache(lambda: fidelity(pictures, eye, min(1000, len(pictures)), seed + OTHER_SEEDS))  # when it is first asked for
    return lambda averaged: distance()(averaged), ""


@torch.no_grad()
def _minus_elbo(vae: nn.Module, x: Tensor, labels: Tensor | None, seed: int) -> float:
    """Reconstruction + KL in nats, the noise always the same."""
    device = next(vae.parameters()).device
    with evaluating(vae):
        eps = Noise(seed).normal(len(x), vae.latent_dim).to(device)
        p, mu, logvar = vae(x.to(device), label=labels, eps=eps)
        kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(dim=1)
        return (vae.nll(p, x.to(device)) + kl).mean().item()


@torch.no_grad()
def _error_rate(classifier: nn.Module, pictures: Pictures) -> float:
    device = next(classifier.parameters()).device
    with evaluating(classifier):
        logits = [classifier(pictures.images(slice(k, k + 500)).to(device)).cpu() for k in range(0, len(pictures), 500)]
    return 1 - metrics.accuracy(torch.cat(logits), pictures.labels)


def _told(accelerator: Any, batches: Batches, run: Run) -> str:
    """What a run says of itself before it starts."""
    processes = accelerator.num_processes
    where = f"{processes} process{'es' if processes > 1 else ''} on {accelerator.device.type}"
    count = torch.get_num_threads()
    threads = f", {count} thread{'s' if count > 1 else ''} each" if accelerator.device.type == "cpu" else ""
    precision = "" if accelerator.mixed_precision == "no" else f", {accelerator.mixed_precision}"
    count = f"{len(batches.rows):,} pictures, {batches.per_epoch:,} updates an epoch of {batches.batch_size}"
    pieces = f" ({batches.batch_size // batches.parts} at once on each process)" if batches.parts > 1 else ""
    return f"{where}{threads}{precision}; {count}{pieces}; from step {run.step:,}"


def _write_about(run: Run, pictures: Pictures, path: str | Path, recipe: Recipe, seed: int, command: str | None, accelerator: Any) -> None:
    about = {
        "command": command,
        "class": type(run.model).__name__,
        "recipe": {field.name: getattr(recipe, field.name) for field in fields(recipe) if getattr(recipe, field.name) != field.default},
        "seed": seed,
        "pictures": len(pictures),
        "file": Path(path).name,
        "file_sha256": run.description["file"],
        "steps": run.step,
        "seconds": round(run.seconds),
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "best": run.best,
    }
    with replacing(run.folder / TRAINING) as file:
        file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
