// Plug-ins: rows of numbers or a file in, classes, a forecast or plain JSON out.
import { predict } from "../api.js";
import { ClassBars, verdict } from "../parts/classes.js";
import { dropZone } from "../parts/drop_zone.js";
import { button, h, uniqueId } from "../parts/nodes.js";
import { Status, uploadProgress } from "../parts/status.js";

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

function resultView(info) {
  const labels = info.output_kind === "classes" ? info.outputs.labels : null;
  const said = h("p", { class: "verdict", "aria-live": "polite" }, "The prediction appears here.");
  const bars = labels ? new ClassBars(labels) : null;
  const json = h("pre", { tabindex: "0", hidden: true, "aria-label": "Prediction as JSON" });
  return {
    root: h("div", {}, said, bars?.root, json),
    show(prediction) {
      if (bars && prediction.probability !== undefined) {
        said.textContent = verdict(prediction);
        bars.update(prediction.probability);
        return;
      }
      said.textContent = "As JSON:";
      json.hidden = false;
      json.textContent = JSON.stringify(prediction.result ?? prediction, null, 2);
    },
  };
}

export function mountNumbers(info, gates) {
  const status = new Status();
  const view = resultView(info);
  let call = null;

  async function run(source, what) {
    call?.abort();
    call = new AbortController();
    status.busy(`Working on ${what}`);
    try {
      const prediction = await predict(info.name, source, { signal: call.signal, onUpload: uploadProgress(status, what) });
      status.clear();
      view.show(prediction);
      gates.show(source);
    } catch (error) {
      if (error.name !== "AbortError") status.error(error);
    }
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
  return { root, stop: () => call?.abort() };
}
