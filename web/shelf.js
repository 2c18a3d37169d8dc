// The pictures to ask about: read from files and samples, kept in a row, one page of each.

import {getSample} from "./api.js";
import {isPicture, readPicture} from "./pictures.js";
import {showTray} from "./sources.js";

export class Shelf {
  // onBegin(name) before a picture is read, onShow(picture) for one that is to be seen, onChange() when others came or went,
  // onEnd(errors) when all are read. `isShown(picture)` tells which one is seen.
  constructor({onBegin, onShow, onChange, onEnd, isShown}) {
    Object.assign(this, {onBegin, onShow, onChange, onEnd, isShown});
    this.pictures = [];
    this.limits = null;  // of the server
    this.turn = null;    // says whose turn it is to read
    this.opened = new Set();
  }

  // With `beside`, what is there stays.
  addFiles(files, beside) {
    const known = files.filter((file) => isPicture(file, this.limits));
    const others = files.filter((file) => !known.includes(file));
    const faults = others.map(({name}) => new Error(`${name} is not a picture file.`));
    if (!files.length) faults.push(new Error("That is not a picture file."));
    return this.#read(known.map((file) => ({name: file.name, read: () => readPicture(file, this.limits)})), beside, faults);
  }

  addSample(name, beside) {
    const read = async () => readPicture(await getSample(name), this.limits);
    return this.#read([{name: `${name}.jpg`, read}], beside, []);
  }

  // Another page of the file that a picture is from, in its place.
  turnPage(old, page) {
    const read = () => readPicture(old.file, this.limits, page);
    return this.#read([{name: `page ${page} of ${old.name}`, read, old}], true, []);
  }

  // This one alone.
  put(picture) {
    if (this.turn) this.onEnd([]);
    this.turn = null;
    this.pictures = [picture];
    this.opened.add(picture);
  }

  // Gives back the memory of pictures that nobody asks about any more and that are not `used`.
  tidy(used) {
    for (const picture of this.opened) {
      if (this.pictures.includes(picture) || used(picture)) continue;
      URL.revokeObjectURL(picture.url);
      picture.url = null;
      this.opened.delete(picture);
    }
  }

  remove(picture) {
    const at = this.pictures.indexOf(picture);
    this.pictures = this.pictures.filter((one) => one !== picture);
    if (this.isShown(picture)) this.onShow(this.pictures[Math.min(at, this.pictures.length - 1)]);
    else this.onChange();
  }

  showRow(shown) {
    showTray(this.pictures, shown, {onChoose: this.onShow, onRemove: (picture) => this.remove(picture)});
  }

  // One after the other; the first is shown as soon as it is there.
  async #read(readers, beside, faults) {
    const turn = this.turn = {};
    let first = true;
    for (const {name, read, old} of readers) {
      try {
        this.onBegin(name);
        const picture = await read();
        this.opened.add(picture);
        if (this.turn !== turn) return;
        if (old) this.pictures = this.pictures.map((one) => (one === old ? picture : one));
        else this.pictures = first && !beside ? [picture] : [...this.pictures, picture];
        if (first) this.onShow(picture);
        else this.onChange();
        first = false;
      } catch (error) {
        if (this.turn !== turn) return;
        faults.push(error);
      }
    }
    this.turn = null;
    this.onEnd(faults);
  }
}
