"""The words of the opened VAE."""

import json

WORDS: dict[str, tuple[str, str]] = {
    "lang": ("en", "zh"),
    "title": ("The VAE opened: pull a bar, and the picture follows", "打开变分自编码器：拖动小条，图片跟着变"),
    "lead": (
        "A picture goes in, a few numbers come out, and from these numbers alone the picture is drawn again.",
        "放进一张图片，得到几个数；再仅凭这几个数，把图片重新画出来。",
    ),
    "lead_example": (
        "An example, by {model}. Choose, upload, paste or draw a picture above, and it is opened here.",
        "这是 {model} 的一个示例。在上方选择、上传、粘贴或画一张图片，就会在这里打开。",
    ),
    "lead_own": ("Your picture, as {model} writes it down.", "你的图片，由 {model} 写成了这些数。"),
    "none": (
        "Nothing is open: choose a picture above, or press Reconstruct.",
        "现在没有打开的图片：请在上方选一张，或点击“重建”。",
    ),
    "encoder": ("encoder", "编码器"),
    "decoder": ("decoder", "解码器"),
    "x": ("x, what goes in", "x：放进去的图"),
    "made": ("x̂, drawn from z", "x̂：由 z 画出的图"),
    "apart": ("|x − x̂|, twice as bright", "|x − x̂|：差别（亮度加倍）"),
    "bars": ("z, number by number", "z 的每一个数"),
    "number": ("Number {k} of z", "z 的第 {k} 个数"),
    "all": ("Show all {count}", "显示全部 {count} 个"),
    "few": ("Show the {few} that say most", "只看最重要的 {few} 个"),
    "back": ("Back to μ", "回到 μ"),
    "hand": (
        "The dot is μ, the encoder's best guess; the whisker is ± σ, how unsure it is. The line below a bar: how much it says (KL). "
        "Drag a bar!",
        "圆点是 μ，编码器最好的猜测；竖线是 ±σ，它有多不确定；小条下面的横线：它说了多少（KL）。拖一拖小条！",
    ),
    "told": (
        "z{k} = {z} · μ = {mu}, σ = {sigma} · it says {kl} nats",
        "z{k} = {z} · μ = {mu}，σ = {sigma} · 它说了 {kl} 奈特",
    ),
    "loss": ("What it costs", "代价是多少"),
    "nats": ("{count} nats", "{count} 奈特"),
    "error": ("Error of the copy", "还原误差"),
    "kl": ("What z says (KL)", "z 说了多少（KL）"),
    "error_bernoulli": ("−log p(x | z)", "−log p(x | z)"),
    "error_gaussian": ("‖x − x̂‖² / 2σₓ²", "‖x − x̂‖² / 2σₓ²"),
    "about": (
        "Training makes the sum small. Touch a part of it. Then drag a bar and watch which of the two grows.",
        "训练就是让这个和变小。点一点其中一项；再拖动小条，看哪一项变大。",
    ),
    "about_bernoulli": (
        "How surprised the model is by the true pixels when it has only z. It grows as you pull z away from μ.",
        "只知道 z 时，真实像素让模型有多意外。把 z 从 μ 拉开，它就变大。",
    ),
    "about_gaussian": (
        "The squared difference of the pixels, divided by twice the error's variance σₓ², which the model learned; a constant is left out. "
        "It grows as you pull z away from μ.",
        "像素之差的平方，除以误差方差 σₓ² 的两倍（σₓ² 由学习得到）；常数项略去。把 z 从 μ 拉开，它就变大。",
    ),
    "about_kl": (
        "How far the encoder's answer, μ and σ, lies from N(0, I): the price of saying anything. It belongs to that answer, so dragging z "
        "does not change it. The lines below the bars share it out.",
        "编码器的回答（μ 与 σ）离 N(0, I) 有多远：说任何事都要付的价钱。它属于这个回答，所以拖动 z 不会改变它。"
        "小条下面的横线就是它的分摊。",
    ),
    "variants": ("Eight draws: z = μ + s·σ·ε", "抽八次：z = μ + s·σ·ε"),
    "again": ("Draw ε again", "再抽一次 ε"),
    "scale": ("s, how many σ", "s：几倍 σ"),
    "seed": ("First seed", "第一个种子"),
    "of_seed": ("seed {seed}", "种子 {seed}"),
    "variant": ("The draw of seed {seed}: put its z into the bars", "种子 {seed} 抽出的图：把它的 z 放进小条"),
    "ways": ("Directions: many bars at once", "方向：同时拉动许多小条"),
    "before": ("before: z = μ", "之前：z = μ"),
    "after": ("after", "之后"),
    "seeking": ("Looking for directions …", "正在寻找方向……"),
    "ways_labels": (
        "From the mean z of all other classes to the mean z of this one (1 is the whole way), as a classifier reads what the model draws.",
        "从其他类别的平均 z 指向这个类别的平均 z（1 就是走完全程）；由分类器辨认模型画出的图得出。",
    ),
    "ways_pca": (
        "Where the z of pictures vary most, the widest first (principal components; 1 is a standard deviation). "
        "Nobody named them: what do they change?",
        "图片的 z 变化最大的几个方向，变化最大的在前（主成分；1 是一个标准差）。没有人给它们起过名字：它们改变了什么？",
    ),
    "ways_sefa": (
        "Where the decoder's first layer moves most, the strongest first (SeFa). Nobody named them: what do they change?",
        "解码器第一层反应最强的几个方向，最强的在前（SeFa）。没有人给它们起过名字：它们改变了什么？",
    ),
    "waits": ("The server is busy; the newest position is on its way.", "服务器正忙，最新的位置正在发送。"),
    "lost": (
        "The server does not answer. Move a bar to try again; after a restart of the app, reload the page.",
        "服务器没有回应。再动一下小条即可重试；若应用已重启，请刷新页面。",
    ),
}

OPENED_TEXTS: dict[str, tuple[str, str]] = {
    "opened": tuple(json.dumps({key: pair[k] for key, pair in WORDS.items()}, ensure_ascii=False) for k in range(2)),  # type: ignore[dict-item]
    "direction_class": ("more like {name}", "更像 {name}"),
    "direction": ("direction {k}", "方向 {k}"),
    "closed": (
        "{model} has no bars to pull: it gives no μ and σ. Choose one of: {choices}.",
        "{model} 没有可以拖动的小条：它不给出 μ 和 σ。请改选：{choices}。",
    ),
}
