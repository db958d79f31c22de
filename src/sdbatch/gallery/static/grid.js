// The grid of pictures. Virtual scrolling: only visible pictures are in the page.

const GAP = 10, EDGE = 16, CAPTION = 24, SIGHT = 400, SMALL = 640, SHARP = 300, LARGE = 420, FEW = 500, TINY = 160;
const grid = { lines: [], height: 0, size: 0, left: 0, head: 0, plan: null, current: -1, where: new Map() };
const cells = new Map(), labels = new Map(); // what is in the page: by position, by line
let slowScroll = true, scrollTimer = 0, drawing = 0, hovered = null;

const rail = h("div", { className: "rail" }); // labels of rows
const heads = h("div", { className: "heads", "aria-hidden": "true" }); // labels of columns
const field = h("div", { className: "field", role: "group", "aria-label": "pictures" });
const empty = h("p", { className: "empty", hidden: true });
const sheet = h("div", { className: "sheet" }, heads, rail, field);
const scroller = h("main", { className: "scroller", tabIndex: -1, onscroll: scrolled, onkeydown: typed }, sheet, empty);

function layOut() {
  const found = (grid.plan = arrange());
  const width = scroller.clientWidth, narrow = width < SMALL;
  grid.lines = [];
  grid.where = new Map();
  grid.narrow = narrow;
  sheet.classList.toggle("narrow", narrow);
  if (found.table) layTable(found, width, narrow); else layWall(found, width, narrow);
  const last = grid.lines.at(-1);
  grid.height = grid.head + (last ? last.y + last.h + EDGE : 0);
  sheet.style.height = `${grid.height}px`;
  sheet.style.width = found.table ? `${grid.left + found.columns.length * (grid.size + GAP) + EDGE}px` : "100%";
  heads.style.height = `${grid.head}px`;
  grid.lines.forEach((line, l) => line.cells?.forEach((i, c) => i >= 0 && grid.where.set(i, [l, c])));
  if (!grid.where.has(grid.current)) grid.current = found.found[0] ?? -1;
  empty.hidden = found.found.length > 0;
  empty.textContent = jobs.length ? "No picture matches; remove a filter." : "This plan has no jobs.";
  drawHeads(found);
  redraw();
}

function layTable(found, width, narrow) {
  const n = found.columns.length;
  grid.left = EDGE + (narrow || !found.down.length ? 0 : 132);
  const fitting = Math.floor((width - grid.left - EDGE - GAP * (n - 1)) / n);
  grid.head = found.across.length * 20 + 16;
  const tallest = found.rows.reduce((most, row) => Math.max(most, ratio(row.of)), 0.3);
  const rows = Math.max(1, found.rows.length);
  const room = (scroller.clientHeight - grid.head - 6 - EDGE - rows * (GAP + 1)) / rows / tallest; // a few rows may be larger
  const least = narrow ? 84 : fitting < 68 ? 112 : 68; // if not all fit, they need not be tiny
  grid.size = view.size || Math.floor(Math.max(least, Math.min(fitting, Math.max(236, Math.min(room, LARGE)))));
  grid.levels = headHeights(found);
  grid.head = grid.levels.reduce((sum, h) => sum + h, 16);
  let y = 6;
  for (const row of found.rows) {
    const tall = Math.max(0.3, ...row.cells.filter((i) => i >= 0).map(ratio));
    if (narrow && found.down.length) {
      y += addSection(y, row.of, found.down, 22) + 2;
    }
    const frame = Math.round(grid.size * Math.min(1.8, tall));
    grid.lines.push({ y, h: frame, frame, of: row.of, cells: row.cells });
    y += frame + GAP;
  }
}

function layWall(found, width, narrow) {
  const wide = width - 2 * EDGE;
  const each = (n) => Math.floor((wide - GAP * (n - 1)) / n); // a line's width is filled
  const longest = Math.max(1, ...found.sections.map((section) => section.length));
  let n = Math.max(1, Math.floor((wide + GAP) / ((view.size || (narrow ? 100 : 168)) + GAP)));
  grid.size = each(n);
  if (!view.size && longest < n) { // few pictures may be larger
    grid.size = Math.max(grid.size, Math.min(each(longest), found.sections.length > 1 ? 236 : LARGE));
    n = longest;
  }
  grid.left = EDGE;
  grid.head = 0;
  let y = EDGE;
  for (const section of found.sections) {
    if (found.down.length) {
      y += addSection(y, section[0], found.down, 30, section.length) + 6;
    }
    for (let k = 0; k < section.length; k += n) {
      const part = section.slice(k, k + n);
      const frame = Math.round(grid.size * Math.min(1.8, Math.max(0.3, ...part.map(ratio))));
      const caption = narrow ? 8 + 16 * Math.max(...part.map((i) => linesOf(captionOf(i), grid.size, 12))) : CAPTION;
      grid.lines.push({ y, h: frame + caption, frame, of: part[0], cells: part });
      y += frame + caption + GAP;
    }
  }
}

function addSection(y, of, axes, usual, more) { // a line with the values of `of`; returns its height
  const text = labelOf(of, axes), width = scroller.clientWidth - 48;
  const h = grid.narrow ? 4 + 18 * linesOf(more ? `${text} ${more.toLocaleString("en")}` : text, width, 13) : usual;
  grid.lines.push({ y, h, of, text, more });
  return h;
}

function covered() { // share of the window that pictures cover before it is scrolled
  let area = 0;
  for (const line of grid.lines.filter((one) => one.cells)) {
    const inSight = Math.min(1, Math.max(0, (scroller.clientHeight - grid.head - line.y) / line.h));
    for (const i of line.cells) if (i >= 0) area += inSight * grid.size ** 2 * Math.min(1.8, ratio(i));
  }
  return area / (scroller.clientWidth * scroller.clientHeight);
}

// If the usual roles leave most of the window empty around small pictures, other axes may run across, as long as nearly
// everything is in sight.
function fillWindow() {
  const usual = view.roles, axes = varyingAxes(), { clientWidth: width, clientHeight: height } = scroller;
  const lay = () => { // of a table: the share that is covered, else 0
    grid.lines = [];
    grid.plan = arrange();
    if (!grid.plan.table || grid.plan.columns.length > WIDEST) return 0;
    layTable(grid.plan, width, false);
    return covered();
  };
  if (width < SMALL || jobs.length > FEW) return;
  let best = usual, most = lay();
  if (!most || most > 0.5 || grid.size >= TINY) return;
  most *= 1.25; // a change must be worth it
  for (let set = 1; set < 2 ** axes.length; set++) {
    view.roles = usual.map((role, a) => (axes.includes(a) ? ((set >> axes.indexOf(a)) & 1 ? "across" : "down") : role));
    const share = lay(), last = grid.lines.at(-1);
    if (share > most && grid.head + last.y + last.h < 1.1 * height) { best = view.roles; most = share; }
  }
  view.roles = best;
}

function drawHeads(found) { // one level per axis; a label spans all columns that share it
  const corners = h("div", { className: "corners" });
  heads.replaceChildren(corners);
  if (!found.table) return;
  let top = 8;
  found.across.forEach((a, level) => {
    const corner = h("span", {}, plan.axes[a].title);
    corner.style.top = `${top}px`;
    if (grid.left > EDGE) corners.append(corner);
    for (const [c, end, of, text] of spans(found, level)) {
      const label = h("span", { className: level < found.across.length - 1 ? "column group" : "column", title: about(of, a) }, h("span", {}, text));
      label.firstChild.style.left = `${grid.left}px`;
      label.style.left = `${grid.left + c * (grid.size + GAP)}px`;
      label.style.width = `${spanWidth(c, end)}px`;
      label.style.top = `${top}px`;
      heads.append(label);
    }
    top += grid.levels[level];
  });
}

function scrolled() {
  slowScroll = Math.abs(scroller.scrollTop - (scrolled.at || 0)) < 1.5 * scroller.clientHeight;
  scrolled.at = scroller.scrollTop;
  clearTimeout(scrollTimer);
  if (!slowScroll) scrollTimer = setTimeout(() => { slowScroll = true; redraw(); }, 90);
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; draw(); });
}

function linesBetween(from, to) { // lines between two heights
  let low = 0, high = grid.lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (grid.lines[middle].y + grid.lines[middle].h < from) low = middle + 1; else high = middle;
  }
  let end = low;
  while (end < grid.lines.length && grid.lines[end].y < to) end++;
  return [low, end];
}

function draw() {
  const top = scroller.scrollTop - grid.head, step = grid.size + GAP;
  const [first, end] = linesBetween(top - SIGHT, top + scroller.clientHeight + SIGHT);
  const from = Math.floor((scroller.scrollLeft - SIGHT) / step), to = Math.ceil((scroller.scrollLeft + scroller.clientWidth + SIGHT) / step);
  const keepCells = new Set(), keepLabels = new Set();
  for (let l = first; l < end; l++) {
    const line = grid.lines[l];
    if (line.text !== undefined || (grid.plan.table && grid.plan.down.length && !grid.narrow)) { keepLabels.add(l); drawLabel(l, line); }
    if (!line.cells) continue;
    for (let c = Math.max(0, from); c < Math.min(line.cells.length, to); c++) {
      if (line.cells[c] >= 0) { keepCells.add(line.cells[c]); drawCell(line.cells[c], line, c); }
    }
  }
  const current = grid.where.get(grid.current); // is never removed, so that the tab key reaches it
  if (current) { keepCells.add(grid.current); drawCell(grid.current, grid.lines[current[0]], current[1]); }
  drop(cells, keepCells);
  drop(labels, keepLabels);
}

function drop(nodes, kept) {
  for (const [name, node] of nodes) if (!kept.has(name)) { node.remove(); nodes.delete(name); }
}

function redraw() { // rebuild all visible pictures for another layout
  drop(labels, new Set());
  for (const node of cells.values()) node.dataset.place = "";
  draw();
}

function drawLabel(l, line) {
  if (labels.has(l)) return;
  const node = line.text === undefined ? rowLabel(l, line) : h("h2", { className: "section", title: line.text },
    line.text, line.more && h("small", {}, ` ${line.more.toLocaleString("en")}`));
  node.style.top = `${line.y}px`;
  labels.set(l, node);
  rail.append(node);
}

function about(i, a) { // a tooltip
  const { title, keys, names } = plan.axes[a], prompt = keys.includes("prompts") ? texts(i).prompt : "";
  return names?.[digit(i, a)] ? prompt : `${title} ${value(i, a)}${prompt && `: ${prompt}`}`;
}

function rowLabel(l, line) { // values equal to those of the row above are dimmed
  const above = grid.lines[l - 1], down = grid.plan.down, lines = Math.min(4, Math.floor(line.h / 20 / down.length));
  const cut = (text, n) => (n > 1 && text.length > 14 * n ? `${text.slice(0, 14 * n - 2).trimEnd()}…` : text);
  const node = h("div", { className: "row" }, ...down.map((a, n) => {
    const same = above && down.slice(0, n + 1).every((b) => digit(above.of, b) === digit(line.of, b));
    return h("span", { className: `${same ? "same" : ""} ${lines > 1 ? "long" : ""}`, title: about(line.of, a) }, cut(value(line.of, a), lines));
  }));
  node.style.height = `${line.h}px`;
  return node;
}

function drawCell(i, line, c) {
  let node = cells.get(i);
  if (!node) {
    node = h("button", { className: "cell", type: "button", tabIndex: i === grid.current ? 0 : -1, data: { i } });
    cells.set(i, node);
    field.append(node);
  }
  const place = `${grid.left + c * (grid.size + GAP)} ${line.y + grid.head} ${grid.size} ${line.frame}`;
  if (node.dataset.place !== place) {
    const [x, y, w] = place.split(" ");
    node.style.transform = `translate(${x}px, ${y}px)`;
    node.style.width = `${w}px`;
    node.style.setProperty("--frame", `${line.frame}px`);
    node.dataset.place = place;
    node.dataset.caption = grid.plan.table ? "" : captionOf(i); // another view may have left the node
  }
  const look = `${node.dataset.caption}${code(i)}${favourites.has(id(i))}${slowScroll}${grid.size > SHARP}${grid.plan.table}${grid.narrow}${pinned === i}${now.live !== null}`;
  if (node.dataset.look !== look && (slowScroll || !node.dataset.look)) fill(node, i, look);
}

function fill(node, i, look) {
  node.dataset.look = look;
  const state = { d: "done", w: "done warned", f: "failed" }[code(i)] || "new";
  node.className = `cell ${state}`;
  node.title = "wf".includes(code(i)) ? now.notes.get(i) || "" : "";
  const frame = h("span", { className: "frame" });
  if (done(i) && slowScroll) frame.append(picture(i, grid.size > SHARP ? poster(i) : thumb(i)));
  else frame.append(h("span", { className: "reason" }, done(i) ? "" : state === "failed" ? now.notes.get(i) || "failed" : now.live ? "" : "not rendered"));
  if (video(i)) frame.append(h("span", { className: "badge" }, `▶ ${clock(video(i).seconds)}`));
  if (code(i) === "w") frame.append(h("span", { className: "badge warning", title: now.notes.get(i) }, "!"));
  if (pinned === i) frame.append(h("span", { className: "badge pin" }, "A"));
  if (favourites.has(id(i))) frame.append(h("span", { className: "star", role: "img", "aria-label": "favourite" }, "★"));
  const caption = grid.plan.table ? h("span", { className: "unseen" }, done(i) ? "" : `${titleOf(i)}, ${state}`)
    : h("span", { className: "caption", title: titleOf(i) }, node.dataset.caption);
  node.replaceChildren(frame, caption);
}

function picture(i, source) { // if a thumbnail fails to load, show the full picture, or an error
  const image = h("img", { alt: alt(i), decoding: "async", draggable: false });
  image.addEventListener("load", () => image.classList.add("here"), { once: true });
  image.addEventListener("error", () => {
    if (image.dataset.full) image.replaceWith(h("span", { className: "reason" }, "the file is missing"));
    else { image.dataset.full = "1"; image.src = poster(i); }
  });
  image.src = source;
  return image;
}

function select(i, focus = true) {
  if (i === undefined || i < 0) return;
  cells.get(grid.current)?.setAttribute("tabindex", "-1");
  grid.current = i;
  const at = grid.where.get(i);
  if (at) bringIntoSight(grid.lines[at[0]], at[1]);
  draw();
  const node = cells.get(i);
  if (node) node.tabIndex = 0;
  if (node && focus) node.focus({ preventScroll: true });
}

function bringIntoSight(line, column) {
  const top = line.y - 8, bottom = line.y + line.h + grid.head + 8;
  if (scroller.scrollTop > top) scroller.scrollTop = top;
  else if (scroller.scrollTop + scroller.clientHeight < bottom) scroller.scrollTop = bottom - scroller.clientHeight;
  if (!grid.plan.table) return;
  const left = column * (grid.size + GAP), right = grid.left + left + grid.size + GAP;
  if (scroller.scrollLeft > left) scroller.scrollLeft = left;
  else if (scroller.scrollLeft + scroller.clientWidth < right) scroller.scrollLeft = right - scroller.clientWidth;
}

function beside(i, dx, dy) { // the picture in that direction, or undefined
  const at = grid.where.get(i);
  if (!at) return grid.plan.found[0];
  let [l, c] = at;
  if (dx) {
    for (c += dx; c >= 0 && c < grid.lines[l].cells.length; c += dx) if (grid.lines[l].cells[c] >= 0) return grid.lines[l].cells[c];
    if (grid.plan.table) return undefined;
    for (l += dx; grid.lines[l] && !grid.lines[l].cells; ) l += dx;
    return grid.lines[l]?.cells.at(dx > 0 ? 0 : -1);
  }
  for (l += dy; grid.lines[l]; l += dy) {
    const row = grid.lines[l].cells;
    if (row && grid.plan.table && row[c] >= 0) return row[c];
    if (row && !grid.plan.table) return row[Math.min(c, row.length - 1)];
  }
  return undefined;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function typed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") return help.showModal();
  if (grid.current < 0) return;
  const page = Math.max(1, Math.floor(scroller.clientHeight / (grid.size + GAP)));
  if (ARROWS[event.key]) select(beside(grid.current, ...ARROWS[event.key]));
  else if (event.key === "Home" || event.key === "End") select(grid.plan.found.at(event.key === "Home" ? 0 : -1));
  else if (event.key === "PageDown" || event.key === "PageUp") {
    let to = grid.current;
    for (let n = 0; n < page; n++) to = beside(to, 0, event.key === "PageDown" ? 1 : -1) ?? to;
    select(to);
  } else if (event.key === " " || event.key === "Enter") open(grid.current);
  else if (event.key === "f") toggleFavourite(grid.current);
  else if (event.key === "c") { if (pinned < 0) pinned = grid.current; open(grid.current); }
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
}

field.addEventListener("click", (event) => {
  const node = event.target.closest(".cell");
  if (!node) return;
  select(+node.dataset.i, false);
  if (event.target.closest(".star")) toggleFavourite(+node.dataset.i); else open(+node.dataset.i);
});

// Keys work from the beginning, before anything is focused.
document.addEventListener("keydown", (event) => event.target === document.body && typed(event));

field.addEventListener("focusin", (event) => {
  const node = event.target.closest(".cell");
  if (!node || +node.dataset.i === grid.current) return;
  cells.get(grid.current)?.setAttribute("tabindex", "-1");
  grid.current = +node.dataset.i;
  node.tabIndex = 0;
});

// Videos play while they are hovered or focused; then the star can be clicked.
const hint = h("span", { className: "star hint", title: "favourite (f)", "aria-hidden": "true" }, "☆");
const still = matchMedia("(prefers-reduced-motion: reduce)");
function play(node) {
  if (hovered === node) return;
  hovered?.querySelector(".playing")?.remove();
  hovered = node;
  hint.remove();
  if (node && !favourites.has(id(+node.dataset.i))) node.querySelector(".frame").append(hint);
  const i = node ? +node.dataset.i : -1;
  if (!node || !video(i) || !done(i) || still.matches) return;
  const animated = video(i).element === "img";
  const moving = animated ? h("img", { className: "playing here", src: file(i), alt: "", draggable: false })
    : h("video", { className: "playing", muted: true, loop: true, playsInline: true, autoplay: true, poster: poster(i), tabIndex: -1, src: file(i) });
  node.querySelector(".frame").append(moving);
  if (!animated) moving.play().catch(() => moving.remove());
}
for (const kind of ["pointerover", "focusin"]) field.addEventListener(kind, (event) => play(event.target.closest(".cell")));
for (const kind of ["pointerleave", "focusout"]) field.addEventListener(kind, () => play(null));
new ResizeObserver(() => { if (scroller.isConnected && jobs.length) layOut(); }).observe(scroller);
