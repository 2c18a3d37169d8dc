// What is asked: the search options and the region of the form, and the fields that they become.

import {$} from "./dom.js";

const CORNERS = ["x1", "y1", "x2", "y2"];
// Of the form's inputs by their ids, the option of the API that each one is.
const NUMBERS = {
  num_beams: "num_beams", length_penalty: "length_penalty", no_repeat_ngram_size: "no_repeat_ngram_size",
  temperature: "temperature", seed: "seed",
};
export const OPTION_IDS = [...Object.keys(NUMBERS), "max_tokens", "tiles"];

// The options that are given, by their names in the API.
export function readOptions() {
  const options = {};
  for (const [id, name] of Object.entries(NUMBERS)) {
    if ($(id).value !== "") options[name] = $(id).valueAsNumber;
  }
  if ($("max_tokens").value !== "") options.max_length = $("max_tokens").valueAsNumber + 1;  // the start token counts
  if (options.temperature !== undefined) options.do_sample = true;
  if ($("tiles").value) options.tiles = $("tiles").value;
  return options;
}

export const readRegion = () => {
  const region = CORNERS.map((corner) => $(corner).valueAsNumber);
  return region.every(Number.isFinite) ? region : null;
};

export function writeRegion(region) {
  CORNERS.forEach((corner, i) => { $(corner).value = region?.[i] ?? ""; });
}

export function onRegionTyped(call) {
  for (const corner of CORNERS) $(corner).addEventListener("input", call);
}

// The question as it was asked, for good: {name, token, title, shape, text, region}.
export function questionOf(task, {text, region}) {
  const {name, token, title, shape, input} = task;
  return {name, token, title, shape, text: input === "text" ? text : "", region: input === "region" ? region : null};
}

// The same about another picture: a region covers the same part of it.
export function questionFor(question, from, to) {
  if (!question.region || from === to) return question;
  const region = question.region.map((value, i) => {
    const [old, wanted] = i % 2 ? [from.height, to.height] : [from.width, to.width];
    return Math.round(value / old * wanted);
  });
  return {...question, region};
}

// The fields of the form that asks them.
export function fieldsOf(questions, {options, model}) {
  const fields = model ? [["model", model]] : [];
  for (const {name, text, region} of questions) {
    if (name === "prompt") {
      fields.push(["prompt", text]);
      continue;
    }
    fields.push(["task", name]);
    if (region) fields.push(["region", region.join(",")]);
    else if (text) fields.push(["text", text]);
  }
  if (Object.keys(options).length) fields.push(["options", JSON.stringify(options)]);
  return fields;
}
