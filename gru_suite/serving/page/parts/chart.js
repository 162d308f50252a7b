// Line charts by uPlot, in the colours of the page, as wide as their place.
import uPlot from "../vendor/uPlot.esm.js";
import { h } from "./nodes.js";

const DARK = matchMedia("(prefers-color-scheme: dark)");

const HOUR = 3600;
const DAY = 24 * HOUR;
// Rows: from this distance of marks on, the text of a mark; the second line where year, day or minute changes.
const DATE = "\n{YYYY}-{MM}-{DD}";
const CLOCK = [
  [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DATE, null, DATE, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DATE, null, DATE, null, null, null, 1],
  [0.001, "{ss}.{fff}", "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];

/** The value of a CSS variable such as --line-1. */
export function cssColor(name, alpha = 1) {
  const color = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  if (alpha === 1) return color;
  return `${color}${Math.round(255 * alpha).toString(16).padStart(2, "0")}`;
}

/** Numbers of at most four significant digits, as the legend shows them. */
export function shortNumber(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

/**
 * A chart that draws itself anew when the width or the colour scheme changes.
 *
 * `plan`: x (numbers, ascending), xText (what the legend says of each x) or null, isTime (x in seconds),
 * xLabel, series ({label, values, color, dash, width, hidden}), bands ({series: [upper, lower], color, alpha}),
 * range of y or null, height, and draw(u), which paints on top.
 */
export class Chart {
  constructor(label, plan) {
    this.plan = plan;
    this.place = h("div", { class: "chart", role: "img", "aria-label": label });
    this.root = h("div", {}, this.place);
    this.observer = new ResizeObserver(() => {
      const width = this.place.clientWidth;
      if (!width) return;
      if (this.plot) this.plot.setSize({ width, height: this.height(width) });
      else this.build(width);
    });
    this.observer.observe(this.place);
    this.recolor = () => {
      if (this.plot) this.build(this.place.clientWidth);
    };
    DARK.addEventListener("change", this.recolor);
  }

  height(width) {
    return Math.min(this.plan.height ?? 340, Math.max(220, 0.7 * width));
  }

  build(width) {
    const { x, xText, isTime, xLabel, series, bands, range, draw } = this.plan;
    this.plot?.destroy();
    const axis = {
      stroke: cssColor("--muted"), font: "12px system-ui, sans-serif",
      grid: { stroke: cssColor("--grid"), width: 1 }, ticks: { stroke: cssColor("--grid"), width: 1 },
    };
    const options = {
      width, height: this.height(width),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: isTime }, y: range ? { range: () => range } : {} },
      axes: [{ ...axis, ...(isTime ? { values: CLOCK } : {}) }, { ...axis, size: 56 }],
      cursor: { drag: { x: true, y: false } },
      hooks: { draw: draw ? [draw] : [] },
      series: [
        { label: xLabel, value: (_, value, __, index) => (index === null ? "–" : xText?.[index] ?? shortNumber(value)) },
        ...series.map(({ label, color, dash, width: line, hidden }) => ({
          label, stroke: hidden ? "transparent" : cssColor(color), dash, width: hidden ? 0 : (line ?? 2),
          points: { show: false }, value: (_, value) => shortNumber(value),
        })),
      ],
      bands: (bands ?? []).map((band) => ({
        series: band.series, fill: cssColor(band.color, band.alpha),
      })),
    };
    this.plot = new uPlot(options, [x, ...series.map(({ values }) => values)], this.place);
  }

  /** Show x from `low` to `high`; without them everything. */
  zoom(low = this.plan.x[0], high = this.plan.x.at(-1)) {
    this.plot?.setScale("x", { min: low, max: high });
  }

  destroy() {
    this.observer.disconnect();
    DARK.removeEventListener("change", this.recolor);
    this.plot?.destroy();
  }
}
