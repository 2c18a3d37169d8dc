// The stage: a picture, what is drawn on it, and the ways to look closer.

import {$} from "./dom.js";
import {takeGestures} from "./gestures.js";
import {Layers} from "./layers.js";
import {Overlay} from "./overlay.js";
import {Zoom} from "./zoom.js";

export class Viewer {
  // mayDraw() and onRegion(region) are those of takeGestures; onLayers() is called when other regions are to be drawn;
  // onPage(number) when the user wants another page of the file.
  constructor({mayDraw, onRegion, onLayers, onPage}) {
    this.picture = null;
    this.layers = new Layers((values) => {
      this.overlay.setLayers(values);
      onLayers();
    });
    this.overlay = new Overlay($("overlay"), this.layers.values);
    this.zoom = new Zoom($("stage"), $("frame"), () => this.#zoomed());
    $("zoom-in").addEventListener("click", () => this.zoom.in());
    $("zoom-out").addEventListener("click", () => this.zoom.out());
    $("zoom-fit").addEventListener("click", () => this.zoom.fit());
    $("zoom-scale").addEventListener("click", () => this.zoom.to(1));
    $("page").addEventListener("change", () => this.#turnPage(onPage));
    takeGestures($("stage"), this.zoom, {mayDraw, onRegion});
  }

  show(picture) {
    if (this.picture === picture) return;
    this.picture = picture;
    const {url, name, width, height, page, pages} = picture;
    Object.assign($("picture"), {src: url, alt: name});
    $("empty").hidden = true;
    $("frame").hidden = $("zoom").hidden = false;
    this.overlay.setSize(width, height);
    this.zoom.setSize(width, height);
    $("pages").hidden = !(pages > 1);
    Object.assign($("page"), {max: pages, value: page});
    $("page-count").textContent = `of ${pages}`;
  }

  setLoading(loading) {
    $("stage").classList.toggle("loading", loading);
    if (!loading && this.picture) $("page").value = this.picture.page;
  }

  setDrawing(drawing) {
    $("stage").classList.toggle("drawing", drawing);
  }

  #zoomed() {
    $("zoom-scale").textContent = `${Math.round(100 * this.zoom.scale)}%`;
    $("stage").classList.toggle("zoomed", !this.zoom.fitted);
    this.overlay.layOut();
  }

  #turnPage(onPage) {
    const page = $("page").valueAsNumber;
    const {pages} = this.picture;
    if (Number.isInteger(page) && page >= 1 && page <= pages) onPage(page);
    else $("page").value = this.picture.page;
  }
}
