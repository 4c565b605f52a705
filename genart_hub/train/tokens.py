"""Training a masked transformer over tokens. Chang et al. 2022 (MaskGIT), https://arxiv.org/abs/2202.04200."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from genart_hub.data import Batches, Pictures
from genart_hub.data.batches import seeded
from genart_hub.errors import GenartError
from genart_hub.hub.described import name_of
from genart_hub.models.auto import from_pretrained
from genart_hub.models.base import evaluating
from genart_hub.models.vqvae import VQVAE
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Steps, Task, option
from genart_hub.train.words import TOLD, WordedSettings, built, learnt, minus_prompt_accuracy

CLIP = 1.0  # the largest norm of a gradient


@dataclass(frozen=True)
class TokensSettings(WordedSettings):
    codes_from: str = option("the trained autoencoder whose codes the tokens are, a folder of genart-hub train vqvae", "", metavar="RUN")
    words_dropout: float = option("the share of prompts that are hidden, so that it learns to do without one", 0.1, high=1, metavar="SHARE")


PRESETS = {
    "default": TokensSettings(epochs=100, batch_size=64, lr=1e-3, betas=(0.9, 0.96), ema=0.999, schedule="cosine", warmup=0.03),
}


def built_with_codes(cls: Any, arguments: dict[str, Any], settings: TokensSettings) -> Any:
    """A model with the text encoder of the settings' pipeline and their autoencoder of codes."""
    if not settings.codes_from:
        raise GenartError("needs_codes")
    codes: Any = from_pretrained(settings.codes_from)
    if not isinstance(codes, VQVAE):
        raise GenartError("no_codes_from", model=name_of(codes))
    theirs, ours = ((of["image_size"], of["channels"]) for of in (codes.config, arguments))
    if theirs != ours:
        told = [f"{side} px and {channels} channel{'s' * (channels != 1)}" for side, channels in (theirs, ours)]
        raise GenartError("codes_other_size", model=name_of(codes), theirs=told[0], ours=told[1])
    model = built(cls, arguments | {name: codes.config[name] for name in ("levels", "width", "num_blocks")}, settings)
    model.codes.load_state_dict(codes.state_dict())
    return model


class TokenBatches(Batches):
    """Batches of the tokens of pictures and of the words of one of their captions: batch `step` depends on (seed, step) alone.

    tokens: (N, h, w) of the pictures; text: (U, L) the words' tokens of all captions; rows: (N, V) which of them are a picture's.
    """

    def __init__(self, tokens: Tensor, text: Tensor, rows: Tensor, texts: list[list[str]], *args: Any):
        super().__init__(*args)
        self.tokens, self.text, self.text_rows, self.texts = tokens, text, rows, texts

    def _images(self, step: int, cut: slice) -> tuple[Tensor, ...]:
        indices = self.indices(step, cut)
        variant = torch.randint(self.text_rows.shape[1], (self.batch_size,), generator=seeded(self.seed, step, stream=3))[cut]
        return self.tokens[indices].to(self.device).long(), self.text[self.text_rows[indices, variant]].to(self.device)


@torch.no_grad()
def tokenised(model: Any, settings: TokensSettings, pictures: Pictures, *args: Any) -> TokenBatches:
    """The batches of a model of tokens, which is taught the names; each picture becomes tokens once."""
    texts, flat, rows, _ = learnt(model, settings, pictures)
    text = torch.cat([model.words.tokens(flat[k : k + TOLD]).cpu() for k in range(0, len(flat), TOLD)])
    with evaluating(model):
        cuts = (slice(k, k + TOLD) for k in range(0, len(pictures), TOLD))
        tokens = torch.cat([model.encode_tokens(pictures.images(cut)).cpu().int() for cut in cuts])
    return TokenBatches(tokens, text, rows, texts, pictures, *args)


def tokens_step(
    model: Any,
    optimizer: Optimizer,
    tokens: Tensor,
    text: Tensor,
    *,
    noise: Noise,
    words_dropout: float = 0.0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise -log p of hidden tokens given the others and the words. Chang et al. 2022, eq. 1.

    Each token of a picture is hidden with the probability cos(pi u / 2), u uniform, and at least one is. tokens: (B, h, w) int64; text:
    (B, L), the words' tokens, of which those of the share words_dropout are hidden (Ho & Salimans 2022). Returns the numbers to log; loss
    is in nats a hidden token.
    """
    hidden_share = (math.pi / 2 * noise.uniform(len(tokens))).cos()
    u = noise.uniform(len(tokens), *tokens.shape[1:])
    kept = noise.coin(1 - words_dropout, len(tokens))
    where = (u < hidden_share[:, None, None]) | (u == u.amin(dim=(1, 2), keepdim=True))
    logits = model(tokens.masked_fill(where, model.hidden), model.told(text, kept), where)
    losses = functional.cross_entropy(logits.float(), tokens[where], reduction="none")
    backward(losses.sum() / where.numel() * (math.pi / 2))  # 2 / pi of all tokens are hidden on average, however a batch is cut
    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad()
    accuracy = (logits.detach().argmax(dim=1) == tokens[where]).float().mean()
    return {"loss": losses.detach().mean(), "accuracy": accuracy, "gradient": norm.detach()}


def make_step(model: Any, settings: TokensSettings) -> Steps:
    return partial(tokens_step, words_dropout=settings.words_dropout), {"model": settings.adam(model.transformer)}


TASK: Task = Task("model of tokens", PRESETS, make_step, minus_prompt_accuracy, margin=0.02, build=built_with_codes, batches=tokenised)
