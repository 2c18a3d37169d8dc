// The <loc_N> that a model writes for prompts that are no task of its own: places, in bins of which a picture has 1000
// in width and 1000 in height.

import {cornersOf} from "./geometry.js";

const BINS = 1000;
const RUNS = /((?:<loc_\d+>)+)/;

function pointsOf(run, {width, height}) {
  return [...run.matchAll(/<loc_(\d+)>/g)].map(([, bin], i) => (Number(bin) + .5) * (i % 2 ? height : width) / BINS);
}

// What a run of locations outlines. Two points are a box's corners; four are a box for each two of them or, if they lie
// as a quadrilateral's do, that; more are a polygon.
function shapesOf(points) {
  const box = (corners) => ({kind: "box", polygons: [cornersOf(corners)]});
  if (points.length < 4) return [];
  if (points.length === 8 && !isTwoBoxes(points)) return [{kind: "quad", polygons: [points]}];
  if (points.length % 4 === 0) {
    const boxes = [];
    for (let i = 0; i < points.length; i += 4) boxes.push(points.slice(i, i + 4));
    if (boxes.every(([x1, y1, x2, y2]) => x1 <= x2 && y1 <= y2)) return boxes.map(box);
  }
  return [{kind: "mask", polygons: [points.slice(0, points.length - points.length % 2)]}];
}

// A quadrilateral goes around: from its second corner on it comes back to the left or to the top.
function isTwoBoxes([x1, y1, x2, y2, x3, y3, x4, y4]) {
  return x1 <= x2 && y1 < y2 && x3 <= x4 && y3 < y4;
}

// Regions of a record whose answer is a text with locations in it: each run is called by the words before it.
export function locationsOf(record) {
  const text = record.text.replaceAll(/<\/?s>|<pad>|<\/?poly>|<sep>/g, "");
  if (!RUNS.test(text)) return [];
  const parts = text.split(RUNS);
  const regions = [];
  for (let i = 1; i < parts.length; i += 2) {
    const label = parts[i - 1].trim();
    for (const shape of shapesOf(pointsOf(parts[i], record))) regions.push({...shape, label, score: null});
  }
  return regions;
}

// The text with its locations as small numbers, as nodes.
export function withSmallLocations(text) {
  return text.split(RUNS).map((part) => {
    if (!part.startsWith("<loc_")) return part;
    const small = document.createElement("span");
    small.className = "loc";
    small.textContent = part.replaceAll(/<loc_(\d+)>/g, " $1");
    return small;
  });
}

// The boxes that a prompt itself names.
export function regionsInPrompt(prompt, size) {
  return prompt.split(RUNS).filter((part) => part.startsWith("<loc_"))
      .flatMap((run) => shapesOf(pointsOf(run, size)))
      .filter(({kind}) => kind === "box").map(({polygons: [[x1, y1, , , x2, y2]]}) => [x1, y1, x2, y2]);
}
