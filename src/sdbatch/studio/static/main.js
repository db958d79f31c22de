// Puts the page together: the form on the left, the queue and the gallery on the right; on narrow screens one at a time.

import { h, keep, notice, say, setTheme, theme, themes } from "/static/shared.js";
import { about, kept, load } from "./form.js";
import * as open from "./open.js";
import * as queue from "./queue.js";
import * as results from "./results.js";
import * as settings from "./settings.js";

const KEYS = [["ctrl + enter", "render pictures"], ["ctrl + shift + enter", "render a film"], ["arrows", "on a keyframe: move it"], ["delete, enter", "on a keyframe: remove it, add one"], ["escape", "close"]];
const help = h("dialog", { className: "offer" }, h("h2", {}, "Keys"), h("dl", { className: "keys" }, ...KEYS.flatMap(([key, text]) => [h("dt", {}, key), h("dd", {}, text)])),
  h("p", { className: "soft" }, "Lists such as 5, 7.5, 9 and ranges such as 10..50..10 are sweeps. In prompts {red|green} makes variants and (word:1.2) weighs a word."),
  h("div", { className: "bar" }, h("button", { type: "button", className: "quiet", onclick: () => help.close() }, "Close")));
const lost = h("p", { className: "lost", role: "alert", hidden: true }, "The studio does not answer. This page goes on when it is started again.");
const PARTS = { form: "Settings", queue: "Queue", look: "Results" };
const nav = h("nav", { className: "parts", "aria-label": "parts of the page" }, ...Object.entries(PARTS).map(([name, label]) => h("button", { type: "button", data: { part: name }, "aria-pressed": "false", onclick: () => part(name) }, label)));

function part(name) { // of narrow screens
  document.body.dataset.part = name;
  for (const button of nav.children) button.setAttribute("aria-pressed", String(button.dataset.part === name));
}

function started(found) {
  const { entry, file } = found;
  results.wrote(found);
  queue.select(entry.id);
  results.view("gallery");
  part("look");
  say(`${file ?? entry.name} is in the queue`);
}

setTheme(themes.includes(keep.get("theme")) ? keep.get("theme") : "auto");
theme.addEventListener("click", () => results.paint());
document.body.classList.add("studio");
document.body.append(
  h("header", { className: "top" }, h("div", { className: "title" }, h("h1", {}, "sdbatch studio"), queue.device, open.node, theme,
    h("button", { type: "button", className: "theme", title: "keys", "aria-label": "keys", onclick: () => help.showModal() }, "?"))),
  lost, nav, h("main", { className: "desk" }, settings.node, h("div", { className: "beside" }, queue.node, results.node)), help, notice);
settings.build();
settings.onCheck(results.checked);
settings.onStart(started);
results.onStart(started);
queue.onPick(results.show);
queue.onEnd(settings.check);
queue.onOpen((entry) => open.from({ name: entry.name }));
open.onLoad(() => part("form"));
results.view("gallery");
results.show(null);
part("form");
queue.watch((there) => { lost.hidden = there; if (there) settings.check(); });

load(kept() ?? about.start);
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
});
document.body.classList.add("ready");
