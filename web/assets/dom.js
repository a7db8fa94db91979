// Elements, made without ever parsing text as markup: records carry what strangers wrote.

const LONGEST = 300;
// Control characters, and those that change the direction or the width of the text around them.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Text from outside as it may be shown: nothing invisible, not endless. */
export function shown(text, longest = LONGEST) {
  const all = String(text ?? "");
  const cut = all.length > longest ? `${all.slice(0, longest)}…` : all;
  return cut.replace(UNSEEN, "\ufffd");
}

/** An element with attributes (functions become listeners) and children (text is text). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Text from outside, whose direction cannot leak; the whole of it on hover. */
export function foreign(text, attributes = {}) {
  return h("bdi", { title: shown(text, 1000), ...attributes }, shown(text));
}

/** A message of ours whose `commands` are set apart. */
export function marked(text) {
  return shown(text, 1000).split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));
}

export const $ = (id) => document.getElementById(id);

/** Sets text only where it changes, so that nothing is laid out or read aloud again. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
