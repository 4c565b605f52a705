"""Every scheduler of diffusers that a pipeline's config fits, beside its own: the same prompts and seeds, at two numbers of steps.

Run: python tests/bench/bench_schedulers.py NAME-OR-FOLDER [--json schedulers.json] [--grid schedulers.png]
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import torch

import genart_hub
from genart_hub import images, metrics
from genart_hub.errors import first_line
from genart_hub.evaluate.features import look, pick_features, run

STEPS = (20, 50)
OPTIONS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")  # of the pipeline's own scheduler
SHOWN = 8  # pictures of each row of the grid


def candidates(own) -> dict[str, object]:
    """The pipeline's own scheduler, those that diffusers calls compatible, and its own with other sigmas."""
    found = {type(own).__name__: lambda: own}
    for cls in sorted(own.compatibles, key=lambda cls: cls.__name__):
        found.setdefault(cls.__name__, lambda cls=cls: cls.from_config(own.config))
    for option in OPTIONS:
        found[f"{type(own).__name__}, {option}"] = lambda option=option: type(own).from_config(own.config, **{option: True})
    return found


def main(name: str, count: int, json_file: str | None, grid: str | None) -> None:
    model = genart_hub.from_pretrained(name)
    own, features = model.pipeline.scheduler, pick_features(model)
    labels = torch.arange(0, features.num_classes, features.num_classes // count)[:count]
    prompts, guidance = [features.class_names[k] for k in labels], model.defaults["guidance"]
    x_own, rows, shown = {}, [], []
    for title, make in candidates(own).items():
        row = {"scheduler": title, "rmse": {}, "top_5": {}}
        for num_steps in STEPS:
            try:
                model.pipeline.scheduler = make()
                x = model.sample(len(prompts), 0, prompt=prompts, num_steps=num_steps, guidance=guidance)
            except Exception as error:  # whatever diffusers raises: that it fails is what is measured
                row["error"] = f"{type(error).__name__}: {first_line(error)[:100]}"
                break
            x_own.setdefault(num_steps, x)
            row["rmse"][num_steps] = metrics.squared_error(x_own[num_steps], x).mean().sqrt().item()
            logits = run(features, features.head, look(features, x))
            row["top_5"][num_steps] = metrics.top_k_accuracy(logits, labels, 5).mean().item()
            shown.append(x[:SHOWN])
        print(json.dumps(row), flush=True)
        rows.append(row)
    protocol = (
        f"{len(prompts)} classes of {features.source.name} as prompts, seeds from 0, guidance {guidance:g}; RMSE for pixels in [0, 1] to "
        f"the own scheduler's pictures of as many steps; top 5: the share that {features.source.name} recognises"
    )
    if json_file:
        command = "python tests/bench/bench_schedulers.py " + shlex.join([Path(name).name, "--count", str(count)])
        Path(json_file).write_text(json.dumps({"command": command, "protocol": protocol, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    if grid:
        images.save_png(images.grid(torch.cat(shown), columns=len(STEPS) * SHOWN), grid)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--json")
    parser.add_argument("--grid")
    options = parser.parse_args()
    sys.exit(main(options.name, options.count, options.json, options.grid))
