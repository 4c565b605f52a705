// Remembers in this browser which pages of the Path were read and where a reader stopped; without storage, for as long as the page is open.
const KEY = "genart_hub.path";
const count = element.querySelector("p"), [onward, anew] = element.querySelectorAll("button");
const path = element.closest(".path"), buttons = () => [...path.querySelectorAll("input[type=radio]")];
const last = props.pages.length - 1;

const kept = () => {
  try {
    const found = JSON.parse(localStorage.getItem(KEY)) ?? {};
    const known = (name) => props.pages.includes(name);
    return { read: new Set([found.read ?? []].flat().filter(known)), at: known(found.at) ? found.at : "" };
  } catch {
    return { read: new Set(), at: "" }; // storage is forbidden, or holds what this page did not write
  }
};
const keep = () => {
  try {
    if (state.read.size || state.at) localStorage.setItem(KEY, JSON.stringify({ read: [...state.read], at: state.at }));
    else localStorage.removeItem(KEY);
  } catch {
    // the page goes on without a memory
  }
};

const state = kept();
let here = 0, stopped = state.at;

function show() {
  const [told, go, forget, read] = props.label.split("|");
  const title = (name) => buttons()[props.pages.indexOf(name)]?.closest("label").textContent.trim() ?? "";
  count.textContent = state.read.size ? told.replace("{read}", state.read.size).replace("{all}", props.pages.length) : "";
  onward.textContent = stopped ? go.replace("{page}", title(stopped)) : "";
  onward.hidden = !stopped;
  anew.textContent = forget;
  anew.hidden = !state.read.size && !state.at;
  buttons().forEach((button, k) => {
    const label = button.closest("label");
    if (state.read.has(props.pages[k])) label.dataset.read = read;
    else delete label.dataset.read;
  });
}

function turned(k) {
  here = k;
  if (state.at || k) state.at = props.pages[k];
  if (k === last) state.read.add(props.pages[last]); // there is no page after it to go on to
  if (stopped === props.pages[here]) stopped = "";
  keep();
  show();
}

// Page k is open; or, where a reader goes on from it, has been read.
(window.genart ??= {}).walked = (k, on) => {
  if (!on) return turned(k);
  state.read.add(props.pages[k]);
  keep();
  show();
};
onward.addEventListener("click", () => buttons()[props.pages.indexOf(stopped)].click());
anew.addEventListener("click", () => {
  state.read.clear();
  state.at = stopped = "";
  if (here) buttons()[0].click();
  keep();
  show();
  buttons()[here].focus();
});

function begin() {
  const there = buttons();
  if (there.length < props.pages.length) return false; // the list is not there yet
  here = Math.max(0, there.findIndex((button) => button.checked));
  if (here || stopped === props.pages[0]) turned(here);
  else show();
  return true;
}

if (!begin()) {
  const waiting = new MutationObserver(() => begin() && waiting.disconnect());
  waiting.observe(path, { childList: true, subtree: true });
}
watch("label", show);
