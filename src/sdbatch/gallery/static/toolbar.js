// The toolbar: progress, filters, and the layout of the axes.

const FILTERS = { all: "everything", favourites: "favourites", done: "done", failed: "failed", warnings: "with warnings", missing: "not rendered" };
const status = h("p", { className: "status", role: "status" });
const meter = h("progress", { className: "meter", max: 1, value: 0, hidden: true, "aria-label": "rendered" });
const controls = h("div", { className: "axes" });
const search = h("input", { type: "search", placeholder: "Find", "aria-label": "find in prompts", title: "words of prompts and labels, or an id (/)", oninput: () => set(() => { view.query = search.value; }) });
const only = h("select", { "aria-label": "show", title: "which pictures are shown", onchange: () => set(() => { view.only = only.value; }) },
  ...Object.entries(FILTERS).map(([name, text]) => h("option", { value: name }, text)));
const sizer = h("input", { type: "range", min: 64, max: 420, step: 4, "aria-label": "size of the pictures", title: "size of the pictures (double click or 0: as large as fits)",
  oninput: () => set(() => { view.size = +sizer.value; }), ondblclick: fit, onkeydown: (event) => event.key === "0" && fit() });
function fit() { // as large as fits
  set(() => { view.size = 0; });
}

function set(change) {
  change();
  layOut();
  if (!view.size) sizer.value = grid.size;
  writeHash();
  drawStatus();
}

const item = (text, what) => h("button", { type: "button", onclick: () => { exportMenu.open = false; what(); } }, text);
const exportMenu = h("details", { className: "menu" }, h("summary", {}, "Export"), h("div", { className: "drop" },
  item("Favourites: ids as text …", exportIds),
  item("Favourites: files as ZIP", () => exportZip(starred())),
  item("Shown: files as ZIP", () => exportZip(grid.plan.found)),
  item("Records as CSV", exportCsv),
  item("Contact sheet, PNG or PDF …", sheetCommand)));

const KEYS = [["← → ↑ ↓", "go to the neighbour"], ["space, enter", "open; in full view the next, or play"], ["f", "favourite"], ["c", "compare: keep this one, go to another"],
  ["w", "wiper"], ["o", "in full view: over the picture that it starts from"], ["z", "in full view: pixel for pixel"], ["0", "pictures as large as fits"], ["/", "find in prompts"], ["escape", "close"], ["page, home, end", "scroll"]];
const help = h("dialog", { className: "offer" }, h("h2", {}, "Keys"), h("dl", { className: "keys" }, ...KEYS.flatMap(([k, text]) => [h("dt", {}, k), h("dd", {}, text)])),
  h("div", { className: "bar" }, h("button", { type: "button", onclick: () => help.close() }, "Close")));

const toolbar = h("header", { className: "top" },
  h("div", { className: "title" }, h("h1", {}), status, h("span", { className: "grow" }), search, only, sizer, theme,
    h("button", { type: "button", className: "theme help", title: "keys", "aria-label": "keys", onclick: () => help.showModal() }, "?"), exportMenu),
  meter, controls);

function drawControls() {
  controls.replaceChildren(...varyingAxes().map(control));
  controls.hidden = !varyingAxes().length;
  search.value = view.query;
  only.value = view.only;
}

function control(a) {
  const axis = plan.axes[a];
  const roles = h("select", { "aria-label": `${axis.title} runs`, title: "across: labels above · down: labels on the left · slider: one value at a time · filter: no labels, only a choice", onchange: () => { set(() => { view.roles[a] = roles.value; if (roles.value === "slider") view.chosen[a] = null; }); drawControls(); } },
    ...ROLES.map((role) => h("option", { value: role, selected: role === view.roles[a] }, role)));
  return h("div", { className: `axis ${view.roles[a]}`, data: { axis: a } }, h("span", { className: "name" }, axis.title), roles, view.roles[a] === "slider" ? slider(a) : values(a));
}

function slider(a) {
  const list = used(a), text = h("output", {}, valueText(a, view.at[a]));
  const range = h("input", { type: "range", min: 0, max: list.length - 1, step: 1, "aria-label": plan.axes[a].title,
    oninput: () => { const to = list[+range.value]; text.textContent = valueText(a, to); range.setAttribute("aria-valuetext", valueText(a, to)); set(() => { view.at[a] = to; }); } });
  range.value = list.indexOf(view.at[a]);
  range.setAttribute("aria-valuetext", valueText(a, view.at[a]));
  return h("span", { className: "slide" }, range, text);
}

const LONG = 400; // values listed one by one

function values(a) {
  const list = used(a), chosen = view.chosen[a];
  const summary = h("summary", { "aria-label": `values of ${plan.axes[a].title}` }, chosen ? `${shown(a).length} of ${list.length}` : `all ${list.length.toLocaleString("en")}`);
  const box = h("details", { className: "menu values" }, summary);
  box.addEventListener("toggle", () => { if (box.open && box.children.length === 1) box.append(h("div", { className: "drop" }, ...choices(a, summary))); });
  return box;
}

function choices(a, summary) {
  const list = used(a), boxes = list.slice(0, LONG).map((v) => {
    const box = h("input", { type: "checkbox", checked: !view.chosen[a] || view.chosen[a].has(v), value: v, onchange: () => choose() });
    return h("label", {}, box, h("span", {}, valueText(a, v)));
  });
  const inputs = () => boxes.map((label) => label.firstChild);
  const choose = () => set(() => {
    const kept = inputs().filter((box) => box.checked).map((box) => +box.value);
    view.chosen[a] = kept.length === boxes.length ? null : new Set([...kept, ...list.slice(LONG)]);
    summary.textContent = view.chosen[a] ? `${shown(a).length} of ${list.length}` : `all ${list.length}`;
  });
  const all = (to) => { for (const box of inputs()) box.checked = to; choose(); };
  return [h("div", { className: "bar" }, h("button", { type: "button", onclick: () => all(true) }, "all"), h("button", { type: "button", onclick: () => all(false) }, "none")),
    ...boxes, list.length > LONG && h("p", {}, `and ${count(list.length - LONG, "more value")}: use Find`)].filter(Boolean);
}

const kind = () => (!jobs.some((_, i) => video(i)) ? "picture" : jobs.every((_, i) => video(i)) ? "video" : "job");

function drawStatus() { // one line: number of pictures, progress
  const n = { ".": 0, d: 0, w: 0, f: 0 };
  for (const one of now.codes) n[one]++;
  const ready = jobs.map((_, i) => i).filter(done), videos = ready.filter(video).length, live = now.live;
  const parts = live ? [`${ready.length.toLocaleString("en")} of ${count(jobs.length, kind())}`]
    : [(ready.length > videos || kind() === "picture") && count(ready.length - videos, "picture"), (videos || kind() === "video") && count(videos, "video")].filter(Boolean);
  if (live && !live.rate) parts.push("starting");
  else if (live) parts.push(`${live.rate >= 10 ? Math.round(live.rate) : live.rate.toFixed(2)} ${live.unit === "jobs" ? "" : "pictures "}a second`);
  if (live && live.left !== null) parts.push(`${clock(live.left)} left`);
  if (live && live.workers > 1) parts.push(`${live.workers} workers`);
  if (live && live.died) parts.push(`${count(live.died, "worker")} died`);
  if (n.f) parts.push(`${n.f} failed`);
  if (n.w) parts.push(count(n.w, "warning"));
  if (n["."] && !live) parts.push(`${n["."].toLocaleString("en")} not rendered`);
  if (grid.plan && grid.plan.found.length < jobs.length) parts.push(`${grid.plan.found.length.toLocaleString("en")} shown`);
  if (favourites.size) parts.push(`★ ${favourites.size}`);
  if (live && idleSeconds > 20) parts.push(`no update for ${Math.round(idleSeconds)} s; if the run has stopped, run the same command again to resume`);
  const text = parts.join(" · ");
  if (status.textContent !== text) status.textContent = text;
  meter.hidden = !live;
  if (live) meter.value = live.total ? live.done / live.total : 0;
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  if (event.key === "/" && !event.target.closest("input, textarea, dialog")) { search.focus(); event.preventDefault(); }
});
