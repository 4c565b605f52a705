"""What a run left in its folder."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file


def states(folder):
    return {str(file.relative_to(folder)): load_file(file) for file in sorted(Path(folder).rglob("*.safetensors"))}


def same(a, b):
    assert a.keys() == b.keys()
    return all(a[file].keys() == b[file].keys() and all(torch.equal(a[file][key], b[file][key]) for key in a[file]) for file in a)


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
