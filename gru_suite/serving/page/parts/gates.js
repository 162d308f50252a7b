// The gates of the cell while they read the input: a heat map of each, and its mean as text.
import { gateValues } from "../api.js";
import { HeatMap, paintScale, summaryOf } from "./heat_map.js";
import { countOf, h, labelledSelect } from "./nodes.js";

const MEANING = {
  update: "how much of the old state is kept", reset: "how much of the old state enters the candidate",
  input: "how much of the candidate enters", forget: "how much of the cell state is kept",
  output: "how much of the cell state is shown",
};
// The update gates of a GRU and of a minGRU weigh opposite sides.
const MIN_GRU = { update: "how much of the candidate enters" };

export class GatesPanel {
  constructor(info) {
    this.info = info;
    this.layer = 0;
    this.source = null;
    this.call = null;
    this.views = new Map();
    this.root = h("section", { class: "panel gates", "aria-label": "Gates of the cell", hidden: !info.gates.length });
    if (!info.gates.length) return;
    this.note = h("p", { class: "hint" }, "They appear with the first prediction.");
    this.list = h("div", { class: "heat-maps" });
    const scale = h("canvas", { class: "scale", role: "img", "aria-label": "Colours from 0, dark, to 1, bright" });
    paintScale(scale);
    const layers = Array.from({ length: info.num_layers }, (_, index) => String(index));
    const choice = info.num_layers > 1
      ? labelledSelect("Layer", layers, (value) => { this.layer = Number(value); this.show(this.source); }).root : null;
    this.root.append(
      h("div", { class: "row" }, h("h2", {}, info.output_kind === "translation" ? "Gates of the encoder" : "Gates"), choice,
        h("span", { class: "scale-row" }, "0", scale, "1")),
      this.note, this.list);
  }

  /** Compute and draw the gates of {input} or {file}; a later call overtakes an earlier one. */
  async show(source) {
    if (!source || !this.info.gates.length) return;
    this.source = source;
    this.call?.abort();
    this.call = new AbortController();
    try {
      const values = await gateValues(this.info.name, { ...source, layer: this.layer }, { signal: this.call.signal });
      this.draw(values);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message);
    }
  }

  /** Say why there are no gates, or what they are of. */
  say(text) {
    if (this.note) this.note.textContent = text;
  }

  draw(values) {
    const what = values.unit_of_step ?? "step";
    const time = values.step_seconds ? ` of ${Math.round(1000 * values.step_seconds)} ms` : "";
    const direction = this.info.bidirectional ? `, ${values.direction} direction` : "";
    this.say(`${countOf(values.num_steps, what)}${time} from left to right, units of layer ${values.layer} from top to bottom${direction}. `
      + "Point at a value, or move with the arrow keys, to read it.");
    for (const [gate, numbers] of Object.entries(values.gates)) {
      if (!this.views.has(gate)) {
        this.views.set(gate, new GateView(gate, values.cell));
        this.list.append(this.views.get(gate).root);
      }
      this.views.get(gate).update(numbers, values);
    }
  }

  stop() {
    this.call?.abort();
  }
}

class GateView {
  constructor(gate, cell) {
    this.gate = gate;
    const meaning = (cell === "min_gru" ? MIN_GRU : MEANING)[gate];
    this.map = new HeatMap((place) => this.read(place));
    this.mean = h("p", { class: "number" });
    this.value = h("p", { class: "hint value", "aria-live": "polite" });
    this.root = h("figure", {},
      h("figcaption", {}, h("strong", {}, gate), meaning ? `: ${meaning}` : ""), this.map.root,
      h("div", { class: "values" }, this.mean, this.value));
  }

  update(numbers, values) {
    this.values = values;
    const { low, high, mean } = summaryOf(numbers);
    const text = `Mean ${mean.toFixed(3)}, lowest ${low.toFixed(3)}, highest ${high.toFixed(3)}`;
    this.mean.textContent = text;
    this.map.update(numbers, `Heat map of the ${this.gate} gate. ${text}.`);
  }

  read(place) {
    if (place === null) {
      this.value.textContent = "";
      return;
    }
    const [column, row] = place;
    const { steps, units, step_labels: labels, step_seconds: length, unit_of_step: what } = this.values;
    const number = steps?.[column] ?? column;
    const name = labels?.[column] ? ` “${labels[column]}”` : "";
    const time = length ? ` at ${(number * length).toFixed(2)} s` : "";
    this.value.textContent = `${what} ${number}${name}${time}, unit ${units?.[row] ?? row}: ${this.map.values[column][row].toFixed(3)}`;
  }
}
