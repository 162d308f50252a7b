// The probability of each class as a bar with its number.
import { button, h, percent } from "./nodes.js";

// More classes than this are sorted and cut: the rest stands behind a button.
const MOST_ROWS = 10;

export class ClassBars {
  /** `labels` in the order of the checkpoint. */
  constructor(labels) {
    this.labels = labels;
    this.all = false;
    this.probability = null;
    this.list = h("ul", { class: "bars", "aria-label": "Probability of each class" });
    this.more = button(`Show all ${labels.length} classes`, () => {
      this.all = true;
      this.more.hidden = true;
      this.update(this.probability);
    }, "plain");
    this.more.hidden = labels.length <= MOST_ROWS;
    this.root = h("div", {}, this.list, this.more);
    this.rows = new Map();
    this.update(null);
  }

  /** Show probabilities by label; null where there is no prediction. */
  update(probability) {
    this.probability = probability;
    const value = (label) => probability?.[label] ?? null;
    let shown = this.labels;
    if (shown.length > MOST_ROWS && !this.all) {
      const rank = [...shown].sort((a, b) => (value(b) ?? 0) - (value(a) ?? 0));
      shown = rank.slice(0, MOST_ROWS);
    }
    const highest = Math.max(...this.labels.map((label) => value(label) ?? -1));
    const rows = shown.map((label) => {
      const row = this.row(label);
      const share = value(label);
      row.number.textContent = share === null ? "–" : percent(share);
      row.fill.style.width = `${100 * (share ?? 0)}%`;
      row.root.classList.toggle("highest", share !== null && share === highest);
      return row.root;
    });
    // Rows that stay where they are are not touched: selections and screen readers keep their place.
    if (rows.some((row, index) => this.list.children[index] !== row)) {
      this.list.replaceChildren(...rows);
    }
  }

  row(label) {
    if (!this.rows.has(label)) {
      const fill = h("span", { class: "fill" });
      const number = h("span", { class: "number" });
      const root = h("li", {}, h("span", { class: "name" }, label),
        h("span", { class: "track", "aria-hidden": "true" }, fill), number);
      this.rows.set(label, { root, fill, number });
    }
    return this.rows.get(label);
  }
}

/** The sentence of a prediction. */
export function verdict(prediction) {
  if (!prediction.probability || prediction.label === null) return "No content to classify.";
  return `${prediction.label}, ${percent(prediction.probability[prediction.label])}`;
}
