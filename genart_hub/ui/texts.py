"""Every text of the app in English and Chinese, and the rule that chooses: what the address names, else Chinese for a browser of zh*."""

from pathlib import Path
from typing import Any

import gradio as gr

from genart_hub.errors import MAX_SEED, MESSAGES, GenartError
from genart_hub.ui import machine, pages
from genart_hub.ui.bottlenecks_texts import BOTTLENECKS_TEXTS
from genart_hub.ui.film_texts import FILM_TEXTS
from genart_hub.ui.inside_texts import INSIDE_TEXTS
from genart_hub.ui.map_texts import MAP_TEXTS
from genart_hub.ui.opened_texts import OPENED_TEXTS
from genart_hub.ui.redraw_texts import REDRAW_TEXTS
from genart_hub.ui.sentences import ERRORS_ZH, ON_PAGE
from genart_hub.ui.sheet_texts import SHEET_TEXTS
from genart_hub.ui.twin_texts import TWIN_TEXTS

CLASSES_ZH = {
    "smileys-emotion": "笑脸与情感",
    "people-body": "人物与身体",
    "animals-nature": "动物与自然",
    "food-drink": "食物与饮料",
    "travel-places": "旅行与地点",
    "activities": "活动",
    "objects": "物品",
}


OWN: dict[str, tuple[str, str]] = {
    "title": ("genart_hub · how machines learned to paint", "genart_hub · 机器如何学会绘画"),
    "heading": ("# How machines learned to paint", "# 机器如何学会绘画"),
    "intro": (
        "The path from the VAE (2013) and the GAN (2014) to Stable Diffusion, on two sets of pictures: handwritten "
        "digits, where it all began, and colour emoji. The models of a set learned from the same pictures, so only the "
        "method differs, and all of them run on your own machine.",
        "从变分自编码器（2013）与生成对抗网络（2014）到 Stable Diffusion 的发展之路，用两组图片来讲：手写数字（一切的起点）和彩色表情。每组里的模型都用同一批图片训练，"
        "差别只在方法；它们全都在你自己的电脑上运行。",
    ),
    "sampling": ("Sampling", "采样"),
    "interpolation": ("Interpolation", "插值"),
    "reconstruction": ("Reconstruction", "重建"),
    "comparison": ("Comparison", "对比"),
    "path": ("Path", "发展路径"),
    "path_pages": ("Stations", "各站"),
    "path_code": ("The idea in code, as it runs here", "这个想法的代码，与这里运行的完全一样"),
    "path_answer": ("The answer", "回答"),
    "path_try": ("▶ Try it here", "▶ 在这里试试"),
    "path_before": ("← Back", "← 上一页"),
    "path_after": ("Next →", "下一页 →"),
    "path_progress": (  # pages read, the button that goes on, the one that forgets, and what a read page is
        "{read} of {all} pages read|▶ Go on where you stopped: {page}|↺ Start anew|read",
        "已读 {read} / {all} 页|▶ 从上次停下的地方继续：{page}|↺ 重新开始|已读",
    ),
    "how": ("How does it work?", "它是怎样工作的？"),
    "tab": ("tab", "标签页"),
    "address_refused": (
        "Part of this address could not be used ({names}); the page stands as usual there.",
        "这个地址里有一部分无法使用（{names}），已按默认显示。",
    ),
    "address_fetched": (
        "{model} is not on this machine; it is fetched from Hugging Face when you press the button.",
        "本机没有 {model}；点击按钮后才会从 Hugging Face 下载。",
    ),
    "link_description": (
        "From the VAE (2013) and the GAN (2014) to Stable Diffusion: small models draw the same wish side by side, live.",
        "从变分自编码器（2013）、生成对抗网络（2014）到 Stable Diffusion：几代小模型当场画同一个愿望，并排给你看。",
    ),
    # sampling
    "model": ("Model", "模型"),
    "model_info": (
        "Pick a model (or write author/name of one on Hugging Face)",
        "选一个模型（也可填 Hugging Face 上的 作者/模型名）",
    ),
    "search": ("Search the Hub for models", "在 Hub 上搜索模型"),
    "search_hint": ("a word, then Enter", "输入关键词后按回车"),
    "found": ("{count} found: they are in the model list now.", "找到 {count} 个：已加入模型列表。"),
    "count": ("How many pictures", "图片数量"),
    "seed": ("Seed", "随机种子"),
    "seed_info": (
        "Pictures use this number, +1, +2 … Same number, same picture",
        "后面的图依次用 +1、+2……同一个数总得到同一张图",
    ),
    "dice": ("🎲 Another seed", "🎲 换一个种子"),
    "truncation": ("How close to the average (truncation)", "离“平均”多近（截断）"),
    "num_steps": ("Steps from noise to picture", "从噪声到图片的步数"),
    "guidance": ("How closely it follows the words (guidance)", "多大程度听从文字（引导强度）"),
    "temperature": ("How freely it draws (temperature)", "抽取的自由程度（温度）"),
    "prior": ("Where its points come from", "点从哪里来"),
    "prior_mixture": ("where training pictures lie (a fitted mixture)", "训练图片所在之处（拟合的混合分布）"),
    "prior_normal": ("anywhere: N(0, I), as it was trained", "任意之处：训练时的 N(0, I)"),
    "own_value": ("Empty: the model's own", "留空：用模型自己的值"),
    "truncation_info": (
        "To the left: more alike. Far to the left a GAN's pictures fade and break, because it never saw such points in training",
        "往左更单调；太靠左时 GAN 会失真，因为训练时它没见过这样的点",
    ),
    "label": ("Class", "类别"),
    "label_info": ("Any: drawn from the seed", "任意：由种子决定"),
    "label_any": ("any", "任意"),
    **{f"class_{name}": (name, zh) for name, zh in CLASSES_ZH.items()},
    "generate": ("Generate", "生成"),
    "in_line": ("In line: {count} before you", "排队中：前面还有 {count} 个"),
    "pictures": ("Pictures", "图片"),
    "caption": ("seed {seed}", "种子 {seed}"),
    "score_note": (
        "The bar: of 100 real pictures, so many look less real than this one to the model's own judge, the discriminator. At 50 the "
        "judge takes it for an ordinary real picture; near 0 it still sees a difference, even where you see none.",
        "小条的含义：在 100 张真图里，模型自己的评判者（判别器）觉得有多少张还不如这一张真。50 左右，说明它把这张当成普通的真图；"
        "接近 0，说明它仍看得出差别，哪怕你看不出来。",
    ),
    "one": ("⬇ Chosen picture (PNG)", "⬇ 选中的图片（PNG）"),
    "grid": ("⬇ Grid (PNG)", "⬇ 网格图（PNG）"),
    "zip": ("⬇ All (ZIP)", "⬇ 全部（ZIP）"),
    "code": ("Python for the same pictures", "生成同样图片的 Python 代码"),
    "restore": (
        "Drop a picture you saved here to get its settings back",
        "把从这里保存的图片拖进来，恢复当时的设置",
    ),
    # interpolation
    "seeds": ("Seeds of the keys", "关键点的种子"),
    "seeds_info": ("2 to 16 whole numbers, with commas", "2 到 16 个整数，用逗号分隔"),
    "method": ("Path", "路径"),
    "slerp": ("slerp: along the sphere", "slerp：沿球面"),
    "lerp": ("lerp: straight", "lerp：直线"),
    "frames": ("Frames", "帧数"),
    "fps": ("Frames per second", "每秒帧数"),
    "loop": ("Loop", "循环"),
    "walk": ("Walk", "漫步"),
    "animation": ("The walk", "漫步动画"),
    "gif": ("⬇ GIF", "⬇ GIF"),
    "webp": ("⬇ WebP", "⬇ WebP"),
    # reconstruction
    "upload": ("Your picture", "你的图片"),
    "example_digits": ("Digits to try|0|2|3|4|7|9", "试试这些数字|0|2|3|4|7|9"),
    "example_emoji": (
        "Pictures in colour to try|face|heart|apple|tree|house|boat",
        "试试这些彩图|笑脸|爱心|苹果|树|房子|小船",
    ),
    "draw": ("Draw a digit", "画一个数字"),
    "use_drawing": ("Use the drawing", "使用这幅画"),
    "tidy": (
        "For digit models: crop and centre it, white on black, as the training digits are",
        "用于数字模型：按训练数字的样子裁剪、居中，并变成黑底白字",
    ),
    "vae": ("VAE", "变分自编码器"),
    "gan": ("GAN", "生成对抗网络"),
    "reconstruct": ("Reconstruct with the VAE", "用变分自编码器重建"),
    "invert": (
        "Find it in the GAN (inversion)",
        "让 GAN 猜：什么噪声能画出它？（反演）",
    ),
    "stop": ("Stop", "停止"),
    "steps": ("Steps", "步数"),
    "seen": ("What the model sees", "模型看到的图"),
    "vae_answer": ("The VAE's answer", "变分自编码器的回答"),
    "gan_answer": ("The GAN's answer", "生成对抗网络的回答"),
    "error_figure": ("Mean squared error {error:.4f} (pixels from 0 to 1)", "均方误差 {error:.4f}（像素取值 0 到 1）"),
    "error_step": (
        "Step {step} of {steps} · mean squared error {error:.4f} (pixels from 0 to 1)",
        "第 {step} / {steps} 步 · 均方误差 {error:.4f}（像素取值 0 到 1）",
    ),
    "error_class": (" · as {label}", " · 按类别“{label}”"),
    "error_seen": (" · a classifier sees {label} in it", " · 分类器在其中看到“{label}”"),
    # comparison
    "ladder": ("Trained on", "训练图片"),
    "digits": ("digits (MNIST)", "数字（MNIST）"),
    "emoji": ("emoji", "表情符号"),
    "prompt": ("Prompt", "提示词"),
    "prompt_info": (
        "Describe a picture, in English or Chinese",
        "用中文或英文描述一张图片",
    ),
    "prompt_default": ("red apple", "红苹果"),
    "example_prompts": ("Prompts to try", "试试这些提示词"),
    "unread": (
        "The prompt is longer than the model can read. It does not see the end: “{end}”",
        "提示词超出了模型能读的长度，它看不到后面的部分：“{end}”",
    ),
    "unknown_words": ("It was trained without: {words}. Names near to it: {near}", "训练时没有见过：{words}。相近的名称：{near}"),
    "unknown_words_alone": ("It was trained without: {words}", "训练时没有见过：{words}"),
    "cannot": ("What they cannot do", "它们做不到什么"),
    "cannot_about": (
        "The models that read words learned some 1,200 names of emoji, each a picture of one thing in the middle. So they know no Great "
        "Wall and no Eiffel Tower; they cannot count, put two things into one picture, or leave something out; and a colour that a thing "
        "never had can cost them the thing itself. What they draw then is a mixture of what they do know.",
        "能读懂文字的模型学过约 1200 个表情的名称，每张图里只有一样东西，画在正中。所以它们不认识长城和埃菲尔铁塔，不会数数，"
        "画不好两样东西的组合，也听不懂“不要”；给一样东西配上它从没有过的颜色，连东西本身也可能画丢。这时画出来的，是它们学过的东西的混合。",
    ),
    "cannot_try": ("Prompts that fail on purpose", "故意让它们失败的提示词"),
    "compare": ("Compare", "对比"),
    "compare_hint": (
        "One wish, drawn by every generation of models: choose, then press Compare.",
        "同一个愿望，几代模型各画一遍：选好后点击“对比”。",
    ),
    "kind_gan": ("GAN", "生成对抗网络"),
    "kind_vae": ("VAE", "变分自编码器"),
    "kind_text-vae": ("VAE that reads words", "读文字的变分自编码器"),
    "kind_text-gan": ("GAN that reads words", "读文字的生成对抗网络"),
    "kind_tokens": ("Tokens", "图像词元"),
    "kind_ddpm": ("Diffusion", "扩散模型"),
    "kind_diffusion": ("Latent diffusion", "潜在扩散模型"),
    "numbers": ("Numbers: time, size, quality", "数据：用时、大小、质量"),
    "stage_walk": ("A walk through its latent space", "在潜在空间里漫步"),
    "stage_wish": ("Four wishes; only the noise changes", "四个愿望，变的只是噪声"),
    "stage_noise": ("From noise to picture", "从噪声到图片"),
    "stage_control": ("Pause the pictures|Let the pictures move", "暂停图片|让图片动起来"),  # to pause, and to play
    "strip": ("From noise to picture: how {model} draws the first one", "从噪声到图片：{model} 怎样画出第一张"),
    "strip_label": ("From noise to picture", "从噪声到图片"),
    "moment": ("step {step} of {steps}", "第 {step} / {steps} 步"),
    "at_step": ("{model} · pictures: {n} · step {step} of {steps}", "{model} · {n} 张图片 · 第 {step} / {steps} 步"),
    "loading": ("Loading {model} …", "正在加载 {model}……"),
    "stopped_at": ("unfinished: stopped at step {step} of {steps}", "未完成：停在第 {step} / {steps} 步"),
    "stopped_within": (
        "Stopped at step {step} of {steps}. Finished pictures stay; the one that was being drawn is unfinished.",
        "已停在第 {step} / {steps} 步。画完的图片保留，正在画的那一组没有画完。",
    ),
    "stopped": ("Stopped. The pictures so far stay.", "已停止。已生成的图片保留。"),
    "blanked": ("blanked by the safety checker", "被安全检查遮盖"),
    "plot": ("Quality against time", "质量与用时"),
    "axis_time": ("time a picture takes →", "画一张要多久 →"),
    "plot_note": (
        "To the left: faster; each line is ten times the one before. Further down: closer to real pictures.",
        "越靠左越快：每条竖线是前一条的十倍。越靠下，越接近真图。",
    ),
    "plot_point": ("{model}: {time} a picture, distance {distance}", "{model}：每张 {time}，距离 {distance}"),
    "axis_frechet": ("Fréchet distance (lower is better)", "Fréchet 距离（越低越好）"),
    "told_nothing": ("draws at random", "只会随机画"),
    "told_class": ("accepts a class", "能指定类别"),
    "told_text": ("accepts words", "能听懂文字"),
    "card_time": ("Time", "用时"),
    "card_rate": ("a picture · {rate} a second", "每张 · 每秒 {rate} 张"),
    "card_size": ("Parameters", "参数量"),
    "card_disk": ("{megabytes} MB on disk", "磁盘占用 {megabytes} MB"),
    "card_work": ("Multiply-adds", "乘加运算"),
    "card_a_picture": ("a picture", "每张"),
    "card_memory": ("Memory", "内存"),
    "card_at_most": ("at most, weights included", "峰值，含权重"),
    "card_frechet": ("Fréchet distance", "Fréchet 距离"),
    "card_floor": ("lower is better; real pictures: {floor}", "越低越好；真图为 {floor}"),
    "card_not_measured": ("not measured: other data", "未测：训练数据不同"),
    "card_precision": ("Precision", "精确率"),
    "card_precision_is": (
        "look like some real picture, to a network that judges coarsely",
        "在只看大概的评判网络眼里，像某张真图",
    ),
    "card_recall": ("Recall", "召回率"),
    "card_recall_is": (
        "of real pictures have a lookalike it could draw",
        "的真实图片，它也画得出相近的",
    ),
    "card_coverage": ("Coverage", "覆盖率"),
    "card_coverage_is": (
        "of real pictures have one of its own close by",
        "的真实图片附近有它画的图",
    ),
    "milliseconds": ("{value} ms", "{value} 毫秒"),
    "seconds": ("{value} s", "{value} 秒"),
    "minutes": ("{value} minutes", "{value} 分钟"),
    "figures": ("Figures", "数据"),
    "figures_note": (
        "Multiply-adds: half of the floating-point operations of one picture, all steps and guidance included. "
        "Fréchet distances compare within a set of pictures only.",
        "乘加运算：生成一张图片的浮点运算次数的一半，包括所有步数与引导。Fréchet 距离只能在同一组图片内比较。",
    ),
    "column_model": ("Model", "模型"),
    "column_seconds": ("Seconds", "用时（秒）"),
    "column_rate": ("Pictures/s", "张/秒"),
    "column_parameters": ("Parameters", "参数量"),
    "column_size": ("Pixels", "像素"),
    "column_megabytes": ("MB on disk", "磁盘（MB）"),
    "column_multiply_adds": ("Multiply-adds", "乘加运算"),
    "column_memory": ("Peak memory (MB)", "峰值内存（MB）"),
    "column_told": ("Accepts", "接受什么"),
    "column_frechet": ("Fréchet distance", "Fréchet 距离"),
    "big": (
        "Add the full-size Stable Diffusion (optional download)",
        "再加一个完整的 Stable Diffusion（可选下载）",
    ),
    "big_about": (
        "Trained on hundreds of millions of other pictures, with ten thousand times the compute: to look at, not to judge by. "
        "Nothing is downloaded before you agree.",
        "它用另外的数亿张图片、上万倍的算力训练而成：可以观赏，不宜直接比较。在你同意之前，不会下载任何内容。",
    ),
    "big_none": ("none", "无"),
    "big_unlike": ("not like for like: other data, 10⁴ times the compute", "不可直接比较：数据不同，算力相差万倍"),
    "big_agree": ("Yes, use it when I compare", "好，对比时使用它"),
    "big_download": ("would be downloaded: {size} GB.", "需要下载 {size} GB。"),
    "big_here": ("is already on this machine.", "已在本机。"),
    "big_memory": (
        "It needs about {need} GB of memory ({free} GB are free here).",
        "大约需要 {need} GB 内存（这里有 {free} GB 可用）。",
    ),
    "big_seconds": ("A picture takes about {time}.", "每张图片大约需要 {time}。"),
    "big_tight": ("That is more than there is: it will be refused.", "内存不够，它将被拒绝加载。"),
    "no_diffusion": (
        "No diffusion model draws these. A big one can be added: choose it under Compare's settings, or set `GENART_SD_MODEL` to a "
        "diffusers folder or a Hub id and start the app again.",
        "这一组里没有扩散模型。可以在上面的设置中添加一个大模型，或把环境变量 `GENART_SD_MODEL` 设为 diffusers 文件夹或 Hub 编号，"
        "然后重新启动应用。",
    ),
    "big_waits": (
        "The model of `GENART_SD_MODEL` answers too when you click; the first time it may have to be downloaded "
        "(several GB for the usual ones).",
        "点击后，`GENART_SD_MODEL` 所指的模型也会作答；第一次可能需要下载（常见模型有数 GB）。",
    ),
    "diffusion_failed": ("{model} could not answer: {reason}", "{model} 未能作答：{reason}"),
    "working": ("Working …", "正在计算……"),
    "error": ("That did not work", "没有成功"),
}
TEXTS = OWN | BOTTLENECKS_TEXTS | FILM_TEXTS | INSIDE_TEXTS | MAP_TEXTS | OPENED_TEXTS | REDRAW_TEXTS | SHEET_TEXTS | TWIN_TEXTS


LANGUAGES = ("en", "zh")
ESSAYS = Path(__file__).parent / "essays"  # Markdown files that a teacher can edit, of the same name in `en` and `zh`
PREFIX = "ga_"  # keys such as "slider" or "plot" are Gradio's own
PAGES = {  # each part of a page of the path, in the languages that it has
    f"page_{page.name}_{part}": tuple(getattr(one, part) for one in several)
    for several in zip(*map(pages.read, LANGUAGES), strict=True)
    for page in several[:1]
    for part in ("title", "text", "question", "answer")
}
PAGES |= {  # its drawings
    f"page_{page.name}_{part}": tuple(draw(getattr(one, part)) for one in several)
    for several in zip(*map(pages.read, LANGUAGES), strict=True)
    for page in several[:1]
    for part, draw in (("machine", machine.drawn), ("beside", machine.beside))
    if getattr(page, part)
}
PAGES |= {  # how each tab works
    f"{file.stem}_how": tuple((ESSAYS / lang / file.name).read_text("utf-8").strip() for lang in LANGUAGES)
    for file in sorted((ESSAYS / LANGUAGES[0]).glob("*.md"))
}
I18N = gr.I18n(**{lang: {PREFIX + key: pair[k] for key, pair in (TEXTS | PAGES).items()} for k, lang in enumerate(LANGUAGES)})


def t(key: str) -> Any:
    """A text that the page shows in its reader's language."""
    assert key in TEXTS or key in PAGES, key
    return I18N(PREFIX + key)


def language(request: gr.Request | None) -> str:
    """The language that the page's address names, which each call of the page carries, else that of the reader's browser."""
    if request is None:
        return LANGUAGES[0]
    return spoken((getattr(request, "query_params", None) or {}).get("lang"), request.headers.get("accept-language"))


def spoken(named: str | None, accepted: str | None) -> str:
    """`named` where it is a language of the page, else "zh" where the first one of a browser that accepts these is zh*, else "en"."""
    if named in LANGUAGES:
        return str(named)
    return "zh" if (accepted or "").strip().lower().startswith("zh") else "en"


def typed(value: Any, key: str, lang: str) -> Any:
    """What a field holds: one that still shows the text `key` as its default may send the key in place of the text."""
    return say(lang, key) if isinstance(value, str) and value.startswith("__i18n__") and PREFIX + key in value else value


def say(lang: str, key: str, **values: Any) -> str:
    """A text that a handler writes, in `lang`."""
    return TEXTS[key][LANGUAGES.index(lang)].format(**values)


def t_class(name: str) -> Any:
    """A class that the page shows in its reader's language, where it is one that we know."""
    return t(f"class_{name}") if name in CLASSES_ZH else name


def class_name(lang: str, name: str) -> str:
    """A class as a reader calls it, where it is one that we know."""
    return CLASSES_ZH.get(name, name) if lang == "zh" else name


CALLED = {"n": "count", "model_name": "model"}  # arguments whose fields' labels have other keys


def label_of(lang: str, name: str) -> str:
    """What the page calls an argument: its field's label, where it has one."""
    key = CALLED.get(name, name)
    return TEXTS[key][LANGUAGES.index(lang)] if key in TEXTS else name


def sentence(lang: str, error: GenartError) -> str:
    """An error in `lang`, as a reader of the page understands it: fields by their labels, no ranges that nobody can read."""
    k = LANGUAGES.index(lang)
    values = {key: sentence(lang, value) if isinstance(value, GenartError) else value for key, value in error.values.items()}
    code = error.code
    if code == "out_of_range" and values["high"] == MAX_SEED:
        code = "too_small" if str(values["value"]).startswith("-") else "seed_too_large"
    if code == "bad_recipe":  # a sentence within one
        values["reason"] = values["reason"].rstrip(".。")
    template = ON_PAGE[code][k] if code in ON_PAGE else (MESSAGES, ERRORS_ZH)[k][code]
    if "name" in values and "where" in values:
        values["name"] = label_of(lang, str(values["name"]))
        template = template.removeprefix("{where}: ").removeprefix("{where}：")
    return template.format(**values)
