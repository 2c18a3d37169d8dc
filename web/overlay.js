// The shapes over the picture.

import {makeSvg} from "./dom.js";
import {cornerOf, pathOf} from "./geometry.js";
import {isBelow, tagOf} from "./regions.js";

const TAG_HEIGHT = 20;  // screen pixels

export class Overlay {
  constructor(svg, layers) {
    this.svg = svg;
    this.regions = [];
    this.groups = [];
    this.tags = [];
    this.layers = layers;
    this.wanted = null;
    this.wantedShapes = [];
  }

  // The picture's size in pixels, which are the shapes' units.
  setSize(width, height) {
    this.width = width;
    this.height = height;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  // Shows regions; onPoint(index or -1) is called when one is pointed at.
  show(regions, onPoint) {
    this.regions = regions;
    this.groups = regions.map((region, index) => this.#makeGroup(region, index, onPoint));
    this.tags = regions.map((region, index) => this.#makeTag(region, this.groups[index]));
    this.svg.replaceChildren(...this.groups, ...this.wantedShapes);
    this.svg.classList.remove("dimmed");
    this.setLayers(this.layers);
  }

  #makeGroup(region, index, onPoint) {
    const d = pathOf(region);
    const group = makeSvg("g", {class: `region ${region.kind}`, "data-index": index},
                          makeSvg("path", {class: "halo", d}), makeSvg("path", {class: "shape", d}),
                          makeSvg("title", {}, tagOf(region) || `region ${index + 1}`));
    group.style.setProperty("--color", region.color);
    group.addEventListener("pointerenter", () => onPoint(index));
    group.addEventListener("pointerleave", () => onPoint(-1));
    return group;
  }

  #makeTag(region, group) {
    const text = tagOf(region);
    if (!text) return null;
    const tag = makeSvg("g", {class: "tag"}, makeSvg("rect"), makeSvg("text", {}, text));
    group.append(tag);
    return tag;
  }

  // What is drawn of the regions: see layers.js.
  setLayers(layers) {
    this.layers = layers;
    this.svg.classList.toggle("no-boxes", !layers.boxes);
    this.svg.classList.toggle("no-masks", !layers.masks);
    this.svg.classList.toggle("no-labels", !layers.labels);
    this.groups.forEach((group, i) => {
      group.classList.toggle("below", isBelow(this.regions[i], layers.threshold));
    });
    this.layOut();
  }

  // Tags keep the size of letters on the screen, whatever the picture's scale; they stay inside.
  layOut() {
    const shown = this.svg.getBoundingClientRect();
    if (!shown.width || !this.layers.labels) return;
    const unit = this.width / shown.width;  // picture pixels to a screen pixel
    const taken = [];
    this.tags.forEach((tag, index) => {
      if (!tag || this.groups[index].classList.contains("below")) return;
      const [rect, text] = tag.children;
      const wide = text.getComputedTextLength() + 10, high = TAG_HEIGHT;
      const [x, y] = cornerOf(this.regions[index]).map((value) => value / unit);
      const left = Math.max(0, Math.min(x, this.width / unit - wide));
      let top = y >= high ? y - high : Math.max(0, y);
      const hits = ([l, t, w]) => left < l + w && l < left + wide && top < t + high && t < top + high;
      for (let tries = 0; tries < 8 && taken.some(hits); ++tries) top += high;
      top = Math.min(top, Math.max(0, this.height / unit - high));
      taken.push([left, top, wide]);
      tag.setAttribute("transform", `scale(${unit}) translate(${left} ${top})`);
      for (const [key, value] of [["width", wide], ["height", high], ["rx", 4]]) rect.setAttribute(key, value);
      text.setAttribute("x", 5);
      text.setAttribute("y", 14.5);
    });
  }

  // Brings one region out; -1 for none.
  light(index) {
    this.svg.classList.toggle("dimmed", index >= 0);
    this.groups.forEach((group, i) => group.classList.toggle("lit", i === index));
    if (index >= 0 && !this.groups[index].matches(":hover")) {
      this.svg.append(this.groups[index], ...this.wantedShapes);  // over the others
    }
  }

  // Regions that the user draws or names, each [x1, y1, x2, y2].
  showWanted(wanted) {
    for (const shape of this.wantedShapes) shape.remove();
    this.wantedShapes = wanted.flatMap(([x1, y1, x2, y2]) => {
      const box = {x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1)};
      return ["wanted-halo", "wanted"].map((name) => makeSvg("rect", {class: name, ...box}));
    });
    this.svg.append(...this.wantedShapes);
  }
}
