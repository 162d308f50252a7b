// Plug-ins: rows of numbers or a file in, classes, a forecast or plain JSON out.
import { predict } from "../api.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, h, uniqueId } from "../parts/nodes.js";
import { PlainResult } from "../parts/plain_result.js";
import { Status } from "../parts/status.js";

/** Rows of numbers, divided by commas, semicolons, tabs or spaces; throws an Error with the line. */
export function parseRows(text) {
  const rows = [];
  text.split("\n").forEach((line, index) => {
    if (!line.trim()) return;
    const row = line.trim().split(/[\s,;]+/).map(Number);
    if (row.some(Number.isNaN)) throw new Error(`Line ${index + 1} is not a row of numbers: ${line.trim().slice(0, 60)}`);
    rows.push(row);
  });
  if (!rows.length) throw new Error("Enter at least one row of numbers.");
  return rows;
}

export function mountNumbers(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const view = new PlainResult(info);

  function run(source, what) {
    return call.run(what, (options) => predict(info.name, source, options), (prediction) => {
      view.show(prediction);
      gates.show(source);
    });
  }

  const parts = [];
  let area = null;
  const example = info.example === null ? null : button("Try an example", () => {
    if (area && Array.isArray(info.example)) {
      area.value = info.example.map((row) => [row].flat().join(", ")).join("\n");
    }
    run({ input: info.example }, "the example");
  });
  if (info.input_kind === "numbers") {
    const id = uniqueId("rows");
    area = h("textarea", { id, rows: "8", spellcheck: "false", wrap: "off", placeholder: "0.1, 0.2, 0.3" });
    const submit = () => {
      try {
        run({ input: parseRows(area.value) }, "the numbers");
      } catch (error) {
        status.error(error);
      }
    };
    parts.push(h("label", { for: id }, "Rows of numbers, one a step"), area,
      h("div", { class: "row" }, button("Predict", submit, "primary"), example));
  } else if (example) {
    parts.push(h("div", { class: "row" }, example));
  }
  if (info.suffixes.length || info.input_kind === "file") {
    parts.push(dropZone("Drop or choose a file", info.suffixes,
      (file) => run({ file }, file.name)));
  }
  const root = h("div", { class: "columns-2" },
    h("section", { class: "panel", "aria-label": "Input" }, h("h2", {}, "Your input"), ...parts, status.root),
    h("section", { class: "panel", "aria-label": "Prediction" }, h("h2", {}, "Prediction"), view.root));
  return { root, stop: () => call.stop() };
}
