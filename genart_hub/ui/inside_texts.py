"""The words of the opened diffusion: what each tile shows, and what there is to see in it."""

import json

FILM = {
    "time": ("Step from noise to picture", "从噪声到图片的步数"),
    "step": ("step {k} of {n}", "第 {k} / {n} 步"),
    "has": ("What it has: {x}ₜ", "它手里的图：{x}ₜ"),
    "believes": ("What it takes for the finished picture: {x}̂₀", "它认为的成品：{x}̂₀"),
    "eps": ("The noise it predicts: ε̂ (grey is none)", "它预测的噪声：ε̂（灰色表示没有）"),
    "fields": (
        "The noise has {count} fields, as the latent has: each a square of its own.",
        "噪声和潜变量一样有 {count} 层，每层一个方块。",
    ),
    "formula": ("The three belong together:", "三者的关系："),
    "asked": ("Guidance: at this step it is asked twice", "引导：这一步，它被问了两次"),
    "without_words": ("Its answer without the words", "不看文字时的回答"),
    "told_words": ("Its answer with the words", "看着文字时的回答"),
    "added_words": ("What the words add (grey is nothing)", "文字带来的差别（灰色表示没有）"),
    "without_class": ("Its answer without the class", "不看类别时的回答"),
    "told_class": ("Its answer with the class", "看着类别时的回答"),
    "added_class": ("What the class adds (grey is nothing)", "类别带来的差别（灰色表示没有）"),
    "further": (
        "The step goes {w} times as far as the difference leads (w = {w}).",
        "这一步沿着差别的方向走 {w} 倍（w = {w}）。",
    ),
    "tokens": ("The tokens that the text encoder reads", "文本编码器读到的词元"),
    "start": ("beginning", "开头"),
    "end": ("end", "结尾"),
    "unknown": ("of a word that it was trained without", "训练时没有见过的词"),
    "empty": (
        "Press the button above: its steps come here, and the slider moves through them.",
        "点击上面的按钮，各步会出现在这里，用滑块前后移动。",
    ),
}
ROW = {
    "asked_en": ("English prompts", "英文提示词"),
    "asked_zh": ("Chinese prompts", "中文提示词"),
    "asked": ("Of 100 pictures, so many show what was asked for", "100 张图里，有多少张画对了"),
    "frechet": ("Fréchet distance (lower is better)", "Fréchet 距离（越低越好）"),
    "measured": ("Measured: {file}", "实测数据：{file}"),
    "command": ("by the command", "所用命令"),
}
GUIDANCE = {
    "title": ("Guidance: the same noise, told more and more strongly", "引导：同样的噪声，要求越来越强"),
    "value": ("w = {value}", "w = {value}"),
    "axis": ("w", "w"),
    "about": (
        "At w = 0 it draws what it likes, at w = 1 what the words suggest; from there on, what the words add is made larger than it is. "
        "Too large, and colours burn.",
        "w = 0 时随它画；w = 1 时照文字的意思画；再往上，文字带来的差别会被放大。放得太大，颜色就烧焦了。",
    ),
}
NUMBERS = {
    "title": ("Steps: the same noise, in fewer or more of them", "步数：同样的噪声，分几步走完"),
    "value": ("{value} steps", "{value} 步"),
    "value_1": ("1 step", "1 步"),
    "axis": ("steps", "步数"),
    "about": (
        "One step is one guess, and the mean of all guesses is soft. From ten steps on, hardly anything changes.",
        "只走一步就是只猜一次，而所有猜测的平均是模糊的。十步以后，几乎不再变化。",
    ),
}


def told(words: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """What a script is told in each language, as JSON."""
    english, chinese = (json.dumps({key: pair[k] for key, pair in words.items()}, ensure_ascii=False) for k in (0, 1))
    return english, chinese


INSIDE_TEXTS: dict[str, tuple[str, str]] = {
    "inside_moment": ("the step of the run", "第几步"),
    "inside": ("Inside: how the noise becomes a picture", "里面：噪声怎样变成图片"),
    "inside_intro": (
        "One picture, of the seed and the settings beside: what the network sees at each step, what it makes of it, and what else it could "
        "have drawn.",
        "用旁边的种子和设置画一张图：网络每一步看到什么，怎样理解，以及它还可能画成什么。",
    ),
    "inside_go": ("▶ Open it", "▶ 打开看看"),
    "inside_stopped": ("Stopped.", "已停止。"),
    "inside_step": ("{bar} {part}: step {step} of {total}", "{bar} {part}：第 {step} / {total} 步"),
    "inside_film": told(FILM),
    "inside_guidance": told(ROW | GUIDANCE),
    "inside_steps": told(ROW | NUMBERS),
    "inside_part_film": ("the run", "逐步过程"),
    "inside_part_guidance": ("guidance", "引导"),
    "inside_part_steps": ("numbers of steps", "步数对比"),
}
