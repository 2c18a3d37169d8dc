// One answer beside the picture: its words, its regions, and other forms of it.

import {copy} from "./clipboard.js";
import {$, button, make} from "./dom.js";
import {drawPng, save} from "./export.js";
import {withSmallLocations} from "./locations.js";
import {percent, regionsOf} from "./regions.js";
import {curl, pythonOverHttp, pythonPackage, spark} from "./snippets.js";
import {showTimings} from "./timings.js";

const VIEWS = ["answer", "json", "curl", "http", "python", "spark"];

// What a person would write down.
export function plainText(record, regions) {
  if (typeof record.result === "string" && !regions.length) return record.result;
  return regions.map(({label, score, polygons}) => [
    label, percent(score), polygons.map((polygon) => polygon.map((value) => +value.toFixed(1)).join(" ")).join("; "),
  ].filter(Boolean).join("\t")).join("\n");
}

export class AnswerCard {
  // onChoose(entry) is called for another answer about the picture; `server` has `models` and `needsKey`.
  constructor({viewer, server, onChoose}) {
    const {overlay, layers} = viewer;
    Object.assign(this, {overlay, layers, server, onChoose, entry: null, regions: [], view: "answer"});
    for (const view of VIEWS) $(`view-${view}`).addEventListener("click", () => this.#setView(view));
    $("copy").addEventListener("click", () => this.#copy());
    $("save-json").addEventListener("click", () => save(
        new Blob([this.#asJson()], {type: "application/json"}), this.#fileName("json")));
    $("save-png").addEventListener("click", async () => {
      const {picture, record} = this.entry;
      try {
        save(await drawPng($("picture"), record, this.regions.filter((one) => layers.shows(one)), layers.values),
             this.#fileName("png"));
      } catch (error) {
        this.#say(`${picture.name}: ${error.message}`);
      }
    });
  }

  // Shows an entry, answered or not, of those that were asked about the picture together; null for none.
  show(entry, together) {
    this.entry = entry;
    const {record = null} = entry ?? {};
    this.regions = record ? regionsOf(record) : [];
    this.overlay.show(this.regions, (index) => this.light(index));
    this.layers.offer(this.regions);
    $("answer").hidden = !entry || (!record && !entry.raw);
    $("answer-text").classList.toggle("growing", Boolean(entry && !record && !entry.error));
    for (const place of ["answer-text", "regions", "timings"]) $(place).replaceChildren();
    for (const id of ["views", "downloads", "raw"]) $(id).hidden = !record;
    this.#say("");
    $("together").hidden = together.length < 2;
    if (!entry) return;
    $("together").replaceChildren(...together.map((one) => {
      const choose = button(one.question.title, () => this.onChoose(one));
      choose.setAttribute("aria-pressed", String(one === entry));
      return choose;
    }));
    $("answer-title").textContent = entry.question.title;
    $("answer-about").textContent = entry.picture.name;
    if (record) this.#fill(record);
    else this.grow();
    this.#showView(record ? this.view : "answer");
  }

  // The answer so far: special tokens away, locations small.
  grow() {
    const {raw} = this.entry;
    $("answer").hidden = !raw;
    $("answer-text").replaceChildren(...withSmallLocations(raw.replaceAll(/<\/?s>|<pad>/g, "")));
  }

  #fill(record) {
    const {question} = this.entry;
    if (typeof record.result === "string") {
      $("answer-text").replaceChildren(...(record.result ? withSmallLocations(record.result) : ["(no text)"]));
    } else if (question.text && this.regions.length) {
      $("answer-text").replaceChildren(...this.#markPhrases(question.text));
    } else if (!this.regions.length) {
      $("answer-text").textContent = "Nothing found.";
    }
    if (record.truncated) $("answer-text").append(" … (cut at the length limit)");
    $("regions").append(...this.regions.map((region, index) => this.#listItem(region, index)));
    $("raw-text").textContent = record.text;
    showTimings($("timings"), record);
    this.filter();
  }

  // Leaves out of the list what the layers leave out of the picture.
  filter() {
    let left = 0;
    [...$("regions").children].forEach((item, i) => {
      item.hidden = !this.layers.shows(this.regions[i]);
      left += item.hidden ? 1 : 0;
    });
    $("left-out").textContent = left ? `${left} of ${this.regions.length} are less sure than that` : "";
  }

  // Brings a region out in the picture, the list and the text; -1 for none.
  light(index) {
    this.overlay.light(index);
    for (const linked of document.querySelectorAll(".panel [data-index]")) {
      linked.classList.toggle("lit", linked.dataset.index === String(index));
    }
  }

  #linkTo(element, index) {
    element.dataset.index = index;
    element.style.setProperty("--color", this.regions[index].color);
    element.addEventListener("pointerenter", () => this.light(index));
    element.addEventListener("pointerleave", () => this.light(-1));
    return element;
  }

  // Of a region without a label: what was asked for, if that is one thing.
  #nameOf(index) {
    const {question} = this.entry;
    return question.name === "referring_expression_segmentation" ? question.text : `Region ${index + 1}`;
  }

  #listItem(region, index) {
    const choose = this.#linkTo(button("", () => this.light(index)), index);
    choose.append(make("i"), make("b", {textContent: region.label || this.#nameOf(index)}),
                  make("span", {textContent: percent(region.score)}));
    choose.addEventListener("focus", () => this.light(index));
    choose.addEventListener("blur", () => this.light(-1));
    return make("li", {}, choose);
  }

  // The text that was asked with, each phrase that was found marked and linked to its region.
  #markPhrases(text) {
    const parts = [];
    let at = 0;
    for (;;) {
      let best = null;
      this.regions.forEach(({label}, index) => {
        const found = label ? text.toLowerCase().indexOf(label.toLowerCase(), at) : -1;
        if (found >= 0 && (!best || found < best.found || (found === best.found && label.length > best.length))) {
          best = {found, length: label.length, index};
        }
      });
      if (!best) return [...parts, text.slice(at)];
      const mark = this.#linkTo(make("mark", {textContent: text.slice(best.found, best.found + best.length)}), best.index);
      parts.push(text.slice(at, best.found), mark);
      at = best.found + best.length;
    }
  }

  // Lists of numbers on a line.
  #asJson() {
    return JSON.stringify(this.entry.record, null, 2)
        .replaceAll(/\[\s+([-\d.e,\s]+?)\s+\]/g, (list, numbers) => `[${numbers.replaceAll(/\s+/g, " ")}]`);
  }

  #textOf(view) {
    const {entry, server} = this;
    switch (view) {
      case "json": return this.#asJson();
      case "curl": return curl(entry, server);
      case "http": return pythonOverHttp(entry, server);
      case "python": return pythonPackage(entry);
      case "spark": return spark(entry);
      default: return plainText(entry.record, this.regions);
    }
  }

  #setView(view) {
    this.view = view;
    this.#showView(view);
  }

  #showView(view) {
    for (const name of VIEWS) $(`view-${name}`).setAttribute("aria-pressed", String(name === view));
    $("answer-body").hidden = view !== "answer";
    $("code").hidden = view === "answer";
    if (view !== "answer") $("code").textContent = this.#textOf(view);
    this.#say("");
  }

  async #copy() {
    try {
      await copy(this.#textOf(this.view));
      this.#say("Copied");
    } catch (error) {
      this.#say(error.message);
    }
  }

  #say(text) {
    $("copied").textContent = text;
  }

  #fileName(extension) {
    return `${this.entry.picture.name.replace(/\.[^.]*$/, "")}.${this.entry.question.name}.${extension}`;
  }
}
