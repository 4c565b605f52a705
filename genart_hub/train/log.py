"""What a run leaves to look at: metrics.jsonl, what a tracker makes of it, and a grid of samples from the same seeds each time."""

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
from huggingface_hub import constants
from PIL import Image
from tqdm import tqdm

from genart_hub import images
from genart_hub.errors import GenartError, choice, first_line
from genart_hub.files import replacing, writing
from genart_hub.train.diagnose import diagnose, explain

LOG, EVENTS, SAMPLES = "metrics.jsonl", "events", "samples"
TRACKERS = ("tensorboard", "trackio", "wandb")  # of those that accelerate has
PROJECT = "genart-hub"  # where trackio and W&B keep the runs


class Log:
    """The log of the run in `folder`, which stands at `step`: what was written after it is dropped, for those steps come again.

    trackers: names of TRACKERS, or trackers as accelerate has them; without any, TensorBoard's events are written where it is installed.
    about: what they are told of the run.
    """

    def __init__(self, folder: Path, step: int = 0, trackers: Sequence[Any] = (), about: dict[str, Any] | None = None):
        self.file, self.folder = folder / LOG, folder
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.history: list[dict[str, Any]] = []
        if self.file.is_file():
            lines = [line for line in self.file.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            self.history = [json.loads(line) for line in lines]
            with replacing(self.file) as file:
                file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        with writing(folder / EVENTS):
            self.events = None if trackers else _writer(folder / EVENTS, step)
            self.trackers = _started(trackers, folder, step, about) if trackers else []

    def numbers(self, step: int, seconds: float, numbers: dict[str, Any]) -> None:
        """Append a line of numbers, which the trackers get too."""
        line = {"step": step, "seconds": round(seconds, 1), **numbers}
        self.history.append(line)
        with writing(self.file), open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        values = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
        with writing(self.folder / EVENTS):
            if self.events:
                for name, value in values.items():
                    self.events.add_scalar(name, value, step)
            for tracker in self.trackers if values else ():
                tracker.log(values, step=step)

    def diagnose(self, step: int, seconds: float, num_steps: int) -> None:
        """Say what the log shows of a run that fails, once, and write it down."""
        told = {line.get("diagnosis") for line in self.history}
        for code in sorted(diagnose(self.history, num_steps) - told):
            tqdm.write(f"step {step:,}: {explain(code, self.history)}", file=sys.stderr)
            self.numbers(step, seconds, {"diagnosis": code})

    def grid(self, step: int, picture: Image.Image) -> None:
        """Keep a grid of samples as samples/step-N.png."""
        with writing(self.folder / SAMPLES):
            (self.folder / SAMPLES).mkdir(exist_ok=True)
        images.save_png(picture, self.folder / SAMPLES / f"step-{step:08d}.png")
        levels = numpy.asarray(picture.convert("RGB"))  # (H, W, 3)
        with writing(self.folder / EVENTS):
            if self.events:
                self.events.add_image("samples", levels, step, dataformats="HWC")
            for tracker in self.trackers:
                _track_picture(tracker, levels, step)

    def close(self) -> None:
        with writing(self.folder / EVENTS), redirect_stdout(sys.stderr):
            if self.events:
                self.events.close()
            for tracker in self.trackers:
                tracker.finish()


def check_trackers(trackers: Sequence[Any]) -> None:
    """Refuse a name that is none of TRACKERS, and one whose package is not installed."""
    for name in (tracker for tracker in trackers if isinstance(tracker, str)):
        choice("train", "tracker", name, TRACKERS)
        if find_spec(name) is None:
            raise GenartError("needs_package", package=name, install='"genart-hub[train]"' if name == "tensorboard" else name)


def _started(trackers: Sequence[Any], folder: Path, step: int, about: dict[str, Any] | None) -> list[Any]:
    """Accelerate's trackers of these names, and those of one's own, started. Offline, W&B keeps its run in `folder`."""
    check_trackers(trackers)
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState()  # they ask it which process this is
    run = {"run_name": PROJECT, "name": "/".join(folder.parts[-3:]).strip("/"), "config": about}
    options: dict[str, dict[str, Any]] = {
        "tensorboard": {"run_name": EVENTS, "logging_dir": folder, "purge_step": step + 1 if step else None},
        "trackio": run,
        "wandb": {**run, "dir": folder, "mode": "offline" if constants.HF_HUB_OFFLINE else None},
    }
    if "tensorboard" in trackers:
        _try_to_write(folder / EVENTS)
    started = [LOGGER_TYPE_TO_CLASS[one](**options[one]) if isinstance(one, str) else one for one in dict.fromkeys(trackers)]
    for tracker in started:
        try:
            with redirect_stdout(sys.stderr):
                tracker.start()
        except Exception as error:  # no key, no network, a server that refuses
            raise GenartError("tracker_refused", name=tracker.name, reason=first_line(error)) from error
    return started


def _track_picture(tracker: Any, levels: numpy.ndarray, step: int) -> None:
    """levels: (H, W, 3). A tracker that takes no pictures gets none."""
    if hasattr(tracker, "log_images"):
        tracker.log_images({"samples": levels[None]}, step=step, **({"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}))
    elif tracker.name == "trackio":
        tracker.log({"samples": import_module("trackio").Image(levels)}, step=step)


def _try_to_write(folder: Path) -> None:
    """Raise OSError where nothing can be written: TensorBoard would find out in a thread of its own, and print a traceback."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(4096))
        file.flush()


def _writer(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    _try_to_write(folder)
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def _step_of(line: str) -> float:
    """The step of a line of the log; a line that was cut counts as after everything."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
