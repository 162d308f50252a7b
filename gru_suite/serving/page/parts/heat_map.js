// Values from 0 to 1 as colours on a canvas: steps from left to right, units from top to bottom.
import { h } from "./nodes.js";

// Anchors of viridis, whose lightness rises evenly and which colour-blind people can order.
const ANCHORS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];

/** The colour of a value as [red, green, blue]. */
export function viridis(value) {
  const place = Math.min(Math.max(value, 0), 1) * (ANCHORS.length - 1);
  const low = Math.min(Math.floor(place), ANCHORS.length - 2);
  return ANCHORS[low].map((from, channel) => from + (place - low) * (ANCHORS[low + 1][channel] - from));
}

/** Paint values[step][unit], one pixel each; CSS makes the pixels larger. */
export function paintHeatMap(canvas, values) {
  const width = values.length;
  const height = values[0]?.length ?? 0;
  if (!width || !height) return;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let step = 0; step < width; step += 1) {
    for (let unit = 0; unit < height; unit += 1) {
      const [red, green, blue] = viridis(values[step][unit] ?? 0);
      image.data.set([red, green, blue, 255], 4 * (unit * width + step));
    }
  }
  context.putImageData(image, 0, 0);
}

/** Paint the scale from 0 to 1. */
export function paintScale(canvas) {
  paintHeatMap(canvas, Array.from({ length: 64 }, (_, index) => [index / 63]));
}

/** Lowest, mean and highest of values[step][unit]. */
export function summaryOf(values) {
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  let count = 0;
  for (const row of values) {
    for (const value of row) {
      low = Math.min(low, value);
      high = Math.max(high, value);
      sum += value;
      count += 1;
    }
  }
  return { low, high, mean: count ? sum / count : 0 };
}

/** A heat map of which one value is read, by the pointer or the arrow keys. */
export class HeatMap {
  /** `onRead` gets step and unit of that value, or null when none is read any more. */
  constructor(onRead) {
    this.onRead = onRead;
    this.values = [];
    this.place = [0, 0];
    this.root = h("canvas", {
      class: "heat-map", role: "img", tabindex: "0",
      onpointermove: (event) => this.point(event), onpointerdown: (event) => this.point(event),
      onpointerleave: () => onRead(null), onkeydown: (event) => this.move(event),
    });
  }

  /** Paint values[step][unit]. */
  update(values, label) {
    this.values = values;
    paintHeatMap(this.root, values);
    this.root.setAttribute("aria-label", label);
  }

  point(event) {
    const box = this.root.getBoundingClientRect();
    const [width, height] = [this.values.length, this.values[0]?.length ?? 0];
    this.read(Math.floor(((event.clientX - box.left) / box.width) * width),
      Math.floor(((event.clientY - box.top) / box.height) * height));
  }

  move(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by || !this.values.length) return;
    event.preventDefault();
    this.read(this.place[0] + by[0], this.place[1] + by[1]);
  }

  read(step, unit) {
    if (!this.values.length) return;
    const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
    this.place = [inside(step, this.values.length), inside(unit, this.values[0].length)];
    this.onRead(this.place);
  }
}
