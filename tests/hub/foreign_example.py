import torch
from torch import Tensor, nn

import genart_hub
from genart_hub.models.base import Generative


def block(a: int, b: int) -> list[nn.Module]:
    return [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU(0.2)]


@genart_hub.register
class PlainGAN(Generative):
    family, image_size, channels, latent_dim = "gan", 28, 1, 100

    def __init__(self):
        super().__init__()
        first, last = nn.Linear(100, 256), nn.Linear(1024, 784)
        self.generator = nn.Sequential(first, nn.LeakyReLU(0.2), *block(256, 512), *block(512, 1024), last, nn.Tanh())
        layers = [layer for a, b in ((784, 512), (512, 256)) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        self.discriminator = nn.Sequential(*layers, nn.Linear(256, 1))  # without its Sigmoid: `discriminate` gives logits

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        return self.generator(z).unflatten(1, (1, 28, 28))

    def discriminate(self, x: Tensor, label: object = None) -> Tensor:
        return self.discriminator(x.flatten(1)).squeeze(1)


gan = PlainGAN()
for name, half in gan.named_children():
    state = torch.load(f"{name}.pth", weights_only=True)  # or safetensors.torch.load_file(f"{name}.safetensors")
    half.load_state_dict({key.removeprefix("model."): tensor for key, tensor in state.items()})
gan.save_pretrained("runs/plain-gan")
x = genart_hub.from_pretrained("runs/plain-gan").sample(16, seed=0)
