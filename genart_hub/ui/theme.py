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
    button_primary_background_fill="linear-gradient(90deg, *primary_600, *secondary_600)",
    button_primary_background_fill_hover="linear-gradient(90deg, *primary_700, *secondary_700)",
    button_primary_background_fill_dark="linear-gradient(90deg, *primary_600, *secondary_600)",
    button_primary_background_fill_hover_dark="linear-gradient(90deg, *primary_700, *secondary_700)",
    button_primary_text_color="white",
    body_text_color_subdued="*neutral_600",
    link_text_color="*secondary_700",
    link_text_color_active="*secondary_700",
    link_text_color_hover="*secondary_800",
    link_text_color_visited="*secondary_700",
    link_text_color_dark="*secondary_300",
    link_text_color_active_dark="*secondary_300",
    link_text_color_hover_dark="*secondary_200",
    link_text_color_visited_dark="*secondary_300",
    button_secondary_background_fill_hover_dark="*primary_600",
    checkbox_label_background_fill_selected="*primary_600",
    block_title_background_fill="transparent",
    block_title_background_fill_dark="transparent",
    block_title_padding="0",
    block_title_text_color="*neutral_700",
    block_title_text_color_dark="*neutral_200",
    block_label_background_fill="*neutral_50",
    block_label_background_fill_dark="*neutral_800",
    block_label_text_color="*neutral_600",
    block_label_text_color_dark="*neutral_300",
    block_shadow="0 1px 6px rgba(30, 27, 75, 0.08)",
)

CSS = """
.empty > div, .empty > p { color: var(--body-text-color-subdued) !important; }
.few-pixels img { image-rendering: pixelated; }
.few-pixels .grid-wrap { min-height: 300px !important; max-height: none !important; }
.few-pixels .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(78px, 1fr)) !important;
  grid-template-rows: none !important; grid-auto-rows: auto !important; gap: 10px !important;
}
.few-pixels .thumbnail-lg { aspect-ratio: auto; height: auto; overflow: hidden; }
.few-pixels .thumbnail-lg > img { aspect-ratio: 1; height: auto; border-radius: 0; }
.few-pixels .caption-label {
  position: static !important; display: block; max-width: 100%; padding: 3px 2px; border: 0; border-radius: 0;
  text-align: center; font-size: 11px; line-height: 1.25; white-space: normal; color: var(--body-text-color-subdued);
}
.few-pixels .image-frame img, .few-pixels .image-container img { width: 100%; height: 100%; object-fit: contain; }
.gallery-item .container.gallery { width: 46px; height: 46px; }
.title p { text-align: center; font-weight: 600; margin-bottom: -8px; }
.title h3 { text-align: center; margin: 4px 0 0; font-size: 16px; }
.title h3 + p { font-weight: 400; font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.title h3 + p { margin-top: 0; }
.title .prose { line-height: 1.2; }
.facts, .facts .html-container, .html-container:has(.stage, .stage-control) { padding: 0 !important; }
.answer > .block.few-pixels { flex: 1 1 auto; }
.page-title p { font-size: 1.35em; font-weight: 700; }
.path label[data-read] span::after { content: " ✓"; content: " ✓" / attr(data-read); color: var(--primary-600); font-weight: 700; }
.page-question p { font-weight: 600; margin-top: 6px; }
.essay { font-size: 1.05em; line-height: 1.6; max-width: 46em; }
.status { min-height: 22px; }
div.wrap:has(> .validation-error) {
  position: static !important; height: auto; min-height: 0; padding: 0 !important; align-items: stretch;
  background: none; backdrop-filter: none;
}
div.wrap > .validation-error {
  position: static; padding: 2px 44px 2px 4px; border: 0; border-radius: 0; background: none;
  font-size: 14px; line-height: 1.35; font-weight: 600; text-align: left;
}
.block.names { display: none; }
.status .generating { border: 0 !important; }
.progress-text, .status .eta-bar, .status .progress-bar-wrap { display: none !important; }
.status p { margin: 0; }
.answers { align-items: stretch; }
.answer .few-pixels .grid-wrap, .strip .few-pixels .grid-wrap { min-height: 120px !important; overflow: visible; }
.answers { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(160px, 46%), 1fr)); }
.answer .few-pixels .grid-container { grid-template-columns: repeat(2, 1fr) !important; gap: 8px !important; }
.answer .few-pixels .grid-container:has(:nth-child(5)) { grid-template-columns: repeat(3, 1fr) !important; }
.acts { flex-wrap: nowrap !important; align-items: center; }
.acts > .block:has(.stage-control) { flex: 0 0 44px; }
.wish > * { flex: 1 1 200px !important; }
.wish > .column { flex: 3 1 320px !important; }
@media (min-width: 1100px) { .wish { min-height: 215px; align-content: flex-start; } }
.answer { gap: 6px !important; }
.told-note p { margin: 0; text-align: center; font-size: 12px; color: var(--body-text-color-subdued); }
.cards { display: grid !important; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
.cards > .block:not(:has(.card)) { display: none; }
.card h4 { margin: 0 0 4px; font-size: 15px; }
.strip .few-pixels .grid-container { grid-template-columns: repeat(8, 1fr) !important; gap: 8px !important; }
.strip .few-pixels .grid-wrap { min-height: 60px !important; }
.card {
  background: var(--block-background-fill); border: 1px solid var(--border-color-primary);
  border-radius: var(--block-radius); box-shadow: var(--block-shadow); padding: 12px 14px;
}
.card .told {
  display: inline-block; margin: 0 0 6px; padding: 1px 12px; border-radius: 999px; color: white; font-size: 12px; font-weight: 600;
  background: linear-gradient(90deg, var(--primary-600), var(--secondary-600));
}
.card table { width: 100%; margin: 0; border-collapse: collapse; border: 0; font-size: 13px; line-height: 1.35; }
.card tr { border: 0; border-top: 1px solid var(--border-color-primary); background: none; }
.card tr:first-child { border-top: 0; }
.card th, .card td { border: 0 !important; padding: 5px 0; text-align: left; vertical-align: baseline; background: none; }
.card th { width: 40%; padding-right: 8px; font-weight: 400; color: var(--body-text-color-subdued); }
.card td b { font-size: 15px; }
.card td span { font-size: 12px; color: var(--body-text-color-subdued); }
.figures td, .figures th { font-size: 13px; }
.figures th, .figures th * { word-break: keep-all !important; overflow-wrap: normal !important; }
@media (max-width: 640px) {
  .tab-wrapper .tab-container { display: grid; grid-template-columns: repeat(3, minmax(max-content, 1fr)); }
  .tab-wrapper .tab-container > button { justify-content: center; padding: 0 var(--size-1); }
  .path, .pictures-last { flex-direction: column-reverse; }
  .rebuilt { order: -1; display: grid !important; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px !important; }
  .rebuilt > .column { min-width: 0 !important; }
  .pictures-last > .column { width: 100%; flex: none !important; }
  .column:has(> .answers) > .status, .answers { order: -1; }
  .acts {
    position: fixed; inset: auto 0 0; z-index: 10; gap: 8px !important; padding: 8px 16px calc(8px + env(safe-area-inset-bottom));
    background: var(--background-fill-primary); border-top: 1px solid var(--border-color-primary);
  }
  .acts > button { min-width: 0 !important; min-height: 44px; padding: 4px 8px; font-size: 15px; line-height: 1.2; white-space: normal; }
  .acts:has(> .primary + .primary) > button { font-size: 13px; }
  .acts > .stop { flex: 0 1 76px !important; }
  .many, .many > .empty { min-height: 520px; }
  .strip .few-pixels .grid-container { gap: 3px !important; }
  .strip .few-pixels .caption-label { font-size: 9px; padding: 2px 0; }
}
.drawn-from { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 4px 0 8px; font-size: 14px; }
.drawn-from dt { color: var(--body-text-color-subdued); }
.drawn-from dd { margin: 0; overflow-wrap: anywhere; }
.sheet .strip .few-pixels .grid-container { grid-template-columns: repeat(4, 1fr) !important; }
.sheet:not(.open) .toggle-button { display: none; }
.sheet-links { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 0 0 8px; font-size: 14px; }
.bars { margin: 0 0 8px; }
.bars svg { width: 100%; height: 72px; border-radius: 8px; background: #f5ebff; fill: #8a4fd0; }
.bars figcaption { font-size: 12px; line-height: 1.4; color: var(--body-text-color-subdued); }
.figure p { text-align: center; color: var(--body-text-color-subdued); }
.note p { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
footer .built-with { display: none; }
"""
