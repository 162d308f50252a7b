// The microphone, streamed while it records; a checkpoint that looks ahead gets the recording at the end.
import { openStream } from "../api.js";
import { button, h } from "../parts/nodes.js";
import { Waveform } from "../parts/waveform.js";
import { openMicrophone } from "./microphone.js";
import { joinPieces, wavFile } from "./wav.js";

const GATES_MS = 700;
const GATES_SECONDS = 3;
const CLOSE_MS = 4000;
// Pieces that wait for the server longer than this are not sent: it would only fall further behind.
const MOST_WAITING_SECONDS = 3;

/** The stream of one recording: sends pieces, hands messages on, and ends by the last prediction. */
class Stream {
  constructor(info, onMessage, onLost) {
    this.mostWaiting = 2 * MOST_WAITING_SECONDS * info.inputs.sample_rate_hz;
    this.waiting = [];
    this.ready = false;
    this.closed = new Promise((resolve) => { this.finish = resolve; });
    this.socket = openStream(info.name, (message) => {
      if (message.type === "ready") {
        this.ready = true;
        for (const piece of this.waiting.splice(0)) this.socket.send(piece);
      } else onMessage(message);
    }, (sentence) => {
      this.finish();
      if (sentence !== null && !this.ended) onLost(sentence);
    });
  }

  send(piece) {
    if (!this.ready) this.waiting.push(piece);
    else if (this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < this.mostWaiting) this.socket.send(piece);
  }

  async end() {
    this.ended = true;
    if (this.ready && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "end" }));
      await Promise.race([this.closed, new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
    }
    this.socket.close();
  }
}

export class LiveAudio {
  /** `onRecording` gets the WAV file of a checkpoint that looks ahead. */
  constructor(info, gates, view, status, onRecording) {
    Object.assign(this, { info, gates, view, status, onRecording });
    this.rate = info.inputs.sample_rate_hz;
    // Of a stream the part that the gates are shown of.
    this.clip = info.inputs.clip_seconds ?? GATES_SECONDS;
    this.keep = info.streams ? this.clip : info.inputs.max_seconds;
    this.button = button("Use the microphone", () => (this.microphone ? this.stop() : this.start()), "primary");
    this.place = h("div");
    this.root = h("div", {},
      info.streams ? null : h("p", { class: "notice" }, `${info.stream_reason}. It records until you stop, `
        + `${info.inputs.max_seconds} s at most, and predicts then.`),
      h("div", { class: "row" }, this.button), this.place);
  }

  async start() {
    this.button.disabled = true;
    this.status.busy("Waiting for the microphone");
    this.pieces = [];
    this.kept = 0;
    this.wave = new Waveform(this.rate);
    this.place.replaceChildren(this.wave.root);
    this.view.clear();
    this.gatesBusy = false;
    try {
      this.microphone = await openMicrophone(this.rate, (piece) => this.take(piece));
    } catch (error) {
      this.place.replaceChildren();
      this.status.error(error);
      this.button.disabled = false;
      return;
    }
    if (this.info.streams) {
      this.stream = new Stream(this.info, (message) => this.hear(message), (sentence) => this.lose(sentence));
      if (this.info.gates.length) this.timer = setInterval(() => this.showGates(), GATES_MS);
    }
    this.status.say(this.info.streams ? "Listening." : "Recording.");
    this.button.textContent = "Stop";
    this.button.disabled = false;
  }

  take(piece) {
    this.wave.push(piece);
    this.pieces.push(piece);
    this.kept += piece.length;
    const most = this.keep * this.rate;
    if (this.info.streams) {
      while (this.kept - this.pieces[0].length >= most) this.kept -= this.pieces.shift().length;
      this.stream?.send(piece);
    } else if (this.kept >= most && this.microphone) this.stop();
  }

  hear(message) {
    if (message.type === "error") {
      this.status.error(new Error(message.error));
      return;
    }
    this.view.hear(message);
  }

  async showGates() {
    if (this.gatesBusy || !this.pieces.length) return;
    this.gatesBusy = true;
    const clip = joinPieces(this.pieces, Math.round(this.clip * this.rate));
    await this.gates.show({ file: wavFile(clip, this.rate) });
    this.gatesBusy = false;
  }

  async lose(sentence) {
    await this.stop();
    this.status.error(new Error(`${sentence} The microphone is off; you can start again.`));
  }

  async stop() {
    const { microphone, stream } = this;
    if (!microphone) return;
    this.microphone = null;
    this.button.disabled = true;
    clearInterval(this.timer);
    await microphone.stop();
    this.wave.stop();
    await stream?.end();
    this.view.end?.();
    this.stream = null;
    this.status.say("The microphone is off.");
    this.button.textContent = "Use the microphone";
    this.button.disabled = false;
    if (!this.info.streams && this.kept) this.onRecording(wavFile(joinPieces(this.pieces, Math.round(this.keep * this.rate)), this.rate));
  }
}
