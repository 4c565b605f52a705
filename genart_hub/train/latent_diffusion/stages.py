"""Latent diffusion in stages: an autoencoder, its decoder once more, text encoder and UNet together; then a StableDiffusionPipeline."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub import data
from genart_hub.data import Batches, Pictures
from genart_hub.devices import pick_device
from genart_hub.errors import MAX_SEED, GenartError, choice, first_line, number, sizes, whole
from genart_hub.files import only_one, saving, set_aside, sha256_of, writing
from genart_hub.hub.cards.tables import EVALUATION, TRAINING
from genart_hub.hub.names import NAMES
from genart_hub.train.latent_diffusion.latents import (
    LATENTS,
    TOKENIZER,
    WORK,
    CaptionedLatents,
    _captions,
    _draw,
    _latents,
    _minus_psnr,
    _redraw,
    _tokenizer,
    _tokens,
    encode,
    vocabulary_of,
)
from genart_hub.train.latent_diffusion.networks import MAX_TOKENS, UNET_WIDTHS, WIDTHS, Autoencoder, Denoiser, make_scheduler
from genart_hub.train.latent_diffusion.steps import autoencoder_step, diffusion_step
from genart_hub.train.launch import LOOKS, ending, make_accelerator, speaking_first, write_about
from genart_hub.train.log import check_trackers
from genart_hub.train.loop import fit
from genart_hub.train.run import CHECKPOINT, Run, check_same_run, read_checkpoint
from genart_hub.train.settings import Settings

STAGES = ("autoencoder", "decoder", "denoiser", "pipeline")
CHROMA_WEIGHT = 3.0  # of the error in hue
COMMON = Settings(epochs=8, batch_size=16, lr=1e-3, betas=(0.9, 0.99), ema=0.998, schedule="cosine", warmup=0.02, flip=True)
PRESETS = {
    "autoencoder": COMMON,
    "decoder": replace(COMMON, epochs=6, lr=5e-4),
    "denoiser": replace(COMMON, epochs=165, batch_size=64, ema=0.999, schedule="linear", warmup=0.01, flip=False),
}


def train_diffusion(
    path: str | Path,
    out: str | Path,
    stages: Sequence[str] = STAGES,
    settings: dict[str, Settings] | None = None,
    *,
    captions: Sequence[str] = ("text",),
    style: str | None = None,
    balance: str | None = None,
    latent_channels: int = 4,
    kl_weight: float = 1e-3,
    widths: Sequence[int] = WIDTHS,
    unet_widths: Sequence[int] = UNET_WIDTHS,
    size: int = 64,
    fit_pictures: str = "crop",
    split: str = "train",
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
    precision: str = "auto",
    save_minutes: float = 2.0,
    progress: bool = True,
    token: str | None = None,
    command: str | None = None,
    trackers: Sequence[Any] = (),
) -> Path:
    """Train a text-to-image pipeline on captioned pictures into the folder `out`, stage by stage.

    "autoencoder": pictures to latents of 1/8 of the side, and back. "decoder": the way back alone goes on, from the same latents.
    "denoiser": latents of all pictures are made once, then the text encoder and the UNet learn to predict them. "pipeline": what is
    there becomes a diffusers folder, in float16. A stage reads what the stages before it left in `out`, so that they can run one by one.
    captions: the columns with the pictures' names, each in a language. style: a column whose value a caption sometimes names. balance: a
    column whose values are drawn equally often. widths, unet_widths: of the autoencoder's and the UNet's layers, each at half the side of
    the one before. resume: go on where a stage was cut. trackers: as `train` has them. Returns `out`.
    """
    out = Path(out)
    widths, unet_widths = (tuple(sizes("train", *each)) for each in (("widths", widths), ("unet_widths", unet_widths)))
    seed, smallest = whole("train", "seed", seed, 0, MAX_SEED), 2 ** (len(widths) + len(unet_widths) - 2)
    if whole("train", "size", size, smallest) % smallest:
        raise GenartError("not_multiple", where="train", name="size", factor=smallest, value=size)
    latent_channels = whole("train", "latent_channels", latent_channels, 1, 64)
    save_minutes, kl_weight = number("train", "save_minutes", save_minutes, 0), number("train", "kl_weight", kl_weight, 0)
    whole("train", "captions", len(captions), 1)
    check_trackers(trackers)
    for name in stages:
        choice("train", "stage", name, STAGES)
    _check_order(out, stages)
    settings = PRESETS | (settings or {})
    accelerator = make_accelerator(pick_device(device), precision, 1)
    torch.set_flush_denormal(True)  # for all stages alike, or latents made by a resumed run would differ in their last bits
    main, trains = accelerator.is_main_process, set(stages) != {"pipeline"}  # a pipeline may be written while another stage runs
    with ending(accelerator), only_one(out) if main and trains else nullcontext():
        for name in stages:
            if (out / WORK / name / CHECKPOINT).exists() and not resume:
                raise GenartError("run_exists", path=str(out / WORK / name))
        with speaking_first(accelerator):
            pictures = data.load(path, size, 3, fit=fit_pictures, split=split, token=token, progress=progress and main)
        stage = _Stage(out, pictures, balance, path, seed, resume, accelerator, save_minutes, progress, command, trackers)
        options: dict[str, dict[str, Any]] = {
            "autoencoder": {"latent_channels": latent_channels, "kl_weight": kl_weight, "chroma_weight": CHROMA_WEIGHT, "widths": widths},
            "decoder": {},
            "denoiser": {"captions": list(captions), "style": style, "widths": unet_widths},
        }
        texts = _check(stage, stages, settings, options)
        if "autoencoder" in stages:
            _train_autoencoder(stage, settings["autoencoder"], options["autoencoder"])
        if "decoder" in stages:
            _train_decoder(stage, settings["decoder"])
        if texts:
            _train_denoiser(stage, settings["denoiser"], options["denoiser"], texts)
        if "pipeline" in stages and main:
            write_pipeline(out)
        accelerator.wait_for_everyone()
    return out


class _Stage:
    """What all stages share: the pictures, the folder and the machine; and how a stage runs."""

    def __init__(
        self, out: Path, pictures: Pictures, balance: str | None, path: str | Path, seed: int, resume: bool, accelerator: Any,
        save_minutes: float, progress: bool, command: str | None, trackers: Sequence[Any],
    ):  # fmt: skip
        self.pictures = pictures.labelled_by(balance) if balance else pictures
        self.weights, self.balance = "balanced" if balance else None, balance
        self.out, self.path, self.seed, self.resume = out, path, seed, resume
        self.accelerator, self.save_minutes, self.progress, self.command = accelerator, save_minutes, progress, command
        self.trackers = trackers

    def batches(self, settings: Settings) -> Batches:
        processes, device = self.accelerator.num_processes, self.accelerator.device
        return Batches(
            self.pictures, settings.batch_size, self.seed, device=device, weights=self.weights, flip=settings.flip, parts=processes
        )

    def description(self, name: str, settings: Settings, options: dict[str, Any]) -> dict[str, Any]:
        """What a resumed stage must agree on."""
        options = options | {"balance": self.balance}
        return {"stage": name, "settings": options, "recipe": asdict(settings), "data": self.pictures.sha256, "seed": self.seed}

    def check_resumed(self, name: str, settings: Settings, options: dict[str, Any]) -> None:
        """Refuse to go on with a stage of another description. options: as far as they are known before the stage."""
        folder = self.out / WORK / name
        if self.resume and (folder / CHECKPOINT).exists():
            then, now = read_checkpoint(folder, weights=False)[0]["description"], self.description(name, settings, options)
            known = {key: value for key, value in (then.get("settings") or {}).items() if key in now["settings"]}
            check_same_run(folder, then | {"settings": known}, now)

    def run(
        self, name: str, model: nn.Module, settings: Settings, batches: Batches, step: Any, options: dict[str, Any], **looks: Any
    ) -> Run:
        """Train `model` by `step` for the epochs of the settings, or go on with it; leave its folder and its training.json."""
        accelerator, folder = self.accelerator, self.out / WORK / name
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=settings.lr, betas=settings.betas, weight_decay=0.01, fused=True)
        description = self.description(name, settings, options)
        run = Run(folder, model, {"model": optimizer}, description, settings.ema, networks=[accelerator.prepare_model(model)])
        if self.resume and (folder / CHECKPOINT).exists():
            run.load()
        num_steps = settings.epochs * batches.per_epoch
        step = partial(step, run.networks[0], accelerator.prepare_optimizer(optimizer), backward=accelerator.backward)
        if self.progress and accelerator.is_main_process:
            count = sum(parameter.numel() for parameter in parameters)
            print(f"{name}: {count:,} parameters, {num_steps:,} steps of {batches.batch_size}, from step {run.step:,}", file=sys.stderr)
        if run.step < num_steps:
            try:
                fit(
                    step, batches, num_steps, run, self.seed, settings.rate, self.save_minutes,
                    progress=self.progress, accelerator=accelerator, look_every=-(-num_steps // LOOKS), trackers=self.trackers, **looks,
                )  # fmt: skip
            finally:
                if accelerator.is_main_process and (folder / CHECKPOINT).exists():
                    file = sha256_of(self.path) if Path(self.path).is_file() else None
                    about = {"settings": description["settings"], "recipe": description["recipe"]}
                    write_about(run, about, len(self.pictures), self.path, file, self.seed, self.command, accelerator)
        return run


def _check_order(out: Path, stages: Sequence[str]) -> None:
    """Refuse a stage that reads what neither lies in `out` nor will be left there by a stage before it."""
    if "autoencoder" not in stages and not (out / WORK / "vae" / "config.json").is_file():
        raise GenartError("no_stage", path=str(out), stage="autoencoder")
    if "pipeline" in stages and "denoiser" not in stages and not (out / WORK / "denoiser" / "unet").exists():
        raise GenartError("no_stage", path=str(out), stage="denoiser")


def _check(
    stage: _Stage, stages: Sequence[str], settings: dict[str, Settings], options: dict[str, dict[str, Any]]
) -> list[list[str]] | None:
    """Refuse at the start what a later stage would refuse after hours, and leave nothing behind then.

    Returns the captions of each picture, which only the denoiser needs.
    """
    for name in [name for name in stages if name in settings]:
        stage.batches(settings[name])
        stage.check_resumed(name, settings[name], options[name])
    _outline(stage, stages, options)
    texts = _captions(stage.pictures, options["denoiser"]["captions"], options["denoiser"]["style"]) if "denoiser" in stages else None
    with stage.accelerator.main_process_first(), writing(stage.out / WORK):
        (stage.out / WORK).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=stage.out / WORK).close()
        if texts:
            _tokenizer(stage.out, texts)
    return texts


def _outline(stage: _Stage, stages: Sequence[str], options: dict[str, dict[str, Any]]) -> None:
    """Refuse widths that make no networks, or none of this size: they are made and called without memory, on the meta device."""
    size, widths = stage.pictures.pictures.shape[-1], options["autoencoder"]["widths"]
    if not {"autoencoder", "decoder", "denoiser"} & set(stages):
        return
    if "autoencoder" in stages:
        encoder = partial(Autoencoder, options["autoencoder"]["latent_channels"], widths, size)
        latent_shape = _made("Autoencoder", encoder, lambda: (torch.zeros(1, 3, size, size),)).latent_shape
    else:
        autoencoder = _load_autoencoder(stage.out)
        if (was := autoencoder.networks.config.sample_size) != size:
            raise GenartError("other_run", path=str(stage.out / WORK / "vae"), what="size", was=was, now=size)
        latent_shape = autoencoder.latent_shape
    if "denoiser" in stages:
        make = partial(Denoiser, latent_shape, widths=options["denoiser"]["widths"])
        _made("Denoiser", make, lambda: (torch.zeros(1, *latent_shape), torch.zeros(1).long(), torch.zeros(1, MAX_TOKENS).long()))


def _made(name: str, make: Callable[[], nn.Module], asked: Callable[[], tuple[Tensor, ...]]) -> Any:
    """The network that `make` makes, called once with what `asked` makes."""
    try:
        with torch.device("meta"):
            model = make()
            model(*asked())
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise GenartError("config_refused", file="arguments", name=name, reason=f"{first_line(error)}.") from error
    return model


def _train_autoencoder(stage: _Stage, settings: Settings, options: dict[str, Any]) -> None:
    pictures, device = stage.pictures, stage.accelerator.device
    torch.manual_seed(stage.seed)
    model = Autoencoder(options["latent_channels"], options["widths"], pictures.pictures.shape[-1]).to(device).train()
    batches = stage.batches(settings)
    step = partial(autoencoder_step, kl_weight=options["kl_weight"], chroma_weight=CHROMA_WEIGHT, latent_shape=model.latent_shape)
    x = batches.some(256)
    run = stage.run(
        "autoencoder", model, settings, batches, step, options, score=partial(_minus_psnr, x=x), draw=partial(_redraw, x=x[:32])
    )
    if stage.accelerator.is_main_process:  # the latents that the other stages see have mean 0 and variance 1 in each channel
        averaged = run.averaged.eval()
        mean, std = encode(averaged.networks, pictures)
        variance = mean.var(dim=(0, 2, 3)) + std.square().mean(dim=(0, 2, 3))
        averaged.normalise(mean.mean(dim=(0, 2, 3)).to(device), variance.sqrt().to(device))
        averaged.save_pretrained(stage.out / WORK / "vae")
    stage.accelerator.wait_for_everyone()


def _train_decoder(stage: _Stage, settings: Settings) -> None:
    """The decoder again, from latents whose encoder stays as it is, so that a denoiser of these latents stays right."""
    device = stage.accelerator.device
    model = _load_autoencoder(stage.out).to(device).train()
    for part in (model.networks.encoder, model.networks.quant_conv):
        part.requires_grad_(False)
    batches = stage.batches(settings)
    step = partial(autoencoder_step, kl_weight=0.0, chroma_weight=CHROMA_WEIGHT, latent_shape=model.latent_shape)
    x = batches.some(256)
    options = {"encoder": sha256_of(stage.out / WORK / "vae" / "diffusion_pytorch_model.safetensors")}
    stage.run("decoder", model, settings, batches, step, options, score=partial(_minus_psnr, x=x), draw=partial(_redraw, x=x[:32]))


def _train_denoiser(stage: _Stage, settings: Settings, options: dict[str, Any], texts: list[list[str]]) -> None:
    """texts: the captions of each picture."""
    pictures, accelerator = stage.pictures, stage.accelerator
    autoencoder = _load_autoencoder(stage.out).to(accelerator.device).eval()
    with accelerator.main_process_first():
        tokenizer = _tokenizer(stage.out, texts)
        mean, std = _latents(stage.out, autoencoder, pictures)
    tokens = torch.stack([_tokens(tokenizer, several) for several in texts])  # (N, variants, L)
    torch.manual_seed(stage.seed)
    widths, end = options["widths"], tokenizer.eos_token_id
    vocabulary_of(pictures, options["captions"], options["style"]).write(stage.out / WORK / NAMES)
    model = Denoiser(autoencoder.latent_shape, len(tokenizer), tokenizer.model_max_length, widths, end=end)
    model = model.to(accelerator.device).train()
    empty = _tokens(tokenizer, [""])[0]
    batches = CaptionedLatents(pictures, mean, std, tokens, empty, settings.batch_size, stage.seed, accelerator, stage.weights)
    scheduler = make_scheduler()
    options = options | {"latents": sha256_of(stage.out / WORK / LATENTS)}
    prompts = [texts[row][0] for row in batches.picked(32).tolist()]
    draw = partial(_draw, autoencoder=autoencoder, tokenizer=tokenizer, scheduler=scheduler, prompts=prompts)
    step = partial(diffusion_step, alphas_cumprod=scheduler.alphas_cumprod)
    stage.run("denoiser", model, settings, batches, step, options, draw=draw)


def write_pipeline(out: str | Path) -> Path:
    """Make what the stages left in `out` a diffusers folder: every part whole, or as it was. Returns `out`."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    out = Path(out)
    work = out / WORK
    vae = next((work / name for name in ("decoder", "vae") if (work / name / "config.json").is_file()), None)
    for needed, stage in ((vae, "autoencoder"), (work / "denoiser" / "unet", "denoiser")):
        if needed is None or not needed.exists():
            raise GenartError("no_stage", path=str(out), stage=stage)
    parts = {
        "vae": AutoencoderKL.from_pretrained(vae),
        "text_encoder": CLIPTextModel.from_pretrained(work / "denoiser" / "text_encoder"),
        "tokenizer": CLIPTokenizer.from_pretrained(work / TOKENIZER),
        "unet": UNet2DConditionModel.from_pretrained(work / "denoiser" / "unet"),
        "scheduler": make_scheduler(),
    }
    pipeline = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    for part in ("vae", "text_encoder", "unet"):
        parts[part].half()
    with saving(out) as folder:
        pipeline.save_pretrained(folder)
        config = folder / "text_encoder" / "config.json"
        about = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}  # else transformers computes in the file's float16
        config.write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if (work / NAMES).is_file():
            shutil.copy(work / NAMES, folder / NAMES)
        stages = {name: work / name / TRAINING for name in STAGES[:-1]}
        told = {name: json.loads(file.read_text(encoding="utf-8")) for name, file in stages.items() if file.is_file()}
        training = {"class": "StableDiffusionPipeline", "stages": told}
        (folder / TRAINING).write_text(json.dumps(training, indent=2) + "\n", encoding="utf-8")
        _set_aside_measures(out, folder)
    return out


def _set_aside_measures(out: Path, new: Path) -> None:
    """What was measured in `out` is of the weights before, where those of `new` differ: rename it, and say so."""
    weights = [file.relative_to(new) for file in new.glob("*/*.safetensors")]
    if all((out / name).is_file() and sha256_of(out / name) == sha256_of(new / name) for name in weights):
        return
    for file in (out / name for name in (EVALUATION, "steps.json", "guidance.json", "schedulers.json")):
        if file.is_file():
            print(f"{file} measured the weights of before; it is {set_aside(file).name} now. Measure the new ones again.", file=sys.stderr)


def _load_autoencoder(out: Path) -> Autoencoder:
    from diffusers import AutoencoderKL

    folder = out / WORK / "vae"
    if not (folder / "config.json").is_file():
        raise GenartError("no_stage", path=str(out), stage="autoencoder")
    networks = AutoencoderKL.from_pretrained(folder)
    model = Autoencoder(networks.config.latent_channels, tuple(networks.config.block_out_channels), networks.config.sample_size)
    model.networks = networks
    return model
