// What the model says, as elements: bars, words, stack, and attention maps.

const MODULES_SHOWN = 4;
const LEAST_EXPLAINED = 0.1; // a module of less weight needs no formula
const CANVAS_WIDTH = 320;
// Positions, colours and opacity of the overlay, from the lowest value of a map to its highest.
const COLOURS = [
  [0.0, 38, 18, 84, 0.3],
  [0.3, 138, 35, 135, 0.5],
  [0.55, 233, 80, 63, 0.65],
  [0.8, 251, 162, 56, 0.78],
  [1.0, 252, 245, 164, 0.9],
];

/** Makes an element with attributes and children; texts are never read as HTML. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** A labelled bar. `kind` is "right" or "wrong" where a true answer is known. */
export function bar(name, share, digits, kind = "") {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  return element(
    "li", kind ? { class: kind } : {},
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

/** The strongest modules, each with its formula where one is known. */
export function moduleBars(names, weights, formulas = {}) {
  const order = names.map((name, i) => [name, weights[i]]).sort((a, b) => b[1] - a[1]);
  const bars = order.slice(0, MODULES_SHOWN).map(([name, share]) => {
    const item = bar(name, share, 0);
    if (formulas[name] && share >= LEAST_EXPLAINED) item.append(element("p", { class: "formula" }, formulas[name]));
    return item;
  });
  return element("ol", { class: "bars" }, ...bars);
}

/** Answers with their probabilities; of a known truth, which is right, and whether the first is wrong. */
export function answerBars(names, shares, truth = "") {
  const kind = (name, i) => (!truth ? "" : name === truth ? "right" : i === 0 ? "wrong" : "");
  const pairs = names.map((name, i) => [name, shares[i]]).filter(([name]) => name);
  return pairs.map(([name, share], i) => bar(name, share, 1, kind(name, i)));
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
  const text = (value) => (Math.abs(value) < 5e-3 * Math.abs(high) ? "0" : Math.abs(value) < 1e-3 ? value.toExponential(0) : value.toPrecision(2));
  return high - low <= 1e-6 * Math.abs(high) ? `${text(high)} everywhere` : `${text(low)} to ${text(high)}`;
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
    pixels.data.set(colour(high - low > 1e-6 * Math.abs(high) ? (value - low) / (high - low) : 0), 4 * i);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.globalAlpha = opacity;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** A map over the picture, with a name and its range. */
function mapFigure(name, map, picture, ratio) {
  const canvas = element("canvas");
  paint(canvas, map, CANVAS_WIDTH, Math.round(CANVAS_WIDTH / ratio), 1);
  const under = picture ? element("img", { src: picture, alt: "" }) : element("canvas", { width: CANVAS_WIDTH, height: Math.round(CANVAS_WIDTH / ratio), class: "nothing" });
  return element(
    "figure", {},
    element("figcaption", {}, element("span", {}, name), element("span", { title: "lowest to highest value of the map" }, range(...extent(map)))),
    element("div", { class: "map" }, under, canvas),
  );
}

/** The slots of the stack [height][width][slot], each with the share of the pointer. */
function stackSlots(stack, pointer, ratio) {
  const slots = pointer.map((share, slot) => {
    const canvas = element("canvas");
    paint(canvas, stack.map((row) => row.map((values) => values[slot])), 64, Math.round(64 / ratio), 1);
    const fill = element("b");
    fill.style.width = `${100 * share}%`;
    return element("div", { title: `slot ${slot + 1}, pointer ${percent(share)}` }, canvas, element("i", {}, fill), String(slot + 1));
  });
  return element("div", { class: "slots" }, ...slots);
}

/**
 * One step: maps, words, modules, and the stack.
 *
 * step: words, word_attention, module_names, module_weights, attention (the map read), pointer; where known
 * also written (the map left), stack, formulas.
 */
export function stepCard(number, step, picture, ratio) {
  const maps = [mapFigure("reads", step.attention, picture, ratio)];
  if (step.written) maps.push(mapFigure("leaves", step.written, picture, ratio));
  return element(
    "div", { class: "step", role: "option", "aria-selected": "false" },
    element("h3", {}, `Step ${number + 1}`),
    element("div", { class: "maps" }, ...maps),
    wordStrip(step.words, step.word_attention),
    moduleBars(step.module_names, step.module_weights, step.formulas),
    step.stack ? stackSlots(step.stack, step.pointer, ratio) : pointerDots(step.pointer),
  );
}

/** What a step is called over the picture: its number and its strongest module. */
export function stepTitle(number, count, names, weights) {
  const strongest = weights.indexOf(Math.max(...weights));
  return `Step ${number + 1} of ${count} · ${names[strongest]} ${percent(weights[strongest], 0)}`;
}
