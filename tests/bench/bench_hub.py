"""Loading a cached 200 MB Hub model with local_files_only beside its folder, alternating. Run: python tests/bench/bench_hub.py"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def seconds(cls: type, name: str | Path, **options) -> float:
    begun = time.perf_counter()
    model = cls.from_pretrained(name, **options)
    with torch.no_grad():
        sum(parameter.sum().item() for parameter in model.parameters())
    return time.perf_counter() - begun


def main(rounds: int = 15) -> None:
    from hub_server import HubServer

    with HubServer({"write": "me"}) as hub, tempfile.TemporaryDirectory() as root:
        os.environ |= hub.environment(Path(root, "cache"), token="write")  # before the client is imported
        from bench_load import Ours

        folder = Path(root, "model")
        model = Ours()
        model.save_pretrained(folder)
        model.push_to_hub("me/big", license="mit")
        Ours.from_pretrained("me/big")
        pairs = [(seconds(Ours, "me/big", local_files_only=True), seconds(Ours, folder)) for _ in range(rounds + 1)][1:]
    cached, local = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"200 MB: from the cache {cached * 1000:.1f} ms, from a folder {local * 1000:.1f} ms: {ratio:.2f}x (medians of {rounds} pairs)")


if __name__ == "__main__":
    main()
