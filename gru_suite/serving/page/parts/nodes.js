// Elements. Text enters as text nodes only: nothing that a server or a file says is read as HTML.

let counter = 0;

/** Build an element; `on...` attributes are listeners, null and false ones are left out. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return an id that no other element has. */
export function uniqueId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

export function button(text, onclick, kind = "") {
  return h("button", { type: "button", class: kind, onclick }, text);
}

/** A label and a select with its options; `values` are strings. */
export function labelledSelect(label, values, onchange) {
  const id = uniqueId("select");
  const select = h("select", { id, onchange: () => onchange(select.value) },
    values.map((value) => h("option", { value }, value)));
  return { root: h("span", { class: "field" }, h("label", { for: id }, label), select), select };
}

/** A closed part with a title that opens on click, Enter or Space. */
export function disclosure(title, ...children) {
  return h("details", {}, h("summary", {}, title), ...children);
}

/** Offer text as a file. */
export function download(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
export const seconds = (value) => `${value.toFixed(2)} s`;
export const countOf = (count, noun, nouns = `${noun}s`) => `${count} ${count === 1 ? noun : nouns}`;
