"""The first second and a click, in a browser. Run: python tests/bench/bench_first_screen.py

From `python app.py` to the served page; from the address to the first picture on the screen, and the layout shift until the page stands
still, on a desk and on a phone, in both languages; from a click on Generate to 16 pictures shown.
"""

import argparse
import os
import shutil
import statistics
import tempfile

from bench_app import serve_often
from playwright.sync_api import Browser, Page, sync_playwright

LOCALES = ("en-US", "zh-CN")
VIEWPORTS = {"1440 px": {"width": 1440, "height": 900}, "390 px": {"width": 390, "height": 844}}
FLAGS = ["--no-sandbox", "--disable-gpu"]
PATIENCE = 120_000  # ms
WATCH = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
const drawn = (canvas) => canvas.width > 20 && canvas.getBoundingClientRect().top < innerHeight
  && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((level, k) => k % 4 === 3 && level);
(function look() {
  if ([...document.querySelectorAll("#opening canvas, .stage canvas")].some(drawn)) window.first = performance.now();
  else requestAnimationFrame(look);
})();
(function stand() {
  const now = [...document.querySelectorAll("gradio-app .block")].map((one) => Object.values(one.getBoundingClientRect().toJSON())).join();
  window.still = now && now === window.places && !document.querySelector("#opening") ? (window.still ?? 0) + 1 : 0;
  window.places = now;
  requestAnimationFrame(stand);
})();
"""
CLICK = """() => new Promise((done) => {
  const pictures = () => [...document.querySelectorAll("[role=tabpanel] .thumbnail-lg img")].filter((one) => one.checkVisibility());
  const before = pictures().map((one) => one.src).join(), begun = performance.now();
  document.getElementById("go-sampling").click();
  (function look() {
    const now = pictures();
    const shown = now.length === 16 && now.map((one) => one.src).join() !== before && now.every((one) => one.complete && one.naturalWidth);
    shown ? done(performance.now() - begun) : requestAnimationFrame(look);
  })();
})"""


def visit(browser: Browser, url: str, locale: str, viewport: dict) -> tuple[float, float]:
    """Seconds until a picture is on the screen, and the layout shift until the page stands still."""
    with browser.new_context(locale=locale, viewport=viewport) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(url)
        page.wait_for_function("window.first && window.still > 60")
        return page.evaluate("[window.first / 1000, window.shifts]")


def click(page: Page, seed: int) -> float:
    """Milliseconds from a click on Generate to its 16 pictures."""
    page.get_by_label("Seed").locator("visible=true").first.fill(str(seed))
    return page.evaluate(CLICK)


def main(starts: int, visits: int, clicks: int) -> None:
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as served, sync_playwright() as driver:
        process, url, seconds = serve_often(served, starts)
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"python app.py to page: median {statistics.median(seconds):.2f} s of {starts} (worst {max(seconds):.2f} s)")
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        for name, viewport in VIEWPORTS.items():
            for locale in LOCALES:
                seen = [visit(browser, url, locale, viewport) for _ in range(visits)]
                firsts, shifts = zip(*seen, strict=True)
                print(
                    f"{name}, {locale}: first picture median {statistics.median(firsts):.2f} s of {visits} (worst {max(firsts):.2f} s); "
                    f"layout shift {max(shifts):.3f}"
                )
        page = browser.new_page(locale="en-US", viewport=VIEWPORTS["1440 px"])
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}/?tab=sampling&model=gan-mnist&seed=0")
        page.locator("#go-sampling").wait_for()
        page.wait_for_function("document.querySelectorAll('[role=tabpanel] .thumbnail-lg img').length >= 16")
        times = [click(page, 16 * k) for k in range(1, clicks + 1)]
        cuts = statistics.quantiles(times, n=20)
        print(f"click to 16 pictures shown: p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms of {clicks} clicks")
        browser.close()
        process.terminate()
        process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--clicks", type=int, default=50)
    main(**vars(parser.parse_args()))
