// Shapes in pixels. A polygon is [x, y, x, y, ...], a region's `polygons` are some of them.

// A box as a polygon.
export const cornersOf = ([x1, y1, x2, y2]) => [x1, y1, x2, y1, x2, y2, x1, y2];

// The top left corner of all of a region.
export function cornerOf(region) {
  const xs = [], ys = [];
  for (const polygon of region.polygons) {
    polygon.forEach((value, i) => (i % 2 ? ys : xs).push(value));
  }
  return [Math.min(...xs), Math.min(...ys)];
}

// The shape as the `d` of an SVG path.
export function pathOf(region) {
  return region.polygons.map((polygon) => {
    const points = [];
    for (let i = 0; i + 1 < polygon.length; i += 2) points.push(`${polygon[i]} ${polygon[i + 1]}`);
    return points.length ? `M${points.join("L")}Z` : "";
  }).join("");
}
