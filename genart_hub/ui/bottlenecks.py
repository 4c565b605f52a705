"""The same picture through several bottlenecks: what each autoencoder of a set keeps of it, and gives back."""

import base64
import html
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from genart_hub import images, latents
from genart_hub.errors import GenartError
from genart_hub.hub.described import name_of
from genart_hub.metrics import reconstruction_mse
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.stable_diffusion import StableDiffusion
from genart_hub.ui import texts
from genart_hub.ui.fields import ladder_of

CSS = Path(__file__).with_name("bottlenecks.css").read_text(encoding="utf-8")
FLOAT_BYTES = 4
SPREAD, FIRST = 0x9E3779, 0x4A6FA5  # an odd factor: below 2^24 no two codes get the same colour


@dataclass(frozen=True)
class Bottleneck:
    """What a model keeps of a picture. kind: "vector", "words", "grid" or "codes". shape: of its numbers. num_codes: of "codes" alone."""

    kind: str
    shape: tuple[int, ...]
    num_codes: int = 0

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def bits(self) -> float:
        """A real number counts as the 32 bits that it is computed in, a code as log2 of how many there are."""
        return self.count * (math.log2(self.num_codes) if self.num_codes else 8 * FLOAT_BYTES)


@dataclass(frozen=True)
class Passed:
    """A picture that has passed a bottleneck. x_hat: (1, C, H, W) in [-1, 1]; error: `reconstruction_mse`; tokens: (h, w) of "codes"."""

    bottleneck: Bottleneck
    x_hat: Tensor
    error: float
    tokens: Tensor | None = None


def names_beside(chosen: str) -> list[str]:
    """The bundled models of the set of pictures of the chosen one that give a picture back, itself among them; none without company.

    Pipelines come last: they take the longest to load.
    """
    ladder = ladder_of(chosen)
    names = [name for name in auto.reconstructing() if ladder and ladder_of(name) == ladder]
    return sorted(names, key=lambda name: issubclass(auto.class_of(name), StableDiffusion)) if len(names) > 1 else []


def bottleneck_of(model: ImageModel) -> Bottleneck | None:
    """What a model keeps of a picture; None where we cannot tell."""
    codes: Any = getattr(model, "codes", model)
    if hasattr(model, "encode_tokens"):
        return Bottleneck("codes", (codes.side, codes.side), codes.num_codes)
    if isinstance(model, StableDiffusion):
        side = model.image_size // model.pipeline.vae_scale_factor
        return Bottleneck("grid", (model.latent_channels, side, side))
    if hasattr(model, "latent_dim"):
        return Bottleneck("words" if model.prompted else "vector", (model.latent_dim,))
    return None


@torch.no_grad()
def through(model: ImageModel, x: Tensor, label: object = None) -> Passed:
    """A picture through a model's bottleneck, as the model's own `reconstruct` gives it back. x: (1, C, H, W) in [-1, 1]."""
    found = bottleneck_of(model)
    if found is None:
        raise GenartError("not_vae", model=name_of(model), choices=", ".join(auto.reconstructing()))
    x_hat, _ = latents.reconstruct(model, x, label=label)
    tokens = model.encode_tokens(x)[0].cpu() if found.kind == "codes" else None  # type: ignore[attr-defined]
    return Passed(found, x_hat.float().cpu(), reconstruction_mse(x.float().cpu(), x_hat.float().cpu()), tokens)


def coloured(tokens: Tensor) -> Image.Image:
    """A grid of codes, each code in a colour of its own that is always the same. tokens: (h, w) int64, below 2^24."""
    colours = (tokens * SPREAD + FIRST) % 2**24
    levels = torch.stack([colours >> 16, colours >> 8 & 255, colours & 255], dim=-1).byte()
    return Image.fromarray(levels.numpy())


# ---- on the page ----


def panel() -> gr.HTML:
    """The row, of which nothing is seen while it is empty."""
    return gr.HTML("", elem_classes="bottlenecks-block", padding=False, apply_default_css=False, js_on_load=None)


def row(lang: str, x: Tensor, tiles: Sequence[str]) -> str:
    """Tiles below their heading. x: the picture that went in, (1, C, H, W)."""
    height, width = x.shape[2:]
    lead = texts.say(lang, "bottlenecks_lead", width=width, height=height, channels=x.shape[1], bytes=f"{x[0].numel():,}")
    heading = f"<h2>{html.escape(texts.say(lang, 'bottlenecks'))}</h2><p>{html.escape(lead)}</p>"
    return f'<section class="bottlenecks">{heading}<ul>{"".join(tiles)}</ul></section>'


def tile(lang: str, name: str, passed: Passed) -> str:
    """A picture that has passed a bottleneck, and what the bottleneck is."""
    found, size = passed.bottleneck, passed.x_hat[0].numel()
    keeps = texts.say(
        lang, f"keeps_{found.kind}", shape=" × ".join(map(str, found.shape)), count=f"{found.count:,}", codes=f"{found.num_codes:,}"
    )
    size_key = "keeps_bits" if found.num_codes else "keeps_bytes"
    share = texts.say(
        lang, size_key, bits=f"{math.ceil(found.bits):,}", bytes=f"{math.ceil(found.bits / 8):,}", share=f"{8 * size / found.bits:.0f}"
    )
    pictures = [shown(images.to_pil(passed.x_hat[0]), texts.say(lang, "passed", model=name))]
    if passed.tokens is not None:
        pictures.append(shown(coloured(passed.tokens), texts.say(lang, "codes_shown", shape=" × ".join(map(str, found.shape)))))
    error = texts.say(lang, "passed_error", error=f"{passed.error:.4f}")
    lines = [("strong", name), ("b", keeps), ("small", share), ("span", error)]
    told = "".join(f"<{tag}>{html.escape(text)}</{tag}>" for tag, text in lines)
    sentence = html.escape(texts.say(lang, f"made_for_{found.kind}"))
    return f'<li class="bottleneck-{found.kind}">{"".join(pictures)}<div>{told}</div><p>{sentence}</p></li>'


def refused(lang: str, name: str, error: GenartError) -> str:
    """The tile of a model that gave no answer."""
    return f"<li><div><strong>{html.escape(name)}</strong></div><p>{html.escape(texts.sentence(lang, error))}</p></li>"


def waiting(lang: str, name: str) -> str:
    """The tile of a model whose answer is being computed."""
    return (
        f'<li class="bottleneck-waits"><i></i><div><strong>{html.escape(name)}</strong><span>{texts.say(lang, "working")}</span></div></li>'
    )


def rows(lang: str, x: Tensor, names: Sequence[str], answers: Iterator[Passed | GenartError]) -> Iterator[str]:
    """The row as its tiles come, one answer a name. x: the picture that went in."""
    tiles: list[str] = []
    yield row(lang, x, [waiting(lang, name) for name in names])
    for name, answer in zip(names, answers, strict=True):
        tiles.append(refused(lang, name, answer) if isinstance(answer, GenartError) else tile(lang, name, answer))
        yield row(lang, x, [*tiles, *(waiting(lang, name) for name in names[len(tiles) :])])


def shown(picture: Image.Image, alt: str) -> str:
    """A picture in the page's own text."""
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return f'<img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}" alt="{html.escape(alt)}">'
