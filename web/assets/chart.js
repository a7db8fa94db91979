// The throughput chart: time axis, crosshair by pointer or arrow keys, and its content in words.

import { h, put } from "./dom.js";
import { exact, timeOfDay, utc } from "./format.js";
import { colour, context } from "./spark.js";

const LEFT = 64;
const BOTTOM = 22;
const TOP = 8;
const RIGHT = 10;

export class Chart {
  #points = [];
  #drops = new Map();
  #at = null;
  #series;

  constructor(host) {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.tip = h("div", { class: "tip", hidden: true });
    this.words = h("p", { class: "muted summary" });
    this.live = h("p", { class: "unseen", "aria-live": "polite" });
    this.host = h("div", { class: "plot", tabindex: "0", role: "group", "aria-label": "Chart; left and right arrows read single points",
      keydown: (event) => this.#key(event), blur: () => this.#look(null),
      pointermove: (event) => this.#point(event), pointerleave: () => this.#look(null) }, this.canvas, this.tip);
    host.append(this.host, this.words, this.live);
    new ResizeObserver(() => this.draw()).observe(this.host);
    for (const query of ["(prefers-color-scheme: dark)", `(resolution: ${devicePixelRatio}dppx)`]) {
      matchMedia(query).addEventListener("change", () => this.draw());
    }
  }

  /** `series` is `{name, points, format, colour}`; `drops` are points too. */
  show(series, drops) {
    const changed = this.#series?.name !== series.name;
    this.#series = series;
    this.#points = series.points;
    this.#drops = new Map(drops.filter(([, value]) => value > 0));
    if (changed || this.#at >= this.#points.length) this.#at = null;
    put(this.words, this.#summary());
    this.draw();
  }

  #summary() {
    const points = this.#points;
    if (points.length === 0) return "No values yet.";
    const { name, format } = this.#series;
    const values = points.map(([, value]) => value);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const peak = points[values.indexOf(Math.max(...values))];
    const lost = [...this.#drops.values()].reduce((sum, value) => sum + value, 0);
    return `${name}: now ${format(values.at(-1))}, mean ${format(mean)}, peak ${format(peak[1])} at ${timeOfDay(peak[0])}; ${
      lost > 0 ? `${exact(Math.round(lost))} lost in this time` : "nothing lost"}.`;
  }

  #scale() {
    const peak = Math.max(0, ...this.#points.map(([, value]) => value));
    const top = niceTop(peak);
    const [from, to] = [this.#points[0][0], Math.max(this.#points.at(-1)[0], this.#points[0][0] + 5000)];
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return {
      top, peak, from, to,
      x: (ms) => LEFT + ((ms - from) / (to - from)) * (width - LEFT - RIGHT),
      y: (value) => TOP + (1 - value / top) * (height - TOP - BOTTOM),
    };
  }

  draw() {
    const { pen, width, height } = context(this.canvas);
    if (this.#points.length < 2 || width < LEFT + 40) return;
    const scale = this.#scale();
    pen.font = `11px ${getComputedStyle(this.host).fontFamily}`;
    this.#axes(pen, scale, width, height);
    this.#line(pen, scale, height);
    this.#marks(pen, scale, height);
    if (this.#at !== null) this.#cross(pen, scale, height);
  }

  #axes(pen, scale, width, height) {
    pen.strokeStyle = colour("--grid");
    pen.fillStyle = colour("--muted");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let part = 0; part <= 4; part += 1) {
      const y = Math.round(scale.y((scale.top * part) / 4)) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(width - RIGHT, y);
      pen.stroke();
      if (part % 2 === 0 && (part === 0 || scale.peak > 0)) pen.fillText(this.#series.format((scale.top * part) / 4), LEFT - 8, y);
    }
    pen.textAlign = "center";
    pen.textBaseline = "bottom";
    const step = width < 520 ? 120000 : 60000;
    for (let ms = Math.ceil(scale.from / step) * step; ms <= scale.to; ms += step) {
      const x = scale.x(ms);
      if (x > LEFT + 24 && x < width - 24) pen.fillText(timeOfDay(ms).slice(0, 5), x, height - 3);
    }
  }

  #line(pen, scale, height) {
    const stroke = colour(this.#series.colour);
    pen.beginPath();
    for (const [ms, value] of this.#points) pen.lineTo(scale.x(ms), scale.y(value));
    pen.strokeStyle = stroke;
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.stroke();
    pen.lineTo(scale.x(this.#points.at(-1)[0]), height - BOTTOM);
    pen.lineTo(LEFT, height - BOTTOM);
    pen.closePath();
    pen.globalAlpha = 0.12;
    pen.fillStyle = stroke;
    pen.fill();
    pen.globalAlpha = 1;
  }

  #marks(pen, scale, height) {
    pen.fillStyle = colour("--bad");
    for (const ms of this.#drops.keys()) {
      const x = scale.x(ms);
      if (x < LEFT) continue;
      pen.beginPath();
      pen.moveTo(x - 4, height - BOTTOM);
      pen.lineTo(x + 4, height - BOTTOM);
      pen.lineTo(x, height - BOTTOM - 8);
      pen.fill();
    }
  }

  #cross(pen, scale, height) {
    const [ms, value] = this.#points[this.#at];
    const [x, y] = [scale.x(ms), scale.y(value)];
    pen.strokeStyle = colour("--muted");
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, TOP);
    pen.lineTo(x, height - BOTTOM);
    pen.stroke();
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(x, y, 4, 0, 7);
    pen.fillStyle = colour(this.#series.colour);
    pen.fill();
    this.tip.style.left = `${Math.min(Math.max(x, 70), this.canvas.clientWidth - 70)}px`;
  }

  #point(event) {
    if (this.#points.length < 2) return;
    const { from, to } = this.#scale();
    const box = this.canvas.getBoundingClientRect();
    const ms = from + ((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * (to - from);
    const near = this.#points.reduce((best, [at], index) =>
      Math.abs(at - ms) < Math.abs(this.#points[best][0] - ms) ? index : best, 0);
    this.#look(near);
  }

  #key(event) {
    const last = this.#points.length - 1;
    const moves = { ArrowLeft: (this.#at ?? last + 1) - 1, ArrowRight: (this.#at ?? last - 1) + 1, Home: 0, End: last };
    if (event.key === "Escape") this.#look(null);
    else if (event.key in moves && last >= 0) {
      event.preventDefault();
      this.#look(Math.min(last, Math.max(0, moves[event.key])));
      put(this.live, this.tip.textContent);
    }
  }

  #look(at) {
    this.#at = at;
    this.tip.hidden = at === null;
    if (at !== null) {
      const [ms, value] = this.#points[at];
      const lost = this.#drops.get(ms);
      this.tip.title = utc(ms);
      this.tip.replaceChildren(h("strong", {}, this.#series.format(value)), ` at ${timeOfDay(ms)}`,
        lost ? h("span", { class: "lost" }, ` ${exact(Math.round(lost))} lost`) : "");
    }
    this.draw();
  }
}

/** The next 1, 2, 4 or 8 times a power of ten: quarters of it are round. */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 8, 10].find((step) => step * power >= value * 0.999);
}
