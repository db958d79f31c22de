// Beside the form: the gallery of the chosen entry, and what the buttons would write.

import { count, h, keep, say } from "/static/shared.js";
import { post } from "./api.js";
import { form, onChange } from "./form.js";
import { copy, current } from "./queue.js";

const VIEWS = { gallery: "Gallery", yaml: "YAML" };
let gallery = "", checks = {};

const frame = h("iframe", { title: "gallery", hidden: true, onload: () => paint() });
const nothing = h("p", { className: "nothing soft" });
const file = h("option", { value: "file", hidden: true });
const kind = h("select", { "aria-label": "YAML of", onchange: () => yaml() }, h("option", { value: "picture" }, "pictures"), h("option", { value: "film" }, "film"), file);
const files = new Map(); // file of an entry -> what this page has written into it
const text = h("pre", { className: "yaml", tabIndex: 0 }), command = h("pre", { className: "yaml", tabIndex: 0 });
const line = h("code", {}), strip = h("div", { className: "strip-command", hidden: true }, line, h("button", { type: "button", className: "quiet", onclick: () => copy(line.textContent) }, "Copy"));
const button = (label, what) => h("button", { type: "button", className: "quiet", onclick: what }, label);
const written = h("div", { className: "written", hidden: true },
  h("div", { className: "bar" }, kind, h("span", { className: "soft" }, "what the button writes; the command renders the same files"), h("span", { className: "grow" }), button("Copy", () => copy(text.textContent))), text,
  h("div", { className: "bar" }, h("span", { className: "soft" }, "the command"), h("span", { className: "grow" }), button("Copy", () => copy(command.textContent))), command);
const tabs = Object.entries(VIEWS).map(([name, label]) => h("button", { type: "button", className: "tab", data: { view: name }, "aria-pressed": "false", onclick: () => view(name) }, label));
const name = h("span", { className: "soft shown-name" });
const final = h("button", { type: "button", className: "quiet final", onclick: () => offer() }, "★ to a final …");
const apart = h("a", { className: "button quiet", target: "_blank", rel: "noopener", hidden: true, title: "the gallery in a window of its own" }, "↗");
apart.setAttribute("aria-label", "open the gallery in a window of its own");
export const node = h("section", { className: "look", "aria-label": "results" }, h("div", { className: "look-head" }, ...tabs, name, h("span", { className: "grow" }), final, apart), strip, nothing, frame, written);

export function view(which) {
  for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.view === which));
  node.dataset.view = which;
  written.hidden = which !== "yaml";
  pictures();
}

export function show(entry) { // the gallery of this entry, once it is there
  name.textContent = entry?.file ?? entry?.name ?? "";
  line.textContent = entry?.command ?? "";
  const known = files.get(entry?.file);
  file.hidden = !known;
  file.textContent = known ? entry.file : "";
  if (!known && kind.value === "file") { kind.value = form.kind; yaml(); }
  if (entry?.gallery && entry.gallery !== gallery) frame.src = gallery = entry.gallery;
  if (!entry?.gallery) gallery = "";
  nothing.textContent = !entry ? "The pictures will be here." : entry.state === "waiting" ? "Waits for its turn." : entry.state === "running" ? "Begins …" : entry.gallery ? "" : "There are no pictures.";
  pictures();
}

function pictures() {
  const here = node.dataset.view === "gallery";
  frame.hidden = !here || !gallery;
  nothing.hidden = !here || Boolean(gallery);
  strip.hidden = !here || !line.textContent;
  final.hidden = apart.hidden = !here || !gallery;
  if (gallery) apart.href = gallery;
}

export function paint() { // the colours of the studio
  const page = frame.contentDocument?.documentElement;
  if (page && gallery) page.dataset.theme = document.documentElement.dataset.theme;
}

export function checked(found) {
  checks = found;
  yaml();
}

export function wrote({ file: path, yaml: contents, command: how }) {
  files.set(path, { yaml: contents, command: how });
}

function yaml() {
  const found = kind.value === "file" ? files.get(current()?.file) : checks[kind.value];
  const lines = found?.problems?.length ? found.problems.map((one) => `# ${one.full || one.text}`).join("\n") : found?.yaml ?? "";
  if (text.textContent !== lines) text.textContent = lines;
  if (command.textContent !== (found?.command ?? "")) command.textContent = found?.command ?? "";
}
onChange(() => { if (kind.value !== form.kind && kind.value !== "file") { kind.value = form.kind; yaml(); } });

// Favourites of this gallery, rendered again with better settings.
const dialog = h("dialog", { className: "offer" });
const SETTINGS = { "sampling.steps": "steps", "sampling.guidance": "guidance", "sampling.sampler": "sampler", canvas: "size" };
let started = () => {};
export const onStart = (act) => { started = act; };

function offer() {
  const experiment = current()?.name, ids = (keep.get(`favourites.${experiment}`) ?? "").split("\n").filter(Boolean);
  if (!ids.length) return say("No favourites yet: press f on a picture of the gallery");
  const inputs = Object.entries(SETTINGS).map(([key, label]) => ({ key, input: h("input", { type: "text", id: `final-${key}`, "aria-describedby": `final-${key}-says`, placeholder: { canvas: "1024x1024", "sampling.steps": "60" }[key] ?? "as it was" }), says: h("p", { className: "says", id: `final-${key}-says` }), label }));
  const wish = h("input", { type: "text", id: "final-name", placeholder: `${experiment}-final` }), wrong = h("p", { className: "says bad", role: "alert" });
  const send = async () => {
    const set = Object.fromEntries(inputs.filter((one) => one.input.value.trim()).map((one) => [one.key, one.input.value.trim()]));
    try {
      const found = await post("/api/final", { name: experiment, jobs: ids, set, final: wish.value.trim() });
      for (const one of inputs) { const mine = found.problems.find((problem) => problem.key === `final.set.${one.key}`); one.says.textContent = mine?.text ?? ""; one.input.setAttribute("aria-invalid", String(Boolean(mine))); one.says.classList.toggle("bad", Boolean(mine)); }
      wrong.textContent = found.problems.filter((problem) => !inputs.some((one) => problem.key === `final.set.${one.key}`)).map((problem) => problem.full || problem.text).join("\n");
      if (found.problems.length) return;
      dialog.close();
      started(found);
    } catch (error) {
      wrong.textContent = error.message;
    }
  };
  dialog.replaceChildren(h("h2", {}, `${count(ids.length, "favourite")} of ${experiment}`), h("p", { className: "soft" }, "They are rendered again with what you change here."),
    ...inputs.map((one) => h("div", { className: "setting" }, h("label", { className: "label", htmlFor: `final-${one.key}` }, one.label), one.input, one.says)),
    h("div", { className: "setting" }, h("label", { className: "label", htmlFor: "final-name" }, "name"), wish), wrong,
    h("div", { className: "bar" }, h("button", { type: "button", className: "go", onclick: send }, "Render"), button("Close", () => dialog.close())));
  dialog.showModal();
  inputs[0].input.focus();
}
document.body.append(dialog);
