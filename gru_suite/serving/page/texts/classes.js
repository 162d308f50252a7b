// Classes of a text: probabilities, and the weight of each token.
import { explain, predict } from "../api.js";
import { ClassBars, verdict } from "../parts/classes.js";
import { disclosure, h } from "../parts/nodes.js";

const EMPTY = "Type or paste a text.";

/** Pieces of the text: tokens with their attribution, and what stands between them (null). */
function textPieces(text, tokens) {
  // Places count characters, not the 16-bit units of JavaScript.
  const characters = Array.from(text);
  const pieces = [];
  let at = 0;
  for (const { start, end, attribution } of tokens) {
    if (start > at) pieces.push({ text: characters.slice(at, start).join(""), attribution: null });
    if (end > Math.max(start, at)) pieces.push({ text: characters.slice(Math.max(start, at), end).join(""), attribution });
    at = Math.max(at, end);
  }
  if (at < characters.length) pieces.push({ text: characters.slice(at).join(""), attribution: null });
  return pieces;
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

function tokenNode({ text, attribution }, largest) {
  if (attribution === null) return text;
  const strength = largest ? Math.abs(attribution) / largest : 0;
  const node = h("span", { class: `token ${attribution < 0 ? "against" : "for"}`, title: signed(attribution) }, text);
  node.style.setProperty("--strength", strength.toFixed(3));
  if (strength < 0.08) node.classList.add("weak");
  return node;
}

class TokenView {
  constructor() {
    this.text = h("p", { class: "tokens" });
    this.table = h("tbody");
    this.legend = h("p", { class: "hint legend" });
    this.root = h("div", { hidden: true }, h("h3", {}, "Weight of each token"), this.text, this.legend,
      disclosure("Weights as a table", h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "token"), h("th", { scope: "col" }, "weight"))), this.table)));
  }

  update({ text, tokens, label }) {
    const pieces = textPieces(text, tokens);
    const largest = Math.max(0, ...tokens.map(({ attribution }) => Math.abs(attribution)));
    this.text.replaceChildren(...pieces.map((piece) => tokenNode(piece, largest)));
    this.legend.replaceChildren(
      h("span", { class: "token for" }, "solid underline"), ` speaks for ${label}, `,
      h("span", { class: "token against" }, "dashed underline"), " against it; a deeper colour and a thicker line weigh more.");
    for (const node of this.legend.querySelectorAll(".token")) node.style.setProperty("--strength", "0.7");
    const weighed = pieces.filter(({ attribution }) => attribution !== null);
    weighed.sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
    this.table.replaceChildren(...weighed.slice(0, 200).map((piece) => h("tr", {}, h("th", { scope: "row" }, piece.text), h("td", {}, signed(piece.attribution)))));
    this.root.hidden = false;
  }
}

export class TextClasses {
  constructor(info) {
    this.info = info;
    this.bars = new ClassBars(info.outputs.labels ?? []);
    this.tokens = new TokenView();
    this.said = h("p", { class: "verdict", "aria-live": "polite" }, EMPTY);
    this.root = h("div", {}, this.said, this.bars.root);
    this.aside = this.tokens.root;
  }

  async predict(source, { signal }) {
    // An explanation tells the probability of its label alone.
    const calls = [predict(this.info.name, source, { signal })];
    if (this.info.explains) calls.push(explain(this.info.name, source, { signal }));
    const [prediction, reasons] = await Promise.all(calls);
    return { ...reasons, ...prediction };
  }

  show(answer) {
    this.bars.update(answer.probability);
    this.said.textContent = verdict(answer);
    if (answer.tokens) this.tokens.update(answer);
  }

  clear() {
    this.said.textContent = EMPTY;
    this.bars.update(null);
    this.tokens.root.hidden = true;
  }
}
