// What is going on: one line for screen readers too, with a spinner or a bar, or an error.
import { h } from "./nodes.js";

export class Status {
  constructor() {
    this.text = h("span");
    this.spinner = h("span", { class: "spinner", "aria-hidden": "true", hidden: true });
    this.bar = h("progress", { max: "1", "aria-label": "Upload", hidden: true });
    this.line = h("p", { class: "status", role: "status" }, this.spinner, this.text, this.bar);
    this.alert = h("p", { class: "error", role: "alert", hidden: true });
    this.root = h("div", { class: "status-place" }, this.line, this.alert);
  }

  /** Say that work runs; `share` from 0 to 1 shows a bar. */
  busy(text, share = null) {
    this.alert.hidden = true;
    if (this.text.textContent !== text) this.text.textContent = text;
    this.bar.hidden = share === null;
    this.spinner.hidden = share !== null;
    if (share !== null) this.bar.value = share;
  }

  say(text) {
    this.clear();
    this.text.textContent = text;
  }

  error(error) {
    this.clear();
    this.alert.textContent = error.message ?? String(error);
    this.alert.hidden = false;
  }

  clear() {
    this.text.textContent = "";
    this.spinner.hidden = true;
    this.bar.hidden = true;
    this.alert.hidden = true;
  }
}

/** What `api` calls while a file travels and is worked on. */
export function uploadProgress(status, what) {
  return (share) => {
    if (share < 1) status.busy(`Sending ${what}`, share);
    else status.busy(`Working on ${what}`);
  };
}
