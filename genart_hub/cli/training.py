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
from genart_hub.train.latent_diffusion.stages import PRESETS, STAGES
from genart_hub.train.launch import PRECISIONS
from genart_hub.train.log import TRACKERS
from genart_hub.train.tasks import TASKS, all_options, pick_settings

SHARED = ("size", "split", "token", "seed", "resume", "device", "precision", "save_minutes", "trackers")  # of both commands


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "train", train, "train a model on pictures")
    command.add_argument("model", type=_dashed, choices=tuple(map(_dashed, auto.MODELS)), help="what to train")
    command.add_argument("--data", required=True, help="a folder, a .parquet file, or a dataset on the Hub, owner/name[@revision]")
    command.add_argument("--out", required=True, help="the run's folder; it loads with from_pretrained")
    pictures, machine = _add_shared(command, "go on with the run that is in --out")
    told = "make every picture this wide and high (the first one's size, at most 64, that the model can take)"
    pictures.add_argument("--size", type=int, metavar="PIXELS", help=told)
    pictures.add_argument("--label", metavar="COLUMN", help="the column that holds the classes (label)")
    pictures.add_argument(
        "--hold-out",
        metavar="COLUMN",
        help="leave out one variant, by this column, of each class that has them all (COLUMN+1: the next one, another split)",
    )
    machine.add_argument("--accumulate", type=int, default=1, metavar="PIECES", help="cut a batch into pieces, for less memory (1)")
    command.formatter_class, command.epilog = argparse.RawDescriptionHelpFormatter, _presets()

    told = "A value in brackets holds where the preset has no other."
    groups = {"": command.add_argument_group("settings", told)}
    groups[""].add_argument("--preset", "--recipe", metavar="NAME", help="a family's settings by name, see below (the model's own)")
    groups[""].add_argument("--conditional", action="store_true", help="tell the model the class of each picture")
    groups[""].add_argument(
        "--set", action="append", default=[], metavar="NAME=JSON", help="an argument of the model, such as latent_dim=20"
    )
    for field, kind, owners in all_options().values():  # last, so that one whose name is taken is found
        whose = "" if len(owners) == len(TASKS) else " and ".join(owners)
        if whose not in groups:
            groups[whose] = command.add_argument_group(f"{whose} settings")
        _add_setting(groups[whose], field, kind)

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
    pictures, _ = _add_shared(command, "go on with the stages that are in --out")
    pictures.add_argument("--size", type=int, default=64, metavar="PIXELS", help="make every picture this wide and high (64)")
    pictures.add_argument("--caption", action="append", metavar="COLUMN", help="what the pictures show; again for another language (text)")
    pictures.add_argument("--style", metavar="COLUMN", help="whose value some captions end with: red apple, noto style")
    pictures.add_argument("--balance", metavar="COLUMN", help="whose values are drawn equally often")
    settings = command.add_argument_group("settings")
    for name, what in (("epochs", "epochs"), ("batch_size", "pictures an update"), ("lr", "the learning rate")):
        values = ", ".join(f"{stage} {getattr(preset, name):g}" for stage, preset in PRESETS.items())
        flag = f"--{name.replace('_', '-')}"
        settings.add_argument(flag, action="append", default=[], metavar="STAGE=N", help=f"{what} of a stage ({values})")
    settings.add_argument("--latent-channels", type=int, default=4, metavar="N", help="of the autoencoder (4)")
    settings.add_argument("--kl-weight", type=float, default=1e-3, metavar="WEIGHT", help="of the KL of the autoencoder (0.001)")

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


def _add_shared(command: argparse.ArgumentParser, resume: str) -> tuple[argparse._ArgumentGroup, argparse._ArgumentGroup]:
    """The options of both commands that train. Returns the groups of those of the pictures and of the machine."""
    command.add_argument("--resume", action="store_true", help=resume)
    command.add_argument("--seed", type=int, default=0, help="of the weights, the batches and the noise (0)")
    told = "send numbers and samples there; again for more (TensorBoard's events in --out, where it is installed)"
    command.add_argument("--tracker", action="append", default=[], choices=TRACKERS, dest="trackers", help=told)
    pictures = command.add_argument_group("pictures")
    pictures.add_argument("--split", default="train", help="of a dataset with splits (train)")
    pictures.add_argument("--fit", choices=("crop", "pad"), default="crop", help="cut to the centre square, or add a border (crop)")
    pictures.add_argument("--token", help="for a private dataset on the Hub")
    machine = command.add_argument_group("machine")
    machine.add_argument("--device", help="auto, cpu, cuda or mps (GENART_DEVICE, else cpu)")
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="auto is bf16 on a GPU that has it, else no (auto)")
    machine.add_argument("--save-minutes", type=float, default=2.0, metavar="MINUTES", help="between two checkpoints (2)")
    return pictures, machine


def _add_setting(group: argparse._ArgumentGroup, field: dataclasses.Field, kind: Any) -> None:
    """The option of a setting, whose help tells its words and its value where no preset says another."""
    about, name = field.metadata, field.name
    value = f"{field.default:g}" if isinstance(field.default, float) else field.default
    value = "the preset's" if value is dataclasses.MISSING else value
    default = "" if kind is bool or value in (None, ()) else f" ({value})"
    choices = f": {', '.join(about['choices'])}" if about["choices"] else ""
    flag = "--" + name.replace("_", "-")
    options: dict[str, Any] = {"help": f"{about['help']}{choices}{default}", "dest": name}
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
    lines, classes = ["presets, each of a family, and the models that train by it:"], auto.MODELS.items()
    for family, task in TASKS.items():
        for name, preset in task.presets.items():
            own = [_dashed(model) for model, cls in classes if (cls.family, cls.default_preset) == (family, name)]
            values = {key: ",".join(map(str, value)) if isinstance(value, tuple) else value for key, value in preset.changed.items()}
            told = ", ".join(f"{key}\xa0{value}" for key, value in values.items())
            title = ", ".join([task.name, name] + [f"of {' and '.join(own)}"] * bool(own))
            lines += textwrap.wrap(f"{title}: {told}", 110, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines).replace("\xa0", " ")


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
    from genart_hub.remake import fitted_to
    from genart_hub.train.prior import fit_prior as fit
    from genart_hub.train.run import set_aside_evaluation

    model = generative(options)
    counts = [whole("fit-prior", "components", number("fit-prior", "components", part), 1) for part in options.components.split(",")]
    pictures = data.load(options.data, model.image_size, model.channels, split=options.split, fit=options.fit)
    fitted, scores = fit(model, pictures, counts, options.seed, options.apart)
    about = read_json(model.source.folder / TRAINING) if model.source else None
    half = [stored(file) for file in model.weight_files] == [["float16"]]
    set_aside_evaluation(Path(options.out))
    folder = fitted.save_pretrained(options.out, dtype=torch.float16 if half else None)
    before = fitted_to(model) or (model.source.sha256 if model.source else None)
    prior = {"command": _command(options), "fitted_to": before, "components": fitted.config["components"], "held_out_nats": scores}
    with replacing(folder / TRAINING) as file:
        file.write_text(json.dumps((about or {}) | {"prior": prior}, indent=2) + "\n", encoding="utf-8")
    for count, score in scores.items():
        print(f"{count:>5} components: {score:.2f} nats a held-out picture")
    print(f'{folder}: a prior of {prior["components"]} components; sample(n, seed) draws from it, and prior="normal" as before.')


def train_diffusion(options: argparse.Namespace) -> None:
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
