"""The words of the recorded trainings: their names, those of their curves and bars, and what there is to see when."""

import json

from genart_hub.ui.recordings import NAMES

RECORDINGS = {
    "gan-article": ("GAN of the article", "文章里的 GAN"),
    "gan-r1": ("the same, with R1", "同一个，加上 R1"),
    "gan-collapse": ("a collapse", "一次崩溃"),
    "vae": ("VAE", "VAE"),
    "diffusion": ("diffusion", "扩散"),
}
WORDS = {
    "play": ("Play", "播放"),
    "pause": ("Pause", "暂停"),
    "time": ("Moment of the training", "训练的时刻"),
    "step": ("step", "步数"),
    "curves": ("Loss", "损失"),
    "d_loss": ("D, the judge", "D，评判者"),
    "g_loss": ("G, the painter", "G，画手"),
    "reconstruction": ("how badly pictures come back", "图片还原得有多差"),
    "kl": ("how much the code says (KL)", "编码说了多少（KL）"),
    "loss": ("error of the noise it believes to see", "它所认为的噪声的误差"),
    "real": ("to real pictures", "对真图"),
    "made": ("to G's pictures", "对 G 的图"),
    "low": ("surely made", "肯定是假的"),
    "high": ("surely real", "肯定是真的"),
    "nats": ("nats that each number of z says", "z 的每个数说了多少奈特"),
}
ANSWERS, Z = ("D's answers", "D 的回答"), ("The numbers of z", "z 的各个数")
BARS = {"gan-article": ANSWERS, "gan-r1": ANSWERS, "gan-collapse": ANSWERS, "vae": Z, "diffusion": ("", "")}
ALT = {
    "gan-article": (
        "Sixteen digits by a GAN in training, always of the same z",
        "训练中的 GAN 画的十六个数字，z 始终不变",
    ),
    "gan-r1": (
        "Sixteen digits by a GAN with R1 in training, always of the same z",
        "训练中带 R1 的 GAN 画的十六个数字，z 始终不变",
    ),
    "gan-collapse": (
        "Sixteen pictures by a GAN that collapses, always of the same z",
        "正在崩溃的 GAN 画的十六张图，z 始终不变",
    ),
    "vae": (
        "Eight digits drawn by a VAE in training, and eight real ones as it rebuilds them",
        "训练中的 VAE 画的八个数字，以及它重建的八个真数字",
    ),
    "diffusion": (
        "Sixteen digits by a diffusion model in training, always from the same noise",
        "训练中的扩散模型从同样的噪声画出的十六个数字",
    ),
}
NOTES: dict[str, list[tuple[int, str, str]]] = {
    "gan-article": [
        (
            0,
            "Before the first step: G turns every z into the same grey noise, and D cannot tell it from anything.",
            "第一步之前：G 把每个 z 都变成同样的灰噪声，D 什么也分不清。",
        ),
        (20, "G has found out where the ink is: in the middle. All sixteen pictures look alike.", "G 发现墨迹在中间。十六张图几乎一样。"),
        (
            500,
            "Strokes, then digits. D's two mountains come apart: it finds reasons, and G follows them.",
            "先有笔画，再有数字。D 的两座“山”分开了：它找到了破绽，G 跟着改。",
        ),
        (
            2_500,
            "One can read most of them now. A z may still change its digit: nobody told G which z should be which.",
            "现在大多数都能认出来了。同一个 z 还会换数字：没人告诉 G 哪个 z 该是哪个数字。",
        ),
        (
            6_500,
            "Thinner, cleaner strokes, white specks around them. Neither loss has fallen for long, and yet the pictures got better.",
            "笔画更细、更干净，周围还有白点。两个损失早就不降了，图却一直在变好。",
        ),
    ],
    "gan-r1": [
        (
            0,
            "The same start, the same z, the same pictures to learn from. D only pays for steep changes of its answer.",
            "同样的起点、同样的 z、同样的训练图片。只是 D 的回答变化太陡要付代价。",
        ),
        (
            500,
            "D's answers stay closer together than without R1: it is less sure, so G always hears in which direction to go.",
            "D 的回答比没有 R1 时更靠拢：它没那么肯定，所以 G 总能听到该往哪儿改。",
        ),
        (
            2_500,
            "Readable digits, as without R1. At this learning rate both games go well; the next recording shows one that does not.",
            "数字可以认了，和没有 R1 时差不多。这个学习率下两盘棋都下得好；下一段录像是一盘下坏了的。",
        ),
        (
            6_500,
            "G's loss stays lower and D's higher than without R1: the game is closer.",
            "G 的损失比没有 R1 时低，D 的更高：这盘棋更势均力敌。",
        ),
    ],
    "gan-collapse": [
        (
            0,
            "The same network again, but with a learning rate fifteen times as high, and Adam's momentum at 0.9.",
            "还是同样的网络，但学习率高了十五倍，Adam 的动量是 0.9。",
        ),
        (
            40,
            "After sixty steps D is sure: its two mountains stand at the two ends. Hardly any gradient reaches G from there.",
            "六十步之后，D 对一切都十拿九稳：两座“山”站到了两端。从那里几乎没有梯度传给 G。",
        ),
        (
            600,
            "All sixteen z give nearly the same blot: a collapse. G jumps from blot to blot, and D follows at once.",
            "十六个 z 画出的几乎是同一团墨迹：崩溃了。G 从一团跳到另一团，D 立刻跟上。",
        ),
        (
            2_000,
            "It does not recover. The cure is a lower learning rate, less momentum, and R1.",
            "它不会自己恢复。药方：更低的学习率、更小的动量，再加上 R1。",
        ),
    ],
    "vae": [
        (
            0,
            "The upper eight are drawn from random z, the lower eight are real digits as it rebuilds them. All grey as yet.",
            "上面八张用随机的 z 画出，下面八张是它重建的真数字。现在还都是灰的。",
        ),
        (
            10,
            "The average digit comes first: whatever z says, that blot is the least wrong answer.",
            "最先出现的是“平均数字”：不管 z 说什么，这团影子错得最少。",
        ),
        (
            150,
            "Some numbers of z begin to speak (the bars), and the rebuilt digits take their own shapes.",
            "z 里有些数开始说话了（看小条），重建的数字有了各自的形状。",
        ),
        (
            1_000,
            "A dozen numbers carry everything, the others have fallen silent: to say nothing costs nothing.",
            "十来个数承担了全部内容，其余的沉默了：什么都不说，就什么都不用付。",
        ),
        (
            2_000,
            "Rebuilt digits are clear, drawn ones soft: a random z may lie where no real digit ever was.",
            "重建的很清楚，凭空画的有些软：随机的 z 可能落在没有任何真数字的地方。",
        ),
    ],
    "diffusion": [
        (
            0,
            "It is asked for the digits 0 to 9 and takes out of the noise what it believes to be noise. It knows nothing: noise stays.",
            "要它画 0 到 9，它从噪声里去掉自己认为的噪声。它还什么都不懂，所以仍是噪声。",
        ),
        (
            330,
            "The loss has fallen to an eighth of its first value, and digits begin to show, with much noise around them.",
            "损失已降到最初的八分之一，数字开始出现，周围还有很多噪声。",
        ),
        (
            700,
            "Every picture is the digit that was asked for. From the same noise the same shape comes out, ever cleaner.",
            "每张图都是要求的那个数字。同样的噪声总变成同样的形状，越来越干净。",
        ),
        (
            2_000,
            "The curve is nearly flat. What still changes is the grey grain in the background.",
            "曲线几乎平了。还在变的是背景里的灰色颗粒。",
        ),
    ],
}
LIVE = ("What the two networks do, or what z says", "两个网络的表现，或 z 说了什么")
LIVE_ALT = ("Sixteen pictures by the network in training, always of the same z", "训练中的网络画的十六张图，z 始终不变")


def words_of(name: str, k: int) -> str:
    """What film.js is told in language k, as JSON."""
    told = {key: pair[k] for key, pair in WORDS.items()}
    told |= {"bars": BARS[name][k], "alt": ALT[name][k]} if name in BARS else {"bars": LIVE[k], "alt": LIVE_ALT[k]}
    return json.dumps(told | {"notes": [[note[0], note[1 + k]] for note in NOTES.get(name, ())]}, ensure_ascii=False)


FILM_TEXTS: dict[str, tuple[str, str]] = {
    "training": ("Training", "训练"),
    "training_intro": (
        "Watch a network learn: the same sixteen starting points at sixty moments of its training. Drag the slider, or press play.",
        "看网络怎样学习：同样的十六个起点，训练中的六十个时刻。拖动滑块，或按播放。",
    ),
    "recording": ("Which training", "哪一次训练"),
    **{f"recording_{name}": pair for name, pair in RECORDINGS.items()},
    **{f"film_{name}": (words_of(name, 0), words_of(name, 1)) for name in (*NAMES, "live")},
    "live": ("Train one yourself", "自己训练一个"),
    "live_intro": (
        "A new network learns on this machine, now: on 2,000 handwritten digits, or on pictures of yours. Turn the knobs while it learns.",
        "一个全新的网络此刻就在这台机器上学习：用 2,000 个手写数字，或者用你自己的图片。学习途中也可以拧旋钮。",
    ),
    "live_kind": ("Which network", "哪种网络"),
    "live_kind_gan": ("GAN of the article", "文章里的 GAN"),
    "live_kind_vae": ("VAE of the article", "文章里的 VAE"),
    "live_files": ("Your pictures (64 to 5,000, or a zip of them); none: digits", "你的图片（64 到 5,000 张，或一个 zip）；不选就用数字"),
    "live_go": ("▶ Train", "▶ 训练"),
    "live_pause": ("Pause", "暂停"),
    "live_anew": ("↺ Start anew", "↺ 重新开始"),
    "live_d": ("one step of D", "D 走一步"),
    "live_g": ("one step of G", "G 走一步"),
    "d_rate": ("Learning rate of D", "D 的学习率"),
    "g_rate": ("Learning rate of G, or of the VAE", "G（或 VAE）的学习率"),
    "live_strong": ("D too strong: five steps of D for one of G", "让 D 过强：D 走五步，G 走一步"),
    "live_r1": ("R1 keeps D gentle", "用 R1 让 D 温和一些"),
    "live_knobs": ("Knobs", "旋钮"),
    "live_folder": ("⬇ The model, as a folder (ZIP)", "⬇ 模型文件夹（ZIP）"),
    "live_use": ("Draw with it in Sampling", "用它到“采样”里画图"),
    "live_at": (
        "After {done:,} updates of 64 pictures and {seconds:.0f} seconds: ",
        "已更新 {done:,} 次（每次 64 张），用了 {seconds:.0f} 秒：",
    ),
    "live_noise": ("it has hardly begun, and knows nothing yet.", "刚刚开始，什么都还不会。"),
    "live_game": (
        "the game is on: D is mostly right, and G still finds pictures that fool it. This is how both learn.",
        "对局正在进行：D 多半判断正确，G 也时常骗过它。双方就这样一起进步。",
    ),
    "live_even": (
        "D is often wrong: to it, made and real pictures look alike. Look whether you agree.",
        "D 经常判断错：在它眼里真假差不多。你也看看是不是这样。",
    ),
    "live_ahead": (
        "D is far ahead: it tells nearly every made picture, so G hears little of use. R1, or a lower learning rate of D, helps G.",
        "D 遥遥领先：几乎每张假图都被识破，G 听不到有用的意见。加上 R1，或调低 D 的学习率，可以帮 G 一把。",
    ),
    "live_collapse": (
        "the pictures are nearly all the same: a collapse. G has found one that works and forgets the rest. Turn R1 on and start anew.",
        "图片几乎全一样：崩溃了。G 找到一张能蒙混过关的图，就把别的都忘了。打开 R1，再重新开始。",
    ),
    "live_silent": (
        "z says nothing at all, so every picture is the average one. Lower the learning rate and start anew.",
        "z 什么也没说，所以每张图都是“平均图”。调低学习率，重新开始。",
    ),
    "live_vae": (
        "the upper half is drawn from fresh z, the lower half are real pictures as it rebuilds them: those come back sooner and sharper.",
        "上半部分用全新的 z 画出，下半部分是它重建的真图：重建的会更早、更清楚。",
    ),
}
