// The player of a recording that was sent.
import { h } from "./nodes.js";

export class Player {
  constructor() {
    this.root = h("audio", { controls: true, hidden: true, "aria-label": "The recording" });
  }

  hide() {
    this.root.hidden = true;
  }

  play(file) {
    this.stop();
    this.address = URL.createObjectURL(file);
    this.root.src = this.address;
    this.root.hidden = false;
  }

  stop() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }
}
