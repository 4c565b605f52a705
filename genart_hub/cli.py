"""genart-hub: everything of the package from a terminal."""

import argparse
import dataclasses
import functools
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import genart_hub
from genart_hub.errors import GenartError, choice, first_line, number

PIPELINE_BYTES = 20_000_000_000
OF_RECIPE = ("prompt", "negative_prompt", "steps", "guidance", "size", "n", "seed", "label", "truncation", "columns")
STAGES = ("autoencoder", "decoder", "denoiser", "pipeline")
CLASSES = {"gan": "GAN", "vae": "VAE", "dcgan": "DCGAN", "conv-vae": "ConvVAE", "classifier": "Classifier", "resnet": "ResNet"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error that is told in a sentence, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]  # --out=x as --out x
    options = parser().parse_args(words)
    options.arguments = words
    try:
        options.command(options)
    except GenartError as error:
        print(f"genart-hub: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("genart-hub: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line: a sub-command a verb."""
    root = argparse.ArgumentParser(prog="genart-hub", allow_abbrev=False, description="GAN, VAE and diffusion from a terminal.")
    root.add_argument("--version", action="version", version=genart_hub.__version__)
    commands = root.add_subparsers(required=True, metavar="command")

    def add(name: str, function, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(command=function)
        return command

    def add_model(command: argparse.ArgumentParser, *flags: str, **options) -> None:
        command.add_argument(*(flags or ("model",)), help="a bundled name, a folder, or a Hub id owner/name[@revision]", **options)
        command.add_argument("--device", help="auto, cpu, cuda or mps (GENART_DEVICE, else cpu)")

    command = add("list", list_models, "the bundled models")
    command.add_argument("--family", choices=genart_hub.FAMILIES)

    command = add("info", info, "what a model is: class, arguments, parameters, weights")
    add_model(command)

    command = add("sample", sample, "make pictures and save them as one PNG that carries its recipe")
    add_model(command, nargs="?")
    command.add_argument("--prompt", help="what the pictures should show, for text-to-image pipelines")
    command.add_argument("--negative-prompt", metavar="TEXT", help="what they should not show")
    command.add_argument("--steps", type=int, help="of a pipeline, from noise to picture (its own number)")
    command.add_argument("--guidance", type=float, help="of a pipeline: how strongly it follows the prompt, 0 to 50 (its own number)")
    command.add_argument("--size", type=int, metavar="PX", help="of a pipeline's pictures, a multiple of 8 (its own size)")
    command.add_argument("-n", type=int, help="how many pictures (16; of a pipeline above 64 px, 1)")
    command.add_argument("--seed", type=int, help="the first picture's seed; picture k has seed + k (0)")
    command.add_argument("--label", help="a class index or name, for conditional models; several with commas, one for each picture")
    command.add_argument("--truncation", type=float, help="above 0, at most 1: less variety, more typical pictures (1)")
    command.add_argument("--columns", type=int, help="of the grid (8)")
    command.add_argument("--from", dest="picture", metavar="PNG", help="make the picture of this PNG again, from its recipe alone")
    command.add_argument("--out", default="sample.png", help="the PNG to write (sample.png)")

    command = add("walk", walk, "a walk through the latent space, as an animation")
    add_model(command)
    command.add_argument("--seeds", default="0,1,2,3", help="the keys' seeds, with commas (0,1,2,3)")
    command.add_argument("--frames", type=int, default=96, help="how many frames in all (96)")
    command.add_argument("--method", choices=("slerp", "lerp"), default="slerp")
    command.add_argument("--loop", action="store_true", help="go back to the first key")
    command.add_argument("--fps", type=float, default=24.0)
    command.add_argument("--truncation", type=float, default=1.0)
    command.add_argument("--label", help="a class index or name, for conditional models (the first class)")
    command.add_argument("--out", default="walk.webp", help="a .gif or .webp to write (walk.webp)")

    command = add("reconstruct", reconstruct, "your picture through a VAE, or into a GAN's latent space by inversion")
    add_model(command)
    command.add_argument("picture", help="a PNG, JPEG, GIF or WebP file")
    command.add_argument("--digit", action="store_true", help="crop, invert and centre it first as MNIST's digits are")
    command.add_argument("--steps", type=int, default=200, help="of a GAN's inversion (200)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--label", help="a class index or name, for conditional models (the one that comes nearest)")
    command.add_argument("--out", default="reconstruction.png", help="a PNG to write: the picture, then the model's answer")

    command = add("train", train, "train a model on a parquet file or a folder of pictures")
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

    command = add("train-diffusion", train_diffusion, "train a text-to-image pipeline on captioned pictures, stage by stage")
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

    command = add("evaluate", evaluate, "measure models under one protocol")
    add_model(command, "models", nargs="+")
    command.add_argument("--data", required=True, help="pictures that the models were not trained on")
    command.add_argument("--reference", help="the real pictures that made ones are compared with (those of --data)")
    command.add_argument("--training", metavar="DATA", help="what the models were trained on: counts near-copies, and the card shows them")
    command.add_argument("--features", help="the feature network, any model's name or inception (the bundled one that fits)")
    command.add_argument("--split", default="test", help="of a dataset with splits (test)")
    command.add_argument("--fit", choices=("crop", "pad"), default="crop")
    command.add_argument(
        "--label",
        metavar="COLUMN",
        help="the classes of a classifier or a conditional model (label), and those that a pipeline is asked for",
    )
    command.add_argument("--hold-out", metavar="COLUMN", help="only the pictures that a classifier's training with --hold-out left out")
    command.add_argument("--samples", type=int, default=2000, help="made pictures that a classifier judges (2000)")
    command.add_argument("--count", type=int, default=5000, help="the most pictures on each side of a distance (5000)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--caption", action="append", metavar="COLUMN", help="a pipeline's prompts; again for a second language (text)")
    command.add_argument("--prompts", type=int, default=500, help="classes that a pipeline is asked for, with --label and --hold-out (500)")
    command.add_argument("--steps", help="of a pipeline; several with commas give a column each, of --samples pictures (its own)")
    command.add_argument("--guidance", help="the same, of its guidance")
    command.add_argument("--json", metavar="FILE", help="also write the numbers here; a card reads evaluation.json in the model's folder")

    command = add("build-emoji64", build_emoji64, "make the dataset emoji64 from clones of the public repositories it comes from")
    command.add_argument("--noto", required=True, metavar="CLONE", help="of https://github.com/googlefonts/noto-emoji")
    command.add_argument("--blobmoji", required=True, metavar="CLONE", help="of https://github.com/C1710/blobmoji")
    command.add_argument("--emojitwo", required=True, metavar="CLONE", help="of https://github.com/EmojiTwo/emojitwo")
    command.add_argument("--emojibase", required=True, metavar="CLONE", help="of https://github.com/milesj/emojibase, or npm's package")
    command.add_argument("--out", default="emoji64", help="the folder for train.parquet and test.parquet (emoji64)")

    command = add("card", card, "write a model folder's card, its sample grid and its golden samples")
    command.add_argument("folder", help="a run or a model's folder")
    command.add_argument("--name", help="the card's title (the folder's name)")
    command.add_argument("--license", help="such as apache-2.0, mit or cc-by-sa-3.0 (that of the card that is there)")
    command.add_argument("--dataset", help="a dataset that the package can attribute: mnist or emoji64")

    command = add("push", push, "publish a run or a model's folder on the Hub, with its card")
    command.add_argument("folder", help="a run, a model's folder, or a bundled name")
    command.add_argument("repo_id", metavar="owner/name")
    command.add_argument("--license", help="such as apache-2.0, mit or cc-by-sa-3.0 (that of the folder's card)")
    command.add_argument("--private", action=argparse.BooleanOptionalAction, help="who may see it (an existing one stays as it is)")
    command.add_argument("--token", help="a token with the right to write (the stored one, or HF_TOKEN)")
    command.add_argument("--revision", help="the branch to push to; it is made where there is none")
    command.add_argument("--message", help="of the commit")
    command.add_argument("--dataset", help="a dataset that the package can attribute: mnist or emoji64")
    command.add_argument("--overwrite-card", action="store_true", help="replace a card that was edited by hand on the Hub")
    command.add_argument("--from-state-dict", metavar="CLASS", help="the folder is a .safetensors file with a state dict of this class")
    command.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="with --from-state-dict: an argument of the class")

    command = add("search", search, "models of this library on the Hub")
    command.add_argument("query", nargs="?")
    command.add_argument("--family", choices=genart_hub.FAMILIES)
    command.add_argument("--author")
    command.add_argument("--limit", type=int, default=20)

    command = add("deploy-space", deploy_space, "the app as a Hugging Face Space: create it, or update it")
    command.add_argument("repo_id", metavar="owner/name")
    command.add_argument("--hardware", choices=("zero-a10g", "cpu-basic"), default="zero-a10g", help="of the Space (zero-a10g: ZeroGPU)")
    command.add_argument("--model", action="append", default=[], metavar="owner/name", help="a public Hub model to offer and preload")
    command.add_argument("--title", help="of the Space (genart_hub)")
    command.add_argument("--private", action=argparse.BooleanOptionalAction)
    command.add_argument("--token")
    command.add_argument("--dry-run", action="store_true", help="print the files and their sizes, and upload nothing")
    return root


def load(options: argparse.Namespace, name: str | None = None) -> Any:
    """The model that is named. A pipeline may be as large as they come: the memory that is free is its limit."""
    from genart_hub import hub

    name, device = name or options.model, hub.pick_device(options.device)
    if hub.bundled_folder(name) or not hub.locate(name).is_pipeline:
        return genart_hub.from_pretrained(name, device=device)
    return genart_hub.from_pretrained(name, device=device, max_bytes=PIPELINE_BYTES)


def generative(options: argparse.Namespace, name: str | None = None) -> Any:
    """The same, and it must make pictures from latents."""
    from genart_hub.models.base import check_generative

    return check_generative(load(options, name))


def list_models(options: argparse.Namespace) -> None:
    families = [options.family] if options.family else genart_hub.FAMILIES
    print(f"{'name':<20} {'family':<10} {'class':<18} {'pixels':<10} {'parameters':>12} {'MB':>7}")
    for family in families:
        for name in genart_hub.bundled(family):
            model = genart_hub.from_pretrained(name)
            size = f"{model.image_size}x{model.image_size}x{model.channels}"
            count, megabytes = _count(model), _bytes(model) / 1e6
            print(f"{name:<20} {family:<10} {type(model).__name__:<18} {size:<10} {count:>12,} {megabytes:>7.2f}")


def info(options: argparse.Namespace) -> None:
    model = load(options)
    print(f"{model.source.name}: {type(model).__name__}, family {model.family}")
    if model.family == "diffusion":
        config = {"image_size": model.image_size, "latent_channels": model.latent_channels} | model.defaults
        parts = [(name, part) for name, part in model.pipeline.components.items() if hasattr(part, "parameters")]
    else:
        config, parts = getattr(model, "config", {}), model.named_children()
    for name, value in config.items():
        print(f"  {name}: {json.dumps(value)}")
    for name, part in parts:
        print(f"  parameters of {name}: {sum(p.numel() for p in part.parameters()):,}")
    print(f"  parameters: {_count(model):,}")
    print(f"  weights: sha256 {model.source.sha256}, {_bytes(model):,} bytes")
    if model.source.revision:
        print(f"  revision: {model.source.revision}")


def _count(model: Any) -> int:
    return model.num_parameters if hasattr(model, "num_parameters") else sum(p.numel() for p in model.parameters())


def _bytes(model: Any) -> int:
    source = model.source
    files = [source.file] if source.file else source.files
    return sum(file.stat().st_size for file in files)


def sample(options: argparse.Namespace) -> None:
    from genart_hub import images
    from genart_hub.remake import remake

    if options.picture:
        for option in OF_RECIPE:
            if getattr(options, option) is not None:
                raise GenartError("fixed_by_recipe", option="-n" if option == "n" else f"--{option.replace('_', '-')}")
        picture, x, recipe = remake(options.picture, lambda name: load(options, options.model or name))
    else:
        if not options.model:
            raise GenartError("no_model_named", choices=", ".join(genart_hub.bundled()))
        options.seed = 0 if options.seed is None else options.seed
        options.columns = 8 if options.columns is None else options.columns
        model = load(options)
        x, recipe = (_sample_from_text if model.family == "diffusion" else _sample_from_latents)(options, model)
        picture = images.sheet(x, recipe["columns"])
    print(f"{images.save_png(picture, options.out, recipe)}: {len(x)} of {recipe['model']}, seeds from {recipe['seed']}")


def _sample_from_latents(options: argparse.Namespace, model: Any) -> tuple[Any, dict[str, Any]]:
    from genart_hub.models.base import check_generative

    check_generative(model, genart_hub.bundled())
    for option in ("prompt", "negative_prompt", "steps", "guidance", "size"):
        if getattr(options, option) is not None:
            name = f"--{option.replace('_', '-')}"
            raise GenartError("not_of_family", option=name, family=type(model).__name__, other="text-to-image pipeline")
    label, truncation = _label(options.label), 1.0 if options.truncation is None else options.truncation
    x = model.sample(16 if options.n is None else options.n, options.seed, label=label, truncation=truncation)
    columns = None if len(x) == 1 else options.columns
    return x, model.recipe(options.seed, len(x), label, truncation, columns)


def _sample_from_text(options: argparse.Namespace, model: Any) -> tuple[Any, dict[str, Any]]:
    from tqdm import tqdm

    for option in ("label", "truncation"):
        if getattr(options, option) is not None:
            raise GenartError("not_of_family", option=f"--{option}", family="text-to-image pipeline", other="GAN or a VAE")
    if options.prompt is None:
        raise GenartError("needs_prompt", model=model.source.name)
    n = (16 if model.image_size <= 64 else 1) if options.n is None else options.n
    request = {"prompt": options.prompt, "num_steps": options.steps, "guidance": options.guidance}
    request |= {"negative_prompt": options.negative_prompt, "size": options.size}
    with tqdm(unit="step", delay=0.5) as bar:

        def show(step: int, num_steps: int) -> None:
            bar.total = num_steps
            bar.update()

        x = model.sample(n, options.seed, on_step=show, **request)
    if unread := model.unread(options.prompt):
        print(f"genart-hub: the prompt is too long, and its end was not read: {unread}", file=sys.stderr)
    if model.blanked:
        blanked = ", ".join(str(options.seed + k) for k in model.blanked)
        print(f"genart-hub: the safety checker made the pictures of these seeds black: {blanked}", file=sys.stderr)
    return x, model.recipe(options.seed, len(x), columns=None if len(x) == 1 else options.columns, **request)


def _label(text: str | None) -> str | list[str] | None:
    """A class index or name; several, one for each picture, with commas."""
    return [part.strip() for part in text.split(",")] if text and "," in text else text


def walk(options: argparse.Namespace) -> None:
    from genart_hub import images, latents

    model = generative(options)
    keys = latents.keys_of(model, latents.parse_seeds(options.seeds), options.truncation)
    z = latents.walk(keys, options.frames, options.method, options.loop)
    frames = latents.frames(model, z, label=_label(options.label))
    pictures = [images.enlarge(picture) for picture in images.to_pil(frames)]
    print(f"{images.save_animation(pictures, options.out, options.fps)}: {len(pictures)} frames through seeds {options.seeds}")


def reconstruct(options: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from genart_hub import images, latents

    model = generative(options)
    picture = images.open_picture(options.picture)
    picture = images.center_digit(picture, model.image_size) if options.digit else picture
    x = images.from_pil(picture, model.image_size, model.channels).to(next(model.parameters()).device)
    label = options.label or latents.nearest_class(model, x, options.seed)
    if hasattr(model, "reconstruct"):
        x_hat = model.reconstruct(x) if label is None else model.reconstruct(x, label)
    else:
        steps = latents.invert(model, x, options.steps, options.seed, label=label)
        for _, z, _ in tqdm(steps, total=options.steps, unit="step"):  # noqa: B007 - the last z is the best
            pass
        x_hat = latents.frames(model, z, label=label)
    error = (x - x_hat).square().mean().item() / 4
    path = images.save_png(images.enlarge(images.grid(torch.cat([x, x_hat]), columns=2)), options.out)
    print(f"{path}: the picture and {options.model}'s answer, mean squared error {error:.4f} (pixels in [0, 1])")


def train(options: argparse.Namespace) -> None:
    from genart_hub.train.fit import CHECKPOINT
    from genart_hub.train.recipes import Recipe, pick_recipe
    from genart_hub.train.training import train as run_training

    cls = genart_hub.MODELS[CLASSES[options.model]]
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
    from genart_hub.train.diffusion import train_diffusion as run_stages
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


def _is_first_process() -> bool:
    """Whether this is the process that talks: torchrun and accelerate launch number them."""
    return os.environ.get("RANK", "0") == "0"


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


def _command(options: argparse.Namespace) -> str:
    """The command that was given, with the folders' names only: a card carries no path of anybody's machine."""
    words = [word for word in options.arguments if word not in ("--resume", "--token", options.token)]
    short = {options.data: "/".join(Path(options.data).parts[-2:]), options.out: Path(options.out).name}
    return "genart-hub " + shlex.join(short.get(word, word) for word in words)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        if not name:
            raise ValueError("no name")
        return name, json.loads(value)
    except ValueError as error:
        raise GenartError("bad_setting", text=text, reason=first_line(error)) from error


def evaluate(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from genart_hub import data
    from genart_hub.cards import NEAREST, PLUS_MINUS
    from genart_hub.evaluate import check_features, eye_name, pick_features, table
    from genart_hub.evaluate import evaluate as measure
    from genart_hub.files import replacing
    from genart_hub.models.base import FeatureNetwork, check_generative

    features = _eye(options.features) if options.features else None
    names = _with_best(options.models)
    read = functools.cache(functools.partial(data.load, fit=options.fit, split=options.split))  # once for all models of a size
    eyes: dict[str, Any] = {}
    training_for = functools.cache(functools.partial(_training_pictures, options, read))  # which finds their features once
    picture = Path(options.json).with_name(NEAREST) if options.json and options.training else None
    results, weights = {}, {}
    for name in tqdm(names, unit="model", disable=len(names) < 2):
        model = load(options, name)
        if source := getattr(model, "source", None):
            weights[_title(name, names)] = source.sha256
        if isinstance(model, FeatureNetwork):
            pictures = read(options.data, model.image_size, model.channels)
            pictures = pictures.labelled_by(options.label) if options.label else pictures
            rows = pictures.hold_out(options.hold_out)[1] if options.hold_out else None
            results[_title(name, names)] = measure(model, pictures, rows=rows)
            continue
        pipeline = getattr(model, "family", None) == "diffusion"
        if not pipeline:
            check_generative(model, genart_hub.bundled())
        eye = check_features(features or pick_features(model))
        eye = eyes.setdefault(eye_name(eye), eye)
        size = eye.image_size if isinstance(eye, FeatureNetwork) else model.image_size
        of_training = {"training": training_for(eye, size), "picture": picture if name == names[0] else None}
        if pipeline:
            results |= _of_pipeline(options, model, _title(name, names), eye, size, read, of_training)
            continue
        reference = read(options.reference or options.data, size, eye.channels)
        pictures = read(options.data, model.image_size, model.channels) if model.family == "vae" else reference
        if options.label and model.num_classes:
            reference, pictures = reference.labelled_by(options.label), pictures.labelled_by(options.label)
        counts = options.samples, options.count, options.seed
        results[_title(name, names)] = measure(model, pictures, eye, *counts, reference, **of_training)
    if options.json:
        words = [Path(word).name if word in (*options.models, options.features) else word for word in options.arguments]
        words = ["/".join(Path(word).parts[-2:]) if word in (options.data, options.reference, options.training) else word for word in words]
        cut = words.index("--json") if "--json" in words else len(words)
        numbers = {
            "command": "genart-hub " + shlex.join(words[:cut] + words[cut + 2 :]),
            "results": {name: [m.as_dict() for m in measures] for name, measures in results.items()},
            "weights_sha256": weights,
            "training": {_title(name, names): about for name in names if (about := _training_of(name))},
        }
        with replacing(options.json) as file:
            file.write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{table(results)}\n\n{PLUS_MINUS}")


def _training_pictures(options: argparse.Namespace, read: Callable, eye: Any, size: int) -> Any:
    """What --training names, beside the unseen pictures of --data, at a feature network's size; None without it."""
    from genart_hub.memorisation import Training, pick_autoencoder

    if not options.training:
        return None
    pictures = read(options.training, size, eye.channels, split="train")
    unseen = None if options.data == options.training else read(options.data, size, eye.channels)
    return Training(pictures, unseen, eye, pick_autoencoder(pictures))


def _of_pipeline(
    options: argparse.Namespace, model: Any, title: str, eye: Any, size: int, read: Callable, of_training: dict[str, Any]
) -> dict[str, list[Any]]:
    """A text-to-image model's columns: one, or one for each of several --steps or --guidance. read: data.load, as the options have it."""
    from genart_hub import prompts

    steps, guidance = _numbers("steps", options.steps), _numbers("guidance", options.guidance)
    reference = read(options.reference or options.data, size, eye.channels)
    asked = {"captions": options.caption or ["text"], "label": options.label, "hold_out": options.hold_out}
    asked |= {"prompts": options.prompts, "seed": options.seed}
    if len(steps) > 1 or len(guidance) > 1:
        count = min(options.count, options.samples)
        columns = prompts.sweep(model, reference, eye, **asked, count=count, num_steps=steps, guidance=guidance)
        return {f"{title}, {column}": measures for column, measures in columns.items()}
    pictures = read(options.data, model.image_size, model.channels)
    one = {"num_steps": steps[0] if steps else None, "guidance": guidance[0] if guidance else None}
    return {title: prompts.evaluate(model, pictures, eye, reference, **asked, count=options.count, **one, **of_training)}


def _numbers(name: str, text: str | None) -> list[float]:
    """Numbers with commas between them."""
    return [number("evaluate", name, part.strip()) for part in text.split(",")] if text is not None else []


def _eye(name: str) -> Any:
    if name == "inception":
        from genart_hub.inception import Inception

        return Inception()
    return genart_hub.from_pretrained(name)


def _with_best(names: list[str]) -> list[str]:
    """The models, and after each run whose best state is not its last, that one."""
    from genart_hub.files import sha256_of
    from genart_hub.remote import WEIGHTS
    from genart_hub.train.fit import BEST, CHECKPOINT

    with_best = []
    for name in names:
        run = Path(name)
        last, best = run / WEIGHTS, run / BEST / WEIGHTS
        kept = (run / CHECKPOINT).is_file() and last.is_file() and best.is_file() and sha256_of(best) != sha256_of(last)
        with_best += [name, str(run / BEST)] if kept else [name]
    return list(dict.fromkeys(with_best))


def _title(name: str, names: list[str]) -> str:
    """What a table calls a model: its folder's name, unless two share it; a run's best state keeps the run's name before it."""
    short = [_short(other) for other in names]
    return _short(name) if short.count(_short(name)) == 1 else name


def _short(name: str) -> str:
    return "/".join(Path(name).parts[-2:]) if Path(name).name == "best" else Path(name).name


def _training_of(name: str) -> dict[str, Any] | None:
    from genart_hub.cards import TRAINING, read_json

    return read_json(Path(name) / TRAINING)


def build_emoji64(options: argparse.Namespace) -> None:
    from genart_hub import emoji64

    clones = {name: getattr(options, name) for name in ("noto", "blobmoji", "emojitwo", "emojibase")}
    print(emoji64.summary(emoji64.build(options.out, **clones)))


def card(options: argparse.Namespace) -> None:
    from genart_hub import cards, pipeline_cards
    from genart_hub.hub import read_config
    from genart_hub.remote import PIPELINE

    folder = Path(options.folder)
    is_pipeline = (folder / PIPELINE).is_file()
    if not is_pipeline:
        read_config(folder)
    model = genart_hub.from_pretrained(folder)
    write_card = pipeline_cards.write_card if is_pipeline else cards.write_card
    print(write_card(folder, model, folder.resolve().name, options.license, options.dataset, title=options.name))


def push(options: argparse.Namespace) -> None:
    from genart_hub.hub import from_state_dict

    if options.from_state_dict:
        model = from_state_dict(options.from_state_dict, genart_hub.MODELS, options.folder, dict(_setting(text) for text in options.set))
    else:
        model = genart_hub.from_pretrained(options.folder)
    commit = model.push_to_hub(
        options.repo_id,
        license=options.license,
        private=options.private,
        token=options.token,
        revision=options.revision,
        commit_message=options.message,
        dataset=options.dataset,
        overwrite_card=options.overwrite_card,
    )
    print(commit)


def search(options: argparse.Namespace) -> None:
    found = genart_hub.search(options.query, options.family, options.author, options.limit)
    for model in found:
        print(f"{model.id:<40} {model.family or '':<10} {model.downloads:>8} downloads {model.likes:>5} likes")
    if not found:
        print("Nothing found.")


def deploy_space(options: argparse.Namespace) -> None:
    import tempfile

    from genart_hub import space
    from genart_hub.remote import check_repo_id

    check_repo_id(options.repo_id)
    print(space.HARDWARE[options.hardware].account)
    if options.dry_run:
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            files = space.build(folder, options.hardware, options.model, options.title)
            for file in files:
                print(f"{(folder / file).stat().st_size:>12,}  {file.as_posix()}")
            print(f"{space.total(folder, files):>12,}  bytes in {len(files)} files; nothing was uploaded.")
        return
    print(space.deploy(options.repo_id, options.hardware, options.model, options.private, options.token, options.title))
