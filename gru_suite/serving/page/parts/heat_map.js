// Values from 0 to 1 as colours on a canvas: steps from left to right, units from top to bottom.

// Anchors of viridis, whose lightness rises evenly and which colour-blind people can order.
const ANCHORS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];

/** The colour of a value as [red, green, blue]. */
export function viridis(value) {
  const place = Math.min(Math.max(value, 0), 1) * (ANCHORS.length - 1);
  const low = Math.min(Math.floor(place), ANCHORS.length - 2);
  return ANCHORS[low].map((from, channel) => from + (place - low) * (ANCHORS[low + 1][channel] - from));
}

/** Paint values[step][unit], one pixel each; CSS makes the pixels larger. */
export function paintHeatMap(canvas, values) {
  const width = values.length;
  const height = values[0]?.length ?? 0;
  if (!width || !height) return;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let step = 0; step < width; step += 1) {
    for (let unit = 0; unit < height; unit += 1) {
      const [red, green, blue] = viridis(values[step][unit] ?? 0);
      image.data.set([red, green, blue, 255], 4 * (unit * width + step));
    }
  }
  context.putImageData(image, 0, 0);
}

/** Paint the scale from 0 to 1. */
export function paintScale(canvas) {
  paintHeatMap(canvas, Array.from({ length: 64 }, (_, index) => [index / 63]));
}

/** Lowest, mean and highest of values[step][unit]. */
export function summaryOf(values) {
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  let count = 0;
  for (const row of values) {
    for (const value of row) {
      low = Math.min(low, value);
      high = Math.max(high, value);
      sum += value;
      count += 1;
    }
  }
  return { low, high, mean: count ? sum / count : 0 };
}
