// Video: a file or the camera in; the prediction over the picture, and over time.
import { predict } from "../api.js";
import { base64Of } from "../parts/base64.js";
import { ClassBars, verdict } from "../parts/classes.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, h, percent } from "../parts/nodes.js";
import { Status } from "../parts/status.js";
import { timelineChart, timelineTable } from "../parts/timeline.js";
import { fileOfExample } from "./wav.js";
import { Webcam } from "./webcam.js";

const SAY_MS = 1500;
const GATES_MS = 1000;

/** The label with the highest probability, with it. */
function highest(probability) {
  return Object.entries(probability).reduce((best, pair) => (pair[1] > best[1] ? pair : best));
}

/** A picture with the prediction over it. */
class Screen {
  constructor() {
    this.video = h("video", { playsinline: true, "aria-label": "Video" });
    this.video.muted = true;
    this.label = h("span", { class: "label" });
    this.fps = h("span", { class: "fps" });
    this.overlay = h("div", { class: "overlay", hidden: true }, this.label, this.fps);
    this.root = h("div", { class: "screen", hidden: true }, this.video, this.overlay);
  }

  say(probability, fps) {
    this.overlay.hidden = probability === null;
    if (probability === null) return;
    const [label, share] = highest(probability);
    this.label.textContent = `${label} ${percent(share)}`;
    this.fps.textContent = (fps ?? null) === null ? "" : `${fps.toFixed(1)} frames/s`;
  }
}

class VideoView {
  constructor(labels) {
    this.screen = new Screen();
    this.bars = new ClassBars(labels);
    this.said = h("p", { class: "verdict", "aria-live": "polite" }, "Use the camera or a file.");
    this.timeline = h("div", { class: "result" });
    this.note = h("p", { class: "hint", hidden: true });
    this.root = h("div", { class: "result" },
      h("div", { class: "columns-2" }, h("div", {}, this.screen.root, this.note), h("div", {}, this.said, this.bars.root)),
      this.timeline);
  }

  clear() {
    this.stopFollowing?.();
    this.stopFollowing = null;
    this.chart?.destroy();
    this.chart = null;
    this.timeline.replaceChildren();
    this.note.hidden = true;
    this.bars.update(null);
    this.screen.say(null);
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }

  /** Show the prediction of a file, and play it where the browser can. */
  show(prediction, file) {
    this.clear();
    this.said.textContent = verdict(prediction);
    this.bars.update(prediction.probability);
    const { steps } = prediction;
    if (steps?.time.length) {
      this.chart = timelineChart("Prediction over time", steps);
      this.chart.follow(this.screen.video);
      this.timeline.append(h("h3", {}, "Over time"), this.chart.root, timelineTable(steps));
    }
    this.play(file, steps);
  }

  play(file, steps) {
    const { video } = this.screen;
    this.address = URL.createObjectURL(file);
    video.srcObject = null;
    video.controls = true;
    video.loop = true;
    this.screen.root.hidden = false;
    const unplayable = () => {
      this.screen.root.hidden = true;
      this.note.textContent = "This browser cannot play the file; the prediction is of the whole of it.";
      this.note.hidden = false;
    };
    const follow = () => {
      if (steps?.time.length) this.screen.say(this.stepAt(steps, video.currentTime));
    };
    const events = ["timeupdate", "seeked", "loadeddata"];
    for (const name of events) video.addEventListener(name, follow);
    video.addEventListener("error", unplayable);
    let frame = null;
    // Between the few time updates a second, follow each picture.
    const tick = () => {
      if (!video.paused) follow();
      frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
    this.stopFollowing = () => {
      cancelAnimationFrame(frame);
      for (const name of events) video.removeEventListener(name, follow);
      video.removeEventListener("error", unplayable);
      video.pause();
      video.removeAttribute("src");
    };
    video.src = this.address;
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
  }

  /** The running prediction at a time of the video. */
  stepAt({ time, probability }, now) {
    let index = 0;
    while (index + 1 < time.length && time[index + 1] <= now) index += 1;
    return Object.fromEntries(Object.entries(probability).map(([label, values]) => [label, values[index]]));
  }
}

export function mountVideo(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const view = new VideoView(info.outputs.labels ?? []);
  let said = 0;
  let gatesAt = 0;

  /** Show the gates of the camera's last frames, one call after the other. */
  async function showGates() {
    if (!info.gates.length || performance.now() - gatesAt < GATES_MS) return;
    gatesAt = Infinity;
    const pictures = await Promise.all(webcam.recent.map(base64Of));
    if (webcam.running && pictures.length) await gates.show({ input: { pictures } });
    gatesAt = performance.now();
  }

  const webcam = new Webcam(info, view.screen, status, () => {
    view.clear();
    view.said.textContent = "Waiting for the first prediction.";
    said = 0;
    view.screen.root.hidden = false;
  }, (message) => {
    view.screen.say(message.probability, message.fps);
    view.bars.update(message.probability);
    showGates();
    // Screen readers would not finish one of fifteen sentences a second.
    if (performance.now() - said < SAY_MS) return;
    said = performance.now();
    view.said.textContent = verdict(message);
  });

  async function read(file) {
    webcam.stop();
    await call.run(file.name, (options) => predict(info.name, { file }, options), (prediction) => {
      view.show(prediction, file);
      gates.show({ file });
    });
  }

  const example = info.example === null ? null : button("Try an example", () => read(fileOfExample(info.example)));
  const root = h("div", { class: "stack" },
    h("section", { class: "panel", "aria-label": "Input" },
      h("h2", {}, "Your video"), webcam.root,
      dropZone("Or drop or choose a file", info.suffixes, read),
      h("div", { class: "row" }, example, status.root)),
    h("section", { class: "panel", "aria-label": "Prediction" }, h("h2", {}, "Prediction"), view.root));
  return {
    root,
    stop: () => {
      call.stop();
      webcam.stop();
      view.clear();
    },
  };
}
