// The form as data: which settings differ from their defaults. Controls show it, and are told of changes from elsewhere.

import { get } from "./api.js";

export const about = await get("/api/form"); // fields, sections, ratios, models, presets, as the configuration has them
export const spec = new Map(about.fields.map((field) => [field.key, field]));
export const form = { kind: "picture", model: "", fields: {}, name: "" };

const listeners = new Set();
const shows = new Map(); // key -> what draws the value of this key again
const KEPT = "sdbatch.studio.form"; // of this tab, so that it survives a reload

export const onChange = (act) => listeners.add(act);
export const onShow = (key, act) => shows.set(key, act);

const changed = () => {
  try { sessionStorage.setItem(KEPT, JSON.stringify(form)); } catch { /* not allowed */ }
  for (const act of listeners) act();
};

export const given = (key) => form.fields[key] !== undefined;
export const value = (key) => form.fields[key] ?? spec.get(key)?.default;

function assign(key, to) {
  if (to === undefined || to === null || to === "" || same(to, spec.get(key)?.default)) delete form.fields[key];
  else form.fields[key] = to;
}

// From a control, which shows the value already.
export function set(key, to) {
  assign(key, to);
  changed();
}

// From elsewhere (a preset, a reset): the controls show it too.
export function put(fields) {
  for (const [key, to] of Object.entries(fields)) assign(key, to);
  for (const key of Object.keys(fields)) shows.get(key)?.();
  changed();
}

// Everything at once: a file, an experiment, the beginning.
export function load({ kind, model, fields, name }) {
  Object.assign(form, { kind: kind || "picture", model: model || about.start.model, fields: {}, name: name || "" });
  for (const [key, to] of Object.entries(fields)) assign(key, to);
  for (const act of shows.values()) act();
  changed();
}

export function choose(more) { // kind, model or name
  Object.assign(form, more);
  changed();
}

export function kept() {
  try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch { return null; }
}

export const same = (a, b) => a === b || flow(a) === flow(b);

// A value as people type it: a line of YAML.
export function flow(one, inside = false) {
  if (one === null || one === undefined) return inside ? "null" : "";
  if (Array.isArray(one)) {
    const text = one.map((item) => flow(item, true)).join(", ");
    return inside || one.some((item) => typeof item === "object") || one.length < 2 ? `[${text}]` : text;
  }
  if (typeof one === "object") return `{${Object.entries(one).map(([key, item]) => `${key}: ${flow(item, true)}`).join(", ")}}`;
  return inside && typeof one === "string" && !/^(end|[a-z][a-z0-9_]*|\d+(\.\d+)?(s|%))$/.test(one) ? JSON.stringify(one) : String(one);
}

// A list as people type it, or undefined if it is something else: [[0, 1.0], [end, 2.5, ramp]].
export function list(one) {
  if (Array.isArray(one)) return one;
  const text = String(one).trim();
  if (!text.startsWith("[")) return undefined;
  try {
    const found = JSON.parse(text.replace(/([[,]\s*)([^\s[\],"][^[\],"]*?)(?=\s*[,\]])/g, (all, before, word) => (isNaN(word) ? before + JSON.stringify(word) : all)));
    return Array.isArray(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
