"""What a user writes, from a first picture to a class of their own: it runs, and a type checker knows what everything is.

python tests/user_script.py FOLDER [owner/name]: writes into FOLDER, and publishes where a name is given.
"""

import sys
from pathlib import Path
from typing import Any, assert_type

import torch
from PIL import Image
from torch import Tensor, nn

import genart_hub
from genart_hub import images, latents, metrics
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel
from genart_hub.models.base import ImageModel
from genart_hub.models.dcgan import DCGAN

folder, repo_id = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None

# what there is
assert_type(genart_hub.bundled("gan"), list[str])
assert_type(genart_hub.list_models("*emoji*"), list[str])
assert_type(genart_hub.MODELS, dict[str, type[HubModel]])

# any model by its name
model = genart_hub.from_pretrained("dcgan-emoji", device="cpu", dtype=torch.float32)
assert_type(model, ImageModel)
assert_type(model.inputs, tuple[str, ...])
assert_type(model.num_parameters, int)
assert_type(model.weight_files, tuple[Path, ...])
assert_type(model.summary(), str)
x = model.sample(4, seed=0, label="food-drink", truncation=0.7)
assert_type(x, Tensor)
recipe = model.recipe(0, 4, label="food-drink", truncation=0.7, columns=2)
assert_type(recipe, dict[str, Any])
assert_type(images.grid(x, columns=2), Image.Image)
assert_type(images.save_png(images.grid(x, columns=2), folder / "grid.png", recipe), Path)
assert_type(images.read_recipe(folder / "grid.png"), dict[str, Any])

# latents: a walk, and a picture looked for
z = model.latents(2, seed=0)
assert_type(z, Tensor)
assert_type(model.generate(z, label=3), Tensor)
path = latents.walk(z, 4, method="slerp", loop=True)
assert_type(path, Tensor)
assert_type(latents.slerp(z[0], z[1], 0.5), Tensor)
directions = latents.directions.sefa(model, 2)
assert_type(directions, latents.Directions)
assert_type(latents.edit(z, directions[0], 2.0), Tensor)
frames = images.to_pil(latents.frames(model, path, label=3))
assert_type(images.save_animation(frames, folder / "walk.gif", fps=12), Path)
for step, found, error in latents.invert(model, x[:1], num_steps=1, num_starts=1, label="food-drink"):
    assert_type(step, int)
    assert_type(found, Tensor)
    assert_type(error, float)

# a picture through a VAE
vae = genart_hub.from_pretrained("vae-mnist")
seen = images.from_pil(Image.new("L", (28, 28)), vae.image_size, vae.channels)
mu, logvar = vae.encode(seen)
assert_type(vae.decode(mu), Tensor)
x_hat = vae.reconstruct(seen)
assert_type(x_hat, Tensor)
assert_type(metrics.psnr(seen, x_hat), Tensor)

# of a class that is named, every argument is known
dcgan = DCGAN.from_pretrained("dcgan-emoji")
assert_type(dcgan, DCGAN)
assert_type(dcgan.discriminate(x, label="food-drink"), Tensor)
try:
    dcgan.sample(2, seed="no number")  # type: ignore[arg-type]
except GenartError as refused:
    assert_type(refused.code, str)


# a class of one's own: its constructor's arguments are its config, and it says what `sample` takes
@genart_hub.register
class Discs(nn.Module, HubModel, ImageModel):
    inputs = ("label",)
    class_names = ("dark", "light")

    def __init__(self, image_size: int = 8):
        super().__init__()
        self.image_size, self.channels = image_size, 1
        self.radius = nn.Parameter(torch.tensor(0.5))

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, label: object = None) -> Tensor:
        side = torch.linspace(-1, 1, self.image_size)
        distance = (side[:, None].square() + side.square()).sqrt()
        classes = self.check_label(label, n)
        assert classes is not None
        radii = torch.stack([self.radius + 0.1 * torch.randn((), generator=one) for one in self.generators(n, seed)])
        inside = distance < radii[:, None, None, None]
        return torch.where(inside, 1.6 * classes.view(-1, 1, 1, 1) - 0.8, torch.zeros(()))


mine = Discs(image_size=16)
assert_type(mine.sample(2, seed=1, label="light"), Tensor)
assert_type(mine.save_pretrained(folder / "discs"), Path)
assert_type(Discs.from_pretrained(folder / "discs"), Discs)
again = genart_hub.from_pretrained(folder / "discs")
assert_type(again, ImageModel)
assert torch.equal(again.sample(2, seed=1, label="light"), mine.sample(2, seed=1, label="light"))
if repo_id:
    assert_type(mine.push_to_hub(repo_id, license="apache-2.0", private=True), str)
    assert_type([one.id for one in genart_hub.search("discs", limit=5)], list[str])


# or any module at all, saved and loaded
class Scale(nn.Module, HubModel):
    def __init__(self, factor: float = 2.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


assert_type(Scale.from_pretrained(Scale(3.0).save_pretrained(folder / "scale")), Scale)
print(f"{len(list(folder.rglob('*')))} files and folders in {folder}")
