// Keeps the page's address: `genart.held`, `turned` and `asked` are told what a tab's fields hold, `arrived` what an address gave.
// Panels that live in the page alone say what they show by `genart.shows`, and read it by `genart.shown`: again at each `genart:shown`.
const LANG = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const FIRST = Object.keys(props.tabs)[0];
const OURS = new Set(["tab", ...Object.values(props.tabs).flatMap((tab) => tab.names), ...Object.values(props.panels).flat()]);
const ALWAYS = ["model", "seed", "seeds"]; // beside a model, and in a Comparison that was asked for, a link holds these even where they are as usual: what is usual may change
const EVERY = 400; // ms between two writings: browsers refuse more than some hundred in half a minute
const PATIENCE = 20_000; // ms that a button may take to be there
let open = FIRST, arriving = false, later = 0, earlier = {};
const fields = {}, panels = {}, drawn = new Set(), note = element.querySelector("p");

const pairs = (query) => [...new URLSearchParams(query)];
const isOurs = (query) => pairs(query).some(([name]) => OURS.has(name));

function plain(name, value) {
  if (typeof value === "string" && value.startsWith("__i18n__")) return props.prompts[LANG];
  if (name === "step") return props.steps[value] ?? "";
  if (typeof value === "boolean") return value ? "1" : "0";
  return value === null || value === undefined ? "" : String(value);
}

function stateOf(tab) {
  const { names, usual } = props.tabs[tab], values = fields[tab] ?? usual;
  const taken = props.inputs[values[names.indexOf("model")]];
  const dataset = names.indexOf("dataset"), asked = drawn.has(tab);
  const reads = taken ? taken.includes("prompt") : props.worded.includes(values[dataset]) && asked;
  return names.flatMap((name, k) => {
    const value = plain(name, values[k]), own = plain(name, usual[k]);
    if (taken && props.taken.includes(name) && !taken.includes(name)) return [];
    if (name === "prompt" && dataset >= 0 && !props.worded.includes(values[dataset])) return [];
    const wanted = ((names.includes("model") || asked) && ALWAYS.includes(name)) || (name === "prompt" && reads);
    return value !== "" && (wanted || value !== own) ? [[name, value]] : [];
  }).concat(Object.entries(panels[tab] ?? {}));
}

/** What the address says of the open tab's panels: they read it themselves, and take what they can use. */
function bring() {
  const said = new URLSearchParams(location.search), tab = said.get("tab") ?? FIRST;
  const names = Object.hasOwn(props.panels, tab) ? props.panels[tab].filter((name) => said.get(name)) : [];
  panels[tab] = Object.fromEntries(names.map((name) => [name, said.get(name)]));
}

function addressOf(tab, lang = null) {
  const others = pairs(location.search).filter(([name]) => !OURS.has(name) && !(lang && name === "lang"));
  const all = [["tab", tab], ...stateOf(tab), ...others, ...(lang ? [["lang", lang]] : [])];
  return "?" + String(new URLSearchParams(all)).replaceAll("%2C+", ",").replaceAll("%2F", "/");
}

function entitle() {
  document.title = props.titles[LANG][open];
  for (const link of element.querySelectorAll("a")) link.href = addressOf(open, link.lang);
  if (window.parent !== window && location.hostname.endsWith(".hf.space"))
    window.parent.postMessage({ queryString: location.search.slice(1), hash: "" }, "https://huggingface.co");
}

function write(how = "replaceState") {
  clearTimeout(later);
  later = 0;
  const address = addressOf(open);
  if (address !== location.search) history[how]({}, "", address);
  entitle();
}

const writeLater = () => (later ||= setTimeout(write, EVERY));

async function press(what) {
  const until = performance.now() + PATIENCE;
  for (;;) {
    document.querySelector(`#${what} > button.label-wrap:not(.open)`)?.click(); // where it is folded away
    const button = document.getElementById(`go-${what}`);
    if (button?.offsetParent) return button.click();
    if (performance.now() > until) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

window.genart = Object.assign(window.genart ?? {}, {
  held(tab, values) {
    fields[tab] = values;
    if (tab === open && !arriving) writeLater();
  },
  turned(tab, values) {
    fields[tab] = values;
    if (arriving || tab === open) return;
    if (later) write();
    open = tab;
    note.textContent = "";
    write("pushState");
  },
  asked(tab, values) {
    drawn.add(tab);
    this.held(tab, values);
  },
  shows(tab, name, text) {
    const { [name]: before = "", ...others } = panels[tab] ?? {};
    if (before === text) return;
    panels[tab] = text ? { ...others, [name]: text } : others;
    if (tab === open && !arriving) writeLater();
  },
  shown: (tab, name) => panels[tab]?.[name] ?? "",
  stayed() {
    arriving = false;
    return [];
  },
  arrived(told, values) {
    for (const [tab, { names }] of Object.entries(props.tabs)) fields[tab] = values.splice(0, names.length);
    open = told.tab;
    arriving = false;
    note.textContent = told.note;
    for (const name of told.refused) delete panels[open]?.[name];
    if (told.draws) drawn.add(open);
    write();
    if (told.draws && earlier[open] !== JSON.stringify(stateOf(open))) press(open);
    if (panels[open]?.moment) press("inside");
    window.dispatchEvent(new Event("genart:shown"));
    return [];
  },
});

// The page's language stays in the address: Gradio's panel of the API writes a programming language of that name into it.
const replace = history.replaceState.bind(history), spoken = new URLSearchParams(location.search).get("lang");
history.replaceState = (state, title, url) => {
  const found = url === undefined || url === null ? null : new URL(url, document.baseURI);
  if (found?.searchParams.has("lang") && ["zh", "en"].includes(spoken)) found.searchParams.set("lang", spoken);
  replace(state, title, found ? found.href : url);
};

element.querySelector(`a[lang="${LANG}"]`).setAttribute("aria-current", "true");
element.addEventListener("click", () => later && write());
const arrive = () => {
  arriving = true;
  bring();
  earlier = Object.fromEntries(Object.keys(fields).map((tab) => [tab, JSON.stringify(stateOf(tab))]));
  trigger("arrive");
};
window.addEventListener("popstate", arrive);
setTimeout(entitle);
if (isOurs(location.search)) arrive();
