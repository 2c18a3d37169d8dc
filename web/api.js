// The server's API, as the page uses it.

const MOST_TRIES = 30;   // of a request that the server is too busy for
const USUAL_PAUSE = 2;   // seconds between them, where the server does not say

let key = sessionStorage.getItem("uffizi-key") ?? "";

export function setKey(value) {
  key = value;
  sessionStorage.setItem("uffizi-key", value);
}

// What the server answered instead of what was asked: a problem of RFC 9457. A status of 0 says
// that it is not there, or no longer.
export class Problem extends Error {
  constructor(status, {detail, code, error} = {}, retryAfter = null) {
    super(detail ?? error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.code = code ?? error?.code ?? "";
    this.retryAfter = retryAfter;
  }
  // Later, the same request may be taken.
  get busy() {
    return (this.status === 503 && this.code !== "shutting_down") || this.status === 429;
  }
  get gone() {
    return this.status === 0 || this.code === "shutting_down";
  }
}

const unreachable = () => new Problem(0, {detail: "The server cannot be reached."});
const brokenOff = () => new Problem(0, {detail: "The server went away in the middle of its answer."});
const aborted = () => new DOMException("Stopped", "AbortError");

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(aborted()); }, {once: true});
  });
}

// Calls attempt() again while the server says that it is too busy; onBusy(seconds) before each wait.
export async function patiently(attempt, onBusy, signal) {
  for (let tries = 1; ; ++tries) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Problem) || !error.busy || tries === MOST_TRIES) throw error;
      const seconds = error.retryAfter ?? USUAL_PAUSE;
      onBusy?.(seconds);
      await pause(seconds, signal);
    }
  }
}

const authorization = () => (key ? {Authorization: `Bearer ${key}`} : {});

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {...options, headers: authorization()});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (response.ok) return response;
  const seconds = parseInt(response.headers.get("Retry-After"), 10);
  throw new Problem(response.status, await response.json().catch(() => ({})), Number.isNaN(seconds) ? null : seconds);
}

const json = async (path) => (await request(path)).json();

export const getModels = async () => (await json("/v1/models")).data.map(({id}) => id);
export const getTasks = async () => (await json("/v1/tasks")).tasks;
export const getLimits = () => json("/v1/limits");

export async function getSample(name) {
  const response = await request(`/samples/${name}.jpg`);
  return new File([await response.blob()], `${name}.jpg`, {type: "image/jpeg"});
}

export async function isWell() {
  try {
    return (await fetch("/healthz", {cache: "no-store"})).ok;
  } catch {
    return false;
  }
}

// A picture as a JPEG that browsers show: {blob, width, height, pages}, the size in the picture's own pixels.
export async function getThumbnail(file, {size = 2048, page = 1} = {}) {
  const form = new FormData();
  form.append("image", file, shortName(file.name));
  form.append("size", size);
  form.append("options", JSON.stringify(page > 1 ? {page} : {}));
  const response = await patiently(() => request("/v1/thumbnail", {method: "POST", body: form}));
  const number = (name) => parseInt(response.headers.get(`Uffizi-${name}`), 10);
  return {blob: await response.blob(), width: number("Width"), height: number("Height"), pages: number("Pages")};
}

// The server takes names of at most 255 bytes.
function shortName(name) {
  const fits = (text) => new TextEncoder().encode(text).length <= 255;
  if (fits(name)) return name;
  const end = name.match(/\.[a-z0-9]{1,5}$/i)?.[0] ?? "";
  return `${name.slice(0, 60)}…${end}`;
}

// Asks questions about a picture (a File); `fields` are the form's, [name, value] each. Calls
//   onStage({stage: "uploading", share} | {stage: "waiting", ahead} | {stage: "looking"} | {stage: "writing"})
//   onText(question, raw) as an answer grows
// and gives a record for each question. Throws Problem, or AbortError when the signal says so.
export async function annotate(file, fields, {onStage, onText, signal}) {
  const form = new FormData();
  form.append("image", file, shortName(file.name));
  form.append("stream", "true");
  for (const [name, value] of fields) form.append(name, value);
  const records = [];
  let done = false, failed = null;
  await send(form, {
    signal,
    onUpload: (share) => onStage({stage: share < 1 ? "uploading" : "waiting", share}),
    onEvent: ({name, data}) => {
      if (name === "progress") onStage(data);
      if (name === "text") {
        onStage({stage: "writing"});
        onText(data.question, data.text);
      }
      if (name === "result") records.push(data);
      if (name === "done") done = true;
      if (name === "error") failed = new Problem(data.status, data);
    },
  });
  if (failed) throw failed;
  if (!done) throw brokenOff();
  return records;
}

// Posts a form and tells of its server-sent events. Not by fetch(), which does not tell how much of the upload is done.
function send(form, {signal, onUpload, onEvent}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const events = eventReader(onEvent);
    let begun = false;
    const take = () => {
      if (request.status !== 200) return;
      begun = true;
      events(request.responseText);
    };
    request.open("POST", "/v1/annotate");
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({loaded, total}) => onUpload(total ? loaded / total : 0));
    request.upload.addEventListener("load", () => onUpload(1));
    request.addEventListener("progress", take);
    request.addEventListener("load", () => {
      if (request.status === 200) {
        take();
        resolve();
        return;
      }
      const seconds = parseInt(request.getResponseHeader("Retry-After"), 10);
      let problem = {};
      try {
        problem = JSON.parse(request.responseText);
      } catch {
        // A proxy's page: its status has to do.
      }
      reject(new Problem(request.status, problem, Number.isNaN(seconds) ? null : seconds));
    });
    request.addEventListener("error", () => reject(begun ? brokenOff() : unreachable()));
    request.addEventListener("abort", () => reject(aborted()));
    signal.addEventListener("abort", () => request.abort(), {once: true});
    if (signal.aborted) {
      reject(aborted());
      return;
    }
    onUpload(0);
    request.send(form);
  });
}

// Gives a function that takes the text so far, the whole of it, and calls onEvent({name, data}) for what is new.
function eventReader(onEvent) {
  let at = 0;
  return (text) => {
    for (let end = text.indexOf("\n\n", at); end >= 0; end = text.indexOf("\n\n", at)) {
      const lines = text.slice(at, end).split("\n");
      at = end + 2;
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field("data")) onEvent({name: field("event"), data: JSON.parse(field("data"))});
    }
  };
}
