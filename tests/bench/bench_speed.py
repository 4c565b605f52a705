"""Pictures a second of each bundled model in batches of 64, or of 16 where it takes a prompt, at its own number of steps.

Run: python tests/bench/bench_speed.py [--json tests/bench/speed.json], from where the table of models in README has them. The fastest
round counts: what else runs on the machine only ever slows one down.
"""

import argparse
import json
import time
from pathlib import Path

import genart_hub


def pictures_per_second(name: str, rounds: int = 30) -> float:
    model = genart_hub.from_pretrained(name)
    n, request = (16, {"prompt": "red apple"}) if model.family == "diffusion" else (64, {})
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        model.sample(n, 0, **request)
        seconds.append(time.perf_counter() - begun)
    return n / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    file = parser.parse_args().json
    speeds = {}
    for name in genart_hub.bundled():
        speeds[name] = float(f"{pictures_per_second(name):.2g}")
        print(f"{name:<16} {speeds[name]:>10,.4g} pictures/s", flush=True)
    if file:
        file.write_text(json.dumps(speeds, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
