"""Prompts as features: the frozen text encoder of a diffusion pipeline, inside a model of another kind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub.errors import GenartError, first_line, shorten, text, whole
from genart_hub.hub.names import NAMES
from genart_hub.models.inputs import PROMPT_LIMIT
from genart_hub.models.vocabulary import Vocabulary
from genart_hub.quiet import _silent

TOKENIZER, TOKENIZER_LIMIT = "tokenizer.json", 4_000_000
SIZES = {  # of tiny-sd-emoji's text encoder, as transformers calls them
    "vocab_size": 4096, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 32,
}  # fmt: skip
LARGEST = {  # what a config may ask for: CLIP's largest text encoder fits
    "vocab_size": 100_000, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 48, "num_attention_heads": 32,
    "max_position_embeddings": 512,
}  # fmt: skip


class Words(nn.Module):
    """A CLIP text encoder that is not trained any more, with its tokenizer. Radford et al. 2021, https://arxiv.org/abs/2103.00020.

    config: its sizes, by the names of SIZES; the last token ends a text, and the one before begins it. mean, std: (D,) of the pooled
    features of the captions that a model was trained with, which they are normalised by. tokenizer, vocabulary: read from the model's
    folder.
    """

    def __init__(self, config: dict[str, Any]):
        from transformers import CLIPTextConfig, CLIPTextModel

        super().__init__()
        if not isinstance(config, dict) or config.keys() != SIZES.keys():
            raise GenartError("bad_text_config", names=", ".join(SIZES), value=shorten(config))
        config = {name: whole("Words", name, config[name], 3 if name == "vocab_size" else 1, high) for name, high in LARGEST.items()}
        self.width, self.length, self.end = config["hidden_size"], config["max_position_embeddings"], config["vocab_size"] - 1
        ends = {"bos_token_id": self.end - 1, "eos_token_id": self.end, "pad_token_id": self.end}
        with _silent():
            self.encoder = CLIPTextModel(CLIPTextConfig(**config, **ends, projection_dim=self.width)).requires_grad_(False)
        self.mean = nn.Parameter(torch.zeros(self.width), requires_grad=False)
        self.std = nn.Parameter(torch.ones(self.width), requires_grad=False)
        self.tokenizer: Any = None
        self.vocabulary = Vocabulary()

    def read(self, files: dict[str, Path]) -> None:
        """Take up the tokenizer and the names from a model's folder. Raises GenartError for a file that holds none."""
        from tokenizers import Tokenizer

        self.vocabulary = Vocabulary.read(files[NAMES])
        size = files[TOKENIZER].stat().st_size
        if size > TOKENIZER_LIMIT:
            reason = GenartError("reason_large", file=TOKENIZER, size=size, limit=TOKENIZER_LIMIT)
            raise GenartError("bad_tokenizer", file=str(files[TOKENIZER]), reason=reason)
        try:
            self.tokenizer = Tokenizer.from_file(str(files[TOKENIZER]))
            self.tokenizer.no_padding()
            self.tokenizer.no_truncation()
            size = self.tokenizer.get_vocab_size()
        except Exception as error:  # tokenizers raises nothing narrower
            raise GenartError("bad_tokenizer", file=str(files[TOKENIZER]), reason=first_line(error)) from error
        if size > self.encoder.config.vocab_size:
            reason = GenartError("reason_vocabulary", size=size, rows=self.encoder.config.vocab_size)
            raise GenartError("bad_tokenizer", file=str(files[TOKENIZER]), reason=reason)

    def _tokenizer(self) -> Any:
        if self.tokenizer is None:
            raise GenartError("no_tokenizer")
        return self.tokenizer

    def write(self, folder: Path) -> None:
        """The tokenizer and the names as files."""
        (folder / TOKENIZER).write_text(self._tokenizer().to_str(pretty=False) + "\n", encoding="utf-8")
        self.vocabulary.write(folder / NAMES)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """The tokens of prompts, cut off or filled up at the encoder's length. Returns (B, L) int64."""
        rows, tokenizer = [], self._tokenizer()
        for prompt in prompts:
            ids = tokenizer.encode(prompt).ids
            ids = ids if len(ids) <= self.length else [*ids[: self.length - 1], self.end]
            rows.append(ids + [self.end] * (self.length - len(ids)))
        return torch.tensor(rows, device=self.mean.device)

    def unread(self, prompt: str) -> str:
        """The end of a prompt that is cut off; "" where all is read."""
        offsets = self._tokenizer().encode(prompt, add_special_tokens=False).offsets
        room = self.length - 2
        return prompt[offsets[room][0] :] if len(offsets) > room else ""

    @torch.no_grad()
    def states(self, tokens: Tensor) -> Tensor:
        """What the encoder makes of each token. tokens: (B, L). Returns (B, L, D)."""
        return self.encoder(tokens)[0]

    @torch.no_grad()
    def pooled(self, tokens: Tensor) -> Tensor:
        """The mean over a prompt's tokens, its first end among them. tokens: (B, L). Returns (B, D)."""
        is_end = tokens == self.end
        read = (is_end.cumsum(dim=1) - is_end.int() == 0).to(self.mean)
        return (self.states(tokens) * read[:, :, None]).sum(dim=1) / read.sum(dim=1, keepdim=True)

    def forward(self, prompts: Sequence[str]) -> Tensor:
        """The features of prompts, each of mean 0 and variance 1 over the captions of training. Returns (B, D)."""
        return self.normalised(self.pooled(self.tokens(prompts)))

    def normalised(self, pooled: Tensor) -> Tensor:
        return (pooled - self.mean) / self.std


def check_prompts(where: str, prompt: object, n: int) -> list[str]:
    """The prompts of n pictures: one for all of them, or n. Raises GenartError for an empty one, a long one, or another number."""
    several = list(prompt) if isinstance(prompt, Sequence) and not isinstance(prompt, str) else [prompt] * n
    if len(several) != n:
        raise GenartError("prompt_count", n=n, count=len(several))
    checked: dict[Any, str] = {}
    for one in several:
        if isinstance(one, str) and len(one) > PROMPT_LIMIT:
            raise GenartError("long_prompt", count=len(one), limit=PROMPT_LIMIT)
        if not isinstance(one, str) or one not in checked:
            checked[one] = text(where, "prompt", one, PROMPT_LIMIT).encode("utf-8", "replace").decode("utf-8")
            if not checked[one].strip():
                raise GenartError("empty_prompt")
    return [checked[one] for one in several]
