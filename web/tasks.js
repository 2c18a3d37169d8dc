// The tasks to choose from: one, or several at once.

import {$, make} from "./dom.js";

const TITLES = {
  caption: "Caption", detailed_caption: "Detailed caption", more_detailed_caption: "Paragraph",
  od: "Objects", dense_region_caption: "Described regions", region_proposal: "Region proposals",
  caption_to_phrase_grounding: "Phrases of a caption", open_vocabulary_detection: "Things you name",
  referring_expression_segmentation: "Outline of a phrase",
  ocr: "Text", ocr_with_region: "Text with places",
  region_to_category: "Category", region_to_description: "Description",
  region_to_segmentation: "Outline", region_to_ocr: "Text in it",
};
const GROUPS = [
  ["Describe", (task) => task.name.endsWith("caption") && task.shape === "text"],
  ["Find", (task) => task.input !== "region" && task.shape !== "text" && task.shape !== "quads"],
  ["Read", (task) => task.name.startsWith("ocr")],
  ["About a region that you draw", (task) => task.input === "region"],
  ["Anything else", (task) => task.name === "prompt"],
];
const USUAL = "od";
// Not a task of the model's: any text goes to it as it is.
const PROMPT = {name: "prompt", token: "", input: "text", shape: "text", prompt: "",
                help: "any text, given to the model as it is", example: "What does the image describe?"};

export class TaskPicker {
  // onChange() after each change of the choice or of a text.
  constructor(onChange) {
    this.onChange = onChange;
    this.tasks = [];
    this.texts = new Map();  // by task, kept while it is not chosen
    $("tasks").addEventListener("change", () => this.#changed());
    $("several").addEventListener("change", () => this.#setSeveral($("several").checked));
  }

  offer(tasks) {
    const known = tasks.map((task) => ({...task, title: TITLES[task.name] ?? task.name}));
    this.tasks = [...known, {...PROMPT, title: "Prompt of your own"}];
    const groups = GROUPS.map(([legend, belongs]) => {
      const chips = this.tasks.filter(belongs).map((task) => make(
          "label", {title: task.help},
          make("input", {type: "radio", name: "task", value: task.name, checked: task.name === USUAL}),
          make("span", {textContent: task.title})));
      return make("fieldset", {}, make("legend", {textContent: legend}), make("div", {className: "chips"}, ...chips));
    });
    $("tasks").replaceChildren(...groups);
    this.#changed();
  }

  get inputs() {
    return [...$("tasks").querySelectorAll("input")];
  }

  // In the order in which the form sends them and the server answers: prompts come last.
  get chosen() {
    const names = this.inputs.filter(({checked}) => checked).map(({value}) => value);
    return this.tasks.filter(({name}) => names.includes(name));
  }

  get wantsRegion() {
    return this.chosen.some(({input}) => input === "region");
  }

  textOf(name) {
    return this.texts.get(name) ?? "";
  }

  // Chooses by name, with texts: [{name, text}, ...].
  choose(wanted) {
    const known = wanted.filter(({name}) => this.tasks.some((task) => task.name === name));
    if (!known.length) return;
    $("several").checked = known.length > 1;
    this.#setSeveral(known.length > 1, known.map(({name}) => name));
    for (const {name, text} of known) if (text) this.texts.set(name, text);
    this.#changed();
  }

  // The field of the first text that is missing; null if none is.
  missingText() {
    const task = this.chosen.find(({input, name}) => input === "text" && !this.textOf(name).trim());
    return task ? $(`text-${task.name}`) : null;
  }

  #setSeveral(several, names = this.chosen.slice(0, several ? undefined : 1).map(({name}) => name)) {
    for (const input of this.inputs) {
      input.type = several ? "checkbox" : "radio";
      input.checked = names.includes(input.value);
    }
    this.#changed();
  }

  #changed() {
    const wanted = this.chosen.filter(({input}) => input === "text");
    const focused = document.activeElement?.id;
    $("texts").replaceChildren(...wanted.map((task) => this.#textField(task, wanted.length > 1)));
    if (focused?.startsWith("text-")) $(focused)?.focus();
    $("region-field").hidden = !this.wantsRegion;
    this.onChange();
  }

  #textField({name, title, example}, named) {
    const id = `text-${name}`;
    const things = name === "open_vocabulary_detection";
    const field = make("input", {id, type: "text", autocomplete: "off", spellcheck: false, value: this.textOf(name),
                                 placeholder: things ? "car; building" : example});
    field.addEventListener("input", () => {
      this.texts.set(name, field.value);
      this.onChange();
    });
    const made = make("div", {className: "field"},
                      make("label", {htmlFor: id, textContent: named ? `Text of “${title}”` : "Text"}), field);
    if (things) {
      made.append(make("small", {id: `${id}-hint`, textContent: "Several things: separate them by ;"}));
      field.setAttribute("aria-describedby", `${id}-hint`);
    }
    return made;
  }
}
