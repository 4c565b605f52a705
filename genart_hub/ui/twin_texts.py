"""The words of the twin: the three kinds of models on points of the plane, and what one sees there."""

import json
from typing import Any

ORANGE, BLUE, PURPLE, INK = "#ffbc52", "#2f6fe0", "#8a4fd0", "#1e1b3a"
SURFACE = "linear-gradient(90deg, #be8fed, white, #ffbc52)"
HUES = "conic-gradient(#b45309, #be185d, #6d28d9, #1d4ed8, #0e7490, #15803d, #b45309)"

WORDS: dict[str, tuple[str, str]] = {
    "lang": ("en", "zh"),
    "title": ("Ten seconds on the plane: watch all of it at once", "平面上的十秒钟：一眼看全"),
    "lead": (
        "A picture of a digit is 784 numbers, and nobody can look at 784 directions. A point in the plane is two. Here the same "
        "three kinds of models learn to make points instead of pictures, in your browser, while you look.",
        "一张数字图片有 784 个数，没有人能看见 784 个方向；平面上的一个点只有两个数。"
        "在这里，同样的三种模型学着造“点”而不是造图，就在你的浏览器里，就在你眼前。",
    ),
    "kinds": ("Which model learns", "哪种模型在学"),
    "gan": ("GAN", "GAN"),
    "vae": ("VAE", "VAE"),
    "diffusion": ("Diffusion", "扩散"),
    "shape": ("What it learns", "学什么"),
    "shape_ring": ("a ring of eight blobs", "八团点围成的环"),
    "shape_moons": ("two moons", "两弯月牙"),
    "shape_spiral": ("a spiral", "一条螺线"),
    "seed": ("Seed", "种子"),
    "anew": ("↺ Again", "↺ 再来一次"),
    "play": ("Let it learn", "开始学习"),
    "pause": ("Pause the learning", "暂停学习"),
    "more": ("Learn on", "继续学习"),
    "step": ("step {step} of {goal}", "第 {step} 步，共 {goal} 步"),
    "losses": ("Loss", "损失"),
    "curves_gan": ("The losses of D and G so far", "D 和 G 至今的损失"),
    "curves_vae": ("The two parts of the VAE's loss so far, in nats", "VAE 损失的两部分（奈特），至今"),
    "curves_diffusion": ("The error of the predicted noise so far", "预测噪声的误差，至今"),
    "d_loss": ("D, the judge", "D，评判者"),
    "g_loss": ("G, the painter", "G，画手"),
    "error": ("error of the copy", "还原误差"),
    "kl": ("what z says (KL)", "z 说了多少（KL）"),
    "loss": ("error of the predicted noise", "预测噪声的误差"),
    "one_d": ("One step of D", "D 学一步"),
    "one_g": ("One step of G", "G 学一步"),
    "strong": ("D too strong: five steps for one of G", "让 D 过强：D 走五步，G 走一步"),
    "r1": ("R1 keeps D gentle", "用 R1 让 D 温和一些"),
    "beta": ("β, the price of what z says", "β：z 说话的价钱"),
    "moment": ("From noise (left) to data (right)", "从噪声（左）到数据（右）"),
    "flow": ("▶ Let the points flow", "▶ 让点流动起来"),
    "parts_blobs": ("blobs", "团"),
    "parts_line": ("stretches of the line", "段"),
    "plane_gan_data": ("The plane, coloured by what D believes", "平面，颜色是 D 的看法"),
    "plane_vae_data": ("The points, their copies, and what is drawn", "点、它们的副本，以及画出来的点"),
    "plane_vae_z": ("z: where the encoder puts them", "z：编码器把它们放在哪里"),
    "plane_diffusion_data": ("The way from noise to data", "从噪声到数据的路"),
    "alt_gan_data": (
        "GAN on the plane: D's answer as colour behind the points, real points in orange, G's in blue, with arrows that show where "
        "D's gradient pulls them",
        "平面上的 GAN：背景颜色是 D 的回答，真实的点为橙色，G 的点为蓝色，箭头表示 D 的梯度把它们拉向何处",
    ),
    "alt_vae_data": (
        "VAE on the plane: real points, each with a line to its copy, and in purple points that are drawn from random z",
        "平面上的 VAE：真实的点各有一条线连到它的副本，紫色的点由随机的 z 画出",
    ),
    "alt_vae_z": (
        "The z-plane of the VAE: for sixty-four points an ellipse of mu and sigma, against the unit circle",
        "VAE 的 z 平面：六十四个点各有一个由 μ 和 σ 决定的椭圆，虚线是单位圆",
    ),
    "alt_diffusion_data": (
        "Diffusion on the plane: points on their way from noise to the data, the paths of forty of them, and arrows of the noise that "
        "the network takes away",
        "平面上的扩散模型：点从噪声走向数据，其中四十个画出了路径，箭头是网络要去掉的噪声",
    ),
    "gan_zero": (
        "Before the first step: all of G's points lie in one clump, and D has no idea either. Press ▶.",
        "第一步之前：G 的点全挤成一团，D 也毫无主意。按 ▶ 吧。",
    ),
    "gan_young": (
        "The clump comes apart. D colours the plane: orange where it believes in real points, purple where it does not. "
        "The arrows say which way uphill is.",
        "那一团散开了。D 给平面上色：橙色是它认为真实的点所在的地方，紫色是没有的地方。箭头指着“上坡”的方向。",
    ),
    "gan_collapse": (
        "G's points fall on {hit} of {of} {parts} only: a collapse. What G makes there is good enough for D, so G has no reason to look "
        "for the rest. Turn on R1 and press Again.",
        "所有的点只落在 {of} {parts}中的 {hit} {parts}上：崩溃了。在那里已经骗得过 D，G 就没有理由去找别处。打开 R1，再按“再来一次”。",
    ),
    "gan_stuck": (
        "Only {hit} of {of} {parts} are reached so far, but with R1 D's slopes stay gentle and its arrows reach far. Give it time.",
        "目前只到了 {of} {parts}中的 {hit} {parts}，不过有了 R1，D 的坡度平缓，箭头能指得很远。给它一点时间。",
    ),
    "gan_ahead": (
        "D is far ahead: it is right {right} times in 100, and G runs after it. {hit} of {of} {parts} are reached.",
        "D 遥遥领先：100 次里对 {right} 次，G 在后面追。{of} {parts}里到了 {hit} {parts}。",
    ),
    "gan_game": (
        "The game is on: D is right {right} times in 100 (guessing gives 50). G reaches {hit} of {of} {parts}, and {near} of 100 points "
        "lie close to a real one.",
        "对局正在进行：D 100 次里对 {right} 次（瞎猜 50 次）。G 到了 {of} {parts}中的 {hit} {parts}，100 个点里有 {near} 个紧挨真实的点。",
    ),
    "gan_even": (
        "D can hardly tell them apart any more: it is right {right} times in 100, and guessing gives 50. {hit} of {of} {parts} are "
        "reached, and {near} of 100 points lie close to a real one.",
        "D 已经快分不清了：100 次里对 {right} 次，瞎猜 50 次。{of} {parts}里到了 {hit} {parts}，100 个点里有 {near} 个紧挨真实的点。",
    ),
    "vae_zero": (
        "Before the first step: copies lie anywhere but at their points, and the ellipses lie on top of each other. Press ▶.",
        "第一步之前：副本不在自己的点上，椭圆全都叠在一起。按 ▶ 吧。",
    ),
    "vae_young": (
        "Copies run to their points, ellipses shrink and push each other aside. A copy is still {off} away from its point on average.",
        "副本朝自己的点跑去，椭圆缩小、互相推开。平均来说，副本离它的点还有 {off}。",
    ),
    "vae_silent": (
        "z says nothing any more: all ellipses lie on the unit circle, and all copies on one point. At this β, silence is cheapest. "
        "Lower β.",
        "z 什么也不说了：椭圆全叠在单位圆上，副本全缩成一点。β 这么大，沉默最便宜。把 β 调低。",
    ),
    "vae_half": (
        "One of the two numbers of z has fallen silent: the ellipses are as wide as the unit circle in one direction. Copies lie "
        "{off} away from their points.",
        "z 的两个数里有一个沉默了：椭圆在一个方向上和单位圆一样宽。副本离它们的点 {off}。",
    ),
    "vae_good": (
        "Copies lie {off} away from their points, and the ellipses share out the circle. {near} of 100 purple points, drawn from random z, "
        "lie close to a real one; the others come from gaps between ellipses. Move β!",
        "副本离它们的点 {off}，椭圆们分占了圆。由随机 z 画出的紫点，100 个里有 {near} 个紧挨真实的点；其余的来自椭圆之间的空隙。动一动 β！",
    ),
    "diffusion_zero": (
        "Before the first step: the network only guesses where noise is, and the points fly apart. Press ▶.",
        "第一步之前：网络只是乱猜哪里有噪声，点都飞散了。按 ▶ 吧。",
    ),
    "diffusion_young": (
        "The first thing it learns is where the middle of everything is: the paths pull together. {near} of 100 points arrive "
        "close to a real one.",
        "它先学会的是“一切的中间”在哪里：路径开始收拢。100 个点里有 {near} 个到达真实的点旁边。",
    ),
    "diffusion_coming": (
        "The paths part and find the data: {near} of 100 points arrive close to a real one, on {hit} of {of} {parts}.",
        "路径分开了，找到了数据：100 个点里有 {near} 个到达真实的点旁边，落在 {of} {parts}中的 {hit} {parts}上。",
    ),
    "diffusion_good": (
        "From noise the points find all {of} {parts}, and {near} of 100 arrive close to a real one. Drag the slider: each has "
        "its own path.",
        "从噪声出发，点找到了全部 {of} {parts}，100 个里有 {near} 个到达真实的点旁边。拖动滑块看看：各有各的路。",
    ),
}
LEGENDS: dict[str, list[tuple[str, str, str, str]]] = {  # of each plane: how a mark looks, its colour, and its name
    "gan_data": [
        ("", ORANGE, "real points", "真实的点"),
        ("", BLUE, "G's points", "G 的点"),
        ("line", INK, "where D pulls them", "D 把它们拉向何处"),
        ("field", SURFACE, "D: made … real", "D：假的 … 真的"),
    ],
    "vae_data": [
        ("", HUES, "real points, by part", "真实的点，按部分着色"),
        ("ring", INK, "their copies", "它们的副本"),
        ("", PURPLE, "drawn from random z", "由随机的 z 画出"),
    ],
    "vae_z": [("ring", HUES.split("(")[1].split(",")[0], "μ and σ of a point", "一个点的 μ 和 σ"), ("line", INK, "unit circle", "单位圆")],
    "diffusion_data": [
        ("ring", ORANGE, "real points", "真实的点"),
        ("", PURPLE, "noise at first, …", "起初是噪声……"),
        ("", "#c96700", "… and then data", "……后来成了数据"),
        ("line", INK, "the noise it takes away", "它要去掉的噪声"),
    ],
}


def words_of(k: int) -> str:
    """What twin.js is told in language k, as JSON."""
    told: dict[str, Any] = {key: pair[k] for key, pair in WORDS.items()}
    told |= {f"legend_{name}": [(*mark[:2], mark[2 + k]) for mark in marks] for name, marks in LEGENDS.items()}
    return json.dumps(told, ensure_ascii=False)


TWIN_TEXTS: dict[str, tuple[str, str]] = {
    "twin": (words_of(0), words_of(1)),
    "twin_place": ("the points of the plane", "平面上的点"),
    "path_twin": ("▶ Watch it learn on the plane", "▶ 看它在平面上学习"),
}
