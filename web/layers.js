// Which of the regions are drawn, and what of them: {boxes, masks, labels, threshold}.

import {$} from "./dom.js";
import {isBelow} from "./regions.js";

const STORED = "uffizi-layers";
const SWITCHES = ["boxes", "masks", "labels"];

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}

export class Layers {
  // onChange(layers) is called with each change.
  constructor(onChange) {
    this.onChange = onChange;
    this.values = {boxes: true, masks: true, labels: true, ...stored(), threshold: 0};
    for (const name of SWITCHES) {
      $(`layer-${name}`).checked = this.values[name];
      $(`layer-${name}`).addEventListener("change", (event) => this.#set({[name]: event.target.checked}));
    }
    $("threshold").addEventListener("input", (event) => this.#set({threshold: event.target.valueAsNumber / 100}));
  }

  // Offers what makes a difference for these regions.
  offer(regions) {
    const has = (kinds) => regions.some(({kind}) => kinds.includes(kind));
    $("layers").hidden = !regions.length;
    $("layer-boxes").parentElement.hidden = !has(["box", "quad"]);
    $("layer-masks").parentElement.hidden = !has(["mask"]);
    $("layer-labels").parentElement.hidden = !regions.some(({label, score}) => label || score !== null);
    $("threshold").parentElement.hidden = !regions.some(({score}) => score !== null);
  }

  shows(region) {
    return !isBelow(region, this.values.threshold);
  }

  #set(change) {
    Object.assign(this.values, change);
    const {threshold, ...rest} = this.values;
    try {
      localStorage.setItem(STORED, JSON.stringify(rest));
    } catch {
      // Then it is not remembered.
    }
    $("threshold-value").textContent = `${Math.round(100 * threshold)}%`;
    this.onChange(this.values);
  }
}
