// Probabilities over the time of a recording or a video, and the words that were found.
import { Chart, cssColor } from "./chart.js";
import { disclosure, h, percent, seconds } from "./nodes.js";

const LINES = [
  { color: "--line-1" }, { color: "--line-2", dash: [8, 4] }, { color: "--line-3", dash: [2, 3] },
  { color: "--line-4", dash: [10, 3, 2, 3] }, { color: "--line-5" },
];

/** The classes with the highest peaks, at most as many as there are distinct lines. */
function highestClasses(probability) {
  const peaks = Object.entries(probability).map(([label, values]) => [label, Math.max(0, ...values)]);
  peaks.sort((a, b) => b[1] - a[1]);
  return { shown: peaks.slice(0, LINES.length), rest: peaks.slice(LINES.length) };
}

/** Paint the events as marked stretches with their names, and where the player is. */
function painter(events, player) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.font = `${12 * scale}px system-ui, sans-serif`;
    for (const { start, end, label } of events) {
      const left = plot.valToPos(start, "x", true);
      const right = plot.valToPos(end, "x", true);
      ctx.fillStyle = cssColor("--line-1", 0.14);
      ctx.fillRect(left, bbox.top, Math.max(right - left, 2 * scale), bbox.height);
      ctx.fillStyle = cssColor("--text");
      ctx.fillText(label, left + 3 * scale, bbox.top + 14 * scale);
    }
    if (player.now !== null) {
      ctx.fillStyle = cssColor("--text");
      ctx.fillRect(plot.valToPos(player.now, "x", true), bbox.top, scale, bbox.height);
    }
    ctx.restore();
  };
}

/** Draw {time, probability} with `events`; `follow(media)` marks where the player is. */
export function timelineChart(title, { time, probability, events = [] }) {
  const { shown, rest } = highestClasses(probability);
  const label = `${title}: highest are ${shown.map(([name, peak]) => `${name} ${percent(peak)}`).join(", ")}`;
  const player = { now: null };
  const chart = new Chart(label, {
    x: time, xText: time.map(seconds), isTime: false, xLabel: "time", range: [0, events.length ? 1.2 : 1.02], height: 260,
    series: shown.map(([name], index) => ({ label: name, values: probability[name], ...LINES[index] })),
    draw: painter(events, player),
  });
  const others = rest.length
    ? h("p", { class: "hint" }, `${rest.length === 1 ? "The other class stays" : `The other ${rest.length} classes stay`} at or below ${percent(rest[0][1])}.`)
    : null;
  let forget = () => {};
  const follow = (media) => {
    const move = () => {
      player.now = media.currentTime;
      chart.plot?.redraw(false, false);
    };
    for (const event of ["timeupdate", "seeked"]) media.addEventListener(event, move);
    forget = () => ["timeupdate", "seeked"].forEach((event) => media.removeEventListener(event, move));
  };
  const destroy = () => {
    forget();
    chart.destroy();
  };
  return { root: h("div", {}, chart.root, others), follow, destroy };
}

/** One found word as a list item. */
export function eventItem({ start, label, score }) {
  return h("li", {}, h("strong", {}, label), ` at ${seconds(start)}, ${percent(score)}`);
}

/** All probabilities as a table that opens on demand. */
export function timelineTable({ time, probability }) {
  const names = Object.keys(probability);
  const part = disclosure("Probabilities as a table");
  part.addEventListener("toggle", () => {
    if (!part.open || part.querySelector("table")) return;
    part.append(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of probabilities" },
      h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "seconds"), names.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, time.map((moment, index) => h("tr", {}, h("th", { scope: "row" }, moment.toFixed(2)),
          names.map((name) => h("td", {}, (probability[name][index] ?? 0).toFixed(3)))))))));
  });
  return part;
}
