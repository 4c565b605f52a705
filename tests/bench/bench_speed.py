"""Pictures a second of each bundled model on one CPU core, in batches of 64, or of 16 where it takes a prompt (at its own steps).

Run: python tests/bench/bench_speed.py [--json tests/bench/speed.json], from where README's table of models has them. It is the processor's
time of one thread that is counted, in the fastest round, so that what else runs on the machine hardly matters.
"""

import argparse
import json
import time
from pathlib import Path

import torch

import genart_hub


def pictures_per_second(name: str) -> float:
    model = genart_hub.from_pretrained(name)
    n, rounds = (16 if model.prompted else 64), (5 if model.tells_steps else 30)
    request = {"prompt": "red apple"} if model.prompted else {}
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        model.sample(n, 0, **request)
        seconds.append(time.process_time() - begun)
    return n / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    file = parser.parse_args().json
    torch.set_num_threads(1)
    speeds = {}
    for name in genart_hub.bundled():
        speeds[name] = float(f"{pictures_per_second(name):.2g}")
        print(f"{name:<16} {speeds[name]:>8,g} pictures/s", flush=True)
    if file:
        file.write_text(json.dumps(speeds, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
