// Settings from what is there: a dropped or chosen file, an experiment, an example.

import { h, say } from "/static/shared.js";
import { get, post, upload } from "./api.js";
import { about, form, load, spec } from "./form.js";
import { came } from "./settings.js";

const TYPES = ".png,.mp4,.webm,.json,.yaml,.yml";
const film = Object.fromEntries(Object.entries(about.start.fields).filter(([key]) => spec.get(key)?.film)); // of a form that has none
let after = () => {};
export const onLoad = (act) => { after = act; };

function fill(found, from) {
  if (found.error) return say(found.error);
  load(found.kind === "picture" ? { ...found, fields: { ...film, ...found.fields } } : found);
  came(from, found.notes ?? []);
  after();
  return undefined;
}

async function read(file) {
  if (file.size > about.limits.upload) return say(`${file.name} is larger than ${Math.round(about.limits.upload / 2 ** 20)} MB`);
  try {
    const found = await upload(`/api/import?name=${encodeURIComponent(file.name)}&model=${encodeURIComponent(form.model)}`, file);
    return fill(found.error ? { error: `${file.name}: ${found.error}` } : found, `Settings of ${file.name}`);
  } catch (error) {
    return say(`${file.name}: ${error.message}`);
  }
}

export async function from(what) { // {name} or {shipped}
  try {
    fill(await post("/api/open", what), `Settings of ${what.name ?? what.shipped}`);
  } catch (error) {
    say(error.message);
  }
}

const chooser = h("input", { type: "file", accept: TYPES, hidden: true, onchange: () => { if (chooser.files[0]) read(chooser.files[0]); chooser.value = ""; } });
const drop = h("div", { className: "drop" });
export const node = h("details", { className: "menu open-menu", ontoggle: () => node.open && fillMenu() }, h("summary", {}, "Open"), drop, chooser);

async function fillMenu() {
  const item = (text, title, what) => h("button", { type: "button", title, onclick: () => { node.open = false; what(); } }, text);
  const fixed = [item("A picture, video or YAML …", "or drop it anywhere on this page", () => chooser.click()), item("Empty form", "", () => { load(about.start); came("", []); after(); })];
  drop.replaceChildren(...fixed);
  const { experiments, shipped } = await get("/api/experiments").catch(() => ({ experiments: [], shipped: [] }));
  drop.replaceChildren(...fixed,
    ...(experiments.length ? [h("p", { className: "drop-head" }, "Experiments")] : []), ...experiments.map((one) => item(one.name, one.done === undefined ? "" : `${one.done} of ${one.jobs}`, () => from({ name: one.name }))),
    ...(shipped.length ? [h("p", { className: "drop-head" }, "Examples")] : []), ...shipped.map((one) => item(one.name, one.about, () => from({ shipped: one.name }))));
}

const veil = h("div", { className: "veil", hidden: true }, h("p", {}, "Drop a picture, a video or a YAML: its settings fill the form"));
document.body.append(veil);
const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0;
const show = (n) => { depth = Math.max(0, n); veil.hidden = !depth; };
addEventListener("dragenter", (event) => { if (files(event)) show(depth + 1); });
addEventListener("dragleave", (event) => { if (files(event)) show(depth - 1); });
addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!files(event)) return;
  event.preventDefault();
  show(0);
  if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
});
