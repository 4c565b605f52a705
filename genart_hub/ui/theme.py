"""How the app looks: a theme of its own in light and dark, few pixels shown sharp, and nothing loaded from elsewhere."""

import gradio as gr

FONTS = ["Inter", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "system-ui", "sans-serif"]
MONO = ["JetBrains Mono", "Consolas", "Menlo", "monospace"]

THEME = gr.themes.Soft(
    primary_hue=gr.themes.colors.indigo,
    secondary_hue=gr.themes.colors.rose,
    neutral_hue=gr.themes.colors.slate,
    radius_size=gr.themes.sizes.radius_lg,
    font=FONTS,
    font_mono=MONO,
).set(
    body_background_fill="linear-gradient(180deg, #eef0fb 0%, #f8fafc 340px)",
    body_background_fill_dark="linear-gradient(180deg, #1e1b3a 0%, #0b1020 340px)",
    button_primary_background_fill="linear-gradient(90deg, *primary_500, *secondary_500)",
    button_primary_background_fill_hover="linear-gradient(90deg, *primary_600, *secondary_600)",
    button_primary_background_fill_dark="linear-gradient(90deg, *primary_500, *secondary_500)",
    button_primary_background_fill_hover_dark="linear-gradient(90deg, *primary_400, *secondary_400)",
    button_primary_text_color="white",
    block_shadow="0 1px 6px rgba(30, 27, 75, 0.08)",
)

CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto; }
.few-pixels img { image-rendering: pixelated; }
.few-pixels .image-frame img, .few-pixels .image-container img { width: 100%; height: 100%; object-fit: contain; }
.figure p { text-align: center; color: var(--body-text-color-subdued); }
.note p { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
footer .built-with { display: none; }
"""

# Gradio knows zh-CN and zh-TW; the rule here is any zh*: it is told so before its own script reads the browser's language.
HEAD = """
<script>
(() => {
  const language = navigator.language || "";
  const chinese = /^zh\\b/i.test(language);
  if (chinese && language !== "zh-CN" && language !== "zh-TW") {
    const known = /hant|hk|mo|tw/i.test(language) ? "zh-TW" : "zh-CN";
    Object.defineProperty(navigator, "language", { get: () => known });
    Object.defineProperty(navigator, "languages", { get: () => [known] });
  }
  document.documentElement.lang = chinese ? "zh" : "en";
})();
</script>
"""
