"""Training from a terminal: train, train-diffusion, build-emoji64."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from genart_hub.cli.options import Commands, _command, _is_first_process, _setting, add_command
from genart_hub.errors import GenartError, choice, number
from genart_hub.models import auto

STAGES = ("autoencoder", "decoder", "denoiser", "pipeline")
CLASSES = {"gan": "GAN", "vae": "VAE", "dcgan": "DCGAN", "conv-vae": "ConvVAE", "classifier": "Classifier", "resnet": "ResNet"}


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "train", train, "train a model on a parquet file or a folder of pictures")
    command.add_argument("model", choices=tuple(CLASSES))
    command.add_argument("--data", required=True, help="a folder, a .parquet file, or a dataset on the Hub, owner/name[@revision]")
    command.add_argument("--out", required=True, help="the run's folder; it loads with from_pretrained")
    command.add_argument("--resume", action="store_true", help="go on with the run that is in --out")

    pictures = command.add_argument_group("pictures")
    pictures.add_argument("--split", default="train", help="of a dataset with splits (train)")
    pictures.add_argument("--size", type=int, help="make every picture this many pixels wide and high")
    pictures.add_argument("--fit", choices=("crop", "pad"), default="crop", help="how: cut to the centre square, or add a border (crop)")
    pictures.add_argument("--flip", action=argparse.BooleanOptionalAction, help="mirror half of the pictures")
    pictures.add_argument("--label", metavar="COLUMN", help="the column that holds the classes (label)")
    pictures.add_argument("--hold-out", metavar="COLUMN", help="leave out one variant, by this column, of each class that has them all")
    pictures.add_argument("--balance", action="store_const", const=True, help="draw all classes equally often")
    pictures.add_argument("--class-weight", action="append", default=[], metavar="NAME=W", help="draw a class W times as often")
    pictures.add_argument("--token", help="for a private dataset on the Hub")

    recipe = command.add_argument_group("recipe")
    recipe.add_argument("--recipe", help="the settings by name; those of the model where none is named")
    recipe.add_argument("--conditional", action="store_true", help="tell the model the class of each picture")
    recipe.add_argument("--epochs", type=int)
    recipe.add_argument("--batch-size", type=int, help="pictures an update, over all processes")
    recipe.add_argument("--lr", type=float, help="the learning rate")
    recipe.add_argument("--schedule", choices=("constant", "linear", "cosine"), help="of the learning rate")
    recipe.add_argument("--warmup", type=float, metavar="SHARE", help="of the run, in which the learning rate rises")
    recipe.add_argument("--ema", type=float, metavar="DECAY", help="of the averaged weights, such as 0.998; 0 for none")
    recipe.add_argument("--objective", help="a GAN's: non-saturating, minimax, hinge, wasserstein or relativistic")
    recipe.add_argument("--r1", type=float, help="a GAN's R1 penalty, times the squared gradient norm")
    recipe.add_argument("--r2", type=float, help="the same on the generated pictures, R2 (0); with --objective relativistic: R3GAN's")
    recipe.add_argument("--r1-every", type=int, metavar="STEPS", help="take both every so many steps, at so many times the weight")
    recipe.add_argument("--gp", type=float, help="a GAN's WGAN-GP penalty")
    recipe.add_argument("--augment", help="with commas: brightness, saturation, contrast, translation, cutout; or none")
    recipe.add_argument("--beta", type=float, help="the weight of a VAE's KL")
    recipe.add_argument("--binarised", action="store_const", const=True, help="draw each pixel anew as black or white (a Bernoulli VAE)")
    recipe.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="an argument of the model, such as latent_dim=20")
    recipe.add_argument("--seed", type=int, default=0)

    machine = command.add_argument_group("machine")
    machine.add_argument("--save-minutes", type=float, default=2.0, help="between two checkpoints (2)")
    machine.add_argument("--accumulate", type=int, default=1, metavar="PIECES", help="cut a batch into pieces, for less memory (1)")
    machine.add_argument("--precision", choices=("auto", "no", "bf16", "fp16"), default="auto", help="auto: bf16 on a GPU that has it")
    machine.add_argument("--device", help="auto, cpu, cuda or mps (GENART_DEVICE, else cpu)")

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


def train(options: argparse.Namespace) -> None:
    from genart_hub.train.launch import train as run_training
    from genart_hub.train.recipes import Recipe, pick_recipe
    from genart_hub.train.run import CHECKPOINT

    cls = auto.MODELS[CLASSES[options.model]]
    augment = options.augment if options.augment is None else tuple(filter(None, options.augment.split(",")))
    same_name = {field.name for field in dataclasses.fields(Recipe)} & vars(options).keys() - {"augment"}
    changes = {name: getattr(options, name) for name in same_name}
    changes |= {"augment": () if augment == ("none",) else augment}
    changes |= {"class_weights": dict(_weight(text) for text in options.class_weight) or None}
    recipe = pick_recipe(cls.family, options.recipe or cls.default_recipe, **changes)
    try:
        run = run_training(
            cls.__name__,
            options.data,
            options.out,
            recipe,
            dict(_setting(text) for text in options.set),
            options.size,
            options.seed,
            options.resume,
            options.device,
            options.save_minutes,
            command=_command(options),
            fit_pictures=options.fit,
            split=options.split,
            conditional=options.conditional,
            label=options.label,
            hold_out=options.hold_out,
            accumulate=options.accumulate,
            precision=options.precision,
            token=options.token,
        )
    except KeyboardInterrupt:
        if _is_first_process() and (Path(options.out) / CHECKPOINT).is_file():
            print(f"genart-hub: the checkpoint is in {options.out}; go on with the same command and --resume.", file=sys.stderr)
        raise
    if _is_first_process():
        best = ""
        if run.best:
            last = run.best["step"] == run.step
            best = (
                " The best state is the last one."
                if last
                else f" The best state, of step {run.best['step']:,}, is in {run.folder / 'best'}."
            )
        print(f"{run.folder}: {run.step:,} steps in {run.seconds / 60:.1f} minutes.{best}")
        print(f"Load it with from_pretrained({str(run.folder)!r}).")


def train_diffusion(options: argparse.Namespace) -> None:
    from genart_hub.train.latent_diffusion.stages import train_diffusion as run_stages
    from genart_hub.train.recipes import pick_recipe

    changes: dict[str, dict[str, Any]] = {stage: {} for stage in STAGES[:-1]}
    for name in ("epochs", "batch_size", "lr"):
        for stage, value in map(_setting, getattr(options, name)):
            changes[choice(f"--{name.replace('_', '-')}", "stage", stage, changes)][name] = value
    try:
        run_stages(
            options.data,
            options.out,
            options.stage or STAGES,
            {stage: pick_recipe(stage, **changed) for stage, changed in changes.items()},
            captions=options.caption or ["text"],
            style=options.style,
            balance=options.balance,
            latent_channels=options.latent_channels,
            kl_weight=options.kl_weight,
            size=options.size,
            fit_pictures=options.fit,
            split=options.split,
            seed=options.seed,
            resume=options.resume,
            device=options.device,
            precision=options.precision,
            save_minutes=options.save_minutes,
            token=options.token,
            command=_command(options),
        )
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
