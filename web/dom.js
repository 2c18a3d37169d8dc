// Short names for what every module does with the document.

export const $ = (id) => document.getElementById(id);

// An element with properties (`dataset` and `style` hold maps) and children.
export function make(name, properties = {}, ...children) {
  const {dataset = {}, style = {}, ...rest} = properties;
  const made = Object.assign(document.createElement(name), rest);
  Object.assign(made.dataset, dataset);
  for (const [key, value] of Object.entries(style)) made.style.setProperty(key, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function makeSvg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function button(text, onClick, properties = {}) {
  const made = make("button", {type: "button", textContent: text, ...properties});
  made.addEventListener("click", onClick);
  return made;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
