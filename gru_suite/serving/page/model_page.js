// One model: what it does, its input and prediction, its gates, its card, and how programs use it.
import { describeModel } from "./api.js";
import { mountAudio } from "./inputs/audio.js";
import { mountTable } from "./inputs/forecast.js";
import { mountNumbers } from "./inputs/numbers.js";
import { mountText } from "./inputs/text.js";
import { mountTracks } from "./inputs/tracks.js";
import { mountVideo } from "./inputs/video.js";
import { markdownNodes } from "./parts/card.js";
import { GatesPanel } from "./parts/gates.js";
import { countOf, disclosure, h } from "./parts/nodes.js";
import { usagePart } from "./parts/usage.js";

const INPUTS = { text: mountText, table: mountTable, audio: mountAudio, video: mountVideo };
const OUTPUTS = { tracks: mountTracks };
const NAMED_CLASSES = 12;

function classSentence(what, labels) {
  if (!labels) return `${what}.`;
  const names = labels.slice(0, NAMED_CLASSES).join(", ");
  const rest = labels.length - NAMED_CLASSES;
  return `${what} to one of ${countOf(labels.length, "class", "classes")}: ${names}${rest > 0 ? ` and ${rest} more` : ""}.`;
}

/** What the model does, in one sentence. */
function sentence({ input_kind: kind, inputs, outputs, output_kind: output, task }) {
  if (output === "forecast") {
    return `Forecasts the next ${countOf(outputs.horizon, "step")} of ${outputs.targets.join(", ")} `
      + `from up to ${countOf(inputs.lookback, "past step")} of each series.`;
  }
  if (output === "translation") return `Writes the target of a source text of at most ${countOf(inputs.max_tokens, "token")}.`;
  if (output === "summary") {
    return `Summarises a text by ${outputs.num_sentences ? `at most ${countOf(outputs.num_sentences, "sentence")}` : "sentences"} of it.`;
  }
  if (output === "tracks") return "Follows an object through a video, from its box in the first frame.";
  if (output === "transcript") return `Writes what is said in a recording of at most ${inputs.max_seconds} s.`;
  if (output !== "classes") return `Predicts by the task ${task}.`;
  const what = {
    text: "Assigns a text",
    audio: `Assigns ${inputs.clip_seconds} s of sound`,
    video: `Assigns a video clip of ${inputs.num_frames} frames`,
    numbers: "Assigns a sequence of numbers",
  }[kind] ?? "Assigns a file";
  return classSentence(what, outputs.labels);
}

/** Return the page as {root, stop}; `stop` ends microphone, camera and streams. */
export async function showModel(name) {
  const info = await describeModel(name);
  const gates = new GatesPanel(info);
  const input = (OUTPUTS[info.output_kind] ?? INPUTS[info.input_kind] ?? mountNumbers)(info, gates);
  const card = info.card?.markdown
    ? disclosure("Model card", h("div", { class: "card" }, markdownNodes(info.card.markdown, 2))) : null;
  const root = h("article", {},
    h("header", { class: "intro" },
      h("h1", { tabindex: "-1" }, name),
      h("p", { class: "facts" }, `${info.task.replaceAll("_", " ")}, ${info.file}, version ${info.version}`),
      h("p", {}, sentence(info))),
    input.root,
    gates.root,
    h("section", { class: "panel", "aria-label": "About the model" },
      card, disclosure("Use it in Python or from a shell", usagePart(info))));
  return { root, stop: () => { input.stop?.(); gates.stop(); } };
}
