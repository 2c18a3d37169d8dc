// Where the time went.

const STAGES = [
  ["decode", "decode file", "#a1887f"], ["preprocess", "resize", "#ba9a5b"],
  ["vision_encoder", "vision encoder", "#e07a3f"], ["text_encoder", "text encoder", "#4a90b8"],
  ["decoder", "decoder", "#5b9e5b"], ["parse", "parse", "#9575cd"],
];

function milliseconds(seconds) {
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function element(name, properties, color) {
  const made = Object.assign(document.createElement(name), properties);
  if (color) made.style.setProperty("--color", color);
  return made;
}

export function showTimings(place, {timings, token_ids: ids}) {
  const bar = element("div", {className: "bar"});
  bar.setAttribute("aria-hidden", "true");
  const list = element("ul", {className: "stages"});
  for (const [name, title, color] of STAGES) {
    const part = element("i", {title}, color);
    part.style.flexGrow = 1000 * timings[name] / timings.total;
    bar.append(part);
    const item = element("li", {});
    item.append(element("i", {}, color), `${title} ${milliseconds(timings[name])}`);
    list.append(item);
  }
  const rate = timings.decoder > 0 ? `, ${Math.round(ids.length / timings.decoder)} tokens a second` : "";
  place.replaceChildren(element("div", {textContent: `Model: ${milliseconds(timings.total)}${rate}`}), bar, list);
}
