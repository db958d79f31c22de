// The camera preview: a test card drawn as the video's camera sees it, without a model. motion/poses.py has the arithmetic.

import { h } from "/static/shared.js";

const SIDE = 640; // pixels of the longer side
const OCTAVES = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6];

export class Camera {
  constructor() {
    this.canvas = h("canvas", { className: "camera", width: SIDE, height: SIDE, role: "img", "aria-label": "the camera over a test card" });
    this.play = h("button", { type: "button", className: "quiet", onclick: () => this.toggle() }, "▶");
    this.time = h("input", { type: "range", min: 0, max: 1, step: 1, value: 0, "aria-label": "time", oninput: () => { this.stop(); this.show(Number(this.time.value)); } });
    this.text = h("output", { className: "soft" });
    this.node = h("div", { className: "preview" }, this.canvas, h("div", { className: "player" }, this.play, this.time, this.text));
    this.moved = () => {}; // called with the share of the video that is shown
    this.path = null;
    this.label(false);
  }

  set(path) { // the answer of /api/camera
    this.path = path;
    const long = Math.max(path.width, path.height);
    this.canvas.width = Math.round((SIDE * path.width) / long);
    this.canvas.height = Math.round((SIDE * path.height) / long);
    this.canvas.style.maxWidth = `${Math.round((320 * path.width) / path.height)}px`;
    this.time.max = path.curves.zoom.length - 1;
    this.show(Math.min(this.at ?? 0, path.curves.zoom.length - 1));
  }

  show(at) {
    this.at = at;
    this.time.value = at;
    if (!this.path) return;
    const [zoom, x, y, roll] = ["zoom", "x", "y", "roll"].map((name) => this.path.curves[name][at] ?? 0), last = this.path.curves.zoom.length - 1;
    draw(this.canvas, zoom, x, y, roll, this.path.target ?? [0, 0]);
    this.text.textContent = `${((at * this.path.step) / this.path.fps).toFixed(2)} s · zoom ${zoom.toPrecision(3)}`;
    this.time.setAttribute("aria-valuetext", this.text.textContent);
    this.moved(last ? at / last : 0);
  }

  label(playing) {
    this.play.textContent = playing ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", playing ? "pause" : "play the camera");
  }

  toggle() {
    if (this.running) return this.stop();
    if (!this.path) return undefined;
    const last = this.path.curves.zoom.length - 1;
    const begin = performance.now() - (this.at < last ? (this.at * this.path.step * 1000) / this.path.fps : 0);
    this.label(true);
    const next = (now) => {
      const frame = Math.floor((((now - begin) / 1000) * this.path.fps) / this.path.step), points = this.path.curves.zoom.length;
      const there = this.path.loop ? frame : Math.min(frame, points - 1);
      this.show(this.path.loop === "pingpong" ? Math.min(there % (2 * points), 2 * points - 1 - (there % (2 * points))) : there % points);
      if (this.path.loop || frame < points) this.running = requestAnimationFrame(next); else this.stop();
    };
    this.running = requestAnimationFrame(next);
    return undefined;
  }

  stop() {
    cancelAnimationFrame(this.running);
    this.running = 0;
    this.label(false);
  }
}

function draw(canvas, zoom, x, y, roll, [tx, ty]) {
  const pen = canvas.getContext("2d"), { width: w, height: v } = canvas;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = "#8795a8";
  pen.fillRect(0, 0, w, v);
  pen.translate(w / 2, v / 2);
  pen.scale(zoom, zoom);
  pen.rotate((-roll * Math.PI) / 180);
  pen.translate(-w * (tx * (1 - 1 / zoom) + x / zoom), -v * (ty * (1 - 1 / zoom) + y / zoom));
  scene(pen, w, v);
  rings(pen, w, v, zoom, tx, ty);
}

function scene(pen, w, v) { // the picture at zoom 1: sky, sun, hills, sea
  const sky = pen.createLinearGradient(0, -v / 2, 0, v / 2);
  sky.addColorStop(0, "#31456b");
  sky.addColorStop(0.55, "#e7b48c");
  sky.addColorStop(1, "#f2dcb6");
  pen.fillStyle = sky;
  pen.fillRect(-w / 2, -v / 2, w, v);
  const unit = Math.min(w, v);
  disc(pen, 0.16 * w, -0.04 * v, 0.11 * unit, "#f6ead2");
  hills(pen, w, v, 0.06, 0.16, "#7b7f98", 2.2);
  hills(pen, w, v, 0.16, 0.1, "#56607d", 3.7);
  hills(pen, w, v, 0.3, 0.05, "#37425c", 5.3);
  pen.fillStyle = "#b8412f"; // a gate in the middle
  for (const [left, top, wide, high] of [[-0.17, -0.13, 0.34, 0.035], [-0.14, -0.06, 0.28, 0.025], [-0.12, -0.12, 0.032, 0.36], [0.088, -0.12, 0.032, 0.36]]) pen.fillRect(left * unit, top * unit, wide * unit, high * unit);
}

function disc(pen, x, y, radius, colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function hills(pen, w, v, low, high, colour, waves) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(-w / 2, v / 2);
  for (let k = 0; k <= 60; k++) pen.lineTo(w * (k / 60 - 0.5), v * (low - high * Math.sin(waves * (k / 60) * 2.4 + waves) * Math.cos(k / 17)));
  pen.lineTo(w / 2, v / 2);
  pen.fill();
}

function rings(pen, w, v, zoom, tx, ty) { // the frame at zooms 1/8 to 64, around the point that stays in place
  pen.textAlign = "left";
  for (const octave of OCTAVES) {
    const scale = 2 ** -octave, left = (-w * scale) / 2 + tx * w * (1 - scale), top = (-v * scale) / 2 + ty * v * (1 - scale);
    if (scale * zoom < 0.02) continue;
    pen.lineWidth = (octave === 0 ? 3 : 1.5) / zoom;
    pen.strokeStyle = octave === 0 ? "#fff" : "rgb(255 255 255 / 60%)";
    pen.strokeRect(left, top, w * scale, v * scale);
    const size = Math.min(22 / zoom, 0.12 * v * scale);
    pen.font = `${size}px sans-serif`;
    pen.fillStyle = "#fff";
    pen.fillText(octave < 0 ? `1/${2 ** -octave}` : `${2 ** octave}`, left + size * 0.4, top + size * 1.1);
  }
}
