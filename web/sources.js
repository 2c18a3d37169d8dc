// Where pictures come from: the picker, what is dropped or pasted, the samples; and the row of those that are there.

import {$, button, make} from "./dom.js";

const SAMPLES = ["penguins", "shop", "village", "football", "meadow", "space"];

// onFiles(files, add) and onSample(name, add) are called with what the user gives; `add` says to keep what is there.
export function takePictures({onFiles, onSample}) {
  let add = false;
  const pick = (adding) => {
    add = adding;
    $("file").click();
  };
  $("choose").addEventListener("click", () => pick(false));
  $("add").addEventListener("click", () => pick(true));
  $("file").addEventListener("change", () => {
    const files = [...$("file").files];
    $("file").value = "";
    if (files.length) onFiles(files, add);
    add = false;
  });
  const stage = $("stage");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("dropping");
    onFiles([...(event.dataTransfer?.files ?? [])], event.shiftKey);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    onFiles(files, false);
  });
  offerSamples(onSample);
}

function offerSamples(onSample) {
  for (const name of SAMPLES) {
    const image = make("img", {src: `/samples/${name}.jpg`, alt: `Sample: ${name}`});
    const choose = button("", (event) => onSample(name, event.shiftKey || event.ctrlKey || event.metaKey),
                          {title: "With Shift, beside what is there", dataset: {name: `${name}.jpg`}});
    choose.setAttribute("aria-pressed", "false");
    choose.append(image);
    $("samples").append(make("li", {}, choose));
  }
}

// The row of pictures, of which one is shown. `onChoose` and `onRemove` are called with a picture.
export function showTray(pictures, active, {onChoose, onRemove}) {
  const several = pictures.length > 1;
  $("tray").hidden = !several;
  $("add").hidden = !pictures.length;
  $("tray").replaceChildren(...(several ? pictures : []).map((picture) => {
    const choose = button("", () => onChoose(picture), {className: "tray-picture", title: picture.name});
    choose.append(make("img", {src: picture.url, alt: picture.name}));
    choose.setAttribute("aria-pressed", String(picture === active));
    const remove = button("×", () => onRemove(picture), {className: "tray-remove"});
    remove.setAttribute("aria-label", `Remove ${picture.name}`);
    return make("li", {}, choose, remove);
  }));
  for (const sample of $("samples").querySelectorAll("button")) {
    sample.setAttribute("aria-pressed", String(pictures.some(({name}) => name === sample.dataset.name)));
  }
}
