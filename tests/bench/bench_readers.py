"""20 readers at once with mixed requests, then one greedy client beside a patient reader. Linux only.

Run: python tests/bench/bench_readers.py. The app and its readers share the machine; each reader has an address, a language and seeds of
its own. A wait is what a request took beyond the same one on an idle app.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
from bench_app import free_port

from genart_hub.ui.examples import save_digits

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("en-US", "zh-CN")
MARKS = (10, 30, 60)  # seconds after which the server's memory is told


class Reader:
    """A page that asks as a browser does: it joins the line, reads its stream of events, and fetches the first file of an answer."""

    def __init__(self, url: str, address: str, page: str, lang: str = "en"):
        self.api, self.page = f"{url}/gradio_api", page
        self.client = httpx.Client(headers={"x-forwarded-for": address, "accept-language": lang}, timeout=httpx.Timeout(600, connect=60))
        config = self.client.get(f"{url}/config").json()
        holds = {one["id"]: one["props"].get("value") for one in config["components"]}
        self.numbers = {function["api_name"]: function["id"] for function in config["dependencies"]}
        self.usual = {function["api_name"]: [holds[one] for one in function["inputs"]] for function in config["dependencies"]}

    def upload(self, path: str) -> dict:
        answer = self.client.post(f"{self.api}/upload", files={"files": (Path(path).name, Path(path).read_bytes())})
        return {"path": answer.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}

    def join(self, call: str, data: list) -> str:
        """Ask for a job; the fields that `data` leaves out hold what they hold on the page. Returns its name."""
        body = {"fn_index": self.numbers[call], "data": data + self.usual[call][len(data) :], "session_hash": self.page}
        return self.client.post(f"{self.api}/queue/join", json=body).raise_for_status().json()["event_id"]

    def listen(self, *jobs: str) -> dict[str, str | None]:
        """Read until all these jobs are answered. Returns the error of each, or None."""
        answered: dict[str, str | None] = {}
        with self.client.stream("GET", f"{self.api}/queue/data", params={"session_hash": self.page}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[6:]) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    answered[message["event_id"]] = None if message["success"] else str(message["output"])
                    self.fetch(message["output"].get("data") or [])
                if answered.keys() >= set(jobs):
                    return answered
        raise RuntimeError("the stream ended before its answers")

    def fetch(self, answer: list) -> None:
        if shown := next((part for part in answer if isinstance(part, dict) and part.get("url")), None):
            self.client.get(shown["url"]).raise_for_status()

    def click(self, call: str, data: list) -> float:
        """The seconds until a job is answered; raises where the answer is an error."""
        begun, job = time.perf_counter(), self.join(call, data)
        if error := self.listen(job)[job]:
            raise RuntimeError(f"{call}: {error}")
        return time.perf_counter() - begun


def requests_of(picture: dict, k: int) -> dict[str, tuple[str, list]]:
    """What reader k asks for."""
    prompt, seed = ("red apple", "红苹果")[k % 2], 1000 * k
    return {
        "16 digits": ("sample", [("gan-mnist", "dcgan-mnist")[k % 2], 16, seed, 1, "", ""]),
        "16 emoji": ("sample", ["dcgan-emoji", 16, seed, 1, "", ""]),
        "a prompt": ("sample", ["tiny-sd-emoji", 1, seed, 1, "", prompt]),
        "a walk": ("walk", ["vae-mnist", f"{seed}, {seed + 1}, {seed + 2}", "slerp", 48, 24, True, 1, ""]),
        "a reconstruction": ("reconstruct", [picture, "vae-mnist", True]),
        "an inversion": ("invert", [picture, "gan-mnist", True, 100]),
        "a comparison": ("compare_on_page", [2, seed, 1, "", "digits", "", ""]),
    }


def memory(process: subprocess.Popen) -> float:
    """RssAnon, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("RssAnon"))


def serve(folder: str) -> tuple[subprocess.Popen, str]:
    port = free_port()
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder, "GENART_MODEL_MEMORY_MB": "2000"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL)
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}", timeout=5).raise_for_status()
            return process, f"http://127.0.0.1:{port}"
        except httpx.HTTPError:
            time.sleep(0.05)


def mixed(url: str, process: subprocess.Popen, readers: int, seconds: float, digit: str) -> None:
    asking = [Reader(url, f"198.51.100.{k}", f"page-{k}", LANGUAGES[k % 2]) for k in range(readers)]
    wanted = [requests_of(reader.upload(digit), k) for k, reader in enumerate(asking)]
    idle = {}
    for name, (call, data) in wanted[0].items():  # the first one loads the model
        idle[name] = min(asking[0].click(call, data) for _ in range(4))
    print("idle: " + ", ".join(f"{name} {took:.2f} s" for name, took in idle.items()))
    waits: list[list[float]] = [[] for _ in asking]
    took: list[float] = []
    errors, used, begun = [], [], time.perf_counter()
    stop = begun + seconds

    def read(k: int) -> None:
        names = list(itertools.islice(itertools.cycle(wanted[k]), k, k + len(wanted[k])))
        for name in itertools.cycle(names):
            if time.perf_counter() > stop:
                return
            try:
                took.append(needed := asking[k].click(*wanted[k][name]))
                waits[k].append(needed - idle[name])
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=read, args=(k,)) for k in range(readers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        used.append(memory(process))
        time.sleep(1)
    lasted = time.perf_counter() - begun
    longest = [max(mine) for mine in waits]
    every = sorted(wait for mine in waits for wait in mine)
    print(f"{readers} readers, {seconds:.0f} s: {len(every)} answers, {len(errors)} errors {errors[:1] or ''}")
    p50, p95 = (statistics.quantiles(took, n=100)[share - 1] for share in (50, 95))
    print(f"{len(every) / lasted:.1f} answers/s; an answer: p50 {p50:.1f} s, p95 {p95:.1f} s")
    print(f"wait of a request: median {statistics.median(every):.1f} s, longest {every[-1]:.1f} s")
    middle = statistics.median(longest)
    print(f"longest wait of each reader: median {middle:.1f} s, largest {max(longest):.1f} s, {max(longest) / middle:.2f} times the median")
    told = ", ".join(f"{used[second]:.0f} MB at {second} s" for second in MARKS if second < len(used))
    print(f"memory (RssAnon): {told}, at the end {used[-1]:.0f} MB, most {max(used):.0f} MB")


def greedy(url: str, jobs: int, clicks: int, digit: str) -> None:
    """Long jobs of one page, then of as many pages of one address; a reader of another address clicks meanwhile."""
    patient = Reader(url, "198.51.100.200", "patient")
    for pages in (1, jobs):
        asking = [Reader(url, "203.0.113.9", f"greedy-{pages}-{k}") for k in range(pages)]
        picture = asking[0].upload(digit)
        asked = [
            (reader, [reader.join("invert", [picture, "dcgan-emoji", False, 1000]) for _ in range(jobs // pages)]) for reader in asking
        ]
        answers: dict[str, str | None] = {}

        def hear(reader: Reader, names: list[str]) -> None:
            with suppress(httpx.HTTPError):  # the end of the app
                answers.update(reader.listen(*names))  # noqa: B023

        for one in asked:
            threading.Thread(target=hear, args=one, daemon=True).start()
        time.sleep(3)
        times = [patient.click("sample", ["dcgan-emoji", 16, 16 * k, 1, "", ""]) for k in range(clicks)]
        print(f"beside {jobs} inversions of 1,000 steps from {pages} page(s) of one address: "
              f"a click to 16 emoji takes {statistics.median(times):.1f} s, at most {max(times):.1f} s")  # fmt: skip
        for reader in asking:
            reader.client.close()
        time.sleep(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        digit = save_digits(Path(folder))[3]
        process, url = serve(folder)
        try:
            mixed(url, process, options.readers, options.seconds, digit)
            greedy(url, 40, 10, digit)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    main()
