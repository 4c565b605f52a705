"""The doors between pixels and tensors, grids, PNGs that carry their recipe, and animations."""

import json
import os
import warnings
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, PngImagePlugin
from torch import Tensor

from genart_hub.errors import GenartError, choice, first_line, number, shorten, whole
from genart_hub.files import replacing

MAX_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "HEIF")  # HEIF: where a plugin of Pillow's reads it
RECIPE_KEY = "genart_hub"
PNG_TEXT_LIMIT = 16_384


def to_pil(x: Tensor) -> Any:
    """Tensors to pictures. x: (B, C, H, W) in [-1, 1], C of 1 or 3, gives a list; (C, H, W) gives one picture."""
    if x.ndim == 4:
        return [_picture(one) for one in x]
    return _picture(x)


def _picture(x: Tensor) -> Image.Image:
    if x.ndim != 3 or x.shape[0] not in (1, 3):
        raise GenartError("bad_images", where="to_pil", channels="1 or 3", size="size", shape=tuple(x.shape))
    levels = x.detach().float().nan_to_num().add(1).mul(127.5).round().clamp(0, 255).to("cpu", torch.uint8)
    mode, size = ("L" if x.shape[0] == 1 else "RGB"), (x.shape[2], x.shape[1])
    return Image.frombytes(mode, size, levels.movedim(0, -1).contiguous().numpy().tobytes())


def from_pil(pictures: Image.Image | Sequence[Image.Image], size: int, channels: int) -> Tensor:
    """Pictures of any mode and size to tensors: onto white, cropped to the centre square, resized.

    Returns (B, channels, size, size) float32 in [-1, 1].
    """
    pictures = [pictures] if isinstance(pictures, Image.Image) else list(pictures)
    if not pictures:
        raise GenartError("no_picture")
    return torch.stack([as_uint8(picture, size, channels) for picture in pictures]).float().div_(127.5).sub_(1)


def as_uint8(picture: Image.Image, size: int, channels: int) -> Tensor:
    """One picture of any mode and size. Returns (channels, size, size) uint8."""
    size, channels = whole("as_uint8", "size", size, 1), choice("as_uint8", "channels", channels, (1, 3))
    picture = flatten(picture).convert("L" if channels == 1 else "RGB")
    if picture.size != (size, size):
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    levels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return levels.view(size, size, channels).movedim(-1, 0).contiguous()


def resize(x: Tensor, size: int, channels: int) -> Tensor:
    """Tensors of another size or colour, for a network that needs them so: bicubic with antialiasing; grey is tiled, colour becomes luma.

    x: (B, C, H, W) in [-1, 1]. Returns (B, channels, size, size) in [-1, 1].
    """
    if x.shape[1] != channels:
        luma = torch.tensor([0.299, 0.587, 0.114], device=x.device, dtype=x.dtype).view(1, 3, 1, 1)  # ITU-R BT.601, as Pillow does
        x = x.expand(-1, 3, -1, -1) if channels == 3 else (x * luma).sum(dim=1, keepdim=True)
    if x.shape[2:] == (size, size):
        return x
    return F.interpolate(x, size=(size, size), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def flatten(picture: Image.Image) -> Image.Image:
    """A picture of any mode as L or RGB: upright, 16 bits or fractions to 8 bits, transparency onto white, an animation's first frame."""
    if picture.mode in ("L", "RGB") and "transparency" not in picture.info:
        return ImageOps.exif_transpose(picture)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits
        return picture.convert("I").point(lambda level: level * (1 / 257)).convert("L")
    if picture.mode == "F" and picture.getextrema()[1] <= 1:  # type: ignore[operator]  # fractions, as in scientific TIFF files
        return picture.point(lambda level: level * 255).convert("L")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L", "F") else "RGB")


def read_header(file: str | os.PathLike | IO[bytes]) -> Image.Image:
    """A picture whose pixels are not read yet, of one of FORMATS. For some others Pillow starts programs: Ghostscript for an EPS."""
    Image.init()
    return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])


def forget_other_formats() -> None:
    """Take the formats that are none of FORMATS from Pillow, for whoever opens a picture in this process: the app, where Gradio may."""
    Image.init()
    for name in [name for name in Image.OPEN if name not in FORMATS]:
        del Image.OPEN[name]
    Image.ID[:] = [name for name in Image.ID if name in Image.OPEN]


def open_picture(file: str | os.PathLike | IO[bytes], name: str | None = None) -> Image.Image:
    """Open and decode a picture file, or say in a sentence why it is none. name: what the sentence calls it."""
    name, picture = name or Path(str(getattr(file, "name", file))).name, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = read_header(file)
        if picture.width * picture.height > MAX_PIXELS:
            picture.close()
            raise GenartError("picture_too_large", file=name, width=picture.width, height=picture.height, limit=MAX_PIXELS)
        picture.load()
    except Image.UnidentifiedImageError as error:
        raise GenartError("bad_picture", file=name, reason=GenartError("reason_format")) from error
    except Image.DecompressionBombError as error:
        raise GenartError("bad_picture", file=name, reason=GenartError("reason_pixels")) from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise GenartError("bad_picture", file=name, reason=GenartError("reason_missing")) from error
    except GenartError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError, MemoryError) as error:
        if picture:
            picture.close()
        raise GenartError("bad_picture", file=name, reason=first_line(error)) from error
    return picture


def enlarge(picture: Image.Image, side: int = 256) -> Image.Image:
    """A picture of few pixels at a whole multiple of its size, at least `side` px on its shorter edge, without blur."""
    return magnify(picture, max(1, -(-side // min(picture.size))))


def magnify(picture: Image.Image, factor: int) -> Image.Image:
    """Every pixel as a square of `factor` x `factor`."""
    return picture if factor == 1 else picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def grid(x: Tensor, columns: int = 8, padding: int = 2) -> Image.Image:
    """Pictures in rows of `columns`, on the colour of their corners. x: (B, C, H, W) in [-1, 1]."""
    if x.ndim != 4 or not len(x):
        raise GenartError("bad_images", where="grid", channels="1 or 3", size="size", shape=tuple(x.shape))
    columns = min(whole("grid", "columns", columns, 1), len(x))
    B, C, H, W = x.shape
    rows = -(-B // columns)
    x = x.detach().cpu()
    canvas = x[:, :, 0, 0].median(dim=0).values.view(C, 1, 1).repeat(1, rows * (H + padding) + padding, columns * (W + padding) + padding)
    for k, one in enumerate(x):
        top, left = padding + k // columns * (H + padding), padding + k % columns * (W + padding)
        canvas[:, top : top + H, left : left + W] = one
    return _picture(canvas)


def sheet(x: Tensor, columns: int | None = None, scale: int = 1) -> Image.Image:
    """One picture, or several as a grid, every pixel as a square of `scale` x `scale`. x: (B, C, H, W) in [-1, 1]."""
    picture = _picture(x[0]) if columns is None and len(x) == 1 else grid(x, 8 if columns is None else columns)
    return magnify(picture, scale)


def tiles(picture: Image.Image, n: int, columns: int, scale: int = 1, padding: int = 2) -> list[Image.Image]:
    """The n pictures of a sheet that `sheet` made in so many columns, each as large as it is there."""
    rows, padding = -(-n // columns), padding * scale
    width, height = (picture.width - padding) // columns - padding, (picture.height - padding) // rows - padding
    corners = [(padding + k % columns * (width + padding), padding + k // columns * (height + padding)) for k in range(n)]
    return [picture.crop((left, top, left + width, top + height)) for left, top in corners]


def save_png(picture: Image.Image, path: str | os.PathLike, recipe: dict[str, Any] | None = None, lasting: bool = True) -> Path:
    """Write a PNG that carries `recipe` in its text. lasting: as `files.replacing` takes it. Returns the path."""
    if Path(path).suffix.lower() != ".png":
        raise GenartError("not_png", file=Path(path).name)
    info = PngImagePlugin.PngInfo()
    if recipe is not None:
        info.add_itxt(RECIPE_KEY, json.dumps(recipe, ensure_ascii=False))
    with replacing(path, lasting) as file:
        picture.save(file, format="PNG", pnginfo=info)
    return Path(path)


def has_recipe(path: str | os.PathLike) -> bool:
    """Whether a picture carries a recipe, whatever that holds."""
    return RECIPE_KEY in open_picture(path).info


def read_recipe(path: str | os.PathLike) -> dict[str, Any]:
    """The recipe of a PNG that `save_png` wrote. Raises GenartError where there is none, or a damaged one."""
    name = Path(path).name
    text = open_picture(path).info.get(RECIPE_KEY)
    if text is None:
        raise GenartError("no_recipe", file=name)
    try:
        recipe = json.loads(text) if len(text) <= PNG_TEXT_LIMIT else None
    except (ValueError, TypeError, RecursionError) as error:
        raise GenartError("bad_recipe", file=name, reason=GenartError("reason_no_json")) from error
    if not isinstance(recipe, dict):
        raise GenartError("bad_recipe", file=name, reason=GenartError("reason_no_json"))
    if not isinstance(recipe.get("model"), str) or not recipe["model"].isprintable() or not 0 < len(recipe["model"]) <= 200:
        raise GenartError("bad_recipe", file=name, reason=GenartError("reason_no_model"))
    for key in ("weights_sha256", "revision"):
        if not isinstance(recipe.get(key), str | None):
            raise GenartError("bad_recipe", file=name, reason=GenartError("reason_field", field=key, value=shorten(recipe[key])))
    return recipe


def save_animation(
    frames: Tensor | Sequence[Image.Image], path: str | os.PathLike, fps: float = 24, recipe: dict[str, Any] | None = None
) -> Path:
    """Write an endless animation, .gif or .webp (lossless), or a film, .mp4, which carries `recipe` in its comment.

    frames: pictures, or (N, C, H, W) in [-1, 1]. Returns the path. Raises GenartError for an .mp4 where PyAV is not installed.
    """
    path = Path(path)
    fps = number("save_animation", "fps", fps, 1, 50)
    suffix = path.suffix.lower()
    if suffix not in (".gif", ".webp", ".mp4"):
        raise GenartError("bad_animation", file=path.name, suffix=path.suffix or "a file without a suffix")
    pictures = [_picture(x) for x in (frames if frames.ndim == 4 else frames[None])] if isinstance(frames, Tensor) else list(frames)
    pictures = [picture if picture.size == pictures[0].size else picture.resize(pictures[0].size) for picture in pictures]
    if not pictures:
        raise GenartError("no_frames")
    if suffix == ".mp4":
        _save_film(pictures, path, fps, recipe)
        return path
    tick = 10 if suffix == ".gif" else 1  # a GIF counts in hundredths of a second
    ends = [round(k * 1000 / fps / tick) * tick for k in range(len(pictures) + 1)]
    durations = [b - a for a, b in zip(ends, ends[1:], strict=False)]
    options = {"lossless": True, "method": 4} if tick == 1 else {"optimize": False}
    with replacing(path) as file:
        pictures[0].save(file, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    return path


def writes_film() -> bool:
    """Whether `save_animation` can write an .mp4: PyAV is installed."""
    return find_spec("av") is not None


def _save_film(pictures: Sequence[Image.Image], path: Path, fps: float, recipe: dict[str, Any] | None) -> None:
    """Pictures of one size as H.264 in an MP4, which every browser and phone plays; sides are made even, as the format wants them."""
    try:
        import av
    except ImportError as error:
        raise GenartError("needs_package", package="av", install='"genart-hub[video]"') from error
    width, height = (side + side % 2 for side in pictures[0].size)
    if width * height > MAX_PIXELS:
        raise GenartError("picture_too_large", file=path.name, width=width, height=height, limit=MAX_PIXELS)
    with replacing(path) as file, av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        if recipe is not None:
            film.metadata["comment"] = json.dumps(recipe, ensure_ascii=False)
        stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            frame = picture.convert("RGB")
            frame = frame if frame.size == (width, height) else frame.resize((width, height))
            film.mux(stream.encode(av.VideoFrame.from_image(frame)))
        film.mux(stream.encode())


def center_digit(picture: Image.Image, size: int = 28) -> Image.Image:
    """A drawn or photographed digit as MNIST has them: white on black, in a box of 20/28 of the side, centred by its mass.

    LeCun et al. 1998, section III.A. Returns a (size, size) picture of mode L; an empty one stays empty.
    """
    grey = flatten(picture).convert("L")
    ink = torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(grey.height, grey.width).float()
    border = torch.cat([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    ink = ink if border.median() < 128 else 255 - ink
    ink = (ink - ink.median()).clamp(min=0)
    rows, columns = (ink.amax(dim=1) > 64).nonzero(), (ink.amax(dim=0) > 64).nonzero()
    canvas = Image.new("L", (size, size))
    if not len(rows) or not len(columns):
        return canvas
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    digit = _picture((ink[top:bottom, left:right] * (2 / ink.max()) - 1)[None])
    box = max(1, round(size * 20 / 28))
    scale = box / max(digit.size)
    digit = digit.resize([max(1, round(edge * scale)) for edge in digit.size], Image.Resampling.LANCZOS)
    mass = torch.frombuffer(bytearray(digit.tobytes()), dtype=torch.uint8).view(digit.height, digit.width).double()
    x = (mass.sum(0) * torch.arange(digit.width)).sum() / mass.sum()
    y = (mass.sum(1) * torch.arange(digit.height)).sum() / mass.sum()
    left = min(max(round(size / 2 - 0.5 - x.item()), 0), size - digit.width)
    top = min(max(round(size / 2 - 0.5 - y.item()), 0), size - digit.height)
    canvas.paste(digit, (left, top))
    return canvas
