// Compares two pictures: side by side, or overlaid with a slider. Pinned: the first of them. A picture can also be compared
// with the user's picture that it starts from.

let pinned = -1, wiping = false, original = false, cut = 50;

function media(i, more) {
  if (code(i) === "f") return h("p", { className: "reason failed" }, `Failed: ${now.notes.get(i) || ""}`);
  if (!done(i)) return h("p", { className: "reason" }, now.live ? "not rendered yet" : "not rendered");
  const animated = video(i)?.element === "img"; // it cannot be paused
  if (!video(i) || animated) return h("img", { src: animated && still.matches ? poster(i) : file(i), alt: alt(i), decoding: "async", draggable: false });
  return h("video", { src: file(i), poster: poster(i), controls: true, loop: true, autoplay: !still.matches, muted: true, playsInline: true, "aria-label": alt(i), ...more });
}

function boxed(i, node) { // as large as fits, at most four times its size
  const [wide, high] = setting(i).size, box = h("div", { className: "box" }, node);
  box.style.setProperty("--wide", wide);
  box.style.setProperty("--high", high);
  return box;
}

const besideOriginal = (i) => original && Boolean(start(i)) && done(i);

function stageOf(i) { // what is on the stage when i is shown
  if (besideOriginal(i)) return [wiped(i, originalOf(i), "original")];
  if (pinned < 0) return [boxed(i, media(i))];
  if (pinned === i) return [named(i, "A", h("em", {}, "Choose another picture: arrow keys, a thumbnail, or close this view"))];
  return wiping ? [wiped(i, media(pinned, { controls: false }), `A ${titleOf(pinned)}`)] : synchronized([named(pinned, "A"), named(i, "B", null, { controls: false })]);
}

function originalOf(i) {
  const picture = h("img", { src: start(i), alt: "the picture that it starts from", draggable: false });
  picture.addEventListener("error", () => picture.replaceWith(h("p", { className: "reason" }, `${setting(i).start} is not in this folder`)));
  return picture;
}

function wiped(i, before, name) { // controls would be under the slider
  const over = h("div", { className: "over" }, before);
  const slider = h("input", { type: "range", min: 0, max: 100, step: 0.5, value: cut, "aria-label": "wiper", oninput: () => put(+slider.value) });
  const put = (to) => {
    cut = Math.min(100, Math.max(0, to));
    slider.value = cut;
    box.style.setProperty("--cut", `${cut}%`);
  };
  const point = (event) => {
    const area = box.getBoundingClientRect();
    put(((event.clientX - area.left) / area.width) * 100);
  };
  const box = h("div", { className: "wipe", onpointerdown: (e) => { box.setPointerCapture(e.pointerId); point(e); },
    onpointermove: (e) => e.buttons && point(e) }, media(i, { controls: false }), over, h("div", { className: "edge" }));
  put(cut);
  synchronized([box]);
  return h("div", { className: "wiping" }, boxed(i, box), h("label", { className: "wiper" }, h("span", {}, name), slider, h("span", {}, `${pinned < 0 ? "" : "B "}${titleOf(i)}`)));
}

function synchronized(nodes) { // synchronizes two videos: the second follows the first
  const [one, two] = nodes.flatMap((node) => [...node.querySelectorAll("video")]);
  const follow = () => {
    two.currentTime = Math.min(one.currentTime, two.duration || 0);
    if (one.paused) two.pause(); else two.play().catch(() => {});
  };
  if (two) for (const [node, kind] of [[one, "play"], [one, "pause"], [one, "seeked"], [two, "loadeddata"]]) node.addEventListener(kind, follow);
  return nodes;
}

const named = (i, name, more, how) => h("figure", {}, boxed(i, media(i, how)), h("figcaption", {}, h("b", {}, name), ` ${titleOf(i)}`, more));
