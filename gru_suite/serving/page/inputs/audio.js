// Sound: a file or the microphone in; probabilities, words and a timeline out.
import { predict } from "../api.js";
import { ClassBars, verdict } from "../parts/classes.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, h } from "../parts/nodes.js";
import { Status } from "../parts/status.js";
import { eventItem, timelineChart, timelineTable } from "../parts/timeline.js";
import { LiveAudio } from "./live_audio.js";
import { fileOfExample } from "./wav.js";

class AudioView {
  constructor(labels) {
    this.bars = new ClassBars(labels);
    this.now = h("p", { class: "verdict" }, "Use the microphone or a file.");
    this.words = h("ol", { class: "words", "aria-live": "polite", "aria-label": "Words" });
    this.noWords = h("p", { class: "hint" }, "None yet.");
    this.wordsPart = h("div", { hidden: true }, h("h3", {}, "Words"), this.noWords, this.words);
    this.timeline = h("div", { class: "result" });
    this.player = h("audio", { controls: true, hidden: true, "aria-label": "The recording" });
    this.columns = h("div", { class: "columns-2" },
      h("div", {}, this.now, this.bars.root), this.wordsPart);
    this.root = h("div", { class: "result" }, this.columns, this.player, this.timeline);
  }

  clear() {
    this.bars.update(null);
    this.words.replaceChildren();
    this.noWords.textContent = "None yet.";
    this.noWords.hidden = false;
    this.wordsPart.hidden = false;
    this.chart?.destroy();
    this.chart = null;
    this.timeline.replaceChildren();
    this.player.hidden = true;
    this.now.textContent = "Listening.";
  }

  /** Show the prediction of a whole recording. */
  show(prediction, file) {
    this.clear();
    this.now.textContent = verdict(prediction);
    this.bars.update(prediction.probability);
    const { timeline } = prediction;
    this.wordsPart.hidden = !timeline;
    if (timeline) {
      this.words.append(...timeline.events.map(eventItem));
      this.noWords.textContent = "None found.";
      this.noWords.hidden = timeline.events.length > 0;
      this.chart = timelineChart("Probabilities over time", timeline);
      this.chart.follow(this.player);
      this.timeline.append(h("h3", {}, "Over time"), this.chart.root, timelineTable(timeline));
    }
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(file);
    this.player.src = this.address;
    this.player.hidden = false;
  }
}

export function mountAudio(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const view = new AudioView(info.outputs.labels ?? []);

  async function read(file) {
    await live.stop();
    await call.run(file.name, (options) => predict(info.name, { file }, options), (prediction) => {
      view.show(prediction, file);
      gates.show({ file });
    });
  }

  const live = new LiveAudio(info, gates, view, status, read);
  const example = info.example === null ? null : button("Try an example", () => read(fileOfExample(info.example)));
  const root = h("div", { class: "stack" },
    h("section", { class: "panel", "aria-label": "Input" },
      h("h2", {}, "Your sound"), live.root,
      dropZone("Or drop or choose a file", info.suffixes, read),
      h("div", { class: "row" }, example, status.root)),
    h("section", { class: "panel", "aria-label": "Prediction" }, h("h2", {}, "Prediction"), view.root));
  return {
    root,
    stop: () => {
      call.stop();
      live.stop();
      view.chart?.destroy();
      if (view.address) URL.revokeObjectURL(view.address);
    },
  };
}
