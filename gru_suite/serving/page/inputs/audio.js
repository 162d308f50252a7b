// Sound: a file or the microphone in; what the model makes of it out.
import { predict } from "../api.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, h } from "../parts/nodes.js";
import { Status } from "../parts/status.js";
import { SoundClasses } from "../sounds/classes.js";
import { Transcript } from "../sounds/transcript.js";
import { LiveAudio } from "./live_audio.js";
import { fileOfExample } from "./wav.js";

const RESULTS = { classes: SoundClasses, transcript: Transcript };

export function mountAudio(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const view = new (RESULTS[info.output_kind] ?? SoundClasses)(info);

  async function read(file) {
    await live.stop();
    await call.run(file.name, (options) => predict(info.name, { file }, options), (prediction) => {
      view.show(prediction, file);
      gates.show({ file });
    });
  }

  const live = new LiveAudio(info, gates, view, status, read);
  const example = info.example === null ? null : button("Try an example", () => read(fileOfExample(info.example)));
  const root = h("div", { class: "stack" },
    h("section", { class: "panel", "aria-label": "Input" },
      h("h2", {}, "Your sound"), live.root,
      dropZone("Or drop or choose a file", info.suffixes, read),
      h("div", { class: "row" }, example, status.root)),
    h("section", { class: "panel", "aria-label": "Prediction" }, h("h2", {}, "Prediction"), view.root));
  return {
    root,
    stop: () => {
      call.stop();
      live.stop();
      view.stop();
    },
  };
}
