"""A model's folder, changed behind its back."""

import json

import torch
from safetensors.torch import load_file, save_file


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def write_config(folder, text):
    (folder / "config.json").write_text(text)


def write_argument(folder, text):
    write_config(folder, '{"_class_name": "GAN", "latent_dim": ' + text + "}")


def set_weights(folder, **tensors):
    change_weights(folder, lambda saved: saved.update(tensors))


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def write_weights(folder, content):
    (folder / "model.safetensors").write_bytes(content)


def rename_weights(folder, name):
    (folder / "model.safetensors").rename(folder / name)


def same_state(a, b):
    a, b = a.state_dict(), b.state_dict()
    return list(a) == list(b) and all(a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a)
