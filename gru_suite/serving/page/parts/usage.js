// How programs use the model: Python by the checkpoint, and the server from a shell or by httpx.
import { storedToken } from "../api.js";
import { button, h } from "./nodes.js";

/** The body of a request, as JSON that is Python too; null where a file is sent. */
function exampleBody({ input_kind: kind, example }) {
  if (kind === "numbers") return '{"input": [[0.1, 0.2], [0.3, 0.4]]}';
  return kind === "text" ? `{"input": ${JSON.stringify(example ?? "a text")}}` : null;
}

async function copy(text, block, said) {
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = "Copied.";
  } catch {
    // Only pages by https or of this machine may write to the clipboard: select it instead.
    getSelection().selectAllChildren(block);
    said.textContent = "Selected. Copy it with Ctrl+C.";
  }
}

function codeBlock(title, lines) {
  const text = lines.join("\n");
  const block = h("pre", { tabindex: "0", "aria-label": title }, h("code", {}, text));
  const said = h("span", { class: "hint", role: "status" });
  return h("div", { class: "code" },
    h("div", { class: "row" }, h("h3", {}, title),
      h("button", { type: "button", "aria-label": `Copy: ${title}`, onclick: () => copy(text, block, said) }, "Copy"), said),
    block);
}

export function usagePart(info) {
  const address = new URL(`v1/models/${encodeURIComponent(info.name)}/predict`, new URL(".", location.href)).href;
  const json = exampleBody(info);
  const file = `example${info.suffixes[0] ?? ""}`;
  const token = storedToken() !== null;
  const shell = ["curl -s", ...(token ? ['-H "Authorization: Bearer $TOKEN"'] : [])];
  const python = token ? ', headers={"Authorization": f"Bearer {token}"}' : "";
  if (json) {
    shell.push("-H 'Content-Type: application/json'", `-d '${json.replaceAll("'", "'\\''")}'`, `'${address}'`);
  } else {
    shell.push(`-F 'files=@${file}'`, `'${address}'`);
  }
  const client = json
    ? ["import httpx", "", `answer = httpx.post("${address}", json=${json}${python})`]
    : ["import httpx", "", `with open("${file}", "rb") as file:`, `    answer = httpx.post("${address}", files={"files": file}${python})`];
  return [
    ...(info.usage.length ? [codeBlock("Python, with the checkpoint", info.usage)] : []),
    codeBlock("Shell, by this server", [shell.join(" \\\n  ")]),
    codeBlock("Python, by this server", [...client, 'print(answer.json()["predictions"])']),
  ];
}
