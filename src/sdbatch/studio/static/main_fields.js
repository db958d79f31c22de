// The controls that people use most and that are not one line of text: prompts, shapes of the canvas, seeds, the model.

import { h } from "/static/shared.js";
import { idOf, labelled, setting } from "./controls.js";
import { svg } from "./curve.js";
import { about, choose, flow, form, list, onShow, set, value } from "./form.js";

const asEntry = (one) => (typeof one === "object" && one ? { ...one } : { text: String(one ?? "") });
const plain = (entry) => Object.keys(entry).every((key) => key === "text" || !entry[key]);

// Several prompts; each can have a name and a negative of its own, or be a file.
export function prompts() {
  const box = h("div", { className: "prompt-list" }), entries = [];
  const store = () => {
    const kept = entries.map(({ entry }) => (plain(entry) ? entry.text : Object.fromEntries(Object.entries(entry).filter(([, v]) => v))));
    set("prompts", kept.length === 1 ? kept[0] : kept);
  };
  const draw = () => {
    const several = entries.length > 1;
    entries.forEach(({ node, text, remove }, n) => {
      text.setAttribute("aria-label", several ? `prompt ${n + 1}` : "prompt");
      text.id = n ? "" : idOf("prompts");
      node.classList.toggle("several", several);
      remove.hidden = !several;
    });
    box.replaceChildren(...entries.map(({ node }) => node));
  };
  const add = (one) => { const made = row(asEntry(one), store, () => { entries.splice(entries.indexOf(made), 1); draw(); store(); entries[0].text.focus(); }); entries.push(made); return made; };
  const show = () => {
    entries.length = 0;
    const found = form.fields.prompts;
    for (const one of Array.isArray(found) && found.length ? found : [found]) add(one);
    draw();
  };
  const more = h("button", { type: "button", className: "quiet", title: "each prompt is rendered; {red|green} inside a prompt makes variants too", onclick: () => { add(""); draw(); store(); entries.at(-1).text.focus(); } }, "+ prompt");
  const sets = about.prompt_sets.length > 0 && h("details", { className: "menu values" }, h("summary", {}, "Examples"), h("div", { className: "drop" },
    ...about.prompt_sets.flatMap((one) => one.prompts.map((prompt) => h("button", { type: "button", title: prompt.text, onclick: (event) => {
      event.target.closest("details").open = false;
      if (entries.length === 1 && !entries[0].entry.text) entries.length = 0;
      add(prompt); draw(); store();
    } }, prompt.id || prompt.text)))));
  onShow("prompts", show);
  show();
  return setting("prompts", h("div", { className: "control" }, box, h("div", { className: "bar" }, more, sets)), { title: "Prompt", plain: true });
}

function row(entry, store, gone) {
  const main = entry.file !== undefined ? "file" : "text";
  const change = (key, node) => { entry[key] = node.value; store(); };
  const text = h("textarea", { rows: 2, className: "prompt", spellcheck: true, "aria-describedby": `${idOf("prompts")}-says`, placeholder: main === "file" ? "a file of prompts" : "what is in the picture", oninput: () => change(main, text) });
  text.value = entry[main] ?? "";
  const name = h("input", { type: "text", "aria-label": "name of this prompt", placeholder: "name, for labels", value: entry.id ?? "", oninput: () => change("id", name) });
  const negative = h("input", { type: "text", "aria-label": "negative of this prompt", placeholder: "its own negative", value: entry.negative ?? "", oninput: () => change("negative", negative) });
  const remove = h("button", { type: "button", className: "reset", title: "without this prompt", "aria-label": "remove this prompt", onclick: gone }, "×");
  const node = h("div", { className: "one-prompt" }, text, remove, h("div", { className: "own" }, name, negative));
  return { node, entry, text, remove };
}

// The ratios as shapes: one, or several side by side; any other size is typed.
export function canvas() {
  const names = about.ratios.map((ratio) => ratio.name);
  const current = () => (list(value("canvas")) ?? String(value("canvas")).split(",")).map((one) => String(one).trim()).filter(Boolean);
  const shapes = about.ratios.map((ratio) => {
    const scale = 26 / Math.max(ratio.width, ratio.height), box = h("input", { type: "radio", name: "canvas", value: ratio.name, onchange: () => take() });
    const shape = h("i", { "aria-hidden": "true" });
    shape.style.width = `${ratio.width * scale}px`;
    shape.style.height = `${ratio.height * scale}px`;
    return { box, node: h("label", { className: "shape" }, box, shape, h("span", {}, ratio.name)) };
  });
  const other = h("input", { ...labelled("canvas"), type: "text", className: "short", placeholder: "or a size: 640x360", autocomplete: "off", "aria-label": "other sizes", title: "exact sizes in pixels", oninput: () => store() });
  const several = h("button", { type: "button", className: "quiet", "aria-pressed": "false", title: "render several ratios", onclick: () => { mode(several.getAttribute("aria-pressed") !== "true"); if (several.getAttribute("aria-pressed") !== "true") store(); } }, "several");
  const checked = () => shapes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  const mode = (many) => {
    several.setAttribute("aria-pressed", String(many));
    const kept = checked();
    for (const { box } of shapes) { box.type = many ? "checkbox" : "radio"; }
    for (const { box } of shapes) box.checked = many ? kept.includes(box.value) : kept[0] === box.value;
  };
  const take = () => { if (several.getAttribute("aria-pressed") !== "true") other.value = ""; store(); };
  const store = () => {
    const typed = other.value.split(/[,;\s]+/).filter(Boolean);
    if (typed.length && several.getAttribute("aria-pressed") !== "true") for (const { box } of shapes) box.checked = false;
    set("canvas", [...checked(), ...typed]);
  };
  const show = () => {
    const found = current();
    mode(found.length > 1);
    for (const { box } of shapes) box.checked = found.includes(box.value);
    other.value = found.filter((one) => !names.includes(one)).join(", ");
  };
  onShow("canvas", show);
  show();
  const node = h("div", { className: "control shapes" }, ...shapes.map((shape) => shape.node), other);
  return setting("canvas", node, { title: "Ratio", plain: true, group: true, extra: several });
}

// A first seed and a number of pictures give the seeds; a list or random*4 is typed instead.
export function seeds() {
  const first = h("input", { ...labelled("seeds"), type: "text", inputMode: "numeric", className: "short", autocomplete: "off", title: "7, a list 1, 5, 9, a range 0..3, or random*4: drawn once", oninput: () => store() });
  const many = h("input", { id: `${idOf("seeds")}-n`, type: "number", min: 1, max: 1000, className: "short", oninput: () => store() });
  const slide = h("input", { type: "range", min: 1, max: 6, step: 1, "aria-label": "Pictures, slider", oninput: () => { many.value = slide.value; store(); } });
  const dice = h("button", { type: "button", className: "dice", title: "another seed", "aria-label": "another seed", onclick: () => { first.value = crypto.getRandomValues(new Uint32Array(1))[0] % 2 ** 31; store(); } }, die());
  const simple = () => /^\s*\d*\s*$/.test(first.value);
  const store = () => {
    const n = Math.max(1, Math.floor(Number(many.value)) || 1), from = first.value.trim() || "0";
    many.disabled = slide.disabled = !simple();
    slide.value = Math.min(n, 6);
    set("seeds", !simple() ? first.value : n > 1 ? `${from}..${BigInt(from) + BigInt(n - 1)}` : from);
  };
  const show = () => {
    const text = flow(value("seeds")), range = /^(\d+)\.\.(\d+)$/.exec(text), n = range ? Number(BigInt(range[2]) - BigInt(range[1])) + 1 : 1;
    const counted = range && n >= 1 && n <= 1000;
    first.value = counted ? range[1] : text;
    many.value = counted ? n : 1;
    many.disabled = slide.disabled = !simple();
    slide.value = Math.min(Number(many.value), 6);
  };
  onShow("seeds", show);
  show();
  const number = h("div", { className: "setting half" }, h("label", { className: "label", htmlFor: many.id }, "Pictures"), h("div", { className: "control ranged" }, slide, many));
  const seed = setting("seeds", h("div", { className: "control pair" }, first, dice), { title: "Seed", plain: true });
  seed.classList.add("half");
  return [number, seed];
}

function die() { // a drawing of the face with five points
  const dots = [[5, 5], [13, 5], [9, 9], [5, 13], [13, 13]].map(([cx, cy]) => svg("circle", { cx, cy, r: 1.5, fill: "currentColor" }));
  return svg("svg", { viewBox: "0 0 18 18", width: 18, height: 18, "aria-hidden": "true" }, svg("rect", { x: 1, y: 1, width: 16, height: 16, rx: 3.5, fill: "none", stroke: "currentColor", "stroke-width": 1.4 }), ...dots);
}

export function model() {
  const id = idOf("model"), pick = h("select", { id, "aria-describedby": `${id}-says`, onchange: () => { choose({ model: pick.value }); show(); } }, ...about.models.map((one) => h("option", { value: one.name }, one.name)));
  const says = h("p", { className: "says", id: `${id}-says` });
  const keys = about.models.flatMap((one) => one.keys);
  const show = () => {
    pick.value = form.model;
    const one = about.models.find((found) => found.name === form.model);
    says.textContent = one?.about ?? "";
    for (const key of keys) document.querySelector(`.settings [data-key="${CSS.escape(key)}"]`)?.toggleAttribute("hidden", !one?.keys.includes(key));
  };
  onShow("model", show);
  return { node: h("div", { className: "setting half" }, h("label", { className: "label", htmlFor: id }, "Model"), pick, says), show };
}
