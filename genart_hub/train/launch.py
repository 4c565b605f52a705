"""`train`: pictures, a model and settings become a run, on one process or on many."""

import copy
import inspect
import io
import json
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub import data
from genart_hub.data import Batches, Pictures
from genart_hub.devices import pick_device
from genart_hub.errors import MAX_SEED, GenartError, choice, first_line, number, whole
from genart_hub.files import only_one, replacing, sha256_of
from genart_hub.hub.cards.tables import TRAINING
from genart_hub.hub.names import CONFIG
from genart_hub.models import MODELS
from genart_hub.train.log import check_trackers
from genart_hub.train.loop import Numbers, driven, fit_steps
from genart_hub.train.run import CHECKPOINT, FIRST_BEST, Run, set_aside_evaluation
from genart_hub.train.settings import Settings, Task
from genart_hub.train.tasks import pick_settings, task_of

PRECISIONS = ("auto", "no", "bf16", "fp16")
LARGEST = 64  # px that a model gets without being asked for more
LOOKS = 20  # in a run, at most: samples drawn, and the best model kept


def train_steps(
    class_name: str,
    path: str | Path,
    out: str | Path,
    settings: Settings | None = None,
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
    trackers: Sequence[Any] = (),
) -> Generator[tuple[int, Numbers], None, Run]:
    """Train a new MODELS[class_name] on the pictures of `path` into the folder `out`, or go on with the run that is there.

    `train` does it and returns the run, saved; its folder loads with from_pretrained, and holds the averaged weights where the settings
    average. `train_steps` is a generator of (step, numbers), as `fit_steps` is: who leaves it finds a run that `resume` goes on with, bit
    for bit as if it had not been left.

        for step, numbers in train_steps("VAE", "mnist/train.parquet", "runs/vae", progress=False):
            show(step, {name: float(value) for name, value in numbers.items()})
            if stopped():
                break
        run = train("VAE", "mnist/train.parquet", "runs/vae", resume=True)

    settings: by `pick_settings` (None: the class's preset). arguments: of the constructor; the size, the channels and, for a conditional
    model or a classifier, the classes of the pictures are added. label: the column that holds the classes; hold_out: the column of which
    one variant a class is left out. accumulate: pieces that a batch is cut into, for less memory. precision: auto, no, bf16 or fp16.
    trackers: where numbers and samples go, as `Log` has them. command: for the card. Under torchrun or accelerate launch, every process
    calls this, and the first one writes.
    """
    choice("train", "class_name", class_name, MODELS)
    cls: Any = MODELS[class_name]
    task, out = task_of(cls), Path(out)
    settings = settings or pick_settings(cls)
    if type(settings) is not task.settings:
        wanted, found = task.settings.__name__, type(settings).__name__
        raise GenartError("wrong_settings", name=class_name, wanted=wanted, found=found, family=cls.family)
    seed, accumulate = whole("train", "seed", seed, 0, MAX_SEED), whole("train", "accumulate", accumulate, 1, 1024)
    save_minutes = number("train", "save_minutes", save_minutes, 0)
    check_trackers(trackers)
    _check_out(out, resume)
    accelerator = make_accelerator(pick_device(device), precision, accumulate)
    main = accelerator.is_main_process
    with ending(accelerator), only_one(out) if main else nullcontext():
        _check_out(out, resume)  # another process may just have finished here
        with speaking_first(accelerator):
            options = {"fit": fit_pictures, "split": split, "token": token, "progress": progress and main}
            pictures, why_this_size = _load(cls, path, size, options)
        pictures = pictures.labelled_by(label) if label else pictures
        rows = pictures.hold_out(hold_out)[0] if hold_out else None
        parts, with_labels = accelerator.num_processes * accumulate, conditional or task.labelled
        model = _make_model(cls, task, settings, pictures, arguments or {}, with_labels, seed, accelerator.device)
        weights, last = _class_weights(settings, pictures, rows), cls.channels_last
        drawn = (settings.batch_size, seed, with_labels, accelerator.device, rows, weights, settings.flip, parts, last)
        batches = task.batches(model, settings, pictures, *drawn)
        if (low := settings.smallest_batch * parts) > settings.batch_size:
            raise GenartError("too_small", where="train", name="batch_size", low=low, value=settings.batch_size)
        description: dict[str, Any] = {
            "model": class_name,
            "arguments": model.config,
            "recipe": asdict(settings),
            "data": pictures.sha256,
            "hold_out": hold_out,
            "file": sha256_of(path) if Path(path).is_file() else None,
            "seed": seed,
        }
        run, step = _make_run(out, task, model, settings, description, accelerator)
        if resume:
            run.load()
        num_steps = settings.epochs * batches.per_epoch
        if progress and main:
            print(why_this_size + _told(accelerator, batches, run), file=sys.stderr)
        if run.step > num_steps:  # what it has done must stay what its record says
            raise GenartError("fewer_epochs", path=str(out), done=run.step, asked=num_steps, epochs=settings.epochs)
        if run.step < num_steps and main:
            set_aside_evaluation(out)
        try:
            yield from fit_steps(
                step, batches, num_steps, run, seed, settings.rate, save_minutes, progress=progress, accelerator=accelerator,
                accumulate=accumulate, look_every=-(-num_steps // LOOKS), margin=task.margin, trackers=trackers,
                score=_pick_score(task, run, batches, seed, hold_out, num_steps, progress) if main else None,
            )  # fmt: skip
        finally:
            if main and (out / CHECKPOINT).exists():  # a run that was cut can be published too
                what = {"class": class_name, "recipe": settings.changed}
                write_about(run, what, len(pictures), path, description["file"], seed, command, accelerator)
        accelerator.wait_for_everyone()
    return run


train = driven(train_steps)


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
        from accelerate.state import AcceleratorState, PartialState
    except ImportError as error:
        raise GenartError("needs_package", package="accelerate", install='"genart-hub[train]"') from error
    choice("train", "precision", precision, PRECISIONS)
    if precision == "auto":  # never on a CPU, where half precision is slower
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "no"
    if precision == "fp16" and device.type == "cpu":  # accelerate would train in float32 and not say so
        raise GenartError("precision_refused", precision=precision, device=device.type, reason=GenartError("reason_fp16"))
    if PartialState._shared_state.get("num_processes") == 1:  # else an earlier run of this process decides device and precision
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


def _load(cls: Any, path: str | Path, size: int | None, options: dict[str, Any]) -> tuple[Pictures, str]:
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


def _why(cls: Any, size: int, side: int) -> str:
    """Why pictures whose first one is `side` px are made `size` px."""
    if size == side:
        return "the size of the first one"
    if size < side:
        return f"the first one has {side}, and {size} is the largest that is taken unasked"
    return f"the first one has {side}, and {size} is the smallest of a {cls.__name__} ({', '.join(map(str, cls.sizes))}) that loses nothing"


def _make_model(
    cls: Any,
    task: Task,
    settings: Settings,
    pictures: Pictures,
    arguments: dict[str, Any],
    with_labels: bool,
    seed: int,
    device: torch.device,
) -> nn.Module:
    """A model of the pictures' size, channels and, with labels, classes."""
    _check_arguments(cls, arguments, pictures, with_labels)
    arguments = {"image_size": pictures.pictures.shape[-1], "channels": pictures.pictures.shape[1]} | arguments
    if with_labels:
        pictures.require_labels("train with classes")
        pictures.require_every_class()
        arguments = {"num_classes": pictures.num_classes, "class_names": list(pictures.class_names)} | arguments
    torch.manual_seed(seed)
    try:
        model = task.build(cls, arguments, settings).to(device).train()
    except (TypeError, RuntimeError) as error:  # an argument that the class does not have, or more memory than there is
        raise GenartError("config_refused", file="arguments", name=cls.__name__, reason=f"{first_line(error)}.") from error
    return model.to(memory_format=torch.channels_last) if cls.channels_last else model


def _make_run(
    out: Path, task: Task, model: nn.Module, settings: Settings, description: dict[str, Any], accelerator: Any
) -> tuple[Run, Callable[..., Numbers]]:
    """The run, and the step bound to its model and optimizers.

    The step gets a copy of the model that shares its weights, with each trained sub-network prepared by itself, as several processes need.
    """
    step, optimizers = task.make_step(model, settings)
    wired = copy.copy(model)
    wired._modules = dict(model._modules)
    trained = [name for name, module in model.named_children() if any(p.requires_grad for p in module.parameters())]
    for name in trained:
        setattr(wired, name, accelerator.prepare_model(getattr(model, name)))
    for name in task.unwrapped:
        setattr(wired, name, getattr(model, name))
    prepared = [accelerator.prepare_optimizer(optimizer) for optimizer in optimizers.values()]
    run = Run(out, model, optimizers, description, settings.ema, networks=[getattr(wired, name) for name in trained])
    return run, partial(step, wired, *prepared, backward=accelerator.backward)


def _pick_score(
    task: Task, run: Run, batches: Batches, seed: int, hold_out: str | None, num_steps: int, progress: bool
) -> Callable[[nn.Module], float] | None:
    """What picks the best state of the run; or None, and it is said why nothing does."""
    why_not = f"a run of {num_steps:,} steps is too short to choose from ({FIRST_BEST} are needed)"
    score = why_not if num_steps < FIRST_BEST else task.score(run.model, batches, seed, hold_out)
    if not isinstance(score, str):
        return score
    if progress:
        print(f"No best state is kept: {score}.", file=sys.stderr)
    return None


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
    theirs: dict[str, tuple[Any, str]] = {"image_size": (side, "--size"), "channels": (channels, "other pictures")}
    if not with_labels:
        theirs |= {"num_classes": (0, "--conditional"), "class_names": ([], "--conditional")}
    for name, (value, cure) in theirs.items():
        if arguments.get(name, value) != value:
            reason = f"{name} is that of the pictures, {value}; choose it with {cure}."
            raise GenartError("config_refused", file="arguments", name=cls.__name__, reason=reason)


def _class_weights(settings: Settings, pictures: Pictures, rows: Tensor | None) -> Tensor | str | None:
    """How often each class is drawn, relative to its share: where the settings balance, relative to an equal one."""
    if not settings.class_weights:
        return "balanced" if settings.balance else None
    labels = pictures.require_labels("weigh the classes")
    names = pictures.class_names or tuple(map(str, range(pictures.num_classes)))
    for name in settings.class_weights:
        choice("train", "class_weights", name, names)
    weights = torch.tensor([settings.class_weights.get(name, 1.0) for name in names])
    if settings.balance:
        weights = weights / torch.bincount(labels if rows is None else labels[rows], minlength=len(names)).clamp(min=1)
    if not bool(weights[labels].any()):
        raise GenartError("bad_weight", text=", ".join(f"{name}={weight:g}" for name, weight in settings.class_weights.items()))
    return weights


def _told(accelerator: Any, batches: Batches, run: Run) -> str:
    """What a run says of itself before it starts."""
    processes = accelerator.num_processes
    where = f"{processes} process{'es' if processes > 1 else ''} on {accelerator.device.type}"
    each = torch.get_num_threads()
    threads = f", {each} thread{'s' if each > 1 else ''} each" if accelerator.device.type == "cpu" else ""
    precision = "" if accelerator.mixed_precision == "no" else f", {accelerator.mixed_precision}"
    count = f"{len(batches.rows):,} pictures, {batches.per_epoch:,} updates an epoch of {batches.batch_size}"
    pieces = f" ({batches.batch_size // batches.parts} at once on each process)" if batches.parts > 1 else ""
    return f"{where}{threads}{precision}; {count}{pieces}; from step {run.step:,}"


def write_about(
    run: Run, what: dict[str, Any], pictures: int, path: str | Path, sha256: str | None, seed: int, command: str | None, accelerator: Any
) -> None:
    """Write training.json, which tells how a run was made. what: of which model, by which settings."""
    about = {
        "command": command,
        **what,
        "seed": seed,
        "pictures": pictures,
        "file": Path(path).name,
        "file_sha256": sha256,
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
