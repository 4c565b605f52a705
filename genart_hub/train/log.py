"""What a run leaves to look at: metrics.jsonl, TensorBoard's event files, and a grid of samples from the same seeds each time."""

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
from PIL import Image
from tqdm import tqdm

from genart_hub import images
from genart_hub.files import replacing, writing
from genart_hub.train.diagnose import diagnose, explain

LOG, EVENTS, SAMPLES = "metrics.jsonl", "events", "samples"


class Log:
    """The log of the run in `folder`, which stands at `step`: what was written after it is dropped, for those steps come again."""

    def __init__(self, folder: Path, step: int = 0):
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
            self.events = _writer(folder / EVENTS, step)

    def numbers(self, step: int, seconds: float, numbers: dict[str, Any]) -> None:
        """Append a line of numbers, which TensorBoard gets too."""
        line = {"step": step, "seconds": round(seconds, 1), **numbers}
        self.history.append(line)
        with writing(self.file), open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        for name, value in numbers.items():
            if self.events and isinstance(value, int | float):
                with writing(self.folder / EVENTS):
                    self.events.add_scalar(name, value, step)

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
        if self.events:
            levels = numpy.asarray(picture.convert("RGB"))  # (H, W, 3)
            with writing(self.folder / EVENTS):
                self.events.add_image("samples", levels, step, dataformats="HWC")

    def close(self) -> None:
        if self.events:
            with writing(self.folder / EVENTS):
                self.events.close()


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
