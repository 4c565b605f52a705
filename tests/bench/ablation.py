"""One GAN, many objectives: each trained with some seeds, measured under one protocol, as a table and curves for the card of gan-mnist.

Run: python tests/bench/ablation.py --data mnist [--runs runs/ablation] [--seeds 3] [--no-train]. It trains what is missing (a run that was
cut goes on), measures what was not measured yet, and writes ablation.json and ablation.png into weights/gan-mnist; `genart-hub card`
shows both. --data: a folder with train.parquet and test.parquet. --no-train: of the runs that are there.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import genart_hub
from genart_hub import data, images
from genart_hub.evaluate import evaluate
from genart_hub.evaluate.features import network_name, network_of
from genart_hub.files import replacing, sha256_of
from genart_hub.hub.cards.ablation import ABLATION, CURVES
from genart_hub.hub.names import WEIGHTS

VARIANTS = {
    "non-saturating": ["--objective", "non-saturating", "--r1", "0"],  # the article's own
    "non-saturating-r1": ["--objective", "non-saturating", "--r1", "0.1"],
    "wasserstein-gp": ["--objective", "wasserstein", "--r1", "0", "--gp", "10"],
    "hinge": ["--objective", "hinge", "--r1", "0"],
    "relativistic-r1-r2": ["--objective", "relativistic", "--r1", "0.1", "--r2", "0.1"],
}
METRICS = {
    "frechet": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
    "evenness": "evenness of the classes",
}
FEATURES = "features-mnist"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, SCALE = 760, 440, 70, 190, 40, 54, 2  # px; drawn larger and made smaller, for smooth edges
COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (148, 103, 189), (214, 39, 40))
INK, GREY, LIGHT = (30, 30, 30), (120, 120, 120), (225, 225, 225)


def finished(run: Path) -> bool:
    """Whether a training came to its end: its last act is to write training.json."""
    return (run / "training.json").is_file()


def train(name: str, seed: int, folder: Path, epochs: int, runs: Path) -> None:
    out = runs / f"{name}-{seed}"
    if finished(out):
        return
    words = ["train", "gan", "--data", str(folder / "train.parquet"), "--epochs", str(epochs), "--seed", str(seed), *VARIANTS[name]]
    subprocess.run(
        [sys.executable, "-m", "genart_hub", *words, "--out", str(out), *["--resume"] * (out / "checkpoint.safetensors").is_file()],
        check=True,
    )


def curve(run: Path) -> list[tuple[int, float]]:
    """The Fréchet distance that the training itself took, by the step."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["step"], row["score"]) for row in rows if isinstance(row.get("score"), float) and math.isfinite(row["score"])]


def measured(run: Path, seed: int, test: data.Pictures, network: Any, before: dict[str, Any]) -> dict[str, Any]:
    """What the last state of a run is worth. before: what was measured, by the hash of the weights."""
    sha256 = sha256_of(run / WEIGHTS)
    if (there := before.get(sha256)) is None:
        found = {measure.metric: measure for measure in evaluate(genart_hub.from_pretrained(run), test, network)}
        there = {"measures": {key: found[key].value for key in METRICS}, "real": {key: found[key].real for key in METRICS}}
    training = json.loads((run / "training.json").read_text(encoding="utf-8"))
    told = {"seed": seed, "weights_sha256": sha256, "seconds": training["seconds"], "steps": training["steps"]}
    return told | {key: there[key] for key in ("measures", "real")} | {"curve": curve(run)}


# ---- the curves ----


def band(runs: list[dict[str, Any]]) -> list[tuple[int, float, float, float]]:
    """(step, mean, low, high) of the runs at each step that all of them have: low and high are a standard deviation away in log."""
    curves = [dict(map(tuple, run["curve"])) for run in runs]
    points = []
    for step in sorted(set.intersection(*map(set, curves))):
        logs = [math.log10(curve[step]) for curve in curves]
        mean, std = statistics.mean(logs), statistics.stdev(logs) if len(logs) > 1 else 0.0
        points.append((step, 10**mean, 10 ** (mean - std), 10 ** (mean + std)))
    return points


def plot(report: dict[str, Any]) -> Image.Image:
    """The Fréchet distance, in log, over the steps: a line an objective, its seeds' geometric mean, in a band of a standard deviation."""
    bands = {variant["name"]: band(variant["runs"]) for variant in report["variants"] if variant["runs"]}
    values = [value for points in bands.values() for point in points for value in point[1:]]
    low, high = math.log10(min(values)) - 0.05, math.log10(max(values)) + 0.05
    last = max(point[0] for points in bands.values() for point in points)
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    draw = ImageDraw.Draw(image, "RGBA")

    def at(step: float, value: float) -> tuple[float, float]:
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(value) - low) / (high - low)
        return (LEFT + (WIDTH - LEFT - RIGHT) * step / last) * SCALE, y * SCALE

    def write(x: float, y: float, text: str, fill: tuple[int, int, int], size: int, anchor: str) -> None:
        draw.text((x, y), text, fill, ImageFont.load_default(size * SCALE), anchor=anchor)

    for tick in (digit * 10**power for power in range(5) for digit in (1, 2, 5)):
        if low <= math.log10(tick) <= high:
            (x, y), (end, _) = at(0, tick), at(last, tick)
            draw.line([x, y, end, y], LIGHT, SCALE)
            write(x - 8 * SCALE, y, f"{tick:,}", GREY, 12, "rm")
    for step in range(0, last + 1, 2000):
        x, y = at(step, 10**low)
        write(x, y + 8 * SCALE, f"{step:,}", GREY, 12, "mt")
    write(image.width / 2 - (RIGHT - LEFT) / 2 * SCALE, 12 * SCALE, "Frechet distance of 1,000 samples", INK, 16, "mt")
    write(image.width / 2 - (RIGHT - LEFT) / 2 * SCALE, image.height - 8 * SCALE, "steps", GREY, 13, "mb")
    names = []
    for (name, points), colour in zip(bands.items(), COLOURS, strict=False):
        over, under = [at(step, top) for step, _, _, top in points], [at(step, bottom) for step, _, bottom, _ in points]
        draw.polygon([*over, *reversed(under)], fill=(*colour, 50))
        draw.line([at(step, mean) for step, mean, _, _ in points], colour, 2 * SCALE)
        names.append((at(points[-1][0], points[-1][1]), name, colour))
    y = 0.0
    for (x, wanted), name, colour in sorted(names):  # of one x: from the top down, none over another
        y = max(wanted, y + 15 * SCALE) if y else wanted
        write(x + 8 * SCALE, y, name, colour, 12, "lm")
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def main(options: argparse.Namespace) -> None:
    folder, runs, out = Path(options.data), Path(options.runs), Path(options.out)
    if not options.no_train:
        for seed in range(options.seeds):  # one of each objective first
            for name in VARIANTS:
                train(name, seed, folder, options.epochs, runs)
    network = network_of(FEATURES)
    test = data.load(folder / "test.parquet", network.image_size, network.channels)
    old = json.loads((out / ABLATION).read_text(encoding="utf-8")) if (out / ABLATION).is_file() else {"variants": []}
    before = {run["weights_sha256"]: run for variant in old["variants"] for run in variant["runs"]}
    variants = []
    for name, words in VARIANTS.items():
        done = [seed for seed in range(options.seeds) if finished(runs / f"{name}-{seed}")]
        each = [measured(runs / f"{name}-{seed}", seed, test, network, before) for seed in done]
        variants.append({"name": name, "options": " ".join(words), "runs": each})
        print(name, [round(run["measures"]["frechet"], 1) for run in each], flush=True)
    real = next((run["real"] for variant in variants for run in variant["runs"]), None)
    if real is None:
        sys.exit(f"No finished run in {runs}. Leave --no-train out.")
    half = min(2500, len(test) // 2)
    report = {
        "command": f"python tests/bench/ablation.py --data {folder.name} --seeds {options.seeds} --epochs {options.epochs}",
        "protocol": f"{half:,} samples (seeds from 0) of the last state, evenness 2,000 of them, against {half:,} pictures of "
        f"{folder.name}/test.parquet, real: {half:,} others; {network_name(network)}",
        "epochs": options.epochs,
        "seeds": options.seeds,
        "metrics": METRICS,
        "real": real,
        "variants": variants,
    }
    with replacing(out / ABLATION) as file:
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    images.save_png(plot(report), out / CURVES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--runs", default="runs/ablation")
    parser.add_argument("--out", default="weights/gan-mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--no-train", action="store_true")
    main(parser.parse_args())
