// Elements, made without a line of HTML: what others wrote enters as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element at the end of `parent` (or of nothing: null), and return it.
 *
 * props: a function is a listener ({click: …}), `style` an object of CSS properties, `dataset` an object; true and
 * false are attributes that are there or not; everything else is an attribute. `text` is its textContent.
 */
export function make(parent, tag, props = {}, text = undefined) {
  const inSvg = tag === "svg" || (parent?.namespaceURI === SVG && parent.tagName !== "foreignObject");
  const element = inSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "style") for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
}

/** Take everything out of an element. */
export function clear(element) {
  element.replaceChildren();
}

/** Let a screen reader say something, once it has said what it is saying; the same words again are said again. */
export function say(text) {
  const region = document.getElementById("said");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

/** Say what the view does: "loading", "ready", "running", "done" or "failed". */
export function state(name) {
  document.body.dataset.state = name;
}
