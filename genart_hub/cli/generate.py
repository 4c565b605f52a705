"""Pictures from a terminal: list, info, sample, walk, reconstruct."""

import argparse
import sys
from pathlib import Path
from typing import Any

from torch import Tensor

from genart_hub.cli.options import Commands, add_command, add_inputs, add_json, add_model, flag, generative, load, print_json
from genart_hub.errors import GenartError
from genart_hub.hub.cards.datasets import DATASETS
from genart_hub.hub.described import device_of, facts, name_of, summary
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import INPUTS, check_request


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "list", list_models, "the bundled models")
    command.add_argument("pattern", nargs="?", default="*", help='a glob of their names, such as "*emoji*"')
    command.add_argument("--family", choices=auto.families(), help="what kind they are of")
    command.add_argument("--dataset", choices=tuple(DATASETS), help="what they were trained on")
    add_json(command)

    command = add_command(commands, "info", info, "what a model is: class, arguments, inputs, parameters, weights")
    add_model(command)
    add_json(command)

    command = add_command(commands, "sample", sample, "make pictures and save them as one PNG that carries its recipe")
    add_model(command, nargs="?")
    command.add_argument("-n", type=int, help="how many pictures (16; above 64 px where a picture takes many steps, 1)")
    command.add_argument("--seed", type=int, help="the first picture's seed; picture k has seed + k (0)")
    add_inputs(command)
    command.add_argument("--columns", type=int, help="of the grid (8)")
    command.add_argument("--from", dest="picture", metavar="PNG", help="make the picture of this PNG again, from its recipe alone")
    command.add_argument("--out", default="sample.png", help="the PNG to write, or a folder/ for single pictures (sample.png)")

    command = add_command(commands, "walk", walk, "a walk through the latent space, as an animation")
    add_model(command)
    command.add_argument("--seeds", default="0,1,2,3", help="the keys' seeds, with commas (0,1,2,3)")
    command.add_argument("--frames", type=int, default=96, help="how many frames in all (96)")
    command.add_argument("--method", choices=("slerp", "lerp"), default="slerp", help="along the sphere, or straight (slerp)")
    command.add_argument("--loop", action="store_true", help="go back to the first key")
    command.add_argument("--fps", type=float, default=24.0, help="frames a second (24)")
    told = "walk from prompt to prompt, each given once, with one seed (the first of --seeds)"
    command.add_argument("--prompt", action="append", default=[], dest="prompts", help=told)
    add_inputs(command, "truncation", "label", "prior", "num_steps", "guidance")
    command.add_argument("--out", default="walk.webp", help="a .gif, a .webp or an .mp4 to write (walk.webp)")

    command = add_command(commands, "reconstruct", reconstruct, "your picture through a VAE, or into a GAN's latent space by inversion")
    add_model(command)
    command.add_argument("picture", help="a PNG, JPEG, GIF or WebP file")
    command.add_argument("--digit", action="store_true", help="crop, invert and centre it first as MNIST's digits are")
    command.add_argument("--steps", type=int, default=200, help="of a GAN's inversion (200)")
    command.add_argument("--seed", type=int, default=0, help="from which an inversion starts (0)")
    add_inputs(command, "label")
    command.add_argument("--out", default="reconstruction.png", help="a PNG to write: the picture, then the model's answer")


def list_models(options: argparse.Namespace) -> None:
    names = auto.list_models(options.pattern, options.family, options.dataset)
    found = sorted(map(auto.listing, names), key=lambda of: (auto.families().index(of["family"]), of["name"]))
    if options.json:
        return print_json(found)
    print(f"{'name':<20} {'family':<10} {'class':<18} {'pixels':<10} {'parameters':>12} {'MB':>7}  inputs")
    for of in found:
        size, inputs = f"{of['image_size']}x{of['image_size']}x{of['channels']}", ", ".join(of["inputs"] or ["-"])
        sizes = f"{size:<10} {of['num_parameters']:>12,} {of['bytes'] / 1e6:>7.2f}"
        print(f"{of['name']:<20} {of['family']:<10} {of['class']:<18} {sizes}  {inputs}")
    return None


def info(options: argparse.Namespace) -> None:
    model = load(options)
    print_json(facts(model)) if options.json else print(summary(model))


def sample(options: argparse.Namespace) -> None:
    from genart_hub import images
    from genart_hub.remake import remake

    if options.picture:
        for name in ("n", "seed", "columns", *INPUTS):
            if getattr(options, name) is not None:
                raise GenartError("fixed_by_recipe", option=flag(name))
        picture, x, recipe = remake(options.picture, lambda name: load(options, options.model or name))
        print(f"{images.save_png(picture, options.out, recipe)}: {_told(x, recipe)}")
        return
    if not options.model:
        raise GenartError("no_model_named", choices=", ".join(auto.bundled()))
    model = auto.check_image_model(load(options))
    request = check_request(name_of(model), model.inputs, {name: getattr(options, name) for name in INPUTS}, flag)
    seed = 0 if options.seed is None else options.seed
    x = _drawn(model, options.n, seed, request)
    if options.out.endswith("/") or Path(options.out).is_dir():
        for k, picture in enumerate(images.to_pil(x)):
            one = request | {name: value[k] for name, value in request.items() if isinstance(value, list)}
            file = Path(options.out, f"{Path(name_of(model)).name}-{seed + k}.png")
            print(images.save_png(picture, file, model.recipe(seed + k, **one)))
        return
    columns = None if len(x) == 1 else 8 if options.columns is None else options.columns
    recipe = model.recipe(seed, len(x), **request, columns=columns)
    print(f"{images.save_png(images.sheet(x, columns), options.out, recipe)}: {_told(x, recipe)}")


def _told(x: Tensor, recipe: dict[str, Any]) -> str:
    return f"{len(x)} of {recipe['model']}, seeds from {recipe['seed']}"


def _drawn(model: ImageModel, n: int | None, seed: int, request: dict[str, Any]) -> Tensor:
    """The pictures, under a bar where the model tells its steps, and what is to be said of them."""
    from tqdm import tqdm

    n = (1 if model.tells_steps and model.image_size > 64 else 16) if n is None else n
    with tqdm(unit="step", delay=0.5) as bar:

        def show(step: int, num_steps: int) -> None:
            bar.total = num_steps
            bar.update()

        x = model.sample(n, seed, **request, **({"on_step": show} if model.tells_steps else {}))
    if unread := model.unread(request.get("prompt", "")):
        print(f"genart-hub: the prompt is too long, and its end was not read: {unread}", file=sys.stderr)
    for prompt in dict.fromkeys(prompts_of(request)):
        if (known := model.knows(prompt)) is not None and known.unknown:
            near = f"; names near to it: {', '.join(known.near)}" if known.near else ""
            print(f"genart-hub: {name_of(model)} was trained without the words {', '.join(known.unknown)}{near}.", file=sys.stderr)
    if model.blanked:
        blanked = ", ".join(str(seed + k) for k in model.blanked)
        print(f"genart-hub: the safety checker made the pictures of these seeds black: {blanked}", file=sys.stderr)
    return x


def prompts_of(request: dict[str, Any]) -> list[str]:
    """The prompts of a request: none, one, or one for each picture."""
    prompt = request.get("prompt", [])
    return [prompt] if isinstance(prompt, str) else list(prompt)


def walk(options: argparse.Namespace) -> None:
    from genart_hub import images

    if options.prompts:
        through, frames = f"{len(options.prompts)} prompts", _prompt_frames(options)
    else:
        through, frames = f"seeds {options.seeds}", _frames(options)
    pictures = [images.enlarge(picture) for picture in images.to_pil(frames)]
    print(f"{images.save_animation(pictures, options.out, options.fps)}: {len(pictures)} frames through {through}")


def _frames(options: argparse.Namespace) -> Tensor:
    from genart_hub import latents

    model = generative(options)
    for name in ("num_steps", "guidance"):
        check_request(options.model, model.inputs, {name: getattr(options, name)}, flag)
    truncation, seeds = 1.0 if options.truncation is None else options.truncation, latents.parse_seeds(options.seeds)
    z = latents.seed_walk(model, seeds, options.frames, options.method, options.loop, truncation, options.prior)
    return latents.frames(model, z, label=options.label)


def _prompt_frames(options: argparse.Namespace) -> Tensor:
    import torch
    from tqdm import tqdm

    from genart_hub import latents

    model, seed = auto.check_image_model(load(options)), latents.parse_seeds(options.seeds)[0]
    given = {name: value for name in ("truncation", "label", "num_steps", "guidance") if (value := getattr(options, name)) is not None}
    parts = latents.prompt_walk(model, options.prompts, options.frames, seed, options.method, options.loop, **given)
    return torch.cat(list(tqdm(parts, total=-(-options.frames // latents.FRAMES), unit=f"{latents.FRAMES} frames")))


def reconstruct(options: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from genart_hub import images, latents

    model = auto.check_image_model(load(options))
    if not model.reconstructs:
        auto.check_generative(model)  # whose latents can be searched
    picture = images.open_picture(options.picture)
    picture = images.center_digit(picture, model.image_size) if options.digit else picture
    x = images.from_pil(picture, model.image_size, model.channels).to(device_of(model))
    if model.reconstructs:
        x_hat, _ = latents.reconstruct(model, x, options.seed, options.label)
    else:
        label = options.label or latents.nearest_class(model, x, options.seed)
        steps = latents.invert(model, x, options.steps, options.seed, label=label)
        for _, z, _ in tqdm(steps, total=options.steps, unit="step"):  # noqa: B007 - the last z is the best
            pass
        x_hat = latents.frames(model, z, label=label)
    error = (x.cpu() - x_hat.cpu()).square().mean().item() / 4
    path = images.save_png(images.enlarge(images.grid(torch.cat([x.cpu(), x_hat.cpu()]), columns=2)), options.out)
    print(f"{path}: the picture and {options.model}'s answer, mean squared error {error:.4f} (pixels in [0, 1])")
