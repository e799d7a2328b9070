// What the model says, as elements: bars, words, stack, and attention maps.

const MODULES_SHOWN = 4;
// Positions, colours and opacity of the overlay, from the lowest value of a map to its highest.
const COLOURS = [
  [0.0, 38, 18, 84, 0.45],
  [0.3, 138, 35, 135, 0.5],
  [0.55, 233, 80, 63, 0.6],
  [0.8, 251, 162, 56, 0.72],
  [1.0, 252, 245, 164, 0.85],
];

/** Makes an element with attributes and children; texts are never read as HTML. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

export function bar(name, share, digits) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  return element(
    "li", {},
    element("span", { class: "name", title: name }, name),
    element("span", { class: "track" }, fill),
    element("span", { class: "number" }, percent(share, digits)),
  );
}

export function wordStrip(words, weights) {
  const strip = element("div", { class: "words" });
  words.forEach((word, i) => {
    if (!word) return; // padding
    const span = element("span", { title: percent(weights[i]) }, word);
    const strength = Math.sqrt(Math.min(weights[i], 1)); // the eye wants small weights to show
    span.style.background = `rgba(var(--word), ${strength.toFixed(3)})`;
    if (strength > 0.55) span.style.color = "#fff";
    strip.append(span);
  });
  return strip;
}

export function moduleBars(names, weights) {
  const order = names.map((name, i) => [name, weights[i]]).sort((a, b) => b[1] - a[1]);
  return element("ol", { class: "bars" }, ...order.slice(0, MODULES_SHOWN).map(([name, share]) => bar(name, share, 0)));
}

export function pointerDots(pointer) {
  const dots = pointer.map((share, i) => {
    const dot = element("i", { title: `slot ${i + 1}: ${percent(share)}` });
    dot.style.background = `rgba(var(--word), ${Math.min(share, 1).toFixed(3)})`;
    return dot;
  });
  return element("div", { class: "pointer" }, element("span", {}, "stack"), ...dots);
}

/** Lowest and highest value of a map [height][width]. */
export function extent(map) {
  const values = map.flat();
  return [Math.min(...values), Math.max(...values)];
}

export function range(low, high) {
  return high > low ? `${low.toPrecision(2)} to ${high.toPrecision(2)}` : `${low.toPrecision(2)} everywhere`;
}

/** Red, green, blue, opacity (0 to 255) of a share in [0, 1]. */
function colour(share) {
  const above = Math.max(1, COLOURS.findIndex(([position]) => position >= share));
  const [low, high] = [COLOURS[above - 1], COLOURS[above]];
  const between = (share - low[0]) / (high[0] - low[0]);
  const mixed = low.map((value, i) => value + between * (high[i] - value));
  return [mixed[1], mixed[2], mixed[3], 255 * mixed[4]];
}

/** Paints a map [height][width] over a canvas, smoothly. A map of one value everywhere stays dark. */
export function paint(canvas, map, width, height, opacity) {
  const [rows, columns] = [map.length, map[0].length];
  const [low, high] = extent(map);
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  map.flat().forEach((value, i) => {
    pixels.data.set(colour(high > low ? (value - low) / (high - low) : 0), 4 * i);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.globalAlpha = opacity;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}
