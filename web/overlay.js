// The shapes over the picture.

import {cornerOf, tagOf} from "./regions.js";

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function path(region) {
  return region.polygons.map((polygon) => {
    const points = [];
    for (let i = 0; i + 1 < polygon.length; i += 2) points.push(`${polygon[i]} ${polygon[i + 1]}`);
    return points.length ? `M${points.join("L")}Z` : "";
  }).join("");
}

export class Overlay {
  constructor(svg, frame) {
    this.svg = svg;
    this.frame = frame;
    this.regions = [];
    this.wanted = null;
    new ResizeObserver(() => this.layOut()).observe(frame);
  }

  // The picture's size in pixels, which are the shapes' units.
  setSize(width, height) {
    this.width = width;
    this.height = height;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.show([], () => {});
    this.showWanted(null);
  }

  // Shows regions; onPoint(index or -1) is called when one is pointed at.
  show(regions, onPoint) {
    this.regions = regions;
    this.groups = regions.map((region, index) => {
      const d = path(region);
      const group = element("g", {class: "region", "data-index": index},
                            element("path", {class: "halo", d}), element("path", {class: "shape", d}));
      group.style.setProperty("--color", region.color);
      group.append(element("title", {}, tagOf(region) || `region ${index + 1}`));
      group.addEventListener("pointerenter", () => onPoint(index));
      group.addEventListener("pointerleave", () => onPoint(-1));
      return group;
    });
    this.tags = regions.map((region, index) => this.makeTag(region, this.groups[index]));
    this.svg.replaceChildren(...this.groups);
    if (this.wanted) this.showWanted(this.wanted);
    this.layOut();
  }

  makeTag(region, group) {
    const text = tagOf(region);
    if (!text) return null;
    const tag = element("g", {class: "tag"}, element("rect"), element("text", {}, text));
    group.append(tag);
    return tag;
  }

  // Tags keep the size of letters on the screen, whatever the picture's size; they stay inside.
  layOut() {
    const shown = this.svg.getBoundingClientRect();
    if (!this.tags || !shown.width) return;
    const unit = this.width / shown.width;  // picture pixels to a screen pixel
    const taken = [];
    this.tags.forEach((tag, index) => {
      if (!tag) return;
      const [rect, text] = tag.children;
      const wide = text.getComputedTextLength() + 10, high = 20;
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
    this.groups?.forEach((group, i) => group.classList.toggle("lit", i === index));
    if (index >= 0 && !this.groups[index].matches(":hover")) {
      this.svg.append(this.groups[index]);  // over the others
      if (this.wantedShapes) this.svg.append(...this.wantedShapes);
    }
  }

  // The region that the user draws, [x1, y1, x2, y2], or none.
  showWanted(wanted) {
    this.wantedShapes?.forEach((shape) => shape.remove());
    this.wanted = wanted;
    this.wantedShapes = null;
    if (!wanted) return;
    const [x1, y1, x2, y2] = wanted;
    const box = {x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1)};
    this.wantedShapes = ["wanted-halo", "wanted"].map((name) => element("rect", {class: name, ...box}));
    this.svg.append(...this.wantedShapes);
  }

  // Lets the user drag a region; onRegion([x1, y1, x2, y2]) is called with each move.
  drawWith(onRegion, enabled) {
    const point = (event) => {
      const shown = this.svg.getBoundingClientRect();
      const clamp = (value, limit) => Math.max(0, Math.min(limit, Math.round(value)));
      return [clamp((event.clientX - shown.left) / shown.width * this.width, this.width),
              clamp((event.clientY - shown.top) / shown.height * this.height, this.height)];
    };
    let start = null;
    this.svg.addEventListener("pointerdown", (event) => {
      if (!enabled() || event.button !== 0) return;
      start = point(event);
      this.svg.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (start) onRegion([...start, ...point(event)]);
    });
    const end = () => { start = null; };
    this.svg.addEventListener("pointerup", end);
    this.svg.addEventListener("pointercancel", end);
  }
}
