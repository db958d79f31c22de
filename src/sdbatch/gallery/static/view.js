// One picture in detail: its settings, its neighbours along each axis, and the command that reproduces it.

const AROUND = 4; // neighbours on either side
let at = -1, staged = "", drawnCodes = ""; // the picture, and what stage and panel say about it

const stage = h("div", { className: "stage" });
const panel = h("aside", { className: "panel" });
const dialog = h("dialog", { className: "view", "aria-label": "full picture", tabIndex: -1, autofocus: true, onkeydown: viewTyped, onclose: closed }, stage, panel);

function open(i) {
  if (i < 0 || !jobs[i]) return;
  at = i;
  notice.classList.remove("up");
  if (!dialog.open) dialog.showModal();
  show();
}

function closed() {
  const last = at;
  at = -1;
  if (pinned === last) say("Now open the picture to compare it with");
  else pinned = -1;
  stage.replaceChildren();
  staged = "";
  writeHash();
  select(last);
}

function go(i) { // sliders follow, so that the picture is in the layout too
  if (i === undefined || i < 0) return;
  const moved = varyingAxes().filter((a) => view.roles[a] === "slider" && view.at[a] !== digit(i, a));
  for (const a of moved) view.at[a] = digit(i, a);
  at = i;
  show();
  if (moved.length) changed("view");
  select(i, false);
}

function show() {
  const focused = document.activeElement?.dataset?.act, shown = panel.querySelector("details")?.open;
  const needed = `${at} ${code(at)} ${pinned} ${code(pinned)} ${wiping} ${original}`;
  if (staged !== needed) { // else a video would restart
    staged = needed;
    stage.className = `stage${besideOriginal(at) ? " wiped" : pinned >= 0 && pinned !== at ? (wiping ? " wiped" : " two") : ""}`;
    stage.replaceChildren(...stageOf(at));
  }
  drawnCodes = neighbourCodes();
  panel.replaceChildren(bar(), h("h2", {}, titleOf(at)), ...strips(), settings(), commandBox(shown));
  if (focused) panel.querySelector(`[data-act="${focused}"]`)?.focus();
  else if (!dialog.contains(document.activeElement) || document.activeElement === document.body) dialog.focus();
  writeHash(at);
}

const act = (name, text, what, more) => h("button", { type: "button", data: { act: name }, onclick: what, ...more }, text);

function compare() {
  pinned = pinned >= 0 ? -1 : at;
  original = false;
  show();
}

function toggleOriginal() {
  pinned = -1;
  original = !original;
  show();
}

function bar() {
  const starred = favourites.has(id(at)), two = pinned >= 0;
  return h("div", { className: "bar" },
    act("favourite", starred ? "★" : "☆", () => toggleFavourite(at), { title: "favourite (f)", "aria-label": "favourite", "aria-pressed": String(starred) }),
    done(at) && h("a", { className: "button", href: file(at), download: file(at).split("/").at(-1), title: "save the file", data: { act: "save" } }, "Save"),
    act("command", "Copy command", () => copy(command(at), "the command"), { title: "the command line that reproduces this picture" }),
    act("compare", "Compare", compare, { title: two ? "show one picture (c)" : "keep this picture and go to another (c)", "aria-pressed": String(two) }),
    two && pinned !== at && act("wipe", "Wiper", () => { wiping = !wiping; show(); }, { title: wiping ? "side by side (w)" : "one over the other (w)", "aria-pressed": String(wiping) }),
    start(at) && done(at) && act("original", "Original", toggleOriginal, { title: original ? "the picture alone (o)" : "over the picture that it starts from (o)", "aria-pressed": String(original) }),
    act("close", "✕", () => dialog.close(), { className: "close", title: "close (escape)", "aria-label": "close" }));
}

function around(a) { // the values next to this picture's
  const values = used(a), from = Math.max(0, Math.min(values.indexOf(digit(at, a)) - AROUND, values.length - 2 * AROUND - 1));
  return values.slice(from, from + 2 * AROUND + 1);
}

const neighbourCodes = () => `${now.live !== null}${code(at)}${varyingAxes().flatMap((a) => around(a).map((v) => code(neighbour(at, a, v))))}`;

function strips() { // one for each axis: the pictures that differ in it alone
  return varyingAxes().map((a) => {
    const values = used(a), part = around(a);
    const more = values.length > part.length ? ` ${values.indexOf(digit(at, a)) + 1} of ${values.length.toLocaleString("en")}` : "";
    return h("section", { className: "strip" }, h("h3", {}, plan.axes[a].title, h("small", {}, more)),
      h("div", { className: "steps" }, ...part.map((v) => step(a, v))));
  });
}

function step(a, v) {
  const i = neighbour(at, a, v), text = valueText(a, v);
  const here = v === digit(at, a);
  const face = i !== undefined && done(i) ? h("img", { src: thumb(i), alt: "", loading: "lazy", decoding: "async" }) : h("i", {}, i === undefined ? "–" : code(i) === "f" ? "✕" : "·");
  return h("button", { type: "button", className: "step", data: { act: `step-${a}-${v}` }, disabled: i === undefined, title: `${plan.axes[a].title} ${text}`,
    "aria-current": here ? "true" : null, onclick: () => go(i) }, face, h("span", {}, text));
}

function facts(i) { // all settings of a picture, with the experiment's keys
  const size = setting(i).size.join(" × ");
  return [["prompt", texts(i).prompt], ["negative", texts(i).negative], ["seed", String(seed(i))], ["size", size],
    ...setting(i).about, ...(plan.command.length ? [["model", plan.command.map((part) => part.replace(/^model\.?/, "").replace(/^=/, "")).join(" ")]] : [])];
}

function settings() {
  const other = pinned >= 0 && pinned !== at ? new Map(facts(pinned)) : null;
  const list = h("dl", { className: "facts" });
  const add = (name, text, long, why) => {
    const before = other && other.has(name) ? other.get(name) : null;
    const differs = other && before !== text && other.has(name);
    list.append(h("dt", { title: why || "" }, name), h("dd", { className: `${long ? "long" : ""}${differs ? " differs" : ""}` }, text || "–",
      differs && h("del", { title: "of the pinned picture" }, before || "–")));
  };
  facts(at).forEach(([name, text]) => (text || (other && other.get(name))) && add(name, text, name === "prompt" || name === "negative"));
  if (video(at)) add("video", `${video(at).frames} frames, ${video(at).seconds} s`);
  if (now.notes.has(at)) add(code(at) === "f" ? "failed" : "warning", now.notes.get(at), true);
  add("id", id(at));
  const mine = at;
  record(at).then((found) => {
    if (found?.status !== "done" || at !== mine || !list.isConnected) return;
    add("pixels", found.pixels, false, "digest of the pixels: the same number, the same picture");
    add("file", found.file, false, "digest of the whole file");
    add("bytes", found.size.toLocaleString("en"));
    add("profile", found.profile, false, "machine and libraries that rendered it: see the folder profiles");
  });
  return list;
}

function commandBox(shown) {
  return h("details", { className: "command", open: Boolean(shown) }, h("summary", { data: { act: "show" } }, "Command"), h("pre", { tabIndex: 0 }, command(at)),
    done(at) && h("p", {}, "or from the file itself:"), done(at) && h("pre", { tabIndex: 0 }, reproduce(at)));
}

function viewTyped(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const control = event.target.closest("input, video"), button = event.target.closest("button, a, summary");
  if (event.key === "f") toggleFavourite(at);
  else if (event.key === "c") compare();
  else if (event.key === "o" && start(at)) toggleOriginal();
  else if (event.key === "w" && pinned >= 0) { wiping = !wiping; show(); }
  else if (event.key === "z") actual();
  else if (control) return;
  else if (ARROWS[event.key]) go(beside(at, ...ARROWS[event.key]));
  else if (event.key === " " && !button) { const one = stage.querySelector("video"); if (one) { if (one.paused) one.play(); else one.pause(); } else go(beside(at, 1, 0)); }
  else return;
  event.preventDefault();
  event.stopPropagation();
}

const actual = () => pinned < 0 && stage.classList.toggle("actual"); // one pixel of the picture is one of the page
stage.addEventListener("click", (event) => event.target.localName === "img" && actual());
on((what) => { if (at >= 0 && (what === "favourites" || (what === "state" && (neighbourCodes() !== drawnCodes || code(pinned) !== staged.split(" ")[3])))) show(); });
