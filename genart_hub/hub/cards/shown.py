"""What the card of a model that reads words asks it for: words that its training pictures have, and ones that they do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genart_hub.hub.cards.markdown import SAMPLES

UNSEEN, WISHES = "unseen.png", "wishes.png"
COLUMNS, SEEDS = 8, 4


@dataclass(frozen=True)
class Shown:
    """Things that its pictures have names for, what no name of theirs is, and a few to compare models by."""

    known: tuple[str, ...]
    unseen: tuple[str, ...]
    wishes: tuple[str, ...]  # that all models that read words are compared by


def _row(names: str) -> tuple[str, ...]:
    return tuple(names.split("|"))


SHOWN = {
    "emoji64": Shown(
        known=(
            *_row("red apple|strawberry|pizza|doughnut|birthday cake|avocado|hot dog|cookie"),
            *_row("红苹果|西瓜|柠檬|樱桃|葡萄|胡萝卜|汉堡|薯条"),
            *_row("cat face|panda|fox|butterfly|octopus|tropical fish|unicorn|helicopter"),
            *_row("狗脸|猪头|老虎头|青蛙|鲸鱼|大象|鲨鱼|熊猫"),
            *_row("rocket|airplane|sailboat|bus|bicycle|house with garden|Christmas tree|snowman"),
            *_row("火箭|出租车|直升机|火山|摩天轮|彩虹|太阳|雪花"),
            *_row("grinning face|guitar|violin|key|scissors|top hat|umbrella|anchor"),
            *_row("向日葵|弯月|星星|绿心|足球|篮球|气球|灯泡"),
        ),
        unseen=(
            *_row("purple apple|blue strawberry|a green cat|a dog with sunglasses|cat with top hat|panda and pizza"),
            *_row("蓝色的狗|紫色的猪|黄色的熊猫|彩虹和火箭|giraffe, emojitwo style|donkey, blob style"),
        ),
        wishes=_row("red apple|panda|rocket|smiling face with sunglasses|雪人|比萨饼|anchor|彩虹"),
    )
}


def rows_of(prompts: Sequence[str]) -> list[str]:
    """Each prompt SEEDS times, so that a row of the grid is one prompt."""
    return [prompt for prompt in prompts for _ in range(SEEDS)]


def gallery(shown: Shown) -> str:
    """The two grids, and what was asked for in each of their rows."""
    rows = [", ".join(shown.known[k : k + COLUMNS]) for k in range(0, len(shown.known), COLUMNS)]
    known = "\n".join(f"{k}. {row}" for k, row in enumerate(rows, start=1))
    unseen = "\n".join(f"{k}. {prompt}" for k, prompt in enumerate(shown.unseen, start=1))
    last = len(shown.unseen) * SEEDS - 1
    wishes = f"![{len(shown.wishes)} wishes, {SEEDS} seeds each]({WISHES})\n\nA column a wish: {', '.join(shown.wishes)}."
    return (
        f"<Gallery />\n\n![{len(shown.known)} prompts, seeds 0 to {len(shown.known) - 1}]({SAMPLES})\n\n"
        f"Names of things that it was trained on, row by row, each with the next seed:\n\n{known}\n\n"
        f"## The same wishes as of every model that reads words\n\n{wishes}\n\n"
        f"## Never seen together\n\n![{len(shown.unseen)} prompts, {SEEDS} seeds each]({UNSEEN})\n\n"
        f"No training picture has such a caption. A row a prompt, {SEEDS} seeds each from 0 to {last} in all, none left out:\n\n{unseen}"
    )


def widget(shown: Shown) -> list[dict[str, Any]]:
    """The same for a card's metadata."""
    told = ((f"{shown.known[0]}, {shown.known[COLUMNS]}, …", SAMPLES), (f"{shown.unseen[0]}, {shown.unseen[6]}, …", UNSEEN))
    return [{"text": text, "output": {"url": file}} for text, file in told]
