"""Diffusion in pixels, of classes. Ho et al. 2020, https://arxiv.org/abs/2006.11239; flow: Lipman et al. 2023, https://arxiv.org/abs/2210.02747."""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from genart_hub.errors import MAX_COUNT, GenartError, choice, sizes, whole
from genart_hub.hub import HubModel
from genart_hub.hub.model import outline_of_files
from genart_hub.models.base import ImageModel, check_images, evaluating
from genart_hub.models.inputs import check_input
from genart_hub.models.inside import Inside, split
from genart_hub.models.labels import names_of_classes
from genart_hub.quiet import _silent

OBJECTIVES = ("ddpm", "flow")
TRAINED_STEPS = 1000  # of the noise schedule; a flow's time from 0 to 1 is told to the network in thousandths
PATCH = 2  # pixels a side that become channels, so that the network's convolutions see a quarter of the places
GROUPS = 32  # of its normalisation


class DDPM(nn.Module, HubModel, ImageModel):
    """From noise to a picture of a class in many steps, each a pass of one U-Net (diffusers' UNet2DModel).

    objective: "flow" predicts the direction eps - x on straight lines x_t = (1 - t) x + t eps; "ddpm" predicts the noise eps of
    x_t = alpha_t x + sigma_t eps on the cosine schedule (Nichol & Dhariwal 2021). widths: of the U-Net's layers, each at half the side of
    the one before. num_steps, guidance: of a request that names none.
    """

    family = "ddpm"
    arxiv = "2006.11239"
    sizes: ClassVar[tuple[int, ...]] = (28, 32, 64)
    about = {
        "en": "A diffusion model in pixels: a small U-Net takes the noise out of a picture step by step, and is told which class it should "
        "show. Classifier-free guidance sets how strongly it follows the class.",
        "zh": "像素空间的扩散模型：一个小型 U-Net 一步步去掉图片中的噪声，并被告知应该画哪个类别。无分类器引导决定它多大程度上听从类别。",
    }

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        objective: str = "flow",
        widths: tuple[int, ...] = (32, 64),
        num_classes: int = 0,
        class_names: Sequence[str] = (),
        num_steps: int = 20,
        guidance: float = 1.5,
    ):
        from diffusers import UNet2DModel

        super().__init__()
        widths = tuple(sizes("DDPM", "widths", widths))
        if not 1 <= len(widths) <= 6 or max(widths) > 1024:
            raise GenartError("out_of_range", where="DDPM", name="widths", low="one to six of 1", high=1024, value=str(widths))
        smallest = PATCH * 2 ** (len(widths) - 1)
        self.image_size = whole("DDPM", "image_size", image_size, smallest, 512)
        if self.image_size % smallest:
            raise GenartError("not_multiple", where="DDPM", name="image_size", factor=smallest, value=image_size)
        self.channels = whole("DDPM", "channels", channels, 1, 64)
        self.objective = choice("DDPM", "objective", objective, OBJECTIVES)
        self.class_names = names_of_classes("DDPM", num_classes, class_names)
        self.num_steps, self.guidance = check_input("DDPM", "num_steps", num_steps), check_input("DDPM", "guidance", guidance)
        with _silent():
            self.unet = UNet2DModel(
                sample_size=self.image_size // PATCH,
                in_channels=PATCH**2 * self.channels,
                out_channels=PATCH**2 * self.channels,
                layers_per_block=1,
                block_out_channels=widths,
                norm_num_groups=min(GROUPS, *widths),
                down_block_types=("DownBlock2D",) * len(widths),  # attention is in the middle alone
                up_block_types=("UpBlock2D",) * len(widths),
                num_class_embeds=len(self.class_names) + 1 if self.class_names else None,  # the last one is of no class
            )

    @property
    def inputs(self) -> tuple[str, ...]:
        """What `sample` takes beside n and seed."""
        return ("label", "num_steps", "guidance") if self.num_classes else ("num_steps",)

    @property
    def defaults(self) -> dict[str, Any]:
        values = {"num_steps": self.num_steps, "guidance": self.guidance}
        return {name: value for name, value in values.items() if name in self.inputs}

    @classmethod
    def outline(cls, folder: Path) -> dict[str, Any]:
        """What a listing says of it, from its config and its weights' header: the library of its network takes seconds to import."""
        arguments, about = outline_of_files(cls, folder)
        names = names_of_classes("DDPM", arguments["num_classes"], arguments["class_names"])
        inputs = ("label", "num_steps", "guidance") if names else ("num_steps",)
        return about | {"inputs": ["n", "seed", *inputs], "classes": list(names)}

    def forward(self, x_t: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """What the network predicts: eps - x of a flow, eps of a ddpm.

        x_t: (B, C, H, W); t: (B,) in [0, 1000]; label: (B,) classes, `num_classes` for none (None: none). Returns (B, C, H, W).
        """
        if self.class_names and label is None:
            label = torch.full((len(x_t),), self.num_classes, device=x_t.device)
        seen = functional.pixel_unshuffle(x_t, PATCH)
        return functional.pixel_shuffle(self.unet(seen, t, class_labels=label).sample, PATCH)

    def scheduler(self, num_steps: int) -> Any:
        """diffusers' scheduler for so many steps."""
        from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

        if self.objective == "flow":
            scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=TRAINED_STEPS)
            scheduler.set_timesteps(sigmas=torch.linspace(1, 0, num_steps + 1)[:-1].tolist())
            return scheduler
        scheduler = DDIMScheduler(
            num_train_timesteps=TRAINED_STEPS, beta_schedule="squaredcos_cap_v2", clip_sample=True, timestep_spacing="trailing"
        )
        scheduler.set_timesteps(num_steps)
        return scheduler

    def sample(
        self,
        n: int = 1,
        seed: int = 0,
        *,
        label: object = None,
        num_steps: int | None = None,
        guidance: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """n pictures; picture k is the picture of seed `seed` + k, whatever n is. Returns (n, C, H, W) float32 in [-1, 1].

        label: a class, or n of them (None: drawn by the seeds). num_steps, guidance: None for the model's own (`defaults`); guidance 1
        is the class alone, 0 no class at all. on_step: called with (step, num_steps) after each step.
        """
        moments = self.denoise(n, seed, label=label, num_steps=num_steps, guidance=guidance)
        for step, total, x in moments:  # noqa: B007 - the last x is the answer
            if step and on_step:
                on_step(step, total)
        return x

    def denoise(
        self,
        n: int = 1,
        seed: int = 0,
        *,
        label: object = None,
        num_steps: int | None = None,
        guidance: float | None = None,
        moments: Callable[[int], Collection[int]] | None = None,
    ) -> Iterator[tuple[int, int, Tensor]]:
        """The pictures of `sample` as they come out of the noise: (step, num_steps, x), from step 0, the noise itself.

        x: (n, C, H, W) float32 in [-1, 1]; the last one is what `sample` gives. moments: which steps are told, of so many (None: all).
        """
        n = whole("DDPM", "n", n, 1, MAX_COUNT)
        steps = self.num_steps if num_steps is None else check_input("DDPM", "num_steps", num_steps)
        scale = self.guidance if guidance is None else check_input("DDPM", "guidance", guidance)
        classes = self._classes(n, seed, label)
        noise = [torch.randn(self.channels, self.image_size, self.image_size, generator=one) for one in self.generators(n, seed)]
        made = self._moments(torch.stack(noise).to(next(self.parameters())), classes, steps, scale)
        told = moments(steps) if moments else range(steps + 1)
        return (moment for moment in made if moment[0] in told)

    @torch.no_grad()
    def inside(
        self, seed: int = 0, *, label: object = None, num_steps: int | None = None, guidance: float | None = None
    ) -> Generator[Inside, None, Tensor]:
        """The steps of `sample(1, seed, ...)` from within, each before it is made. Returns the picture of `sample`, (1, C, H, W)."""
        steps = self.num_steps if num_steps is None else check_input("DDPM", "num_steps", num_steps)
        scale = self.guidance if guidance is None else check_input("DDPM", "guidance", guidance)
        classes, scheduler = self._classes(1, seed, label), self.scheduler(steps)
        x = torch.randn(1, self.channels, self.image_size, self.image_size, generator=self.generators(1, seed)[0])
        x = x.to(next(self.parameters()))
        for step, t in enumerate(scheduler.timesteps):
            time, (alpha, sigma) = t.to(x).expand(1), self.levels(float(t), scheduler)
            with evaluating(self):
                predicted, without, told = self._guided(x, time, classes, scale), self(x, time), self(x, time, classes)
            kind = "flow" if self.objective == "flow" else "epsilon"
            (x_0, eps), *beside = (split(kind, x, each, alpha, sigma) for each in (predicted, without, told))
            seen = [one[0].float().cpu().clamp(-1, 1) for one in (x, x_0, *(pair[0] for pair in beside))]
            yield Inside(step, steps, seen[0], seen[1], eps[0].float().cpu(), seen[2], seen[3], alpha, sigma)
            x = scheduler.step(predicted, t, x, return_dict=False)[0]
        return x.float().cpu().clamp(-1, 1)

    def levels(self, t: float, scheduler: Any) -> tuple[float, float]:
        """alpha and sigma of time t in [0, 1000]."""
        if self.objective == "flow":
            return 1 - t / TRAINED_STEPS, t / TRAINED_STEPS
        kept = float(scheduler.alphas_cumprod[round(t)])
        return kept**0.5, (1 - kept) ** 0.5

    def labels(self, n: int, seed: int = 0) -> Tensor | None:
        """The classes that `sample` gives n pictures without a label, drawn by the seeds after the noise. Returns (n,) int64, or None."""
        if not self.num_classes:
            return None
        drawn = []
        for generator in self.generators(n, seed):
            torch.randn(self.channels, self.image_size, self.image_size, generator=generator)
            drawn.append(torch.randint(self.num_classes, (), generator=generator))
        return torch.stack(drawn)

    def _classes(self, n: int, seed: int, label: object) -> Tensor | None:
        classes = self.labels(n, seed) if label is None else self.check_label(label, n)
        return None if classes is None else classes.to(next(self.parameters()).device)

    @torch.no_grad()
    def _moments(self, x: Tensor, classes: Tensor | None, num_steps: int, guidance: float) -> Iterator[tuple[int, int, Tensor]]:
        scheduler = self.scheduler(num_steps)
        yield 0, num_steps, x.float().cpu().clamp(-1, 1)
        for step, t in enumerate(scheduler.timesteps, 1):
            with torch.no_grad(), evaluating(self):
                predicted = self._guided(x, t.to(x).expand(len(x)), classes, guidance)
            x = scheduler.step(predicted, t, x, return_dict=False)[0]
            yield step, num_steps, x.float().cpu().clamp(-1, 1)

    def _guided(self, x: Tensor, t: Tensor, classes: Tensor | None, guidance: float) -> Tensor:
        """The prediction without a class, moved `guidance` times towards the one with it. Ho & Salimans 2022, eq. 6."""
        if classes is None or guidance == 0:
            return self(x, t)
        if guidance == 1:
            return self(x, t, classes)
        none = torch.full_like(classes, self.num_classes)
        without, told = self(torch.cat([x, x]), torch.cat([t, t]), torch.cat([none, classes])).chunk(2)
        return without + guidance * (told - without)

    def check_images(self, x: Tensor) -> Tensor:
        """Refuse pictures that are not (B, C, H, W) of this model's size. Returns them where the weights are, in their precision."""
        return check_images(self, x).to(next(self.parameters()))
