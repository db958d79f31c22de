// The queue: what renders, what waits, what has ended. A row is made once and changed in place, so that nothing loses the focus.

import { clock, count, h, say } from "/static/shared.js";
import { events, post } from "./api.js";

const STATES = { running: "rendering", waiting: "waiting", done: "done", failed: "failed", cancelled: "cancelled" };
const rows = new Map(); // id -> {node, show}
let shown = { version: -1, server: "", entries: [], renderer: {}, paused: false };
let selected = "", ends = "", pick = () => {}, open = () => {}, ended = () => {};

const list = h("ol", { className: "entries", "aria-label": "queue" });
const empty = h("p", { className: "nothing soft" }, "Nothing yet. Write a prompt and press Pictures or Film.");
const pause = h("button", { type: "button", className: "quiet", onclick: () => act("pause", { paused: !shown.paused }) }, "Pause");
const menu = h("details", { className: "menu" }, h("summary", { "aria-label": "actions for the whole queue" }, "All"), h("div", { className: "drop" },
  item("Cancel all", () => act("cancel")), item("Remove those that have ended", () => act("clear"))));
const headline = h("p", { className: "soft", role: "status" });
export const device = h("p", { className: "status", role: "status" });
export const node = h("section", { className: "queue", "aria-label": "queue" }, h("div", { className: "queue-head" }, h("h2", {}, "Queue"), headline, h("span", { className: "grow" }), pause, menu), list, empty);

function item(text, what, more = {}) {
  return h("button", { type: "button", ...more, onclick: (event) => { const box = event.target.closest("details"); box.open = false; box.querySelector("summary").focus(); what(); } }, text);
}

async function act(what, data) {
  try {
    take(await post(`/api/queue/${what}`, data));
  } catch (error) {
    if (error.body?.queue) take(error.body.queue);
    say(error.message);
  }
}

export const onPick = (what) => { pick = what; };
export const onEnd = (what) => { ended = what; };
export const onOpen = (what) => { open = what; };
export const entry = (id) => shown.entries.find((one) => one.id === id);
export const current = () => entry(selected);

export function select(id) {
  selected = id;
  for (const [one, row] of rows) row.node.classList.toggle("picked", one === id);
  for (const [one, row] of rows) row.node.querySelector(".pick").setAttribute("aria-pressed", String(one === id));
  pick(current());
}

function take(snapshot) {
  if (snapshot.server === shown.server && snapshot.version < shown.version) return;
  shown = snapshot;
  draw();
}

function progress(news) {
  if (news.server !== shown.server || news.version < shown.version) return;
  const one = entry(news.id);
  if (!one) return;
  Object.assign(one, { progress: news.progress, done: news.done, failed: news.failed, latest: news.latest });
  rows.get(one.id)?.show(one);
  head();
}

function draw() {
  const here = new Set(shown.entries.map((one) => one.id));
  for (const [id, row] of rows) if (!here.has(id)) { if (row.node.contains(document.activeElement)) (row.node.nextSibling ?? row.node.previousSibling)?.querySelector?.(".pick").focus(); row.node.remove(); rows.delete(id); }
  shown.entries.forEach((one, k) => {
    if (!rows.has(one.id)) rows.set(one.id, made(one.id));
    const row = rows.get(one.id);
    row.show(one);
    if (list.children[k] !== row.node) moved(row.node, list.children[k]);
  });
  empty.hidden = shown.entries.length > 0;
  list.hidden = !empty.hidden;
  pause.textContent = shown.paused ? "Go on" : "Pause";
  pause.title = shown.paused ? "start what waits" : "start nothing new";
  pause.setAttribute("aria-pressed", String(shown.paused));
  head();
  const past = shown.entries.filter((one) => !["running", "waiting"].includes(one.state)).map((one) => one.id + one.state).join();
  if (past !== ends) ended();
  ends = past;
  if (!entry(selected)) select((shown.entries.find((one) => one.gallery) ?? shown.entries[0])?.id ?? "");
  else pick(current());
}

function moved(row, before) { // an element that is moved loses the focus
  const had = row.contains(document.activeElement) && document.activeElement;
  list.insertBefore(row, before ?? null);
  if (had) had.focus({ preventScroll: true });
}

function head() {
  const n = (state) => shown.entries.filter((one) => one.state === state).length;
  const parts = [n("running") && `${n("running")} rendering`, n("waiting") && `${n("waiting")} waiting`, shown.paused && "paused"].filter(Boolean);
  if (headline.textContent !== parts.join(" · ")) headline.textContent = parts.join(" · ");
  const { state, about, message } = shown.renderer;
  const text = message || { off: "", starting: "loading the model …", crashed: "the renderer has crashed", ready: about, busy: about }[state] || "";
  if (device.title !== text) device.textContent = (device.title = text).split("\n").join(" · ");
  device.classList.toggle("bad", state === "crashed");
}

function made(id) {
  const title = h("span", { className: "entry-title" }), facts = h("span", {});
  const thumb = h("img", { alt: "", hidden: true, onerror: () => { thumb.hidden = true; } });
  const meter = h("progress", { className: "meter", max: 1, value: 0, "aria-label": "rendered" });
  const why = h("div", { className: "entry-error" });
  const cancel = h("button", { type: "button", className: "quiet main-act", onclick: () => act(`${id}/cancel`) }, "Cancel");
  const again = h("button", { type: "button", className: "quiet main-act", onclick: () => act(`${id}/again`) }, "Again");
  const waits = [item("Move up", () => act(`${id}/up`)), item("Move down", () => act(`${id}/down`)), item("Next", () => act(`${id}/first`), { title: "render this before the others that wait" })];
  const only = item("Cancel all but this", () => act(`only/${id}`)), remove = item("Remove from the list", () => act(`${id}/remove`), { title: "its pictures stay" });
  const menu = h("details", { className: "menu dots" }, h("summary", { "aria-label": "more actions" }, "⋯"), h("div", { className: "drop" }, ...waits, only,
    item("Settings into the form", () => open(entry(id))), item("Copy the command", () => copy(entry(id).command)), remove));
  const choose = h("button", { type: "button", className: "pick", "aria-pressed": "false", onclick: () => select(id) }, h("span", { className: "thumb" }, thumb), h("span", { className: "entry-text" }, title, h("span", { className: "entry-facts" }, h("span", { className: "entry-state" }), facts)));
  const node = h("li", { className: "entry", data: { id } }, choose, h("span", { className: "entry-state", "aria-hidden": "true" }), cancel, again, menu, meter, why);
  const show = (one) => {
    const ended = !["running", "waiting"].includes(one.state);
    node.dataset.state = one.state;
    put(title, one.title || one.name);
    title.title = one.title || one.name;
    put(facts, factsOf(one));
    for (const badge of node.querySelectorAll(".entry-state")) put(badge, STATES[one.state] ?? one.state);
    node.dataset.kind = one.kind;
    if (one.latest && thumb.getAttribute("src") !== one.latest) { thumb.src = one.latest; thumb.hidden = false; }
    meter.hidden = one.state !== "running";
    const p = one.progress;
    if (p?.total) meter.value = p.done / p.total; else meter.removeAttribute("value");
    cancel.hidden = ended;
    again.hidden = remove.hidden = !ended;
    for (const button of waits) button.hidden = one.state !== "waiting";
    only.hidden = ended;
    cancel.setAttribute("aria-label", `Cancel ${one.name}`);
    again.setAttribute("aria-label", `Render ${one.name} again`);
    menu.firstChild.setAttribute("aria-label", `more actions for ${one.name}`);
    const text = [one.error, ...one.failures.map((failure) => `${failure.id}: ${failure.error}`)].filter(Boolean).join("\n");
    why.hidden = !text;
    put(why, text);
  };
  return { node, show };
}

const put = (where, text) => { if (where.textContent !== text) where.textContent = text; };

function factsOf(one) {
  const p = one.progress, all = count(one.jobs, one.kind === "film" ? "film" : "picture"), parts = [];
  if (one.state === "running" && p?.phase === "loading") parts.push("loading the model");
  else if (one.state === "running" && p) parts.push(`${p.done} of ${p.total}`, p.left != null && `${clock(p.left)} left`, p.rate && `${p.rate >= 10 ? Math.round(p.rate) : p.rate.toFixed(2)} a second`);
  else parts.push(one.done && one.done < one.jobs ? `${one.done} of ${all}` : all);
  if (one.failed) parts.push(`${one.failed} failed`);
  return [...parts, one.name, one.kind === "final" && "final", one.model].filter(Boolean).join(" · ");
}

export const copy = (text) => navigator.clipboard.writeText(text).then(() => say("Copied"), () => say("The browser does not allow copying"));

export function watch(connected) {
  events({ queue: take, progress }, connected);
}
