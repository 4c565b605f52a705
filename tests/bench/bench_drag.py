"""From a move of a bar of the opened VAE to its picture, in a browser. Run: python tests/bench/bench_drag.py"""

import shutil
import statistics
import sys
import tempfile

from bench_app import serve
from playwright.sync_api import sync_playwright

EXAMPLES = {"conv-vae-emoji": 6, "vae-mnist": 2}  # a picture to try, by the VAE that opens it
DRAG = """async (seconds) => {
  const bar = document.querySelector(".opened-bar"), track = bar.querySelector(".track"), panel = bar.closest(".opened").parentElement;
  let root = panel;
  const times = [], note = (event) => requestAnimationFrame(() => times.push(event.detail + performance.now() - event.timeStamp));
  for (; root; root = root.parentElement) root.addEventListener("drawn", note);
  const { left, top, height } = track.getBoundingClientRect(), begun = performance.now();
  const point = (type, k) => bar.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, bubbles: true, isPrimary: true, clientX: left + 2, clientY: top + height * (0.5 + 0.45 * Math.sin(k / 12)), buttons: 1,
  }));
  const held = bar.hasPointerCapture;
  [bar.setPointerCapture, bar.hasPointerCapture] = [() => {}, () => true];
  point("pointerdown", 0);
  for (let k = 1; performance.now() - begun < 1000 * seconds; k++) {
    point("pointermove", k);
    await new Promise(requestAnimationFrame);
  }
  bar.hasPointerCapture = held;
  await new Promise((done) => setTimeout(done, 1000));
  return times;
}"""


def main(seconds: float = 20) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as served, sync_playwright() as driver:
        process, url, _ = serve(served)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            page.set_default_timeout(120_000)
            page.goto(f"{url}/?tab=reconstruction&lang=en")
            for name, place in EXAMPLES.items():
                page.locator("button.pick:visible").nth(place).click()
                page.wait_for_function("(name) => document.querySelector('.opened-lead').textContent.includes(`, as ${name}`)", arg=name)
                page.locator(".opened-sliders input").first.wait_for()
                page.locator(".opened").scroll_into_view_if_needed()
                times = page.evaluate(DRAG, seconds)
                cuts = statistics.quantiles(times, n=20)
                print(f"{name}: drag to picture p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms; {len(times) / seconds:.0f} pictures a second")
        finally:
            browser.close()
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
