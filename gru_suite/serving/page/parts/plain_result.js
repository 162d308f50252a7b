// A prediction without a page of its own: probabilities of classes, or JSON.
import { ClassBars, verdict } from "./classes.js";
import { h } from "./nodes.js";

export class PlainResult {
  constructor(info) {
    const labels = info.output_kind === "classes" ? info.outputs.labels : null;
    this.said = h("p", { class: "verdict", "aria-live": "polite" }, "The prediction appears here.");
    this.bars = labels ? new ClassBars(labels) : null;
    this.json = h("pre", { tabindex: "0", hidden: true, "aria-label": "Prediction as JSON" });
    this.root = h("div", {}, this.said, this.bars?.root, this.json);
  }

  show(prediction) {
    if (this.bars && prediction.probability !== undefined) {
      this.said.textContent = verdict(prediction);
      this.bars.update(prediction.probability);
      return;
    }
    this.said.textContent = "As JSON:";
    this.json.hidden = false;
    this.json.textContent = JSON.stringify(prediction.result ?? prediction, null, 2);
  }
}
