"""A masked transformer over the tokens of pictures, told by words (MaskGIT). Chang et al. 2022, https://arxiv.org/abs/2202.04200."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genart_hub.errors import MAX_COUNT, GenartError, power_of_two, whole
from genart_hub.models.base import evaluating
from genart_hub.models.inputs import check_input
from genart_hub.models.prompted import ReadsWords
from genart_hub.models.vqvae import VQVAE
from genart_hub.models.words import SIZES, Words

PATCH = 2  # tokens a side that share a position of the transformer: a quarter of the positions
TOKEN_DIM = 48  # of what stands for a token at the transformer's ends
CHOICE_TEMPERATURE = 4.5  # of the noise on how sure the transformer is, at the first step; it falls to 0 (as MaskGIT's code has it)
COLDEST = 1e-3  # a temperature of 0 divides by this


Told = tuple[Tensor, Tensor, Tensor]  # the words' states (B, L, D), which of them are read (B, L), and their mean (B, D)


class Tokens(ReadsWords):
    """All tokens of a picture are hidden at first; each step draws them all, keeps those of which it is surest, and hides the rest again.

    The transformer sees the words' states in front of the tokens, four tokens to a position. Its autoencoder of codes (`codes`, a VQVAE)
    is part of the model and is not trained with it.
    text: the sizes of its text encoder, as `Words` takes them. levels, width, num_blocks: of the autoencoder, as `VQVAE` takes them.
    model_dim, num_layers, num_heads: of the transformer. num_steps, guidance, temperature: of a request that names none.
    """

    family = "tokens"
    arxiv = "2202.04200"
    since = 2017  # pictures as discrete codes: van den Oord et al., https://arxiv.org/abs/1711.00937
    about = {
        "en": "A model of a picture's tokens that reads words: an autoencoder turns pictures into a grid of discrete codes, and a masked "
        "transformer fills in a hidden grid in a few steps, surest codes first. Classifier-free guidance sets how strongly it follows "
        "the words.",
        "zh": "能读懂文字的标记模型：自编码器把图片变成一格格的离散编码，掩码变换器用几步填满被遮住的格子，先填最有把握的。"
        "无分类器引导决定它多大程度上听从文字。",
    }

    def __init__(
        self,
        text: dict[str, Any] = SIZES,
        image_size: int = 64,
        channels: int = 3,
        levels: tuple[int, ...] = (8, 5, 5, 5),
        width: int = 32,
        num_blocks: int = 2,
        model_dim: int = 192,
        num_layers: int = 6,
        num_heads: int = 6,
        num_steps: int = 12,
        guidance: float = 3.0,
        temperature: float = 1.0,
    ):
        super().__init__()
        self.image_size = power_of_two("Tokens", "image_size", image_size, 8, 512)
        self.channels = whole("Tokens", "channels", channels, 1, 64)
        width, num_blocks = whole("Tokens", "width", width, 1, 1024), whole("Tokens", "num_blocks", num_blocks, 1, 64)
        model_dim, num_heads = whole("Tokens", "model_dim", model_dim, 1, 4096), whole("Tokens", "num_heads", num_heads, 1, 64)
        num_layers = whole("Tokens", "num_layers", num_layers, 1, 64)
        if model_dim % num_heads:
            raise GenartError("bad_model_dim", where="Tokens", num_heads=num_heads, value=model_dim)
        self.num_steps, self.guidance = check_input("Tokens", "num_steps", num_steps), check_input("Tokens", "guidance", guidance)
        self.temperature = check_input("Tokens", "temperature", temperature)
        self.words = Words(text)
        self.codes = VQVAE(self.image_size, self.channels, levels, width, num_blocks).requires_grad_(False)
        self.num_codes, self.side = self.codes.num_codes, self.codes.side
        self.num_tokens = self.side**2
        self.transformer = Transformer(
            self.num_codes, self.side, self.words.width, self.words.length, model_dim, num_layers, num_heads
        )  # fmt: skip

    @property
    def defaults(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps, "guidance": self.guidance, "temperature": self.temperature}

    @property
    def hidden(self) -> int:
        """The number that stands for a hidden token: one more than the last code."""
        return self.num_codes

    def told(self, text: Tensor, kept: Tensor | None = None) -> Told:
        """What the transformer is told of captions. text: (B, L) tokens of words; kept: (B,) 0 for a caption that is hidden."""
        end = text == self.words.end
        read = end.cumsum(dim=1) - end.long() == 0  # the first end is read too
        length = int(read.sum(dim=1).max())
        text, read = text[:, :length], read[:, :length]
        states = self.words.states(text)
        pooled = (states * read[:, :, None].to(states)).sum(dim=1) / read.sum(dim=1, keepdim=True)
        pooled = self.words.normalised(pooled)
        if kept is not None:
            read, pooled = read & kept.bool()[:, None], pooled * kept[:, None].to(pooled)
        return states, read, pooled

    def forward(self, tokens: Tensor, told: Told, where: Tensor | None = None) -> Tensor:
        """The logits of each token's codes. tokens: (B, h, w) int64, `hidden` where a token is to be guessed; told: by `told`.

        where: (B, h, w) bool, at which tokens (None: all). Returns (B, h * w, num_codes), or (the number of `where`, num_codes).
        """
        return self.transformer(tokens, *told, where)

    def encode_tokens(self, x: Tensor) -> Tensor:
        """The tokens of pictures. x: (B, C, H, W) in [-1, 1]. Returns (B, h, w) int64."""
        return self.codes.encode_tokens(x)

    def decode_tokens(self, tokens: Tensor) -> Tensor:
        """The pictures of tokens. tokens: (B, h, w) int64. Returns (B, C, H, W) in [-1, 1]. Raises GenartError for what are no tokens."""
        return self.codes.decode_tokens(tokens)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """x from its tokens, told no words: the same x always gives the same answer. Returns (B, C, H, W) float32 in [-1, 1]."""
        return self.codes.reconstruct(x)

    def sample(
        self,
        n: int = 1,
        seed: int = 0,
        *,
        prompt: str | Sequence[str],
        num_steps: int | None = None,
        guidance: float | None = None,
        temperature: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """n pictures of a prompt, or of n of them; picture k is that of seed `seed` + k. Returns (n, C, H, W) float32 in [-1, 1].

        num_steps, guidance, temperature: None for the model's own (`defaults`). guidance 1 is the words alone, 0 no words at all;
        temperature 0 takes the likeliest code everywhere. on_step: called with (step, num_steps) after each step.
        Raises GenartError for a prompt of which the model knows no word.
        """
        for step, total, tokens in self._moments(n, seed, prompt, num_steps, guidance, temperature):  # noqa: B007 - the last is the answer
            if step and on_step:
                on_step(step, total)
        return self._draw(tokens)

    def denoise(
        self,
        n: int = 1,
        seed: int = 0,
        *,
        prompt: str | Sequence[str],
        num_steps: int | None = None,
        guidance: float | None = None,
        temperature: float | None = None,
        moments: Callable[[int], Collection[int]] | None = None,
    ) -> Iterator[tuple[int, int, Tensor]]:
        """The pictures of `sample` as their tokens are found: (step, num_steps, x), from step 0, where all are hidden.

        x: (n, C, H, W) float32 in [-1, 1], a hidden token drawn as the code in the middle; the last one is what `sample` gives.
        moments: which steps are drawn, of so many (None: all).
        """
        made = self._moments(n, seed, prompt, num_steps, guidance, temperature)
        return ((step, total, self._draw(tokens)) for step, total, tokens in made if moments is None or step in moments(total))

    def _moments(
        self, n: int, seed: int, prompt: str | Sequence[str], num_steps: int | None, guidance: float | None, temperature: float | None
    ) -> Iterator[tuple[int, int, Tensor]]:
        """(step, num_steps, tokens): (n, h, w), those that are hidden yet among them. What is asked for is checked at once."""
        n = whole("Tokens", "n", n, 1, MAX_COUNT)
        steps = self.num_steps if num_steps is None else check_input("Tokens", "num_steps", num_steps)
        scale = self.guidance if guidance is None else check_input("Tokens", "guidance", guidance)
        warmth = self.temperature if temperature is None else check_input("Tokens", "temperature", temperature)
        prompts, generators = self._read(prompt, n), self.generators(n, seed)
        return self._filled(self.words.tokens(prompts), generators, steps, scale, warmth)

    def _filled(
        self, text: Tensor, generators: list[torch.Generator], num_steps: int, guidance: float, temperature: float
    ) -> Iterator[tuple[int, int, Tensor]]:  # fmt: skip
        n, device = len(text), text.device
        tokens = torch.full((n, self.num_tokens), self.hidden, device=device)
        yield 0, num_steps, self._grid(tokens)
        for step in range(1, num_steps + 1):
            u = torch.stack([torch.rand(2, self.num_tokens, generator=one) for one in generators]).to(device)
            left = int(self.num_tokens * math.cos(math.pi / 2 * step / num_steps)) if step < num_steps else 0
            with torch.no_grad(), evaluating(self):
                logits = self._guided(self._grid(tokens), text, guidance).float() / max(temperature, COLDEST)
            drawn, sureness = draw(logits, u[:, 0])
            gumbel = -(-u[:, 1].clamp(1e-6, 1 - 1e-6).log()).log()
            sureness = sureness + temperature * CHOICE_TEMPERATURE * (1 - step / num_steps) * gumbel
            was_hidden = tokens == self.hidden
            tokens = torch.where(was_hidden, drawn, tokens)
            if left:
                sureness = sureness.masked_fill(~was_hidden, math.inf)
                unsure = sureness.topk(left, dim=1, largest=False).indices
                tokens = tokens.scatter(1, unsure, self.hidden)
            yield step, num_steps, self._grid(tokens)

    def _guided(self, tokens: Tensor, text: Tensor, guidance: float) -> Tensor:
        """The logits without words, moved `guidance` times towards those with them (Ho & Salimans 2022). Returns (B, T, codes)."""
        if guidance == 1:
            return self(tokens, self.told(text))
        none = torch.zeros(len(text), device=text.device)
        if guidance == 0:
            return self(tokens, self.told(text[:, :1], none))  # as long for any words, so that the same bits come out
        told = self.told(torch.cat([text, text]), torch.cat([none, none + 1]))
        without, with_words = self(torch.cat([tokens, tokens]), told).chunk(2)
        return without + guidance * (with_words - without)

    @torch.no_grad()
    def _draw(self, tokens: Tensor) -> Tensor:
        """The pictures of tokens of which some may be hidden."""
        with evaluating(self):
            is_hidden = tokens == self.hidden
            codes = self.codes.codes_of(tokens.masked_fill(is_hidden, 0)).masked_fill(is_hidden[:, None], 0)
            return self.codes.draw(codes).float().cpu()

    def _grid(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(1, (self.side, self.side))


class Transformer(nn.Module):
    """Tokens and words to the logits of tokens: self-attention over the words' states and the positions, each of PATCH x PATCH tokens."""

    def __init__(self, num_codes: int, side: int, words_dim: int, words_length: int, dim: int, num_layers: int, num_heads: int):
        super().__init__()
        self.side = side
        self.embedding = nn.Embedding(num_codes + 1, TOKEN_DIM)  # the last one is hidden
        nn.init.normal_(self.embedding.weight, std=TOKEN_DIM**-0.5)
        self.into = nn.Linear(PATCH**2 * TOKEN_DIM, dim)
        self.places = nn.Parameter(0.02 * torch.randn((side // PATCH) ** 2, dim))
        self.words_into = nn.Linear(words_dim, dim)
        self.words_places = nn.Parameter(0.02 * torch.randn(words_length, dim))
        self.pooled_into = nn.Sequential(nn.Linear(words_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.layers = nn.ModuleList([Layer(dim, num_heads) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, PATCH**2 * TOKEN_DIM)
        self.out_norm = nn.LayerNorm(TOKEN_DIM)
        self.bias = nn.Parameter(torch.zeros(num_codes))

    def forward(self, tokens: Tensor, states: Tensor, read: Tensor, pooled: Tensor, where: Tensor | None = None) -> Tensor:
        """tokens: (B, h, w); states: (B, L, D), of which `read`, (B, L) bool, are seen; pooled: (B, D); where: (B, h, w) bool or None.

        Returns (B, h * w, codes), or (the number of `where`, codes).
        """
        seen = self.embedding(tokens).movedim(-1, 1)  # (B, E, h, w)
        positions = functional.pixel_unshuffle(seen, PATCH).flatten(2).mT
        words = self.words_into(states) + self.words_places[: states.shape[1]]
        x = torch.cat([words, self.into(positions) + self.places], dim=1) + self.pooled_into(pooled)[:, None]
        mask = torch.cat([read, read.new_ones(read.shape[0], len(self.places))], dim=1)[:, None, None]
        for layer in self.layers:
            x = layer(x, mask)
        x = self.out(self.norm(x[:, states.shape[1] :])).mT.unflatten(2, (self.side // PATCH, self.side // PATCH))
        each = functional.pixel_shuffle(x, PATCH).movedim(1, -1)  # (B, h, w, E)
        each = self.out_norm(each.flatten(1, 2) if where is None else each[where])
        return functional.linear(each, self.embedding.weight[:-1], self.bias)  # tied to what stands for the codes


class Layer(nn.Module):
    """Self-attention, then a feed-forward network, each of a normalised input and added to it. Xiong et al. 2020 (pre-norm)."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim))
        for last in (self.out, self.feed_forward[-1]):
            nn.init.normal_(last.weight, std=0.01)  # type: ignore[arg-type]  # it is a Linear
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: (B, T, D); mask: (B, 1, 1, T) bool, which of them may be looked at. Returns (B, T, D)."""
        q, k, v = (each.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for each in self.qkv(self.attention_norm(x)).chunk(3, dim=2))
        scores = (q * q.shape[-1] ** -0.5) @ k.mT  # written out: over so few positions the fused kernel's gradient takes 3 times as long
        seen = scores.masked_fill(~mask, -math.inf).softmax(dim=-1).to(v.dtype) @ v
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.feed_forward(self.norm(x))


def draw(logits: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """A code for each token, by the inverse of the cumulated probabilities, and its log-probability.

    logits: (B, T, codes); u: (B, T), uniform in [0, 1). Returns two of (B, T).
    """
    logs = logits.log_softmax(dim=-1)
    below = logs.exp().cumsum(dim=-1)
    drawn = torch.searchsorted(below, (u * below[..., -1]).unsqueeze(-1), right=True).clamp(max=logits.shape[-1] - 1)
    return drawn.squeeze(-1), logs.gather(-1, drawn).squeeze(-1)
