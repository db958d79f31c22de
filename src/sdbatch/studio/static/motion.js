// The film's part of the form: presets, the curves of the camera, and its preview.

import { h } from "/static/shared.js";
import { post } from "./api.js";
import { Camera } from "./camera.js";
import { focus, idOf, placeOf, setting } from "./controls.js";
import { Curve } from "./curve.js";
import { about, flow, form, given, onChange, onShow, put, set, spec, value } from "./form.js";

const PAUSE = 120; // milliseconds without a change before the server is asked for the curves
const WAVE = "{wave: sin, period: 2s, from: 1, to: 1.2}";
const keyOf = (name) => `motion.${name}`;

// A preset replaces what the others of its section set.
export function presets(section) {
  const found = about.presets[section] ?? [], used = new Set(found.flatMap((one) => Object.keys(one.fields)));
  if (!found.length) return null;
  const buttons = found.map((one) => h("button", { type: "button", className: "chip", title: one.about, onclick: () => put({ ...Object.fromEntries([...used].map((key) => [key, null])), ...one.fields }) }, one.name.replaceAll("_", " ")));
  return h("div", { className: "setting presets", role: "group", "aria-label": `presets: ${section}` }, h("span", { className: "label" }, "Presets"), h("div", { className: "control bar" }, ...buttons));
}

// Zoom, pan and roll over time. Its text is the schedule as it is stored; the drawing changes it.
export function curves() {
  let name = "zoom", path = null, timer = 0, asked = 0;
  const camera = new Camera(), curve = new Curve((to) => { text.value = flow(to); set(keyOf(name), to); });
  const text = h("input", { type: "text", id: idOf(keyOf("zoom")), autocomplete: "off", spellcheck: false, oninput: () => { set(keyOf(name), text.value); draw(); } });
  const tabs = about.curves.map((one) => h("button", { type: "button", className: "chip", "aria-pressed": "false", onclick: () => { name = one; show(); } }, spec.get(keyOf(one)).title));
  const waving = h("button", { type: "button", className: "quiet", title: "a schedule that repeats", onclick: () => { put({ [keyOf(name)]: name === "zoom" ? WAVE : WAVE.replace(/from.*/, name === "roll" ? "from: -5, to: 5}" : "from: -0.05, to: 0.05}") }); } }, "wave");
  const still = h("button", { type: "button", className: "quiet", title: "no movement", onclick: () => put({ [keyOf(name)]: null }) }, "still");
  const says = h("p", { className: "says" });

  const draw = () => curve.show(name, schedule(), path);
  const schedule = () => (given(keyOf(name)) ? form.fields[keyOf(name)] : value(keyOf(name)));
  const show = () => {
    tabs.forEach((tab, n) => { tab.setAttribute("aria-pressed", String(about.curves[n] === name)); tab.classList.toggle("set", given(keyOf(about.curves[n]))); });
    text.setAttribute("aria-label", `${spec.get(keyOf(name)).title}: schedule`);
    says.textContent = spec.get(keyOf(name)).about;
    if (document.activeElement !== text) text.value = flow(schedule());
    draw();
  };
  const ask = async () => {
    const n = ++asked, found = await post("/api/camera", { ...form, kind: "film" }).catch(() => null);
    if (n !== asked || !found || found.problems?.length) return;
    path = found;
    camera.set(found);
    draw();
  };
  onChange(() => { clearTimeout(timer); timer = setTimeout(() => fold.open && ask(), PAUSE); });
  for (const one of about.curves) onShow(keyOf(one), show);
  camera.moved = (part) => curve.playing(part);

  const body = h("div", { className: "control curves" }, h("div", { className: "bar" }, ...tabs, h("span", { className: "grow" }), waving, still), curve.node, curve.tools, text, says, camera.node);
  const node = setting(keyOf("zoom"), body, { title: "Camera", plain: true, group: true });
  const fold = { get open() { return node.closest("details")?.open ?? true; } };
  const faults = (mistakes) => { // those of the other curves are named beside the drawing
    const wrong = about.curves.filter((one) => mistakes.has(keyOf(one)));
    tabs.forEach((tab, n) => tab.classList.toggle("wrong", wrong.includes(about.curves[n])));
    if (wrong.length && !wrong.includes("zoom")) placeOf(keyOf("zoom")).says.textContent = wrong.map((one) => `${one}: ${mistakes.get(keyOf(one)).join("\n")}`).join("\n");
    node.classList.toggle("wrong", wrong.length > 0);
  };
  const go = (one) => { name = one; show(); focus(keyOf("zoom")); };
  show();
  return { node, ask, faults, go };
}
