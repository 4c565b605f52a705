"""Every text of the app in English and Chinese, and the one rule that chooses: a browser whose first language is zh* gets Chinese."""

import gradio as gr

from genart_hub.errors import GenartError

CLASSES_ZH = {
    "smileys-emotion": "笑脸与情感",
    "people-body": "人物与身体",
    "animals-nature": "动物与自然",
    "food-drink": "食物与饮料",
    "travel-places": "旅行与地点",
    "activities": "活动",
    "objects": "物品",
}

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("genart_hub · how machines learned to paint", "genart_hub · 机器如何学会绘画"),
    "heading": ("# How machines learned to paint", "# 机器如何学会绘画"),
    "intro": (
        "The path from the VAE (2013) and the GAN (2014) to Stable Diffusion, on two ladders: digits, where it began, and emoji, in colour. "
        "The models of a ladder are trained on the same pictures, and all of them run on your own machine.",
        "从变分自编码器（2013）与生成对抗网络（2014）到 Stable Diffusion 的发展之路，分两条阶梯：最早的数字，与彩色的表情符号。"
        "同一条阶梯上的模型用同一批图片训练，全都在你自己的电脑上运行。",
    ),
    "sampling": ("Sampling", "采样"),
    "interpolation": ("Interpolation", "插值"),
    "reconstruction": ("Reconstruction", "重建"),
    "comparison": ("Comparison", "对比"),
    "how": ("How does it work?", "它是怎样工作的？"),
    # sampling
    "sampling_how": (
        "A **generative model** turns a random point $z$ of its **latent space** into a picture. In a **GAN**, a generator $G$ learns by "
        "adversarial training against a discriminator $D$ that tells real from made:\n\n"
        "$L_D = -\\mathbb{E}_x[\\log D(x)] - \\mathbb{E}_z[\\log(1 - D(G(z)))]$, and $L_G = -\\mathbb{E}_z[\\log D(G(z))]$.\n\n"
        "In a **VAE**, an encoder gives $\\mu$ and $\\sigma$, reparameterisation draws $z = \\mu + \\sigma \\epsilon$, and a decoder draws the "
        "picture; the loss is reconstruction plus $\\mathrm{KL}$. The GAN is an implicit generative model, the VAE an explicit one.\n\n"
        "**DCGAN** builds its pictures by transposed convolutions, from a patch of 4 × 4 to twice the side with each layer. A model with "
        "**classes** tells generator and discriminator which one is meant: $G(z, y)$ and $D(x, y)$. Hold the seed, change the class: one "
        "point $z$, many faces.",
        "**生成模型**把**潜在空间**中的一个随机点 $z$ 变成一张图片。在**生成对抗网络**（GAN）里，生成器 $G$ 与判别器 $D$ 进行对抗训练，"
        "判别器分辨真图与假图，损失函数为：\n\n"
        "$L_D = -\\mathbb{E}_x[\\log D(x)] - \\mathbb{E}_z[\\log(1 - D(G(z)))]$，$L_G = -\\mathbb{E}_z[\\log D(G(z))]$。\n\n"
        "在**变分自编码器**（VAE）里，编码器给出 $\\mu$ 与 $\\sigma$，用重参数化得到 $z = \\mu + \\sigma \\epsilon$，再由解码器画出图片；"
        "损失函数是重建误差加 $\\mathrm{KL}$ 散度。GAN 是隐式生成模型，VAE 是显式生成模型。\n\n"
        "**DCGAN** 用转置卷积画图：从 4 × 4 的小块出发，每过一层，边长加倍。带**类别**的模型把类别同时告诉生成器与判别器："
        "$G(z, y)$ 与 $D(x, y)$。种子不变、只换类别，同一个点 $z$ 便有不同的面貌。",
    ),
    "model": ("Model", "模型"),
    "model_info": ("A bundled model, or any Hub id owner/name", "自带模型，或任意 Hub 编号 owner/name"),
    "search": ("Search the Hub for models", "在 Hub 上搜索模型"),
    "search_hint": ("a word, then Enter", "输入关键词后按回车"),
    "found": ("{count} found: they are in the model list now.", "找到 {count} 个：已加入模型列表。"),
    "count": ("How many pictures", "图片数量"),
    "seed": ("Seed", "随机种子"),
    "seed_info": ("Picture k has the seed plus k", "第 k 张图片的种子是该数加 k"),
    "dice": ("🎲 Another seed", "🎲 换一个种子"),
    "truncation": ("Truncation", "截断"),
    "truncation_info": ("Less than 1: more typical, less varied", "小于 1：更典型，变化更少"),
    "label": ("Class", "类别"),
    "label_info": ("Any: drawn from the seed", "任意：由种子决定"),
    "label_any": ("any", "任意"),
    **{f"class_{name}": (name, zh) for name, zh in CLASSES_ZH.items()},
    "generate": ("Generate", "生成"),
    "in_line": ("In line: {count} before you", "排队中：前面还有 {count} 个"),
    "pictures": ("Pictures", "图片"),
    "caption": ("seed {seed}", "种子 {seed}"),
    "caption_score": ("seed {seed} · D {score:.2f}", "种子 {seed} · 判别器 {score:.2f}"),
    "score_note": (
        "D is the discriminator's probability that the picture is a real one. A discriminator that learned from pairs, as that of a DCGAN, "
        "only compares: read its numbers beside each other.",
        "“判别器”后的数字是它认为该图为真图的概率。用成对图片训练的判别器（例如 DCGAN 的）只做比较：请把这些数字放在一起看。",
    ),
    "one": ("⬇ Chosen picture (PNG)", "⬇ 选中的图片（PNG）"),
    "grid": ("⬇ Grid (PNG)", "⬇ 网格图（PNG）"),
    "zip": ("⬇ All (ZIP)", "⬇ 全部（ZIP）"),
    "code": ("The Python that makes the same pictures", "生成同样图片的 Python 代码"),
    "restore": ("Drop a PNG from here: its recipe comes back", "拖入由此保存的 PNG：恢复它的配方"),
    # interpolation
    "interpolation_how": (
        "Between two points of the latent space lie pictures that nobody drew. Latents of a normal distribution live near a sphere, so "
        "**slerp** goes along the great circle; **lerp** cuts straight through, where pictures get more average.",
        "潜在空间的两点之间，藏着没有人画过的图片。服从正态分布的潜在向量大多靠近一个球面，所以 **slerp** 沿大圆行走；"
        "**lerp** 走直线穿过球内，那里的图片更趋于平均。",
    ),
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
    "reconstruction_how": (
        "The VAE's **encoder** finds the latent of your picture in one step, and the **decoder** draws it again. A GAN has no encoder: "
        "its latent is searched for by gradient descent on $\\lVert G(z) - x \\rVert^2$ (inversion). What a model never saw, it cannot draw.\n\n"
        "How closely should a VAE copy? A Gaussian likelihood whose variance $\\sigma_x^2$ is **learned** settles it: the better the copies, the "
        "smaller $\\sigma_x^2$, and the more an error weighs against $\\mathrm{KL}$. A model with classes first takes the class that comes "
        "nearest to your picture.",
        "VAE 的**编码器**一步就能找到图片的潜在向量，再由**解码器**画出来。GAN 没有编码器：用梯度下降最小化 $\\lVert G(z) - x \\rVert^2$ "
        "来搜索潜在向量（反演）。模型没有见过的东西，它画不出来。\n\n"
        "VAE 该画得多像？高斯似然的方差 $\\sigma_x^2$ 由**学习**得到，自行权衡：画得越像，$\\sigma_x^2$ 越小，重建误差相对 $\\mathrm{KL}$ 散度的"
        "分量就越重。带类别的模型会先选出与图片最接近的类别。",
    ),
    "upload": ("Your picture", "你的图片"),
    "example_digits": ("Digits to try", "试试这些数字"),
    "example_emoji": ("Pictures in colour to try", "试试这些彩图"),
    "draw": ("Draw a digit", "画一个数字"),
    "use_drawing": ("Use the drawing", "使用这幅画"),
    "tidy": (
        "For digit models: crop and centre it, white on black, as the training digits are",
        "用于数字模型：按训练数字的样子裁剪、居中，并变成黑底白字",
    ),
    "vae": ("VAE", "变分自编码器"),
    "gan": ("GAN", "生成对抗网络"),
    "reconstruct": ("Reconstruct with the VAE", "用变分自编码器重建"),
    "invert": ("Search in the GAN", "在生成对抗网络中搜索"),
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
    # comparison
    "ladder": ("Trained on", "训练图片"),
    "digits": ("digits (MNIST)", "数字（MNIST）"),
    "emoji": ("emoji", "表情符号"),
    "comparison_how": (
        "The same request to every model: the same count and the same seeds. A class goes to the models that know classes, the prompt to "
        "those that read; the others draw what they like. Within a ladder the pictures of training are the same, so what differs is the "
        "model.\n\n"
        "**VAE and GAN** draw in one forward pass, from a point $z$ of the latent space: a VAE's decoder learned to copy pictures through "
        "a bottleneck, which blurs; a GAN's generator learned to fool a discriminator, which is sharp but may leave kinds of pictures out. "
        "A conditional GAN is told a class too: $G(z, y)$.\n\n"
        "**Latent diffusion** goes from noise to picture in many small steps. An autoencoder first makes each picture a small latent $z$, "
        "so that the steps are cheap. In training, noise is mixed in: $z_t = \\alpha_t z + \\sigma_t \\epsilon$, with "
        "$\\alpha_t^2 + \\sigma_t^2 = 1$. A U-Net that reads the prompt $c$ sees $z_t$ and predicts "
        "$v = \\alpha_t \\epsilon - \\sigma_t z$, which gives the picture and the noise at once: "
        "$\\hat z = \\alpha_t z_t - \\sigma_t v$ and $\\hat\\epsilon = \\sigma_t z_t + \\alpha_t v$. To draw, it starts "
        "from pure noise and at each step moves to a $z_t$ with a little less of it. **Classifier-free guidance** asks twice, with the "
        "prompt and without, and goes further in the direction of the prompt: $v = v_\\varnothing + w\\,(v_c - v_\\varnothing)$. A larger "
        "$w$ follows the words more closely and varies less. At the end the decoder turns the latent into pixels.\n\n"
        "That is why diffusion can be told anything in words, and why it costs many forward passes where the others need one.",
        "向每个模型提出同样的请求：同样的数量，同样的种子。类别交给懂类别的模型，提示词交给能读文字的模型，其余的随意发挥。"
        "同一条阶梯上的训练图片相同，不同的只是模型。\n\n"
        "**VAE 与 GAN** 从潜在空间的一个点 $z$ 出发，一次前向计算就画完。VAE 的解码器学的是让图片穿过“瓶颈”后复原，所以偏模糊；"
        "GAN 的生成器学的是骗过判别器，所以清晰，却可能漏掉某些种类的图片。条件 GAN 还会被告知类别：$G(z, y)$。\n\n"
        "**潜在扩散模型**从噪声到图片要走许多小步。自编码器先把图片压缩成较小的潜在向量 $z$，这样每一步都不贵。"
        "训练时往里面掺入噪声：$z_t = \\alpha_t z + \\sigma_t \\epsilon$，其中 $\\alpha_t^2 + \\sigma_t^2 = 1$。"
        "U-Net 一边读提示词 $c$，一边看 $z_t$，预测 $v = \\alpha_t \\epsilon - \\sigma_t z$；由它可同时得到图片与噪声："
        "$\\hat z = \\alpha_t z_t - \\sigma_t v$，$\\hat\\epsilon = \\sigma_t z_t + \\alpha_t v$。"
        "作画时从纯噪声开始，每一步都走到噪声少一点的 $z_t$。**无分类器引导**每步算两次，一次带提示词，一次不带，再朝提示词的方向多走一些："
        "$v = v_\\varnothing + w\\,(v_c - v_\\varnothing)$。$w$ 越大，越贴合文字，变化也越少。最后由解码器把潜在向量变成像素。\n\n"
        "所以扩散模型能听懂任意的文字描述，也因此别的模型算一次，它要算很多次。",
    ),
    "prompt": ("Prompt", "提示词"),
    "prompt_info": ("In words, English or Chinese: what a diffusion model shall draw", "用中文或英文写下想让扩散模型画什么"),
    "prompt_default": ("red apple", "红苹果"),
    "example_prompts": ("Prompts to try", "试试这些提示词"),
    "unread": (
        "The prompt is longer than the model can read. It does not see the end: “{end}”",
        "提示词超出了模型能读的长度，它看不到后面的部分：“{end}”",
    ),
    "compare": ("Compare", "对比"),
    "compare_hint": (
        "One request, every model of the ladder: choose, then press Compare.",
        "一个请求，交给这条阶梯上的所有模型：选好后点击“对比”。",
    ),
    "kind_gan": ("generative adversarial network", "生成对抗网络"),
    "kind_vae": ("variational autoencoder", "变分自编码器"),
    "kind_diffusion": ("latent diffusion", "潜在扩散模型"),
    "strip": ("From noise to picture: how {model} draws the first one", "从噪声到图片：{model} 怎样画出第一张"),
    "strip_label": ("From noise to picture", "从噪声到图片"),
    "moment": ("step {step} of {steps}", "第 {step} / {steps} 步"),
    "at_step": ("{model} · pictures: {n} · step {step} of {steps}", "{model} · {n} 张图片 · 第 {step} / {steps} 步"),
    "loading": ("Loading {model} …", "正在加载 {model}……"),
    "stopped": ("Stopped. The pictures so far stay.", "已停止。已生成的图片保留。"),
    "blanked": ("blanked by the safety checker", "被安全检查遮盖"),
    "plot": ("Quality against time", "质量与用时"),
    "axis_time": ("log10(seconds a picture)", "log10（每张秒数）"),
    "plot_note": (
        "To the left: faster; -3 is a thousandth of a second, 0 is one second, 1 is ten. Further down: closer to real pictures.",
        "越靠左越快：-3 为千分之一秒，0 为一秒，1 为十秒。越靠下，越接近真图。",
    ),
    "axis_frechet": ("Fréchet distance (lower is better)", "Fréchet 距离（越低越好）"),
    "told_nothing": ("no condition", "不接受条件"),
    "told_class": ("a class", "可指定类别"),
    "told_text": ("free text", "可用任意文字"),
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
    "card_precision_is": ("look like real ones", "看起来像真图"),
    "card_recall": ("Recall", "召回率"),
    "card_recall_is": ("of the real ones are within reach", "的真图够得着"),
    "card_coverage": ("Coverage", "覆盖率"),
    "card_coverage_is": ("of the real ones have one close by", "的真图附近有生成图"),
    "milliseconds": ("{value} ms", "{value} 毫秒"),
    "seconds": ("{value} s", "{value} 秒"),
    "minutes": ("{value} minutes", "{value} 分钟"),
    "figures": ("Figures", "数据"),
    "figures_note": (
        "Multiply-adds: half of the floating-point operations of one picture, all steps and guidance included. "
        "Fréchet distances compare within a ladder only.",
        "乘加运算：生成一张图片的浮点运算次数的一半，包括所有步数与引导。Fréchet 距离只能在同一条阶梯内比较。",
    ),
    "column_model": ("Model", "模型"),
    "column_seconds": ("Seconds", "用时（秒）"),
    "column_rate": ("Pictures/s", "张/秒"),
    "column_parameters": ("Parameters", "参数量"),
    "column_size": ("Pixels", "像素"),
    "column_megabytes": ("MB on disk", "磁盘（MB）"),
    "column_multiply_adds": ("Multiply-adds", "乘加运算"),
    "column_memory": ("Peak memory (MB)", "峰值内存（MB）"),
    "column_told": ("Can be told", "可接受的条件"),
    "column_frechet": ("Fréchet distance", "Fréchet 距离"),
    "big": ("Beside them: a big Stable Diffusion", "再加一个大的 Stable Diffusion"),
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
    "big_memory": ("It needs about {need} GB of memory ({free} GB are free here).", "大约需要 {need} GB 内存（这里有 {free} GB 可用）。"),
    "big_seconds": ("A picture takes about {time}.", "每张图片大约需要 {time}。"),
    "big_tight": ("That is more than there is: it will be refused.", "内存不够，它将被拒绝加载。"),
    "no_diffusion": (
        "No diffusion model is on this ladder. A big one can be added: choose it under Compare's settings, or set `GENART_SD_MODEL` to a "
        "diffusers folder or a Hub id and start the app again.",
        "这条阶梯上没有扩散模型。可以在上面的设置中添加一个大模型，或把环境变量 `GENART_SD_MODEL` 设为 diffusers 文件夹或 Hub 编号，"
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

ERRORS_ZH: dict[str, str] = {
    "not_whole": "{where}：{name} 必须是整数，得到的是 {value}。",
    "not_number": "{where}：{name} 必须是数字，得到的是 {value}。",
    "out_of_range": "{where}：{name} 必须在 {low} 与 {high} 之间，得到的是 {value}。",
    "too_small": "{where}：{name} 至少为 {low}，得到的是 {value}。",
    "too_large": "{where}：{name} 最多为 {high}，得到的是 {value}。",
    "not_sizes": "{where}：{name} 必须是由不小于 1 的整数组成的列表，得到的是 {value}。",
    "not_binary": "{where}：每个像素必须是 -1 或 1；请先用 metrics.binarise 采样。",
    "not_levels": "{where}：每个像素必须是 8 位图片的 256 级之一，即 k / 127.5 - 1；请先取整。",
    "not_text": "{where}：{name} 必须是不超过 {high} 个字符的文本，得到的是 {value}。",
    "bad_truncation": "{where}：截断必须大于 0 且不超过 1，得到的是 {value}。",
    "not_multiple": "{where}：{name} 必须是 {factor} 的倍数，收到的是 {value}。",
    "not_choice": "{where}：{name} 必须是 {choices} 之一，得到的是 {value}。",
    "no_classes": "{where} 没有类别，不接受标签，得到的是 {value}。请去掉标签。",
    "bad_latents": "{where}：潜在向量的形状必须是 (B, {latent_dim})，得到的是 {shape}。",
    "bad_images": "{where}：图片的形状必须是 (B, {channels}, {size}, {size})，得到的是 {shape}。",
    "latents_as_count": "{where}：sample 接受图片的张数，却得到形状为 {shape} 的张量。要画出潜在向量的图片，请调用 generate(z)。",
    "no_latents": "{where}：潜在向量是形状为 (B, {latent_dim}) 的张量，却得到 {type}。请用 latents(n, seed) 抽取，或用 sample(n) 直接得到图片。",
    "no_images": "{where}：图片是形状为 (B, {channels}, {size}, {size})、取值在 [-1, 1] 的张量，却得到 {type}。请用 images.from_pil(picture, {size}, {channels}) 转换。",
    "bad_seeds": "种子应是用逗号分隔的整数，例如 0, 7, 42；得到的是 {value}。",
    "few_keys": "漫步至少需要两个关键点，得到的是 {count} 个。",
    "many_seeds": "最多接受 {high} 个种子，得到的是 {count} 个。",
    "loop_frames": "经过 {keys} 个关键点的漫步至少需要 {low} 帧，得到的是 {value}。",
    "not_features": "{model} 不是特征网络。请改选：{choices}。",
    "not_png": "{file}：图片以 PNG 格式写出，因为它能携带配方。请给出以 .png 结尾的文件名。",
    "not_vae": "{model} 不是变分自编码器，不能一步重建。请改选：{choices}。",
    "not_generative": "{model} 不能由潜在向量生成图片。请改选：{choices}。",
    "bad_device": "这里没有设备 {device}；可用的有：{available}。",
    "model_not_found": "没有模型 {name}。已尝试自带模型（{bundled}）、文件夹，以及形如 owner/name 的 Hub 编号。",
    "bad_subfolder": "subfolder={value} 不是模型内的文件夹。请写出它的名称，例如 unet，不含“..”，也不从根目录开始。",
    "bad_revision": "revision={value} 不是分支、标签或提交。请按 Hub 上显示的样子书写，例如 main 或 v1.0。",
    "bad_variant": "variant={value} 不是权重文件的变体。请写出文件名中的那个词：model.fp16.safetensors 写 fp16。",
    "bad_token": "令牌不是可以发送的文本：只能含拉丁字母、数字和符号，不含空格。请从 Hub 的设置页面重新复制。",
    "bad_cache_dir": "cache_dir={value} 不是文件夹名称。请给出文本或路径，或去掉它。",
    "path_refused": "应用只加载自带模型和形如 owner/name 的 Hub 编号，不接受 {name}。",
    "hub_no_repo": "{name} 不是这里的文件夹，Hub 上也没有此令牌可见的同名模型。请检查拼写；若是私有模型，请传入 token=。",
    "hub_gated": "{name} 需要授权。请先在它的 Hub 页面上接受条款，再传入 token=。",
    "hub_not_public": "Hub 上没有公开的模型 {name}。请检查拼写；未公开的模型要由应用的部署者写进 GENART_MODELS 才能使用。",
    "hub_no_revision": "{name} 没有版本 {revision}。去掉 revision= 即可使用最新版本。",
    "hub_no_file": "Hub 上的 {name} 没有 {file}，所以它不是本软件包的模型。",
    "hub_unreachable": "{name} 不是这里的文件夹，也无法连接 Hub（{endpoint}）。请检查网络，把 HF_ENDPOINT 设为镜像地址，或传入 local_files_only=True 使用本地缓存。",
    "hub_not_cached": "{name} 不在本地缓存中。请联网并去掉 local_files_only 加载一次。",
    "hub_refused": "Hub 拒绝了 {name}（{status}）。请检查名称与令牌。",
    "hub_answer": "{endpoint} 对 {name} 的回答无法使用（{reason}）。请检查 HF_ENDPOINT，或稍后再试。",
    "damaged_file": "{name} 的 {file} 已损坏：其内容的哈希为 {found}…，而 Hub 给出的是 {wanted}…。该副本已从缓存中删除；请重新加载。",
    "hub_no_search": "无法连接 {endpoint} 上的 Hub。请检查网络，或将 HF_ENDPOINT 设为镜像。",
    "hub_unreachable_now": "无法连接 Hub（{endpoint}）以处理 {name}。请检查网络，或把 HF_ENDPOINT 设为镜像地址。没有发布任何内容。",
    "bad_repo_id": "{name} 不能作为 Hub 上的名称。请写成 owner/name，只用字母、数字、“-”“_”和“.”。",
    "no_token": "发布需要有写权限的令牌。请用 `hf auth login` 登录、设置 HF_TOKEN，或传入 token=。",
    "not_writable": "此令牌无权写入 {name}。请使用有写权限的令牌，以及属于你或你所在组织的命名空间。",
    "other_library": "{name} 已存放着另一个库的模型（{library}）。请换一个名称。",
    "not_public": "{name} 不是 Hub 上人人都能加载的模型，Space 无法提供它。请检查拼写，或先将其公开并取消门控。",
    "other_space": "{name} 已存放着另一个应用（{file}），更新会删除它。请换一个名称。",
    "bad_metadata": "Hub 不接受模型卡的元数据（{reason}）。请修正 README.md 中两行 --- 之间的内容。",
    "no_license": "{name} 没有许可证。请传入 license=，例如 apache-2.0（命令行用 --license）。",
    "no_config": "{folder} 中没有 config.json，所以它不是模型文件夹。请用 model.save_pretrained({folder!r}) 保存一个。",
    "bad_card": "{file} 不是 UTF-8 文本（{reason}）。请以 UTF-8 保存，或删除它。",
    "bad_config": "{file} 不是 JSON 对象（{reason}）。请重新保存模型，或恢复该文件。",
    "config_no_class": "{file} 没有写明 _class_name，所以它不是本软件包的模型。请用 save_pretrained 重新保存模型。",
    "config_too_large": "{file} 有 {size:,} 字节，而配置最多 {limit:,} 字节。这不是本软件包的配置。",
    "unknown_class": "{file} 写明的类是 {name}，不在 {known} 之中。你自己的类请用 {name}.from_pretrained('{place}') 加载。",
    "wrong_class": "{folder} 里是 {found}，不是 {wanted}。请用 {found}.from_pretrained 或 genart_hub.from_pretrained 加载。",
    "unknown_keys": "{file} 含有 {name} 不认识的参数：{keys}。请删除它们；可用的有 {known}。",
    "newer_version": "{file} 由 genart_hub {written} 写成，含有当前版本（{installed}）不认识的参数：{keys}。请用 pip install --upgrade genart-hub 升级。",
    "config_refused": "{file}：{name} 不接受其中的参数：{reason}",
    "config_not_json": "{name}：参数 {argument} 不是 JSON 值，无法保存。请使用数字、文本、列表或 None。",
    "config_clash": "{name}：参数 {argument} 无法以此名称保存，因为它在 config.json 中另有含义。请给它改名。",
    "too_many_bytes": "{name} 需要 {size:,} 字节，超过 max_bytes={limit:,}。请检查它的配置，或传入更大的 max_bytes。",
    "no_weights": "{folder} 中没有 {file}。请用 save_pretrained 重新保存模型。",
    "pickle_only": "{folder} 里只有 {file}。它是 pickle 文件，可以执行任意代码，因此从不打开。请索取 safetensors 文件，或在你信任的环境里转换它。",
    "weights_unreadable": "{file} 不是可读的 safetensors 文件（{reason}）。请重新下载或重新保存。",
    "weights_not_finite": "{file}：{tensor} 含有非有限的数值（NaN 或无穷大），无法生成图片。请从此前的状态重新保存模型，或重新训练。",
    "has_adapters": "{name} 中带有适配器（{tensor}），管线文件夹无法保存它们。请先调用其 pipeline 的 fuse_lora() 与 unload_lora_weights()，或只调用后者，再保存。",
    "weights_mismatch": "{file} 与 {name} 不符：{problems}。它属于另一个模型或另一个版本。",
    "cannot_write": "无法写入 {path}（{reason}）。没有改动任何文件；请腾出空间，或换一个位置。",
    "no_features": "没有能看 {channels} 通道、{size} 像素图片的自带特征网络。请用 genart-hub train classifier 训练一个，再用 --features 传入。",
    "not_finite": "{model} 生成的图片的像素不是数字。请加载其他权重，或以更低的学习率重新训练。",
    "no_inception": "无法下载 Inception 网络的权重（{reason}）。请检查网络，或改用无需下载的自带特征网络：{choices}。",
    "bad_picture": "{file} 不是可读的图片（{reason}）。请使用 PNG、JPEG、GIF 或 WebP 文件。",
    "picture_too_large": "{file} 有 {width}x{height} 像素，最多接受 {limit:,} 像素。请先把它缩小。",
    "no_picture": "还没有图片。请上传、画一幅，或选择一个示例。",
    "no_recipe": "{file} 不含 genart_hub 配方。请使用本软件包保存的 PNG，而不是丢失了文本信息的副本。",
    "bad_recipe": "{file}：其中的配方已损坏（{reason}）。请重新采样并保存。",
    "other_weights": "这张图片由 {name} 的另一份权重生成（图中为 {wanted}，这里为 {found}）。请加载当时的版本，或重新采样。",
    "run_elsewhere": "{file} 由 {name} 生成；它不是内置模型，图片旁边也没有这样的文件夹。请指明它的位置：genart-hub sample runs/{name} --from {file}",
    "fixed_by_recipe": "{option} 不能与 --from 同用：它由图片的配方决定。请去掉它，或不用 --from 采样。",
    "several_labels": "{file} 的每张图片各有类别，而应用只能为全部图片选一个。请用 genart-hub sample --from {file} 重新生成。",
    "no_field": "{file} 用到了应用里没有的设置（{names}）。请用 genart-hub sample --from {file} 重新生成。",
    "no_frames": "动画至少需要一帧。",
    "bad_animation": "{file}：这里只能写 .gif 和 .webp 动画。若要 {suffix}，请用 ffmpeg 转换 .webp。",
    "reason_format": "不是已知的图片格式",
    "reason_pixels": "像素过多",
    "reason_missing": "没有这个文件",
    "reason_no_json": "不是 JSON 对象",
    "reason_no_model": "没有写明模型",
    "reason_field": "{field} 为 {value}",
    "reason_type": "它是 {type}",
    "reason_empty": "文件是空的",
    "reason_twice": "文件头两次写到 {key}",
    "reason_header_size": "文件头有 {size:,} 字节",
    "reason_no_header": "文件头不是 JSON 对象",
    "reason_header": "其中的 {header} 为 {value}",
    "reason_listed": "它列出了文件 {file}",
    "reason_pickle": "它是改了名字的 pickle 文件，从不打开",
    "reason_row": "第 {row} 行没有给出此处的图片",
    "reason_label": "第 {row} 行的标签是 {value}",
    "reason_gone": "它又不见了",
    "reason_pointer": "它是 Git LFS 指针；请运行 git lfs pull",
    "reason_no_emojis": "它不是表情列表",
    "reason_no_part": "它的 {part} 部分缺失或不完整",
    "reason_pickle_part": "它只有 {file}，这是 pickle 文件，可以执行任意代码，因此从不打开",
    "reason_code": "其中有文件 {file}，而随模型附带的代码从不运行",
    "reason_library": "它的 {part} 部分来自 {library}，而只加载来自 {known} 的部分",
    "reason_part": "它的 {part} 部分不能是 {type}",
    "reason_link": "它的 {file} 是指向文件夹之外的链接",
    "reason_elsewhere": "它的 {file} 中有 {key}，会引向别处的代码或文件",
    "reason_weights": "它的 {file} 指定了 {weights}，而权重只从同一文件夹内的 .safetensors 文件读取",
    "reason_files": "其中的文件超过 {limit:,} 个",
    "reason_large": "{file} 有 {size:,} 字节，超过 {limit:,}",
    "reason_json": "{file} 不是 JSON 对象：{reason}",
    "reason_deep": "它的嵌套超过 {limit} 层",
    "reason_layers": "它的 {part} 部分超过 {limit:,} 层",
    "reason_shapes": "它的 {part} 部分与其他部分不符：得到 {shape}，应为 {wanted}",
    "reason_schedule": "{file} 给出的步不是数字，或步数过多",
    "reason_prompt": "其中有提示词，而 {model} 不读提示词",
    "reason_no_prompt": "其中没有提示词，而 {model} 需要提示词",
    "reason_no_index": "它没有 model_index.json",
    "reason_fp16": "需要 GPU",
    "no_data": "{path} 不存在。请给出 .parquet 文件或图片文件夹。",
    "empty_data": "{path} 中没有图片。请给出带 image 列的 .parquet 文件或图片文件夹。",
    "no_labels": "{path} 没有标签，而（{purpose}）需要标签。请使用按类别分的文件夹，或带 label 列的 parquet 文件。",
    "broken_pictures": "{path}：{total} 张图片中有 {count} 张无法读取（最多允许 {limit}），第一张是 {first}。请删除它们再开始。",
    "unreadable_data": "无法读取 {path}（{reason}）。请检查读取权限。",
    "empty_class": "{path}：类别 {name} 没有可以读取的图片。请为它添加图片，或删除这个类别。",
    "missing_captions": "{path}：有 {count} 张图片在 {column} 列中没有描述。请补上，或用 --caption 指定另一列。",
    "missing_labels": "{path}：有 {count} 张图片没有标签，而 {purpose} 需要标签。请补上标签，或去掉这些图片。",
    "no_image_column": "{path} 没有图片列，只有 {choices}。请给出按 Hugging Face `datasets` 的方式存放图片列的表。",
    "picture_outside": "{file}：第 {row} 行指向的图片 {value} 不在数据集自己的文件夹里。请把它移进去，或把它的字节写进表里。",
    "no_split": "{path} 没有 {split} 这一部分。可选：{choices}。",
    "bad_table": "{file} 不是图片清单（{reason}）。请按 Hugging Face imagefolder 的格式，为每张图片写一行并给出 file_name。",
    "hub_no_dataset": "{name} 不是这里的文件或文件夹，Hub 上也没有此 token 可见的这个数据集。请检查拼写；私有数据集请传入 token=。",
    "hub_no_dataset_now": "{name} 不是这里的文件或文件夹，也无法连接 {endpoint} 的 Hub。请检查网络，或将 HF_ENDPOINT 设为镜像站。",
    "bad_dataset": "无法把 {name} 作为图片数据集读取（{reason}）。请下载它，再给出其中 parquet 文件或图片所在的文件夹。",
    "few_pictures": "{path} 只有 {count} 张图片，少于 {low}（{purpose}）。请增加图片或减小该数。",
    "no_emojis": "{path} 的 png/128 下没有可用的 {style} 风格图片。请给出 {url} 的克隆。",
    "no_emojibase": "{path} 中没有可用的 {file}（{reason}）。请给出 https://github.com/milesj/emojibase 的克隆，或它的 npm 包 emojibase-data。",
    "needs_package": "这需要软件包 {package}。请安装：pip install {install}",
    "unknown_recipe": "{model} 没有配方 {recipe}；可用的有 {choices}。",
    "run_exists": "{path} 中已有一次训练。请用 --resume 继续，或换一个 --out。",
    "run_in_use": "另一个进程正在向 {path} 训练。请等它结束，或停止它，或换一个 --out。",
    "no_checkpoint": "{path} 中没有可以继续的检查点。请去掉 --resume 重新开始。",
    "no_stage": "{path} 中还没有 {stage} 阶段的结果。请先用 genart-hub train-diffusion 加 --stage {stage} 训练它。",
    "other_run": "{path} 开始时的 {what} 不同（当时是 {was}，现在是 {now}）。请用相同的设置继续，或换一个 --out。",
    "diverged": "第 {step} 步的损失不是数字。请降低学习率；第 {saved} 步的检查点保存在 {path}。",
    "diverged_at_once": "第 {step} 步的损失不是数字，此前还没有保存任何内容。请降低学习率。",
    "other_weights_measured": "{file} 测量的不是同一文件夹中的权重。请用 genart-hub evaluate 加 --json 重新测量，或删除该文件。",
    "fewer_epochs": "{path} 已经训练了 {done} 步，超过 {epochs} 轮的 {asked} 步。请增大 --epochs 再继续。",
    "not_pipeline": "{name} 不是 diffusers 能加载的 Stable Diffusion 管线（{reason}）。请给出含 model_index.json 的文件夹或编号。",
    "empty_prompt": "提示词是空的。请写下图片应该画什么。",
    "needs_prompt": "{model} 按文字作画。请在命令行用 --prompt，或在 Python 中用 prompt= 写下图片应该画什么。",
    "prompt_count": "请给出一个提示词，或为 {n} 张图片各给一个；得到的是 {count} 个。",
    "bad_side": "图片的 {name} 必须是 {multiple} 像素的倍数，得到的是 {value}。请改用 {low} 或 {high}。",
    "bad_mask": "蒙版的形状必须是 (1, 1, {height}, {width})，要重画的地方为 1；得到的是 {shape}。",
    "four_channels": "局部重绘需要潜在通道数为 4 的管线，而 {name} 有 {channels} 个。请使用 img2img，或改用：{choices}。",
    "too_little_memory": "{name} 大约需要 {needed:.2f} GB 内存，而空闲的只有 {free:.2f} GB。请关闭其他程序，或改用较小的模型，例如 {smaller}。",
    "long_prompt": "提示词有 {count:,} 个字符，最多接受 {limit:,} 个。请缩短它。",
    "not_power_of_two": "{where}：{name} 必须是 {low} 到 {high} 之间的 2 的幂，得到的是 {value}。请改用 {near}（训练时用 --size {near}）。",
    "bad_class_names": "{where}：class_names 必须是互不相同的文本列表，得到的是 {value}。",
    "class_count": "{where}：num_classes 是 {num_classes}，但 class_names 有 {count} 个。请去掉 num_classes。",
    "label_count": "{where}：请给出一个标签，或为 {n} 张图片各给一个；得到的是 {count} 个。",
    "no_noise": "{where}：请传入 generator=torch.Generator().manual_seed(0)，或用 eps= 直接传入噪声；从不使用全局生成器。",
    "not_of_family": "{option} 不是 {family} 的设置，而是 {other} 的。请去掉它。",
    "binarised_gaussian": "{where}：只有伯努利变分自编码器才能使用二值化的像素。请去掉 --binarised，或使用 --set likelihood='\"bernoulli\"'。",
    "bad_label": "{where}：没有类别 {value}。请从中选择：{choices}。",
    "other_classes": "{path}：模型没有类别 {name}。请用 --label 指定存放其类别的列；可用的有 {column}。",
    "precision_refused": "不能在设备 {device} 上用 {precision} 训练（{reason}）。请去掉 --precision。",
    "no_column": "{path} 没有列 {column}；有 {choices}。",
    "nothing_held_out": "{path}：没有哪个类别具备列 {column} 的全部三种或更多变体，因此无法留出。",
    "uneven_batch": "大小为 {batch_size} 的批次不能平均分成 {parts} 份。请选 {parts} 的倍数（进程数乘以累积次数）。",
    "bad_weight": "--class-weight 接受 NAME=W，例如 cats=2；得到的是 {text}。",
    "no_model_named": "请指定模型：{choices}、一个文件夹，或形如 owner/name 的 Hub 编号。",
    "bad_setting": "--set 接受 NAME=JSON，例如 latent_dim=20；得到的是 {text}（{reason}）。",
    "too_many_jobs": "这里已有 {count} 个请求在等待。请等其中一个完成后再试。",
    "too_busy": "应用已有 {count} 个请求要处理。请过一分钟再试。",
    "nobody_listens": "已经没有人在等这个结果，所以没有计算。请再试一次。",
    "job_too_long": "计算超过了 {limit:g} 秒，已放弃。请一次少要一些。",
    "not_agreed": "只有读过所需开销并同意的页面才会加载 {name}。请在页面上选择它，并勾选下方的方框。",
    "unexpected": "这里出了问题（{reason}）。请再试一次。",
}

LANGUAGES = ("en", "zh")
PREFIX = "ga_"  # keys such as "slider" or "plot" are Gradio's own
I18N = gr.I18n(**{lang: {PREFIX + key: pair[k] for key, pair in TEXTS.items()} for k, lang in enumerate(LANGUAGES)})


def t(key: str):
    """A text that the page shows in its reader's language."""
    assert key in TEXTS, key
    return I18N(PREFIX + key)


def language(request: gr.Request | None) -> str:
    """ "zh" where the first language of the reader's browser is zh*, else "en"."""
    accepted = (request.headers.get("accept-language") or "") if request else ""
    return "zh" if accepted.strip().lower().startswith("zh") else "en"


def typed(value: object, key: str, lang: str) -> object:
    """What a field holds: one that still shows the text `key` as its default may send the key in place of the text."""
    return say(lang, key) if isinstance(value, str) and value.startswith("__i18n__") and PREFIX + key in value else value


def say(lang: str, key: str, **values) -> str:
    """A text that a handler writes, in `lang`."""
    return TEXTS[key][LANGUAGES.index(lang)].format(**values)


def t_class(name: str):
    """A class that the page shows in its reader's language, where it is one that we know."""
    return t(f"class_{name}") if name in CLASSES_ZH else name


def class_name(lang: str, name: str) -> str:
    """A class as a reader calls it, where it is one that we know."""
    return CLASSES_ZH.get(name, name) if lang == "zh" else name


def sentence(lang: str, error: GenartError) -> str:
    """An error in `lang`."""
    values = {key: sentence(lang, value) if isinstance(value, GenartError) else value for key, value in error.values.items()}
    return ERRORS_ZH[error.code].format(**values) if lang == "zh" else str(error)
