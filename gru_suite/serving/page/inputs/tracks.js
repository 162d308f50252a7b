// Tracking: a video, boxes in its first frame, and where they go.
import { predict } from "../api.js";
import { base64Of } from "../parts/base64.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, countOf, disclosure, download, h, percent, seconds } from "../parts/nodes.js";
import { Status } from "../parts/status.js";
import { BoxesCanvas, BoxesForm } from "./boxes_canvas.js";
import { fileOfExample } from "./wav.js";

const MOST_ROWS = 400;

function tableOf({ time, tracks }) {
  const every = Math.ceil((time.length * tracks.length) / MOST_ROWS);
  const titles = ["object", "time", "x", "y", "width", "height", "visible"];
  const rows = tracks.flatMap(({ boxes, visible }, index) => boxes
    .map((box, step) => [String(index + 1), seconds(time[step]), ...box.map((value) => value.toFixed(1)), percent(visible[step])])
    .filter((_, step) => step % every === 0));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the boxes" },
    h("table", {}, h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

function csvOf({ time, tracks }) {
  const rows = tracks.flatMap(({ boxes, visible }, index) => boxes
    .map((box, step) => [index, step, time[step], ...box, visible[step]].join(",")));
  return `${["object,frame,seconds,x,y,width,height,visible", ...rows].join("\n")}\n`;
}

export function mountTracks(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const said = h("p", { class: "verdict", "aria-live": "polite" }, "Choose a video, then draw a box around what to follow.");
  const result = h("div", { class: "result" });
  let file = null;

  const form = new BoxesForm((boxes) => {
    screen.setBoxes(boxes);
    follow.disabled = !boxes.length;
  });
  const screen = new BoxesCanvas(() => {
    form.show(screen.boxes);
    follow.disabled = !screen.boxes.length;
  });
  const follow = button("Follow", () => run(), "primary");
  follow.disabled = true;
  const again = button("Other boxes", () => read(file));
  again.hidden = true;

  function read(chosen) {
    call.stop();
    file = chosen;
    again.hidden = true;
    result.replaceChildren();
    said.textContent = "Draw a box around what to follow in the first frame; several are followed at once.";
    screen.load(file, () => {
      screen.root.hidden = true;
      said.textContent = "This browser cannot show the file: type the boxes in.";
    });
    status.say(file.name);
  }

  async function run() {
    const input = { video: { name: file.name, base64: await base64Of(file) }, boxes: screen.boxes };
    await call.run(file.name, (options) => predict(info.name, { input }, options), (prediction) => {
      const { tracks, time } = prediction;
      const lost = tracks.filter(({ visible }) => visible.at(-1) < 0.5).length;
      said.textContent = `Followed ${countOf(tracks.length, "object")} through ${countOf(time.length, "frame")}`
        + `${lost ? `; ${lost} not to be seen at the end` : ""}.`;
      screen.play(prediction);
      again.hidden = false;
      result.replaceChildren(
        h("div", { class: "row" }, button("Boxes (.csv)", () => download("tracks.csv", csvOf(prediction)))),
        disclosure("Boxes as a table", tableOf(prediction)));
      gates.show({ input });
    });
  }

  const example = info.example === null ? null : button("Try an example", () => {
    read(fileOfExample(info.example.video));
    screen.boxes = info.example.boxes.map((box) => [...box]);
    form.show(screen.boxes, true);
  });
  const root = h("div", { class: "stack" },
    h("section", { class: "panel", "aria-label": "Input" }, h("h2", {}, "Your video"),
      dropZone("Drop or choose a file", info.suffixes, read),
      h("div", { class: "row" }, example, status.root)),
    h("section", { class: "panel", "aria-label": "Prediction" }, h("h2", {}, "What to follow"),
      said, screen.root, h("div", { class: "row" }, follow, again), disclosure("Boxes as numbers, in pixels", form.root), result));
  return {
    root,
    stop: () => {
      call.stop();
      screen.stop();
    },
  };
}
