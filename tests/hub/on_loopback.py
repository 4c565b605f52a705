"""What the tests against the Hub on loopback do again and again."""

import json


def push(model, name="me/gan", **options):
    return model.push_to_hub(name, **{"license": "apache-2.0"} | options)


GOOD = json.dumps({"_class_name": "GAN", "image_size": 8, "latent_dim": 4}).encode()


def flip(file):
    """Another bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


def blob_of(hub, name, repo="me/gan"):
    return hub.blobs / hub.repos[repo].at("main").files[name].sha256
