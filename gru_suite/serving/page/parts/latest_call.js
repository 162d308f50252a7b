// Calls of which the last one counts, and what the status says of it.
import { uploadProgress } from "./status.js";

export class LatestCall {
  constructor(status) {
    this.status = status;
    this.controller = null;
    this.failed = false;
  }

  /**
   * Run `work({signal, onUpload})` on `what`, then `show` its answer; an earlier call is stopped.
   *
   * The status says that work runs after `quiet` milliseconds.
   */
  async run(what, work, show, quiet = 0) {
    this.stop();
    this.controller = new AbortController();
    this.failed = false;
    const { signal } = this.controller;
    const busy = () => this.status.busy(`Working on ${what}`);
    const late = quiet ? setTimeout(busy, quiet) : null;
    if (!quiet) busy();
    try {
      const answer = await work({ signal, onUpload: uploadProgress(this.status, what) });
      // An abort after the last byte no longer stops the call.
      if (signal.aborted) return;
      this.status.clear();
      show(answer);
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      this.failed = true;
      this.status.error(error);
    } finally {
      clearTimeout(late);
    }
  }

  stop() {
    this.controller?.abort();
  }
}
