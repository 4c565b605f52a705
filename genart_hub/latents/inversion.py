"""From a picture to its latent: reconstruction in one step, inversion, and the class that a picture is seen as."""

from collections.abc import Iterator

import torch
from torch import Tensor

from genart_hub.errors import GenartError, whole
from genart_hub.hub.described import name_of
from genart_hub.models.auto import check_generative
from genart_hub.models.base import Generative, ImageModel, evaluating


def nearest_class(model: ImageModel, x: Tensor, seed: int = 0, n: int = 64) -> Tensor | None:
    """The class of whose n seeded samples one comes nearest to each picture. x: (B, C, H, W). Returns (B,), None without classes."""
    model = check_generative(model)
    if not model.num_classes:
        return None
    x, z = model.check_images(x).detach(), model.latents(n, seed).to(next(model.parameters()))
    with torch.no_grad(), evaluating(model):
        pictures = (model.generate(z, label).flatten(1) for label in range(model.num_classes))
        distances = torch.stack([torch.cdist(x.flatten(1), x_hat).amin(dim=1) for x_hat in pictures])  # (num_classes, B)
    return distances.argmin(dim=0)


def reconstruct(model: ImageModel, x: Tensor, seed: int = 0, label: object = None) -> tuple[Tensor, Tensor | None]:
    """Pictures through a model that gives them back in one step, and the classes that it saw them as, where it is told any.

    x: (B, C, H, W). label: the class of all pictures, or B of them (None: `nearest_class`). Returns (B, C, H, W) and (B,), or None.
    """
    classes = None if label is None else model.check_label(label, len(x))
    if not model.reconstructs_classes:
        if label is not None:
            raise GenartError("no_such_input", model=name_of(model), input="label", inputs="nothing")
        return model.reconstruct(x), None
    classes = nearest_class(model, x, seed) if classes is None else classes
    return model.reconstruct(x, classes), classes


def invert(
    model: ImageModel,
    x: Tensor,
    num_steps: int = 200,
    seed: int = 0,
    num_starts: int = 8,
    lr: float = 0.1,
    label: object = None,
) -> Iterator[tuple[int, Tensor, float]]:
    """Look for the latents whose pictures are x, by Adam on z from the best of many seeded starts.

    Zhu et al. 2016, https://arxiv.org/abs/1609.03552, section 3. x: (B, C, H, W) in [-1, 1]. label: the class of all pictures, or B of
    them; None is `nearest_class` where the model has classes, and the z found are latents of that class.
    Yields (step, z, error) after each of `num_steps` steps: z (B, Z), the best so far for each picture; error, the mean squared
    error of G(z) over all pictures and pixels, which never rises. The last yield is the best.
    """
    model = check_generative(model)
    x = model.check_images(x).detach()
    num_steps, num_starts = whole("invert", "num_steps", num_steps, 1), whole("invert", "num_starts", num_starts, 1)
    label = nearest_class(model, x, seed) if label is None else model.check_label(label, len(x))
    classes = [None] if label is None else label.tolist()
    with torch.no_grad(), evaluating(model):
        z = model.latents(32 * num_starts, seed).to(x)
        made = {one: generate(model, z, one).flatten(1) for one in set(classes)}
        distances = torch.stack([torch.cdist(one[None].flatten(1), made[k])[0] for one, k in zip(x, classes * len(x), strict=False)])
        z = z[distances.topk(num_starts, largest=False).indices]  # (B, S, Z)
    each = None if label is None else label.repeat_interleave(num_starts)
    best_z, best = z[:, 0].clone(), torch.full((len(x),), float("inf"), device=x.device)
    z.requires_grad_()
    adam = torch.optim.Adam([z], lr=lr)
    for step in range(1, num_steps + 1):
        with torch.enable_grad(), evaluating(model):
            x_hat = generate(model, z.flatten(0, 1), each).unflatten(0, z.shape[:2])  # (B, S, C, H, W)
            errors = (x_hat - x[:, None]).square().flatten(2).mean(dim=2)  # (B, S)
            (z.grad,) = torch.autograd.grad(errors.sum(), z)
        error, k = errors.detach().min(dim=1)
        better = error < best
        best = torch.where(better, error, best)
        best_z = torch.where(better[:, None], z.detach()[torch.arange(len(x)), k], best_z)
        adam.param_groups[0]["lr"] = lr * min(1.0, 2 * (1 - (step - 1) / num_steps))
        adam.step()
        yield step, best_z.clone(), best.mean().item()


def generate(model: Generative, z: Tensor, label: object) -> Tensor:
    """The pictures of latents, of a class where there is one. z: (B, Z). Returns (B, C, H, W)."""
    return model.generate(z) if label is None else model.generate(z, label)
