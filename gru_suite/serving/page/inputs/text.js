// Texts: probabilities and the weight of each token while one types.
import { explain, predict } from "../api.js";
import { ClassBars, verdict } from "../parts/classes.js";
import { button, disclosure, h, uniqueId } from "../parts/nodes.js";
import { Status } from "../parts/status.js";

const PAUSE_MS = 150;
const GATES_PAUSE_MS = 400;
const SLOW_MS = 400;

/** Pieces of the text: tokens with their attribution, and what stands between them (null). */
export function textPieces(text, tokens) {
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

export function mountText(info, gates) {
  const status = new Status();
  const bars = new ClassBars(info.outputs.labels ?? []);
  const tokens = new TokenView();
  const result = h("p", { class: "verdict", "aria-live": "polite" }, "Type or paste a text.");
  const id = uniqueId("text");
  let timer = null;
  let gatesTimer = null;
  let call = null;

  async function classify(text, signal) {
    const source = { input: text };
    // An explanation tells the probability of its label alone.
    const calls = [predict(info.name, source, { signal })];
    if (info.explains) calls.push(explain(info.name, source, { signal }));
    const [prediction, reasons] = await Promise.all(calls);
    return { ...reasons, ...prediction };
  }

  async function update() {
    call?.abort();
    const text = area.value;
    if (!text.trim()) {
      result.textContent = "Type or paste a text.";
      bars.update(null);
      tokens.root.hidden = true;
      status.clear();
      return;
    }
    call = new AbortController();
    const { signal } = call;
    // Most answers come before this: no spinner, and no announcement, for each letter.
    const late = setTimeout(() => status.busy("Working on the text"), SLOW_MS);
    try {
      const answer = await classify(text, signal);
      // An abort after the last byte no longer stops the call.
      if (signal.aborted) return;
      status.clear();
      bars.update(answer.probability);
      result.textContent = verdict(answer);
      if (answer.tokens) tokens.update(answer);
      gatesTimer = setTimeout(() => gates.show({ input: text }), GATES_PAUSE_MS);
    } catch (error) {
      if (error.name !== "AbortError") status.error(error);
    } finally {
      clearTimeout(late);
    }
  }

  const area = h("textarea", {
    id, rows: "5", maxlength: info.inputs.max_characters ?? null,
    oninput: () => {
      clearTimeout(timer);
      clearTimeout(gatesTimer);
      timer = setTimeout(update, PAUSE_MS);
    },
  });
  const example = info.example === null ? null : button("Try an example", () => {
    area.value = info.example;
    update();
  });
  addEventListener("server-back", update);
  const root = h("div", { class: "columns-2" },
    h("section", { class: "panel", "aria-label": "Input" }, h("h2", {}, "Your text"),
      h("label", { for: id }, "Text"), area, h("div", { class: "row" }, example, status.root), tokens.root),
    h("section", { class: "panel", "aria-label": "Prediction" }, h("h2", {}, "Prediction"), result, bars.root));
  return {
    root,
    stop: () => {
      removeEventListener("server-back", update);
      clearTimeout(timer);
      clearTimeout(gatesTimer);
      call?.abort();
    },
  };
}
