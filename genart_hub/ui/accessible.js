// What readers need who hear the page, or use no mouse. WORDS and GRADIO, in both languages, come before this.
const LANG = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const say = (key, values = {}) => WORDS[key][LANG].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const plain = (text) => (text ?? "").replace(/[▰▱]+/g, "").replace(/\s+/g, " ").trim();
const ENOUGH = 4.6; // contrast of the colours of code, to the background

// ---- names ----

/** What a picture of the page is, by what stands around it. */
function nameOf(img) {
  const button = img.closest("button"), sheet = img.closest(".sheet");
  if (sheet && img.closest(".image-frame")) {
    const facts = [...sheet.querySelectorAll(".drawn-from dt")].map((term) => `${term.textContent} ${term.nextElementSibling.textContent}`);
    return [say("sheet"), facts.join(", ")].filter(Boolean).join(": ");
  }
  const around = img.closest(".strip, .answer, .column:has(> .block.title)");
  const title = plain(around?.querySelector(":scope > .block.title :is(h3, p), :scope > .block.note p")?.textContent);
  const label = plain(img.closest(".block")?.querySelector('label[data-testid="block-label"]')?.textContent);
  const place = button ? [...button.closest(".block").querySelectorAll(".thumbnail-item")].indexOf(button) + 1 : 0;
  const caption = plain(button?.querySelector(".caption-label")?.textContent || img.title) || (place ? say("picture_number", { place }) : "");
  const drawn = label && img.closest(".page") ? say("drawn_by", { model: label }) : label;
  return [title || drawn, caption].filter(Boolean).join(": ") || say("picture");
}

function set(element, attribute, value) {
  if (element.getAttribute(attribute) !== value) element.setAttribute(attribute, value);
}

function nameThings() {
  for (const img of document.querySelectorAll(".thumbnail-item img, .media-button img, .image-frame img")) {
    const name = nameOf(img), button = img.closest("button");
    set(img, "alt", name);
    if (button) set(button, "aria-label", name);
  }
  for (const paper of document.querySelectorAll("canvas")) {
    if (paper.closest(".html-container")) continue; // the page's own canvases are named by what draws on them
    set(paper, "role", "img");
    set(paper, "aria-label", say("paper"));
  }
  for (const empty of document.querySelectorAll('.empty[aria-label]:not([role])')) empty.removeAttribute("aria-label");
  for (const code of document.querySelectorAll(`.cm-scroller:not([tabindex="0"])`)) { // long lines are scrolled by the arrows
    Object.entries({ tabindex: "0", role: "region", "aria-label": say("code") }).forEach(([attribute, value]) => set(code, attribute, value));
  }
  for (const control of document.querySelectorAll("[aria-label]")) {
    const said = control.getAttribute("aria-label");
    for (const [english, words] of Object.entries(GRADIO)) {
      const found = said.match(new RegExp(`^${english}$`));
      if (!found) continue;
      set(control, "aria-label", words[LANG].replace("{1}", found[1]));
      if (control.title) set(control, "title", control.getAttribute("aria-label"));
    }
  }
}

// ---- the tabs, of which one is in the order of the keyboard, and the arrows lead to the others ----

function orderTabs() {
  for (const tab of document.querySelectorAll('[role="tab"]')) set(tab, "tabindex", tab.getAttribute("aria-selected") === "true" ? "0" : "-1");
}

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.('[role="tab"]');
  if (!tab || event.ctrlKey || event.metaKey || event.altKey) return;
  const tabs = [...tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]')], at = tabs.indexOf(tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = tabs.at(to % tabs.length);
  next.click();
  next.focus();
});

// ---- the colours of code ----

const levels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((level) => (level <= 10 ? level / 3294.6 : ((level / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const ruled = new WeakSet();

function mendCode() {
  const editor = document.querySelector(".cm-editor");
  if (!editor) return;
  const painted = [editor, ...ancestors(editor)].map((one) => getComputedStyle(one).backgroundColor).find((colour) => !/, 0\)$/.test(colour));
  const ground = luminance(levels(painted ?? "255 255 255")), towards = ground > 0.3 ? 0 : 255;
  for (const { cssRules } of [...document.styleSheets].filter((sheet) => sheet.ownerNode?.textContent.includes(".ͼ"))) {
    for (const rule of cssRules) {
      if (ruled.has(rule) || !/^\.ͼ\w+$/.test(rule.selectorText ?? "") || !/^(rgb|#)/.test(rule.style.color)) continue;
      ruled.add(rule);
      let rgb = levels(rule.style.color);
      while (contrast(luminance(rgb), ground) < ENOUGH) rgb = rgb.map((level) => Math.round(level + 0.1 * (towards - level) + Math.sign(towards - level)));
      rule.style.color = `rgb(${rgb.map((level) => Math.min(255, Math.max(0, level))).join(", ")})`;
    }
  }
}

function* ancestors(element) {
  for (let one = element.parentElement; one; one = one.parentElement) yield one;
}

// ---- whenever the page has changed ----

let due = 0;
function look() {
  due = 0;
  nameThings();
  orderTabs();
  mendCode();
}
new MutationObserver(() => (due ||= setTimeout(look, 30))).observe(document.documentElement, {
  subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["aria-label", "aria-selected", "alt", "title"],
});
