// A record's regions, whatever the shape of its answer.

const COLORS = [
  "#ff8a5c", "#4fc3f7", "#aed581", "#f48fb1", "#ffd54f", "#b39ddb",
  "#4db6ac", "#ff80ab", "#dce775", "#90caf9", "#ffab91", "#80cbc4",
];

// [{label, score, color, polygons: [[x, y, x, y, ...], ...]}], in pixels of the picture; a box is a
// polygon of four corners. A score of 0 is none.
export function regionsOf(record) {
  const {result} = record;
  if (typeof result === "string") return [];
  const regions = [];
  const add = (shapes = [], labels = [], scores = [], toPolygons) => shapes.forEach((shape, i) => {
    regions.push({label: labels[i] ?? "", score: scores[i] ?? 0, polygons: toPolygons(shape)});
  });
  const box = ([x1, y1, x2, y2]) => [[x1, y1, x2, y1, x2, y2, x1, y2]];
  const labels = result.bboxes_labels ? [] : result.labels;
  add(result.bboxes, result.bboxes_labels ?? labels, result.bboxes_scores ?? result.scores, box);
  add(result.quad_boxes, labels, result.scores, (quad) => [quad]);
  add(result.polygons, result.polygons_labels ?? labels, result.polygons_scores ?? result.scores,
      (polygons) => polygons);
  // The same label has the same color.
  const seen = new Map();
  for (const region of regions) {
    const name = region.label || `#${seen.size}`;
    if (!seen.has(name)) seen.set(name, COLORS[seen.size % COLORS.length]);
    region.color = seen.get(name);
  }
  return regions;
}

export function percent(score) {
  return score > 0 ? `${Math.round(score * 100)}%` : "";
}

export function tagOf(region) {
  return [region.label, percent(region.score)].filter(Boolean).join(" ");
}

// The top left corner of all of a region.
export function cornerOf(region) {
  const xs = [], ys = [];
  for (const polygon of region.polygons) {
    polygon.forEach((value, i) => (i % 2 ? ys : xs).push(value));
  }
  return [Math.min(...xs), Math.min(...ys)];
}
