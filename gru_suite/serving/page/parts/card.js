// The part of Markdown that model cards use, as nodes: headings, lists, tables, code, rules, quotes.
import { h } from "./nodes.js";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/;

/** Text with `code`, **strong** and [links](https://...). */
function inline(text) {
  return text.split(INLINE).filter(Boolean).map((piece) => {
    if (piece.startsWith("`") && piece.length > 2) return h("code", {}, piece.slice(1, -1));
    if (piece.startsWith("**") && piece.length > 4) return h("strong", {}, inline(piece.slice(2, -2)));
    const link = piece.match(/^\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)$/);
    return link ? h("a", { href: link[2], rel: "noopener noreferrer" }, link[1]) : piece;
  });
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
const isTableRule = (line) => /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(line ?? "") && (line ?? "").includes("|");
const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;

function table(lines) {
  const rows = lines.filter((_, index) => index !== 1).map(cells);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, h("table", {},
    h("thead", {}, h("tr", {}, rows[0].map((cell) => h("th", { scope: "col" }, inline(cell))))),
    h("tbody", {}, rows.slice(1).map((row) => h("tr", {}, row.map((cell) => h("td", {}, inline(cell))))))));
}

/** Return the nodes of a document; its first heading becomes one of `depth` + 1. */
export function markdownNodes(markdown, depth = 0) {
  const lines = markdown.replaceAll("\r\n", "\n").split("\n");
  const nodes = [];
  let at = 0;
  // Take lines from `at` on while they fit.
  const take = (fits) => {
    const from = at;
    while (at < lines.length && fits(lines[at], at)) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = line.match(/^(#{1,6})\s+(.*?)\s*#*$/);
    if (!line.trim() || /^\s*<!--.*-->\s*$/.test(line)) {
      at += 1;
    } else if (line.startsWith("```")) {
      at += 1;
      nodes.push(h("pre", { tabindex: "0" }, h("code", {}, take((other) => !other.startsWith("```")).join("\n"))));
      at += 1;
    } else if (heading) {
      nodes.push(h(`h${Math.min(6, heading[1].length + depth)}`, {}, inline(heading[2])));
      at += 1;
    } else if (at === 0 && line === "---") {
      at += 1;
      nodes.push(h("pre", { tabindex: "0" }, h("code", {}, take((other) => other !== "---").join("\n"))));
      at += 1;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      nodes.push(h("hr"));
      at += 1;
    } else if (line.includes("|") && isTableRule(lines[at + 1])) {
      nodes.push(table(take((other) => other.includes("|"))));
    } else if (ITEM.test(line)) {
      const ordered = line.match(ITEM)[1] !== undefined;
      const items = [];
      for (const other of take((next) => ITEM.test(next) || (/^\s+\S/.test(next)))) {
        const match = other.match(ITEM);
        if (match) items.push(match[2]);
        else items[items.length - 1] += ` ${other.trim()}`;
      }
      nodes.push(h(ordered ? "ol" : "ul", {}, items.map((item) => h("li", {}, inline(item)))));
    } else if (line.startsWith(">")) {
      nodes.push(h("blockquote", {}, inline(take((other) => other.startsWith(">")).map((other) => other.slice(1).trim()).join(" "))));
    } else {
      const first = at;
      const text = take((other, index) => index === first
        || (other.trim() && !/^(#{1,6}\s|```|>)/.test(other) && !ITEM.test(other) && !isTableRule(lines[index + 1])));
      nodes.push(h("p", {}, inline(text.join(" "))));
    }
  }
  return nodes;
}
