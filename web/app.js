// The live demo: pictures, questions, answers. This file holds what there is and ties the parts together.

import {getLimits, getModels, getTasks, isWell, setKey} from "./api.js";
import {AnswerCard} from "./answer.js";
import {Run} from "./asking.js";
import {Board} from "./board.js";
import {copy} from "./clipboard.js";
import {$, make} from "./dom.js";
import {forgetAll, keep, openKept, recall} from "./history.js";
import {readLink, writeLink} from "./link.js";
import {regionsInPrompt} from "./locations.js";
import {Progress} from "./progress.js";
import {OPTION_IDS, onRegionTyped, questionOf, readOptions, readRegion, writeRegion} from "./question.js";
import {Shelf} from "./shelf.js";
import {takePictures} from "./sources.js";
import {TaskPicker} from "./tasks.js";
import {Viewer} from "./viewer.js";

const LOOK_AGAIN = 2000;  // milliseconds, at a server that went away

const state = {
  shown: null,  // the entry whose answer is beside the picture
  entries: [],  // all answers, the newest first
  run: null,    // that is under way
};
const server = {models: [], needsKey: false};  // as code that asks it needs to know

const viewer = new Viewer({
  mayDraw: () => picker.wantsRegion,
  onRegion: setRegion,
  onLayers: () => card.filter(),
  onPage: (page) => shelf.turnPage(viewer.picture, page),
});
const shelf = new Shelf({
  onBegin: beginReading,
  onShow: (picture) => showPicture(picture, latest(picture)),
  onChange: showRow,
  onEnd: endReading,
  isShown: (picture) => picture === viewer.picture,
});
const card = new AnswerCard({viewer, server, onChoose: chooseEntry});
const progress = new Progress();
const board = new Board({onChoose: chooseEntry, onClear: clearHistory});
const picker = new TaskPicker(() => {
  viewer.setDrawing(picker.wantsRegion);
  showWanted();
  saveLink();
});

// ---- Pictures ----

function beginReading(name) {
  stop();
  showError(null);
  viewer.setLoading(true);
  $("status").textContent = `Reading ${name} …`;
}

function endReading(faults) {
  viewer.setLoading(false);
  tidy();
  $("status").textContent = "";
  showError(faults.map(({message}) => message).join("\n"));
  if (faults.some(({status}) => status === 401)) askForKey();
  if (faults.some(({gone}) => gone)) waitForServer();
}

const tidy = () => shelf.tidy((picture) => picture === viewer.picture
                              || state.entries.some((entry) => entry.picture === picture));

function showPicture(picture, entry = null) {
  if (viewer.picture !== picture) writeRegion(null);
  viewer.show(picture);
  if (entry?.question.region) writeRegion(entry.question.region);
  showEntry(entry);
  showRow();
  showWanted();
  saveLink();
}

function showRow() {
  shelf.showRow(viewer.picture);
  const count = shelf.pictures.length;
  $("ask").textContent = count > 1 ? `Ask about ${count} pictures` : "Ask";
}

// The first answer about a picture of the last time that it was asked about.
function latest(picture) {
  return state.entries.find((entry) => entry.picture === picture) ?? null;
}

// ---- The question ----

function showWanted() {
  const region = readRegion();
  if (region && (picker.wantsRegion || state.shown?.question.region)) viewer.overlay.showWanted([region]);
  else if (viewer.picture) viewer.overlay.showWanted(regionsInPrompt(promptText(), viewer.picture));
}

const promptText = () => (picker.chosen.some(({name}) => name === "prompt") ? picker.textOf("prompt") : "");

function setRegion(region) {
  writeRegion(region);
  showWanted();
  saveLink();
}

function saveLink() {
  if (!picker.tasks.length) return;
  const sample = [...$("samples").querySelectorAll("button")].find(({dataset}) => dataset.name === viewer.picture?.name);
  writeLink(picker, sample?.dataset.name.replace(/\.jpg$/, ""));
}

// The questions of the form; throws what is missing.
function questions() {
  if (!shelf.pictures.length) throw new Error("Choose a picture first.");
  const missing = picker.missingText();
  if (missing) {
    missing.focus();
    throw new Error("This task needs a text.");
  }
  const region = readRegion();
  if (picker.wantsRegion && !region) throw new Error("This task needs a region: drag over the picture.");
  if (!picker.chosen.length) throw new Error("Choose at least one task.");
  return picker.chosen.map((task) => questionOf(task, {text: picker.textOf(task.name).trim(), region}));
}

async function ask(event) {
  event.preventDefault();
  if (state.run) return;
  showError(null);
  let run;
  try {
    const reference = shelf.pictures.includes(viewer.picture) ? viewer.picture : shelf.pictures[0];
    run = new Run(shelf.pictures, questions(), {options: readOptions(), model: $("models").value}, reference,
                  {onChange: (entries) => changed(run, entries), onRecords: keep});
    if (reference && viewer.picture !== reference) showPicture(reference);
  } catch (error) {
    showError(error.message);
    return;
  }
  state.run = run;
  state.entries = [...run.entries, ...state.entries];
  board.show(state.entries, null);
  showEntry(run.entries.find(({picture}) => picture === viewer.picture));
  showAsking(true);
  progress.begin();
  const start = performance.now();
  await run.work();
  if (state.run !== run) return;
  finish(run, performance.now() - start);
}

function finish(run, milliseconds) {
  state.run = null;
  showAsking(false);
  const answered = run.entries.filter(({record}) => record);
  const tokens = answered.reduce((sum, {record}) => sum + record.token_ids.length, 0);
  progress.end(answered.length ? `Answered in ${Math.round(milliseconds)} ms, ${tokens} tokens` : "");
  if (run.error?.status === 401) askForKey();
  if (run.error) showError(run.error.message);
  if (run.error?.gone) waitForServer();
  if (!answered.length) dropUnanswered(run);
  else if (!run.error) $("answer").scrollIntoView({block: "nearest"});
}

// What came of a request of which nothing came is no answer to keep.
function dropUnanswered(run) {
  state.entries = state.entries.filter((entry) => entry.run !== run.id || entry.raw);
  if (state.shown && !state.entries.includes(state.shown)) showEntry(null);
  board.show(state.entries, state.shown);
}

function stop() {
  const {run} = state;
  if (!run) return;
  state.run = null;
  run.stop();
  showAsking(false);
  progress.end("Stopped");
  dropUnanswered(run);
}

function showAsking(busy) {
  $("ask").disabled = busy;
  $("stop").hidden = !busy;
}

// Something came of the questions about a picture.
function changed(run, entries) {
  for (const entry of entries) board.update(entry);
  const {shown} = state;
  if (entries.includes(shown)) {
    if (shown.record || shown.error) showEntry(shown);
    else if (shown.raw) card.grow();
  }
  if (state.run !== run) return;
  const watched = run.parts.find((part) => part.includes(shown)) ?? run.parts[0];
  const over = run.parts.filter(([{stage}]) => ["done", "failed"].includes(stage.stage)).length;
  progress.show(watched[0].stage, over, run.parts.length);
}

// ---- Answers ----

function showEntry(entry) {
  state.shown = entry ?? null;
  card.show(state.shown, entry ? state.entries.filter(({run, picture}) => run === entry.run && picture === entry.picture) : []);
  board.mark(state.shown);
}

function chooseEntry(entry) {
  const {picture} = entry;
  if (!shelf.pictures.includes(picture)) {
    stop();
    shelf.put(openKept(picture));
  }
  showPicture(picture, entry);
  $("stage").scrollIntoView({block: "nearest"});
}

async function clearHistory() {
  stop();
  try {
    await forgetAll();
  } catch (error) {
    console.warn(`Nothing was kept: ${error.message}`);
  }
  state.entries = [];
  showEntry(null);
  board.show([], null);
  tidy();
}

function showError(message) {
  $("error").hidden = !message;
  $("error").textContent = message ?? "";
}

// ---- The server ----

function askForKey() {
  server.needsKey = true;
  $("key-field").hidden = false;
  $("key").focus();
}

// The first of them is the server's own choice.
function offerModels(models) {
  server.models = models;
  $("model").textContent = models[0];
  $("models").replaceChildren(...models.map((name) => make("option", {textContent: name})));
  $("model").hidden = models.length > 1;
  $("models").parentElement.hidden = models.length < 2;
}

async function connect() {
  try {
    const [models, tasks, limits] = await Promise.all([getModels(), getTasks(), getLimits()]);
    offerModels(models);
    shelf.limits = limits;
    $("num_beams").max = limits.max_beams;
    $("max_tokens").max = limits.max_tokens;
    $("file").accept = ["image/*", ...limits.extensions].join(",");
    const link = location.hash;  // which the choice of tasks will change
    picker.offer(tasks);
    await applyLink(link);
  } catch (error) {
    if (error.status === 401) askForKey();
    showError(error.message);
    if (error.gone) waitForServer();
  }
}

async function applyLink(link) {
  if (!link) return;
  const {sample, setRegion: setLater} = readLink(link, picker);
  if (sample && viewer.picture?.name !== `${sample}.jpg`) await shelf.addSample(sample, false);
  setLater();
  showWanted();
}

// Looks again and again whether a server that went away is back.
async function waitForServer() {
  if (!$("gone").hidden) return;
  $("gone").hidden = false;
  while (!await isWell()) await new Promise((resolve) => { setTimeout(resolve, LOOK_AGAIN); });
  $("gone").hidden = true;
  showError(null);
  $("status").textContent = "The server is back.";
  if (!picker.tasks.length) connect();
}

function tie() {
  $("form").addEventListener("submit", ask);
  $("stop").addEventListener("click", stop);
  addEventListener("keydown", ({key}) => key === "Escape" && stop());
  onRegionTyped(() => {
    showWanted();
    saveLink();
  });
  for (const id of [...OPTION_IDS, "models"]) $(id).addEventListener("input", saveLink);
  $("key").addEventListener("change", () => {
    setKey($("key").value);
    showError(null);
    if (!picker.tasks.length) connect();
  });
  $("copy-link").addEventListener("click", async () => {
    saveLink();
    try {
      await copy(location.href);
      $("status").textContent = "The link is copied: it carries the tasks, their texts and the options.";
    } catch (error) {
      showError(error.message);
    }
  });
  addEventListener("hashchange", () => applyLink(location.hash));
  takePictures({
    onFiles: (files, beside) => shelf.addFiles(files, beside),
    onSample: (name, beside) => shelf.addSample(name, beside),
  });
}

tie();
await connect();
state.entries = [...state.entries, ...await recall()];
board.show(state.entries, state.shown);
