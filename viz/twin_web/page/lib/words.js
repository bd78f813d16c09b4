// What is written on the page, in the language that was chosen; words of a part are loaded with the part.
import { keep } from "./kept.js";

export const LANGUAGES = { en: "English", zh: "简体中文" };
const TAGS = { en: "en", zh: "zh-CN" };
const words = { en: {}, zh: {} };
const listeners = new Set();

/** Return "en" or "zh". */
export function language() {
  return document.documentElement.lang.startsWith("zh") ? "zh" : "en";
}

/** Choose a language, for good; whoever shows words is told. */
export function setLanguage(name) {
  keep("language", name);
  document.documentElement.lang = TAGS[name];
  for (const listener of listeners) listener();
}

/** Call `listener` when another language is chosen. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** Load the words of a part: page/words/<part>.js. */
export async function loadWords(part) {
  const module = await import(`/page/words/${part}.js`);
  for (const name of Object.keys(words)) Object.assign(words[name], module.words[name]);
}

/** Return the words of a key, its {slots} filled. A key without words is a fault, told in the console. */
export function t(key, slots = {}) {
  const text = words[language()][key];
  if (text === undefined) {
    console.error(`no words for ${key} in ${language()}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (slot, name) => (name in slots ? String(slots[name]) : slot));
}
