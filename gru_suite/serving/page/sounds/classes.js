// The classes of a sound: probabilities, words, and a timeline of a long recording.
import { ClassBars, verdict } from "../parts/classes.js";
import { h } from "../parts/nodes.js";
import { Player } from "../parts/player.js";
import { eventItem, timelineChart, timelineTable } from "../parts/timeline.js";

export class SoundClasses {
  constructor(info) {
    this.bars = new ClassBars(info.outputs.labels ?? []);
    this.now = h("p", { class: "verdict" }, "Use the microphone or a file.");
    this.words = h("ol", { class: "words", "aria-live": "polite", "aria-label": "Words" });
    this.noWords = h("p", { class: "hint" }, "None yet.");
    this.wordsPart = h("div", { hidden: true }, h("h3", {}, "Words"), this.noWords, this.words);
    this.timeline = h("div", { class: "result" });
    this.player = new Player();
    this.columns = h("div", { class: "columns-2" },
      h("div", {}, this.now, this.bars.root), this.wordsPart);
    this.root = h("div", { class: "result" }, this.columns, this.player.root, this.timeline);
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
    this.player.hide();
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
      this.chart.follow(this.player.root);
      this.timeline.append(h("h3", {}, "Over time"), this.chart.root, timelineTable(timeline));
    }
    this.player.play(file);
  }

  /** Show a message of a stream. */
  hear(message) {
    this.bars.update(message.probability);
    // Screen readers hear the words, not every one of the predictions a second.
    this.now.textContent = message.speaking === false ? "Silence." : verdict(message);
    for (const word of message.words ?? []) this.words.append(eventItem(word));
    if (!message.words?.length) return;
    this.noWords.hidden = true;
    this.words.scrollTop = this.words.scrollHeight;
  }

  stop() {
    this.chart?.destroy();
    this.player.stop();
  }
}
