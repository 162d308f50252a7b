// Texts: a box and a file in; what is shown of the prediction depends on the kind of output.
import { predict } from "../api.js";
import { dropZone } from "../parts/drop_zone.js";
import { LatestCall } from "../parts/latest_call.js";
import { button, h, uniqueId } from "../parts/nodes.js";
import { PlainResult } from "../parts/plain_result.js";
import { Status } from "../parts/status.js";
import { textOfFile } from "../parts/text_file.js";
import { TextClasses } from "../texts/classes.js";
import { Summary } from "../texts/summary.js";
import { Translation } from "../texts/translation.js";

const PAUSE_MS = 150;
const GATES_PAUSE_MS = 400;
const SLOW_MS = 400;

/*
 * A result has `root`, which stands beside the box, and show(prediction). It may have `action` (text of
 * the button; without one it follows the typing), `title`, `aside` (below the box), `below` (further
 * panels), clear(), and predict(source, options), where one request is not enough.
 */
const RESULTS = { classes: TextClasses, translation: Translation, summary: Summary };

function newResult(info) {
  const kind = RESULTS[info.output_kind];
  return kind ? new kind(info) : Object.assign(new PlainResult(info), { action: "Predict" });
}

export function mountText(info, gates) {
  const status = new Status();
  const call = new LatestCall(status);
  const result = newResult(info);
  const live = !result.action;
  const id = uniqueId("text");
  let timer = null;
  let gatesTimer = null;
  let again = () => {};

  function run(source, what) {
    again = () => run(source, what);
    const work = (options) => (result.predict ? result.predict(source, options) : predict(info.name, source, options));
    clearTimeout(timer);
    clearTimeout(gatesTimer);
    // Most answers come before SLOW_MS: no spinner, and no announcement, for each letter.
    return call.run(what, work, (prediction) => {
      result.show(prediction);
      gatesTimer = setTimeout(() => gates.show(source), live ? GATES_PAUSE_MS : 0);
    }, SLOW_MS);
  }

  function update() {
    if (area.value.trim()) return run({ input: area.value }, "the text");
    call.stop();
    status.clear();
    clearTimeout(gatesTimer);
    if (live) result.clear?.();
    else status.error(new Error("Type or paste a text first."));
    return null;
  }

  async function read(file) {
    if (!file.name.toLowerCase().endsWith(".txt")) {
      run({ file }, file.name);
      return;
    }
    try {
      area.value = await textOfFile(file, info.inputs.max_characters);
      update();
    } catch (error) {
      call.stop();
      status.error(error);
    }
  }

  const area = h("textarea", {
    id, rows: live ? "5" : "7", dir: "auto",
    oninput: () => {
      clearTimeout(timer);
      clearTimeout(gatesTimer);
      if (live) timer = setTimeout(update, PAUSE_MS);
    },
    onkeydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) update();
    },
  });
  const example = info.example === null ? null : button("Try an example", () => {
    area.value = info.example;
    update();
  });
  const start = live ? null : [button(result.action, update, "primary"), h("span", { class: "hint keys" }, "or Ctrl+Enter")];
  const serverBack = () => {
    if (call.failed) again();
  };
  addEventListener("server-back", serverBack);
  const title = result.title ?? "Prediction";
  const root = h("div", { class: "stack" },
    h("div", { class: "columns-2" },
      h("section", { class: "panel", "aria-label": "Input" }, h("h2", {}, "Your text"),
        h("label", { for: id }, "Text"), area, h("div", { class: "row" }, start, example, status.root),
        result.aside, info.suffixes.length ? dropZone("Or drop or choose a file", info.suffixes, read) : null),
      h("section", { class: "panel", "aria-label": title }, h("h2", {}, title), result.root)),
    result.below);
  return {
    root,
    stop: () => {
      removeEventListener("server-back", serverBack);
      clearTimeout(timer);
      clearTimeout(gatesTimer);
      call.stop();
    },
  };
}
