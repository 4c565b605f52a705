"""Training from a terminal: train, train-diffusion, fit-prior, build-emoji64."""

import argparse
import dataclasses
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from genart_hub.cli.options import Commands, _command, _is_first_process, _setting, add_command, add_model, generative
from genart_hub.errors import GenartError, choice, number, whole
from genart_hub.models import auto
from genart_hub.train.tasks import TASKS, all_options, pick_settings, preset_of

STAGES = ("autoencoder", "decoder", "denoiser", "pipeline")
SHARED = ("size", "split", "token", "seed", "resume", "device", "precision", "save_minutes")  # of both commands, by their names in Python


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "train", train, "train a model on a parquet file or a folder of pictures")
    command.add_argument("model", type=_dashed, choices=tuple(map(_dashed, auto.MODELS)), help="or the name of a class")
    command.add_argument("--data", required=True, help="a folder, a .parquet file, or a dataset on the Hub, owner/name[@revision]")
    command.add_argument("--out", required=True, help="the run's folder; it loads with from_pretrained")
    command.add_argument("--resume", action="store_true", help="go on with the run that is in --out")

    pictures = command.add_argument_group("pictures")
    pictures.add_argument("--split", default="train", help="of a dataset with splits (train)")
    pictures.add_argument("--size", type=int, help="make every picture this many pixels wide and high")
    pictures.add_argument("--fit", choices=("crop", "pad"), default="crop", help="how: cut to the centre square, or add a border (crop)")
    pictures.add_argument("--label", metavar="COLUMN", help="the column that holds the classes (label)")
    pictures.add_argument("--hold-out", metavar="COLUMN", help="leave out one variant, by this column, of each class that has them all")
    pictures.add_argument("--token", help="for a private dataset on the Hub")

    settings = command.add_argument_group("settings")
    settings.add_argument(
        "--preset", "--recipe", metavar="NAME", help="the settings by name, see below; those of the model where none is named"
    )
    settings.add_argument("--conditional", action="store_true", help="tell the model the class of each picture")
    settings.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="an argument of the model, such as latent_dim=20")
    settings.add_argument("--seed", type=int, default=0, help="of the weights, the batches and the noise (0)")
    command.formatter_class, command.epilog = argparse.RawDescriptionHelpFormatter, _presets()

    machine = command.add_argument_group("machine")
    machine.add_argument("--save-minutes", type=float, default=2.0, help="between two checkpoints (2)")
    machine.add_argument("--accumulate", type=int, default=1, metavar="PIECES", help="cut a batch into pieces, for less memory (1)")
    machine.add_argument("--precision", choices=("auto", "no", "bf16", "fp16"), default="auto", help="auto: bf16 on a GPU that has it")
    machine.add_argument("--device", help="auto, cpu, cuda or mps (GENART_DEVICE, else cpu)")
    for field, kind, owners in all_options().values():  # last, so that one whose name is taken is found
        _add_setting(settings, field, kind, "" if len(owners) == len(TASKS) else f"{', '.join(owners)}: ")

    command = add_command(commands, "fit-prior", fit_prior, "fit a mixture of Gaussians to the latents of a VAE, to sample from")
    add_model(command)
    command.add_argument("--data", required=True, help="what it was trained on: a folder, a .parquet file, or a dataset on the Hub")
    command.add_argument("--out", required=True, help="a folder for the model with its prior; that of the model itself may be given")
    command.add_argument("--components", default="10,30,50", help="how many; of several with commas, what is likeliest (10,30,50)")
    command.add_argument("--apart", metavar="COLUMN", help="hold out whole values of this column, so that no twin of a picture is left")
    command.add_argument("--split", default="train", help="of a dataset with splits (train)")
    command.add_argument("--fit", choices=("crop", "pad"), default="crop")
    command.add_argument("--seed", type=int, default=0)

    command = add_command(
        commands, "train-diffusion", train_diffusion, "train a text-to-image pipeline on captioned pictures, stage by stage"
    )
    command.add_argument("--data", required=True, help="a folder with captions, a .parquet file, or a dataset on the Hub")
    command.add_argument("--out", required=True, help="the pipeline's folder, which diffusers can load; its stages lie in it too")
    command.add_argument("--stage", action="append", choices=STAGES, help="only this one; again for more (all, in order)")
    command.add_argument("--resume", action="store_true", help="go on with the stages that are in --out")
    command.add_argument("--caption", action="append", metavar="COLUMN", help="with the pictures' names; again for another language (text)")
    command.add_argument("--style", metavar="COLUMN", help="whose value a caption sometimes names: red apple, noto style")
    command.add_argument("--balance", metavar="COLUMN", help="whose values are drawn equally often")
    command.add_argument("--split", default="train", help="of a dataset with splits (train)")
    command.add_argument("--size", type=int, default=64, help="make every picture this many pixels wide and high (64)")
    command.add_argument("--fit", choices=("crop", "pad"), default="crop", help="how: cut to the centre square, or add a border (crop)")
    command.add_argument("--token", help="for a private dataset on the Hub")
    command.add_argument("--latent-channels", type=int, default=4, help="of the autoencoder (4)")
    command.add_argument("--kl-weight", type=float, default=1e-3, help="of the autoencoder's KL (0.001)")
    for option in ("epochs", "batch-size", "lr"):
        command.add_argument(f"--{option}", action="append", default=[], metavar="STAGE=N", help=f"{option.replace('-', ' ')} of a stage")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--save-minutes", type=float, default=2.0, help="between two checkpoints (2)")
    command.add_argument("--precision", choices=("auto", "no", "bf16", "fp16"), default="auto", help="auto: bf16 on a GPU that has it")
    command.add_argument("--device", help="auto, cpu, cuda or mps (GENART_DEVICE, else cpu)")

    command = add_command(
        commands, "build-emoji64", build_emoji64, "make the dataset emoji64 from clones of the public repositories it comes from"
    )
    command.add_argument("--noto", required=True, metavar="CLONE", help="of https://github.com/googlefonts/noto-emoji")
    command.add_argument("--blobmoji", required=True, metavar="CLONE", help="of https://github.com/C1710/blobmoji")
    command.add_argument("--emojitwo", required=True, metavar="CLONE", help="of https://github.com/EmojiTwo/emojitwo")
    command.add_argument("--emojibase", required=True, metavar="CLONE", help="of https://github.com/milesj/emojibase, or npm's package")
    command.add_argument("--out", default="emoji64", help="the folder for train.parquet and test.parquet (emoji64)")


def _dashed(name: str) -> str:
    """A class's name as the command line writes it: ConvVAE as conv-vae, ResNet as resnet."""
    return re.sub(r"(?<=[a-z])(?=[A-Z]{2})", "-", name).lower()


def _add_setting(group: argparse._ArgumentGroup, field: dataclasses.Field, kind: Any, whose: str) -> None:
    """The option of a setting, whose help tells its words and its value where no preset says another."""
    about, name = field.metadata, field.name
    default = "" if kind is bool or field.default in (None, dataclasses.MISSING, ()) else f" ({field.default})"
    choices = f": {', '.join(about['choices'])}" if about["choices"] else ""
    flag = "--" + name.replace("_", "-")
    options: dict[str, Any] = {"help": f"{whose}{about['help']}{choices}{default}", "dest": name}
    if kind is bool:
        options |= {"action": argparse.BooleanOptionalAction}
    elif kind == dict[str, float] | None:
        flag, options = flag.removesuffix("s"), options | {"action": "append", "metavar": about["metavar"]}
    else:
        options |= {"type": {int: int, float: float, float | None: float}.get(kind, str), "metavar": about["metavar"]}
    try:
        group.add_argument(flag, **options)
    except argparse.ArgumentError as error:
        raise GenartError("setting_taken", name=name, flag=flag) from error


def _read(kind: Any, value: Any) -> Any:
    """What stands on the command line, as the setting has it."""
    if value is not None and kind == tuple[str, ...]:
        return () if value == "none" else tuple(filter(None, value.split(",")))
    return value and dict(map(_weight, value)) if kind == dict[str, float] | None else value


def _presets() -> str:
    """The presets of all families, with the models that train by them where none is named."""
    lines, classes = ["presets:"], auto.MODELS.items()
    for family, task in TASKS.items():
        for name, preset in task.presets.items():
            own = [_dashed(model) for model, cls in classes if getattr(cls, "family", None) == family and preset_of(cls) == name]
            values = {key: ",".join(map(str, value)) if isinstance(value, tuple) else value for key, value in preset.changed.items()}
            told = ", ".join(f"{key} {value}" for key, value in values.items())
            title = ", ".join([task.name, name] + [f"of {' and '.join(own)}"] * bool(own))
            lines += textwrap.wrap(f"{title}: {told}", 110, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def train(options: argparse.Namespace) -> None:
    from genart_hub.train.launch import train as run_training
    from genart_hub.train.run import CHECKPOINT

    cls = next(cls for name, cls in auto.MODELS.items() if _dashed(name) == options.model)
    changes = {name: _read(kind, getattr(options, name)) for name, (_, kind, _) in all_options().items()}
    settings = pick_settings(cls, options.preset, **changes)
    others = {name: getattr(options, name) for name in (*SHARED, "conditional", "label", "hold_out", "accumulate")}
    others |= {"command": _command(options), "fit_pictures": options.fit}
    try:
        run = run_training(cls.__name__, options.data, options.out, settings, dict(map(_setting, options.set)), **others)
    except KeyboardInterrupt:
        if _is_first_process() and (Path(options.out) / CHECKPOINT).is_file():
            print(f"genart-hub: the checkpoint is in {options.out}; go on with the same command and --resume.", file=sys.stderr)
        raise
    if _is_first_process():
        best = f" The best state, of step {run.best['step']:,}, is in {run.folder / 'best'}." if run.best else ""
        best = " The best state is the last one." if run.best and run.best["step"] == run.step else best
        print(f"{run.folder}: {run.step:,} steps in {run.seconds / 60:.1f} minutes.{best}")
        print(f"Load it with from_pretrained({str(run.folder)!r}).")


def fit_prior(options: argparse.Namespace) -> None:
    import torch

    from genart_hub import data
    from genart_hub.files import replacing
    from genart_hub.hub.cards.models import stored
    from genart_hub.hub.cards.tables import TRAINING, read_json
    from genart_hub.train.prior import fit_prior as fit

    model = generative(options)
    counts = [whole("fit-prior", "components", number("fit-prior", "components", part), 1) for part in options.components.split(",")]
    pictures = data.load(options.data, model.image_size, model.channels, split=options.split, fit=options.fit)
    fitted, scores = fit(model, pictures, counts, options.seed, options.apart)
    about = read_json(model.source.folder / TRAINING) if model.source else None
    half = [stored(file) for file in model.weight_files] == [["float16"]]
    folder = fitted.save_pretrained(options.out, dtype=torch.float16 if half else None)
    prior = {"command": _command(options), "components": fitted.config["components"], "held_out_nats": scores}
    with replacing(folder / TRAINING) as file:
        file.write_text(json.dumps((about or {}) | {"prior": prior}, indent=2) + "\n", encoding="utf-8")
    for count, score in scores.items():
        print(f"{count:>5} components: {score:.2f} nats a held-out picture")
    print(f'{folder}: a prior of {prior["components"]} components; sample(n, seed) draws from it, and prior="normal" as before.')


def train_diffusion(options: argparse.Namespace) -> None:
    from genart_hub.train.latent_diffusion.stages import PRESETS
    from genart_hub.train.latent_diffusion.stages import train_diffusion as run_stages

    changes: dict[str, dict[str, Any]] = {stage: {} for stage in PRESETS}
    for name in ("epochs", "batch_size", "lr"):
        for stage, value in map(_setting, getattr(options, name)):
            changes[choice(f"--{name.replace('_', '-')}", "stage", stage, changes)][name] = value
    settings = {stage: PRESETS[stage].change(**changed) for stage, changed in changes.items()}
    others = {name: getattr(options, name) for name in (*SHARED, "style", "balance", "latent_channels", "kl_weight")}
    others |= {"command": _command(options), "fit_pictures": options.fit, "captions": options.caption or ["text"]}
    try:
        run_stages(options.data, options.out, options.stage or STAGES, settings, **others)
    except KeyboardInterrupt:
        if _is_first_process():
            print(f"genart-hub: what was reached is in {options.out}; go on with the same command and --resume.", file=sys.stderr)
        raise
    if _is_first_process():
        print(f"{options.out}: " + ", ".join(options.stage or STAGES))


def _weight(text: str) -> tuple[str, float]:
    """NAME=W of --class-weight."""
    name, _, value = text.rpartition("=")
    try:
        if not name:
            raise ValueError("no =")
        return name, number("train", "class_weight", float(value), 0, 1_000_000)
    except GenartError:
        raise
    except ValueError as error:
        raise GenartError("bad_weight", text=text) from error


def build_emoji64(options: argparse.Namespace) -> None:
    from genart_hub.data import emoji64

    clones = {name: getattr(options, name) for name in ("noto", "blobmoji", "emojitwo", "emojibase")}
    print(emoji64.summary(emoji64.build(options.out, **clones)))
