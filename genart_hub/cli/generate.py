"""Pictures from a terminal: list, info, sample, walk, reconstruct."""

import argparse
import json
import sys
from typing import Any

from genart_hub.cli.options import OF_RECIPE, Commands, _bytes, _count, _label, add_command, add_model, generative, load
from genart_hub.errors import GenartError
from genart_hub.models import auto


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "list", list_models, "the bundled models")
    command.add_argument("--family", choices=auto.FAMILIES)

    command = add_command(commands, "info", info, "what a model is: class, arguments, parameters, weights")
    add_model(command)

    command = add_command(commands, "sample", sample, "make pictures and save them as one PNG that carries its recipe")
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

    command = add_command(commands, "walk", walk, "a walk through the latent space, as an animation")
    add_model(command)
    command.add_argument("--seeds", default="0,1,2,3", help="the keys' seeds, with commas (0,1,2,3)")
    command.add_argument("--frames", type=int, default=96, help="how many frames in all (96)")
    command.add_argument("--method", choices=("slerp", "lerp"), default="slerp")
    command.add_argument("--loop", action="store_true", help="go back to the first key")
    command.add_argument("--fps", type=float, default=24.0)
    command.add_argument("--truncation", type=float, default=1.0)
    command.add_argument("--label", help="a class index or name, for conditional models (the first class)")
    command.add_argument("--out", default="walk.webp", help="a .gif or .webp to write (walk.webp)")

    command = add_command(commands, "reconstruct", reconstruct, "your picture through a VAE, or into a GAN's latent space by inversion")
    add_model(command)
    command.add_argument("picture", help="a PNG, JPEG, GIF or WebP file")
    command.add_argument("--digit", action="store_true", help="crop, invert and centre it first as MNIST's digits are")
    command.add_argument("--steps", type=int, default=200, help="of a GAN's inversion (200)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--label", help="a class index or name, for conditional models (the one that comes nearest)")
    command.add_argument("--out", default="reconstruction.png", help="a PNG to write: the picture, then the model's answer")


def list_models(options: argparse.Namespace) -> None:
    families = [options.family] if options.family else auto.FAMILIES
    print(f"{'name':<20} {'family':<10} {'class':<18} {'pixels':<10} {'parameters':>12} {'MB':>7}")
    for family in families:
        for name in auto.bundled(family):
            model = auto.from_pretrained(name)
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
            raise GenartError("no_model_named", choices=", ".join(auto.bundled()))
        options.seed = 0 if options.seed is None else options.seed
        options.columns = 8 if options.columns is None else options.columns
        model = load(options)
        x, recipe = (_sample_from_text if model.family == "diffusion" else _sample_from_latents)(options, model)
        picture = images.sheet(x, recipe["columns"])
    print(f"{images.save_png(picture, options.out, recipe)}: {len(x)} of {recipe['model']}, seeds from {recipe['seed']}")


def _sample_from_latents(options: argparse.Namespace, model: Any) -> tuple[Any, dict[str, Any]]:
    from genart_hub.models.auto import check_generative

    check_generative(model, auto.bundled)
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
