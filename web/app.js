// The live demo: a picture, a question, an answer.

import {annotate, getModelName, getTasks, setKey} from "./api.js";
import {drawPng, save} from "./export.js";
import {Overlay} from "./overlay.js";
import {percent, regionsOf} from "./regions.js";
import {showTimings} from "./timings.js";

const $ = (id) => document.getElementById(id);
const SAMPLES = ["penguins", "shop", "village", "football", "meadow", "space"];
const CORNERS = ["x1", "y1", "x2", "y2"];
const TITLES = {
  caption: "Caption", detailed_caption: "Detailed caption", more_detailed_caption: "Paragraph",
  od: "Objects", dense_region_caption: "Described regions", region_proposal: "Region proposals",
  caption_to_phrase_grounding: "Phrases of a caption", open_vocabulary_detection: "Things you name",
  referring_expression_segmentation: "Outline of a phrase",
  ocr: "Text", ocr_with_region: "Text with places",
  region_to_category: "Category", region_to_description: "Description",
  region_to_segmentation: "Outline", region_to_ocr: "Text in it",
};
const GROUPS = [
  ["Describe", (task) => task.name.endsWith("caption") && task.shape === "text"],
  ["Read", (task) => task.name.startsWith("ocr")],
  ["Find", (task) => task.input !== "region" && task.shape !== "text" && task.shape !== "quads"],
  ["About a region that you draw", (task) => task.input === "region"],
  ["Anything else", (task) => task.name === "prompt"],
];
// Not a task of the model's: any text goes to it as it is.
const PROMPT = {name: "prompt", title: "Prompt of your own", input: "text", shape: "text",
                help: "any text, given to the model as it is", example: "What does the image describe?"};

const state = {picture: null, tasks: [], record: null, regions: [], asking: null, token: 0};
const overlay = new Overlay($("overlay"), $("frame"));

// ---- The picture ----

function setPicture(blob, name) {
  stop();
  const url = URL.createObjectURL(blob);
  const image = $("picture");
  const old = image.src;
  const token = ++state.token;
  image.onload = () => {
    if (token !== state.token) return;
    $("empty").hidden = true;
    $("frame").hidden = false;
    overlay.setSize(image.naturalWidth, image.naturalHeight);
    image.alt = name;
    for (const corner of CORNERS) $(corner).value = "";
    showAnswer(null);
    showError(null);
  };
  image.onerror = () => {
    if (token !== state.token) return;
    state.picture = null;
    $("frame").hidden = true;
    $("empty").hidden = false;
    showError(`${name} is not a picture that this browser can show.`);
  };
  image.src = url;
  if (old) URL.revokeObjectURL(old);
  state.picture = blob instanceof File ? blob : new File([blob], name, {type: blob.type});
  for (const button of $("samples").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === name));
  }
}

async function setSample(name) {
  const response = await fetch(`/samples/${name}.jpg`);
  setPicture(await response.blob(), `${name}.jpg`);
}

function offerSamples() {
  for (const name of SAMPLES) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.name = `${name}.jpg`;
    button.setAttribute("aria-pressed", "false");
    const image = document.createElement("img");
    image.src = `/samples/${name}.jpg`;
    image.alt = `Sample: ${name}`;
    button.append(image);
    button.addEventListener("click", () => setSample(name));
    const item = document.createElement("li");
    item.append(button);
    $("samples").append(item);
  }
}

function takePicturesFrom(stage) {
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) setPicture(file, file.name);
    $("file").value = "";
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("dropping");
  });
  const take = (event, transfer) => {
    const file = [...(transfer?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!file) return false;
    event.preventDefault();
    setPicture(file, file.name);
    return true;
  };
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("dropping");
    if (!take(event, event.dataTransfer)) showError("That is not a picture file.");
  });
  addEventListener("paste", (event) => take(event, event.clipboardData));
}

// ---- The question ----

function offerTasks(tasks) {
  state.tasks = [...tasks.map((task) => ({...task, title: TITLES[task.name] ?? task.name})), PROMPT];
  $("tasks").replaceChildren();
  for (const [legend, belongs] of GROUPS) {
    const group = document.createElement("fieldset");
    group.append(Object.assign(document.createElement("legend"), {textContent: legend}));
    const chips = Object.assign(document.createElement("div"), {className: "chips"});
    for (const task of state.tasks.filter(belongs)) {
      const input = Object.assign(document.createElement("input"),
                                  {type: "radio", name: "task", value: task.name, checked: task.name === "od"});
      const label = document.createElement("label");
      label.title = task.help;
      label.append(input, Object.assign(document.createElement("span"), {textContent: task.title}));
      chips.append(label);
    }
    group.append(chips);
    $("tasks").append(group);
  }
  $("tasks").addEventListener("change", showInputs);
  showInputs();
}

const task = () => state.tasks.find((one) => one.name === $("form").elements.task?.value);

function showInputs() {
  const {input, example, name} = task();
  $("text-field").hidden = input !== "text";
  $("text").placeholder = name === "open_vocabulary_detection" ? "car; building" : example;
  $("text-hint").textContent = name === "open_vocabulary_detection" ? "Several things: separate them by ;" : "";
  $("region-field").hidden = input !== "region";
  $("frame").classList.toggle("drawing", input === "region");
  showWantedRegion();
}

const wantedRegion = () => CORNERS.map((corner) => $(corner).valueAsNumber);

function showWantedRegion() {
  const region = wantedRegion();
  overlay.showWanted(task()?.input === "region" && region.every(Number.isFinite) ? region : null);
}

function setWantedRegion(region) {
  CORNERS.forEach((corner, i) => { $(corner).value = region[i]; });
  showWantedRegion();
}

// The fields of the question; throws what is missing.
function question() {
  const {name, input} = task();
  const fields = {};
  const text = $("text").value.trim();
  if (name === "prompt") {
    fields.prompt = text;
  } else {
    fields.task = name;
    if (input === "text") fields.text = text;
  }
  if (input === "text" && !text) {
    $("text").focus();
    throw new Error("This task needs a text.");
  }
  if (input === "region") {
    const region = wantedRegion();
    if (!region.every(Number.isFinite)) throw new Error("This task needs a region: drag over the picture.");
    fields.region = region.join(",");
  }
  const options = {};
  if ($("num_beams").value) options.num_beams = $("num_beams").valueAsNumber;
  if ($("max_tokens").value) options.max_length = $("max_tokens").valueAsNumber + 1;  // the start token counts
  fields.options = JSON.stringify(options);
  return fields;
}

async function ask(event) {
  event.preventDefault();
  if (state.asking) return;
  showError(null);
  let fields;
  try {
    if (!state.picture) throw new Error("Choose a picture first.");
    fields = question();
  } catch (error) {
    showError(error.message);
    return;
  }
  const asking = new AbortController();
  state.asking = asking;
  showAsking(true);
  showAnswer(null);
  const start = performance.now();
  try {
    const record = await annotate(state.picture, fields, showGrowing, asking.signal);
    if (state.asking !== asking) return;
    showAnswer(record, fields);
    $("answer").scrollIntoView({block: "nearest"});
    const tokens = record.token_ids.length;
    $("status").textContent = `Answered in ${Math.round(performance.now() - start)} ms, ${tokens} tokens`;
  } catch (error) {
    if (state.asking !== asking) return;
    $("answer").hidden = true;
    $("status").textContent = error.name === "AbortError" ? "Stopped" : "";
    if (error.status === 401) askForKey();
    if (error.name !== "AbortError") showError(error.message);
  } finally {
    if (state.asking === asking) {
      state.asking = null;
      showAsking(false);
    }
  }
}

function stop() {
  const asking = state.asking;
  state.asking = null;
  asking?.abort();
  showAsking(false);
  if (asking) $("status").textContent = "Stopped";
}

function showAsking(busy) {
  $("ask").disabled = busy;
  $("stop").hidden = !busy;
  if (busy) $("status").textContent = "Looking …";
  $("answer-text").classList.toggle("growing", busy);
}

// ---- The answer ----

// Raw text as it comes: special tokens away, locations small.
function showGrowing(raw) {
  $("answer").hidden = false;
  const text = raw.replaceAll(/<\/?s>|<pad>/g, "");
  const parts = text.split(/((?:<loc_\d+>)+)/).map((part) => {
    if (!part.startsWith("<loc_")) return part;
    return Object.assign(document.createElement("span"),
                         {className: "loc", textContent: part.replaceAll(/<loc_(\d+)>/g, " $1")});
  });
  $("answer-text").replaceChildren(...parts);
}

function showAnswer(record, fields) {
  state.record = record;
  state.regions = record ? regionsOf(record) : [];
  $("answer").hidden = !record;
  overlay.show(state.regions, light);
  $("answer-text").replaceChildren();
  $("regions").replaceChildren();
  $("timings").replaceChildren();
  $("downloads").hidden = $("raw").hidden = !record;
  if (!record) return;
  if (typeof record.result === "string") {
    $("answer-text").textContent = record.result || "(no text)";
  } else if (fields.text && state.regions.length) {
    $("answer-text").replaceChildren(...markPhrases(fields.text));
  } else if (!state.regions.length) {
    $("answer-text").textContent = "Nothing found.";
  }
  if (record.truncated) $("answer-text").append(" … (cut at the length limit)");
  $("regions").append(...state.regions.map(listItem));
  $("raw-text").textContent = record.text;
  showTimings($("timings"), record);
}

function linkTo(element, index) {
  element.dataset.index = index;
  element.style.setProperty("--color", state.regions[index].color);
  element.addEventListener("pointerenter", () => light(index));
  element.addEventListener("pointerleave", () => light(-1));
  return element;
}

function listItem(region, index) {
  const button = linkTo(document.createElement("button"), index);
  button.type = "button";
  const name = Object.assign(document.createElement("b"), {textContent: region.label || `Region ${index + 1}`});
  const score = Object.assign(document.createElement("span"), {textContent: percent(region.score)});
  button.append(document.createElement("i"), name, score);
  button.addEventListener("focus", () => light(index));
  button.addEventListener("blur", () => light(-1));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

// The text that was asked with, each phrase that was found marked and linked to its region.
function markPhrases(text) {
  const parts = [];
  let at = 0;
  for (;;) {
    let best = null;
    state.regions.forEach(({label}, index) => {
      const found = label ? text.toLowerCase().indexOf(label.toLowerCase(), at) : -1;
      if (found >= 0 && (!best || found < best.found || (found === best.found && label.length > best.length))) {
        best = {found, length: label.length, index};
      }
    });
    if (!best) return [...parts, text.slice(at)];
    const mark = linkTo(document.createElement("mark"), best.index);
    mark.textContent = text.slice(best.found, best.found + best.length);
    parts.push(text.slice(at, best.found), mark);
    at = best.found + best.length;
  }
}

// Brings a region out in the picture, the list and the text; -1 for none.
function light(index) {
  overlay.light(index);
  for (const linked of document.querySelectorAll(".panel [data-index]")) {
    linked.classList.toggle("lit", linked.dataset.index === String(index));
  }
}

function fileName(extension) {
  const name = state.picture.name.replace(/\.[^.]*$/, "");
  return `${name}.${task().name}.${extension}`;
}

function showError(message) {
  $("error").hidden = !message;
  $("error").textContent = message ?? "";
}

// ---- The server ----

function askForKey() {
  $("key-field").hidden = false;
  $("key").focus();
}

async function connect() {
  try {
    const [model, tasks] = await Promise.all([getModelName(), getTasks()]);
    $("model").textContent = model;
    offerTasks(tasks);
  } catch (error) {
    if (error.status === 401) askForKey();
    showError(error.message);
  }
}

$("form").addEventListener("submit", ask);
$("stop").addEventListener("click", stop);
for (const corner of CORNERS) $(corner).addEventListener("input", showWantedRegion);
overlay.drawWith(setWantedRegion, () => task()?.input === "region" && !$("frame").hidden);
$("key").addEventListener("change", () => {
  setKey($("key").value);
  showError(null);
  if (!state.tasks.length) connect();
});
$("save-json").addEventListener("click", () => save(
    new Blob([JSON.stringify(state.record, null, 2)], {type: "application/json"}), fileName("json")));
$("save-png").addEventListener("click", async () => {
  try {
    save(await drawPng($("picture"), state.record, state.regions), fileName("png"));
  } catch (error) {
    showError(error.message);
  }
});
takePicturesFrom($("stage"));
offerSamples();
connect();
