"""What models have that draw from a prompt without being a pipeline: a VAE, a GAN, a model of tokens that read words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genart_hub.errors import MAX_COUNT, GenartError, whole
from genart_hub.hub import HubModel
from genart_hub.hub.model import outline_of_files
from genart_hub.hub.names import NAMES
from genart_hub.models.base import ImageModel, evaluating
from genart_hub.models.inputs import check_truncation, inputs_of
from genart_hub.models.vocabulary import Known
from genart_hub.models.words import TOKENIZER, Words, check_prompts


class ReadsWords(nn.Module, HubModel, ImageModel):
    """A model with a text encoder, whose tokenizer and names lie as files beside the weights."""

    extra_files = (TOKENIZER, NAMES)
    draws_latents: ClassVar[bool] = False  # of an autoencoder, whose decoder it has then
    image_size: int
    words: Words

    def read_files(self, files: dict[str, Path]) -> None:
        self.words.read(files)

    def write_files(self, folder: Path) -> None:
        self.words.write(folder)

    @classmethod
    def outline(cls, folder: Path) -> dict[str, Any]:
        """What a listing says of it, from its config and its weights' header: the libraries of its networks take seconds to import."""
        return outline_of_files(cls, folder)[1] | {"inputs": ["n", "seed", *inputs_of(cls.sample)], "classes": []}

    def _read(self, prompt: str | Sequence[str], n: int) -> list[str]:
        """The prompts of n pictures, checked: there is something in each that the model knows."""
        prompts = check_prompts(type(self).__name__, prompt, n)
        for one in dict.fromkeys(prompts):
            if not self.words.vocabulary.hears(one):
                known = self.knows(one)
                near = known.near or self.words.vocabulary.all_names[:1]
                raise GenartError("unknown_words", words=", ".join(known.words[:5]) or one[:40], near=", ".join(near))
        return prompts

    @property
    def example_prompt(self) -> str:
        names = self.words.vocabulary.all_names
        return "red apple" if "red apple" in names or not names else names[0]

    def knows(self, prompt: str) -> Known:
        """Which words of a prompt stood in the captions that it was trained with, and which names come near."""
        return self.words.vocabulary.knows(prompt)

    def unread(self, prompt: str) -> str:
        """The end of a prompt that the text encoder does not see because it is too long; "" where it sees all."""
        return self.words.unread(prompt)


class Prompted(ReadsWords):
    """A model that makes a picture from a latent of (latent_dim,) and the features of a prompt, in one pass."""

    latent_dim: int

    def generate(self, z: Tensor, words: Tensor) -> Tensor:
        """Pictures of latents and prompts. z: (B, Z); words: (B, D), of `words(prompts)`. Returns (B, C, H, W) in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define generate(z, words).")

    def forward(self, z: Tensor, words: Tensor) -> Tensor:
        """The same as `generate`."""
        return self.generate(z, words)

    def latents(self, n: int, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """n latents ~ N(0, I), times `truncation`; row k is drawn by a CPU generator of its own, of seed `seed` + k. Returns (n, Z)."""
        truncation = check_truncation(type(self).__name__, truncation)
        return torch.stack([torch.randn(self.latent_dim, generator=generator) for generator in self.generators(n, seed)]) * truncation

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, prompt: str | Sequence[str], truncation: float = 1.0) -> Tensor:
        """n pictures of a prompt, or of n of them; picture k is that of seed `seed` + k, whatever n is.

        Returns (n, C, H, W) float32 in [-1, 1]. Raises GenartError for a prompt of which the model knows no word.
        """
        prompts = self._read(prompt, whole(type(self).__name__, "n", n, 1, MAX_COUNT))
        z = self.latents(n, seed, truncation).to(next(self.parameters()))
        with evaluating(self):
            return self.generate(z, self.words(prompts)).float().cpu()

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """The features of prompts. Returns (N, D)."""
        return self.words(self._read(prompts, len(prompts)))

    @torch.no_grad()
    def sample_embedded(self, embedded: Tensor, seed: int = 0, *, truncation: float = 1.0) -> Tensor:
        """The pictures of features that `embed` gave, or of some between them, all of the same latent. embedded: (N, D).

        Returns (N, C, H, W) float32 in [-1, 1].
        """
        z = self.latents(1, seed, truncation).to(embedded).expand(len(embedded), -1)
        with evaluating(self):
            return self.generate(z, embedded).float().cpu()

    def recipe(
        self,
        seed: int,
        n: int = 1,
        *,
        prompt: str | Sequence[str],
        truncation: float = 1.0,
        columns: int | None = None,
        scale: int = 1,
    ) -> dict[str, Any]:
        """What a saved picture carries, so that it can be made again: the weights' name and sha256, and the request."""
        request = {"prompt": prompt if isinstance(prompt, str) else list(prompt), "truncation": truncation}
        return self._recipe(seed, n, request, columns, scale)
