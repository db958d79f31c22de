// The curve editor: draws a schedule, and moves its keyframes with the pointer or the keyboard.

import { h } from "/static/shared.js";
import { about, list } from "./form.js";

const WIDE = 400, HIGH = 132, LEFT = 36, PAD = 14; // of the drawing; times are whole percentages of the video
const SPAN = { zoom: [0.8, 2.2], x: [-0.3, 0.3], y: [-0.3, 0.3], roll: [-20, 20] }; // least range of values that is shown

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, text] of Object.entries(attributes)) node.setAttribute(key, text);
  node.append(...children);
  return node;
}

export class Curve {
  constructor(store) { // store(value): the schedule has been changed here
    this.store = store;
    this.name = "zoom";
    this.keys = null; // [[time, value, ease]] as written, or null: not a list of keyframes
    this.places = []; // share of the video of each keyframe
    this.picked = 0;
    this.line = svg("path", { class: "line" });
    this.grid = svg("g", { class: "grid" });
    this.now = svg("line", { class: "now", y1: PAD, y2: HIGH - PAD });
    this.dots = svg("g", {});
    this.node = svg("svg", { class: "curve", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "group", "aria-label": "curve" }, this.grid, this.line, this.now, this.dots);
    this.node.addEventListener("dblclick", (event) => this.add(this.at(event)));
    this.time = h("input", { type: "text", "aria-label": "time of the keyframe", title: "24 (a frame), 1.5s, 50% or end", onchange: () => this.edit(0, this.time.value.trim() || "0") });
    this.value = h("input", { type: "text", inputMode: "decimal", "aria-label": "value of the keyframe", oninput: () => Number.isFinite(Number(this.value.value || NaN)) && this.edit(1, Number(this.value.value)) });
    this.ease = h("select", { "aria-label": "how it gets there", onchange: () => this.edit(2, this.ease.value) }, ...about.easings.map((one) => h("option", {}, one)));
    const add = h("button", { type: "button", className: "quiet", title: "another keyframe; a double click on the curve adds one as well", "aria-label": "add a keyframe", onclick: () => this.addAfter() }, "+");
    this.remove = h("button", { type: "button", className: "quiet", title: "without this keyframe", "aria-label": "remove the keyframe", onclick: () => this.drop() }, "−");
    this.tools = h("div", { className: "keyframe" }, this.time, this.value, this.ease, add, this.remove);
  }

  show(name, schedule, path) { // path: the answer of /api/camera, or null
    if (name !== this.name) this.picked = 0;
    this.name = name;
    this.values = path?.curves[name] ?? [];
    const n = Number(schedule), keys = Number.isFinite(n) && schedule !== "" ? [[0, n]] : list(schedule);
    this.keys = keys && keys.every((key) => Array.isArray(key) && Number.isFinite(Number(key[1]))) ? keys.map((key) => [...key]) : null;
    const frames = Math.max(1, (path?.frames ?? 2) - 1), fps = path?.fps ?? 24;
    this.places = (this.keys ?? []).map(([time]) => Math.min(1, Math.max(0, share(time, frames, fps))));
    this.picked = Math.min(this.picked, Math.max(0, this.places.length - 1));
    if (!this.dragging) this.range();
    this.draw();
  }

  range() {
    const all = [...this.values, ...(this.keys ?? []).map((key) => Number(key[1])), ...SPAN[this.name]];
    const [low, high] = [Math.min(...all), Math.max(...all)].map((v) => this.to(v)), room = (high - low) * 0.06;
    this.low = low - room;
    this.high = high + room;
  }

  to(v) { return this.name === "zoom" ? Math.log2(Math.max(v, 0.001)) : v; } // zoom is drawn as it is interpolated: by factors
  from(v) { return this.name === "zoom" ? 2 ** v : v; }
  x(part) { return LEFT + part * (WIDE - LEFT - PAD); }
  y(v) { return HIGH - PAD - ((this.to(v) - this.low) / (this.high - this.low)) * (HIGH - 2 * PAD); }

  at(event) { // share of the video and value under the pointer
    const box = this.node.getBoundingClientRect();
    const part = ((event.clientX - box.left) / box.width) * WIDE, high = ((event.clientY - box.top) / box.height) * HIGH;
    const v = this.from(this.low + ((HIGH - PAD - high) / (HIGH - 2 * PAD)) * (this.high - this.low));
    return [Math.min(1, Math.max(0, (part - LEFT) / (WIDE - LEFT - PAD))), v];
  }

  draw() {
    const last = this.values.length - 1;
    this.line.setAttribute("d", this.values.map((v, k) => `${k ? "L" : "M"}${this.x(last ? k / last : 0).toFixed(1)} ${this.y(v).toFixed(1)}`).join(""));
    this.grid.replaceChildren(...this.ticks().flatMap((v) => [svg("line", { x1: LEFT, x2: WIDE - PAD, y1: this.y(v), y2: this.y(v) }), words(LEFT - 12, this.y(v) + 3, neat(v))]));
    const keys = this.keys ?? [];
    while (this.dots.children.length > keys.length) this.dots.lastChild.remove();
    while (this.dots.children.length < keys.length) this.dots.append(this.dot(this.dots.children.length));
    keys.forEach((key, n) => this.place(this.dots.children[n], key, n));
    this.tools.hidden = !this.keys;
    const key = this.keys?.[this.picked];
    if (!key) return;
    if (document.activeElement !== this.time) this.time.value = key[0];
    if (document.activeElement !== this.value) this.value.value = neat(key[1]);
    this.ease.value = key[2] ?? "linear";
    this.ease.disabled = this.picked === 0;
    this.remove.disabled = this.keys.length < 2;
  }

  ticks() {
    const step = 2 ** Math.ceil(Math.log2((this.high - this.low) / 5)), first = Math.ceil(this.low / step);
    return Array.from({ length: Math.floor(this.high / step) - first + 1 }, (_, k) => this.from((first + k) * step));
  }

  dot(n) {
    const node = svg("circle", { r: 7, tabindex: 0, role: "slider" });
    node.addEventListener("focus", () => this.pick(n));
    node.addEventListener("keydown", (event) => this.press(event, n));
    node.addEventListener("pointerdown", (event) => this.grab(event, n));
    return node;
  }

  place(node, [time, v], n) {
    const shown = { cx: this.x(this.places[n]), cy: this.y(Number(v)), class: n === this.picked ? "dot picked" : "dot", "aria-label": `keyframe ${n + 1} of ${this.keys.length}`, "aria-valuenow": Number(v), "aria-valuetext": `${neat(v)} at ${time}` };
    for (const [key, text] of Object.entries(shown)) node.setAttribute(key, text);
  }

  pick(n) {
    if (n === this.picked) return;
    this.picked = n;
    this.draw();
  }

  grab(event, n) {
    event.preventDefault();
    this.pick(n);
    this.dots.children[n].focus({ preventScroll: true });
    this.dragging = true;
    const move = (moved) => this.move(n, ...this.at(moved));
    const end = () => { this.dragging = false; removeEventListener("pointermove", move); removeEventListener("pointerup", end); this.range(); this.draw(); };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
  }

  move(n, part, v) {
    const before = this.places[n - 1] ?? -1, after = this.places[n + 1] ?? 2, to = Math.round(part * 100) / 100;
    if (n > 0 && to > before && to < after) { this.places[n] = to; this.keys[n][0] = asTime(to); }
    this.keys[n][1] = rounded(v);
    this.draw();
    this.save();
  }

  press(event, n) {
    const big = event.shiftKey ? 5 : 1, unit = ((this.high - this.low) / 50) * big, v = Number(this.keys[n][1]);
    const moves = { ArrowUp: [0, unit], ArrowDown: [0, -unit], ArrowLeft: [-0.01 * big, 0], ArrowRight: [0.01 * big, 0] };
    if (event.key in moves) this.move(n, this.places[n] + moves[event.key][0], this.from(this.to(v) + moves[event.key][1]));
    else if (event.key === "Delete" || event.key === "Backspace") this.drop();
    else if (event.key === "Enter") this.addAfter();
    else return;
    event.preventDefault();
  }

  add([part, v]) {
    if (!this.keys) return;
    const to = Math.round(part * 100) / 100, n = this.places.findIndex((place) => place > to), at = n < 0 ? this.keys.length : n;
    if (this.places.includes(to)) return;
    this.keys.splice(at, 0, [asTime(to), rounded(v)]);
    this.places.splice(at, 0, to);
    this.picked = at;
    this.save();
    this.draw();
    this.dots.children[at]?.focus({ preventScroll: true });
  }

  addAfter() { // half way to the next keyframe, or to the end
    const here = this.places[this.picked], next = this.places[this.picked + 1] ?? 1, v = Number(this.keys[this.picked][1]);
    this.add(next - here >= 0.02 ? [this.picked + 1 < this.keys.length ? (here + next) / 2 : 1, v] : [here / 2, v]);
  }

  drop() {
    if (this.keys.length < 2) return;
    this.keys.splice(this.picked, 1);
    this.places.splice(this.picked, 1);
    this.picked = Math.max(0, this.picked - 1);
    this.save();
    this.draw();
    this.dots.children[this.picked].focus({ preventScroll: true });
  }

  edit(column, to) {
    const key = this.keys[this.picked];
    if (column === 2 && key.length < 3 && to === "linear") return;
    key[column] = to;
    this.save();
  }

  save() {
    const alone = this.keys.length === 1 && Number(this.places[0]) === 0;
    this.store(alone ? Number(this.keys[0][1]) : this.keys.map((key) => key.slice()));
  }

  playing(part) {
    this.now.setAttribute("x1", this.x(part));
    this.now.setAttribute("x2", this.x(part));
  }
}

const words = (x, y, text) => { const node = svg("text", { x, y }); node.textContent = text; return node; };
const neat = (v) => String(Number(Number(v).toPrecision(3)));
const rounded = (v) => Number(v.toPrecision(3));
const asTime = (part) => (part <= 0 ? 0 : part >= 1 ? "end" : `${Math.round(part * 100)}%`);

function share(time, frames, fps) {
  const text = String(time);
  if (text === "end") return 1;
  if (text.endsWith("%")) return parseFloat(text) / 100;
  return (text.endsWith("s") ? parseFloat(text) * fps : Number(text)) / frames || 0;
}

