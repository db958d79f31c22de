// Two pictures at once: side by side, or one under the other with a wiper. Pinned: the one that stays.

let pinned = -1, wiping = false, cut = 50;

function media(i, label) {
  if (!done(i)) return h("p", { className: "reason" }, letter(i) === "f" ? `Failed: ${now.notes.get(i) || ""}` : "not rendered");
  if (!film(i)) return h("img", { src: file(i), alt: alt(i), title: label || "", decoding: "async", draggable: false });
  return h("video", { src: file(i), poster: poster(i), controls: true, loop: true, autoplay: !still.matches, muted: true, playsInline: true, "aria-label": alt(i) });
}

function stageOf(i) { // what is on the stage when i is shown
  if (pinned < 0 || pinned === i) return [media(i)];
  if (!wiping) return [named(pinned, "A"), named(i, "B")];
  const over = h("div", { className: "over" }, media(pinned, "A"));
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
    onpointermove: (e) => e.buttons && point(e) }, media(i, "B"), over, h("div", { className: "edge" }));
  put(cut);
  return [h("div", { className: "wiping" }, box, h("label", { className: "wiper" }, h("span", {}, `A ${called(pinned)}`), slider, h("span", {}, `B ${called(i)}`)))];
}

const named = (i, name) => h("figure", {}, media(i), h("figcaption", {}, h("b", {}, name), ` ${called(i)}`));
