"""Quality against time as a drawing of HTML, on a time axis whose every line is ten times the one before."""

import html
import math
from collections.abc import Sequence

from genart_hub.ui import texts

CSS = """
.scatter { position: relative; height: 300px; margin: 8px 26px 30px 44px; border-left: 1px solid var(--border-color-primary);
  border-bottom: 1px solid var(--border-color-primary); font-size: 12px; color: var(--body-text-color); }
.scatter .x, .scatter .y { position: absolute; white-space: nowrap; }
.scatter .x { bottom: -22px; transform: translateX(-50%); }
.scatter .y { left: -8px; transform: translate(-100%, 50%); }
.scatter .line { position: absolute; bottom: 0; top: 0; border-left: 1px dashed var(--border-color-primary); }
.scatter .point { position: absolute; width: 14px; height: 14px; border-radius: 50%; border: 2px solid white;
  transform: translate(-50%, 50%); }
.axis { margin: 0 12px 4px; font-size: 12px; color: var(--body-text-color-subdued); }
.axis.time { text-align: right; margin-top: -4px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 12px 4px; padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 50%; }
"""
MOST_LINES = 5  # across


def scatter(lang: str, points: Sequence[tuple[float, float, str]], colours: dict[str, str]) -> str:
    """A point a model. points: the seconds that a picture takes, the distance, the model's name."""
    logs = [math.log10(seconds) for seconds, _, _ in points]
    low, high = math.floor(min(logs)), max(math.ceil(max(logs)), math.floor(min(logs)) + 1)
    step = step_of(max(distance for _, distance, _ in points))
    top = step * math.ceil(1.05 * max(distance for _, distance, _ in points) / step)
    drawn = []
    for power in range(low, high + 1):
        left = 100 * (power - low) / (high - low)
        drawn.append(
            f'<span class="line" style="left:{left:.2f}%"></span><span class="x" style="left:{left:.2f}%">{tick(lang, power)}</span>'
        )
    for k in range(round(top / step) + 1):
        drawn.append(f'<span class="y" style="bottom:{100 * k * step / top:.2f}%">{k * step:g}</span>')
    legend = []
    for log, (seconds, distance, name) in zip(logs, points, strict=True):
        place = f"left:{100 * (log - low) / (high - low):.2f}%;bottom:{100 * distance / top:.2f}%"
        called = html.escape(texts.say(lang, "plot_point", model=name, time=duration(lang, seconds), distance=f"{distance:.3g}"))
        drawn.append(f'<span class="point" style="{place};background:{colours[name]}" title="{called}"></span>')
        legend.append(f'<li><i style="background:{colours[name]}"></i>{called}</li>')
    up, along, about = (texts.say(lang, key) for key in ("axis_frechet", "axis_time", "plot"))
    return (
        f'<div class="plot"><p class="axis">{up}</p><div class="scatter" role="img" aria-label="{about}">{"".join(drawn)}</div>'
        f'<p class="axis time">{along}</p><ul class="legend">{"".join(legend)}</ul></div>'
    )


def step_of(most: float) -> float:
    """The distance between two lines: 1, 2 or 5 times a power of ten, so that at most MOST_LINES lie below `most`."""
    power = 10.0 ** math.floor(math.log10(max(most, 1e-6) / MOST_LINES))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if most / step <= MOST_LINES)


def tick(lang: str, power: int) -> str:
    """A power of ten of seconds as a person reads it."""
    return (
        texts.say(lang, "milliseconds", value=f"{10.0 ** (power + 3):g}")
        if power < 0
        else texts.say(lang, "seconds", value=f"{10**power:g}")
    )


def duration(lang: str, seconds: float) -> str:
    """A time as a person reads it."""
    if seconds < 0.1:
        return texts.say(lang, "milliseconds", value=f"{1000 * seconds:.2g}")
    if seconds < 100:
        return texts.say(lang, "seconds", value=f"{seconds:.2g}")
    return texts.say(lang, "minutes", value=f"{seconds / 60:.2g}")
