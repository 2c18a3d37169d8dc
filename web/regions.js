// A record's regions, whatever the shape of its answer.

import {cornersOf} from "./geometry.js";
import {locationsOf} from "./locations.js";

const COLORS = [
  "#ff8a5c", "#4fc3f7", "#aed581", "#f48fb1", "#ffd54f", "#b39ddb",
  "#4db6ac", "#ff80ab", "#dce775", "#90caf9", "#ffab91", "#80cbc4",
];

// [{label, score, color, kind, polygons: [[x, y, x, y, ...], ...]}], in pixels of the picture. The kind is "box" (a
// polygon of four corners), "quad" or "mask". A score of null is none.
export function regionsOf(record) {
  const {result} = record;
  const regions = typeof result === "string" ? locationsOf(record) : shapesOf(result);
  // The same label has the same color.
  const seen = new Map();
  for (const region of regions) {
    const name = region.label || `#${seen.size}`;
    if (!seen.has(name)) seen.set(name, COLORS[seen.size % COLORS.length]);
    region.color = seen.get(name);
  }
  return regions;
}

function shapesOf(result) {
  const regions = [];
  const add = (kind, shapes = [], labels = [], scores = [], toPolygons) => shapes.forEach((shape, i) => {
    regions.push({kind, label: labels[i] ?? "", score: scores[i] ?? null, polygons: toPolygons(shape)});
  });
  const labels = result.bboxes_labels ? [] : result.labels;
  add("box", result.bboxes, result.bboxes_labels ?? labels, result.bboxes_scores ?? result.scores,
      (box) => [cornersOf(box)]);
  add("quad", result.quad_boxes, labels, result.scores, (quad) => [quad]);
  add("mask", result.polygons, result.polygons_labels ?? labels, result.polygons_scores ?? result.scores,
      (polygons) => polygons);
  return regions;
}

export function percent(score) {
  return score === null ? "" : `${Math.round(score * 100)}%`;
}

// Whether a threshold hides it: one without a score is always shown.
export function isBelow({score}, threshold) {
  return score !== null && score < threshold;
}

export function tagOf(region) {
  return [region.label, percent(region.score)].filter(Boolean).join(" ");
}
