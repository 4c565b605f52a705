"""The words of the drawing that becomes a picture: what each tile of its row shows, and what the pads ask for."""

from genart_hub.ui.inside_texts import told

WAY = {
    "title": ("What the model begins with", "模型从哪里开始"),
    "about": ("Your drawing, on its way to the model.", "你的画进入模型之前的样子。"),
    "value_seen": ("Your drawing, as the model sees it", "模型看到的画"),
    "value_mask": ("The mask: white is drawn anew", "蒙版：白色处重画"),
    "value_latents": ("Its latents: {count} fields of numbers, grey is 0", "它的潜变量：{count} 层数字，灰色为 0"),
    "value_noised": ("The latents under noise: the model starts here", "加噪后的潜变量：模型从这里开始"),
}
ROW = {
    "title": ("What it makes of it", "它画成了什么"),
    "about": ("The same drawing, each time under other noise.", "同一幅画，每次加的噪声不同。"),
    "value": ("Seed {value}", "种子 {value}"),
}

REDRAW_TEXTS: dict[str, tuple[str, str]] = {
    "redraw": ("From your drawing to a picture", "从你的画到图片"),
    "redraw_intro": (
        "Draw something, as simple as you like, and write into the prompt above what it shall be. The model then begins with your drawing "
        "under noise, not with noise alone, so shapes and colours stay about where you put them. Steps and guidance are those above too; "
        "the four pictures are of the seed above and the three after it.",
        "随手画点什么，再在上面的提示词里写下它应该是什么。模型不是只从噪声开始，而是从加了噪声的画开始，所以形状和颜色大致留在原处。"
        "步数和引导也用上面的设置；四张图片用的是上面的种子和它后面的三个。",
    ),
    "redraw_pad": ("Your drawing", "你的画"),
    "redraw_upload": ("Or a picture of yours, to draw upon", "或者放一张图片，在上面画"),
    "redraw_strength": ("How much noise", "加多少噪声"),
    "redraw_strength_info": (
        "Your drawing is turned into latents, this share of noise is added to them, and the model takes it away again: with little the "
        "drawing stays, with 1 hardly anything of it is left.",
        "画先变成潜变量，再按这个比例加上噪声，然后由模型把噪声去掉：加得少，画就保留得多；加到 1，几乎什么也不剩。",
    ),
    "redraw_go": ("▶ Turn it into a picture", "▶ 变成图片"),
    "redraw_part": ("Only a part of it …", "只改一部分……"),
    "redraw_marks": ("Paint over what is to be drawn anew", "涂出要重画的地方"),
    "redraw_marks_about": (
        "What you paint over in pink is drawn anew as the prompt says; every pixel beside it stays as it is.",
        "涂成粉色的地方按提示词重画，其余每个像素都保持不变。",
    ),
    "redraw_over": ("▶ Draw the marked part anew", "▶ 重画涂过的部分"),
    "redraw_begins": ("The drawing is put under noise …", "正在给画加噪声……"),
    "redraw_step": ("{bar} step {step} of {total}", "{bar} 第 {step} / {total} 步"),
    "redraw_way": told(WAY),
    "redraw_row": told(ROW),
}
