// How a picture lies in the stage: its scale and place.

const MOST = 16;        // screen pixels to one of the picture's
const MOST_FITTED = 4;  // small pictures are not blown up further by themselves
const STEP = 1.5;

export class Zoom {
  // onChange() after each change of scale or place.
  constructor(stage, frame, onChange) {
    Object.assign(this, {stage, frame, onChange, width: 0, height: 0, scale: 1, x: 0, y: 0, fitted: true});
    new ResizeObserver(() => this.#resized()).observe(stage);
  }

  setSize(width, height) {
    this.width = width;
    this.height = height;
    this.stage.style.setProperty("--aspect", width / height);
    this.fit();
  }

  get #fittingScale() {
    return Math.min(this.stage.clientWidth / this.width, this.stage.clientHeight / this.height, MOST_FITTED);
  }

  fit() {
    this.fitted = true;
    this.scale = this.#fittingScale;
    this.#place(0, 0);
  }

  // By a factor, around a point of the stage; without one, its middle.
  by(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    this.to(this.scale * factor, x, y);
  }

  to(wanted, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    if (!this.width) return;
    const least = this.#fittingScale;
    const scale = Math.max(least, Math.min(MOST, wanted));
    if (scale <= least * 1.001) {
      this.fit();
      return;
    }
    const factor = scale / this.scale;
    this.fitted = false;
    this.scale = scale;
    this.#place(x - (x - this.x) * factor, y - (y - this.y) * factor);
  }

  in(x, y) { this.by(STEP, x, y); }
  out(x, y) { this.by(1 / STEP, x, y); }
  move(dx, dy) { this.#place(this.x + dx, this.y + dy); }

  // The picture's pixel under a point of the screen, kept inside.
  pixelAt(clientX, clientY) {
    const shown = this.frame.getBoundingClientRect();
    const clamp = (value, limit) => Math.max(0, Math.min(limit, Math.round(value)));
    return [clamp((clientX - shown.left) / this.scale, this.width), clamp((clientY - shown.top) / this.scale, this.height)];
  }

  #resized() {
    if (!this.width) return;
    if (this.fitted) this.fit();
    else this.#place(this.x, this.y);
  }

  // The picture covers the stage where it is larger, and is in its middle where it is smaller.
  #place(x, y) {
    const within = (at, room, size) => (size <= room ? (room - size) / 2 : Math.max(room - size, Math.min(0, at)));
    const [wide, high] = [this.width * this.scale, this.height * this.scale];
    this.x = within(x, this.stage.clientWidth, wide);
    this.y = within(y, this.stage.clientHeight, high);
    const {style} = this.frame;
    style.width = `${wide}px`;
    style.height = `${high}px`;
    style.transform = `translate(${this.x}px, ${this.y}px)`;
    this.onChange();
  }
}
