// How far a request is: uploading, waiting for others, looking, writing.

import {$, plural} from "./dom.js";

const STAGES = ["uploading", "waiting", "looking", "writing"];

export function stageText({stage, share, ahead, seconds}) {
  switch (stage) {
    case "queued": return "Next in line";
    case "uploading": return share > 0 && share < 1 ? `Uploading ${Math.round(100 * share)} %` : "Uploading";
    case "waiting": return ahead > 0 ? `Waiting for ${ahead}` : "Waiting";
    case "looking": return "Looking";
    case "writing": return "Writing";
    case "busy": return `The server is busy; again in ${plural(seconds, "second")}`;
    default: return "";
  }
}

export class Progress {
  constructor() {
    this.timer = null;
    this.said = "";
  }

  begin() {
    const start = performance.now();
    $("progress").hidden = false;
    this.said = "";
    this.timer = setInterval(() => {
      $("elapsed").textContent = `${((performance.now() - start) / 1000).toFixed(1)} s`;
    }, 100);
    $("elapsed").textContent = "";
  }

  // What the request is at, and how many of all pictures are done.
  show(stage, done, all) {
    const at = stage.stage === "busy" ? 1 : STAGES.indexOf(stage.stage);
    for (const [i, name] of STAGES.entries()) {
      const step = $(`step-${name}`);
      step.className = i < at || stage.stage === "done" ? "done" : i === at ? "now" : "";
      step.textContent = i === at ? stageText(stage) : name[0].toUpperCase() + name.slice(1);
      if (i === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    }
    $("step-uploading").style.setProperty("--share", stage.stage === "uploading" ? stage.share : 1);
    $("done-of").textContent = all > 1 ? `${done} of ${all} pictures` : "";
    // Whoever listens is told of a stage once, not of each percent.
    const said = stage.stage === "uploading" ? "Uploading" : stageText(stage);
    if (said && said !== this.said) $("status").textContent = `${said} …`;
    this.said = said;
  }

  end(text) {
    clearInterval(this.timer);
    $("progress").hidden = true;
    $("status").textContent = text;
  }
}
