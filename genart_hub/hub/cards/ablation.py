"""The objectives of one network beside each other, as a card shows what tests/bench/ablation.py measured."""

import statistics
from pathlib import Path
from typing import Any

from genart_hub.errors import GenartError, shorten
from genart_hub.hub.cards.tables import _row, figure, read_json

ABLATION, CURVES = "ablation.json", "ablation.png"


def ablation(folder: Path) -> list[str]:
    """The section of a card, in both languages; nothing where nobody measured one. Raises GenartError for a file of something else."""
    file = folder / ABLATION
    if (report := read_json(file)) is None:
        return []
    try:
        text = _section(report)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = GenartError("reason_field", field="variants", value=shorten(report.get("variants", "missing")))
        raise GenartError("bad_config", file=str(file), reason=reason) from error
    curves = f"\n\n![The Fréchet distance along the steps, an objective a line]({CURVES})" if (folder / CURVES).is_file() else ""
    return [text + curves]


def _section(report: dict[str, Any]) -> str:
    metrics, variants, seeds, epochs = report["metrics"], report["variants"], report["seeds"], report["epochs"]
    lines = [_row("objective", "seeds", *metrics.values()), "|" + "---|" * (len(metrics) + 2)]
    for variant in variants:
        runs = variant["runs"]
        cells = [spread([run["measures"][metric] for run in runs]) for metric in metrics]
        lines.append(_row(variant["name"], str(len(runs)), *cells))
    lines.append(_row("*real pictures*", "", *(figure(report["real"][metric]) for metric in metrics)))
    done, planned = sum(len(variant["runs"]) for variant in variants), seeds * len(variants)
    en = f" {done} of {planned} trainings are done; one alone has no ±, and differences between single ones may be chance." * (
        done < planned
    )
    zh = f"{planned} 次训练已完成 {done} 次；只有一次的没有 ±，单次之间的差别可能出于偶然。" * (done < planned)
    return (
        f"## Ablation\n\nThe same network, trained for {epochs} epochs by each objective with {seeds} seeds; the model of this card was "
        f"trained longer. ± is the standard deviation of a single training.{en}\n\n"
        f"消融实验：同一个网络，每种目标函数用 {seeds} 个种子各训练 {epochs} 轮（本卡的模型训练得更久）。± 是单次训练的标准差。{zh}\n\n"
        f"```\n{report['command']}\n```\n\n" + "\n".join(lines) + f"\n\n{report['protocol']}."
    )


def spread(values: list[float]) -> str:
    """The mean of runs and the standard deviation of one of them; a single run's value alone."""
    return figure(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None) if values else "–"
