// Labels of rows, sections, columns and pictures. On a narrow screen they are wrapped, at most LINES lines of them.

const LINES = 3;
const ruler = document.createElement("canvas").getContext("2d");
let family = null;
const widths = new Map(); // of words, by font size

function linesOf(text, width, size) { // lines that a wrapped text needs, words that are too long divided
  if (width < 1) return 1; // a hidden frame
  family ??= getComputedStyle(document.body).fontFamily;
  ruler.font = `${size}px ${family}`;
  let lines = 1, x = 0;
  for (const word of text.split(" ")) {
    const key = `${size} ${word}`;
    if (!widths.has(key)) widths.set(key, ruler.measureText(`${word} `).width);
    let w = widths.get(key);
    if (x && x + w > width) { lines++; x = 0; }
    for (; w > width; w -= width) lines++;
    x += w;
  }
  return Math.min(LINES, lines);
}

function labelOf(i, axes) { // on a narrow screen prompts come last, since they are the longest
  const isPrompt = (a) => plan.axes[a].keys.includes("prompts");
  const sorted = grid.narrow ? [...axes.filter((a) => !isPrompt(a)), ...axes.filter(isPrompt)] : axes;
  return sorted.map((a) => labelText(i, a)).join(" · ");
}

const captionOf = (i) => labelOf(i, varyingAxes().filter((a) => !grid.plan.down.includes(a))) || titleOf(i);

function spans(found, level) { // columns that share a label: [first, end, job, text]
  const axes = found.across.slice(0, level + 1), a = found.across[level], all = [];
  for (let c = 0; c < found.columns.length; ) {
    let end = c + 1;
    while (end < found.columns.length && key(found.columns[end], axes) === key(found.columns[c], axes)) end++;
    all.push([c, end, found.columns[c], grid.left > EDGE ? value(found.columns[c], a) : labelText(found.columns[c], a)]);
    c = end;
  }
  return all;
}

const spanWidth = (c, end) => (end - c) * (grid.size + GAP) - GAP;

function headHeights(found) { // of the levels of column labels
  if (!grid.narrow) return found.across.map(() => 20);
  const room = scroller.clientWidth - 2 * EDGE; // a wide label stays in sight
  return found.across.map((_, level) => 2 + 18 * Math.max(1, ...spans(found, level).map(([c, end, , text]) => linesOf(text, Math.min(room, spanWidth(c, end)), 14))));
}
