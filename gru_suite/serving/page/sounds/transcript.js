// A transcript: its text as it grows, each word with its time, and the recording to listen to.
import { button, disclosure, download, h, percent, seconds } from "../parts/nodes.js";
import { Player } from "../parts/player.js";

const EMPTY = "Use the microphone or a file.";

export class Transcript {
  constructor() {
    this.text = h("p", { class: "written", "aria-live": "polite", dir: "auto" }, EMPTY);
    this.facts = h("p", { class: "hint" });
    this.player = new Player();
    this.player.root.addEventListener("timeupdate", () => this.follow());
    this.table = h("tbody");
    const titles = h("thead", {}, h("tr", {}, ["word", "from", "to", "confidence"].map((title) => h("th", { scope: "col" }, title))));
    this.words = disclosure("Words as a table",
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the words" }, h("table", {}, titles, this.table)));
    this.save = h("div", { class: "row" }, button("Subtitles (.srt)", () => download("transcript.srt", this.srt, "application/x-subrip")));
    this.root = h("div", { class: "result" }, this.text, this.facts, this.player.root, this.save, this.words);
    this.clear();
    this.text.textContent = EMPTY;
  }

  clear() {
    this.text.textContent = "Listening.";
    this.facts.textContent = "";
    this.player.hide();
    this.save.hidden = this.words.hidden = true;
    this.spoken = [];
  }

  /** Show the transcript of a whole recording. */
  show(prediction, file) {
    this.clear();
    this.update(prediction);
    this.player.play(file);
  }

  /** Show a message of a stream: everything so far. */
  hear(message) {
    if (message.words.length) this.update(message);
  }

  update({ text, words, confidence, srt, num_final: numFinal }) {
    this.srt = srt;
    this.spoken = words;
    this.pieces = words.map((word, index) => h("span", {
      title: `${seconds(word.start)}, ${percent(word.confidence)}${index < numFinal ? "" : ", may still change"}`,
      class: [word.confidence < 0.5 ? "unsure" : "", index < numFinal ? "" : "open"].join(" ").trim() || null,
    }, word.text));
    if (words.length) this.text.replaceChildren(...this.pieces.flatMap((piece, index) => (index ? [" ", piece] : [piece])));
    else this.text.textContent = text || "No words found.";
    this.facts.textContent = words.length ? `Confidence ${percent(confidence)}; words below 50 % are underlined.` : "";
    this.save.hidden = this.words.hidden = !words.length;
    this.table.replaceChildren(...words.map((word) => h("tr", {}, h("td", { dir: "auto" }, word.text), h("td", {}, seconds(word.start)),
      h("td", {}, seconds(word.end)), h("td", {}, percent(word.confidence)))));
  }

  /** No sound follows: what is written stays. */
  end() {
    this.text.querySelectorAll(".open").forEach((word) => word.classList.remove("open"));
  }

  /** Mark the word that the player is at. */
  follow() {
    const now = this.player.root.currentTime;
    this.spoken.forEach((word, index) => this.pieces[index].classList.toggle("now", word.start <= now && now < word.end));
  }

  stop() {
    this.player.stop();
  }
}
