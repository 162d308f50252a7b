// A translation: its text, alternatives, and the attention between words of source and target.
import { HeatMap } from "../parts/heat_map.js";
import { h, percent } from "../parts/nodes.js";
import { TextPieces } from "../parts/text_pieces.js";

const EMPTY = "The translation appears here.";
// More words than this have no names beside the heat map, and smaller cells.
const NAMED_WORDS = 60;
const LISTED_WORDS = 3;
const LEAST_SHARE = 0.01;

const quoted = (word) => `“${word}”`;

/** Score of a hypothesis in words: log-probability / (number of tokens) ^ penalty. */
function scoreText(score, penalty) {
  if (score === null || score === undefined) return "";
  const number = score.toFixed(3).replace("-", "−");
  return penalty === 1 ? `${percent(Math.exp(score))} a token` : `score ${number}`;
}

function scoreNote(score, penalty) {
  if (score === null || score === undefined) return "";
  const number = score.toFixed(3).replace("-", "−");
  return penalty === 1
    ? `Probability ${percent(Math.exp(score))} a token, geometric mean (mean log-probability ${number}).`
    : `Score ${number}: log-probability divided by length to the power of ${penalty}.`;
}

/** The words with the largest shares, in words. */
function largest(words, shares) {
  const ranks = shares.map((share, index) => [share, index]).filter(([share]) => share >= LEAST_SHARE);
  ranks.sort((a, b) => b[0] - a[0]);
  return ranks.slice(0, LISTED_WORDS).map(([share, index]) => `${quoted(words[index])} ${percent(share)}`).join(", ");
}

class AlignmentPanel {
  constructor() {
    this.source = new TextPieces("Words of the source", (index) => this.pointSource(index));
    this.target = new TextPieces("Words of the target", (index) => this.pointTarget(index));
    this.said = h("p", { class: "hint value", "aria-live": "polite" });
    this.map = new HeatMap((place) => this.readCell(place));
    this.columns = h("div", { class: "words-across", "aria-hidden": "true" });
    this.rows = h("div", { class: "words-down", "aria-hidden": "true" });
    this.cell = h("p", { class: "hint value", "aria-live": "polite" });
    this.grid = h("div", { class: "attention" }, h("span"), this.columns, this.rows, this.map.root);
    this.root = h("section", { class: "panel", "aria-label": "Alignment", hidden: true }, h("h2", {}, "Alignment"),
      h("p", { class: "hint" }, "Point at a word, tap it, or move with the arrow keys, to see by attention which words of the other side belong to it. The deepest has the largest share."),
      h("div", { class: "sides" }, h("h3", {}, "Source"), this.source.root, h("h3", {}, "Target"), this.target.root), this.said,
      h("h3", {}, "Attention"),
      h("p", { class: "hint" }, "Source words from left to right, target words from top to bottom; brighter is more, and each row adds up to 1."),
      h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Heat map of the attention" }, this.grid), this.cell);
  }

  update({ source_words: sources, target_words: targets, attention }) {
    this.root.hidden = !targets?.length || !sources?.length;
    if (this.root.hidden) return;
    Object.assign(this, { sources, targets, attention });
    this.source.update(sources);
    this.target.update(targets);
    this.said.textContent = "";
    this.cell.textContent = "";
    const bySource = sources.map((_, column) => attention.map((row) => row[column]));
    const words = targets.map((word, row) => `${quoted(word)}: ${largest(sources, attention[row])}`);
    this.map.update(bySource, `Attention of each target word. ${words.slice(0, NAMED_WORDS).join("; ")}.`);
    const named = Math.max(sources.length, targets.length) <= NAMED_WORDS;
    this.grid.classList.toggle("unnamed", !named);
    this.grid.style.setProperty("--columns", sources.length);
    this.grid.style.setProperty("--rows", targets.length);
    const names = (all) => (named ? all.map((word) => h("span", { title: word }, word)) : []);
    this.columns.replaceChildren(...names(sources));
    this.rows.replaceChildren(...names(targets));
  }

  pointTarget(index) {
    this.source.shade(index === null ? null : this.attention[index]);
    this.said.textContent = index === null ? ""
      : `${quoted(this.targets[index])} is made from ${largest(this.sources, this.attention[index])}.`;
  }

  pointSource(index) {
    const shares = index === null ? null : this.attention.map((row) => row[index]);
    this.target.shade(shares);
    if (index === null) this.said.textContent = "";
    else {
      const found = largest(this.targets, shares);
      this.said.textContent = found ? `${quoted(this.sources[index])} has a share in ${found}.`
        : `${quoted(this.sources[index])} has a share in no word.`;
    }
  }

  readCell(place) {
    this.cell.textContent = place === null ? ""
      : `${quoted(this.targets[place[1]])} from ${quoted(this.sources[place[0]])}: ${percent(this.attention[place[1]][place[0]])}`;
  }
}

export class Translation {
  constructor(info) {
    this.action = "Translate";
    this.title = "Translation";
    this.penalty = info.outputs.length_penalty ?? 1;
    this.text = h("p", { class: "written", "aria-live": "polite", dir: "auto" }, EMPTY);
    this.score = h("p", { class: "hint" });
    this.list = h("ol", { class: "alternatives", "aria-label": "Alternatives" });
    this.others = h("div", { hidden: true }, h("h3", {}, "Alternatives"), this.list);
    this.root = h("div", { class: "result" }, this.text, this.score, this.others);
    this.alignment = new AlignmentPanel();
    this.below = this.alignment.root;
  }

  show(prediction) {
    this.text.textContent = prediction.text || "The model writes nothing for this text.";
    this.score.textContent = scoreNote(prediction.score, this.penalty);
    this.list.replaceChildren(...(prediction.alternatives ?? []).map(({ text, score }) => h("li", {},
      h("span", { dir: "auto" }, text || "(nothing)"), " ", h("span", { class: "number" }, scoreText(score, this.penalty)))));
    this.others.hidden = !this.list.children.length;
    this.alignment.update(prediction);
  }
}
