// A summary: the chosen sentences, and the document with each sentence shaded by its score.
import { countOf, disclosure, h, percent } from "../parts/nodes.js";
import { TextPieces } from "../parts/text_pieces.js";

export class Summary {
  constructor() {
    this.action = "Summarise";
    this.title = "Summary";
    this.text = h("p", { class: "written", "aria-live": "polite", dir: "auto" }, "The summary appears here.");
    this.count = h("p", { class: "hint" });
    this.root = h("div", { class: "result" }, this.text, this.count);
    this.pieces = new TextPieces("Sentences of the document", (index) => this.point(index));
    this.pieces.root.classList.add("sentences");
    this.said = h("p", { class: "hint value", "aria-live": "polite" });
    this.table = h("tbody");
    const legend = h("p", { class: "hint legend" },
      h("span", { class: "token for chosen" }, "a tick and bold"), " mark the sentences of the summary; a deeper colour and a thicker line are a higher score. "
      + "Point at a sentence, tap it, or move with the arrow keys, to read its score.");
    legend.querySelector(".token").style.setProperty("--strength", "0.7");
    const titles = h("thead", {}, h("tr", {}, ["score", "in the summary", "sentence"].map((title) => h("th", { scope: "col" }, title))));
    this.below = h("section", { class: "panel", "aria-label": "Document", hidden: true }, h("h2", {}, "Document"), legend,
      this.pieces.root, this.said,
      disclosure("Scores as a table", h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the scores" },
        h("table", { class: "sentence-scores" }, titles, this.table))));
  }

  show({ summary, sentences }) {
    const chosen = sentences.filter((sentence) => sentence.chosen);
    this.sentences = sentences;
    this.text.textContent = summary || "No sentence is chosen.";
    this.count.textContent = `${chosen.length} of ${countOf(sentences.length, "sentence")}.`;
    this.pieces.update(sentences.map(({ text }) => text));
    this.pieces.shade(sentences.map(({ score }) => score ?? 0));
    sentences.forEach((sentence, index) => this.pieces.pieces[index].classList.toggle("chosen", sentence.chosen));
    this.said.textContent = "";
    this.table.replaceChildren(...sentences.map((sentence) => h("tr", {},
      h("td", {}, percent(sentence.score ?? 0)), h("td", {}, sentence.chosen ? "yes" : "no"), h("td", { dir: "auto" }, sentence.text))));
    this.below.hidden = !sentences.length;
  }

  point(index) {
    const sentence = index === null ? null : this.sentences[index];
    this.said.textContent = sentence
      ? `Sentence ${index + 1} of ${this.sentences.length}: score ${percent(sentence.score ?? 0)}${sentence.chosen ? ", in the summary" : ""}.` : "";
  }
}
