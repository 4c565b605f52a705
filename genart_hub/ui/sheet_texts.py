"""The words of the side sheet."""

SHEET_TEXTS: dict[str, tuple[str, str]] = {
    "sheet": ("The picture", "这张图"),
    "sheet_around": ("Close by: a quarter of the way to the next seeds", "附近的图：朝后面几个种子走四分之一"),
    "sheet_bars": (
        "z, the {count} numbers that it was drawn from, each a bar up or down. The same z always gives the same picture.",
        "z：画它所用的 {count} 个数，每个是一根向上或向下的条。同一个 z 总得到同一张图。",
    ),
    "sheet_large": ("⬇ 512 px", "⬇ 512 像素"),
    "sheet_link": ("🔗 Its address", "🔗 它的网址"),
    "sheet_walk": ("↝ Walk from here", "↝ 从这里漫步"),
    "sheet_rebuild": ("Rebuild it with a VAE", "用变分自编码器重建它"),
    "sheet_recipe": ("⬇ PNG with its settings inside", "⬇ 带设置的 PNG"),
}
