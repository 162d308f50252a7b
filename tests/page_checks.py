"""What tests of the page look at: painted canvases, and names of what one can operate."""

from typing import Any

# Beside a probability bar without a prediction.
NO_NUMBER = "\N{EN DASH}"

# Different colours among the pixels of a canvas, at most 1000.
_COLOURS = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let at = 0; at < data.length && found.size < 1000; at += 4) {
    found.add(data.slice(at, at + 4).join());
  }
  return found.size;
}"""
# Visible controls without a name, pictures without a text, and ids that two elements have.
_UNNAMED = """() => {
  const shown = (node) => node.offsetParent !== null || node.getClientRects().length > 0;
  const label = (node) => (node.getAttribute("aria-label") || "").trim();
  const problems = [];
  for (const node of document.querySelectorAll("input, select, textarea, meter, progress")) {
    if (shown(node) && !label(node) && !node.labels?.length) problems.push(node.outerHTML);
  }
  for (const node of document.querySelectorAll("button, a, summary")) {
    if (shown(node) && !label(node) && !node.textContent.trim()) problems.push(node.outerHTML);
  }
  for (const node of document.querySelectorAll(
    "[role=img], [role=region], nav, section, video, audio")) {
    if (shown(node) && !label(node)) problems.push(node.outerHTML.slice(0, 200));
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  problems.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `two of id ${id}`));
  for (const name of ["main", "nav", "h1"]) {
    if (document.querySelectorAll(name).length !== 1) problems.push(`not one ${name}`);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(shown);
  levels.reduce((last, node) => {
    const level = Number(node.tagName[1]);
    if (level > last + 1) problems.push(`heading ${level} after ${last}: ${node.textContent}`);
    return level;
  }, 0);
  return problems;
}"""

# Texts whose contrast with their ground is below 4.5, and the contrast; not those over a picture.
_LOW_CONTRAST = """() => {
  const numbers = (color) => { const all = color.match(/[\\d.]+/g).map(Number); return all.length === 4 ? all : [...all, 1]; };
  const luminance = (color) => {
    const [red, green, blue] = color.map((value) => value / 255)
      .map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(numbers(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, layer) => below.map((value, at) => value * (1 - layer[3]) + layer[at] * layer[3]), [255, 255, 255]);
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const node = walker.currentNode.parentElement;
    if (!text || !node.getClientRects().length || node.closest(".overlay")) continue;
    const pair = [luminance(numbers(getComputedStyle(node).color).slice(0, 3)), luminance(ground(node))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) found[text.slice(0, 40)] = contrast;
  }
  return found;
}"""  # noqa: E501


def color_count(canvas: Any) -> int:
    """Return how many colours a canvas shows: 1 where nothing was painted."""
    return int(canvas.evaluate(_COLOURS))


def unnamed_controls(page: Any) -> list[str]:
    """Return what a screen reader could not tell of: no label, no name, headings that jump."""
    return list(page.evaluate(_UNNAMED))


def low_contrasts(page: Any) -> dict[str, float]:
    """Return the contrast of each text where it is too low to read."""
    return dict(page.evaluate(_LOW_CONTRAST))


def wait_for_gates(page: Any, names: tuple[str, ...] = ("update", "reset")) -> None:
    """Wait until the heat map of each gate is painted and its mean stands below."""
    for name in names:
        canvas = page.get_by_role("img", name=f"Heat map of the {name} gate. Mean 0.")
        canvas.wait_for()
        assert color_count(canvas) > 5, name


def bar_texts(page: Any) -> dict[str, str]:
    """Return the number beside each probability bar."""
    rows = page.get_by_role("list", name="Probability of each class").get_by_role("listitem").all()
    return {row.locator(".name").inner_text(): row.locator(".number").inner_text() for row in rows}
