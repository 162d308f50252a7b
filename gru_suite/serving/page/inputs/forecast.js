// Tables: a file or pasted rows in, a chart with history, forecast and intervals out.
import { predict } from "../api.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, countOf, h, uniqueId } from "../parts/nodes.js";
import { Status } from "../parts/status.js";
import { ForecastResult } from "./forecast_result.js";

/** Rows or columns of an example as CSV. */
export function csvOf(example) {
  if (typeof example === "string") return example;
  if (example.csv !== undefined) return example.csv;
  const rows = example.rows ?? [];
  const names = Object.keys(example.columns ?? rows[0] ?? {});
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const count = example.columns ? example.columns[names[0]].length : rows.length;
  const line = (index) => names.map((name) => cell(example.columns ? example.columns[name][index] : rows[index][name])).join(",");
  return [names.map(cell).join(","), ...Array.from({ length: count }, (_, index) => line(index))].join("\n") + "\n";
}

function columnList(inputs) {
  const facts = [
    ["Targets", inputs.targets], ["Time column", [inputs.time_column]], ["Column that names the series", [inputs.id_column]],
    ["Past covariates", inputs.past_covariates], ["Future covariates", inputs.future_covariates],
    ["Static covariates", inputs.static_covariates], ["Time between rows", [inputs.frequency]],
    ["Rows of each series", [`at least ${inputs.min_lookback}, the last ${inputs.lookback} are read`]],
  ];
  return h("dl", { class: "columns" }, facts
    .map(([name, values]) => [name, (values ?? []).filter((value) => value !== null && value !== undefined)])
    .filter(([, values]) => values.length)
    .map(([name, values]) => h("div", {}, h("dt", {}, name), h("dd", {}, values.join(", ")))));
}

export function mountTable(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const place = h("div", { class: "result" });
  const id = uniqueId("rows");
  const area = h("textarea", { id, rows: "7", spellcheck: "false", wrap: "off", placeholder: "time,temp\n2024-01-01 00:00,12.5" });
  let shown = null;

  function forecast(source, what) {
    return call.run(what, (options) => predict(info.name, source, options), (prediction) => {
      status.say(`The forecast of ${countOf(prediction.series.length, "series", "series")} stands below.`);
      shown?.destroy();
      shown = new ForecastResult(info, prediction);
      place.replaceChildren(shown.root);
      gates.show(source);
    });
  }

  const pasted = () => {
    if (area.value.trim()) forecast({ input: { csv: area.value } }, "the rows");
    else status.error(new Error("Paste rows with a header line first."));
  };
  const example = info.example === null ? null : button("Try an example", () => {
    area.value = csvOf(info.example);
    pasted();
  });
  const root = h("div", { class: "stack" },
    h("section", { class: "panel", "aria-label": "Input" },
      h("h2", {}, "Your table"), columnList(info.inputs),
      info.suffixes.length ? dropZone("Drop or choose a table", info.suffixes, (file) => forecast({ file }, file.name)) : null,
      h("label", { for: id }, "Or paste rows, with the names of the columns in the first line"), area,
      h("div", { class: "row" }, button("Forecast", pasted, "primary"), example, status.root)),
    h("section", { class: "panel", "aria-label": "Forecast" }, h("h2", {}, "Forecast"), place));
  place.append(h("p", { class: "hint" }, "The chart appears here."));
  return { root, stop: () => { call.stop(); shown?.destroy(); } };
}
