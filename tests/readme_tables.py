"""The tables of the READMEs that hold what was measured, from weights/ and tests/bench/speed.json. Run: python tests/readme_tables.py"""

import json
import re
import sys
from pathlib import Path

import genart_hub
from genart_hub.evaluate import standings
from genart_hub.hub.cards.tables import EVALUATION, Measure, figure, matrix, read_evaluation
from genart_hub.hub.described import year_of
from genart_hub.models import auto

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".", "weights", "genart_hub/train", "genart_hub/hub", "tests/bench")
PAIRS = {folder: (ROOT / folder / "README.md", ROOT / folder / "README.zh-CN.md") for folder in FOLDERS}
RESULTS = re.compile(r"(^```bash\ngenart-hub evaluate ((?:[\w-]+ )+)--data [^\n]*\n```\n\n)\|.*?(?=\n\n(?!\d+\. ))", flags=re.M | re.S)
MODELS = re.compile(r"(?<=<!-- models -->\n).*?(?=\n\n)", flags=re.S)
BOARD = re.compile(r"(<!-- leaderboard (\w+) -->\n).*?(?=<!-- end -->)", flags=re.S)
PAPER = re.compile(r"\. (\S.*?) \d{4}, https://arxiv\.org/abs/")  # in a model file's first line
HEADER = (
    ("model", "year", "paper", "pictures", "takes", "Fréchet distance", "pictures/s", "MB"),
    ("模型", "年份", "论文", "图片", "接受", "Fréchet 距离", "张/秒", "MB"),
)
PICTURES = {"mnist": ("digits", "手写数字"), "emoji64": ("emoji", "表情符号")}
TAKES = {"prompt": ("a prompt", "提示词"), "label": ("a class", "类别"), "seed": ("a seed", "种子")}
PLOT = (
    "Quality against the time of a picture: full dots by the first network, empty ones by the second",
    "质量与每张图片的时间：实心点依据第一个网络，空心点依据第二个",
)
REAL = ("*real pictures*", "*真实图片*")


def measured(name: str) -> list[Measure]:
    """What was measured of a bundled model."""
    return read_evaluation(ROOT / "weights" / name / EVALUATION).results[name]


def models(lang: int) -> str:
    """A row a model that draws, by dataset and year, then what real pictures reach. lang: 0 for English, 1 for Chinese."""
    speed = json.loads((ROOT / "tests" / "bench" / "speed.json").read_text(encoding="utf-8"))
    lines = [HEADER[lang], ["---"] * len(HEADER[lang])]
    for dataset, pictures in PICTURES.items():
        rows = []
        for name in sorted(set(genart_hub.list_models(dataset=dataset)) & set(genart_hub.bundled())):
            about = auto.listing(name)
            authors = PAPER.search(sys.modules[(cls := auto.class_of(name)).__module__].__doc__)[1]
            takes = next(words[lang] for given, words in TAKES.items() if given in about["inputs"])
            frechet = next(measure for measure in measured(name) if measure.metric == "frechet")
            cells = [f"[{name}](weights/{name}/README.md)", str(year_of(cls)), f"[{authors}](https://arxiv.org/abs/{cls.arxiv})"]
            cells += [f"{pictures[lang]} ({about['image_size']} px)", takes, figure(frechet.value, frechet.error)]
            cells += [f"{speed[name]:,g}", f"{about['bytes'] / 1e6:.1f}"]
            rows.append(cells)
        lines += sorted(rows, key=lambda cells: cells[1])
        lines.append([REAL[lang], "", "", pictures[lang], "", figure(frechet.real, frechet.real_error), "", ""])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def leaderboard(dataset: str, lang: int) -> str:
    """What `genart-hub leaderboard` wrote into weights/leaderboard-DATASET.json and .png (--json, --plot); nothing where there is none."""
    file = ROOT / "weights" / f"leaderboard-{dataset}.json"
    if not file.is_file():
        return ""
    board = json.loads(file.read_text(encoding="utf-8"))
    plot = f"![{PLOT[lang]}]({file.stem}.png)\n\n" if file.with_suffix(".png").is_file() else ""
    return f"\n```bash\n{board['command']}\n```\n\n{standings.markdown(board, lang)}\n\n{plot}"


def with_tables(text: str, lang: int) -> str:
    """A README with its tables as the figures give them: a results table stands below its `genart-hub evaluate` command."""
    text = RESULTS.sub(lambda block: block[1] + matrix({name: measured(name) for name in block[2].split()}), text)
    text = BOARD.sub(lambda block: block[1] + leaderboard(block[2], lang), text)
    return MODELS.sub(lambda _: models(lang), text)


if __name__ == "__main__":
    for pair in PAIRS.values():
        for lang, file in enumerate(pair):
            file.write_text(with_tables(file.read_text(encoding="utf-8"), lang), encoding="utf-8")
