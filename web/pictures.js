// Pictures from files: read, checked and made visible, by the browser or else by the server.

import {getThumbnail} from "./api.js";

const FORM_BYTES = 64 * 1024;  // of a request, beside its picture
const HEAD_BYTES = 1024;

export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;

let made = 0;
const newId = () => `${Date.now().toString(36)}-${(++made).toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

export function isPicture(file, limits) {
  const end = file.name.match(/\.[^.]+$/)?.[0].toLowerCase();
  return file.type.startsWith("image/") || Boolean(limits?.extensions.includes(end));
}

function checkSize(file, limits) {
  const most = limits ? limits.max_body - FORM_BYTES : Infinity;
  if (file.size > most) {
    throw new Error(`${file.name} has ${megabytes(file.size)}; this server takes ${megabytes(most)} at most.`);
  }
}

// Whether a file is of a kind that may have several pages or frames. The model sees one of them, which a browser would
// neither stop at nor count.
async function mayBeSeveral(file) {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  if (/^(GIF8|II[*+]\0|MM\0[*+]|%PDF)/.test(text)) return true;  // TIFF, too
  if (text.startsWith("RIFF") && text.startsWith("VP8X", 12)) return (bytes[20] & 2) !== 0;  // WebP's mark of frames
  return (text.startsWith("\x89PNG") && text.includes("acTL")) || text.startsWith("ftypavis", 4);
}

// Resolves to the size of what the browser shows at the URL; null if it shows nothing.
async function sizeShown(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return {width: image.naturalWidth, height: image.naturalHeight};
  } catch {
    return null;
  }
}

// What the stage shows of a file, as {url, shown, width, height, pages}: `shown` is the server's copy, if that is it.
async function look(file, page) {
  const url = URL.createObjectURL(file);
  const size = page > 1 || await mayBeSeveral(file) ? null : await sizeShown(url);
  if (size) return {url, shown: null, ...size, pages: 1};
  URL.revokeObjectURL(url);
  const {blob, ...rest} = await getThumbnail(file, {page});
  return {url: URL.createObjectURL(blob), shown: blob, ...rest};
}

// A picture: {id, file, name, page, pages, url, shown, width, height}, the size in the picture's own pixels. Throws Error
// with a message that names the file.
export async function readPicture(file, limits, page = 1) {
  checkSize(file, limits);
  let seen;
  try {
    seen = await look(file, page);
  } catch (error) {
    const known = error.message.startsWith(file.name) ? error.message : `${file.name}: ${error.message}`;
    throw Object.assign(new Error(known), {status: error.status, gone: error.gone});
  }
  if (limits && seen.width * seen.height > limits.max_pixels) {
    const millions = (pixels) => `${Math.round(pixels / 1e5) / 10} million pixels`;
    throw new Error(`${file.name} has ${millions(seen.width * seen.height)}; `
                    + `this server takes ${millions(limits.max_pixels)} at most.`);
  }
  return {id: newId(), file, name: file.name, page, ...seen};
}
