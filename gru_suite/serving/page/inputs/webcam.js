// The camera as JPEG frames through a stream; the running prediction stands over the picture.
import { openStream } from "../api.js";
import { openDevice } from "./microphone.js";
import { button, h } from "../parts/nodes.js";

const MOST_UNANSWERED = 2;
const USUAL_FPS = 15;
// A server that does not answer for this long gets the next frame all the same.
const PATIENCE_MS = 3000;
const QUALITY = 0.85;

export class Webcam {
  /**
   * `screen` shows picture and overlay, `onPrediction` gets each message with a prediction;
   * `recent` holds the frames of the last clip.
   */
  constructor(info, screen, status, onStart, onPrediction) {
    Object.assign(this, { info, screen, status, onStart, onPrediction });
    this.button = button("Use the camera", () => (this.running ? this.stop() : this.start()), "primary");
    this.root = h("div", { class: "row" }, this.button);
    const [height, width] = info.inputs.size;
    this.small = h("canvas", { width: 2 * width, height: 2 * height });
    this.running = false;
    this.recent = [];
  }

  async start() {
    this.button.disabled = true;
    this.status.busy("Waiting for the camera");
    try {
      this.media = await openDevice({ video: { facingMode: "user", width: { ideal: 640 } } });
    } catch (error) {
      this.status.error(error);
      this.button.disabled = false;
      return;
    }
    this.onStart();
    const { video } = this.screen;
    video.removeAttribute("src");
    video.controls = false;
    video.muted = true;
    video.srcObject = this.media;
    await video.play().catch(() => {});
    this.sent = this.answered = this.refused = 0;
    this.recent = [];
    this.running = true;
    this.socket = openStream(this.info.name, (message) => this.hear(message), (sentence) => this.lose(sentence));
    this.button.textContent = "Stop";
    this.button.disabled = false;
    this.status.busy("Connecting");
  }

  hear(message) {
    if (message.type === "ready") {
      this.status.say("The camera is on.");
      this.last = performance.now();
      this.timer = setInterval(() => this.sendFrame(), 1000 / (this.info.live?.fps || USUAL_FPS));
      return;
    }
    this.last = performance.now();
    if (message.type === "error") {
      this.refused += 1;
      this.status.error(new Error(message.error));
      return;
    }
    this.answered = Math.max(this.answered, message.chunks);
    if (this.running) this.onPrediction(message);
  }

  sendFrame() {
    const { video } = this.screen;
    const late = performance.now() - this.last > PATIENCE_MS;
    if (this.sent - this.answered - this.refused >= MOST_UNANSWERED && !late) return;
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || this.socket.readyState !== WebSocket.OPEN) return;
    this.last = late ? performance.now() : this.last;
    this.sent += 1;
    this.fit(video);
    this.small.toBlob((blob) => {
      if (!blob || this.socket.readyState !== WebSocket.OPEN) return;
      this.socket.send(blob);
      this.recent = [...this.recent, blob].slice(-this.info.inputs.num_frames);
    }, "image/jpeg", QUALITY);
  }

  /** Draw the picture at twice the size of the model's, in its own shape. */
  fit(video) {
    const [height, width] = this.info.inputs.size;
    const scale = Math.min(1, Math.max((2 * width) / video.videoWidth, (2 * height) / video.videoHeight));
    const size = [Math.round(scale * video.videoWidth), Math.round(scale * video.videoHeight)];
    if (this.small.width !== size[0] || this.small.height !== size[1]) [this.small.width, this.small.height] = size;
    this.small.getContext("2d").drawImage(video, 0, 0, ...size);
  }

  lose(sentence) {
    if (!this.running) return;
    this.stop();
    if (sentence !== null) this.status.error(new Error(`${sentence} The camera is off; you can start again.`));
  }

  stop() {
    if (!this.running) return;
    this.running = false;
    clearInterval(this.timer);
    this.socket.close(1000);
    for (const track of this.media.getTracks()) track.stop();
    this.screen.video.srcObject = null;
    this.button.textContent = "Use the camera";
    this.status.say("The camera is off.");
  }
}
