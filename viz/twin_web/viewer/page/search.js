// Colour by any gene of the run: a box in which one writes, and what begins so or holds it below.

const PATIENCE_OF_KEYS = 120; // ms after a key before the server is asked; our choice
const MOST_FOUND = 12;

let searches = 0; // the latest is the one that is answered

async function findGenes(text) {
  const query = new URLSearchParams({ q: text, n: MOST_FOUND, compartment: record.compartment });
  return (await ask(`${home}/genes?${query}`)).json();
}

function setUpSearch() {
  if (!record.hasGenes || isCompact) return;
  const field = Object.assign(document.createElement("div"), { id: "search" });
  element("bar").before(field);
  const label = make(field, "label", { htmlFor: "find" });
  const input = make(field, "input", { id: "find", type: "search", autocomplete: "off", spellcheck: false });
  const list = make(field, "div", { id: "found", hidden: true });
  const told = make(field, "p", { id: "find-told", className: "hint" });
  told.setAttribute("role", "status");
  list.setAttribute("role", "listbox");
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", "found"],
    ["aria-expanded", "false"], ["aria-describedby", "find-told"]]) input.setAttribute(name, value);
  let active = -1, late = 0, of = null;

  const name = () => {
    label.textContent = say("find");
    list.setAttribute("aria-label", say("find"));
    input.placeholder = of === null ? "" : say("find.about", { n: count(of) });
  };
  const mark = (i) => {
    active = i;
    [...list.children].forEach((option, k) => option.setAttribute("aria-selected", String(k === i)));
    if (i >= 0) input.setAttribute("aria-activedescendant", list.children[i].id);
    else input.removeAttribute("aria-activedescendant");
    if (i >= 0) list.children[i].scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  };
  const choose = (gene) => {
    close();
    input.value = "";
    told.textContent = "";
    colourBy(gene);
  };
  const show = ({ genes, programs, of: all }) => {
    of = all;
    name();
    list.replaceChildren();
    [...programs, ...genes].slice(0, MOST_FOUND).forEach((gene, i) => {
      const option = make(list, "div", { id: `found-${i}` }, gene);
      option.setAttribute("role", "option");
      option.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
      option.addEventListener("click", () => choose(gene));
    });
    list.hidden = list.children.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    told.textContent = list.hidden ? say("find.none") : say("find.found", { n: list.children.length });
    mark(list.hidden ? -1 : 0);
  };
  const search = async () => {
    const mine = ++searches, text = input.value.trim();
    if (!text) {
      told.textContent = "";
      return close();
    }
    const found = await findGenes(text);
    if (mine === searches) show(found);
  };
  input.addEventListener("input", () => {
    clearTimeout(late);
    late = setTimeout(() => search().catch(failed), PATIENCE_OF_KEYS);
  });
  input.addEventListener("keydown", (event) => {
    const n = list.hidden ? 0 : list.children.length;
    if (event.key === "Escape" && n) close();
    else if (event.key === "Enter" && active >= 0) choose(list.children[active].textContent);
    else if (n && event.key === "ArrowDown") mark((active + 1) % n);
    else if (n && event.key === "ArrowUp") mark((active - 1 + n) % n);
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", close);
  listen("language", name);
  name();
  findGenes("").then(({ of: all }) => { of = all; name(); }).catch(failed);
}

/** Colour cells by a gene, program or column; one that the run does not have is told, and nothing changes. */
async function colourBy(name) {
  const wanted = name === "cell_type" ? record.paints[record.types].name : name;
  if (!record.paints.some((paint) => paint.name === wanted)) {
    const { genes, programs } = await findGenes(wanted);
    if (![...genes, ...programs].includes(wanted)) return;
  }
  const number = paintOf(wanted);
  showPaints();
  await setPaint(number);
}

listen("begun", setUpSearch);
