// The link that carries tasks, texts and options: "#task=od&num_beams=3&sample=shop".

import {$} from "./dom.js";
import {OPTION_IDS, readRegion, writeRegion} from "./question.js";

export function writeLink(picker, sample) {
  const parts = new URLSearchParams();
  for (const {name, input} of picker.chosen) {
    parts.append("task", name);
    if (input === "text" && picker.textOf(name)) parts.append(`text.${name}`, picker.textOf(name));
  }
  if (picker.wantsRegion && readRegion()) parts.set("region", readRegion().join(","));
  for (const id of OPTION_IDS) if ($(id).value !== "") parts.set(id, $(id).value);
  if ($("models").options.length > 1) parts.set("model", $("models").value);
  if (sample) parts.set("sample", sample);
  history.replaceState(null, "", `#${parts}`);
}

// Sets the form as the link says. Gives the sample that it names, and what is to be set once that is there.
export function readLink(link, picker) {
  const parts = new URLSearchParams(link.slice(1));
  picker.choose(parts.getAll("task").map((name) => ({name, text: parts.get(`text.${name}`) ?? ""})));
  for (const id of OPTION_IDS) $(id).value = parts.get(id) ?? "";
  if (OPTION_IDS.some((id) => $(id).value !== "")) $("options").open = true;
  const models = [...$("models").options];
  $("models").selectedIndex = Math.max(0, models.findIndex(({value}) => value === parts.get("model")));
  const region = parts.get("region")?.split(",").map(Number);
  const hasRegion = region?.length === 4 && region.every(Number.isFinite);
  return {sample: parts.get("sample"), setRegion: () => hasRegion && writeRegion(region)};
}
