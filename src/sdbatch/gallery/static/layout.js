// The axes are the layout: which run across, which down, which are sliders, which values are shown. Pure arithmetic.

const ROLES = ["across", "down", "slider", "filter"];
const view = { roles: [], chosen: [], at: [], query: "", only: "all", size: 0 };
const WIDEST = 12; // most columns that are chosen automatically

function defaultRoles() {
  const axes = varyingAxes();
  view.roles = plan.axes.map(() => "filter");
  view.chosen = plan.axes.map(() => null); // null: all values, else a Set
  view.at = plan.axes.map((_, a) => used(a)[0] ?? 0); // of sliders
  let columns = 1;
  for (const a of axes.slice(1).reverse()) {
    columns *= used(a).length;
    if (columns > WIDEST) break;
    view.roles[a] = "across";
  }
  if (axes.length === 1 && used(axes[0]).length <= WIDEST / 2) view.roles[axes[0]] = "across";
  const across = axes.some((a) => view.roles[a] === "across");
  for (const a of axes) if (view.roles[a] === "filter" && (across || a !== axes.at(-1)) && axes.length > 1) view.roles[a] = "down";
}

function shown(a) { // values of an axis that are shown now
  if (view.roles[a] === "slider") return [view.at[a]];
  return view.chosen[a] ? used(a).filter((v) => view.chosen[a].has(v)) : used(a);
}

function matching() {
  const axes = varyingAxes().filter((a) => view.roles[a] === "slider" || view.chosen[a]);
  const sets = axes.map((a) => new Set(shown(a)));
  const words = view.query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (let i = 0; i < jobs.length; i++) {
    if (axes.every((a, k) => sets[k].has(digit(i, a))) && passesFilter(i) && (!words.length || matchesWords(i, words))) found.push(i);
  }
  return found;
}

function passesFilter(i) {
  switch (view.only) {
    case "favourites": return favourites.has(id(i));
    case "done": return done(i);
    case "failed": return code(i) === "f";
    case "warnings": return code(i) === "w";
    case "missing": return code(i) === ".";
    default: return true;
  }
}

function matchesWords(i, words) {
  const text = `${id(i)} ${titleOf(i)} ${texts(i).prompt}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

const axesWithRole = (role) => varyingAxes().filter((a) => view.roles[a] === role && (role === "across" || role === "down"));

function key(i, axes) { // one number for a combination of values, in the order of the axes
  let k = 0;
  for (const a of axes) k = k * plan.axes[a].values.length + digit(i, a);
  return k;
}

// A table has columns: {columns: [position of a job of the column], lines: [{of, cells: [position or -1]}]}.
// A wall has none; its pictures are wrapped, in sections. `of` is a job that has the line's values.
function arrange() {
  const found = matching();
  const across = axesWithRole("across"), down = axesWithRole("down");
  const inner = across.length ? varyingAxes().filter((a) => view.roles[a] === "filter" && shown(a).length > 1) : [];
  const lines = groups(found, [...down, ...inner]);
  if (!across.length) return { found, across, down, sections: lines, table: false };
  const columns = groups(found, across).map((g) => g[0]);
  const place = new Map(columns.map((i, c) => [key(i, across), c]));
  const rows = lines.map((group) => {
    const cells = new Array(columns.length).fill(-1);
    for (const i of group) cells[place.get(key(i, across))] = i;
    return { of: group[0], cells };
  });
  return { found, across, down: [...down, ...inner], columns, rows, table: true };
}

function groups(found, axes) { // positions by their values on `axes`, sorted
  if (!axes.length) return found.length ? [found] : [];
  const by = new Map();
  for (const i of found) {
    const k = key(i, axes);
    const group = by.get(k);
    if (group) group.push(i); else by.set(k, [i]);
  }
  return [...by.entries()].sort((x, y) => x[0] - y[0]).map(([, group]) => group);
}

let places = null;
function neighbour(i, axis, to) { // the job that differs from i in this one value, or undefined
  const axes = plan.axes.map((_, a) => a);
  if (!places) places = new Map(jobs.map((_, n) => [jobs[n].row.slice(5).join(), n]));
  const digits = axes.map((a) => (a === axis ? to : digit(i, a)));
  return places.get(digits.join());
}

function writeHash(at) { // writes the view into the URL, so that it can be reloaded and shared
  const p = new URLSearchParams();
  for (const role of ROLES) {
    const axes = varyingAxes().filter((a) => view.roles[a] === role);
    if (axes.length) p.set(role, axes.join("."));
  }
  for (const a of varyingAxes()) {
    if (view.roles[a] === "slider") p.set(`at${a}`, view.at[a]);
    if (view.chosen[a]) p.set(`show${a}`, [...view.chosen[a]].join("."));
  }
  for (const name of ["query", "only", "size"]) if (view[name] && view[name] !== "all") p.set(name, view[name]);
  if (at !== undefined) p.set("open", id(at));
  if (pinned >= 0) p.set("with", id(pinned));
  if (pinned >= 0 && wiping) p.set("wiper", 1);
  if (at >= 0 && original) p.set("original", 1);
  try { history.replaceState(null, "", `#${p}`); } catch { /* a sandbox without history */ }
}

function readHash() {
  const p = new URLSearchParams(location.hash.slice(1));
  const numbers = (text) => (text || "").split(".").filter((t) => /^\d+$/.test(t)).map(Number);
  for (const role of ROLES) for (const a of numbers(p.get(role))) if (varyingAxes().includes(a)) view.roles[a] = role;
  for (const a of varyingAxes()) {
    if (p.has(`at${a}`) && used(a).includes(+p.get(`at${a}`))) view.at[a] = +p.get(`at${a}`);
    if (p.has(`show${a}`)) view.chosen[a] = new Set(numbers(p.get(`show${a}`)));
  }
  view.query = p.get("query") || "";
  view.only = p.get("only") || "all";
  view.size = Math.min(420, Math.max(0, +p.get("size") || 0));
  return { roles: ROLES.some((role) => p.has(role)), open: p.get("open"), pin: p.get("with"), wiper: p.has("wiper"), original: p.has("original") };
}
