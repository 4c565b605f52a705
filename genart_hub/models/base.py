"""What every generative model shares: seeded latents, `sample`, and the recipe of a picture."""

import inspect
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from genart_hub import __version__
from genart_hub.errors import MAX_COUNT, MAX_SEED, GenartError, shorten, whole
from genart_hub.hub import HubModel
from genart_hub.hub.described import Described, device_of, modules_of, name_of
from genart_hub.hub.publish import Publishable
from genart_hub.models.inputs import check_class_inputs, check_prior, check_truncation, inputs_of
from genart_hub.models.labels import index_of_class
from genart_hub.models.mixture import Mixture
from genart_hub.models.pictures import save_golden, write_pictures
from genart_hub.models.vocabulary import Known

GOLDEN_STEPS = 4  # of the golden pictures of a model that takes steps


class ImageModel(Described, Publishable):
    """What makes pictures, of whatever kind: it says what it takes (`inputs`), samples by seeds, and knows a picture's recipe.

    A class of one's own is `class MyModel(nn.Module, HubModel, ImageModel)`; its `sample(n, seed, *, ...)` has the inputs among its
    arguments by their names in INPUTS, and picture k is the picture of seed `seed` + k. Where it has classes, `class_names` are theirs.
    """

    channels: int
    reconstructs: ClassVar[bool] = False  # whether it has `reconstruct(x)`, which gives pictures back in one step
    embeds: ClassVar[bool] = False  # whether it has `embed` and `sample_embedded`, between whose prompts one can walk
    scores: ClassVar[bool] = False  # whether it has `score(x)`, how real its discriminator takes pictures for
    unfolds: ClassVar[bool] = False  # whether it has `denoise(n, seed)`, which shows the steps of `sample`
    likelihood: str | None = None  # of a pixel given the latent, by name; None: the model has none to measure
    blanked: tuple[int, ...] = ()  # the pictures of the last call that a safety checker made black

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        check_class_inputs(cls)
        # what a class can do is read off its methods, here alone
        cls.reconstructs, cls.embeds = hasattr(cls, "reconstruct"), hasattr(cls, "embed")
        cls.scores, cls.unfolds = hasattr(cls, "score"), hasattr(cls, "denoise")

    @property
    def inputs(self) -> tuple[str, ...]:
        """What `sample` takes beside n and seed."""
        return inputs_of(self.sample)

    @property
    def defaults(self) -> dict[str, Any]:
        """The inputs that `sample` has a value for where nothing is said."""
        parameters = inspect.signature(self.sample).parameters
        values = {name: parameters[name].default for name in self.inputs if name in parameters}
        return {name: value for name, value in values.items() if value not in (None, inspect.Parameter.empty)}

    @property
    def tells_steps(self) -> bool:
        """Whether `sample` takes `on_step`, which is called with (step, num_steps) after each of its steps."""
        return "on_step" in inspect.signature(self.sample).parameters

    @property
    def reconstructs_classes(self) -> bool:
        """Whether `reconstruct` takes the class of a picture beside it."""
        return self.num_classes > 0 and "label" in inputs_of(self.reconstruct)

    @property
    def task(self) -> str:
        return "text-to-image" if self.prompted else "unconditional-image-generation"

    def sample(self, n: int = 1, seed: int = 0, *args: Any, **inputs: Any) -> Tensor:
        """n pictures; picture k is the picture of seed `seed` + k. inputs: by name, those of `inputs`.

        Returns (n, C, H, W) float32 in [-1, 1].
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample(n, seed).")

    def recipe(self, seed: int, n: int = 1, *args: Any, **inputs: Any) -> dict[str, Any]:
        """What a saved picture carries, so that it can be made again: the weights' name and sha256, and the request.

        inputs: by name, and columns and scale, if it is a grid.
        """
        request = {name: inputs.get(name, self.defaults.get(name)) for name in self.inputs}
        return self._recipe(seed, n, request, inputs.get("columns"), inputs.get("scale", 1))

    def _recipe(self, seed: int, n: int, request: dict[str, Any], columns: int | None, scale: int) -> dict[str, Any]:
        source = self.source if self.is_current() else None  # else nobody has these weights
        weights = {"model": source.name, "weights_sha256": source.sha256, "revision": source.revision} if source else {}
        unknown = {"model": self._class_name(), "weights_sha256": None, "revision": None}
        asked = {"seed": seed, "n": n, **request, "columns": columns, "scale": scale}
        return {**(weights or unknown), **asked, "genart_hub_version": __version__}

    def _class_name(self) -> str:
        """What a recipe calls weights that nobody else has."""
        return type(self).__name__

    def generators(self, n: int, seed: int) -> list[torch.Generator]:
        """One CPU generator a picture, of seed `seed` + k."""
        where = type(self).__name__
        n, seed = whole(where, "n", n, 1, MAX_COUNT), whole(where, "seed", seed, 0, MAX_SEED)
        return [torch.Generator().manual_seed(seed + k) for k in range(n)]

    def is_current(self) -> bool:
        """Whether the weights are those of the file that was loaded."""
        return self.source is not None and self.source.is_current(self)

    def labels(self, n: int, seed: int = 0) -> Tensor | None:
        """The classes that `sample` gives n pictures without a label, (n,) int64; None where there are none, or none that are known."""
        return None

    def check_label(self, label: object, n: int = 1) -> Tensor | None:
        """The classes of n pictures. label: a class index, a class name, or n of them; None gives the classes in turn.

        Returns (n,) int64 where the weights are, or None where the model has no classes, and refuses a label then.
        """
        where = type(self).__name__
        if not self.num_classes:
            if label is not None:
                raise GenartError("no_classes", where=name_of(self), value=shorten(label))
            return None
        if isinstance(label, Tensor) and label.dtype == torch.int64 and label.shape == (n,) and _all_in(label, self.num_classes):
            return label.to(device_of(self))
        if label is None:
            indices = [k % self.num_classes for k in range(n)]
        else:
            label = label.tolist() if hasattr(label, "tolist") else label  # tensors and arrays
            several = label if isinstance(label, Sequence) and not isinstance(label, str) else [label] * n
            if len(several) != n:
                raise GenartError("label_count", where=where, n=n, count=len(several))
            indices = [index_of_class(where, one, self.class_names) for one in several]
        return torch.tensor(indices, device=device_of(self))

    def knows(self, prompt: str) -> Known | None:
        """Which words of a prompt stood in a name that it was trained with; None where nobody wrote these down, or it reads none."""
        return None

    def unread(self, prompt: str) -> str:
        """The end of a prompt that the model does not read; "" where it reads all, or no words at all."""
        return ""

    def write_pictures(self, folder: str | os.PathLike, name: str, dataset: str | None = None) -> None:
        """The grid that the card shows, and golden samples. name: what its recipe calls the model. dataset: one whose words are known."""
        write_pictures(self, Path(folder), name, dataset)

    def _golden(self, words: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
        """What tests compare with, and the request that gives it."""
        fixed = {"prompt": list(words), "num_steps": GOLDEN_STEPS, "guidance": self.defaults.get("guidance")}
        request = {name: value for name, value in fixed.items() if name in self.inputs and value is not None}
        x = self.sample(len(words), seed=0, **request)
        return {"x": x}, {name: json.dumps(value, ensure_ascii=False) for name, value in request.items()}

    @property
    def example_prompt(self) -> str:
        """A prompt for the lines of code that show how it is used."""
        return "a picture"

    def usage(self, loaded: str) -> list[str]:
        words = f', prompt="{self.example_prompt}"' if self.prompted else ""
        return ["from genart_hub import images", "", f"images.grid({loaded}.sample(16, seed=0{words})).show()"]

    if TYPE_CHECKING:  # what some of them have beside: GANs, VAEs, diffusion models
        image_size: int
        latent_dim: int
        latents: Callable[..., Tensor]
        generate: Callable[..., Tensor]
        discriminate: Callable[..., Tensor]
        encode: Callable[..., Any]  # a VAE: mu and logvar
        decode: Callable[..., Tensor]
        nll: Callable[..., Tensor]
        reconstruct: Callable[..., Tensor]
        embed: Callable[[Sequence[str]], Tensor]  # prompts to what the model sees of them, (N, ...)
        denoise: Callable[..., Iterator[tuple[int, int, Tensor]]]  # (step, num_steps, x), from noise to what `sample` gives
        sample_embedded: Callable[..., Tensor]  # pictures of that, all of the same seed
        score: Callable[..., Tensor]
        save_pretrained: Callable[..., Path]


class Generative(nn.Module, HubModel, ImageModel):
    """A model that makes pictures of (channels, image_size, image_size) from latents of (latent_dim,)."""

    image_size: int
    latent_dim: int

    @property
    def fitted_prior(self) -> Mixture | None:
        """The mixture that was fitted to the latents of the training pictures, where there is one; else latents are of N(0, I)."""
        mixture = self._modules.get("mixture")
        return mixture if isinstance(mixture, Mixture) else None

    @property
    def inputs(self) -> tuple[str, ...]:
        """What `sample` takes beside n and seed."""
        return *("label",) * bool(self.num_classes), "truncation", *("prior",) * (self.fitted_prior is not None)

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """Latents to pictures. z: (B, Z). Returns (B, C, H, W) in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define generate(z).")

    def latents(self, n: int, seed: int = 0, truncation: float = 1.0, prior: str | None = None) -> Tensor:
        """n latents ~ N(0, I), times `truncation`; row k is drawn by a CPU generator of its own, of seed `seed` + k.

        Where the model has a mixture, these are its points: the noise is placed in a component that the same generator draws, and
        `truncation` leads to the components' means. prior: "mixture" or "normal" (None: the mixture, where there is one).
        Returns (n, Z) float32 on the CPU. 0 < truncation <= 1.
        """
        return self._draw(n, seed, truncation, prior)[0]

    def labels(self, n: int, seed: int = 0) -> Tensor | None:
        """The classes that `sample` gives n pictures without a label: that of picture k is drawn from seed `seed` + k, after its latent.

        Returns (n,) int64, or None where the model has no classes.
        """
        return self._draw(n, seed)[1]

    def _draw(self, n: int, seed: int, truncation: float = 1.0, prior: str | None = None) -> tuple[Tensor, Tensor | None]:
        mixture = self.prior_named(prior)
        z, u, classes = self.noise(n, seed, truncation)
        return (mixture.place(z, u).float().cpu() if mixture else z), classes

    def prior_named(self, prior: str | None = None) -> Mixture | None:
        """The mixture that latents are placed by where that prior is asked for ("mixture", "normal", None), or None for N(0, I)."""
        return self.fitted_prior if check_prior(type(self).__name__, prior, self.fitted_prior is not None) == "mixture" else None

    def noise(self, n: int, seed: int = 0, truncation: float = 1.0) -> tuple[Tensor, Tensor, Tensor | None]:
        """What n latents and classes are made of: eps ~ N(0, I), times `truncation`; u in [0, 1), which choose components; the classes.

        Row k is drawn by a CPU generator of its own, of seed `seed` + k. Returns (n, Z), (n,), and (n,) int64 or None without classes.
        """
        where = type(self).__name__
        if shape := getattr(n, "shape", ()):  # of a tensor or an array
            raise GenartError("latents_as_count", where=where, shape=tuple(shape))
        n, seed = whole(where, "n", n, 1, MAX_COUNT), whole(where, "seed", seed, 0, MAX_SEED)
        truncation = check_truncation(where, truncation)
        z, classes, generator = torch.empty(n, self.latent_dim), torch.empty(n, dtype=torch.int64), torch.Generator()
        u = torch.zeros(n)
        for k, row in enumerate(z.unbind()):
            row.normal_(generator=generator.manual_seed(seed + k))
            if self.num_classes:
                classes[k] = torch.randint(self.num_classes, (), generator=generator)
            if self.fitted_prior is not None:
                u[k] = torch.rand((), generator=generator)
        return (z if truncation == 1 else z.mul_(truncation)), u, (classes if self.num_classes else None)

    @torch.no_grad()
    def sample(
        self, n: int = 1, seed: int = 0, *, label: object = None, truncation: float = 1.0, prior: str | None = None
    ) -> Tensor:  # fmt: skip
        """n pictures; picture k is the picture of seed `seed` + k, whatever n is. Returns (n, C, H, W) float32 in [-1, 1].

        The arguments are those of `latents`; label: a class, or n of them (None: drawn by the seeds).
        """
        z, drawn = self._draw(n, seed, truncation, prior)
        label = drawn if label is None else self.check_label(label, len(z))
        with evaluating(self):
            z = z.to(next(self.parameters()))
            return (self.generate(z) if label is None else self.generate(z, label)).float()

    def recipe(
        self,
        seed: int,
        n: int = 1,
        label: object = None,
        truncation: float = 1.0,
        columns: int | None = None,
        scale: int = 1,
        prior: str | None = None,
    ) -> dict[str, Any]:
        """What a saved picture carries, so that it can be made again: the weights' name and sha256, and the request."""
        request = {"label": label, "truncation": truncation} | ({"prior": prior} if self.fitted_prior else {})
        return self._recipe(seed, n, request, columns, scale)

    @torch.no_grad()
    def _golden(self, words: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
        z = self.latents(4, seed=0)
        return {"z": z, "x": self.generate(z)}, {}

    def check_latents(self, z: Tensor) -> Tensor:
        """Refuse latents that are not (B, Z). Returns them where the weights are, in their precision."""
        if not isinstance(z, Tensor):
            raise GenartError("no_latents", where=type(self).__name__, latent_dim=self.latent_dim, type=type(z).__name__)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise GenartError("bad_latents", where=type(self).__name__, latent_dim=self.latent_dim, shape=tuple(z.shape))
        return z.to(next(self.parameters()))

    def check_images(self, x: Tensor) -> Tensor:
        """Refuse pictures that are not (B, C, H, W) of this model's size. Returns them where the weights are, in their precision."""
        return check_images(self, x).to(next(self.parameters()))


class FeatureNetwork(nn.Module, HubModel, Described):
    """A classifier whose last features measure pictures of one small domain, for which Inception was not trained."""

    family: ClassVar[str] = "features"
    task = "image-classification"
    resizes: ClassVar[bool] = False  # whether it takes pictures of any size
    image_size: int
    channels: int
    backbone: nn.Module  # (B, C, H, W) -> (B, D)
    head: nn.Module  # (B, D) -> (B, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees. x: (B, C, H, W) in [-1, 1]. Returns (B, D)."""
        return self.backbone(check_images(self, x))

    @torch.no_grad()
    def shift(self, x: Tensor) -> float:
        """How far pictures lie from those that the network was trained on: 0 for the same, 1 for a standard deviation in all channels.

        The mean over the channels of ((m - mean) / std)^2, m over x of what a batch normalisation gets, mean and std what it got in
        training; the largest of all layers. x: (B, C, H, W) in [-1, 1].
        """
        shifts: list[float] = []

        def compare(layer: Any, inputs: tuple[Tensor, ...]) -> None:
            m = inputs[0].transpose(0, 1).flatten(1).mean(dim=1)
            shifts.append(((m - layer.running_mean).square() / (layer.running_var + layer.eps)).mean().item())

        layers = [layer for layer in self.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
        hooks = [layer.register_forward_pre_hook(compare) for layer in layers]
        try:
            with evaluating(self):
                self.features(x)
        finally:
            for hook in hooks:
                hook.remove()
        return max(shifts, default=0.0)

    @torch.no_grad()
    def write_pictures(self, folder: str | os.PathLike, name: str, dataset: str | None = None) -> None:
        """Golden logits of noise."""
        x = torch.rand(4, self.channels, self.image_size, self.image_size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        save_golden({"x": x, "logits": self(x)}, Path(folder))

    def usage(self, loaded: str) -> list[str]:
        return ["", f"{loaded}.features(x)  # x: (B, {self.channels}, {self.image_size}, {self.image_size}) in [-1, 1]"]

    def forward(self, x: Tensor) -> Tensor:
        """The logits of the classes. x: (B, C, H, W) in [-1, 1]. Returns (B, num_classes)."""
        return self.head(self.features(x))


def _all_in(labels: Tensor, num_classes: int) -> bool:
    return bool(((labels >= 0) & (labels < num_classes)).all())


def drawn(where: str, like: Tensor, generator: torch.Generator | None, eps: Tensor | None) -> Tensor:
    """The noise `eps`, or what `generator` draws of the shape of `like`: never from the global generator, which would make runs differ."""
    if eps is None and generator is None:
        raise GenartError("no_noise", where=where)
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype) if eps is None else eps


def check_images(model: ImageModel | FeatureNetwork, x: Any) -> Tensor:
    """`x`, if it is a tensor (B, C, H, W) of the model's size; else an error, which for any other kind of picture names the way to one."""
    where, values = type(model).__name__, {"channels": model.channels, "size": model.image_size}
    if not isinstance(x, Tensor):
        raise GenartError("no_images", where=where, type=type(x).__name__, **values)
    if x.ndim != 4 or tuple(x.shape[1:]) != (model.channels, model.image_size, model.image_size):
        raise GenartError("bad_images", where=where, shape=tuple(x.shape), **values)
    return x


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The networks of `model` in eval mode for a while; each of its modules then gets its own mode back."""
    training = [module for part in modules_of(model) for module in part.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
