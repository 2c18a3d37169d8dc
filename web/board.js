// All answers side by side, the newest above: a tile for each picture and task.

import {$, button, make, makeSvg, plural} from "./dom.js";
import {save} from "./export.js";
import {cornersOf, pathOf} from "./geometry.js";
import {stageText} from "./progress.js";
import {regionsOf} from "./regions.js";

// "2 hamburgers"-like words need grammar: "hamburger, boat, mushroom ×2" does not.
export function summaryOf(regions) {
  const counts = new Map();
  for (const {label} of regions) counts.set(label, (counts.get(label) ?? 0) + 1);
  const named = [...counts].filter(([label]) => label);
  if (!named.length) return plural(regions.length, "region");
  return named.map(([label, count]) => (count > 1 ? `${label} ×${count}` : label)).join(", ");
}

function textOf({record, stage, error, raw}, regions) {
  if (error) return error;
  if (!record) return raw.replaceAll(/<[^>]*>/g, " ").trim() || `${stageText(stage)} …`;
  if (typeof record.result === "string" && !regions.length) return record.result || "(no text)";
  return regions.length ? summaryOf(regions) : "Nothing found.";
}

// The records as `uffizi annotate --format jsonl` writes them.
function saveLines(entries) {
  const lines = entries.filter(({record}) => record).map(({record}) => `${JSON.stringify(record)}\n`);
  save(new Blob(lines, {type: "application/jsonl"}), "answers.jsonl");
}

function shapesOf({picture, question}, regions) {
  const shapes = regions.map((region) => {
    const path = makeSvg("path", {d: pathOf(region), class: "shape"});
    path.style.setProperty("--color", region.color);
    return path;
  });
  if (question.region) shapes.push(makeSvg("path", {d: pathOf({polygons: [cornersOf(question.region)]}), class: "wanted"}));
  return makeSvg("svg", {viewBox: `0 0 ${picture.width} ${picture.height}`, "aria-hidden": "true"}, ...shapes);
}

// Entries one after the other, in groups: those of a run of several, and what was asked alone before and after it.
function groupsOf(entries) {
  const sizes = new Map();
  for (const {run} of entries) sizes.set(run, (sizes.get(run) ?? 0) + 1);
  const groups = [];
  let last = null;
  for (const entry of entries) {
    const kind = sizes.get(entry.run) > 1 ? entry.run : "alone";
    if (kind !== last) groups.push([]);
    groups.at(-1).push(entry);
    last = kind;
  }
  return groups;
}

const timeOf = ({when}) => new Date(when).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"});

function headOf(entries, together, pictures) {
  if (!together) return [...new Set([timeOf(entries.at(-1)), timeOf(entries[0])])].join(" to ");
  const [{options}] = entries;
  const tasks = [...new Set(entries.map(({question}) => question.title))];
  const shown = Object.entries(options).filter(([name]) => name !== "page").map(([name, value]) => `${name} ${value}`);
  return [timeOf(entries[0]), tasks.join(" · "), ...(pictures > 1 ? [`${pictures} pictures`] : []), ...shown].join("  ·  ");
}

export class Board {
  // onChoose(entry) is called for the one that is pressed.
  constructor({onChoose, onClear}) {
    this.onChoose = onChoose;
    this.tiles = new Map();  // by entry
    $("clear").addEventListener("click", onClear);
  }

  // All entries anew. Those that were asked together stand together, and so do those that were asked one by one.
  show(entries, active) {
    this.tiles.clear();
    $("board").hidden = !entries.length;
    $("runs").replaceChildren(...groupsOf(entries).map((group) => this.#group(group)));
    this.mark(active);
  }

  #group(entries) {
    const together = entries.every(({run}) => run === entries[0].run);
    const pictures = together ? new Set(entries.map(({picture}) => picture.id)).size : 0;
    const columns = entries.length / pictures;
    const matrix = pictures > 1 && columns > 1;  // a row for each picture
    const list = make("ul", {className: `tiles${matrix ? " matrix" : ""}`, style: {"--columns": columns}},
                      ...entries.map((entry) => make("li", {}, this.#tile(entry))));
    const download = button("Save JSON lines", () => saveLines(entries), {className: "link"});
    return make("section", {className: "run"},
                make("div", {className: "run-head"}, make("h3", {textContent: headOf(entries, together, pictures)}), download),
                list);
  }

  #tile(entry) {
    const tile = button("", () => this.onChoose(entry), {className: "tile"});
    this.tiles.set(entry, tile);
    this.update(entry);
    return tile;
  }

  update(entry) {
    const tile = this.tiles.get(entry);
    if (!tile) return;
    const regions = entry.record ? regionsOf(entry.record) : [];
    const {picture, question} = entry;
    if (!tile.firstChild) {
      const image = make("img", {src: picture.url ?? (picture.thumbnailUrl ??= URL.createObjectURL(picture.thumbnail)),
                                 alt: picture.name, loading: "lazy"});
      tile.append(make("span", {className: "tile-picture"}, image), make("b", {textContent: question.title}),
                  make("span", {className: "tile-text"}));
      if (question.text) tile.querySelector("b").append(make("i", {textContent: ` ${question.text}`}));
    }
    const [holder, , text] = tile.children;
    holder.querySelector("svg")?.remove();
    if (regions.length || question.region) holder.append(shapesOf(entry, regions));
    text.textContent = textOf(entry, regions);
    tile.classList.toggle("busy", !entry.record && !entry.error);
    tile.classList.toggle("failed", Boolean(entry.error));
  }

  // Which of them the stage shows.
  mark(active) {
    for (const [entry, tile] of this.tiles) {
      if (entry === active) tile.setAttribute("aria-current", "true");
      else tile.removeAttribute("aria-current");
    }
  }
}
