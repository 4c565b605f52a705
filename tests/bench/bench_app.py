"""From `python app.py` to the served page, and from a click to 16 pictures through the API. Run: python tests/bench/bench_app.py"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from gradio_client import Client

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(folder: str) -> tuple[subprocess.Popen, str, float]:
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return process, url, time.perf_counter() - begun
        except OSError:
            time.sleep(0.02)


def serve_often(folder: str, starts: int) -> tuple[subprocess.Popen, str, list[float]]:
    """Start the app so many times; the last one stays. Returns its process, its address, and the seconds of each start."""
    seconds = []
    for k in range(starts):
        process, url, start = serve(folder)
        seconds.append(start)
        if k < starts - 1:
            process.terminate()
            process.wait()
    return process, url, seconds


def main(starts: int = 5, clicks: int = 100) -> None:
    with tempfile.TemporaryDirectory() as served, tempfile.TemporaryDirectory() as fetched:
        process, url, seconds = serve_often(served, starts)
        print(f"python app.py to page: median {statistics.median(seconds):.2f} s of {starts} starts (worst {max(seconds):.2f} s)")
        client = Client(url, verbose=False, download_files=fetched)
        client.predict("gan-mnist", 16, 0, 1, api_name="/sample")
        times = []
        for k in range(clicks):
            begun = time.perf_counter()
            client.predict("gan-mnist", 16, 16 * k, 1, api_name="/sample")
            times.append(time.perf_counter() - begun)
        cuts = statistics.quantiles(times, n=20)
        print(f"click to 16 pictures, downloaded: p50 {cuts[9] * 1000:.0f} ms, p95 {cuts[18] * 1000:.0f} ms of {clicks} clicks")
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
