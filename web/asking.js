// One press of Ask: some questions about some pictures, a request for each picture.

import {annotate, patiently} from "./api.js";
import {fieldsOf, questionFor} from "./question.js";

const AT_ONCE = 3;  // requests

let count = 0;

// An answer, there or still to come: {id, run, when, picture, question, options, model, record, raw, stage, error}.
function entriesOf(run, picture, questions, {options, model}, when) {
  const own = picture.page > 1 ? {...options, page: picture.page} : options;
  return questions.map((question, index) => ({
    id: `${run}-${picture.id}-${index}`, run, when, picture, question, options: own, model,
    record: null, raw: "", stage: {stage: "queued"}, error: null,
  }));
}

export class Run {
  // `how` is {options, model}. The region of the questions is one of `reference`, one of the pictures. onChange(entries) is called with the entries
  // of one picture whenever they change, onRecords(entries) when their answers are there.
  constructor(pictures, questions, how, reference, {onChange, onRecords}) {
    this.when = Date.now();
    this.id = `${this.when.toString(36)}-${++count}`;
    this.abort = new AbortController();
    this.onChange = onChange;
    this.onRecords = onRecords;
    this.parts = pictures.map((picture) => entriesOf(
        this.id, picture, questions.map((question) => questionFor(question, reference, picture)), how, this.when));
    this.error = null;  // the first
  }

  get entries() {
    return this.parts.flat();
  }

  stop() {
    this.abort.abort();
  }

  get stopped() {
    return this.abort.signal.aborted;
  }

  // Resolves when all are answered, refused or stopped.
  async work() {
    const waiting = [...this.parts];
    const worker = async () => {
      while (waiting.length && !this.stopped) await this.#ask(waiting.shift());
    };
    await Promise.all(Array.from({length: Math.min(AT_ONCE, waiting.length)}, worker));
  }

  async #ask(entries) {
    const [{picture, options, model}] = entries;
    const set = (change) => {
      for (const entry of entries) Object.assign(entry, change);
      this.onChange(entries);
    };
    try {
      const fields = fieldsOf(entries.map(({question}) => question), {options, model});
      const {signal} = this.abort;
      const records = await patiently(() => annotate(picture.file, fields, {
        signal,
        onStage: (stage) => set({stage}),
        onText: (question, raw) => {
          entries[question].raw = raw;
          this.onChange(entries);
        },
      }), (seconds) => set({stage: {stage: "busy", seconds}}), signal);
      entries.forEach((entry, i) => { entry.record = records[i]; });
      set({stage: {stage: "done"}});
      this.onRecords(entries);
    } catch (error) {
      if (!this.stopped) this.error ??= error;
      set({stage: {stage: "failed"}, error: this.stopped ? "Stopped" : error.message});
      if (error.gone) this.stop();
    }
  }
}
