// A place to drop a file, with the file input that the keyboard and phones use.
import { h, uniqueId } from "./nodes.js";

const NAMED_SUFFIXES = 5;

/** The suffixes in a sentence, not all of a long list. */
function suffixText(suffixes) {
  if (!suffixes.length) return "";
  const named = suffixes.slice(0, NAMED_SUFFIXES).join(", ");
  return ` (${named}${suffixes.length > NAMED_SUFFIXES ? " and others" : ""})`;
}

/** Build it; `onFile` gets the first file that is dropped or chosen. */
export function dropZone(what, suffixes, onFile) {
  const id = uniqueId("file");
  const label = `${what}${suffixText(suffixes)}`;
  const input = h("input", {
    id, type: "file", accept: suffixes.join(","),
    onchange: () => {
      if (input.files.length) onFile(input.files[0]);
      input.value = "";
    },
  });
  const zone = h("div", { class: "drop" }, h("label", { for: id }, label), input);
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  });
  return zone;
}
