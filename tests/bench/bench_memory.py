"""Peak anonymous memory (RssAnon) of training on folders of 500 and of 8,000 pictures: it does not grow with the dataset. Linux only.

Run: python tests/bench/bench_memory.py. Each training, decoding included, is a process of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

TRAIN = "import sys; from genart_hub.cli import main; sys.exit(main(sys.argv[1:]))"


def peak_of(process: subprocess.Popen) -> int:
    """The largest RssAnon of a process until it ends, in bytes."""
    peak = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        peak = max([peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))])
        time.sleep(0.02)
    return peak


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        for count in (500, 8000):
            folder = Path(root) / str(count)
            folder.mkdir()
            for k in range(count):
                Image.frombytes("RGB", (64, 64), os.urandom(3 * 64 * 64)).save(folder / f"{k:05}.png", compress_level=1)
            words = ["train", "dcgan", "--data", str(folder), "--out", f"{folder}-run", "--epochs", "1", "--set", "width=8"]
            words += ["--batch-size", "64"]
            environment = os.environ | {"GENART_CACHE": f"{root}/cache"}
            process = subprocess.Popen([sys.executable, "-c", TRAIN, *words], env=environment, stderr=subprocess.DEVNULL)
            peak = peak_of(process)
            if process.wait():
                raise SystemExit(f"training on {count} pictures failed")
            print(f"{count:,} pictures ({count * 3 * 64 * 64 / 1e6:.0f} MB decoded): peak RssAnon {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
