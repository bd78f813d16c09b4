// The reader's language: what the page says in it, now and after it was changed.

const TEXTS = { en: ENGLISH, zh: CHINESE };
const SCALE = "log(1 + counts per 10,000)"; // as runs tell the unit of genes
let language = /^zh\b/i.test(navigator.language || "") ? "zh" : "en";

const news = new EventTarget(); // what happened, for whoever listens: the source of pieces, or the page around this one
const announce = (what, detail) => news.dispatchEvent(new CustomEvent(what, { detail }));
const listen = (what, hear) => news.addEventListener(what, (event) => hear(event.detail));

/** A text with its slots filled. */
function say(key, slots = {}) {
  const text = TEXTS[language][key];
  if (text === undefined) throw new Error(`nothing is said for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(slots[name]));
}

/** A title or a state that a run tells, in the reader's language where it has a word for it. */
const term = (text) => (language === "zh" && TERMS[text]) || text;

/** The title of a paint with its unit. */
function labelOf(paint) {
  if (language !== "zh") return paint.label;
  return TERMS[paint.label] || paint.label.replace(`, mean ${SCALE}`, "，平均 log(1 + 每万条计数)")
    .replace(`, ${SCALE}`, "，log(1 + 每万条计数)");
}

/** Write the texts that stand in the page itself. */
function writeTexts() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", say(one.dataset.label));
}

function speak(chosen) {
  if (!TEXTS[chosen] || chosen === language) return;
  language = chosen;
  writeTexts();
  announce("language", language);
}
