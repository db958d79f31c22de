// Exports: files, a ZIP of several files, ids of favourites, the records as CSV, commands.

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const place = (i) => { // the file's path from the working folder
  const parts = [];
  for (const part of `outputs/${plan.name}/${file(i)}`.split("/")) if (part === "..") parts.pop(); else parts.push(part);
  return parts.join("/");
};
const reproduce = (i) => `python -m sdbatch task=reproduce source=${quoted(place(i))}`;

function command(i) { // renders exactly this one
  if (setting(i).other) return reproduce(i);
  const parts = [`name=${plan.name.slice(0, 60)}-one`, ...plan.command, ...texts(i).command, ...setting(i).command, `seeds=${seed(i)}`];
  return `python -m sdbatch ${parts.map(quoted).join(" ")}`;
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    showText(`Copy ${what}`, text, "");
  }
}

// A text to read, copy or save; works without downloads and clipboard access.
const textDialog = h("dialog", { className: "offer" });
function showText(title, text, name, ...more) {
  const area = h("textarea", { readOnly: true, rows: Math.min(12, text.split("\n").length + Math.ceil(text.length / 75)), spellcheck: false, value: text, "aria-label": title });
  textDialog.replaceChildren(h("h2", {}, title), ...more, area, h("div", { className: "bar" },
    name && h("button", { type: "button", data: { act: "file" }, onclick: () => save(new Blob([text], { type: "text/plain" }), name) }, "Save as file"),
    h("button", { type: "button", data: { act: "copy" }, onclick: () => { area.select(); navigator.clipboard.writeText(text).then(() => say("Copied"), () => document.execCommand("copy")); } }, "Copy"),
    h("button", { type: "button", data: { act: "done" }, onclick: () => textDialog.close() }, "Close")));
  if (!textDialog.open) textDialog.showModal();
  area.select();
}

function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 30_000);
  say(`Saved ${name}`);
}

const starred = () => jobs.map((_, i) => i).filter((i) => favourites.has(id(i)));

function exportIds() {
  const found = starred();
  if (!found.length) return say("No favourites yet: press f on a picture");
  const jobs = found.length > 20 ? `${plan.name}-favourites.txt` : `[${found.map(id).join(",")}]`;
  const how = `python -m sdbatch name=${plan.name} task=final ${quoted(`final.jobs=${jobs}`)} 'final.set={sampling.steps: 50}'`;
  showText(count(found.length, "favourite"), found.map((i) => `${id(i)}\n`).join(""), `${plan.name}-favourites.txt`,
    h("p", {}, found.length > 20 ? "Save them as a file, then render them again with more steps, or larger:" : "Render them again with more steps, or larger:"), h("pre", { tabIndex: 0 }, how));
}

const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

async function exportCsv() { // the columns of task=csv
  const lines = [plan.columns];
  for (let i = 0; i < jobs.length; i++) {
    const cells = { ...jobCells(i), ...(await record(i) ?? liveCells(i)) };
    lines.push(plan.columns.map((name) => cells[name] ?? ""));
  }
  save(new Blob([lines.map((line) => `${line.map((one) => cell(String(one))).join(",")}\r\n`).join("")], { type: "text/csv" }), `${plan.name}.csv`);
}

function jobCells(i) { // cells that are known before it is rendered
  const labels = plan.axes.flatMap((axis, a) => axis.keys.map((key, k) => [`axis:${key}`, parts(axis, digit(i, a))[k]]));
  return { ...Object.fromEntries(labels), ...setting(i).cells, id: id(i), path: file(i), seed: seed(i), prompt: texts(i).prompt, negative: texts(i).negative };
}

function liveCells(i) { // cells while it renders, before records are available
  const note = now.notes.get(i) || "";
  return code(i) === "f" ? { status: "failed", error: note } : { status: done(i) ? "done" : "new", warnings: note };
}

const parts = (axis, v) => axis.parts?.[v] ?? [axis.values[v]]; // a label for each key of an axis

function sheetCommand() {
  const { across, down } = grid.plan;
  const keys = (axes) => axes.map((a) => plan.axes[a].keys.join(",")).join(",");
  const only = varyingAxes().filter((a) => shown(a).length < used(a).length);
  const where = only.map((a) => plan.axes[a].keys.map((k, n) => `${k}=${shown(a).map((v) => parts(plan.axes[a], v)[n]).join("|")}`)).flat();
  const parts = ["sheet.format=pdf", across.length && `sheet.across=[${keys(across)}]`, down.length && `sheet.down=[${keys(down)}]`, where.length && `sheet.where=[${where.map((w) => `"${w.replace(/(\\*)("|$)/g, (_, n, end) => n + n + (end && '\\"'))}"`).join(",")}]`];
  showText("Contact sheet of this grid", `python -m sdbatch name=${plan.name} task=sheet ${parts.filter(Boolean).map(quoted).join(" ")}`, "");
}

const CRC = Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1; return n >>> 0; });
function crc32(bytes) {
  let c = 0xffffffff;
  for (let k = 0; k < bytes.length; k++) c = CRC[(c ^ bytes[k]) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function header(signature, fields) { // of a ZIP: [bytes, number] after a signature
  const out = new DataView(new ArrayBuffer(4 + fields.reduce((sum, [size]) => sum + size, 0)));
  out.setUint32(0, signature, true);
  let at = 4;
  for (const [size, n] of fields) { if (size === 2) out.setUint16(at, n, true); else out.setUint32(at, n, true); at += size; }
  return out;
}

async function zipped(paths, progress) { // stored, not compressed: pictures and videos are compressed already
  const parts = [], index = [], ends = [];
  let offset = 0;
  for (const [n, path] of paths.entries()) {
    progress(n);
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer()), name = new TextEncoder().encode(path.replace(/^(\.\.\/)+/, ""));
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, name.length], [2, 0]];
    const head = header(0x04034b50, common);
    ends.push(header(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), name);
    parts.push(head, name, new Blob([bytes]));
    offset += head.byteLength + name.length + bytes.length;
    if (offset > 0xf0000000) throw new Error("more than 4 GB: zip the folder on the command line");
  }
  const size = ends.reduce((sum, part) => sum + part.byteLength, 0);
  index.push(header(0x06054b50, [[2, 0], [2, 0], [2, paths.length], [2, paths.length], [4, size], [4, offset], [2, 0]]));
  return new Blob([...parts, ...ends, ...index], { type: "application/zip" });
}

async function exportZip(found) {
  const paths = found.filter(done).map(file), name = `${plan.name}.zip`;
  if (!paths.length) return say("Nothing to save yet");
  const why = location.protocol === "file:" ? "A page opened from a file may not read pictures." : paths.length > 65_000 ? "These are too many for a browser." : "";
  if (why) return zipByHand(why, paths, name);
  try {
    save(await zipped(paths, (n) => n % 20 === 0 && say(`Reading ${n + 1} of ${paths.length}`)), name);
  } catch (error) {
    zipByHand(`The pictures could not be read (${error.message}).`, paths, name);
  }
}

function zipByHand(why, paths, name) {
  showText("ZIP", `python -m zipfile -c ${name} ${paths.map(quoted).join(" ")}\n`, "zip.sh",
    h("p", {}, `${why} Run this in the folder of this page, or serve it (python -m http.server) and open it from there.`));
}
