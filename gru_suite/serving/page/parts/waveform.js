// The last seconds of sound as a moving waveform, and its level.
import { cssColor } from "./chart.js";
import { h } from "./nodes.js";

const SECONDS = 3;
const COLUMNS = 300;
// With reduced motion the picture changes only this often.
const CALM_MS = 500;
const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");
const FLOOR_DB = -60;

export class Waveform {
  constructor(rate) {
    this.perColumn = Math.round((SECONDS * rate) / COLUMNS);
    this.columns = [];
    this.low = this.high = this.count = 0;
    this.canvas = h("canvas", { class: "waveform", width: 2 * COLUMNS, height: 160, role: "img", "aria-label": "Waveform of the microphone" });
    this.meter = h("meter", { min: FLOOR_DB, max: 0, low: -45, high: -6, optimum: -20, value: FLOOR_DB, "aria-label": "Level" });
    this.level = h("span", { class: "number" }, "–");
    this.root = h("div", {}, this.canvas, h("p", { class: "row level" }, "Level", this.meter, this.level));
    this.drawn = 0;
    this.frame = null;
  }

  /** Add 16-bit samples and draw with the next picture of the screen. */
  push(piece) {
    let square = 0;
    for (const sample of piece) {
      this.low = Math.min(this.low, sample);
      this.high = Math.max(this.high, sample);
      square += (sample / 32768) ** 2;
      this.count += 1;
      if (this.count === this.perColumn) {
        this.columns.push([this.low, this.high]);
        this.low = this.high = this.count = 0;
      }
    }
    if (this.columns.length > COLUMNS) this.columns.splice(0, this.columns.length - COLUMNS);
    this.loudness = Math.max(FLOOR_DB, 10 * Math.log10(square / Math.max(1, piece.length) + 1e-12));
    this.frame ??= requestAnimationFrame((now) => this.draw(now));
  }

  draw(now) {
    this.frame = null;
    if (REDUCED.matches && now - this.drawn < CALM_MS) return;
    this.drawn = now;
    this.meter.value = this.loudness;
    this.level.textContent = `${this.loudness.toFixed(0)} dB`;
    const { canvas } = this;
    const context = canvas.getContext("2d");
    const middle = canvas.height / 2;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = cssColor("--line-1");
    const first = COLUMNS - this.columns.length;
    this.columns.forEach(([low, high], index) => {
      const top = middle - (high / 32768) * middle;
      const bottom = middle - (low / 32768) * middle;
      context.fillRect(2 * (first + index), top, 2, Math.max(2, bottom - top));
    });
  }

  stop() {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
  }
}
