// Words or sentences of a text, one of which is pointed at: by mouse, touch, focus or arrow keys.
import { h } from "./nodes.js";

const WEAK = 0.08;
const BACK = ["ArrowLeft", "ArrowUp"];
const ON = ["ArrowRight", "ArrowDown"];

export class TextPieces {
  /** `onPoint` gets the number of a piece, or null when none is pointed at any more. */
  constructor(label, onPoint) {
    this.onPoint = onPoint;
    this.pieces = [];
    // One stop of the Tab key; the arrow keys lead to its pieces.
    this.root = h("div", { class: "pieces", role: "listbox", "aria-label": label, "aria-orientation": "horizontal", dir: "auto" });
    this.root.addEventListener("pointerover", ({ target }) => {
      const index = this.pieces.indexOf(target);
      if (index >= 0) this.point(index);
    });
    this.root.addEventListener("pointerleave", () => this.point(this.focused()));
    this.root.addEventListener("focusin", () => this.point(this.focused()));
    this.root.addEventListener("focusout", () => this.point(null));
    this.root.addEventListener("keydown", (event) => this.move(event));
  }

  update(texts) {
    this.pieces = texts.map((text, index) => h("span", {
      class: "piece token for weak", role: "option", "aria-selected": "false", tabindex: index ? "-1" : "0",
    }, text));
    this.root.replaceChildren(...this.pieces.flatMap((piece) => [piece, " "]));
  }

  /** Shade the pieces by values from 0, relative to the largest; null shades none. */
  shade(values) {
    const largest = Math.max(0, ...(values ?? []));
    this.pieces.forEach((piece, index) => {
      const strength = largest ? values[index] / largest : 0;
      piece.style.setProperty("--strength", strength.toFixed(3));
      piece.classList.toggle("weak", strength < WEAK);
    });
  }

  focused() {
    const index = this.pieces.indexOf(document.activeElement);
    return index < 0 ? null : index;
  }

  point(index) {
    this.pieces.forEach((piece, at) => {
      piece.classList.toggle("pointed", at === index);
      piece.setAttribute("aria-selected", String(at === index));
    });
    this.onPoint(index);
  }

  move(event) {
    const { key } = event;
    const from = this.focused();
    if (from === null) return;
    const last = this.pieces.length - 1;
    const to = { Home: 0, End: last }[key] ?? from + Number(ON.includes(key)) - Number(BACK.includes(key));
    if (to === from && key !== "Home" && key !== "End") return;
    event.preventDefault();
    if (to < 0 || to > last) return;
    this.pieces[from].tabIndex = -1;
    this.pieces[to].tabIndex = 0;
    this.pieces[to].focus();
  }
}
