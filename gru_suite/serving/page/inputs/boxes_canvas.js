// Boxes over a video: drawn with a pointer or typed in, and played back.
import { button, h } from "../parts/nodes.js";

const COLORS = ["#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2"];
const LEAST_PIXELS = 4;
const TRAIL = 40;

/** A video with a transparent layer on which boxes are drawn, in pixels of the video. */
export class BoxesCanvas {
  constructor(onChange) {
    this.onChange = onChange;
    this.boxes = [];
    this.video = h("video", { playsinline: true, "aria-label": "Video", preload: "auto" });
    this.video.muted = true;
    this.layer = h("canvas", { class: "layer", "aria-hidden": "true" });
    this.root = h("div", { class: "screen drawn", hidden: true }, this.video, this.layer);
    for (const name of ["loadeddata", "seeked", "resize"]) this.video.addEventListener(name, () => this.paint());
    this.layer.addEventListener("pointerdown", (event) => this.begin(event));
    this.layer.addEventListener("pointermove", (event) => this.drag(event));
    this.layer.addEventListener("pointerup", () => this.end());
    this.layer.addEventListener("pointercancel", () => this.end());
    this.frame = null;
  }

  /** Load a file and stop at its first frame. */
  load(file, onError) {
    this.stop();
    this.tracks = null;
    this.boxes = [];
    this.address = URL.createObjectURL(file);
    this.video.onerror = onError;
    this.video.controls = false;
    this.video.loop = false;
    this.root.classList.remove("playing");
    this.video.src = this.address;
    this.root.hidden = false;
    this.onChange();
  }

  setBoxes(boxes) {
    this.boxes = boxes;
    this.paint();
  }

  point(event) {
    const area = this.layer.getBoundingClientRect();
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    return [
      clamp(((event.clientX - area.left) / area.width) * this.video.videoWidth, this.video.videoWidth),
      clamp(((event.clientY - area.top) / area.height) * this.video.videoHeight, this.video.videoHeight),
    ];
  }

  begin(event) {
    if (this.tracks || !this.video.videoWidth) return;
    event.preventDefault();
    this.layer.setPointerCapture(event.pointerId);
    this.from = this.point(event);
    this.boxes.push([...this.from, 0, 0]);
  }

  drag(event) {
    if (!this.from) return;
    const [x, y] = this.point(event);
    const [x0, y0] = this.from;
    this.boxes[this.boxes.length - 1] = [Math.min(x, x0), Math.min(y, y0), Math.abs(x - x0), Math.abs(y - y0)];
    this.paint();
  }

  end() {
    if (!this.from) return;
    this.from = null;
    const [, , width, height] = this.boxes.at(-1);
    // A click is no box.
    if (width < LEAST_PIXELS || height < LEAST_PIXELS) this.boxes.pop();
    this.boxes = this.boxes.map((box) => box.map((value) => Math.round(value)));
    this.paint();
    this.onChange();
  }

  /** Play the video with the boxes that were found. */
  play({ time, tracks }) {
    this.tracks = tracks;
    this.time = time;
    this.video.controls = true;
    this.video.loop = true;
    this.root.classList.add("playing");
    const tick = () => {
      this.paint();
      this.frame = requestAnimationFrame(tick);
    };
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(tick);
    this.video.currentTime = 0;
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.video.play().catch(() => {});
  }

  place() {
    let index = 0;
    while (index + 1 < this.time.length && this.time[index + 1] <= this.video.currentTime + 1e-3) index += 1;
    return index;
  }

  paint() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return;
    // As many pixels as the screen has, so that lines and numbers of a small video are sharp.
    const scale = (this.layer.clientWidth * devicePixelRatio) / width || 1;
    const size = [Math.round(width * scale), Math.round(height * scale)];
    if (this.layer.width !== size[0] || this.layer.height !== size[1]) [this.layer.width, this.layer.height] = size;
    const context = this.layer.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineWidth = (2 * devicePixelRatio) / scale;
    context.font = `${(15 * devicePixelRatio) / scale}px system-ui, sans-serif`;
    if (!this.tracks) {
      this.boxes.forEach((box, index) => this.box(context, box, index, true));
      return;
    }
    const now = this.place();
    this.tracks.forEach(({ boxes, visible }, index) => {
      context.strokeStyle = COLORS[index % COLORS.length];
      context.beginPath();
      for (let step = Math.max(0, now - TRAIL); step <= now; step += 1) {
        const [x, y, w, h_] = boxes[step];
        context.lineTo(x + w / 2, y + h_);
      }
      context.stroke();
      this.box(context, boxes[now], index, visible[now] >= 0.5);
    });
  }

  box(context, [x, y, width, height], index, solid) {
    context.strokeStyle = context.fillStyle = COLORS[index % COLORS.length];
    context.setLineDash(solid ? [] : [3 * context.lineWidth, 3 * context.lineWidth]);
    context.strokeRect(x, y, width, height);
    context.setLineDash([]);
    context.fillText(String(index + 1), x + 2, Math.max(y - 3, context.lineWidth + 8));
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.video.pause();
    this.video.removeAttribute("src");
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
    this.root.hidden = true;
  }
}

/** Boxes as numbers, for those who do not draw; `onChange` gets all boxes. */
export class BoxesForm {
  constructor(onChange) {
    this.onChange = onChange;
    this.rows = h("div", { class: "stack" });
    this.root = h("div", {}, this.rows, button("Add a box", () => this.show([...this.boxes, [0, 0, 20, 40]], true)));
    this.boxes = [];
  }

  show(boxes, changed = false) {
    this.boxes = boxes;
    this.rows.replaceChildren(...boxes.map((box, index) => h("fieldset", { class: "row box-row" },
      h("legend", {}, `Box ${index + 1}`),
      ["x", "y", "width", "height"].map((name, place) => h("label", { class: "field" }, name,
        h("input", {
          type: "number", min: 0, step: 1, value: box[place],
          onchange: (event) => {
            this.boxes[index][place] = Number(event.target.value);
            this.onChange(this.boxes);
          },
        }))),
      button(`Remove box ${index + 1}`, () => this.show(this.boxes.filter((_, other) => other !== index), true)))));
    if (changed) this.onChange(this.boxes);
  }
}
