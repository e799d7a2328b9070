// Draws the explanations of a page that was written with them: each article has its arrays beside it.

import { answerBars, element, paint, stepCard, stepTitle, wordStrip } from "./drawing.js";

const OVERLAY_WIDTH = 960;

function drawArticle(article) {
  const part = (name) => article.querySelector(`.${name}`);
  const drawn = JSON.parse(part("arrays").textContent);
  const picture = part("picture").getAttribute("src") || "";
  const count = drawn.module_weights.length;
  part("frame").style.setProperty("--ratio", drawn.ratio);
  part("top").replaceChildren(...answerBars(drawn.top_answers, drawn.top_probabilities, drawn.truth));

  const steps = drawn.module_weights.map((_, number) => ({
    words: drawn.words,
    module_names: drawn.module_names,
    formulas: drawn.formulas,
    ...Object.fromEntries(["word_attention", "module_weights", "attention", "written", "stack", "pointer"].map((name) => [name, drawn[name][number]])),
  }));
  const cards = steps.map((step, number) => stepCard(number, step, picture, drawn.ratio));
  part("steps").replaceChildren(...cards);

  let chosen = 0;
  const choose = (number) => {
    chosen = (number + count) % count;
    cards.forEach((card, i) => card.setAttribute("aria-selected", String(i === chosen)));
    const step = steps[chosen];
    part("caption").textContent = stepTitle(chosen, count, drawn.module_names, step.module_weights);
    part("reading").replaceChildren(wordStrip(step.words, step.word_attention));
    const map = part("which").value === "written" ? step.written : step.attention;
    paint(part("overlay"), map, OVERLAY_WIDTH, Math.round(OVERLAY_WIDTH / drawn.ratio), 0.75);
  };
  cards.forEach((card, number) => card.addEventListener("click", () => choose(number)));
  part("which").addEventListener("change", () => choose(chosen));
  part("steps").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    choose(chosen + by);
  });
  choose(count - 1);
}

for (const article of document.querySelectorAll("article")) drawArticle(article);
document.body.append(element("span", { id: "drawn", hidden: "" }));
