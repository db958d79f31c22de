// Data and small helpers. User text is inserted into the page as text, never as markup.

const plan = { name: "", plan: "", jobs: 0, chunk: 2500, axes: [], command: [], columns: [], record: [] };
const jobs = []; // rows by position: [id, file, text, setting, seed, ...digits] with the chunk they came in
const records = new Map(); // number of a chunk -> version, and cells of the manifest by job, as plan.record names them
const now = { codes: "", notes: new Map(), live: null, plan: "", version: 0 }; // version: grows when records may have changed
const waiting = new Map(); // name of a data script -> what to do with its data

const policy = window.trustedTypes
  ? trustedTypes.createPolicy("sdbatch", { createScriptURL: checked })
  : { createScriptURL: checked };

function checked(url) {
  if (!/^gallery\/[a-z]+(-\d+)?\.js(\?\d+)?$/.test(url)) throw new TypeError(`not a script of this page: ${url}`);
  return url;
}

// A data script calls sdbatch(kind, data). Of each name one is read at a time.
window.sdbatch = (kind, data) => {
  const key = data.at === undefined ? kind : `${kind}-${Math.floor(data.at / (plan.chunk || 1))}`;
  waiting.get(key)?.(data);
};

function read(kind, chunk, fresh) {
  const key = chunk === undefined ? kind : `${kind}-${chunk}`;
  const name = chunk === undefined ? kind : `${kind}-${String(chunk).padStart(3, "0")}`;
  return new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    const end = (act, value) => { waiting.delete(key); tag.remove(); act(value); };
    waiting.set(key, (data) => end(resolve, data));
    tag.onerror = () => end(reject, new Error(`gallery/${name}.js cannot be read`));
    tag.onload = () => waiting.has(key) && end(reject, new Error(`gallery/${name}.js contains no data`));
    tag.src = policy.createScriptURL(`gallery/${name}.js${fresh ? `?${Date.now()}` : ""}`);
    document.head.append(tag);
  });
}

const id = (i) => jobs[i].row[0];
const file = (i) => jobs[i].row[1];
const texts = (i) => jobs[i].chunk.texts[jobs[i].row[2]];
const setting = (i) => jobs[i].chunk.settings[jobs[i].row[3]];
const seed = (i) => jobs[i].row[4];
const digit = (i, axis) => jobs[i].row[5 + axis];
const video = (i) => setting(i).video;
const ratio = (i) => setting(i).size[1] / setting(i).size[0];
const code = (i) => now.codes[i] || ".";
const done = (i) => code(i) === "d" || code(i) === "w";
const valueText = (a, v) => plan.axes[a].names?.[v] ?? (plan.axes[a].values[v] || "(empty)"); // prompts without an id by their first words
const value = (i, axis) => valueText(axis, digit(i, axis));
const poster = (i) => (video(i) ? file(i).replace(/\.[a-z0-9]+$/, video(i).poster) : file(i)); // a still picture
const thumb = (i) => `gallery/thumbs/${plan.spread ? `${id(i).slice(1, 3)}/` : ""}${id(i)}.jpg`;
const start = (i) => (setting(i).start ? file(i).match(/^(\.\.\/[^/]+\/)?/)[0] + setting(i).start : ""); // the user's picture that it starts from
const labelText = (i, a) => (/^-?[\d.:x]*$/.test(value(i, a)) ? `${plan.axes[a].title} ${value(i, a)}` : value(i, a)); // a bare number gets its axis' name
const promptText = (i) => plan.axes.flatMap((axis, a) => (axis.keys.includes("prompts") ? [value(i, a)] : []))[0] || texts(i).prompt;
const titleOf = (i) => varyingAxes().map((a) => labelText(i, a)).join(" · ") || promptText(i);
const alt = (i) => `${video(i) ? "video" : "picture"}, ${varyingAxes().map((a) => `${plan.axes[a].title} ${value(i, a)}`).join(", ") || promptText(i)}: ${texts(i).prompt}`.slice(0, 300);

let cachedAxes = null;
function varyingAxes() { // axes with more than one value
  return (cachedAxes ??= plan.axes.map((_, a) => a).filter((a) => used(a).length > 1));
}

const usedValues = [];
function used(axis) { // the values that some job has, in the axis' order
  if (!usedValues[axis]) {
    const found = new Set();
    for (const job of jobs) found.add(job.row[5 + axis]);
    usedValues[axis] = [...found].sort((a, b) => a - b);
  }
  return usedValues[axis];
}

async function readPlan() {
  Object.assign(plan, await read("plan"));
  document.title = plan.name;
  const chunks = Math.ceil(plan.jobs / plan.chunk);
  for (let n = 0; n < chunks; n += 4) {
    const batch = Array.from({ length: Math.min(4, chunks - n) }, (_, k) => read("jobs", n + k));
    for (const chunk of await Promise.all(batch)) chunk.rows.forEach((row, k) => { jobs[chunk.at + k] = { row, chunk }; });
  }
}

async function readState(fresh) { // returns whether anything is new
  const state = await read("state", undefined, fresh);
  const same = state.letters === now.codes;
  if (!same || state.live || now.live) now.version += 1;
  now.codes = state.letters;
  now.live = state.live || null;
  now.watched = Boolean(state.watched);
  now.plan = state.plan;
  now.notes = new Map((state.notes || []).map(([i, text]) => [i, state.texts[text]]));
  return !same;
}

async function record(i) { // cells of the manifest by name, or null if there is no record (yet)
  const chunk = Math.floor(i / plan.chunk);
  if (now.live) return null;
  const before = records.get(chunk);
  if (before?.version !== now.version) {
    const cells = Promise.resolve(before?.cells).then(() => read("records", chunk, true)).then((data) => data.records, () => []);
    records.set(chunk, { version: now.version, cells });
  }
  const found = (await records.get(chunk).cells)[i % plan.chunk];
  return found ? Object.fromEntries(plan.record.map((name, k) => [name, found[k]])) : null;
}

const favourites = new Set();
function readFavourites() {
  const kept = keep.get(`favourites.${plan.name}`);
  if (!kept) return;
  const known = new Set(jobs.map((job) => job.row[0]));
  for (const one of kept.split("\n")) if (known.has(one)) favourites.add(one);
}
function toggleFavourite(i) {
  if (!favourites.delete(id(i))) favourites.add(id(i));
  keep.set(`favourites.${plan.name}`, [...favourites].join("\n"));
  changed("favourites");
}

const listeners = [];
const on = (act) => listeners.push(act);
const changed = (what) => listeners.forEach((act) => act(what));
