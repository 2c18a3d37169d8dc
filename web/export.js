// Answers as files.

import {cornerOf} from "./geometry.js";
import {tagOf} from "./regions.js";

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function wrap(context, text, width) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (context.measureText(longer).width <= width || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function drawShape(context, region, scale, line) {
  const shape = new Path2D();
  for (const polygon of region.polygons) {
    for (let i = 0; i + 1 < polygon.length; i += 2) {
      shape[i ? "lineTo" : "moveTo"](polygon[i] * scale, polygon[i + 1] * scale);
    }
    shape.closePath();
  }
  context.fillStyle = `${region.color}30`;
  context.fill(shape);
  context.lineWidth = line * 1.8;
  context.strokeStyle = "rgb(0 0 0 / .55)";
  context.stroke(shape);
  context.lineWidth = line;
  context.strokeStyle = region.color;
  context.stroke(shape);
}

function drawTag(context, region, scale, letter, {width}) {
  const tag = tagOf(region);
  if (!tag) return;
  const wide = context.measureText(tag).width + letter * .8, high = letter * 1.5;
  const [x, y] = cornerOf(region).map((value) => value * scale);
  const left = Math.max(0, Math.min(x, width - wide));
  const top = y >= high ? y - high : Math.max(0, y);
  context.fillStyle = region.color;
  context.fillRect(left, top, wide, high);
  context.fillStyle = "#111";
  context.fillText(tag, left + letter * .4, top + letter * 1.12);
}

// The picture with the answer drawn on it, at the size in which it is shown: a PNG Blob. Text stands below. `layers` say
// what is drawn of the regions.
export function drawPng(image, record, regions, layers) {
  const drawn = regions.filter(({kind}) => (kind === "mask" ? layers.masks : layers.boxes));
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const letter = Math.max(12, Math.round(Math.min(width, height) / 36));
  const font = `600 ${letter}px system-ui, sans-serif`;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  context.font = font;
  const text = typeof record.result === "string" ? record.result : "";
  const lines = text ? wrap(context, text, width - letter) : [];
  canvas.width = width;
  canvas.height = height + (lines.length ? Math.ceil((lines.length + .6) * letter * 1.3) : 0);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  context.font = font;
  context.lineJoin = "round";
  const scale = width / record.width;  // large pictures may be shown smaller
  for (const region of drawn) drawShape(context, region, scale, Math.max(2, letter / 6));
  for (const region of layers.labels ? regions : []) drawTag(context, region, scale, letter, {width});
  context.fillStyle = "#111";
  lines.forEach((words, i) => context.fillText(words, letter / 2, height + (i + 1.2) * letter * 1.3));
  return new Promise((resolve, reject) => canvas.toBlob(
      (blob) => blob ? resolve(blob) : reject(new Error("The picture is too large to draw.")), "image/png"));
}
