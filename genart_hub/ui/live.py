"""A training that a reader watches and steers: the network of the article learns on this machine, and can be stopped between two steps."""

import base64
import io
import json
import math
import os
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.optim import Optimizer

from genart_hub import images
from genart_hub.data import Batches, Pictures
from genart_hub.errors import GenartError, number
from genart_hub.models import MODELS
from genart_hub.train import fit_steps, pick_settings, task_of
from genart_hub.train.diagnose import spread
from genart_hub.train.gan import MOVES
from genart_hub.ui.film import CURVES
from genart_hub.ui.recordings.looks import BINS, drawn, judged

KINDS = ("GAN", "VAE")
SIDE = 28  # px, of the pictures: what the networks of the article see
DIGITS_FILE = Path(__file__).with_name("digits.png")  # 2,000 of MNIST's, fifty a row
FEWEST, MOST = 64, 5_000  # pictures
MOST_BYTES, MOST_UNPACKED = 20_000_000, 200_000_000  # of a picture; of all that are packed
MOST_UPDATES = 60_000
BATCH = 64
LOOK_SECONDS = 1.0
MOST_POINTS = 400  # of a curve
FASTEST = 0.1  # learning rate
STRONG = 5  # steps of D for one of G, where D is to be too strong
WARM, EARLY = 60, 600  # updates until anything can be said, and until pictures that are alike mean something
ALIKE, SURE, EVEN = 0.15, 0.97, 0.65  # the spread of collapsed pictures; how often D is right where it is far ahead, and where it is not


@dataclass(frozen=True)
class Knobs:
    """What a reader turns: learning rates, whether D is made too strong, the weight of R1, and whose step it is (of MOVES)."""

    d_rate: float = 2e-4
    g_rate: float = 2e-4
    strong: bool = False
    r1: float = 0.1
    move: str = MOVES[0]

    def checked(self) -> "Knobs":
        """Raises GenartError for a learning rate that is none."""
        for name in ("d_rate", "g_rate"):
            number("", name, getattr(self, name), 0, FASTEST)
        return self


class Live:
    """A training in hand. pictures: uint8 (N, C, 28, 28). What is drawn and judged is always of the same seeds."""

    def __init__(self, kind: str, pictures: Tensor, seed: int = 0):
        cls: Any = MODELS[kind]
        self.family = cls.family
        self.settings = pick_settings(cls.family, "default", batch_size=BATCH)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = cls(image_size=SIDE, channels=pictures.shape[1])
        self.batches = Batches(Pictures(pictures, None, Path("pictures")), BATCH, seed)
        self.updates = fit_steps(self._step, self.batches, MOST_UPDATES, seed=seed, progress=False)
        self.knobs, self.done, self.spent = Knobs(), 0, 0.0
        self.steps: list[int] = []
        self.curves: dict[str, list[float]] = {name: [] for name in CURVES[self.family]}

    @cached_property
    def learning(self) -> tuple[Callable[..., dict[str, Tensor]], list[Optimizer]]:
        """The step and its optimizers, made by the first update: an optimizer imports torch's compiler, which takes a second."""
        step, optimizers = task_of(type(self.model)).make_step(self.model, self.settings)
        return step, list(optimizers.values())

    def _step(self, x: Tensor, noise: Any) -> dict[str, Tensor]:
        step, optimizers = self.learning
        if self.family != "gan":
            optimizers[0].param_groups[0]["lr"] = self.knobs.g_rate
            return step(self.model, *optimizers, x, noise=noise)
        for optimizer, rate in zip(optimizers, (self.knobs.g_rate, self.knobs.d_rate), strict=True):
            optimizer.param_groups[0]["lr"] = rate
        alone = self.knobs.strong and noise.step % STRONG
        move = "discriminator" if alone and self.knobs.move == "both" else self.knobs.move
        return step(self.model, *optimizers, x, noise=noise, r1=self.knobs.r1, move=move)

    def advance(self, seconds: float = LOOK_SECONDS) -> None:
        """Go on for so long, one update at least. Raises GenartError where the numbers are no numbers any more."""
        begun, sums, count = time.perf_counter(), dict.fromkeys(self.curves, 0.0), 0
        while not count or time.perf_counter() - begun < seconds:
            try:
                self.done, numbers = next(self.updates)
            except StopIteration:
                raise GenartError("live_over", count=self.done) from None
            except GenartError as error:  # the loop's own sentence is for a command
                raise GenartError("live_diverged") from error
            count += 1
            sums = {name: total + float(numbers[name]) for name, total in sums.items()}
            if not all(map(math.isfinite, sums.values())):
                raise GenartError("live_diverged")
        self.spent += time.perf_counter() - begun
        self.steps.append(self.done)
        for name, total in sums.items():
            self.curves[name].append(total / count)
        if len(self.steps) > MOST_POINTS:  # a long one is told more coarsely
            self.steps = self.steps[::2]
            self.curves = {name: values[::2] for name, values in self.curves.items()}

    def look(self) -> tuple[str, str]:
        """What film.js is told, and the key of what it means."""
        x, bars = drawn(self.model, self.batches), judged(self.model, self.batches)
        told = {
            "sheet": _address(x), "side": SIDE, "pictures": len(x), "live": True,
            "steps": self.steps or [0], "curves": {name: values or [0.0] for name, values in self.curves.items()},
            "bars": {name: [values] for name, values in bars.items()},
        }  # fmt: skip
        return json.dumps(told, separators=(",", ":")), self.meaning(x, bars)

    def meaning(self, x: Tensor, bars: dict[str, Sequence[float]]) -> str:
        """Which sentence says what is going on."""
        if self.done < WARM:
            return "live_noise"
        if self.family == "vae":
            return "live_silent" if sum(bars["nats"]) < 0.5 else "live_vae"
        if self.done >= EARLY and spread(x, self.batches.some(len(x))) < ALIKE:
            return "live_collapse"
        half = BINS // 2
        right = (sum(bars["real"][half:]) / sum(bars["real"]) + sum(bars["made"][:half]) / sum(bars["made"])) / 2
        return "live_ahead" if right > SURE else "live_even" if right < EVEN else "live_game"

    def close(self) -> None:
        self.updates.close()


def _address(x: Tensor) -> str:
    """Pictures as the sheet of one frame, an address that holds it. x: (P, C, H, W) in [-1, 1]."""
    file = io.BytesIO()
    images.to_pil(x.permute(1, 0, 2, 3).flatten(1, 2)).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


@cache
def digits() -> Tensor:
    """The digits that ship: uint8 (2000, 1, 28, 28)."""
    sheet = torch.frombuffer(bytearray(images.open_picture(DIGITS_FILE).convert("L").tobytes()), dtype=torch.uint8)
    rows = sheet.reshape(-1, SIDE, 50, SIDE)
    return rows.permute(0, 2, 1, 3).reshape(-1, 1, SIDE, SIDE).contiguous()


def pictures_of(files: Sequence[str]) -> Tensor:
    """A reader's pictures, files or one zip of them, as uint8 (N, C, 28, 28): the middle of each, grey where none has colours.

    Nothing is unpacked to the disk, and no more than MOST pictures of MOST_UNPACKED bytes are read. What is no picture is left out.
    Raises GenartError for fewer than FEWEST, and for more than MOST.
    """
    found = list(_opened(files))
    if len(found) < FEWEST:
        raise GenartError("live_few", count=len(found), low=FEWEST)
    coloured = any(_has_colours(picture) for picture in found)
    tensors = [torch.frombuffer(bytearray(p.convert("RGB" if coloured else "L").tobytes()), dtype=torch.uint8) for p in found]
    return torch.stack(tensors).reshape(len(found), SIDE, SIDE, -1).permute(0, 3, 1, 2).contiguous()


def _opened(files: Sequence[str]) -> Any:
    """The pictures, each made small at once."""
    if len(files) > MOST:
        raise GenartError("live_many", count=len(files), high=MOST)
    for file in files:
        if not zipfile.is_zipfile(file):
            yield from _small(file)
            continue
        with zipfile.ZipFile(file) as packed:
            members = [one for one in packed.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
            if len(members) > MOST:
                raise GenartError("live_many", count=len(members), high=MOST)
            left = MOST_UNPACKED
            for one in members:
                left -= one.file_size
                if left < 0 or one.file_size > MOST_BYTES:
                    raise GenartError("live_large", limit=MOST_UNPACKED // 1_000_000)
                try:
                    with packed.open(one) as stream:
                        content = stream.read(one.file_size + 1)
                except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error):
                    continue
                yield from _small(io.BytesIO(content))


def _small(file: Any) -> Any:
    """The middle of a picture at 28 px; nothing of what is no picture."""
    try:
        picture = images.flatten(images.open_picture(file, "picture"))
    except GenartError:
        return
    yield ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS)


def _has_colours(picture: Image.Image) -> bool:
    red, green, blue = picture.split()
    return red.tobytes() != green.tobytes() or green.tobytes() != blue.tobytes()


def allowed() -> bool:
    """Whether a reader may train here: on a machine of one's own, and on a Space where GENART_TRAINING is 1."""
    return os.environ.get("GENART_TRAINING", "0" if os.environ.get("SPACE_ID") else "1") == "1"


class Owner:
    """The one training of a server: whose page it is of, and whether it is at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.page: str | None = None
        self.live: Live | None = None
        self.at_work, self.left = False, False

    def begin(self, page: str, make: Any) -> Live:
        """The page's training, made anew by make() where it has none; it is at work until `end`. Raises GenartError while another's is."""
        if not allowed():
            raise GenartError("live_off")
        with self._lock:
            if self.at_work:
                raise GenartError("live_busy" if self.page != page else "live_running")
            if self.live is None or self.page != page:
                self.drop()
                self.page, self.live = page, make()
            self.at_work = True
            return self.live

    def end(self) -> None:
        """It is not at work any more; where its page has gone, or it broke, nothing of it is kept."""
        with self._lock:
            self.at_work = False
            if self.left:
                self.drop()

    def of(self, page: str) -> Live | None:
        return self.live if self.page == page and not self.left else None

    def leave(self, page: str) -> None:
        """A page is closed, starts anew, or has broken its network: nothing of it is kept, once it is not at work."""
        with self._lock:
            if self.page == page:
                self.left = True
                if not self.at_work:
                    self.drop()

    def drop(self) -> None:
        if self.live:
            self.live.close()
        self.page, self.live, self.left = None, None, False


OWNER = Owner()
