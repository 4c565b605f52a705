"""Golden copies of what a version writes: model folders, PNGs with their recipes, and the pixels behind them.

They were written by 0.3.0 itself, from the root of the repository: its tree was laid out beside this one
(`git worktree add --detach ../old 19e7b5d`), then `PYTHONPATH=../old python tests/golden/write.py`.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

import genart_hub
from genart_hub.cli import main

FOLDER = Path(__file__).parent / genart_hub.__version__
TINY = {  # GAN's widths are fixed, and take a megabyte: gan-mnist stands for it
    "vae": ("VAE", {"image_size": 8, "channels": 1, "latent_dim": 4, "hidden_dims": [16]}),
    "dcgan": ("DCGAN", {"image_size": 8, "channels": 3, "latent_dim": 4, "width": 4, "class_names": ["cat", "dog", "7"]}),
    "conv-vae": ("ConvVAE", {"image_size": 8, "channels": 3, "latent_dim": 4, "width": 4, "num_classes": 3}),
    "conv-vae-float16": ("ConvVAE", {"image_size": 16, "channels": 1, "latent_dim": 4, "width": 2, "likelihood": "bernoulli"}),
    "classifier": (
        "Classifier",
        {"image_size": 8, "channels": 1, "width": 2, "feature_dim": 5, "num_classes": 3, "class_names": ["cat", "dog", "7"]},
    ),
    "resnet": ("ResNet", {"image_size": 8, "channels": 3, "width": 2, "num_classes": 3}),
}
SAMPLED = {  # the PNG's name -> the model, what the command is told of it, and what `sample` is
    "vae": ("vae", ["-n", "5", "--seed", "3", "--truncation", "0.7"], (5, 3, {"truncation": 0.7})),
    "dcgan": ("dcgan", ["-n", "3", "--seed", "7", "--label", "dog", "--columns", "2"], (3, 7, {"label": "dog"})),
    "dcgan-in-turn": ("dcgan", ["-n", "3", "--label", "2,cat,1"], (3, 0, {"label": [2, "cat", 1]})),
    "conv-vae": ("conv-vae", ["-n", "4", "--seed", "1"], (4, 1, {})),
    "conv-vae-float16": ("conv-vae-float16", ["-n", "2"], (2, 0, {})),
    "gan-mnist": ("gan-mnist", ["-n", "4", "--seed", "11"], (4, 11, {})),
    "dcgan-emoji": ("dcgan-emoji", ["-n", "1", "--seed", "2", "--label", "3"], (1, 2, {"label": "3"})),
    "tiny-sd-emoji": ("tiny-sd-emoji", ["-n", "1", "--prompt", "红苹果", "--steps", "6"], (1, 0, {"prompt": "红苹果", "num_steps": 6})),
}


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """Weights that no constructor sets, so that each of them shows."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise.abs() + 0.5 if name.endswith("running_var") else 0.5 * noise)
    return model.eval()


def pictures(model: torch.nn.Module) -> torch.Tensor:
    shape = (4, model.channels, model.image_size, model.image_size)
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 1


@torch.no_grad()
def write() -> None:
    golden = {}
    for name, (class_name, arguments) in TINY.items():
        model = lively(genart_hub.MODELS[class_name](**arguments))
        model.save_pretrained(FOLDER / name, dtype=torch.float16 if name.endswith("float16") else None)
        if model.family == "features":
            golden[name] = genart_hub.from_pretrained(FOLDER / name)(pictures(model))
    for png, (name, options, (n, seed, inputs)) in SAMPLED.items():
        place = str(FOLDER / name) if name in TINY else name
        main(["sample", place, *options, "--out", str(FOLDER / f"{png}.png")])
        golden[png] = genart_hub.from_pretrained(place).sample(n, seed, **inputs)
    save_file(golden, FOLDER / "samples.safetensors", {"format": "pt"})


if __name__ == "__main__":
    torch.set_num_threads(1)
    write()
