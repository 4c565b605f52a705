"""The words of the row of bottlenecks, and those of the curve of an inversion."""

import json

CURVE = {
    "title": ("The search: mean squared error, step by step", "搜索过程：每一步的均方误差"),
    "alt": (
        "Mean squared error of the best picture so far, over {steps} steps. At step 1: {start}. Lowest: {best}, found at step {at}; "
        "the search has made {step} steps.",
        "到目前为止最好的图片的均方误差，共 {steps} 步。第 1 步：{start}。最低：{best}，在第 {at} 步找到；搜索已走 {step} 步。",
    ),
    "alt_vae": (" The VAE's answer to the same picture: {vae}.", "变分自编码器对同一张图片的回答：{vae}。"),
    "best": ("best: {best} (step {at})", "最好：{best}（第 {at} 步）"),
    "vae": ("the VAE, in one step: {vae}", "变分自编码器，一步：{vae}"),
    "gan": ("the GAN's best so far", "GAN 目前最好的结果"),
    "step": ("step {step}", "第 {step} 步"),
}

BOTTLENECKS_TEXTS: dict[str, tuple[str, str]] = {
    "curve": tuple(json.dumps({key: pair[k] for key, pair in CURVE.items()}, ensure_ascii=False) for k in range(2)),  # type: ignore[dict-item]
    "bottlenecks": ("The same picture through other bottlenecks", "同一张图片，穿过不同的瓶颈"),
    "bottlenecks_lead": (
        "An autoencoder squeezes a picture into fewer numbers and draws it again from these alone. This picture is {width} × {height} × "
        "{channels} = {bytes} bytes. What is left of it, and what comes back?",
        "自编码器把图片压成较少的数，再只凭这些数把它画出来。这张图片有 {width} × {height} × {channels} = {bytes} 个字节。"
        "每个模型留下多少，又还原出什么？",
    ),
    "keeps_vector": ("{count} numbers in a row: z", "一排 {count} 个数：z"),
    "keeps_words": ("{count} numbers in a row: z", "一排 {count} 个数：z"),
    "keeps_grid": ("{shape} = {count} numbers, in a grid", "{shape} = {count} 个数，排成网格"),
    "keeps_codes": ("{shape} = {count} codes, each one of {codes}", "{shape} = {count} 个编码，每个有 {codes} 种可能"),
    "keeps_bytes": ("{bytes} bytes: the picture is {share} times as large", "{bytes} 字节：原图是它的 {share} 倍"),
    "keeps_bits": (
        "{bits} bits, that is {bytes} bytes: the picture is {share} times as large",
        "{bits} 比特，即 {bytes} 字节：原图是它的 {share} 倍",
    ),
    "passed": ("The picture as {model} gives it back", "{model} 还原的图片"),
    "passed_error": ("mean squared error {error}", "均方误差 {error}"),
    "codes_shown": ("Its grid of {shape} codes, each code in a colour of its own", "{shape} 的编码网格，每种编码一种颜色"),
    "made_for_vector": (
        "Made to draw new pictures: any z near N(0, I) should give one, so z must not say too much about this one.",
        "为画新图片而生：N(0, I) 附近的任何 z 都应能画出图片，所以 z 不能对这一张说太多。",
    ),
    "made_for_words": (
        "Made to draw from words: z holds only what the words leave open, and here it is told no words.",
        "为按文字作画而生：z 只装文字没有说的东西；而这里没有告诉它任何文字。",
    ),
    "made_for_grid": (
        "Made to give pictures back, for a diffusion that works in its small grid instead of in pixels: each place keeps what is near it.",
        "为还原图片而生：扩散在它的小网格里进行，不必处理像素；网格的每一处只记住附近的内容。",
    ),
    "made_for_codes": (
        "Made to turn a picture into a text of codes, which a transformer can learn to write: each code is one of a fixed list.",
        "为把图片变成一段“编码文字”而生，变换器可以学着去写：每个编码都出自一张固定的表。",
    ),
}
