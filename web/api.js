// The server's API, as the page uses it.

let key = sessionStorage.getItem("uffizi-key") ?? "";

export function setKey(value) {
  key = value;
  sessionStorage.setItem("uffizi-key", value);
}

// What the server answered instead of what was asked: a problem of RFC 9457.
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the server answered with status ${status}`);
    this.status = status;
    this.code = problem.code ?? "";
  }
}

async function request(path, options = {}) {
  const headers = key ? {Authorization: `Bearer ${key}`} : {};
  let response;
  try {
    response = await fetch(path, {...options, headers});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {detail: "The server cannot be reached."});
  }
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  return response;
}

export async function getModelName() {
  return (await (await request("/v1/models")).json()).data[0].id;
}

export async function getTasks() {
  return (await (await request("/v1/tasks")).json()).tasks;
}

// Asks one question about a picture (a Blob). onText(raw) is called as the answer grows. Gives the
// record. Throws Problem, or AbortError when the signal says so.
export async function annotate(picture, fields, onText, signal) {
  const form = new FormData();
  form.append("image", picture, picture.name ?? "picture");
  form.append("stream", "true");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const response = await request("/v1/annotate", {method: "POST", body: form, signal});
  let record = null;
  for await (const {name, data} of serverSentEvents(response.body)) {
    if (name === "text") onText(data.text);
    if (name === "result") record = data;
    if (name === "error") throw new Problem(data.status, data);
  }
  if (!record) throw new Problem(0, {detail: "The server broke off its answer."});
  return record;
}

async function* serverSentEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(name + ": "))?.slice(name.length + 2);
      if (field("data")) yield {name: field("event"), data: JSON.parse(field("data"))};
    }
  }
}
