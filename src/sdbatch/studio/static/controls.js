// One control for each type of setting, with its label, its description, and its mistake.

import { h } from "/static/shared.js";
import { flow, given, list, onShow, put, set, spec, value } from "./form.js";

export const SOFT = { "sampling.steps": [5, 80, 1], "sampling.guidance": [1, 20, 0.5] }; // of sliders; more can be typed
const MANY = "several values, such as 5, 7.5, 9 or 10..50..10, are a sweep";
const places = new Map(); // key -> {node, mistake, reset}

export const idOf = (key) => `f-${key.replaceAll(".", "-")}`;
export const labelled = (key) => ({ id: idOf(key), "aria-describedby": `${idOf(key)}-says` });

// A control with what belongs to it. `control` has the id of its key, or is a group with a name of its own.
// `extra` stands beside the label.
export function setting(key, control, { title, plain = false, group = false, extra = null } = {}) {
  const field = spec.get(key) ?? { title, about: "", type: "text" }, id = idOf(key);
  const reset = h("button", { type: "button", className: "reset", title: "the default", "aria-label": `${field.title}: the default`, hidden: true, onclick: () => { put({ [key]: null }); focus(key); } }, "↺");
  const label = group ? h("span", { className: "label", id: `${id}-name` }, title ?? field.title) : h("label", { className: "label", htmlFor: id }, title ?? nameOf(field));
  const says = h("p", { className: "says", id: `${id}-says` }, plain ? "" : field.about);
  if (plain) label.title = field.about;
  const node = h("div", { className: `setting ${field.type}`, data: { key } }, label, extra, reset, control, says);
  if (group) { control.setAttribute("role", "group"); control.setAttribute("aria-labelledby", `${id}-name`); control.setAttribute("aria-describedby", `${id}-says`); }
  places.set(key, { node, says, reset, text: says.textContent });
  return node;
}

// A section can hold keys of others: styles.file there is "Styles file".
const nameOf = ({ key, section, title }) => (key?.includes(".") && !["main", key.split(".")[0]].includes(section) ? `${key.split(".")[0].replace(/^./, (first) => first.toUpperCase())} ${title.toLowerCase()}` : title);

export const placeOf = (key) => places.get(key);

export function focus(key) {
  const place = places.get(key);
  for (let box = place?.node.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  const control = place?.node.querySelector("input, select, textarea, .control button");
  control?.focus();
  place?.node.scrollIntoView({ block: "nearest" });
}

// Marks the settings that differ, and shows each mistake beside its control; `mistakes` has texts by key.
export function mark(mistakes) {
  for (const [key, { node, says, reset, text }] of places) {
    const wrong = mistakes.get(key)?.join("\n");
    const line = wrong ?? text;
    if (says.textContent !== line) says.textContent = line;
    node.classList.toggle("wrong", Boolean(wrong));
    for (const control of node.querySelectorAll("input, select, textarea")) control.setAttribute("aria-invalid", String(Boolean(wrong)));
    reset.hidden = !given(key);
  }
}

// Some modes of a film do not use some settings; those that differ stay.
export function showUsed(modes, mistakes) {
  for (const [key, { node }] of places) {
    const uses = spec.get(key)?.modes;
    if (uses) node.hidden = !given(key) && !mistakes.has(key) && !uses.some((mode) => modes.includes(mode));
  }
}

const makers = { text: line, integer: number, number, choice, boolean, long_text: area, list: lines, json: area, schedule: line };

export function control(key, options) {
  const field = spec.get(key), made = (makers[field.type] ?? line)(field);
  onShow(key, made.show);
  made.show();
  return setting(key, made.node, { ...options, extra: made.extra });
}

const hint = (field) => (field.default === null || field.default.length === 0 ? (field.nullable && !field.key.startsWith("motion.") ? "auto" : "") : flow(field.default));

function line(field) {
  const node = h("input", { ...labelled(field.key), type: "text", autocomplete: "off", spellcheck: field.type === "text" && !field.key.includes("."), placeholder: hint(field), title: field.sweep ? MANY : "", oninput: () => set(field.key, node.value) });
  return { node, show: () => { node.value = given(field.key) ? flow(value(field.key)) : ""; } };
}

function number(field) {
  const soft = SOFT[field.key];
  if (!soft) return line(field);
  const text = h("input", { ...labelled(field.key), type: "text", inputMode: "decimal", autocomplete: "off", className: "short", title: MANY, oninput: () => { set(field.key, text.value); follow(); } });
  const [min, max, step] = soft;
  const range = h("input", { type: "range", min, max, step, "aria-label": `${field.title}, slider`, oninput: () => { text.value = range.value; set(field.key, Number(range.value)); } });
  const follow = () => { const n = Number(text.value || field.default); if (Number.isFinite(n)) range.value = n; };
  return { node: h("div", { className: "control ranged" }, range, text), show: () => { text.value = flow(value(field.key)); follow(); } };
}

function area(field) {
  const node = h("textarea", { ...labelled(field.key), rows: 1, spellcheck: field.type === "long_text", placeholder: hint(field), oninput: () => set(field.key, node.value) });
  return { node, show: () => { node.value = given(field.key) ? flow(value(field.key)) : ""; } };
}

function lines(field) { // one text on each line
  const node = h("textarea", { ...labelled(field.key), rows: 1, spellcheck: false, placeholder: "one on each line", oninput: () => set(field.key, node.value.split("\n").filter((one) => one.trim())) });
  return { node, show: () => { const found = value(field.key); node.value = Array.isArray(found) ? found.join("\n") : flow(found); } };
}

function boolean(field) {
  const box = h("input", { ...labelled(field.key), type: "checkbox", onchange: () => set(field.key, box.checked) });
  return { node: box, show: () => { box.checked = String(value(field.key)) === "true"; } };
}

// One of a few names, or several of them, which is a sweep.
function choice(field) {
  const pick = h("select", { ...labelled(field.key), onchange: () => set(field.key, field.choices[pick.selectedIndex]) }, ...field.choices.map((one) => h("option", {}, String(one))));
  if (!field.sweep) return { node: pick, show: () => { pick.selectedIndex = field.choices.findIndex((one) => String(one) === String(value(field.key))); } };
  const boxes = field.choices.map((one) => h("input", { type: "checkbox", value: one, onchange: () => choose() }));
  const menu = h("details", { className: "menu several" }, h("summary", { "aria-label": `${field.title}: compare several` }, "several"), h("div", { className: "drop" }, ...boxes.map((box) => h("label", {}, box, box.value))));
  const names = h("p", { className: "many", hidden: true });
  const choose = () => { set(field.key, boxes.filter((box) => box.checked).map((box) => box.value)); draw(); };
  const picked = () => { const found = value(field.key); return (list(found) ?? String(found).split(",")).map((one) => String(one).trim()); };
  const draw = () => {
    const found = picked();
    pick.hidden = found.length > 1;
    names.hidden = !pick.hidden;
    names.textContent = found.join(", ");
    pick.selectedIndex = field.choices.findIndex((one) => String(one) === found[0]);
  };
  pick.addEventListener("change", () => { for (const box of boxes) box.checked = box.value === pick.value; });
  return { node: h("div", { className: "control" }, pick, names), extra: menu, show: () => { draw(); for (const box of boxes) box.checked = picked().includes(box.value); } };
}
