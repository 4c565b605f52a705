"""The words of the map of a latent space."""

import json

WORDS: dict[str, tuple[str, str]] = {
    "lang": ("en", "zh"),
    "title": ("A latent space to touch", "摸得到的潜在空间"),
    "lead": (
        "Every point of this square is a list of {count} numbers, and {model} makes a picture of each. Drag the dot: the pictures between "
        "the ones you know were never drawn by anybody.",
        "这个方块里的每一个点都是 {count} 个数，{model} 能把其中任何一个变成图片。拖动圆点看看：夹在已知图片之间的那些图，从来没有人画过。",
    ),
    "lead_waits": ("The map is being drawn …", "正在绘制地图……"),
    "model": ("Model", "模型"),
    "faces": ("Which map", "哪一张地图"),
    "corners": ("Four corners", "四个角"),
    "plane": ("Widest plane (PCA)", "变化最大的平面（PCA）"),
    "kinds": ("What stands at the corners", "四个角上放什么"),
    "kind_seeds": ("Seeds", "种子"),
    "kind_classes": ("Classes", "类别"),
    "kind_pictures": ("Pictures", "图片"),
    "kind_prompts": ("Prompts", "提示词"),
    "seed": ("Seed of all", "共同的种子"),
    "label": ("Class of all", "共同的类别"),
    "prompt": ("Prompt of all", "共同的提示词"),
    "end_seeds": ("Corner {name}: seed", "{name} 角：种子"),
    "end_classes": ("Corner {name}: class", "{name} 角：类别"),
    "end_pictures": ("Corner {name}: picture", "{name} 角：图片"),
    "end_prompts": ("Corner {name}: prompt", "{name} 角：提示词"),
    "own": ("your own picture …", "你自己的图片……"),
    "own_kept": ("your picture", "你的图片"),
    "bad_file": (
        "This file is not a picture that the browser can read. Choose a PNG, JPEG or WebP file.",
        "浏览器读不了这个文件。请选择 PNG、JPEG 或 WebP 图片。",
    ),
    "grid": ("64 pictures of the map, 8 across and 8 down", "地图上的 64 张图片，横 8 张、竖 8 张"),
    "here": ("The picture at the dot", "圆点处的图片"),
    "dot": ("The dot on the map; arrow keys move it", "地图上的圆点，用方向键移动"),
    "place": ("{x} % to the right, {y} % down", "向右 {x} %，向下 {y} %"),
    "place_plane": ("{x} σ along the first direction, {y} σ along the second", "第一方向 {x} σ，第二方向 {y} σ"),
    "hand": (
        "A corner's share is how near the dot is to it. Along the edges the way goes along the sphere on which latents live (slerp).",
        "一个角占多少，看圆点离它有多近。沿着边走，就是在潜在点所在的球面上走（slerp）。",
    ),
    "hand_classes": (
        "A corner's share is how near the dot is to it. All pictures are of the same seed; what the network knows of the classes is mixed "
        "by these shares.",
        "一个角占多少，看圆点离它有多近。所有图片都用同一个种子；网络对各个类别的了解，按这些份额混合。",
    ),
    "hand_plane": (
        "The middle is this model's average latent. To the right lies the direction in which its pictures vary most, upwards the second; "
        "the edges are 2.5 standard deviations away. Nobody named these directions: what do they change?",
        "正中央是这个模型的平均潜在点。向右是图片变化最大的方向，向上是变化第二大的方向，边缘距中心 2.5 个标准差。"
        "没有人给这些方向起过名字：它们改变了什么？",
    ),
    "axis_up": ("↑ second direction, up to 2.5 σ", "↑ 第二方向，到 2.5 σ"),
    "axis_right": ("first direction, up to 2.5 σ →", "第一方向，到 2.5 σ →"),
    "strip": ("Two ways between two corners", "两个角之间的两条路"),
    "from": ("from", "从"),
    "to": ("to", "到"),
    "about": (
        "Above along the sphere (slerp), below straight through (lerp), 24 pictures each. Move the line, or press Play.",
        "上面沿球面走（slerp），下面走直线（lerp），各 24 张。拖动竖线，或点击“播放”。",
    ),
    "film_slerp": ("The 24 pictures of slerp", "slerp 的 24 张图片"),
    "film_lerp": ("The 24 pictures of lerp", "lerp 的 24 张图片"),
    "now_slerp": ("slerp, along the sphere", "slerp：沿球面"),
    "now_lerp": ("lerp, straight through", "lerp：走直线"),
    "curve": ("Length of the latents along both ways", "两条路上潜在点的长度"),
    "frame": ("Place on the way", "走到哪里"),
    "at_frame": ("Picture {k} of {count}: slerp {slerp}, lerp {lerp}", "第 {k} 张，共 {count} 张：slerp {slerp}，lerp {lerp}"),
    "play": ("▶ Play", "▶ 播放"),
    "pause": ("❚❚ Pause", "❚❚ 暂停"),
    "length_slerp": ("slerp: ‖z‖ = {value}", "slerp：‖z‖ = {value}"),
    "length_lerp": ("lerp: ‖z‖ = {value}", "lerp：‖z‖ = {value}"),
    "length_slerp_words": ("slerp: length {value}", "slerp：长度 {value}"),
    "length_lerp_words": ("lerp: length {value}", "lerp：长度 {value}"),
    "length_mark": ("√{count} = {value}, the sphere's radius", "√{count} = {value}，球面的半径"),
    "why_seeds": (
        "In {count} dimensions almost all of N(0, I) lies near a sphere of radius √{count}. The straight way cuts through the ball: "
        "half way its points are far too short, of a kind that the model never saw in training, and its pictures get more average.",
        "在 {count} 维里，N(0, I) 的点几乎都落在半径 √{count} 的球面附近。直线会穿过球的内部：走到一半时点太短，"
        "模型训练时从没见过这样的点，图片也就变得更平均、更没有个性。",
    ),
    "why_mixture": (
        "This VAE's latents come from a mixture that was fitted to its training pictures, so their lengths differ from √{count}. The noise "
        "goes along the sphere or straight, and each point is then placed between the two ends' components.",
        "这个 VAE 的潜在点来自拟合训练图片得到的混合分布，所以长度与 √{count} 不同。噪声沿球面或直线前进，每个点再放到两端的成分之间。",
    ),
    "why_pictures": (
        "These ends are pictures that the encoder has read, so each has the length that the encoder gave it, mostly less than √{count}. "
        "The straight way still sags in the middle.",
        "两端是编码器读过的图片，长度由编码器决定，大多小于 √{count}。直线在中间仍然会下垂。",
    ),
    "why_classes": (
        "Both ways are the same here: all classes share the z of one seed, and only the class goes over, in equal steps. "
        "Choose Seeds to see the two ways part.",
        "这里两条路完全一样：所有类别共用同一个种子的 z，变化的只有类别，而且步子均匀。选择“种子”，就能看到两条路分开。",
    ),
    "why_prompts": (
        "Here z stays, and what the model has understood of the words goes over. The curve is the length of that list of numbers: it has "
        "no sphere of its own, but the straight way makes it shorter too.",
        "这里 z 不变，变化的是模型对文字的理解。曲线是这串数的长度：它没有自己的球面，但直线同样会让它变短。",
    ),
    "waits": ("The server is busy; the newest position is on its way.", "服务器正忙，最新的位置正在发送。"),
    "lost": (
        "The server does not answer. Move the dot to try again; after a restart of the app, reload the page.",
        "服务器没有回应。再动一下圆点即可重试；若应用已重启，请刷新页面。",
    ),
}

MAP_TEXTS: dict[str, tuple[str, str]] = {
    "map": tuple(json.dumps({key: pair[k] for key, pair in WORDS.items()}, ensure_ascii=False) for k in range(2)),  # type: ignore[dict-item]
    "map_prompts": ("red apple|rocket|cat face|snowman", "红苹果|火箭|猫脸|雪人"),
    "map_place": ("the place on the map", "地图上的位置"),
    "map_try": ("Touch its latent space", "摸一摸它的潜在空间"),
    "mp4": ("⬇ MP4", "⬇ MP4"),
}
