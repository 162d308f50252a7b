// A forecast: chart, values at the cursor, table, and CSV.
import { Chart, shortNumber } from "../parts/chart.js";
import { button, disclosure, download, h, labelledSelect } from "../parts/nodes.js";

const COLUMNS = "series,time,target,forecast";

/** Seconds of a time as its own clock shows it: the chart's axis is the clock of the input. */
function clockSeconds(text) {
  const plain = String(text).replace(/(Z|[+-]\d\d:?\d\d)$/, "").replace(" ", "T");
  return Date.parse(`${plain.includes("T") ? plain : `${plain}T00:00:00`}Z`) / 1000;
}

/** Numbers for the x axis that rise strictly, or the plain steps where times do not. */
function axisOf(times) {
  if (times.every((time) => typeof time === "number")) return { x: times, isTime: false };
  const x = times.map(clockSeconds);
  const rising = x.every((value, index) => Number.isFinite(value) && (index === 0 || value > x[index - 1]));
  return rising ? { x, isTime: true } : { x: times.map((_, index) => index), isTime: false };
}

/** All series and targets in long form, with every digit that the server sent. */
export function forecastCsv({ series }) {
  const levels = Object.keys(Object.values(series[0]?.targets ?? {})[0]?.quantiles ?? {});
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [[COLUMNS, ...levels.map((level) => `quantile_${level}`)].join(",")];
  for (const { name, time, targets } of series) {
    for (const [target, { forecast, quantiles }] of Object.entries(targets)) {
      time.forEach((moment, step) => lines.push([name, moment, target, forecast[step],
        ...levels.map((level) => quantiles?.[level]?.[step])].map(cell).join(",")));
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Pairs [low, high] of levels around the middle, the widest first. */
function intervals(levels) {
  const sorted = [...levels].sort((a, b) => Number(a) - Number(b));
  return Array.from({ length: Math.floor(sorted.length / 2) }, (_, index) => [sorted[index], sorted.at(-1 - index)]);
}

const shareOf = ([low, high]) => `${Math.round(100 * (Number(high) - Number(low)))} % interval`;

export class ForecastResult {
  constructor(info, prediction) {
    this.info = info;
    this.prediction = prediction;
    this.series = prediction.series[0];
    this.target = Object.keys(this.series?.targets ?? {})[0];
    this.place = h("div", { class: "result" });
    const { series } = prediction;
    const targets = Object.keys(this.series?.targets ?? {});
    const names = series.map(({ name }) => String(name));
    const seriesChoice = labelledSelect("Series", names, (value) => {
      this.series = series[names.indexOf(value)];
      this.draw();
    });
    const targetChoice = labelledSelect("Target", targets, (value) => {
      this.target = value;
      this.draw();
    });
    seriesChoice.root.hidden = series.length < 2;
    targetChoice.root.hidden = targets.length < 2;
    this.root = h("div", { class: "result" }, this.notes(),
      series.length ? [
        h("div", { class: "row" }, seriesChoice.root, targetChoice.root,
          button("Forecast only", () => this.zoomToForecast()), button("Reset zoom", () => this.chart.zoom()),
          button("Download CSV", () => download(`${info.name}_forecast.csv`, forecastCsv(prediction)))),
        h("p", { class: "hint" }, "Drag over the chart to zoom, double-click to go back."),
        this.place] : null);
    if (series.length) this.draw();
  }

  /** What the server understood of the table. */
  notes() {
    const { columns, left_out: leftOut, notes } = this.prediction;
    const lines = [];
    if (columns?.used?.length) lines.push(`Columns used: ${columns.used.join(", ")}.`);
    if (columns?.ignored?.length) lines.push(`Columns ignored: ${columns.ignored.join(", ")}.`);
    for (const [name, reason] of Object.entries(leftOut ?? {})) lines.push(`Left out, ${name}: ${reason}`);
    lines.push(...(Array.isArray(notes) ? notes : []));
    return h("ul", { class: "notes" }, lines.map((line) => h("li", {}, line)));
  }

  draw() {
    const { name, past_time: pastTime, time } = this.series;
    const { past, forecast, quantiles } = this.series.targets[this.target];
    const bounds = intervals(Object.keys(quantiles ?? {}));
    const after = (values) => [...past.map(() => null), ...values];
    const before = (values) => [...values, ...time.map(() => null)];
    const axis = axisOf([...pastTime, ...time]);
    const edges = bounds.flatMap(([low, high]) => [
      { label: `q${high}`, values: after(quantiles[high]), hidden: true },
      { label: `q${low}`, values: after(quantiles[low]), hidden: true }]);
    this.forecastFrom = axis.x[Math.max(0, past.length - 1)];
    this.chart?.destroy();
    this.chart = new Chart(this.summary(name, past, forecast), {
      ...axis, xText: [...pastTime, ...time].map(String), xLabel: axis.isTime ? "time" : "step",
      series: [{ label: "history", values: before(past), color: "--text", width: 1.5 },
        { label: "forecast", values: after(forecast), color: "--line-1", width: 2.5 }, ...edges],
      bands: bounds.map((_, index) => ({ series: [3 + 2 * index, 4 + 2 * index], color: "--line-1", alpha: 0.18 })),
    });
    const legend = bounds.length
      ? h("p", { class: "hint" }, `Shaded: ${bounds.map((pair) => `${shareOf(pair)} (quantiles ${pair.join(" to ")})`).join(", ")}.`) : null;
    this.place.replaceChildren(this.chart.root, ...(legend ? [legend] : []), this.table(time, forecast, quantiles ?? {}));
  }

  summary(name, past, forecast) {
    return `Chart of ${this.target}, series ${name}: ${past.length} past values, then ${forecast.length} forecast steps from `
      + `${shortNumber(forecast[0])} to ${shortNumber(forecast.at(-1))}. The forecast as a table follows.`;
  }

  table(time, forecast, quantiles) {
    const levels = Object.keys(quantiles);
    return disclosure("Forecast as a table", h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the forecast" },
      h("table", {},
        h("thead", {}, h("tr", {}, ["time", "forecast", ...levels.map((level) => `quantile ${level}`)]
          .map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, time.map((moment, step) => h("tr", {}, h("th", { scope: "row" }, String(moment)),
          [forecast[step], ...levels.map((level) => quantiles[level][step])].map((value) => h("td", {}, shortNumber(value)))))))));
  }

  zoomToForecast() {
    this.chart.zoom(this.forecastFrom);
  }

  destroy() {
    this.chart?.destroy();
  }
}
