// The form: a few controls first, everything else in folds; what the server says of it while one types; two buttons.

import { count, h, say } from "/static/shared.js";
import { post } from "./api.js";
import { control, focus, idOf, mark, placeOf, setting, showUsed } from "./controls.js";
import { about, choose, form, given, list, onChange, onShow, value } from "./form.js";
import { canvas, model, prompts, seeds } from "./main_fields.js";
import { curves, presets } from "./motion.js";

const PAUSE = 80; // milliseconds without a keystroke before the server is asked
const KINDS = { picture: "Pictures", film: "Film" };
const FIRST = ["prompts", "negative", "canvas", "seeds", "sampling.steps", "sampling.guidance", "sampling.sampler"];
const SIZES = { "sampling.steps": "half", "sampling.guidance": "half", "sampling.sampler": "half" };
const checks = { picture: null, film: null }; // the last answers
const folds = new Map(); // section -> {node, keys, badge}
const chosen = model(), camera = curves();

const name = h("input", { id: idOf("name"), type: "text", autocomplete: "off", spellcheck: false, "aria-describedby": `${idOf("name")}-says`, placeholder: "made from the prompt", oninput: () => choose({ name: name.value, replace: undefined }) });
onShow("name", () => { name.value = form.name; });
const into = h("button", { type: "button", className: "quiet", hidden: true, onclick: () => choose({ replace: true }) }, "use its folder");

function main() {
  const special = { prompts, canvas, seeds }, plain = { plain: true };
  const rest = about.fields.filter((field) => field.section === "main" && !FIRST.includes(field.key)).map((field) => field.key);
  const made = FIRST.flatMap((key) => (special[key] ? special[key]() : control(key, key === "negative" ? { ...plain, title: "Negative prompt" } : plain)));
  for (const [key, size] of Object.entries(SIZES)) placeOf(key).node.classList.add(size);
  return [...made, chosen.node, ...modelKeys().map((key) => control(key)), ...rest.map((key) => control(key))];
}

const modelKeys = () => [...new Set(about.models.flatMap((one) => one.keys))];

function fold({ id, title, about: text }) {
  const keys = about.fields.filter((field) => field.section === id && !modelKeys().includes(field.key)).map((field) => field.key);
  const drawn = id === "motion" ? about.curves.map((one) => `motion.${one}`) : [];
  const order = ["motion.mode", "motion.loop", "motion.seconds", "motion.frames", "motion.fps"].filter((key) => keys.includes(key));
  const rest = keys.filter((key) => !drawn.includes(key) && !order.includes(key)).map((key) => control(key));
  const film = id === "motion" ? [...order.map((key) => control(key, { plain: true })), camera.node, h("details", { className: "more" }, h("summary", {}, "More of the film"), ...rest)] : rest;
  const badge = h("span", { className: "differs-count" });
  const node = h("details", { className: `fold ${id}`, data: { section: id }, ontoggle: () => node.open && id === "motion" && camera.ask() }, h("summary", {}, h("span", { className: "fold-name" }, title), badge, h("span", { className: "fold-about" }, text ?? "")), h("div", { className: "inside" }, ...[presets(id), ...film].filter(Boolean)));
  folds.set(id, { node, keys, badge });
  return node;
}

const sections = () => [...about.sections].sort((a, b) => (b.id === "motion") - (a.id === "motion")).map((one) => (one.id === "motion" ? { ...one, title: "Film" } : one));

const sum = h("p", { className: "sum", role: "status" });
const buttons = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, h("button", { type: "button", className: `go ${kind}`, onclick: () => render(kind) }, h("b", {}, KINDS[kind]), h("span", {}))]));
const general = h("ul", { className: "general", hidden: true });
const origin = h("div", { className: "origin", hidden: true });

const nameSetting = () => setting("name", name, { title: "Name", extra: into });

export const scroll = h("div", { className: "form-scroll" });
export const node = h("form", { className: "settings", "aria-label": "settings", autocomplete: "off", onsubmit: (event) => event.preventDefault() }, scroll,
  h("div", { className: "foot" }, general, sum, h("div", { className: "gos" }, ...Object.values(buttons))));

export function build() {
  scroll.append(origin, h("div", { className: "first" }, ...main()), ...sections().filter((one) => one.id !== "main" && about.fields.some((field) => field.section === one.id)).map(fold));
  const last = scroll.querySelector(".first");
  last.append(nameSetting());
  onChange(() => { clearTimeout(build.timer); build.timer = setTimeout(check, PAUSE); });
}

// Says where the settings came from, and what of it is not known.
export function came(from, notes) {
  origin.replaceChildren(h("p", {}, from), h("button", { type: "button", className: "reset", "aria-label": "close", onclick: () => { origin.hidden = true; } }, "×"), h("ul", {}, ...notes.map((note) => h("li", {}, note))));
  origin.hidden = !from;
  scroll.scrollTo({ top: 0 });
}

let n = 0;
const hearers = [];
export const onCheck = (act) => hearers.push(act);

export async function check() {
  const mine = ++n;
  const answers = {};
  for (const kind of Object.keys(KINDS)) {
    answers[kind] = await post("/api/check", { ...form, kind, n: mine }).catch((error) => ({ problems: [{ key: "", text: error.message }], warnings: [], axes: [], lost: true }));
    if (mine !== n) return;
  }
  show(answers);
  for (const kind of Object.keys(KINDS)) {
    if (!answers[kind].more) continue;
    const found = await post("/api/estimate", { ...form, kind, n: mine }).catch(() => null);
    if (mine !== n) return;
    if (found) show({ ...checks, [kind]: found });
  }
}

function show(answers) {
  Object.assign(checks, answers);
  const mistakes = new Map(), top = [];
  for (const { key, text } of problems()) {
    if (key === "prompts" && !given("prompts") && !pressed) continue; // nobody has begun
    const place = placeOf(key) ? key : folds.has(key) ? "" : key;
    if (placeOf(place) || about.curves.some((one) => place === `motion.${one}`)) mistakes.set(place, [...(mistakes.get(place) ?? []), text]);
    else top.push(key ? `${key}: ${text}` : text);
  }
  const { taken, name: made } = answers.picture.name ? answers.picture : answers.film;
  mark(mistakes);
  camera.faults(mistakes);
  showUsed(String(list(value("motion.mode")) ?? value("motion.mode")).split(/[,\s]+/), mistakes);
  name.placeholder = made ?? "made from the prompt";
  into.hidden = !taken || Boolean(form.replace);
  if (taken && !form.replace && !mistakes.has("name")) placeOf("name").says.textContent = `that name has other settings, so this becomes ${made}`;
  const warnings = [...new Set([...(answers.picture.warnings ?? []), ...(answers.film.warnings ?? [])])];
  general.replaceChildren(...top.map((text) => h("li", { className: "bad" }, text)), ...warnings.map((text) => h("li", {}, text)));
  general.hidden = !general.children.length;
  for (const [id, { keys, badge }] of folds) {
    const wrong = keys.filter((key) => mistakes.has(key)).length, differs = keys.filter(given).length;
    const text = wrong ? count(wrong, "mistake") : differs ? String(differs) : "";
    if (badge.textContent !== text) badge.textContent = text;
    badge.title = wrong ? "" : `${differs} set`;
    folds.get(id).node.classList.toggle("wrong", wrong > 0);
  }
  total();
  for (const act of hearers) act(checks);
}

function problems() { // of pictures, then those that only films have
  const first = checks.picture?.problems ?? [], known = new Set(first.map((one) => one.key + one.text));
  return [...first, ...(checks.film?.problems ?? []).filter((one) => !known.has(one.key + one.text))];
}

function total() {
  for (const [kind, button] of Object.entries(buttons)) button.lastChild.textContent = short(checks[kind]);
  const axes = (checks.picture?.axes ?? []).filter((axis) => axis.values > 1).map((axis) => `${axis.axis.split(", ").map((key) => key.split(".").at(-1)).join(" + ")} ${axis.values}`);
  const text = axes.join("  ×  ");
  if (sum.textContent !== text) sum.textContent = text;
}

function short(found) {
  if (!found) return "";
  if (found.problems.length && !given("prompts") && !pressed) return "write a prompt";
  if (found.problems.length) return count(found.problems.length, "mistake");
  const what = `${found.jobs.toLocaleString("en")}`;
  if (found.done === found.jobs && found.jobs) return `${what}, all done`;
  const parts = [found.done ? `${found.done.toLocaleString("en")} of ${what} done` : what];
  if (found.seconds_text) parts.push(found.seconds_text);
  return parts.join(" · ");
}

let started = () => {}, pressed = false;
export const onStart = (act) => { started = act; };

async function render(kind) {
  pressed = true;
  choose({ kind });
  const sent = { ...form, kind };
  buttons[kind].setAttribute("aria-busy", "true");
  try {
    const found = await post("/api/render", sent);
    if (!found.problems.length) return started(found);
    clearTimeout(build.timer);
    n++;
    show({ ...checks, [kind]: { ...checks[kind], ...found, jobs: 0, done: 0, warnings: [], axes: [] } });
    const { key, text } = found.problems[0];
    toMistake(key);
    return say(key ? `${placeOf(key)?.node.querySelector(".label")?.textContent ?? key}: ${text}` : text);
  } catch (error) {
    return say(error.message);
  } finally {
    buttons[kind].removeAttribute("aria-busy");
  }
}

function toMistake(key) {
  if (about.curves.some((one) => key === `motion.${one}`)) camera.go(key.split(".")[1]);
  else focus(key);
}

addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  render(event.shiftKey ? "film" : "picture");
});
