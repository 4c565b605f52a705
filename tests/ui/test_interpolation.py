"""The Interpolation tab's endpoint, called over HTTP."""

from pathlib import Path

import pytest
from over_http import GAN, VAE, same_picture, small
from PIL import Image, ImageSequence

import genart_hub
from genart_hub import images


def duration(animation: Image.Image) -> int:
    """In milliseconds, all frames together: equal frames may have become one."""
    total = 0
    for frame in ImageSequence.Iterator(animation):
        frame.load()  # a WebP knows its duration only then
        total += frame.info["duration"]
    return total


def test_a_walk_lasts_frames_over_fps_and_starts_at_its_first_key(client):
    shown, gif, webp = client.predict(GAN, "4, 9", "slerp", 30, 12, True, 0.8, api_name="/walk")
    first = images.to_pil(genart_hub.from_pretrained(GAN).sample(1, seed=4, truncation=0.8)[0])
    assert Path(shown).read_bytes() == Path(webp).read_bytes()
    for path, kind in ((gif, "GIF"), (webp, "WEBP")):
        with Image.open(path) as animation:
            assert animation.format == kind
            assert animation.is_animated
            assert animation.width >= 256
            assert duration(animation) == 2500
            animation.seek(0)
            assert same_picture(small(animation, first.width), first)


def test_a_straight_walk_differs_from_a_spherical_one(client):
    walks = [client.predict(VAE, "0, 1", method, 9, 9, False, 1, api_name="/walk")[2] for method in ("slerp", "lerp")]
    assert Path(walks[0]).read_bytes() != Path(walks[1]).read_bytes()


@pytest.mark.parametrize(("label", "drawn"), [("5", 5), ("", None)])
def test_a_walk_keeps_to_one_class_the_chosen_one_or_that_of_its_first_seed(tiny_model, tiny_clients, label, drawn):
    _, _, webp = tiny_clients["en"].predict("dcgan-mnist", "4, 9", "slerp", 8, 8, False, 1, label, api_name="/walk")
    model = tiny_model("dcgan-mnist")
    drawn = model.labels(1, 4).item() if drawn is None else drawn
    with Image.open(webp) as animation:
        for frame, seed in ((0, 4), (animation.n_frames - 1, 9)):
            animation.seek(frame)
            assert same_picture(small(animation, 8), images.to_pil(model.sample(1, seed, label=drawn)[0]))
