"""Training on captioned pictures with the text encoder, and the autoencoder, of a pipeline that was trained before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub import metrics
from genart_hub.data import Batches, Pictures
from genart_hub.data.batches import seeded
from genart_hub.errors import GenartError, first_line
from genart_hub.evaluate.features import look, pick_features
from genart_hub.hub.described import name_of
from genart_hub.models.auto import from_pretrained
from genart_hub.models.base import evaluating
from genart_hub.models.words import SIZES
from genart_hub.train.latent_diffusion.latents import _captions, encode, vocabulary_of
from genart_hub.train.settings import Settings, option

TOLD = 64  # captions whose features are made at once
JUDGED = 200  # prompts of a score


@dataclass(frozen=True)
class WordedSettings(Settings):
    """Of a model that reads words: where its text encoder comes from, and what the pictures are called."""

    captions: tuple[str, ...] = option("the columns with the pictures' names, each in a language, with commas between", ("text",))
    style: str | None = option("a column whose value a caption sometimes ends with: red apple, noto style", None, metavar="COLUMN")
    words_from: str = option("the pipeline whose text encoder (and autoencoder) it takes over", "tiny-sd-emoji", metavar="MODEL")


def pipeline_of(settings: WordedSettings) -> Any:
    """The pipeline whose text encoder is taken over. Raises GenartError for a model that has none."""
    model = from_pretrained(settings.words_from)
    pipeline = getattr(model, "pipeline", None)
    config = getattr(getattr(pipeline, "text_encoder", None), "config", None)
    if config is None or config.eos_token_id != config.vocab_size - 1:
        raise GenartError("no_words_from", model=name_of(model))
    return pipeline


def built(cls: Any, arguments: dict[str, Any], settings: WordedSettings) -> Any:
    """A model with the text encoder, the tokenizer and, where it decodes latents, the decoder of the settings' pipeline."""
    pipeline = pipeline_of(settings)
    text = {name: getattr(pipeline.text_encoder.config, name) for name in SIZES}
    arguments = {"text": text} | arguments
    if cls.draws_latents:
        vae = pipeline.vae.config
        arguments = {"latent_channels": vae.latent_channels, "decoder_widths": tuple(vae.block_out_channels)} | arguments
    model = cls(**arguments)
    try:
        model.words.encoder.load_state_dict(pipeline.text_encoder.state_dict())
        if cls.draws_latents:
            state = {k: v for k, v in pipeline.vae.state_dict().items() if k.startswith(("decoder.", "post_quant_conv."))}
            model.picture.load_state_dict(state)
    except RuntimeError as error:  # another structure of the same sizes
        raise GenartError("config_refused", file="arguments", name=cls.__name__, reason=f"{first_line(error)}.") from error
    model.words.tokenizer = pipeline.tokenizer.backend_tokenizer
    return model


class CaptionedBatches(Batches):
    """Batches of pictures, or of their latents, and the features of one of their captions: batch `step` depends on (seed, step) alone.

    told: (N, V, D) the features of each picture's V captions. latents: the mean and the standard deviation of each picture's latent,
    (N, c, h, w) each, of which a latent is drawn; None for pictures.
    """

    def __init__(self, told: Tensor, latents: tuple[Tensor, Tensor] | None, texts: list[list[str]], *args: Any):
        super().__init__(*args)
        self.told, self.latents, self.texts = told, latents, texts

    def _images(self, step: int, cut: slice) -> tuple[Tensor, ...]:
        indices = self.indices(step, cut)
        generator = seeded(self.seed, step, stream=3)
        variant = torch.randint(self.told.shape[1], (self.batch_size,), generator=generator)[cut]
        words = self.told[indices, variant].to(self.device)
        if self.latents is None:
            return super()._images(step, cut)[0], words
        mean, std = self.latents
        eps = torch.randn(self.batch_size, *mean.shape[1:], generator=seeded(self.seed, step, stream=2))[cut]
        return (mean[indices] + std[indices] * eps).to(self.device), words


@torch.no_grad()
def learnt(
    model: Any, settings: WordedSettings, pictures: Pictures
) -> tuple[list[list[str]], list[str], Tensor, Tensor]:  # fmt: skip
    """Teach a model the names of pictures, and how the features of their captions are distributed.

    Returns each picture's V captions, the different ones among all, which of these are each picture's (N, V), and their features, one a
    row, before they are normalised.
    """
    texts = _captions(pictures, settings.captions, settings.style)
    model.words.vocabulary = vocabulary_of(pictures, settings.captions, settings.style)
    flat = list(dict.fromkeys(text for several in texts for text in several))
    pooled = torch.cat([model.words.pooled(model.words.tokens(flat[k : k + TOLD])).cpu() for k in range(0, len(flat), TOLD)])
    row_of = {text: row for row, text in enumerate(flat)}
    rows = torch.tensor([[row_of[text] for text in several] for several in texts])
    every = pooled[rows].flatten(0, 1)
    model.words.mean.copy_(every.mean(dim=0))
    model.words.std.copy_(every.std(dim=0).clamp(min=1e-6))
    return texts, flat, rows, pooled


@torch.no_grad()
def captioned(model: Any, settings: WordedSettings, pictures: Pictures, *args: Any) -> CaptionedBatches:
    """The batches of a model that reads words, which is taught the names and how the captions' features are distributed."""
    texts, flat, rows, pooled = learnt(model, settings, pictures)
    told = pooled[rows]
    told = model.words.normalised(told.to(model.words.mean)).cpu()
    return CaptionedBatches(told, latents_of(model, settings, pictures), texts, pictures, *args)


@torch.no_grad()
def latents_of(model: Any, settings: WordedSettings, pictures: Pictures) -> tuple[Tensor, Tensor] | None:
    """The mean and the standard deviation of each picture's latent, on the CPU; None for a model that draws pixels."""
    if not model.draws_latents:
        return None
    vae, device = pipeline_of(settings).vae, next(model.parameters()).device
    vae.to(device)
    return encode(vae, pictures)


def minus_prompt_accuracy(model: Any, batches: Any, seed: int, hold_out: str | None) -> Callable[[Any], float] | str:
    """Minus the share of prompts whose picture's class is among the five that a feature network finds likeliest."""
    pictures: Pictures = batches.data
    try:
        features = pick_features(model)
    except GenartError:
        return "no feature network is for such pictures"
    column = next((name for name, values in pictures.columns.items() if set(map(str, values)) <= set(features.class_names)), None)
    if column is None:
        return "no column of the pictures has the feature network's classes"
    rows = batches.picked(JUDGED).tolist()
    known = {name: k for k, name in enumerate(features.class_names)}
    labels = torch.tensor([known[str(pictures.values(column)[row])] for row in rows])
    prompts = [batches.texts[row][(2 * k) % len(batches.texts[row])] for k, row in enumerate(rows)]
    return partial(_minus_accuracy, features=features, prompts=prompts, labels=labels, seed=seed)


@torch.no_grad()
def _minus_accuracy(model: nn.Module, features: Any, prompts: Sequence[str], labels: Tensor, seed: int) -> float:
    sampled: Any = model
    with evaluating(features):
        logits = [
            features.head(look(features, sampled.sample(len(some), seed + k, prompt=some)))
            for k in range(0, len(prompts), TOLD)
            if (some := list(prompts[k : k + TOLD]))
        ]
    return -metrics.top_k_accuracy(torch.cat(logits), labels, 5).double().mean().item()
