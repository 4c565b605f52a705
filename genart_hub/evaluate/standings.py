"""A leaderboard's rows in their order, with the ranks that the feature networks do not share, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genart_hub.hub.cards.tables import figure

NAMED, COVERED = "prompt_top_5_accuracy", "coverage"
UNSHARED = "≠"
LANGUAGES = {"text": ("English", "英文"), "text_zh": ("Chinese", "中文")}


@dataclass(frozen=True)
class Column:
    """A figure of each row. key: as the row has it; title: in English and Chinese; better: "high", "low", or nothing is ranked by it."""

    key: str
    title: tuple[str, str]
    better: str = ""


HEADS = {"rank": ("rank", "名次"), "model": ("model", "模型"), "by": ("By {}:", "依据 {}：")}
BESIDE = {"real": ("*real pictures*", "*真实图片*"), "copied": ("*pictures seen in training*", "*训练中见过的图片*")}
ASKED = {
    "prompt_accuracy": Column("", ("asked for, {}", "符合要求（{}）"), "high"),
    NAMED: Column("", ("asked for, top 5, {}", "符合要求，前 5（{}）"), "high"),
}
QUALITY = (
    Column("label_accuracy", ("class asked for", "符合所要求的类别"), "high"),
    Column(COVERED, ("coverage", "覆盖率"), "high"),
    Column("precision", ("precision", "精确率"), "high"),
    Column("recall", ("recall", "召回率"), "high"),
    Column("frechet", ("Fréchet distance", "Fréchet 距离"), "low"),
    Column("kid", ("KID", "KID"), "low"),
    Column("near_copies_rmse", ("near-copies (RMSE)", "近似复制（RMSE）")),
    Column("near_copies_features", ("near-copies (features)", "近似复制（特征）")),
)
COSTS = (
    Column("num_parameters", ("parameters (M)", "参数（百万）")),
    Column("bytes", ("MB", "MB")),
    Column("multiply_adds", ("multiply-adds (M)", "乘加（百万）")),
    Column("ms_1", ("ms a picture", "毫秒/张")),
    Column("ms_16", ("ms a picture, 16 at once", "毫秒/张，一次 16 张")),
    Column("training_seconds", ("training (minutes)", "训练（分钟）")),
)
UNITS = {"num_parameters": 1e6, "bytes": 1e6, "multiply_adds": 1e6, "training_seconds": 60}


def value(row: dict[str, Any], network: str, key: str) -> float | None:
    """A row's figure by a feature network; None where the model has none."""
    return row["measures"].get(network, {}).get(key, {}).get("value")


def named(row: dict[str, Any], network: str) -> float | None:
    """How often one of the five likeliest concepts is the one asked for, over all languages; None of a model without words."""
    of = row["measures"].get(network, {})
    values = [measure["value"] for key, measure in of.items() if key.split(".")[0] == NAMED]
    return sum(values) / len(values) if values else None


def order(rows: Sequence[dict[str, Any]], network: str) -> list[dict[str, Any]]:
    """By what one can name first; models without words after the others, by coverage. Ties keep the order of their names."""

    def place(row: dict[str, Any]) -> tuple[bool, float, str]:
        share, covered = named(row, network), value(row, network, COVERED)
        return share is None, -(covered or 0) if share is None else -share, row["model"]

    return sorted(rows, key=place)


def ranks(rows: Sequence[dict[str, Any]], network: str, column: Column) -> dict[str, int]:
    """The rank of each model that has the figure, from 1; equal figures share theirs."""
    values = {row["model"]: found for row in rows if (found := value(row, network, column.key)) is not None}
    sign = -1 if column.better == "high" else 1
    return {name: 1 + sum(sign * other < sign * own for other in values.values()) for name, own in values.items()}


def unshared(board: dict[str, Any], column: Column) -> set[str]:
    """The models whose rank in a column is another by another feature network."""
    if not column.better:
        return set()
    first, *others = (ranks(board["rows"], network, column) for network in board["networks"])
    return {name for other in others for name in first.keys() & other.keys() if first[name] != other[name]}


def columns_of(board: dict[str, Any]) -> list[Column]:
    """The figures of quality that any row has: a column a language for what was asked for."""
    found = {key for row in board["rows"] for of in row["measures"].values() for key in of}
    asked = [key for language in board["protocol"]["captions"] for key in (f"{metric}.{language}" for metric in ASKED) if key in found]
    titled = []
    for key in asked:
        metric, _, language = key.partition(".")
        of, words = ASKED[metric], LANGUAGES.get(language, (language, language))
        titled.append(Column(key, (of.title[0].format(words[0]), of.title[1].format(words[1])), of.better))
    return [*titled, *(column for column in QUALITY if column.key in found)]


def quality(board: dict[str, Any], network: str, lang: int = 0, errors: bool = True) -> list[list[str]]:
    """The cells of a table: a head, a row a model by this network's order, and what real pictures reach. lang: 0 English, 1 Chinese.

    A rank that another network does not share is marked, in the first column by the other rank and elsewhere by a sign. Real pictures:
    others than those that generated ones are compared with; for what was asked for, those that the network did not see in training, and
    below them those that it saw.
    """
    columns, rows = columns_of(board), order(board["rows"], network)
    marked = {column.key: unshared(board, column) for column in columns}
    places = [[row["model"] for row in order(board["rows"], other)] for other in board["networks"] if other != network]
    lines = [[HEADS["rank"][lang], HEADS["model"][lang], *(column.title[lang] for column in columns)]]
    for k, row in enumerate(rows):
        others = sorted({1 + names.index(row["model"]) for names in places} - {k + 1})
        cells = [f"{k + 1}" + (f" {UNSHARED} {', '.join(map(str, others))}" if others else ""), row["model"]]
        for column in columns:
            cell = _cell(row["measures"].get(network, {}).get(column.key), "value", errors)
            cells.append(cell + f" {UNSHARED}" * (row["model"] in marked[column.key]))
        lines.append(cells)
    measures: list[dict[str, Any]] = [
        next((m for row in rows if (m := row["measures"].get(network, {}).get(column.key))), {}) for column in columns
    ]
    for side, titles in BESIDE.items():
        if any(measure.get(side) is not None for measure in measures):
            lines.append(["", titles[lang], *(_cell(measure, side, errors) for measure in measures)])
    return lines


def costs(board: dict[str, Any], lang: int = 0) -> list[list[str]]:
    """The cells of the table of what each model takes, in the same order."""
    lines = [[HEADS["model"][lang], *(column.title[lang] for column in COSTS)]]
    for row in order(board["rows"], board["networks"][0]):
        values = [(row["costs"].get(column.key), UNITS.get(column.key, 1)) for column in COSTS]
        lines.append([row["model"], *("–" if found is None else _short(found / unit) for found, unit in values)])
    return lines


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _cell(measure: dict[str, Any] | None, side: str, errors: bool) -> str:
    if not measure or measure.get(side) is None:
        return "–"
    error = measure.get("error" if side == "value" else f"{side}_error")
    return figure(measure[side], error) if errors else figure(measure[side], error).partition(" ±")[0]


# ---- as text ----


def note(board: dict[str, Any], lang: int = 0) -> str:
    """What the figures were measured on."""
    of, machines = board["protocol"], sorted({row["costs"]["machine"] for row in board["rows"]})
    first, others = board["networks"][0], ", ".join(board["networks"][1:])
    if lang:
        text = (
            f"生成 {of['count']:,} 张（种子从 {of['seed']} 起；每个模型用其自身的步数），对比 {of['training']} 的 {of['count']:,} "
            f"张真实图片；真实图片一行是另外 {of['count']:,} 张。要求的概念或类别至多 {of['prompts']:,} 个。排名依据 {first}"
        )
        check = f"，以 {others} 核对：{UNSHARED} 标出它们给出不同名次之处。" if others else "；没有第二个网络核对。"
        return text + check + f"时间取几次中最短的一次（{'；'.join(machines)}）。"
    text = (
        f"{of['count']:,} generated (seeds from {of['seed']}, with each model's own steps) against {of['count']:,} real ones of "
        f"{of['training']}; real pictures: the other {of['count']:,}. At most {of['prompts']:,} concepts or classes are asked for. "
        f"Ranked by {first}"
    )
    check = f" and checked by {others}: {UNSHARED} marks where they give another rank." if others else "; no second network checks it."
    return text + check + f" Times are the best of a few ({'; '.join(machines)})."


def markdown(board: dict[str, Any], lang: int = 0) -> str:
    """The tables of every network, that of the costs, and what was measured."""
    parts = [f"{HEADS['by'][lang].format(network)}\n\n{_markdown(quality(board, network, lang))}" for network in board["networks"]]
    return "\n\n".join([*parts, _markdown(costs(board, lang)), note(board, lang)])


def _markdown(lines: list[list[str]]) -> str:
    head, *rows = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rows])


def terminal(board: dict[str, Any]) -> str:
    """The same for a terminal, without errors: heads of few letters, columns side by side."""
    first = board["networks"][0]
    tables = [quality(board, first, errors=False), costs(board)]
    return "\n\n".join([*map(_aligned, tables), note(board)])


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(max(len(word) for word in cells[0].split(" ")), *map(len, cells[1:])) for cells in zip(*lines, strict=True)]
    heads = [_wrapped(cell, width) for cell, width in zip(lines[0], widths, strict=True)]
    deep = max(map(len, heads))
    above = [[head[row - deep] if len(head) >= deep - row else "" for head in heads] for row in range(deep)]
    texts = [[cell.strip("*") for cell in cells] for cells in [*above, *lines[1:]]]
    left = [any(name in lines[0][k] for name in (HEADS["model"][0], HEADS["rank"][0])) for k in range(len(widths))]
    return "\n".join(
        "  ".join(cell.ljust(width) if at else cell.rjust(width) for cell, width, at in zip(cells, widths, left, strict=True)).rstrip()
        for cells in texts
    )


def _wrapped(text: str, width: int) -> list[str]:
    """The words of a head in lines of at most `width` letters."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
