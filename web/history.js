// Answers of before, kept in this browser: records with their questions, and the pictures that they are about.

const NAME = "uffizi", VERSION = 1;
const MOST = 60;  // answers
const THUMBNAIL = 360;  // pixels

const wait = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("answers", {keyPath: "id"});
      request.result.createObjectStore("pictures", {keyPath: "id"});
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function stores(mode) {
  const transaction = (await open()).transaction(["answers", "pictures"], mode);
  return [transaction.objectStore("answers"), transaction.objectStore("pictures")];
}

async function thumbnailOf(picture) {
  const image = new Image();
  image.src = picture.url;
  await image.decode();
  const scale = Math.min(1, THUMBNAIL / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", .85));
}

// Keeps the answers about one picture. Without a store (a private window, no room) nothing is kept.
export async function keep(entries) {
  try {
    const [{picture}] = entries;
    const {id, file, shown, name, page, pages, width, height} = picture;
    const thumbnail = picture.thumbnail ?? await thumbnailOf(picture);
    const [answers, pictures] = await stores("readwrite");
    pictures.put({id, file, shown, name, page, pages, width, height, thumbnail});
    for (const {picture: about, stage, raw, error, ...entry} of entries) answers.put({...entry, pictureId: about.id});
    await prune(answers, pictures);
  } catch (error) {
    console.warn(`Answers are not kept: ${error.message}`);
  }
}

async function prune(answers, pictures) {
  const all = (await wait(answers.getAll())).sort((a, b) => b.when - a.when);
  for (const {id} of all.slice(MOST)) answers.delete(id);
  const needed = new Set(all.slice(0, MOST).map(({pictureId}) => pictureId));
  for (const id of await wait(pictures.getAllKeys())) if (!needed.has(id)) pictures.delete(id);
}

// What was kept, the newest first, as entries whose pictures have a `thumbnail` and no URL yet.
export async function recall() {
  try {
    const [answers, pictures] = await stores("readonly");
    const [entries, kept] = await Promise.all([wait(answers.getAll()), wait(pictures.getAll())]);
    const byId = new Map(kept.map((picture) => [picture.id, {...picture, url: null}]));
    return entries.filter(({pictureId}) => byId.has(pictureId))
        .sort((a, b) => b.when - a.when || a.id.localeCompare(b.id, undefined, {numeric: true}))
        .map(({pictureId, ...entry}) => ({
          ...entry, picture: byId.get(pictureId), raw: "", stage: {stage: "done"}, error: null,
        }));
  } catch (error) {
    console.warn(`Answers of before are not there: ${error.message}`);
    return [];
  }
}

export async function forgetAll() {
  const [answers, pictures] = await stores("readwrite");
  await Promise.all([wait(answers.clear()), wait(pictures.clear())]);
}

// Makes a picture that was recalled one that can be shown.
export function openKept(picture) {
  picture.url ??= URL.createObjectURL(picture.shown ?? picture.file);
  return picture;
}
