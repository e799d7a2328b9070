// Asks the `explain` signature over TF Serving's REST interface, and shows its answer.

import { answerBars, element, paint, stepCard, stepTitle, wordStrip } from "./drawing.js";

const MODEL = "/v1/models/lnmn";
const LARGEST_PICTURE = 12e6; // bytes; a third more in base64, and the server takes 16 MB
const SECONDS_EACH_STEP = 1.1;
const $ = (id) => document.getElementById(id);
const state = { picture: null, base64: null, examples: [], example: null, result: null, step: 0, timer: 0 };

function complain(message) {
  $("problem").textContent = message;
  $("problem").hidden = !message;
}

// ---------------------------------------------------------------- the picture

/** Takes a file (or blob), shows it, and keeps its bytes as base64. */
async function usePicture(blob, example = null) {
  complain("");
  if (blob.size > LARGEST_PICTURE) {
    complain(`This picture has ${(blob.size / 1e6).toFixed(1)} MB; at most 12 MB can be sent.`);
    return;
  }
  const url = URL.createObjectURL(blob);
  const probe = new Image();
  probe.src = url;
  try {
    await probe.decode();
  } catch {
    URL.revokeObjectURL(url);
    complain("This is not a picture that can be shown; PNG or JPEG is expected.");
    return;
  }
  if (state.picture) URL.revokeObjectURL(state.picture);
  state.picture = url;
  state.base64 = await toBase64(blob);
  state.example = example;
  $("picture").src = url;
  $("frame").style.setProperty("--ratio", probe.naturalWidth / probe.naturalHeight);
  $("frame").hidden = false;
  $("invitation").hidden = true;
  forgetAnswer();
  [...$("examples").children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === example)));
  suggestQuestions();
}

function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

function listenForPictures() {
  const drop = $("drop");
  $("file").addEventListener("change", (event) => {
    if (event.target.files[0]) usePicture(event.target.files[0]);
    event.target.value = ""; // the same file may be chosen again
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    // Anywhere on the page, so that a picture dropped beside the frame does not replace the page.
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
    });
  }
  document.addEventListener("drop", (event) => {
    const file = [...event.dataTransfer.files].find((f) => f.type.startsWith("image/"));
    if (file) usePicture(file);
    else complain("What was dropped is not a picture.");
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((f) => f.type.startsWith("image/"));
    if (file) usePicture(file);
  });
}

// ---------------------------------------------------------------- examples

async function loadExamples() {
  state.examples = await (await fetch("/examples")).json();
  state.examples.forEach((example, number) => {
    const button = element("button", { type: "button", "aria-pressed": "false", "aria-label": `Example ${number + 1}` });
    button.append(element("img", { src: example.picture, alt: "", loading: "lazy" }));
    button.addEventListener("click", () => useExample(number));
    $("examples").append(button);
  });
  if (state.examples.length) await useExample(0);
}

async function useExample(number) {
  await usePicture(await (await fetch(state.examples[number].picture)).blob(), number);
}

function suggestQuestions() {
  const example = state.examples[state.example];
  $("suggestions").replaceChildren(
    ...(example ? example.questions : []).map(({ question }) => {
      const button = element("button", { type: "button" }, question);
      button.addEventListener("click", () => {
        $("question").value = question;
        $("form").requestSubmit();
      });
      return button;
    }),
  );
}

/** The answer that the scene of an example gives to a question, or "". */
function trueAnswer(question) {
  const known = state.examples[state.example]?.questions ?? [];
  return known.find((entry) => entry.question === question)?.answer ?? "";
}

// ---------------------------------------------------------------- asking

async function ask(event) {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!state.base64) return complain("Choose a picture first.");
  if (!question) return complain("Type a question first.");
  complain("");
  $("ask").disabled = true;
  const began = performance.now();
  try {
    const instance = { question, image: { b64: state.base64 } };
    const reply = await fetch(`${MODEL}:predict`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ signature_name: "explain", instances: [instance] }),
    });
    const content = await reply.json();
    if (!reply.ok) throw new Error(content.error || reply.statusText);
    showAnswer(content.predictions[0], question, performance.now() - began);
  } catch (error) {
    forgetAnswer();
    complain(error instanceof TypeError ? "The server does not answer; is it still running?" : error.message);
  } finally {
    $("ask").disabled = false;
  }
}

function forgetAnswer() {
  pause();
  state.result = null;
  $("answer").hidden = $("explanation").hidden = true;
  drawOverlay();
}

function showAnswer(result, question, milliseconds) {
  state.result = result;
  const truth = trueAnswer(question);
  const right = truth === result.answer;
  $("best").textContent = result.answer;
  $("truth").textContent = truth && (right ? "✓ as in the scene" : `✗ in the scene: ${truth}`);
  $("truth").className = `truth ${truth && (right ? "right" : "wrong")}`;
  $("top").replaceChildren(
    ...answerBars(result.top_answers, result.top_probabilities, truth),
  );
  $("timing").textContent = milliseconds < 1000 ? `Answered in ${milliseconds.toFixed(0)} ms.` : `Answered in ${(milliseconds / 1000).toFixed(1)} s.`;
  $("answer").hidden = $("explanation").hidden = false;
  $("steps").replaceChildren(...result.attention.map((_, number) => cardOf(result, number)));
  chooseStep(result.attention.length - 1);
}

// ---------------------------------------------------------------- steps

function cardOf(result, number) {
  const { words, module_names } = result;
  const [word_attention, module_weights, attention, pointer] = ["word_attention", "module_weights", "attention", "pointer"].map((name) => result[name][number]);
  const step = { words, word_attention, module_names, module_weights, attention, pointer };
  const card = stepCard(number, step, state.picture, $("picture").naturalWidth / $("picture").naturalHeight);
  card.addEventListener("click", () => { pause(); chooseStep(number); });
  return card;
}

function chooseStep(number) {
  state.step = number;
  [...$("steps").children].forEach((card, i) => card.setAttribute("aria-selected", String(i === number)));
  const { words, word_attention, module_names, module_weights, attention } = state.result;
  $("caption").textContent = stepTitle(number, attention.length, module_names, module_weights[number]);
  $("reading-title").textContent = `Step ${number + 1} of ${attention.length} reads`;
  $("reading").replaceChildren(wordStrip(words, word_attention[number]));
  drawOverlay();
}

function moveStep(by) {
  const count = state.result.attention.length;
  chooseStep((state.step + by + count) % count);
}

function pause() {
  clearInterval(state.timer);
  state.timer = 0;
  $("play").textContent = "Play";
  $("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (state.timer) return pause();
  chooseStep(0);
  state.timer = setInterval(() => moveStep(1), 1000 * SECONDS_EACH_STEP);
  $("play").textContent = "Pause";
  $("play").setAttribute("aria-pressed", "true");
}

// ---------------------------------------------------------------- the overlay

/** Of the picture, when it is so wide. */
function heightOf(width) {
  return Math.round((width * $("picture").naturalHeight) / $("picture").naturalWidth) || width;
}

function drawOverlay() {
  const canvas = $("overlay");
  $("caption").hidden = !state.result;
  if (state.result) paint(canvas, state.result.attention[state.step], 960, heightOf(960), Number($("opacity").value));
  else canvas.width = canvas.height = 1; // empties it
}

// ---------------------------------------------------------------- beginning

async function describeModel() {
  const { model_spec: spec, metadata } = await (await fetch(`${MODEL}/metadata`)).json();
  $("version").textContent = `${spec.name}, version ${spec.version}, on this machine only`;
  if (!metadata.signature_def.signature_def.explain.inputs.image) {
    complain("This model reads features and not pictures: export it with --with_backbone to ask it about pictures.");
    $("ask").disabled = true;
  }
}

$("form").addEventListener("submit", ask);
$("play").addEventListener("click", play);
$("opacity").addEventListener("input", drawOverlay);
$("steps").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || !state.result) return;
  event.preventDefault();
  pause();
  moveStep(by);
});
listenForPictures();
describeModel().then(loadExamples).catch(() => complain("The server does not answer; is it still running?"));
